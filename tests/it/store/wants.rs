//! A store in want: of time, of memory, of files, of its turn. What fails for it leaves what is there, and later it goes well.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use wasmhost::{App, ErrorKind, HostBuilder, PrepareEvent, PrepareLimits, PrepareListener, PreparePhase};
use wasmhost_tests::{Server, TestHost, is_full, run, text_guest, wasmhost_command};

use super::{BUILD, damage, until};

/// The steps that were begun.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<PreparePhase>>>);

impl Steps {
    fn begun(&self, phase: PreparePhase) -> usize {
        self.0.lock().unwrap().iter().filter(|begun| **begun == phase).count()
    }
}

impl PrepareListener for Steps {
    fn event(&self, event: &PrepareEvent<'_>) {
        if event.took.is_none() {
            self.0.lock().unwrap().push(event.phase);
        }
    }
}

/// A host, and the class of a guest whose `build` computes.
struct Long {
    host: TestHost,
    steps: Steps,
}

impl Long {
    fn new(cache: &Path, configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let steps = Steps::default();
        let host = TestHost::with(|builder| configure(builder.cache_dir(cache).on_prepare(steps.clone())));
        fs::write(host.dir().join("probe.wasm"), text_guest("builds-long")).unwrap();
        Self { host, steps }
    }

    async fn load(&self, settings: &str) -> wasmhost::Result<App> {
        let manifest = self.host.manifest_of("probe", &self.host.dir().join("probe.wasm"), settings);
        self.host.host.load(manifest).await
    }

    /// Loads it, and calls it in an instance that begins with what `build` left.
    async fn works(&self, settings: &str) {
        let class = self.load(settings).await.unwrap().class("probe").unwrap();
        assert_eq!(class.without_snapshot(), None);
        assert_eq!(class.bind(&()).unwrap().call::<_, u32>("left", &()).await.unwrap(), 0);
    }
}

fn in_child(builder: HostBuilder, limits: PrepareLimits) -> HostBuilder {
    builder.prepare_in_child(wasmhost_command().get_program(), limits)
}

#[tokio::test]
async fn a_build_that_fails_when_it_runs_again_leaves_its_snapshot() {
    const SHORT: &str = "[class.probe]\nbuild-timeout = \"2ms\"";
    let cache = tempfile::tempdir().unwrap();
    let first = Long::new(cache.path(), |builder| builder);
    first.works("").await;
    first.host.host.shutdown().await;
    let again = Long::new(cache.path(), |builder| builder.rebuild(true));
    for tries in 1..=2 {
        let error = again.load(SHORT).await.unwrap_err();
        assert_eq!((error.kind(), error.setting()), (ErrorKind::BuildFailed, Some("build-timeout")), "{error}");
        assert_eq!(again.steps.begun(PreparePhase::Build), tries, "who asks again means the same");
    }
    again.host.host.shutdown().await;
    let last = Long::new(cache.path(), |builder| builder);
    last.works(SHORT).await;
    assert_eq!(last.steps.begun(PreparePhase::Build), 0, "the snapshot is there");
    last.host.host.shutdown().await;
}

/// Prepares a class with a snapshot in so much memory, if that is enough.
async fn fits(cache: &Path, mib: u64) -> bool {
    let limits = PrepareLimits { memory_bytes: mib << 20, ..PrepareLimits::default() };
    let host = TestHost::with(|builder| in_child(builder.cache_dir(cache), limits));
    let loaded = host.app("hooks", &format!("[class.probe]\nbuild-timeout = \"10s\"\n{BUILD}")).await;
    let fits = match loaded {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::MemoryExceeded, "{mib} MiB: {error}");
            assert!(error.message().contains("`prepare-memory`"), "{mib} MiB: {error}");
            false
        }
        Ok(app) => {
            assert_eq!(app.class("probe").unwrap().without_snapshot(), None, "{mib} MiB");
            true
        }
    };
    host.host.shutdown().await;
    fits
}

#[tokio::test]
async fn want_of_memory_at_whatever_step_is_kept_as_no_refusal() {
    let cache = tempfile::tempdir().unwrap();
    let (mut most_refused, step) = (0, if is_full() { 4 } else { 32 });
    for mib in (32..1024).step_by(step) {
        if fits(cache.path(), mib).await {
            let _ = writeln!(std::io::stderr(), "store: {mib} MiB are enough, {most_refused} MiB were not");
            assert!(most_refused > 0);
            return;
        }
        most_refused = mib;
    }
    panic!("nothing was enough");
}

