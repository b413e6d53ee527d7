//! Preparing a component in a process of its own: what its compiler or its `build` takes, it takes from nobody else.
//!
//! ```text
//!  host ── assignment, one line of JSON ─▶ stdin   `wasmhost prepare`: limits, nice 19, dies with its parent
//!       ◀── events, then done or failed ── stdout
//! ```
//! What came of it lies in the store that both have open.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::preparer::PrepareLimits;
use crate::artifact::{Event, Listener, Order, Store};
use crate::config::InstanceLimits;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::is_out_of_memory;

/// Children at work at a time: two, so that one component that takes long does not hold up all others.
const MAX_CHILDREN: usize = 2;

/// Bytes of one line that a child may say: a line of a guest's output, with everything in it escaped.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Bytes kept of what a child wrote to its standard error.
const MAX_LAST_WORDS_BYTES: usize = 4 << 10;

/// A program that carries out orders, and what it may take.
#[derive(Clone, Debug)]
pub(super) struct Child {
    program: PathBuf,
    limits: PrepareLimits,
    slots: Arc<Semaphore>,
}

/// What a child is told.
#[derive(Serialize, Deserialize)]
struct Assignment {
    /// The directory of the store.
    store: PathBuf,
    parent: u32,
    limits: PrepareLimits,
    instance: InstanceLimits,
    order: Order,
}

/// What a child says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Event(Event),
    Done,
    /// In the one form that errors have.
    Failed(serde_json::Value),
}

impl Child {
    pub(super) fn new(program: PathBuf, limits: PrepareLimits) -> Self {
        Self { program, limits, slots: Arc::new(Semaphore::new(MAX_CHILDREN)) }
    }

    /// Runs one child to its end. It dies with the thread that calls this.
    ///
    /// # Errors
    ///
    /// What the child failed with; `build-failed` or `memory-exceeded` when it took more than it may; `draining` when `stop` is
    /// cancelled first.
    pub(super) async fn perform(
        &self,
        order: &Order,
        store: &Store,
        instance: InstanceLimits,
        listener: &dyn Listener,
        stop: CancellationToken,
    ) -> Result<()> {
        let stopped = || Error::new(ErrorKind::Draining, "the host is shutting down");
        let _slot = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(stopped()),
            slot = self.slots.acquire() => slot.map_err(|_| Error::internal("no more components are prepared"))?,
        };
        let assignment = Assignment {
            store: store.root().to_owned(),
            parent: std::process::id(),
            limits: self.limits,
            instance,
            order: order.clone(),
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(stopped()),
            done = tokio::time::timeout(self.limits.time, self.run(&assignment, listener)) => {
                done.unwrap_or_else(|_| Err(self.over_time(&order.name, "was not done after", "prepare-timeout")))
            }
        }
    }

    async fn run(&self, assignment: &Assignment, listener: &dyn Listener) -> Result<()> {
        let what = format!("the process that prepares `{}`", assignment.order.name);
        let failed = |error| Error::io(&what, error);
        let mut command = Command::new(&self.program);
        command.arg("prepare").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Its allocator reserves far more than it uses, and that would count as used.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        // Without memory no backtrace can be made, and whoever tries may wait for ever.
        command.env("RUST_BACKTRACE", "0");
        // An interrupt at the terminal is for its parent, which ends it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let missing = || Error::internal("a child without pipes");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let mut text = serde_json::to_vec(assignment).map_err(|error| Error::io(&what, error.into()))?;
        text.push(b'\n');
        // A child that ends before it has read all has said why.
        let _ = stdin.write_all(&text).await;
        let (said, last_words) = tokio::join!(hear(stdout, listener), hear_log(stderr));
        let status = child.wait().await.map_err(failed)?;
        // Open until now: its end is how a child sees that of its parent.
        drop(stdin);
        match said.map_err(failed)? {
            Some(Said::Done) => Ok(()),
            Some(Said::Failed(error)) => {
                let error = Error::from_json(&error).unwrap_or_else(|| Error::internal(format!("{what} failed")));
                let wants_memory = match error.kind() {
                    // Where none of the guest's own limits is named it is that of the process.
                    ErrorKind::MemoryExceeded => error.setting().is_none(),
                    // Nothing is entered here: an instance could not be made.
                    ErrorKind::BadRequest | ErrorKind::Internal | ErrorKind::EnterFailed => {
                        is_out_of_memory(error.message()) || is_out_of_memory(&last_words)
                    }
                    _ => false,
                };
                Err(if wants_memory { self.over_memory(&assignment.order.name) } else { error })
            }
            Some(Said::Event(_)) | None => Err(self.ended(&assignment.order.name, status, &last_words)),
        }
    }

    /// Why a child ended without a word.
    fn ended(&self, name: &str, status: ExitStatus, last_words: &str) -> Error {
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            use std::os::unix::process::ExitStatusExt as _;
            let signal = status.signal().and_then(Signal::from_named_raw);
            if signal == Some(Signal::XCPU) {
                return self.over_time(name, "used more CPU time than", "prepare-cpu-time");
            }
            if signal == Some(Signal::KILL) {
                // None of our limits ends it so.
                let message = format!(
                    "preparing `{name}` failed: its process was killed, by somebody or by the system for want of memory"
                );
                return Error::new(ErrorKind::BuildFailed, message);
            }
        }
        if is_out_of_memory(last_words) {
            return self.over_memory(name);
        }
        let words = last_words.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        let message = format!("preparing `{name}` failed, its process ended with {status}{words}");
        Error::new(ErrorKind::BuildFailed, message)
    }

    fn over_time(&self, name: &str, what: &str, setting: &str) -> Error {
        let limit = if setting == "prepare-timeout" { self.limits.time } else { self.limits.cpu_time };
        let limit = format!("{}s", limit.as_secs_f64());
        let message = format!("preparing `{name}` {what} {limit}; the setting is `{setting}`");
        Error::new(ErrorKind::BuildFailed, message).with_limit(setting, limit)
    }

    fn over_memory(&self, name: &str) -> Error {
        let limit = format!("{}MiB", self.limits.memory_bytes >> 20);
        let message = format!("preparing `{name}` takes more memory than {limit}; the setting is `prepare-memory`");
        Error::new(ErrorKind::MemoryExceeded, message).with_limit("prepare-memory", limit)
    }
}

