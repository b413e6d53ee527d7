//! The same guest in three languages: what its `build` left is there in each of its clones, and what they do is their own.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;
use wasmhost::{Class, OutputStream};
use wasmhost_tests::{Language, TestHost, guest, is_full};

use super::luck::{WASI, no_clone_draws_what_another_drew};

/// What `enter` found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Found {
    builds: u32,
    table_bytes: u64,
    image: Vec<u8>,
    greeting: String,
    built_at: u64,
    entered_at: u64,
    note: String,
}

/// The guest in one language.
struct Guest<'a> {
    component: PathBuf,
    table_bytes: u64,
    /// How many clones are looked at, and how many draw, in a run that is not full.
    clones: (usize, usize),
    /// Sources of randomness, beside those of WASI, that are fresh in each clone.
    fresh: &'a [&'a str],
    /// Those that go on from where `build` left them.
    again: &'a [&'a str],
}

impl Guest<'_> {
    /// Its class, which writes notes to a directory of the host.
    async fn class(&self, host: &TestHost) -> Class {
        let notes = host.dir().join("notes");
        std::fs::create_dir_all(&notes).unwrap();
        // The directory of this host alone: snapshots are kept from one run of the tests to the next.
        let settings = format!(
            "[class.witness]\nbuild-timeout = \"10m\"\nmemory = \"128MiB\"\n\
             mounts = [{{ host = {notes:?}, path = \"/notes\", write = true }}]\n\
             env = {{ GREETING = \"hello\", NOTES = \"/notes\", APART = {:?} }}\n",
            host.dir()
        );
        let app = host.host.load(host.manifest_of("witness", &self.component, &settings)).await.unwrap();
        let class = app.class("witness").unwrap();
        assert_eq!(class.without_snapshot(), None);
        class
    }

    async fn clones_have_what_build_left(&self) {
        let host = TestHost::new();
        let class = self.class(&host).await;
        let clones = if is_full() { 1_000 } else { self.clones.0 };
        // Each line, and whether it was printed on standard output.
        let mut expected = HashSet::new();
        for clone in 0..clones {
            let name = format!("clone-{clone}");
            self.look_at_a_clone(&host, &class, &name).await;
            expected.insert((true, format!("{name} entered")));
            expected.insert((false, format!("{name} entered, told as an error")));
        }
        let (of_build, of_clones): (Vec<_>, Vec<_>) =
            host.printed.lines().into_iter().partition(|line| line.origin.instance == "build");
        let told: Vec<_> = of_build.iter().map(|line| (line.stream, line.text.as_str())).collect();
        let building = [(OutputStream::Stdout, "building"), (OutputStream::Stderr, "building, told as an error")];
        assert_eq!(told, building, "`build` ran once");
        assert_eq!((of_clones.len(), host.printed.dropped()), (2 * clones, (0, 0)));
        let told: HashSet<_> =
            of_clones.into_iter().map(|line| (line.stream == OutputStream::Stdout, line.text)).collect();
        assert!(told == expected, "missing: {:?}", expected.difference(&told));

        let draws = if is_full() { 10_000 } else { self.clones.1 };
        no_clone_draws_what_another_drew(&class, draws, &[&WASI[..], self.fresh].concat(), self.again).await;
    }

    async fn look_at_a_clone(&self, host: &TestHost, class: &Class, name: &str) {
        let instance = class.bind(&(name,)).unwrap().start().await.unwrap();
        let found: Found = instance.call("look", &()).await.unwrap();
        assert_eq!((found.builds, found.table_bytes), (1, self.table_bytes), "{name}");
        assert!(found.image.iter().copied().eq(0..=u8::MAX), "{name}: {:?}", found.image);
        assert_eq!(found.greeting, "hello", "{name}");
        // `build` waited until its clock showed a second. One that began with the clone would show how long the clone took to
        // be entered, which is milliseconds: among so many clones it would lie behind `build`, however busy the machine is.
        assert!(found.built_at >= 1_000_000_000, "{name}: {found:?}");
        assert!(found.built_at < found.entered_at, "{name}: the clock went back to {found:?}");
        assert_eq!(found.note, format!("a note of {name}"));
        assert_eq!(std::fs::read_to_string(host.dir().join(format!("notes/{name}.txt"))).unwrap(), found.note);
        instance.exit().await.unwrap();
    }
}

#[tokio::test]
async fn clones_in_rust_have_what_build_left_and_luck_of_their_own() {
    let guest = Guest {
        component: guest("clones"),
        table_bytes: 5 << 20,
        clones: (200, 1_000),
        fresh: &["getrandom"],
        again: &["RandomState"],
    };
    guest.clones_have_what_build_left().await;
}

#[tokio::test]
async fn clones_in_python_have_what_build_left_and_luck_of_their_own() {
    let Some(component) = Language::Python.guest("clones") else { return };
    let guest = Guest {
        component,
        table_bytes: 1 << 20,
        clones: (100, 100),
        fresh: &["os.urandom", "secrets", "uuid4", "SystemRandom", "a new Random"],
        again: &["Random of build", "hash", "random"],
    };
    guest.clones_have_what_build_left().await;
}

#[tokio::test]
async fn clones_in_javascript_have_what_build_left_and_luck_of_their_own() {
    let Some(component) = Language::JavaScript.guest("clones") else { return };
    let guest = Guest {
        component,
        table_bytes: 1 << 20,
        clones: (200, 1_000),
        fresh: &["getRandomValues", "randomUUID", "Math.random"],
        again: &[],
    };
    guest.clones_have_what_build_left().await;
}
