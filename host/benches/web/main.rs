//! `web`: what a request costs beside the same answer straight from hyper, and from wasmtime's own server, in one run.
//!
//! ```text
//!  wrk ──▶ bare hyper: this program with `--bare`        our connection settings, runtime, headers and body
//!      ──▶ wasmhost: a method of examples/parameterized  the real program, all three query values given
//!      ──▶ wasmhost: handlers of `wasi:http`             the guests `web` and `web-async`, kept and fresh
//!      ──▶ `wasmtime serve` with the same guests         its instances used without limit, and as it does by itself
//!      ──▶ node                                          for a sense of scale
//! ```
//! All give the same answer. They take turns, so that a machine that slows down slows all; the figures are medians over
//! the rounds, and those of ratios are medians of each round's. `cargo bench -p wasmhost --bench web`, with `wrk` and
//! `wasmtime` on `PATH`; under `cargo test` there is one short round, and none without wrk.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench has to say it prints")]

mod answer;
mod bare;
#[path = "../common/program.rs"]
mod program;
mod servers;
mod wrk;

use std::fmt;
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

/// A server that takes part, by the name that it goes by in [`PROMISES`]; `None` if its program is not there.
struct Entrant {
    name: &'static str,
    start: fn(&'static str, &Answer) -> Result<Option<Server>>,
}

/// The method, which says what all others answer.
const METHOD: &str = "method";

const HYPER: &str = "bare hyper";

const ENTRANTS: [Entrant; 9] = [
    Entrant { name: HYPER, start: |name, answer| Server::bare(name, answer).map(Some) },
    Entrant { name: METHOD, start: |name, _| Server::typed(name).map(Some) },
    Entrant { name: "0.2 kept", start: |name, answer| Server::handler(name, "web", "reuse = true", answer).map(Some) },
    Entrant {
        name: "wasmtime's 0.2 kept",
        start: |name, answer| Server::wasmtime(name, "web", &["--max-instance-reuse-count", WITHOUT_LIMIT], answer),
    },
    Entrant { name: "0.2 fresh", start: |name, answer| Server::handler(name, "web", "", answer).map(Some) },
    Entrant { name: "wasmtime's 0.2 fresh", start: |name, answer| Server::wasmtime(name, "web", &[], answer) },
    Entrant { name: "0.3", start: |name, answer| Server::handler(name, "web_async", "", answer).map(Some) },
    Entrant { name: "wasmtime's 0.3", start: |name, answer| Server::wasmtime(name, "web_async", &[], answer) },
    Entrant { name: "node", start: Server::node },
];

/// Uses of an instance of wasmtime's before it is replaced.
const WITHOUT_LIMIT: &str = "1000000000";

/// A promise: the figure of one server, as a multiple of another's.
struct Promise {
    of: &'static str,
    beside: &'static str,
    figure: Figure,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

const fn cpu(of: &'static str, at_most: f64, beside: &'static str) -> Promise {
    Promise { of, beside, figure: Figure::Cpu, bound: Bound::AtMost(at_most) }
}

const fn no_later(of: &'static str, beside: &'static str) -> Promise {
    Promise { of, beside, figure: Figure::P99, bound: Bound::AtMost(1.0) }
}

const PROMISES: [Promise; 9] = [
    cpu(METHOD, 1.25, HYPER),
    Promise { of: METHOD, beside: HYPER, figure: Figure::Rate, bound: Bound::AtLeast(0.75) },
    cpu("0.2 kept", 0.6, "wasmtime's 0.2 kept"),
    cpu("0.2 kept", 0.1, "wasmtime's 0.2 fresh"),
    cpu("0.2 fresh", 0.5, "wasmtime's 0.2 fresh"),
    cpu("0.3", 0.85, "wasmtime's 0.3"),
    no_later("0.2 kept", "wasmtime's 0.2 kept"),
    no_later("0.2 fresh", "wasmtime's 0.2 fresh"),
    no_later("0.3", "wasmtime's 0.3"),
];

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
        let answer = Answer::of(Server::typed(METHOD)?.address)?;
        let mut servers = Vec::new();
        for entrant in ENTRANTS {
            match (entrant.start)(entrant.name, &answer)? {
                Some(server) => servers.push(server),
                None => println!("{}: its program is not on PATH, left out", entrant.name),
            }
        }
        for server in &servers {
            answer.is_given_by(server)?;
        }
        let figures = self.measure(&servers)?;
        for (server, figures) in servers.iter().zip(&figures) {
            println!("{:<21} {figures}", server.name);
        }
        let of = |name: &str| servers.iter().position(|server| server.name == name).map(|place| &figures[place]);
        let mut are_kept = true;
        for promise in &PROMISES {
            match (of(promise.of), of(promise.beside)) {
                (Some(ours), Some(theirs)) => are_kept &= self.judge(promise, ours, theirs),
                _ => println!("{promise}: NOT MEASURED"),
            }
        }
        Ok(are_kept || !self.is_measuring)
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

    /// Says whether it is as promised.
    fn judge(&self, promise: &Promise, ours: &Figures, theirs: &Figures) -> bool {
        let ratios: Vec<f64> =
            ours.of(promise.figure).iter().zip(theirs.of(promise.figure)).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&ratios);
        let is_kept = match promise.bound {
            Bound::AtMost(bound) => ratio <= bound,
            Bound::AtLeast(bound) => ratio >= bound,
        };
        let verdict = match (self.is_measuring, is_kept) {
            (false, _) => "not judged: too short, and not the release profile",
            (true, true) => "kept",
            (true, false) => "MISSED",
        };
        println!("{promise}: {ratio:.3}: {verdict}");
        is_kept
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = match self.figure {
            Figure::Cpu => "CPU per request",
            Figure::Rate => "requests per second",
            Figure::P99 => "p99",
        };
        let (bound, most) = match self.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
        };
        write!(f, "{figure} of {}, {bound} {most} of {}", self.of, self.beside)
    }
}

#[derive(Clone, Copy)]
enum Figure {
    Cpu,
    Rate,
    P99,
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
    fn of(&self, figure: Figure) -> &[f64] {
        match figure {
            Figure::Cpu => &self.cpu_us,
            Figure::Rate => &self.rate,
            Figure::P99 => &self.p99_us,
        }
    }

    fn add(&mut self, load: &Load, cpu: Duration) {
        self.rate.push(load.rate);
        self.p50_us.push(load.p50.as_secs_f64() * 1e6);
        self.p99_us.push(load.p99.as_secs_f64() * 1e6);
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / load.requests);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rate, p50, p99, cpu] = [&self.rate, &self.p50_us, &self.p99_us, &self.cpu_us].map(|all| median(all));
        write!(f, "{rate:>9.0} requests/s   p50 {p50:>7.0} µs   p99 {p99:>7.0} µs   CPU {cpu:>6.1} µs/request")
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