/// Hears a child out. Gives its last word.
async fn hear(stdout: impl tokio::io::AsyncRead + Unpin, listener: &dyn Listener) -> std::io::Result<Option<Said>> {
    let mut stdout = BufReader::new(stdout);
    let mut last = None;
    loop {
        let mut line = Vec::new();
        if (&mut stdout).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await? == 0 {
            return Ok(last);
        }
        match serde_json::from_slice(&line) {
            Ok(Said::Event(event)) => listener.event(event),
            Ok(said) => last = Some(said),
            // Cut off, because it died over it.
            Err(_) => {}
        }
    }
}

/// Passes on what a child logs; gives the end of it.
async fn hear_log(stderr: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut stderr = BufReader::new(stderr);
    let mut last = String::new();
    loop {
        let mut line = Vec::new();
        match (&mut stderr).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        tracing::warn!(target: "wasmhost::prepare", "{}", line.trim_end());
        last.push_str(&line);
        let cut = last.len().saturating_sub(MAX_LAST_WORDS_BYTES);
        last.drain(..last.ceil_char_boundary(cut));
    }
}

#[cfg(feature = "cli")]
pub(crate) use worker::carry_out;

/// The other side.
#[cfg(feature = "cli")]
mod worker {
    use std::io::{BufRead as _, Write as _};
    use std::sync::{Arc, Mutex, PoisonError};

    use tokio_util::sync::CancellationToken;

    use super::{Assignment, Said};
    use crate::artifact::{Event, Listener, Site, Store, perform};
    use crate::config::HostConfig;
    use crate::engine::Engines;
    use crate::error::{Error, Result};
    use crate::linker::Linkers;

    /// Instances in a child at a time: the one that is built, the one that is verified, and one that is being dropped.
    const MAX_INSTANCES: u32 = 3;

