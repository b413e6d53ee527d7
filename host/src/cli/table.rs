//! A table of text: columns as wide as they have to be, one of them shortened until a line fits. Knows no terminal.

use std::fmt::Write as _;

/// The least width that the shortened column is left with.
const LEAST: usize = 10;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A name, to the left.
    Text(&'static str),
    /// A text, to the left, shortened if there is no room.
    Flexible(&'static str),
    /// A number, to the right.
    Number(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Text(heading) | Self::Flexible(heading) | Self::Number(heading) => heading,
        }
    }
}

/// Sets rows under their headings, in lines of at most `width` characters if that is possible.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> String {
    let widths = widths(columns, rows, width);
    let mut out = String::new();
    let heading: Vec<_> = columns.iter().map(|column| column.heading().to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for ((column, cell), width) in columns.iter().zip(row).zip(&widths) {
            let cell = shorten(cell, *width);
            let _ = match column {
                Column::Number(_) => write!(line, "{cell:>width$}  "),
                Column::Text(_) | Column::Flexible(_) => write!(line, "{cell:<width$}  "),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn widths(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<usize> {
    let widest = |(index, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(column.heading().len())
    };
    let mut widths: Vec<_> = columns.iter().enumerate().map(widest).collect();
    let total = widths.iter().sum::<usize>() + 2 * columns.len().saturating_sub(1);
    let excess = width.map_or(0, |width| total.saturating_sub(width));
    if let Some(flexible) = columns.iter().position(|column| matches!(column, Column::Flexible(_))) {
        let least = LEAST.min(widths[flexible]);
        widths[flexible] = widths[flexible].saturating_sub(excess).max(least);
    }
    widths
}

/// Cuts a text to `max` characters, the last of them an ellipsis if anything is missing.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A text from elsewhere as it can be put on one line: control characters are made visible, line ends and colours too.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::Text("APP"), Column::Flexible("PARAMETERS"), Column::Number("IDLE")];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![row(["shop", "name=\"a hedgehog in the garden\"", "12"]), row(["a", "-", "3"])]
    }

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let expected = "APP   PARAMETERS                       IDLE\n\
                        shop  name=\"a hedgehog in the garden\"    12\n\
                        a     -                                   3\n";
        assert_eq!(table(&COLUMNS, &rows(), None), expected);
    }

    #[test]
    fn one_column_gives_way() {
        let text = table(&COLUMNS, &rows(), Some(30));
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.contains("shop  name=\"a hedgehog …    12"), "{text}");
        assert!(table(&COLUMNS, &rows(), Some(1)).contains("name=\"a h…"), "it stays readable");
    }

    #[test]
    fn nothing_drives_the_terminal() {
        assert_eq!(visible("a\n\u{1b}[31mé\u{9b}\t"), "a\\n\\u{1b}[31mé\\u{9b}\\t");
    }
}
