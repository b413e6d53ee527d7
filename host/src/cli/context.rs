//! What every verb that reads a source does first: the host with its permissions and cache, the source, its build.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::args::{Cache, Calls, Permissions, Preparing};
use super::progress::Progress;
use super::terminal::{GuestLines, say};
use crate::error::{Error, ErrorKind};
use crate::service::{Host, HostBuilder, PrepareLimits, Source};

/// Instances of one command: its own and those that it calls, as many as one call may make, and some below each other. Small
/// pools start faster.
const MAX_INSTANCES: u32 = 128;

/// A host for one command.
///
/// # Errors
///
/// As [`HostBuilder::build`](crate::service::HostBuilder::build).
pub(super) fn host(
    cache: &Cache,
    permissions: &Permissions,
    preparing: &Preparing,
    calls: &Calls,
) -> Result<Host, Error> {
    // Whoever runs a method by hand wants to see all it prints.
    let builder = Host::builder().max_instances(MAX_INSTANCES).guest_output_rate(u64::MAX, u64::MAX);
    configured(cache, permissions, preparing, calls.apply(builder))
}

/// A host with these limits, and with permissions and cache as on the command line.
///
/// # Errors
///
/// As [`HostBuilder::build`].
pub(super) fn configured(
    cache: &Cache,
    permissions: &Permissions,
    preparing: &Preparing,
    builder: HostBuilder,
) -> Result<Host, Error> {
    let mut builder = prepared(preparing, builder)?.guest_output(GuestLines).on_prepare(Progress);
    if let Some(size) = cache.max_cache {
        builder = builder.max_cache_bytes(size.bytes());
    }
    for name in &permissions.allow_env {
        builder = builder.allow_env(name);
    }
    for dir in &permissions.allow_mount {
        if !dir.is_dir() {
            return Err(Error::not_found(format!("`--allow-mount {}`: there is no such directory", dir.display())));
        }
        builder = builder.allow_mount(dir);
    }
    let Some(dir) = cache_dir(cache) else { return builder.build() };
    match builder.clone().cache_dir(&dir).build() {
        Err(error) if cache.cache_dir.is_some() => Err(error.hint("`--no-cache` does without")),
        Err(error) if error.message().contains("cache directory") => {
            say(&format!("warning: {error}; nothing compiled is kept"));
            builder.build()
        }
        built => built,
    }
}

/// Components are prepared by a process of this very program.
fn prepared(preparing: &Preparing, builder: HostBuilder) -> Result<HostBuilder, Error> {
    let program = std::env::current_exe().map_err(|error| Error::io("the path of this program", error))?;
    let default = PrepareLimits::default();
    let limits = PrepareLimits {
        time: preparing.prepare_timeout.unwrap_or(default.time),
        cpu_time: preparing.prepare_cpu_time.unwrap_or(default.cpu_time),
        memory_bytes: preparing.prepare_memory.map_or(default.memory_bytes, |size| size.bytes()),
    };
    Ok(builder.prepare_in_child(program, limits).rebuild(preparing.rebuild))
}

/// Opens a source given on the command line. The path is made absolute, so that `.` has a name.
///
/// # Errors
///
/// As [`Source::open`].
pub(super) fn source(path: &str) -> Result<Source, Error> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io(format!("`{path}`"), error))?;
    Source::open(absolute).map_err(|error| match path.split_once(':') {
        Some((source, name)) if error.kind() == ErrorKind::NotFound && !name.is_empty() => {
            error.hint(&format!("a class or method stands after two colons: `{source}::{name}`"))
        }
        _ => error,
    })
}

fn cache_dir(cache: &Cache) -> Option<PathBuf> {
    if cache.no_cache {
        return None;
    }
    let of_environment = || std::env::var_os("WASMHOST_CACHE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    cache
        .cache_dir
        .clone()
        .or_else(of_environment)
        .or_else(|| Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("wasmhost")))
}