    /// Seconds between the signal that tells of the limit of CPU time and the one that ends the process.
    const CPU_GRACE_SECONDS: u64 = 2;

    /// Reads an assignment from standard input, carries it out, and says on standard output what came of it. Blocks: call it
    /// on a thread of the runtime, off its workers.
    ///
    /// # Errors
    ///
    /// Nothing came in, or nobody listens.
    pub(crate) fn carry_out() -> Result<()> {
        let failed = |error: std::io::Error| Error::io("the assignment on standard input", error);
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
        let assignment: Assignment = serde_json::from_str(&line)
            .map_err(|error| Error::bad_request(format!("`prepare` is run by wasmhost itself: {error}")))?;
        end_with_input().map_err(failed)?;
        limit_this_process(&assignment).map_err(failed)?;
        let mouth = Arc::new(Mouth(Mutex::new(std::io::stdout())));
        let said = match work(&assignment, mouth.clone()) {
            Ok(()) => Said::Done,
            Err(error) => Said::Failed(error.to_json()),
        };
        mouth.say(&said).map_err(failed)
    }

    fn work(assignment: &Assignment, listener: Arc<Mouth>) -> Result<()> {
        let config =
            HostConfig { max_instances: MAX_INSTANCES, instance: assignment.instance, ..HostConfig::default() };
        let linkers = Arc::new(Linkers::new(Engines::new(&config)?));
        let store = Arc::new(Store::open(&assignment.store)?);
        perform(&assignment.order, &Site { store, linkers, listener, stop: CancellationToken::new() })
    }

    #[cfg(unix)]
    fn limit_this_process(assignment: &Assignment) -> std::io::Result<()> {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let both = |soft: u64, hard: u64| Rlimit { current: Some(soft), maximum: Some(hard) };
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Signal, getppid, set_parent_process_death_signal};
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have gone before it was asked for.
            if getppid().is_none_or(|parent| parent.as_raw_nonzero().get().unsigned_abs() != assignment.parent) {
                return Err(std::io::Error::other("the process that asked for it is gone"));
            }
        }
        rustix::process::nice(19)?;
        let memory = data_bytes().saturating_add(assignment.limits.memory_bytes);
        setrlimit(Resource::Data, both(memory, memory))?;
        // Counted in whole seconds: no less than was said.
        let cpu_time = assignment.limits.cpu_time;
        let seconds = (cpu_time.as_secs() + u64::from(cpu_time.subsec_nanos() > 0)).max(1);
        setrlimit(Resource::Cpu, both(seconds, seconds + CPU_GRACE_SECONDS))?;
        // A core of it would hold what is secret to the guest.
        setrlimit(Resource::Core, both(0, 0))?;
        Ok(())
    }

    /// What this process has already, before it does anything.
    #[cfg(unix)]
    fn data_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse().ok());
        kib.map_or(0, |kib: u64| kib << 10)
    }

    #[cfg(not(unix))]
    fn limit_this_process(_: &Assignment) -> std::io::Result<()> {
        Ok(())
    }

    /// Ends this process when its parent's end of the pipe is closed.
    #[expect(clippy::exit, reason = "nobody is left to hear of it, and what runs cannot be stopped otherwise")]
    fn end_with_input() -> std::io::Result<()> {
        let end = || {
            let mut line = String::new();
            let _ = std::io::stdin().lock().read_line(&mut line);
            std::process::exit(1);
        };
        std::thread::Builder::new().name("wasmhost-parent".into()).spawn(end).map(|_| ())
    }

    /// Says things, a line each.
    struct Mouth(Mutex<std::io::Stdout>);

    impl Mouth {
        fn say(&self, said: &Said) -> std::io::Result<()> {
            let mut line = serde_json::to_vec(said)?;
            line.push(b'\n');
            let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stdout.write_all(&line)?;
            stdout.flush()
        }
    }

    impl Listener for Mouth {
        fn event(&self, event: Event) {
            // Without anybody who listens it ends soon.
            let _ = self.say(&Said::Event(event));
        }
    }
}
