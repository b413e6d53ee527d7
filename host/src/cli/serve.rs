//! `wasmhost serve`: apps answer over HTTP until a signal ends it.
//!
//! ```text
//!  bind ─▶ answer 503 ─▶ per source: build, load, publish ─▶ print what is served ─▶ signal ─▶ drain ─▶ exits
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;

use super::args::{Common, ServeArgs};
use super::interrupts::Interrupts;
use super::terminal::{self, Outcome, say, with_patience};
use super::{build, context, listing, watch};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Host, Source};
use crate::web::{Options, Phase, Readiness, Server, WebService};

pub(super) async fn serve(common: &Common, args: ServeArgs) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    check_exposure(&args)?;
    let sources = sources(&args.sources)?;
    let host = context::server(common, &args.permissions, |builder| match args.max_instances {
        Some(instances) => builder.max_instances(instances),
        None => builder,
    })?;
    // Bound first: whoever starts this program and asks it at once gets an answer, and a port that is taken is found
    // before minutes of building.
    let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args.listen, &error))?;
    let address = listener.local_addr().map_err(|error| Error::io(format!("`{}`", args.listen), error))?;
    let readiness = Readiness::default();
    for source in &sources {
        readiness.set(source.name(), Phase::Waiting);
    }
    let front = front(&host, &args, &sources, readiness.clone());
    let options = Options { header_timeout: args.header_timeout, ..Options::default() };
    let server = Server::start(listener, front, options);
    say(&format!("listening on http://{address}"));

    let loaded = tokio::select! {
        biased;
        loaded = load_all(&host, &sources, &readiness, !args.no_build) => loaded,
        code = interrupts.next_code() => {
            let drained = drain(&host, &server, &readiness, args.drain_timeout);
            return Ok(leave(&mut interrupts, drained, ExitCode::from(code)).await);
        }
    };
    let apps = match loaded {
        Ok(apps) => apps,
        Err(error) => {
            drain(&host, &server, &readiness, args.drain_timeout).await;
            return Err(error.into());
        }
    };
    let served = listing::Served { address, root: (apps.len() == 1).then_some(0), domains: &args.domain, apps: &apps };
    if args.json {
        terminal::print(format!("{}\n", served.to_json()).as_bytes())?;
    }
    say(served.to_text().trim_end());

    let ended = async {
        match args.watch {
            true => watch::watch(&host, sources, !args.no_build).await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = interrupts.next_code() => {}
        failed = ended => {
            let Err(error) = failed else { unreachable!("watching goes on for ever") };
            drain(&host, &server, &readiness, args.drain_timeout).await;
            return Err(error.into());
        }
    }
    let drained = drain(&host, &server, &readiness, args.drain_timeout);
    Ok(leave(&mut interrupts, drained, ExitCode::SUCCESS).await)
}
