//! What the tests of wasmhost share: hosts that record what guests print, the guests by name, hostile components, the
//! real program, run to its end or as a server, and a browser.

mod browser;
pub mod hostile;
mod languages;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use wasmhost::{App, GuestOutput, Host, HostBuilder, OutputLine, OutputOrigin, OutputStream};

pub use browser::Browser;
pub use languages::Language;
pub use server::{SOON, Server};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

/// The component of a test guest, as `cargo xtask test` builds it.
pub fn guest(name: &str) -> PathBuf {
    built(&root().join(format!("tests/guests/target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))))
}

/// A component that is written down as text, in `tests/guests/text`.
pub fn text_guest(name: &str) -> Vec<u8> {
    wat::parse_str(text_of(name)).expect("it is a component")
}

/// The same component with an import of WASI 0.3, for which it runs on the engine with concurrency.
pub fn text_guest_with_wasi_0_3(name: &str) -> Vec<u8> {
    let import = "(component (import \"wasi:random/insecure-seed@0.3.0\" (instance))";
    wat::parse_str(text_of(name).replacen("(component", import, 1)).expect("it is a component")
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(root().join(format!("tests/guests/text/{name}.wat"))).expect("the text of a component")
}

/// The component of an example in Rust.
pub fn example(name: &str) -> PathBuf {
    built(&root().join(format!("examples/target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))))
}

/// The component of a guest that is made with the SDK.
pub fn sdk_guest(name: &str) -> PathBuf {
    let guests = root().join("guest-sdk/tests/guests/target/wasm32-wasip2/release");
    built(&guests.join(format!("{}.wasm", name.replace('-', "_"))))
}

fn built(path: &Path) -> PathBuf {
    assert!(path.is_file(), "`{}` is not built: run `cargo xtask test`, which builds the guests first", path.display());
    path.to_owned()
}

/// Compiled guests are kept here from one run of the tests to the next.
pub fn cache_dir() -> PathBuf {
    root().join("target/test-cache")
}

/// Whether the heavier versions of tests run: `cargo xtask test --full`.
pub fn is_full() -> bool {
    std::env::var_os("WASMHOST_TEST_FULL").is_some()
}

/// Whether this is CI, where no suite may be left out.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// A host with what its guests printed.
#[derive(Debug)]
pub struct TestHost {
    /// The host itself.
    pub host: Host,
    /// What its guests printed.
    pub printed: Printed,
    dir: tempfile::TempDir,
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// A host with small pools and the default limits.
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A host with limits and permissions of the test's own. It may mount what is below [`dir`](Self::dir).
    pub fn with(configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let printed = Printed::default();
        let dir = tempfile::tempdir().expect("a folder for the test");
        let builder = Host::builder().max_instances(8).cache_dir(cache_dir()).guest_output(printed.clone());
        let host = configure(builder.allow_mount(dir.path())).build().expect("a host for tests");
        Self { host, printed, dir }
    }

    /// A folder of the test's own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Loads a test guest with settings, which are the rest of a manifest.
    pub async fn app(&self, name: &str, settings: &str) -> wasmhost::Result<App> {
        self.host.load(self.manifest(name, settings)).await
    }

    /// Writes a manifest for a test guest, and gives its path.
    pub fn manifest(&self, name: &str, settings: &str) -> PathBuf {
        self.manifest_of(name, &guest(name), settings)
    }

    /// Writes a manifest for a component, and gives its path.
    pub fn manifest_of(&self, name: &str, source: &Path, settings: &str) -> PathBuf {
        let dir = self.dir.path().join(name);
        std::fs::create_dir_all(&dir).expect("a folder for the manifest");
        let path = dir.join("wasmhost.toml");
        let text = format!("version = 1\n[component.{name}]\nsource = {:?}\n{settings}\n", source.display());
        std::fs::write(&path, text).expect("the manifest");
        path
    }
}

/// Records what guests print.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    lines: Arc<Mutex<Vec<Line>>>,
    dropped: Arc<Mutex<(u64, u64)>>,
}

/// One line that a guest printed.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is.
    pub origin: OutputOrigin,
    /// Where it was printed.
    pub stream: OutputStream,
    /// The line without its end.
    pub text: String,
    /// Bytes that were cut off its end.
    pub cut_bytes: u64,
}

impl Printed {
    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().expect("no test panics while it prints").clone()
    }

    /// Forgets all lines so far.
    pub fn forget(&self) {
        self.lines.lock().expect("no test panics while it prints").clear();
    }

    /// The text of all lines so far.
    pub fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }

    /// Lines and bytes that were dropped so far.
    pub fn dropped(&self) -> (u64, u64) {
        *self.dropped.lock().expect("no test panics while it prints")
    }
}

impl GuestOutput for Printed {
    fn line(&self, line: &OutputLine<'_>) {
        let (origin, text) = (line.origin.clone(), line.text.to_owned());
        let line = Line { origin, stream: line.stream, text, cut_bytes: line.cut_bytes };
        self.lines.lock().expect("no test panics while it prints").push(line);
    }

    fn dropped(&self, _: &OutputOrigin, lines: u64, bytes: u64) {
        let mut dropped = self.dropped.lock().expect("no test panics while it prints");
        dropped.0 += lines;
        dropped.1 += bytes;
    }
}

/// The program, as a user runs it from the workspace's folder.
pub fn wasmhost(arguments: &[&str]) -> Ran {
    run(wasmhost_command().args(arguments))
}

/// The program, for tests that set more than arguments. It shares the tests' cache.
pub fn wasmhost_command() -> Command {
    // The test lies in `target/<profile>/deps`, the program one folder up.
    let test = std::env::current_exe().expect("the path of this test");
    let program =
        test.ancestors().nth(2).expect("a folder above").join(format!("wasmhost{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "`{}` is not built: run `cargo xtask test`, which builds it first", program.display());
    let mut command = Command::new(program);
    command.current_dir(root()).env("WASMHOST_CACHE_DIR", cache_dir()).env_remove("WASMHOST_LOG");
    // As those have it who look for a mistake in the host: what its memory holds then is bounded, too.
    command.env("RUST_BACKTRACE", "1");
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// How a run of the program ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl Ran {
    /// The standard output of a run that went well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The standard error of a run that ended with this exit code and printed no result.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}
