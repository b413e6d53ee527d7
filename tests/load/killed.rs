//! The program killed at any moment of a first preparation, or the process that prepares for it: no process outlives the one
//! it works for, the next start answers right, and nothing half done is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wasmhost_tests::{Server, guest, run, wasmhost_command};

use crate::{Random, alone, figure, pause, size, until};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Program,
    /// The process that prepares for it.
    Preparer,
}

/// What the program is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Run,
    Serve,
}

/// A manifest, and a cache that nobody used before.
struct Trial {
    dir: tempfile::TempDir,
}

impl Trial {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = guest("hooks");
        let text = format!(
            "version = 1\nname = \"hooks\"\n[component.hooks]\nsource = {source:?}\n[class.probe]\n\
             parameters = {{ mode = \"\" }}\n[class.probe.env]\nMODE_BUILD = \"print+image\"\n\
             [class.probe.method.read-file]\nweb = \"GET /read\"\n"
        );
        fs::write(dir.path().join("wasmhost.toml"), text).unwrap();
        Self { dir }
    }

    fn manifest(&self) -> PathBuf {
        self.dir.path().join("wasmhost.toml")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn command(&self, verb: Verb) -> Command {
        let mut command = wasmhost_command();
        command.env("WASMHOST_DATA_DIR", self.dir.path().join("data"));
        command.arg(if verb == Verb::Run { "run" } else { "serve" }).arg("--no-build");
        command.arg("--cache-dir").arg(self.cache());
        match verb {
            Verb::Run => {
                let target = format!("{}::read-file", self.manifest().display());
                command.args([&target, "--path", "/image/built.txt"])
            }
            Verb::Serve => command.arg(self.manifest()).args(["--listen", "127.0.0.1:0"]),
        };
        command
    }

    fn start(&self, verb: Verb) -> Child {
        self.command(verb).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the program once more, which answers right.
    fn answers(&self, verb: Verb) {
        if verb == Verb::Run {
            assert_eq!(run(&mut self.command(verb)).ok().trim(), "\"written by build\"");
            return;
        }
        let (cache, manifest) = (self.cache(), self.manifest());
        let mut server = Server::ready(["--no-build".as_ref(), "--cache-dir".as_ref(), &*cache, &*manifest]);
        let answer = server.get("/read?path=/image/built.txt");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("written by build"), "{answer}");
        server.signal(Signal::TERM);
        assert_eq!(server.ends().code(), Some(0));
    }

    /// What is in the cache, in words that are the same for every cache.
    fn shape(&self) -> BTreeMap<String, usize> {
        let root = self.cache().join("artifacts");
        let mut shape = BTreeMap::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(&root).unwrap().to_str().unwrap();
                // Notes when it was last cleaned up, beside everything else, if it was.
                if below != "collected" {
                    *shape.entry(below.split('/').map(nameless).collect::<Vec<_>>().join("/")).or_insert(0) += 1;
                }
                if path.is_dir() {
                    dirs.push(path);
                }
            }
        }
        shape
    }
}

/// A name without what follows from secrets and from chance.
fn nameless(name: &str) -> String {
    let is_digest = name.len() >= 64 && name.as_bytes()[..64].iter().all(u8::is_ascii_hexdigit);
    match (is_digest, &name[if is_digest { 64 } else { 0 }..]) {
        (false, name) => name.to_owned(),
        (true, rest) if rest.starts_with('-') => {
            format!("#-…{}", rest.find('.').map_or("", |dot| &rest[dot..]))
        }
        (true, rest) => format!("#{rest}"),
    }
}

#[test]
fn whoever_is_killed_while_a_component_is_prepared_the_next_start_answers_and_nothing_is_left_over() {
    alone(async {
        for verb in [Verb::Run, Verb::Serve] {
            let healthy = Trial::new();
            let began = Instant::now();
            healthy.answers(verb);
            let whole = began.elapsed();
            let shape = healthy.shape();
            assert!(shape.keys().all(|path| !path.starts_with("staging/") || path == "staging/gate"), "{shape:?}");
            for victim in [Victim::Program, Victim::Preparer] {
                let (kills, mut random) = (size(3, 100), Random::new(1 + victim as u64));
                let (mut killed, mut missed, mut preparing) = (0, 0, 0);
                while killed < kills {
                    let trial = Trial::new();
                    let moment = whole.mul_f64(random.below(1_000) as f64 / 1_000.0);
                    match kill(&trial, verb, victim, moment).await {
                        Some(children) => (killed, preparing) = (killed + 1, preparing + children),
                        None => missed += 1,
                    }
                    assert!(missed < 100 + 20 * kills, "it is never there to be killed");
                    trial.answers(verb);
                    let (of_trial, what) = (trial.shape(), format!("{verb:?}, {victim:?} killed after {moment:?}"));
                    for (path, count) in &of_trial {
                        assert_eq!(Some(count), shape.get(path), "`{path}` is left over: {what}");
                    }
                    assert_eq!(of_trial.len(), shape.len(), "nothing is missing: {what}");
                }
                figure(format_args!(
                    "killed: {verb:?}, {victim:?}: {killed} within {whole:.1?}, {preparing} of them at work on a \
                     component; {missed} times it was not there"
                ));
            }
        }
    });
}

/// Starts the program and kills it, or those that prepare for it, at a moment. Gives how many of these there were; none if
/// there was nobody to kill.
async fn kill(trial: &Trial, verb: Verb, victim: Victim, moment: Duration) -> Option<usize> {
    let mut program = trial.start(verb);
    pause(moment).await;
    if victim == Victim::Program {
        // So that it starts nobody between the look at who works for it and its end.
        let _ = kill_process(Pid::from_child(&program), Signal::STOP);
    }
    let preparers = children_of(program.id());
    let is_hit = match victim {
        Victim::Program => program.try_wait().unwrap().is_none(),
        Victim::Preparer => !preparers.is_empty(),
    };
    if is_hit && victim == Victim::Preparer {
        for preparer in &preparers {
            // It may have ended by itself meanwhile.
            let _ = kill_process(*preparer, Signal::KILL);
        }
        // A server that was ready goes on, and any other program ends by itself.
        let pid = Pid::from_child(&program);
        until("it goes on without them, or ends", async || {
            is_gone(pid) || (verb == Verb::Serve && children_of(program.id()).is_empty())
        })
        .await;
    }
    program.kill().unwrap();
    program.wait().unwrap();
    until("no process outlives the one it works for", async || preparers.iter().all(|child| is_gone(*child))).await;
    is_hit.then_some(preparers.len())
}

/// The processes that a process started and that are alive.
fn children_of(parent: u32) -> Vec<Pid> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        if status(pid).is_some_and(|(state, of)| of == parent && state != 'Z') {
            children.push(pid);
        }
    }
    children
}

/// Whether a process is at its end, with all its threads: the first may be over while others still hold its files.
fn is_gone(process: Pid) -> bool {
    let tasks = Path::new("/proc").join(process.as_raw_nonzero().to_string()).join("task");
    // One that nobody has asked about yet has its number still.
    let is_over = status(process).is_none_or(|(state, _)| state == 'Z' || state == 'X');
    is_over && fs::read_dir(tasks).map_or(true, |tasks| tasks.count() <= 1)
}

/// The state of a process, and which one started it.
fn status(process: Pid) -> Option<(char, u32)> {
    let path = Path::new("/proc").join(process.as_raw_nonzero().to_string()).join("status");
    let status = fs::read_to_string(path).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some((field("State:")?.chars().next()?, field("PPid:")?.parse().ok()?))
}
