//! The store of artifacts under attack: whatever is damaged or gone, every answer is right, `build` does not run again as long
//! as what it left is there somewhere, and the damage is noticed.

mod damage;
mod full;
mod places;
mod wants;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wasmhost::{App, HostBuilder};
use wasmhost_tests::hostile::Numbers;
use wasmhost_tests::{SOON, TestHost, is_full, run, text_guest, wasmhost_command};

use damage::{Damage, Kind, copy, files, quarantine};

const BUILD: &str = "[class.probe.env]\nMODE_BUILD = \"print+image\"";
/// That many lines it prints.
const LINES: usize = 2;

/// A host on a cache, with a class that has a snapshot and one that has no hooks.
struct Used {
    host: TestHost,
    built: App,
    plain: App,
}

impl Used {
    async fn load(cache: &Path, plain: &Path) -> Self {
        Self::load_with(cache, plain, |builder| builder).await
    }

    async fn load_with(cache: &Path, plain: &Path, configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let host = TestHost::with(|builder| configure(builder.cache_dir(cache)));
        let built = host.app("hooks", BUILD).await.unwrap();
        let plain = host.host.load(host.manifest_of("plain", plain, "")).await.unwrap();
        Self { host, built, plain }
    }

    /// Calls both classes, in instances that are started for it.
    async fn answers(&self, name: &str) {
        let bound = self.built.class("probe").unwrap().bind(&(name,)).unwrap();
        let journal: Vec<String> = bound.call("journal", &()).await.unwrap();
        assert_eq!(journal, ["build", &format!("enter mode={name}")]);
        let image: String = bound.call("read-file", &("/image/built.txt",)).await.unwrap();
        assert_eq!(image, "written by build");
        assert_eq!(self.built.class("probe").unwrap().without_snapshot(), None);
        let plain = self.plain.class("plain").unwrap().bind(&()).unwrap();
        assert_eq!(plain.call::<_, u32>("answer", &()).await.unwrap(), 42);
    }

    fn lines_of_build(&self) -> usize {
        self.host.printed.lines().iter().filter(|line| line.origin.instance == "build").count()
    }

    async fn end(self) {
        self.host.host.shutdown().await;
    }
}

/// A cache in which everything is there, and was used.
struct Healthy {
    cache: TempDir,
    dir: TempDir,
}

impl Healthy {
    async fn new() -> Self {
        let healthy = Self { cache: tempfile::tempdir().unwrap(), dir: tempfile::tempdir().unwrap() };
        fs::write(healthy.plain(), text_guest("plain")).unwrap();
        let used = Used::load(healthy.cache.path(), &healthy.plain()).await;
        used.answers("first").await;
        assert_eq!(used.lines_of_build(), LINES);
        used.end().await;
        healthy
    }

    fn plain(&self) -> PathBuf {
        self.dir.path().join("plain.wasm")
    }

    /// A cache just like it, to be damaged.
    fn copy(&self) -> TempDir {
        let cache = tempfile::tempdir().unwrap();
        copy(self.cache.path(), cache.path());
        cache
    }

    /// The files of one kind, below a cache, that a start needs.
    fn files(&self, kind: Kind) -> Vec<PathBuf> {
        let mut files = files(self.cache.path()).remove(&kind).unwrap_or_default();
        if kind == Kind::Component {
            // The other one is needed by `build` alone.
            files.retain(|file| !self.code_of(file).is_empty());
        }
        assert!(!files.is_empty(), "there is no file of the kind {kind:?}");
        files
    }

    /// The compiled code of a component as it came, with its record.
    fn code_of(&self, component: &Path) -> Vec<PathBuf> {
        let digest = component.file_stem().unwrap().to_str().unwrap();
        let mut files = files(self.cache.path());
        let code = [Kind::Code, Kind::CodeRecord].into_iter().flat_map(|kind| files.remove(&kind).unwrap());
        code.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(digest)).collect()
    }

    /// Damages one file, and uses the cache. Gives how long that took.
    async fn trial(&self, kind: Kind, file: &Path, damage: Damage, numbers: &mut Numbers) -> Duration {
        let cache = self.copy();
        if kind == Kind::Component {
            for code in self.code_of(file) {
                fs::remove_file(cache.path().join(code)).unwrap();
            }
        }
        let file = cache.path().join(file);
        let left = damage.inflict(&file, numbers);
        let began = Instant::now();
        let used = Used::load(cache.path(), &self.plain()).await;
        used.answers("again").await;
        // The durable form is made from nothing else, and goes unnoticed for as long as nobody needs it.
        if (kind, damage) != (Kind::Pack, Damage::Gone) {
            let is_noticed = || quarantine(&file).exists() || fs::read(&file).ok() != left;
            until(&format!("{damage:?} of {} is noticed", file.display()), is_noticed).await;
        }
        assert_eq!(used.lines_of_build(), 0, "`build` ran again after {damage:?} of {}", file.display());
        let took = began.elapsed();
        used.end().await;
        took
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    while !is_so() {
        assert!(began.elapsed() < SOON, "it did not come about that {what}");
        looks.tick().await;
    }
}

