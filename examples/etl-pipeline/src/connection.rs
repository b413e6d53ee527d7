//! A place to write to, by its URI: a server or a file. Nothing here knows of orders.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpStream;

use wasmhost_guest::{Result, error};

/// An open connection, closed when it is dropped.
pub(crate) struct Connection(Box<dyn Write>);

impl Connection {
    /// Connects to `tcp://HOST:PORT`, or opens the file of `file:///PATH` to append to it.
    pub(crate) fn open(uri: &str) -> Result<Self> {
        let failed = |error| error!("cannot open `{uri}`: {error}");
        if let Some(address) = uri.strip_prefix("tcp://") {
            return Ok(Self(Box::new(TcpStream::connect(address).map_err(failed)?)));
        }
        let path = uri.strip_prefix("file://").filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| error!("`{uri}` should begin with `tcp://` or `file:///`"))?;
        Ok(Self(Box::new(OpenOptions::new().create(true).append(true).open(path).map_err(failed)?)))
    }

    /// Writes `lines` at once, so that instances that share a file do not split each other's lines.
    pub(crate) fn write(&mut self, lines: &str) -> Result<()> {
        self.0.write_all(lines.as_bytes()).map_err(|error| error!("cannot write to the connection: {error}"))
    }
}
