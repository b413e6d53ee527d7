//! What the program prints: results, errors, guests' lines, and signs of life while something takes long.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use super::progress;
use crate::error::{Error, ErrorKind};
use crate::state::{GuestOutput, OutputLine, OutputOrigin};

/// How a verb ends.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// An error, and the line of usage that helps against it.
#[derive(Debug)]
pub(super) struct Failure {
    error: Error,
    usage: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, usage: None }
    }
}

impl Failure {
    pub(super) fn with_usage(error: Error, usage: String) -> Self {
        Self { error, usage: Some(usage) }
    }
}

/// How long something may take before a line says what it is.
const PATIENCE: Duration = Duration::from_millis(700);

/// Prints an error and gives its exit code.
pub(super) fn report(failure: &Failure) -> ExitCode {
    flush_guest_lines();
    let text = failure.error.to_string();
    say(&format!("error: {}", escape(&text)));
    if let Some(usage) = &failure.usage {
        say(usage);
    }
    ExitCode::from(failure.error.kind().exit_code())
}

/// Prints what the parser of our own flags says: help to standard output, mistakes to standard error.
pub(super) fn print_clap(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(ErrorKind::BadRequest.exit_code()) } else { ExitCode::SUCCESS }
}

/// Writes to standard output. A reader that has gone away is no error: it has what it wanted.
pub(super) fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("standard output", error)),
        _ => Ok(()),
    }
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The size of the terminal that standard output is, if it is one.
pub(super) fn size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // A terminal that does not know its size says 0.
    (size.ws_col > 0 && size.ws_row > 0).then(|| Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}

/// Writes one line to standard error; there is nowhere to complain when that fails.
pub(super) fn say(line: &str) {
    progress::aside(|| {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    });
}

/// Awaits `work`; when it takes long, says what is going on, and in the end how long it took.
pub(super) async fn with_patience<T>(what: &str, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        progress::clear();
        return done;
    }
    say(&format!("{what} …"));
    let done = work.await;
    progress::clear();
    say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f64()));
    done
}

pub(super) fn start_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "wasmhost=info",
        _ => "wasmhost=trace",
    };
    let filter = EnvFilter::try_from_env("WASMHOST_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .try_init();
}

/// Prints guests' lines to standard error, as they are but for what would drive the terminal.
///
/// A thread of its own does the printing: a terminal that stands still must not stop the guest, nor the clock that ends it.
#[derive(Debug)]
pub(super) struct GuestLines;

impl GuestOutput for GuestLines {
    fn line(&self, line: &OutputLine<'_>) {
        let text = escape(line.text);
        Printer::get().queue(match line.cut_bytes {
            0 => text.into_owned(),
            cut => format!("{text}… ({cut} bytes cut)"),
        });
    }

    fn dropped(&self, _: &OutputOrigin, lines: u64, bytes: u64) {
        Printer::get().queue(format!("({lines} lines with {bytes} bytes were dropped)"));
    }
}

/// Bytes of guests' lines that wait for the terminal; more are dropped.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// How long the last lines may stand still at the end of the program.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The thread that prints guests' lines.
struct Printer {
    lines: mpsc::Sender<String>,
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
}

#[derive(Default)]
struct Waiting {
    bytes: usize,
    dropped_lines: u64,
}

impl Printer {
    fn get() -> &'static Self {
        static PRINTER: LazyLock<Printer> = LazyLock::new(Printer::start);
        &PRINTER
    }

    fn start() -> Self {
        let (lines, printed) = mpsc::channel::<String>();
        let waiting = Arc::<(Mutex<Waiting>, Condvar)>::default();
        let shared = waiting.clone();
        let print = move || {
            for line in printed {
                say(&line);
                shared.0.lock().unwrap_or_else(PoisonError::into_inner).bytes -= line.len();
                shared.1.notify_all();
            }
        };
        // Without the thread the lines wait, and are dropped.
        let _ = std::thread::Builder::new().name("wasmhost-lines".into()).spawn(print);
        Self { lines, waiting }
    }

    fn queue(&self, line: String) {
        let mut waiting = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + line.len() > MAX_WAITING_BYTES {
            waiting.dropped_lines += 1;
            return;
        }
        let note = (waiting.dropped_lines > 0)
            .then(|| format!("({} lines were dropped: nobody read them)", std::mem::take(&mut waiting.dropped_lines)));
        for line in note.into_iter().chain([line]) {
            waiting.bytes += line.len();
            let _ = self.lines.send(line);
        }
    }

    /// Waits until all lines are printed, unless they stand still.
    fn flush(&self) {
        let mut waiting = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.bytes > 0 {
            let before = waiting.bytes;
            let waited = self.waiting.1.wait_timeout(waiting, LAST_LINES);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            if waiting.bytes == before {
                return;
            }
        }
        if waiting.dropped_lines > 0 {
            say(&format!("({} lines were dropped: nobody read them)", waiting.dropped_lines));
        }
    }
}

/// Prints what guests printed before anything of ours.
pub(super) fn flush_guest_lines() {
    Printer::get().flush();
}

/// Makes control characters visible, except tabs, line ends and the sequences that set colours: a guest must not move the
/// cursor, rename the window or answer questions in its user's name.
pub(super) fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(|c: char| c.is_control() && c != '\t' && c != '\n') {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour_sequence(rest);
        if colour > 0 {
            escaped.push_str(&rest[..colour]);
            rest = &rest[colour..];
            continue;
        }
        if c.is_control() && c != '\t' && c != '\n' {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    escaped.into()
}

/// The length of the sequence that sets colours (`ESC [ … m`) at the start of `text`, else 0.
fn colour_sequence(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    match end {
        Some(end) if parameters[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_and_everything_else_is_shown() {
        assert_eq!(escape("\u{1b}[1;31mred\u{1b}[0m\tx"), "\u{1b}[1;31mred\u{1b}[0m\tx");
        assert_eq!(escape("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(escape("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(escape("a\rb"), "a\\rb");
        assert_eq!(escape("\u{1b}["), "\\u{1b}[");
    }
}
