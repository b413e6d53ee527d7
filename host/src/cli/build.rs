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
                return Err(failed(format!("failed ({status})")));
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
struct HeldBack(Mutex<Lines>);

enum Lines {
    Held(Vec<String>),
    Through,
}

impl Default for HeldBack {
    fn default() -> Self {
        Self(Mutex::new(Lines::Held(Vec::new())))
    }
}

impl HeldBack {
    fn line(&self, line: String) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Lines::Held(lines) => lines.push(line),
            Lines::Through => say(&line),
        }
    }

    fn release(&self) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Lines::Held(held) = std::mem::replace(&mut *lines, Lines::Through) {
            held.iter().for_each(|line| say(line));
        }
    }

    async fn release_after(&self, heading: &str, silence: Duration) -> std::convert::Infallible {
        tokio::time::sleep(silence).await;
        say(heading);
        self.release();
        std::future::pending().await
    }
}
