//! A guest's standard output and error, cut into lines, bounded, and handed to whoever listens.
//!
//! ```text
//! guest ── bytes ─▶ Pipe ─▶ Output ── lines ─▶ GuestOutput (tracing, or the embedder's)
//!                             │
//!                             └─ the end of stderr, for a trap's error
//! ```
//! Nothing here waits: what is over the limits is counted and dropped, and a line says so as soon as there is room again.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream as WasiOutputStream, Pollable, StreamResult};

use super::handles::{Standard, Streams};
use crate::config::OutputLimits;

/// Bytes a guest may write in one host call.
const WRITE_PERMIT_BYTES: usize = 64 << 10;

/// Which of the two standard streams a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whose output it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputOrigin {
    /// The app's name.
    pub app: String,
    /// The class the instance was entered for.
    pub class: String,
    /// The instance's parameters as JSON, shortened to 200 bytes.
    pub parameters: String,
    /// The instance's id, unique in this process.
    pub instance: String,
}

/// One line of a guest's output.
#[derive(Clone, Copy, Debug)]
pub struct OutputLine<'a> {
    /// Whose output it is.
    pub origin: &'a OutputOrigin,
    /// Which stream it came from.
    pub stream: OutputStream,
    /// The text without its line end; bytes that are not UTF-8 are replaced. Control characters are the guest's own: a
    /// listener that prints to a terminal escapes them.
    pub text: &'a str,
    /// How many bytes of this line were cut because it was too long.
    pub cut_bytes: u64,
}

/// Receives what guests print. The default listener writes `tracing` events at `info` with target `wasmhost::guest`.
pub trait GuestOutput: Send + Sync + 'static {
    /// Called for each line, in order within one instance, from the thread that runs the guest, whose time limit cannot
    /// interrupt it: it must not block.
    fn line(&self, line: &OutputLine<'_>);

    /// Called once the guest may print again after `lines` lines with `bytes` bytes were dropped, or at its end.
    fn dropped(&self, origin: &OutputOrigin, lines: u64, bytes: u64);
}

/// The default listener.
#[derive(Debug)]
pub(crate) struct TracingOutput;

impl GuestOutput for TracingOutput {
    fn line(&self, line: &OutputLine<'_>) {
        let OutputOrigin { app, class, parameters, instance } = line.origin;
        let stream = match line.stream {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        };
        let cut_bytes = (line.cut_bytes > 0).then_some(line.cut_bytes);
        tracing::info!(target: "wasmhost::guest", app, class, parameters, instance, stream, cut_bytes, "{}", line.text);
    }

    fn dropped(&self, origin: &OutputOrigin, lines: u64, bytes: u64) {
        let OutputOrigin { app, class, parameters, instance } = origin;
        tracing::warn!(target: "wasmhost::guest", app, class, parameters, instance, lines, bytes, "output dropped: over the rate limit");
    }
}

/// Both output streams of one instance.
pub(crate) struct Output {
    origin: OutputOrigin,
    listener: Arc<dyn GuestOutput>,
    limits: OutputLimits,
    has_tail: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    stdout: PartialLine,
    stderr: PartialLine,
    tail: Vec<u8>,
    budget: Budget,
    dropped_lines: u64,
    dropped_bytes: u64,
}

#[derive(Default)]
struct PartialLine {
    bytes: Vec<u8>,
    cut_bytes: u64,
}

/// A token bucket in bytes.
struct Budget {
    bytes: u64,
    filled: Instant,
}

impl Output {
    pub(crate) fn new(origin: OutputOrigin, listener: Arc<dyn GuestOutput>, limits: OutputLimits) -> Arc<Self> {
        let inner = Inner {
            stdout: PartialLine::default(),
            stderr: PartialLine::default(),
            tail: Vec::new(),
            budget: Budget { bytes: limits.max_burst_bytes, filled: Instant::now() },
            dropped_lines: 0,
            dropped_bytes: 0,
        };
        Arc::new(Self { origin, listener, limits, has_tail: AtomicBool::new(false), inner: Mutex::new(inner) })
    }

    /// Whose output it is.
    pub(super) fn origin(&self) -> &OutputOrigin {
        &self.origin
    }

