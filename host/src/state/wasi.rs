//! The WASI context of one instance, made from what its class may see: environment, directories, standard streams.
//!
//! Everything is closed unless the specification opens it. Sockets and outbound HTTP are refused.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime_wasi::{FsPerms, WasiCtx};

use super::output::{Output, OutputStream, Pipe};
use crate::config::InstanceLimits;
use crate::error::{Error, ErrorKind, Result};

/// What the instances of one class see of the world; the same for each of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct WasiSpec {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directories: Vec<Directory>,
    pub(crate) arguments: Vec<String>,
    pub(crate) stdio: Stdio,
}

/// A directory of the host under a name of the guest's.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) writable: bool,
}

/// Where the guest's standard streams lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stdio {
    /// Input is closed, output becomes log lines.
    #[default]
    Lines,
    /// The process's own three streams: entrypoints only.
    Inherit,
}

impl WasiSpec {
    pub(super) fn context(&self, output: &Arc<Output>, limits: &InstanceLimits) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder.envs(&self.env).args(&self.arguments).max_random_size(limits.max_random_bytes);
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        match self.stdio {
            Stdio::Inherit => {
                builder.inherit_stdio();
            }
            Stdio::Lines => {
                builder.stdout(Pipe { output: output.clone(), stream: OutputStream::Stdout });
                builder.stderr(Pipe { output: output.clone(), stream: OutputStream::Stderr });
            }
        }
        for directory in &self.directories {
            let permissions = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            builder.preopened_dir(&directory.host, &directory.guest, permissions).map_err(|error| {
                let kind = if directory.host.exists() { ErrorKind::Forbidden } else { ErrorKind::NotFound };
                Error::new(
                    kind,
                    format!(
                        "directory `{}` for `{}` cannot be opened: {error:#}",
                        directory.host.display(),
                        directory.guest
                    ),
                )
            })?;
        }
        Ok(builder.build())
    }
}

#[cfg(feature = "http")]
pub(super) fn http_context(limits: &InstanceLimits) -> wasmtime_wasi_http::WasiHttpCtx {
    let mut context = wasmtime_wasi_http::WasiHttpCtx::new();
    context.set_field_size_limit(limits.max_http_field_bytes);
    context
}

/// Refuses every outbound request: `wasi:http` is linked, so that guests which import it run, but nothing gets out.
#[cfg(feature = "http")]
#[derive(Debug)]
pub(super) struct NoOutbound;

#[cfg(feature = "http")]
type RequestDone = Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>;

#[cfg(feature = "http")]
impl wasmtime_wasi_http::WasiHttpHooks for NoOutbound {
    fn send_request(
        &mut self,
        _: http::Request<wasmtime_wasi_http::WasiBody>,
        _: Option<wasmtime_wasi_http::RequestOptions>,
        _: RequestDone,
    ) -> Box<
        dyn Future<
                Output = Result<(http::Response<wasmtime_wasi_http::WasiBody>, RequestDone), wasmtime_wasi_http::Error>,
            > + Send,
    > {
        Box::new(std::future::ready(Err(wasmtime_wasi_http::Error::HttpRequestDenied)))
    }
}
