//! Builds the SDK's guests, and runs them with the host's program.
//!
//! The program is not built here: `WASMHOST` says where it is. A run without it fails, so that none looks as if it had
//! passed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value as Json;

/// What one run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// Its result, of a run that went well.
    pub result: Result<Json, String>,
    /// What the guest printed, and what was said of it.
    pub stderr: String,
}

/// Runs `TARGET` of a guest with the options of one call.
///
/// # Panics
///
/// If there is no program, or the guests cannot be built.
#[must_use]
pub fn run(guest: &str, target: &str, options: &[&str]) -> Ran {
    let output = program("run")
        .arg(format!("{}::{target}", component(guest).display()))
        .args(options)
        .output()
        .expect("the program can be run");
    let stderr = text(&output.stderr);
    let result = if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Json::Null))
    } else {
        let told = stderr.lines().filter_map(|line| line.strip_prefix("error: ")).next_back();
        Err(told.unwrap_or(&stderr).to_owned())
    };
    Ran { result, stderr }
}

/// What one run of an entrypoint left.
#[derive(Debug)]
pub struct RanMain {
    /// What it printed, and its result.
    pub stdout: String,
    /// What was said of it.
    pub stderr: String,
    /// The exit code.
    pub code: Option<i32>,
}

/// Runs the entrypoint of a guest.
///
/// # Panics
///
/// As [`run`].
#[must_use]
pub fn run_main(guest: &str, options: &[&str]) -> RanMain {
    let output = program("run").arg(component(guest)).args(options).output().expect("the program can be run");
    RanMain { stdout: text(&output.stdout), stderr: text(&output.stderr), code: output.status.code() }
}

/// What `inspect` says of a guest.
///
/// # Panics
///
/// If it says nothing.
#[must_use]
pub fn inspect(guest: &str) -> Json {
    let output = program("inspect").arg(component(guest)).arg("--json").output().expect("the program can be run");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{guest}: {}", text(&output.stderr)))
}

/// The component of a guest.
///
/// # Panics
///
/// If the guests cannot be built.
#[must_use]
pub fn component(guest: &str) -> PathBuf {
    BUILT.join(format!("{}.wasm", guest.replace('-', "_")))
}

/// The program with a verb. What it keeps lies beside the guests, and not in the home of whoever runs the tests.
///
/// # Panics
///
/// If nobody said where the program is.
#[must_use]
pub fn program(verb: &str) -> Command {
    let program = std::env::var_os("WASMHOST").expect("`WASMHOST` is the path of a built `wasmhost`");
    let mut command = Command::new(program);
    command.arg(verb).env("WASMHOST_CACHE_DIR", BUILT.join("wasmhost-cache"));
    command.env("XDG_DATA_HOME", BUILT.join("wasmhost-data")).env_remove("WASMHOST_DATA_DIR");
    command
}

/// Where the components are.
static BUILT: LazyLock<PathBuf> = LazyLock::new(build);

fn build() -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"])
        .current_dir(guests)
        .output();
    let Output { status, stdout, stderr } = built.expect("cargo can be run");
    assert!(status.success(), "the guests cannot be built:\n{}", text(&stderr));
    // Cargo says where it puts things, which settings of a machine may change.
    let messages = text(&stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut files = messages.filter_map(|message| message["filenames"][0].as_str().map(PathBuf::from));
    let component = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    component.and_then(|file| file.parent().map(Path::to_path_buf)).expect("cargo names what it has built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