    /// The end of the standard error of the current call, whole lines where possible.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        let inner = self.lock();
        (!inner.tail.is_empty()).then(|| String::from_utf8_lossy(&inner.tail).trim_end().to_owned())
    }

    /// Forgets the tail, so that a later trap is not told with an earlier call's words.
    pub(crate) fn forget_tail(&self) {
        // Most calls print nothing, and need not ask for the lock.
        if self.has_tail.swap(false, Ordering::Relaxed) {
            self.lock().tail.clear();
        }
    }

    /// Hands on lines that were not ended, and the count of what was dropped: the instance is gone.
    pub(crate) fn finish(&self) {
        let mut ready = Vec::new();
        {
            let mut inner = self.lock();
            for stream in [OutputStream::Stdout, OutputStream::Stderr] {
                if !inner.line(stream).bytes.is_empty() {
                    inner.end_line(stream, &self.limits, &mut ready);
                }
            }
            inner.tell_dropped(&mut ready);
        }
        self.hand_on(ready);
    }

    fn write(&self, stream: OutputStream, mut bytes: &[u8]) {
        let mut ready = Vec::new();
        {
            let mut inner = self.lock();
            if stream == OutputStream::Stderr {
                inner.keep_tail(bytes, self.limits.max_tail_bytes);
                self.has_tail.store(true, Ordering::Relaxed);
            }
            while !bytes.is_empty() {
                let (piece, ended) = match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => (&bytes[..end], true),
                    None => (bytes, false),
                };
                bytes = &bytes[piece.len() + usize::from(ended)..];
                let line = inner.line(stream);
                let room = self.limits.max_line_bytes - line.bytes.len();
                line.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
                line.cut_bytes += piece.len().saturating_sub(room) as u64;
                if ended {
                    inner.end_line(stream, &self.limits, &mut ready);
                }
            }
        }
        self.hand_on(ready);
    }

    /// Tells the listener, with no lock held: it is somebody else's code.
    fn hand_on(&self, ready: Vec<Ready>) {
        for ready in ready {
            match ready {
                Ready::Line { stream, bytes, cut_bytes } => {
                    let text = &String::from_utf8_lossy(&bytes);
                    self.listener.line(&OutputLine { origin: &self.origin, stream, text, cut_bytes });
                }
                Ready::Dropped { lines, bytes } => self.listener.dropped(&self.origin, lines, bytes),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something for the listener.
enum Ready {
    Line { stream: OutputStream, bytes: Vec<u8>, cut_bytes: u64 },
    Dropped { lines: u64, bytes: u64 },
}

impl Inner {
    /// Ends the current line: it is ready for the listener, or counted as dropped.
    fn end_line(&mut self, stream: OutputStream, limits: &OutputLimits, ready: &mut Vec<Ready>) {
        let PartialLine { mut bytes, cut_bytes } = std::mem::take(self.line(stream));
        if !self.budget.take(bytes.len() as u64 + 1, limits) {
            self.dropped_lines += 1;
            self.dropped_bytes += bytes.len() as u64 + cut_bytes;
            return;
        }
        self.tell_dropped(ready);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        ready.push(Ready::Line { stream, bytes, cut_bytes });
    }

    fn tell_dropped(&mut self, ready: &mut Vec<Ready>) {
        let (lines, bytes) = (std::mem::take(&mut self.dropped_lines), std::mem::take(&mut self.dropped_bytes));
        if lines > 0 {
            ready.push(Ready::Dropped { lines, bytes });
        }
    }

    fn line(&mut self, stream: OutputStream) -> &mut PartialLine {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    fn keep_tail(&mut self, bytes: &[u8], max: usize) {
        let bytes = &bytes[bytes.len().saturating_sub(max)..];
        let over = (self.tail.len() + bytes.len()).saturating_sub(max);
        self.tail.drain(..over);
        self.tail.extend_from_slice(bytes);
    }
}

impl Budget {
    fn take(&mut self, cost: u64, limits: &OutputLimits) -> bool {
        if self.bytes < cost {
            let elapsed = self.filled.elapsed();
            let refill =
                u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).saturating_mul(limits.max_bytes_per_second)
                    / 1_000_000;
            if refill > 0 {
                self.bytes = self.bytes.saturating_add(refill).min(limits.max_burst_bytes);
                self.filled = Instant::now();
            }
        }
        let granted = self.bytes >= cost;
        if granted {
            self.bytes -= cost;
        }
        granted
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The guest's end of one stream.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) output: Arc<Output>,
    pub(super) stream: OutputStream,
    /// Where a guest that takes it is noted, if somebody wants to know.
    pub(super) taken: Option<Streams>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(taken) = &self.taken {
            taken.dropped(self);
        }
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The adapter for WASI 0.2 that comes with this trait queues writes without a bound; this pipe never queues.
    fn p2_stream(&self) -> Box<dyn WasiOutputStream> {
        let pipe = Box::new(self.clone());
        if let Some(taken) = &self.taken {
            let standard = match self.stream {
                OutputStream::Stdout => Standard::Output,
                OutputStream::Stderr => Standard::Error,
            };
            taken.taken(&*pipe, standard);
        }
        pipe
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl WasiOutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT_BYTES)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE_PERMIT_BYTES)];
        self.output.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorder {
        lines: Mutex<Vec<(OutputStream, String, u64)>>,
        dropped: Mutex<(u64, u64)>,
    }

    impl GuestOutput for Recorder {
        fn line(&self, line: &OutputLine<'_>) {
            self.lines.lock().unwrap().push((line.stream, line.text.to_owned(), line.cut_bytes));
        }

        fn dropped(&self, _: &OutputOrigin, lines: u64, bytes: u64) {
            let mut dropped = self.dropped.lock().unwrap();
            dropped.0 += lines;
            dropped.1 += bytes;
        }
    }

    fn output(limits: OutputLimits) -> (Arc<Recorder>, Arc<Output>) {
        let recorder = Arc::new(Recorder::default());
        (recorder.clone(), Output::new(OutputOrigin::default(), recorder, limits))
    }

    #[test]
    fn bytes_become_lines_whatever_pieces_they_come_in() {
        let (recorder, output) = output(OutputLimits::default());
        for piece in ["one\ntw", "o\r\n", "\nlast"] {
            output.write(OutputStream::Stdout, piece.as_bytes());
        }
        output.finish();
        let lines: Vec<_> = recorder.lines.lock().unwrap().iter().map(|(_, text, _)| text.clone()).collect();
        assert_eq!(lines, ["one", "two", "", "last"]);
    }

    #[test]
    fn a_long_line_is_cut_and_says_by_how_much() {
        let (recorder, output) = output(OutputLimits { max_line_bytes: 4, ..OutputLimits::default() });
        output.write(OutputStream::Stderr, b"123456");
        output.write(OutputStream::Stderr, b"789\nab\n");
        assert_eq!(
            *recorder.lines.lock().unwrap(),
            [(OutputStream::Stderr, "1234".to_owned(), 5), (OutputStream::Stderr, "ab".to_owned(), 0)]
        );
    }

    #[test]
    fn kept_and_dropped_bytes_are_all_bytes() {
        let limits = OutputLimits { max_burst_bytes: 100, max_bytes_per_second: 0, ..OutputLimits::default() };
        let (recorder, output) = output(limits);
        for _ in 0..50 {
            output.write(OutputStream::Stdout, b"123456789\n");
        }
        output.finish();
        let kept = recorder.lines.lock().unwrap().len() as u64;
        let (lines, bytes) = *recorder.dropped.lock().unwrap();
        assert_eq!((kept, kept + lines), (10, 50));
        assert_eq!(bytes, lines * 9);
    }

    #[test]
    fn the_tail_is_the_end_of_stderr_alone() {
        let (_, output) = output(OutputLimits { max_tail_bytes: 8, ..OutputLimits::default() });
        output.write(OutputStream::Stdout, b"nothing\n");
        output.write(OutputStream::Stderr, b"0123456789");
        output.write(OutputStream::Stderr, b"ab\n");
        assert_eq!(output.stderr_tail().as_deref(), Some("56789ab"));
        output.forget_tail();
        assert_eq!(output.stderr_tail(), None);
    }
}