#[tokio::test]
async fn damage_to_any_file_is_noticed_and_every_answer_is_right_without_another_build() {
    let healthy = Healthy::new().await;
    let (flips, cuts) = if is_full() { (1_000, 200) } else { (6, 3) };
    for (seed, kind) in Kind::ALL.into_iter().enumerate() {
        let mut numbers = Numbers::new(seed as u64);
        let mut took = Duration::ZERO;
        let files = healthy.files(kind);
        for (damage, trials) in [(Damage::Flip, flips), (Damage::Cut, cuts), (Damage::Gone, 1)] {
            // Each file in turn, and each at least once.
            for trial in 0..trials.max(files.len()) {
                took += healthy.trial(kind, &files[trial % files.len()], damage, &mut numbers).await;
            }
        }
        let file = files.len();
        let _ = writeln!(
            std::io::stderr(),
            "store: {kind:?}, {file} files: {flips} flips, {cuts} cuts, in {:.1} s of use",
            took.as_secs_f64()
        );
    }
}

#[tokio::test]
async fn damage_to_all_that_was_left_of_a_build_runs_it_again() {
    let healthy = Healthy::new().await;
    let mut numbers = Numbers::new(7);
    for other in [Kind::Code, Kind::Image] {
        for damage in [Damage::Flip, Damage::Cut, Damage::Gone] {
            let cache = healthy.copy();
            for kind in [Kind::Pack, other] {
                for file in healthy.files(kind) {
                    damage.inflict(&cache.path().join(file), &mut numbers);
                }
            }
            let used = Used::load(cache.path(), &healthy.plain()).await;
            used.answers("again").await;
            // One bit may lie in a part of the pack that nothing else is missing from.
            let lines = used.lines_of_build();
            assert!(lines == LINES || (damage == Damage::Flip && lines == 0), "{damage:?}, {other:?}: {lines}");
            used.end().await;
            let used = Used::load(cache.path(), &healthy.plain()).await;
            used.answers("once more").await;
            assert_eq!(used.lines_of_build(), 0, "it is healthy again");
            used.end().await;
        }
    }
}

#[tokio::test]
async fn code_of_another_engine_is_compiled_again_and_nothing_is_built() {
    let healthy = Healthy::new().await;
    let cache = healthy.copy();
    let of_this_engine = [Kind::Code, Kind::CodeRecord].map(|kind| healthy.files(kind)).concat();
    for file in &of_this_engine {
        fs::remove_file(cache.path().join(file)).unwrap();
    }
    let used = Used::load(cache.path(), &healthy.plain()).await;
    until("all of it is compiled, called or not", || {
        of_this_engine.iter().all(|file| cache.path().join(file).exists())
    })
    .await;
    used.answers("again").await;
    assert_eq!(used.lines_of_build(), 0);
    used.end().await;
}

#[tokio::test]
async fn what_came_as_bytes_is_kept_again_when_it_is_gone() {
    let cache = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let host = TestHost::with(|builder| builder.cache_dir(cache.path()));
        let class = host.host.load_bytes("plain", text_guest("plain")).await.unwrap().class("plain").unwrap();
        assert_eq!(class.bind(&()).unwrap().call::<_, u32>("answer", &()).await.unwrap(), 42);
        host.host.shutdown().await;
        for kind in [Kind::Component, Kind::Code] {
            for file in &files(cache.path())[&kind] {
                fs::remove_file(cache.path().join(file)).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn two_hosts_that_need_the_same_build_at_once_run_it_once() {
    let (cache, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = dir.path().join("plain.wasm");
    fs::write(&plain, text_guest("plain")).unwrap();
    let (one, other) = tokio::join!(Used::load(cache.path(), &plain), Used::load(cache.path(), &plain));
    tokio::join!(one.answers("one"), other.answers("other"));
    assert_eq!(one.lines_of_build() + other.lines_of_build(), LINES);
    tokio::join!(one.end(), other.end());
}

#[test]
fn two_processes_that_need_the_same_build_at_once_run_it_once() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::new();
    let target = format!("{}::journal", host.manifest("hooks", BUILD).display());
    let ran = std::thread::scope(|scope| {
        let ran = ["one", "other"].map(|mode| {
            let mut command = wasmhost_command();
            command.args(["run", "--no-build", "--cache-dir"]).arg(cache.path()).args([&target, "--mode", mode]);
            scope.spawn(move || run(&mut command))
        });
        ran.map(|thread| thread.join().unwrap())
    });
    let printed: usize = ran.iter().map(|ran| ran.stderr.matches("printed on stdout").count()).sum();
    assert_eq!(printed, 1, "{ran:?}");
    for (ran, mode) in ran.into_iter().zip(["one", "other"]) {
        assert!(ran.ok().contains(&format!("enter mode={mode}")));
    }
}

#[tokio::test]
async fn another_build_leaves_hosts_that_run_what_they_have() {
    let healthy = Healthy::new().await;
    let cache = healthy.copy();
    let generations = || files(cache.path()).remove(&Kind::Image).unwrap_or_default();
    let of_old = generations();
    let old = Used::load(cache.path(), &healthy.plain()).await;
    old.answers("before").await;

    let new = Used::load_with(cache.path(), &healthy.plain(), |builder| builder.rebuild(true)).await;
    assert_eq!(new.lines_of_build(), LINES);
    for name in ["one", "other"] {
        new.answers(name).await;
        old.answers(name).await;
    }
    assert_eq!((old.lines_of_build(), new.lines_of_build()), (0, LINES), "`build` ran once more");
    new.end().await;

    // Whoever opens the cache removes what nobody uses, and that is used.
    let next = Used::load(cache.path(), &healthy.plain()).await;
    next.answers("next").await;
    old.answers("after").await;
    assert_eq!(next.lines_of_build() + old.lines_of_build(), 0);
    assert_eq!(generations().len(), 2);
    next.end().await;
    old.end().await;

    Used::load(cache.path(), &healthy.plain()).await.end().await;
    assert_eq!(generations().len(), 1, "the old one goes with its last user");
    assert_ne!(generations(), of_old);
}
