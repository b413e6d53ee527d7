//! Load by wrk, and what it says of it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Result;

/// Connections at a time, each with one request at a time.
pub(super) const CONNECTIONS: u32 = 32;

/// What a server did under load.
#[derive(Debug)]
pub(super) struct Load {
    /// Requests that were answered.
    pub(super) requests: f64,
    /// Requests per second.
    pub(super) rate: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// Whether there is a wrk.
pub(super) fn is_there() -> bool {
    // It has no flag that does nothing: this one prints the version and fails.
    Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Puts a server under load.
pub(super) fn run(address: SocketAddr, path: &str, span: Duration) -> Result<Load> {
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", span.as_secs()), &format!("http://{address}{path}")])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(
            format!("`wrk` failed ({}): {said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    if let Some(failed) = said.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        return Err(format!("requests failed under load: {}", failed.trim()).into());
    }
    read(&said).ok_or_else(|| format!("`wrk` says what this bench cannot read:\n{said}").into())
}

fn read(said: &str) -> Option<Load> {
    let after = |word: &str| said.lines().find_map(|line| line.trim().strip_prefix(word)).map(str::trim);
    let before = |word: &str| said.lines().find_map(|line| line.split_once(word)).map(|(number, _)| number.trim());
    Some(Load {
        requests: before(" requests in ")?.parse().ok()?,
        rate: after("Requests/sec:")?.parse().ok()?,
        p50: duration(after("50%")?)?,
        p99: duration(after("99%")?)?,
    })
}

fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 4] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    let (unit, seconds) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs_f64(number * seconds))
}
