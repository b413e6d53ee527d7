//! `web`: what a request to a method costs beside the same answer straight from hyper, under load, in one run.
//!
//! ```text
//!  wrk ──▶ wasmhost serve examples/parameterized        the real program, all three query values given
//!      ──▶ bare hyper: this program with `--bare`        its connection settings, runtime, headers and body
//!      ──▶ node, `wasmtime serve`, where on PATH         for a sense of scale
//! ```
//! They take turns, so that a machine that slows down slows all; the figures are medians over the rounds.
//! `cargo bench -p wasmhost --bench web`; under `cargo test` there is one short round, and none without wrk.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench has to say it prints")]

mod answer;
mod bare;
mod servers;
mod wrk;

use std::process::ExitCode;
use std::time::Duration;

use answer::Answer;
use mimalloc::MiMalloc;
use servers::Server;
use wrk::Load;

/// That of the program, so that the bare server has the same.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// All three query values, at the root of the only app.
const PATH: &str = "/?foo=hedgehog&bar=7&qux=override";

/// Promised of a web method: CPU time per request, as a multiple of bare hyper's.
const MAX_CPU_RATIO: f64 = 1.35;

/// Promised of a web method: requests per second, as a fraction of bare hyper's.
const MIN_RATE_RATIO: f64 = 0.75;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let outcome = if has(servers::BARE) { bare::run().map(|()| true) } else { Plan::new(has("--bench")).run() };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How often and how long each server is under load.
struct Plan {
    rounds: usize,
    span: Duration,
    is_measuring: bool,
}

impl Plan {
    fn new(is_measuring: bool) -> Self {
        let (rounds, seconds) = if is_measuring { (5, 5) } else { (1, 1) };
        Self { rounds, span: Duration::from_secs(seconds), is_measuring }
    }

    /// Measures all servers. False if a promise was missed.
    fn run(&self) -> Result<bool> {
        if !wrk::is_there() {
            let missing = "`wrk` is not on PATH, and makes the load; on Debian it is in the package `wrk`";
            if self.is_measuring {
                return Err(missing.into());
            }
            println!("NOT RUN: web: {missing}");
            return Ok(true);
        }
        let ours = Server::wasmhost()?;
        let answer = Answer::of(ours.address)?;
        let bare = Server::bare(&answer)?;
        let mut servers = vec![bare, ours];
        for (name, other) in [("node", Server::node(&answer)?), ("wasmtime", Server::wasmtime(&answer)?)] {
            match other {
                Some(other) => servers.push(other),
                None => println!("{name}: not on PATH, left out"),
            }
        }
        for server in &servers[1..] {
            answer.is_given_by(server)?;
        }
        let figures = self.measure(&servers)?;
        for (server, figures) in servers.iter().zip(&figures) {
            println!("{:<9} {figures}", server.name);
        }
        Ok(self.judge(&figures[1], &figures[0]))
    }

    fn measure(&self, servers: &[Server]) -> Result<Vec<Figures>> {
        let seconds = self.span.as_secs();
        println!("rounds: {}, of {seconds} s each with {} connections, medians", self.rounds, wrk::CONNECTIONS);
        let mut figures: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
        // The first round warms all up and is thrown away.
        let warm_up = usize::from(self.is_measuring);
        for round in 0..self.rounds + warm_up {
            for (server, figures) in servers.iter().zip(&mut figures) {
                let before = server.cpu_time()?;
                let load = wrk::run(server.address, PATH, self.span)?;
                let cpu = server.cpu_time()? - before;
                if round >= warm_up {
                    figures.add(&load, cpu);
                }
            }
        }
        Ok(figures)
    }

    /// Says how ours compares to the bare server, and whether that is as promised.
    fn judge(&self, ours: &Figures, bare: &Figures) -> bool {
        let cpu = median(&ours.cpu_us) / median(&bare.cpu_us);
        let rate = median(&ours.rate) / median(&bare.rate);
        let goals = [
            ("CPU per request", cpu, cpu <= MAX_CPU_RATIO, format!("at most {MAX_CPU_RATIO}")),
            ("requests per second", rate, rate >= MIN_RATE_RATIO, format!("at least {MIN_RATE_RATIO}")),
        ];
        for (what, ratio, is_kept, goal) in &goals {
            let verdict = match (self.is_measuring, is_kept) {
                (false, _) => "not judged: too short, and not the release profile",
                (true, true) => "kept",
                (true, false) => "MISSED",
            };
            println!("{what}: {ratio:.2} of bare hyper, promised {goal}: {verdict}");
        }
        !self.is_measuring || goals.iter().all(|(_, _, is_kept, _)| *is_kept)
    }
}

/// What was measured of one server, one figure a round.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    cpu_us: Vec<f64>,
}

impl Figures {
    fn add(&mut self, load: &Load, cpu: Duration) {
        self.rate.push(load.rate);
        self.p50_us.push(load.p50.as_secs_f64() * 1e6);
        self.p99_us.push(load.p99.as_secs_f64() * 1e6);
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / load.requests);
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [rate, p50, p99, cpu] = [&self.rate, &self.p50_us, &self.p99_us, &self.cpu_us].map(|all| median(all));
        write!(f, "{rate:>9.0} requests/s   p50 {p50:>7.0} µs   p99 {p99:>7.0} µs   CPU {cpu:>6.1} µs/request")
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
