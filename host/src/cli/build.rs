//! Runs the build commands of a manifest: the guest's own compiler, in the manifest's directory.

use std::process::{ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use super::args::BuildArgs;
use super::context;
use super::terminal::{Outcome, say};
use crate::error::{Error, ErrorKind};
use crate::service::Source;

/// How long a build may take in silence. Compilers that have nothing to do say so at length.
const SILENCE: Duration = Duration::from_secs(1);

/// The exit code of a shell that has not found a program.
const NOT_FOUND: i32 = 127;

pub(super) async fn build_verb(args: BuildArgs) -> Outcome {
    let source = context::source(&args.source.to_string_lossy())?;
    if source.build_commands().next().is_none() {
        say(&format!("`{}` has no build commands", source.path().display()));
    }
    build(&source).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the build commands of all components, in order.
///
/// What they print is shown when they fail or take longer than a second.
///
/// # Errors
///
/// `build-failed` for the first that fails.
pub(super) async fn build(source: &Source) -> Result<(), Error> {
    for (component, command) in source.build_commands() {
        let failed = |reason: String| {
            Error::new(
                ErrorKind::BuildFailed,
                format!("the build command of component `{component}` {reason}: `{command}`"),
            )
        };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .current_dir(source.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("could not be started ({error})")))?;
        let output = HeldBack::default();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async {
            tokio::join!(forward(stdout, &output), forward(stderr, &output));
            child.wait().await
        };
        let heading = format!("building `{component}`: {command}");
        let status = tokio::select! {
            biased;
            status = finished => status,
            never = output.release_after(&heading, SILENCE) => match never {},
        };
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                output.release();
                return Err(failed(match output.missing().filter(|_| status.code() == Some(NOT_FOUND)) {
                    Some(program) => format!("needs `{program}`, which is not installed or not on the `PATH`"),
                    None => format!("failed ({status})"),
                }));
            }
            Err(error) => return Err(failed(format!("could not be waited for ({error})"))),
        }
    }
    Ok(())
}

async fn forward(stream: Option<impl AsyncRead + Unpin>, output: &HeldBack) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        output.line(String::from_utf8_lossy(&line).into_owned());
    }
}

/// Lines that are printed only once there is a reason to.
#[derive(Default)]
struct HeldBack {
    lines: Mutex<Lines>,
    /// The last program that a shell said it had not found.
    missing: Mutex<Option<String>>,
}

enum Lines {
    Held(Vec<String>),
    Through,
}

impl Default for Lines {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl HeldBack {
    fn line(&self, line: String) {
        if let Some(program) = not_found(&line) {
            *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(program.to_owned());
        }
        match &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            Lines::Held(lines) => lines.push(line),
            Lines::Through => say(&line),
        }
    }

    fn release(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Lines::Held(held) = std::mem::replace(&mut *lines, Lines::Through) {
            held.iter().for_each(|line| say(line));
        }
    }

    fn missing(&self) -> Option<String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn release_after(&self, heading: &str, silence: Duration) -> std::convert::Infallible {
        tokio::time::sleep(silence).await;
        say(heading);
        self.release();
        std::future::pending().await
    }
}

/// The program that this line of a shell, or of `env`, says is not there.
fn not_found(line: &str) -> Option<&str> {
    let before = line.strip_suffix(": command not found").or_else(|| line.strip_suffix(": not found"));
    let before = before.or_else(|| line.strip_prefix("env: ")?.strip_suffix(": No such file or directory"))?;
    let program = before.rsplit(": ").next()?.trim_matches(['\'', '‘', '’']);
    (!program.is_empty() && !program.contains(' ')).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shells_say_of_a_program_that_is_missing_is_understood() {
        for (line, program) in [
            ("sh: 1: componentize-py: not found", Some("componentize-py")),
            ("sh: line 1: npm: command not found", Some("npm")),
            ("sh: cargo: not found", Some("cargo")),
            ("env: ‘node’: No such file or directory", Some("node")),
            ("env: node: No such file or directory", Some("node")),
            ("error: package `x` in the registry: not found", None),
            ("app.py: No such file or directory", None),
            ("not found", None),
        ] {
            assert_eq!(not_found(line), program, "{line}");
        }
    }
}
