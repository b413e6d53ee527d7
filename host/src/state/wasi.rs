//! The WASI context of one instance, made from what its class may see: environment, directories, standard streams.
//!
//! Everything is closed unless the specification opens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use wasmtime_wasi::{FsPerms, HostMonotonicClock, WasiCtx};

use super::filesystem::Scratch;
use super::handles::Streams;
use super::input::Closed;
use super::outbound::{Outbound, Reach};
use super::output::{Output, OutputStream, Pipe};
use crate::config::InstanceLimits;
use crate::error::{Error, ErrorKind, Result};

/// What the instances of one class see of the world; the same for each of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct WasiSpec {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directories: Vec<Directory>,
    /// The private directory `/tmp`, which comes after all others. Default: none.
    pub(crate) tmp: Option<Tmp>,
    pub(crate) arguments: Vec<String>,
    pub(crate) stdio: Stdio,
    /// Where guests may connect to. Default: nowhere.
    #[serde(with = "super::outbound::as_destinations")]
    pub(crate) outbound: Arc<Outbound>,
    /// Whether the standard streams that a guest takes are noted, for a snapshot of it.
    pub(crate) notes_streams: bool,
    /// What the monotonic clock shows at first. Default 0.
    pub(crate) clock: Duration,
}

/// A directory of the host under a name of the guest's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) writable: bool,
    /// Whether it is the host's own, and nothing that travels with the app: `build` finds it empty.
    pub(crate) is_mount: bool,
    /// Whether what is written there is counted: `max-image-bytes` and `max-image-files` bound it.
    pub(crate) is_bounded: bool,
    /// Removed with the last instance that has it.
    #[serde(skip)]
    pub(crate) keeps: Option<Arc<TempDir>>,
}

impl Directory {
    /// One that travels with the app, to read from.
    pub(crate) fn own(host: PathBuf, guest: impl Into<String>) -> Self {
        Self { host, guest: guest.into(), writable: false, is_mount: false, is_bounded: false, keeps: None }
    }
}

/// Where a private `/tmp` is in a guest.
pub(crate) const TMP: &str = "/tmp";

/// A private `/tmp` for each instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tmp {
    pub(crate) bytes: u64,
    /// Of the process that the instances are in.
    #[serde(skip, default = "Scratch::somewhere")]
    pub(crate) scratch: Arc<Scratch>,
}

/// Where the guest's standard streams lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stdio {
    /// Input is closed, output becomes log lines.
    #[default]
    Lines,
    /// The process's own three streams: entrypoints only.
    Inherit,
}

impl WasiSpec {
    /// Whether anything that the guest writes to is counted.
    pub(super) fn has_bounds(&self) -> bool {
        self.tmp.is_some() || self.directories.iter().any(|directory| directory.is_bounded)
    }

    pub(super) fn context(
        &self,
        output: &Arc<Output>,
        limits: &InstanceLimits,
        taken: Option<&Streams>,
        reach: &Arc<Reach>,
    ) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder.envs(&self.env).args(&self.arguments).max_random_size(limits.max_random_bytes);
        // Names are looked up by a lookup of our own.
        builder.allow_tcp(self.outbound.has_tcp()).allow_udp(false).allow_ip_name_lookup(false);
        if self.outbound.has_tcp() {
            let reach = reach.clone();
            builder.socket_addr_check(move |address, what| {
                let reach = reach.clone();
                Box::pin(async move { reach.allows(address, what).await })
            });
        }
        if !self.clock.is_zero() {
            builder.monotonic_clock(Since { start: Instant::now(), shown: self.clock });
        }
        match self.stdio {
            Stdio::Inherit => {
                builder.inherit_stdio();
            }
            Stdio::Lines => {
                let pipe = |stream| Pipe { output: output.clone(), stream, taken: taken.cloned() };
                builder.stdin(Closed { taken: taken.cloned() });
                builder.stdout(pipe(OutputStream::Stdout)).stderr(pipe(OutputStream::Stderr));
            }
        }
        for directory in &self.directories {
            let permissions = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            builder.preopened_dir(&directory.host, &directory.guest, permissions).map_err(|error| {
                match directory.is_mount {
                    true => unopened(&directory.host, &directory.guest, &error),
                    false => {
                        Error::internal(format!("the files for `{}` cannot be opened: {error:#}", directory.guest))
                    }
                }
            })?;
        }
        if let Some(tmp) = &self.tmp {
            let empty = tmp.scratch.empty().map_err(|error| Error::io("a directory for `/tmp`", error))?;
            let opened = builder.preopened_dir(&empty, TMP, FsPerms::ReadWrite);
            opened.map_err(|error| unopened(&empty, TMP, &error))?;
        }
        Ok(builder.build())
    }
}

fn unopened(host: &Path, guest: &str, error: &wasmtime::Error) -> Error {
    let kind = if host.exists() { ErrorKind::Forbidden } else { ErrorKind::NotFound };
    Error::new(kind, format!("directory `{}` for `{guest}` cannot be opened: {error:#}", host.display()))
}

/// A monotonic clock that goes on from where another one was.
#[derive(Debug)]
struct Since {
    start: Instant,
    shown: Duration,
}

impl HostMonotonicClock for Since {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from((self.shown + self.start.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(feature = "http")]
pub(super) fn http_context(limits: &InstanceLimits) -> wasmtime_wasi_http::WasiHttpCtx {
    let mut context = wasmtime_wasi_http::WasiHttpCtx::new();
    context.set_field_size_limit(limits.max_http_field_bytes);
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_from_what_another_one_showed() {
        let shown = Duration::from_secs(5);
        let clock = Since { start: Instant::now(), shown };
        let (first, second) = (clock.now(), clock.now());
        assert!(u128::from(first) >= shown.as_nanos() && second >= first, "{first} {second}");
    }
}
