//! Rust source with comments or string literals blanked out, so that rules about words look only where words count.
//!
//! Everything blanked is replaced byte for byte by spaces and line ends: positions stay those of the file. It is a lexer
//! of the few tokens that hide others, and knows nothing of Rust's grammar.

/// The two views that rules ask for.
pub(super) struct RustText;

impl RustText {
    /// The source without comments and without the contents of literals.
    pub(super) fn code(source: &str) -> String {
        blank(source, |token| token != Token::Code)
    }

    /// The source without the contents of literals.
    pub(super) fn without_strings(source: &str) -> String {
        blank(source, |token| token == Token::Literal)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Code,
    Comment,
    Literal,
}

fn blank(source: &str, hides: impl Fn(Token) -> bool) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let (token, length) = next(rest, out.chars().next_back());
        let (text, after) = rest.split_at(length);
        if hides(token) {
            out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            out += text;
        }
        rest = after;
    }
    out
}

/// The token that `rest` starts with, and its length in bytes; code comes one character at a time.
fn next(rest: &str, before: Option<char>) -> (Token, usize) {
    let first = rest.chars().next().expect("the caller stops at the end");
    if rest.starts_with("//") {
        return (Token::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Token::Comment, block_comment(rest));
    }
    if first == '"' {
        return (Token::Literal, string(rest));
    }
    // `r` and `br` start a raw string only where no identifier is under way.
    if first == 'r'
        && !before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_')
        && let Some(length) = raw_string(rest)
    {
        return (Token::Literal, length);
    }
    if first == '\''
        && let Some(length) = character(rest)
    {
        return (Token::Literal, length);
    }
    (Token::Code, first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

/// A character literal, as opposed to a lifetime: it closes after one character or an escape.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        // The escaped character first, because it may be a quote itself.
        return chars.skip(1).find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_is_left_without_comments_and_literals() {
        for (source, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("a\"b") g"#, "f(      ) g"),
            (r##"r#"a"b"# c"##, "         c"),
            (r#"br"\" c"#, "b     c"),
            (r"'a' '\'' &'a b '\u{1F600}' c", r"         &'a b             c"),
            ("for \"ä\" x", "for      x"),
            ("\"// no comment\" y", "                y"),
        ] {
            assert_eq!(RustText::code(source), code, "{source}");
        }
    }

    #[test]
    fn comments_stay_where_only_strings_are_left_out() {
        assert_eq!(RustText::without_strings("\"a\" // \"b\"\n"), "    // \"b\"\n");
    }
}