/// Runs the program with so few files.
fn with_files(files: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// The program, calling the class that has a snapshot.
fn calls(cache: &Path, target: &str) -> Command {
    let mut command = wasmhost_command();
    command.args(["run", "--no-build", "--cache-dir"]).arg(cache).args([target, "--mode", "a"]);
    command
}

/// The same, with another snapshot.
fn rebuilds(cache: &Path, target: &str) -> Command {
    let mut command = wasmhost_command();
    command.args(["run", "--no-build", "--rebuild", "--cache-dir"]).arg(cache).args([target, "--mode", "a"]);
    command
}

#[test]
fn want_of_files_is_told_and_nothing_is_removed_or_built_again() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::new();
    let target = format!("{}::journal", host.manifest("hooks", BUILD).display());
    let command = calls(cache.path(), &target);
    let first = run(&mut calls(cache.path(), &target));
    assert!(first.stderr.contains("printed on stdout"), "{}", first.stderr);
    let expected = first.ok();
    let before = damage::files(cache.path());
    let (mut failed, mut went_well) = (0, 0);
    for files in 10..64 {
        let ran = run(&mut with_files(files, &command));
        assert!(!ran.stderr.contains("printed on stdout"), "{files} files: it was built again: {}", ran.stderr);
        if ran.code == Some(0) {
            assert_eq!(ran.stdout, expected);
            went_well += 1;
        } else {
            let error = ran.stderr.lines().find(|line| line.starts_with("error: "));
            assert!(error.is_some_and(|error| error.contains("Too many open files")), "{files} files: {ran:?}");
            failed += 1;
        }
    }
    let _ = writeln!(std::io::stderr(), "store: {failed} runs had too few files, {went_well} had enough");
    assert!(failed > 0 && went_well > 0);
    assert_eq!(damage::files(cache.path()), before);
    let last = run(&mut calls(cache.path(), &target));
    assert!(!last.stderr.contains("printed on stdout"), "{}", last.stderr);
    assert_eq!(last.ok(), expected);
}

/// Holds the turns at all snapshots of a cache that there ever were.
struct Turns(#[expect(dead_code, reason = "they hold the locks")] Vec<fs::File>);

impl Turns {
    fn take(cache: &Path) -> Self {
        let locks = fs::read_dir(cache.join("artifacts/snapshots")).unwrap().map(|entry| entry.unwrap().path());
        let locks: Vec<_> = locks.filter(|path| path.extension().is_some_and(|end| end == "building")).collect();
        assert!(!locks.is_empty(), "somebody built");
        Self(locks.iter().map(taken).collect())
    }
}

fn taken(path: &PathBuf) -> fs::File {
    let lock = fs::File::open(path).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    lock
}

#[tokio::test]
async fn what_is_waited_for_others_is_not_of_the_time_for_preparing() {
    let cache = tempfile::tempdir().unwrap();
    let limits = PrepareLimits { time: Duration::from_secs(5), ..PrepareLimits::default() };
    let first = Long::new(cache.path(), |builder| builder);
    first.works("").await;
    first.host.host.shutdown().await;
    let turns = Turns::take(cache.path());
    let waits = Long::new(cache.path(), |builder| in_child(builder.rebuild(true), limits));
    let others = async {
        until("it waits", || waits.steps.begun(PreparePhase::Wait) == 1).await;
        let began = Instant::now();
        until("more than its time is over", || began.elapsed() > limits.time).await;
        assert_eq!(waits.steps.begun(PreparePhase::Build), 0);
        drop(turns);
    };
    tokio::join!(waits.works(""), others);
    assert_eq!((waits.steps.begun(PreparePhase::Wait), waits.steps.begun(PreparePhase::Build)), (1, 1));
    waits.host.host.shutdown().await;
}

#[tokio::test]
async fn who_waits_for_others_ends_with_its_host() {
    let cache = tempfile::tempdir().unwrap();
    let first = Long::new(cache.path(), |builder| builder);
    first.works("").await;
    first.host.host.shutdown().await;
    let _turns = Turns::take(cache.path());
    let in_process = Long::new(cache.path(), |builder| builder.rebuild(true));
    let of_child = Long::new(cache.path(), |builder| in_child(builder.rebuild(true), PrepareLimits::default()));
    for waits in [in_process, of_child] {
        let ends = async {
            until("it waits", || waits.steps.begun(PreparePhase::Wait) == 1).await;
            waits.host.host.shutdown().await;
        };
        let (loaded, ()) = tokio::join!(waits.load(""), ends);
        assert_eq!(loaded.unwrap_err().kind(), ErrorKind::Draining);
    }
}

#[test]
fn who_waits_for_others_at_a_terminal_says_so_once_and_leaves_at_an_interrupt() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::new();
    let manifest = host.manifest("hooks", BUILD);
    let target = format!("{}::journal", manifest.display());
    run(&mut calls(cache.path(), &target)).ok();
    let turns = Turns::take(cache.path());

    let mut command = rebuilds(cache.path(), &target);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("waiting for another process")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(!lines.any(|line| line.contains("waiting for another process")), "it is said once");
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let cache_dir = cache.path().to_str().unwrap();
    let mut server = Server::start(["--rebuild", "--cache-dir", cache_dir, manifest.to_str().unwrap()]);
    server.says("waiting for another process");
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(0), "{}", server.said());
    drop(turns);

    let ran = run(&mut rebuilds(cache.path(), &target));
    assert!(ran.stderr.contains("printed on stdout"), "{}", ran.stderr);
    ran.ok();
}
