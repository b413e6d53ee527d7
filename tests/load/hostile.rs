//! An app that becomes hostile, in one way after another, is refused each time with what was too much, and another goes on as if
//! it were alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmhost_tests::hostile::{instances_in_instances, random_bytes, slow_to_compile};
use wasmhost_tests::{guest, text_guest};

use crate::client::Connection;
use crate::{Times, alone, figure, is_full, pause, promised, size, until};

/// Requests to the good class: one each so often, whether those before are answered or not.
const EVERY: Duration = Duration::from_millis(5);

/// How long the good class is alone.
const ALONE: Duration = Duration::from_secs(3);

/// What the server says when it has refused a change.
const GOES_ON: &str = "`other` goes on as it was";

/// What is served instead of a good component.
struct Hostile {
    name: &'static str,
    component: Vec<u8>,
    /// Of its class, which is named as in the components that are written down.
    settings: &'static str,
    /// What the server says of it.
    says: &'static [&'static str],
    /// How long that may take.
    within: Duration,
}

fn hostile() -> [Hostile; 5] {
    let probe = "[class.probe]";
    [
        Hostile {
            name: "spins",
            component: text_guest("spins"),
            settings: "[class.probe]\nbuild-timeout = \"500ms\"",
            says: &["`build`", "500ms", "build-timeout"],
            within: Duration::from_secs(5),
        },
        Hostile {
            name: "allocates",
            component: text_guest("allocates"),
            settings: "[class.probe]\nmemory = \"64MiB\"",
            says: &["`build`", "64MiB", "the setting is `memory`"],
            within: Duration::from_secs(5),
        },
        Hostile {
            name: "slow",
            component: slow_to_compile(size(8 << 20, 64 << 20)),
            settings: "",
            says: &["slow.wasm", "used more CPU time than 2s", "the setting is `prepare-cpu-time`"],
            within: Duration::from_secs(10),
        },
        Hostile {
            name: "random",
            component: random_bytes(50_000_000, 1),
            settings: probe,
            says: &["random.wasm", "is no component this host can run"],
            within: Duration::from_secs(5),
        },
        Hostile {
            name: "nested",
            component: instances_in_instances(3, 10),
            settings: "",
            says: &["nested.wasm", "the setting is `max-parts`"],
            within: Duration::from_secs(5),
        },
    ]
}

#[test]
fn what_is_hostile_ends_within_its_limits_while_another_class_keeps_its_pace() {
    alone(async {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["good", "other"].map(|name| dir.path().join(name));
        for folder in &folders {
            fs::create_dir(folder).unwrap();
        }
        let [good, other] = &folders;
        let route = "[class.probe]\nparameters = { mode = \"\" }\n[class.probe.method.count]\nweb = \"GET /count\"";
        fs::write(dir.path().join("first.wasm"), text_guest("start")).unwrap();
        write(good, "good", &guest("hooks"), route);
        let first = "[class.probe]\n[class.probe.method.built]\nweb = \"GET /built\"";
        write(other, "first", &dir.path().join("first.wasm"), first);
        // Written before anybody looks: what changes is the manifest alone.
        let hostile = hostile();
        for Hostile { name, component, .. } in &hostile {
            fs::write(dir.path().join(name).with_extension("wasm"), component).unwrap();
        }
        let limits = ["--watch", "--no-build", "--prepare-cpu-time", "2s", "--prepare-timeout", "20s"];
        let server = wasmhost_tests::Server::ready(limits.map(Path::new).into_iter().chain([&**good, &**other]));

        let alone = load(&server, async || pause(ALONE).await).await;
        figure(format_args!("hostile: the good class alone {alone}"));
        let (mut refused, mut all) = (0, Times::default());
        for Hostile { name, settings, says, within, .. } in hostile {
            let file = dir.path().join(name).with_extension("wasm");
            let (mut beside, mut longest, before) = (Times::default(), Duration::ZERO, server.said().len());
            // Until there are enough answers for a quantile of theirs to mean something.
            while beside.0.len() < size(1, 600) {
                let during = load(&server, async || {
                    let began = Instant::now();
                    write(other, name, &file, &format!("# {refused} were refused before\n{settings}"));
                    refused += 1;
                    until("it is refused", async || server.said().matches(GOES_ON).count() == refused).await;
                    longest = longest.max(began.elapsed());
                });
                beside.0.append(&mut during.await.0);
            }
            let said = server.said()[before..].to_owned();
            figure(format_args!(
                "hostile: {name} refused within {longest:.1?}, the good class {beside}: {}",
                said.trim()
            ));
            for words in says {
                assert!(said.contains(words), "{name}: `{words}` is not in: {said}");
            }
            let within = if is_full() { within } else { 4 * within };
            assert!(longest <= within, "{name} took {longest:?}, and {within:?} is its limit");
            assert!(
                !is_full() || beside.quantile(0.99) <= bound(&alone),
                "{name}: beside it {beside}, without {alone}"
            );
            all.0.append(&mut beside.0);
        }
        assert!(all.quantile(0.99) <= bound(&alone), "beside all of them {all}, without {alone}");
        let answer = server.get("/other/probe/built");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('1'), "the first one goes on: {answer}");
    });
}

/// What is promised of the good class beside others, by what it does without.
fn bound(alone: &Times) -> Duration {
    let alone = alone.quantile(0.99);
    (alone * if is_full() { 2 } else { 8 }).max(alone + promised(5))
}

/// Makes an app of a component, instead of what it was.
fn write(folder: &Path, component: &str, file: &Path, settings: &str) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let text = format!("version = 1\nname = \"{name}\"\n[component.{component}]\nsource = {file:?}\n{settings}\n");
    // At once, so that a server that watches never sees half of it.
    fs::write(folder.join(".new"), text).unwrap();
    fs::rename(folder.join(".new"), folder.join("wasmhost.toml")).unwrap();
}

/// How long the answers of the good class take from the moment at which each is due, until something is over.
async fn load(server: &wasmhost_tests::Server, over: impl AsyncFnOnce()) -> Times {
    let address = server.address();
    let mut due = tokio::time::interval(EVERY);
    let (mut times, mut asked) = (Times::default(), JoinSet::<(Duration, Connection)>::new());
    let mut idle = Vec::<Connection>::new();
    let mut over = std::pin::pin!(over());
    loop {
        tokio::select! {
            () = &mut over => break,
            due = due.tick() => {
                let connection = idle.pop();
                asked.spawn(async move {
                    let mut connection = match connection {
                        Some(connection) => connection,
                        None => Connection::open(address).await.unwrap(),
                    };
                    let answer = connection.get("/good/probe/count").await.unwrap_or_else(|lost| panic!("{lost}"));
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    (due.elapsed(), connection)
                });
            }
            Some(done) = asked.join_next() => {
                let (took, connection) = done.unwrap();
                times.0.push(took);
                idle.push(connection);
            }
        }
    }
    while let Some(done) = asked.join_next().await {
        times.0.push(done.unwrap().0);
    }
    times
}
