//! `serve_start`: how long `wasmhost serve` takes until it says that it is ready, and until it has answered a first request,
//! with 1 and with 100 components of 1 MB that were prepared before.
//!
//! All of it is done by the real program; the components are one guest with other bytes appended to each. One more run, under strace where there is one, shows what is opened before the first request: of
//! components, snapshots and code the records alone.
//! `cargo bench -p wasmhost --bench serve_start`; under `cargo test` it is small and brief.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench has to say it prints")]

mod components;
#[path = "../common/goals.rs"]
mod goals;
#[path = "../common/guests.rs"]
mod guests;
#[path = "../common/program.rs"]
mod program;
mod server;

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use components::Prepared;
use goals::Goals;
use server::{Server, Started};

/// Promised of a hundred components: from the start of the process to the first answer.
const MAX_START: Duration = Duration::from_millis(150);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut goals = Goals::of_arguments();
    match run(&mut goals) {
        Ok(()) => goals.exit_code(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(goals: &mut Goals) -> Result<()> {
    let (counts, rounds) = if goals.are_measured() { ([1, 100], 21) } else { ([1, 2], 1) };
    let prepared = components::prepare(counts[1])?;
    let mut starts = counts.map(|_| Vec::new());
    // The first round warms the disk's cache and is thrown away.
    for round in 0..=rounds {
        for (count, starts) in counts.iter().zip(&mut starts) {
            let server = Server::start(&prepared, *count, None)?;
            if round > 0 {
                starts.push(server.started);
            }
            server.end()?;
        }
    }
    println!("rounds: {rounds}, that take turns, medians; components of 1 MB");
    for (count, starts) in counts.iter().zip(&starts) {
        let [ready, first_answer] = [median(starts, |start| start.ready), median(starts, |start| start.first_answer)];
        println!("serve_start/{count:<4} ready {ready:>7.1?}   first answer {first_answer:>7.1?}");
        if *count == counts[1] {
            let goal = format!("{count} components: first answer after {first_answer:.1?}, promised {MAX_START:?}");
            goals.judge(first_answer <= MAX_START, &goal);
        }
    }
    show_opened(&prepared, counts[1])
}

fn median(starts: &[Started], of: impl Fn(&Started) -> Duration) -> Duration {
    let mut times: Vec<_> = starts.iter().map(of).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Says what of the components was opened before the first request.
///
/// # Errors
///
/// It was more than records.
fn show_opened(prepared: &Prepared, count: usize) -> Result<()> {
    let has_strace = std::process::Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if has_strace.is_err() {
        println!("NOT RUN: what is opened: `strace` is not on PATH");
        return Ok(());
    }
    let trace = prepared.dir.path().join("trace");
    Server::start(prepared, count, Some(&trace))?.end()?;
    let text = std::fs::read_to_string(&trace)?;
    let is_request = |line: &&str| line.contains("accept4") && line.contains("AF_INET");
    let before = text.lines().take_while(|line| !is_request(line));
    let opened: Vec<PathBuf> = before.filter_map(|line| Some(line.split('"').nth(1)?.into())).collect();
    let artifacts = prepared.cache().join("artifacts");
    let mut records = 0;
    for path in
        opened.iter().filter(|path| path.starts_with(&artifacts) || path.extension().is_some_and(|is| is == "wasm"))
    {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => records += 1,
            Some("wasm" | "cwasm") => return Err(format!("`{}` is read at start", path.display()).into()),
            _ if path.ends_with("pack") => return Err(format!("`{}` is read at start", path.display()).into()),
            _ => {}
        }
    }
    println!(
        "opened before the first request: {records} records of {count} components, and no component, snapshot or code"
    );
    Ok(())
}
