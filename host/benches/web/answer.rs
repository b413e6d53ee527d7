//! The answer that all servers give: asked of ours once, so that the others say the same, whatever it is.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::servers::Server;
use super::{PATH, Result};

/// An answer with status 200.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Those that a server does not make itself.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// Headers that every server makes anew for each answer.
const OF_THE_SERVER: [&str; 4] = ["date", "content-length", "connection", "keep-alive"];

impl Answer {
    /// The answer that a server gives.
    pub(super) fn of(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let parts = text.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|text| text.split_once("\r\n\r\n"));
        let (head, body) = parts.ok_or_else(|| format!("`{PATH}` is not answered with 200: {text}"))?;
        let mut headers: Vec<_> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if !["date", "content-length"].iter().all(|name| headers.iter().any(|(found, _)| found == name)) {
            return Err(format!("an answer without date or length is no fair comparison: {head}").into());
        }
        headers.retain(|(name, _)| !OF_THE_SERVER.contains(&name.as_str()));
        headers.sort();
        Ok(Self { headers, body: body.to_owned() })
    }

    /// Checks that another server gives it too.
    pub(super) fn is_given_by(&self, server: &Server) -> Result<()> {
        let other = Self::of(server.address)?;
        if *self == other {
            Ok(())
        } else {
            Err(format!("`{}` answers {other:?} and not {self:?}", server.name).into())
        }
    }
}
