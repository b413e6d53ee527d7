//! The flags of `serve`, with the limits of a host that answers the world.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Cache, Calls, Permissions, Preparing, duration};
use crate::manifest::AnySize;
use crate::service::HostBuilder;

#[derive(Debug, Args)]
#[command(after_help = "\
Requests are matched by host, else by path; DOMAIN is `localhost` and each `--domain`:
  http://{app}--{class}.DOMAIN/…  a class
  http://{app}.DOMAIN/…           the only class with routes, or the one with `default = true`
  /{app}/{class}/…                a class, at any other host
  /…                              the app, if SOURCE is only one

The first SIGINT or SIGTERM lets requests end and instances exit, a second one does not wait. With
--drain-delay the first only says at /.well-known/wasmhost/ready that the server is about to end.

Examples:
  wasmhost serve examples/parameterized
  wasmhost serve shop blog --listen 0.0.0.0:80 --domain example.org
  wasmhost serve --watch --expose-methods")]
pub(in crate::cli) struct ServeArgs {
    /// Directories with `wasmhost.toml`, such files, or components
    #[arg(default_value = ".", value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    pub(in crate::cli) sources: Vec<String>,

    /// Listen here; with port 0 on a free port, which is printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(in crate::cli) listen: SocketAddr,

    /// Answer hosts below this domain, besides those below `localhost`; may be repeated
    #[arg(long, value_name = "NAME", value_parser = domain)]
    pub(in crate::cli) domain: Vec<String>,

    /// Let every method answer `POST /{method}`; only on a loopback address, and web pages only if `cors` lists them
    #[arg(long)]
    pub(in crate::cli) expose_methods: bool,

    /// Build and load an app again when its files change; the last version that worked is served meanwhile
    #[arg(long)]
    pub(in crate::cli) watch: bool,

    /// Do not run the manifests' build commands
    #[arg(long)]
    pub(in crate::cli) no_build: bool,

    /// Print what is served as one line of JSON, once it is
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// How long to go on as before after a signal, only no longer ready, so that balancers see it; another signal cuts it short
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = delay)]
    pub(in crate::cli) drain_delay: Duration,

    /// How long requests may go on after a signal, or after that delay
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(in crate::cli) drain_timeout: Duration,

    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(in crate::cli) header_timeout: Duration,

    /// How long a client may take to send a body of parameters and arguments
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(in crate::cli) body_timeout: Duration,

    /// How many threads run guests [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    pub(in crate::cli) workers: Option<NonZeroUsize>,

    /// Keep the server's data in this directory, which no other server may have [default: keep nothing]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) permissions: Permissions,

    #[command(flatten)]
    pub(in crate::cli) cache: Cache,

    #[command(flatten)]
    pub(in crate::cli) limits: Limits,

    #[command(flatten)]
    pub(in crate::cli) preparing: Preparing,
}

/// Limits of the whole host.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct Limits {
    #[command(flatten)]
    pub(in crate::cli) calls: Calls,

    /// Above how much memory of all instances idle ones go [default: half of the machine's]
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) memory_budget: Option<AnySize>,

    /// How many calls of one app run at once, those that share an instance as one [default: three quarters of --max-instances]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_running_calls: Option<u32>,

    /// How many calls of one app wait for an instance [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(in crate::cli) max_queued_calls: Option<u32>,

    /// How many sets of parameters of one app may have a pool at a time [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(in crate::cli) max_tuples: Option<usize>,

    /// How many new sets of parameters of one app get a pool in a second [default: 100]
    #[arg(long, value_name = "COUNT")]
    pub(in crate::cli) tuple_rate: Option<u32>,

    /// How many of them at once after a silence [default: 1000]
    #[arg(long, value_name = "COUNT")]
    pub(in crate::cli) tuple_burst: Option<u32>,

    /// How large the parameters and arguments of one call may be together [default: 4MiB]
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) max_body: Option<AnySize>,
}

impl Limits {
    /// Sets what was given; the rest keeps its default.
    pub(in crate::cli) fn apply(&self, mut builder: HostBuilder) -> HostBuilder {
        builder = self.calls.apply(builder);
        if let Some(size) = self.memory_budget {
            builder = builder.memory_budget_bytes(size.bytes());
        }
        if let Some(calls) = self.max_running_calls {
            builder = builder.max_running_calls(calls);
        }
        if let Some(calls) = self.max_queued_calls {
            builder = builder.max_queued_calls(calls);
        }
        if let Some(tuples) = self.max_tuples {
            builder = builder.max_tuples(tuples);
        }
        if self.tuple_rate.is_some() || self.tuple_burst.is_some() {
            builder = builder.tuple_rate(self.tuple_rate.unwrap_or(100), self.tuple_burst.unwrap_or(1_000));
        }
        if let Some(size) = self.max_body {
            builder = builder.max_body_bytes(usize::try_from(size.bytes()).unwrap_or(usize::MAX));
        }
        builder
    }
}

/// A duration that may be none.
fn delay(text: &str) -> Result<Duration, String> {
    if matches!(text, "0ms" | "0s" | "0m") { Ok(Duration::ZERO) } else { duration(text) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it is no IP address with a port, such as `127.0.0.1:8080` or `[::]:80`".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_domain = text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label);
    if is_domain { Ok(text.to_owned()) } else { Err("it is no domain name, such as `example.org`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spelled_as_in_manifests_and_domains_are_names() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("30").unwrap_err().contains("no unit"));
        assert!(duration("0s").is_err());
        assert_eq!((delay("0s"), delay("5s")), (Ok(Duration::ZERO), Ok(Duration::from_secs(5))));
        for text in ["example.org", "localhost.", "a-b.c_d.9"] {
            assert!(domain(text).is_ok(), "{text}");
        }
        for text in ["", ".", "a..b", "http://a", "a:80", "a/b", "*.a"] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("[::1]:0").map(|address| address.port()), Ok(0));
        for text in ["80", ":80", "localhost:80", "127.0.0.1"] {
            assert!(address(text).unwrap_err().contains("127.0.0.1:8080"), "{text}");
        }
    }
}
