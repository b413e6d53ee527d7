//! Things in a store that stand where another should: of another kind, of another name, of another version.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::damage::{Damage, Kind, copy, files, quarantine};
use super::{BUILD, Healthy, LINES, Used, until};
use wasmhost::App;
use wasmhost_tests::TestHost;
use wasmhost_tests::hostile::Numbers;

const BUILT: &str = "written by build";

/// What comes into the place of a thing.
#[derive(Clone, Copy, Debug)]
enum Other {
    File,
    Directory,
    /// To the same file or directory, which is somebody else's.
    Link,
}

fn replace(thing: &Path, with: Other, elsewhere: &Path) {
    let is_dir = thing.is_dir();
    if is_dir {
        fs::remove_dir_all(thing).unwrap();
    } else {
        fs::remove_file(thing).unwrap();
    }
    match with {
        Other::File => fs::write(thing, "other").unwrap(),
        Other::Directory => {
            fs::create_dir(thing).unwrap();
            fs::write(thing.join("file"), "other").unwrap();
        }
        Other::Link if is_dir => symlink(elsewhere, thing).unwrap(),
        Other::Link => symlink(elsewhere.join("built.txt"), thing).unwrap(),
    }
}

#[tokio::test]
async fn what_stands_in_an_image_for_something_else_is_never_seen() {
    let healthy = Healthy::new().await;
    let file = healthy.files(Kind::Image)[0].clone();
    let image = file.parent().unwrap().to_owned();
    for (thing, with) in [(&file, Other::Directory), (&file, Other::Link), (&image, Other::File), (&image, Other::Link)]
    {
        let cache = healthy.copy();
        let elsewhere = tempfile::tempdir().unwrap();
        let foreign = elsewhere.path().join("built.txt");
        fs::write(&foreign, BUILT).unwrap();
        replace(&cache.path().join(thing), with, elsewhere.path());
        let used = Used::load(cache.path(), &healthy.plain()).await;
        used.answers("again").await;
        fs::write(&foreign, "of somebody else").unwrap();
        used.answers("once more").await;
        assert_eq!(used.lines_of_build(), 0, "{with:?} for {}", thing.display());
        used.end().await;
        assert_eq!(fs::read_to_string(cache.path().join(&file)).unwrap(), BUILT);
        assert!(fs::symlink_metadata(cache.path().join(&image)).unwrap().is_dir());
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "of somebody else", "it was left alone");
    }
}

#[tokio::test]
async fn a_directory_in_the_place_of_any_file_is_set_aside() {
    let healthy = Healthy::new().await;
    for kind in Kind::ALL {
        // Without its key nothing is known of a store, and that is told.
        if matches!(kind, Kind::Key | Kind::KeyCopy | Kind::Component) {
            continue;
        }
        let cache = healthy.copy();
        for file in healthy.files(kind) {
            replace(&cache.path().join(file), Other::Directory, cache.path());
        }
        for name in ["again", "once more"] {
            let used = Used::load(cache.path(), &healthy.plain()).await;
            used.answers(name).await;
            assert_eq!(used.lines_of_build(), 0, "{kind:?}");
            used.end().await;
        }
        // The durable form is made from nothing else.
        let is_whole = |file: &PathBuf| cache.path().join(file).is_file() || kind == Kind::Pack;
        assert!(healthy.files(kind).iter().all(is_whole), "{kind:?}");
    }
}

#[tokio::test]
async fn damage_in_two_places_at_once_runs_build_again_only_where_both_had_the_same() {
    use Kind::{Code, CodeRecord, Image, KeyCopy, Pack, SnapshotRecord};
    let healthy = Healthy::new().await;
    let mut numbers = Numbers::new(11);
    let pairs = [
        ([Code, Image], 0),
        ([CodeRecord, Image], 0),
        ([Code, SnapshotRecord], 0),
        ([Image, SnapshotRecord], 0),
        ([KeyCopy, Pack], 0),
        ([SnapshotRecord, Pack], LINES),
    ];
    for (kinds, lines) in pairs {
        // Of a pack that was cut the record is still there.
        let damages = if lines == 0 { &[Damage::Cut, Damage::Gone][..] } else { &[Damage::Gone] };
        for damage in damages {
            let cache = healthy.copy();
            for file in kinds.iter().flat_map(|kind| healthy.files(*kind)) {
                damage.inflict(&cache.path().join(file), &mut numbers);
            }
            for (name, lines) in [("again", lines), ("once more", 0)] {
                let used = Used::load(cache.path(), &healthy.plain()).await;
                used.answers(name).await;
                assert_eq!(used.lines_of_build(), lines, "{damage:?} of {kinds:?}, {name}");
                used.end().await;
            }
        }
    }
}

/// The same guest with two snapshots, and one without.
struct Twins(Used, App);

impl Twins {
    async fn load(cache: &Path, plain: &Path) -> Self {
        let used = Used::load(cache, plain).await;
        let settings = BUILD.replace("print+image", "image+print");
        let other = used.host.app("hooks", &settings).await.unwrap();
        Self(used, other)
    }

    async fn answer(&self, name: &str) {
        self.0.answers(name).await;
        let bound = self.1.class("probe").unwrap().bind(&(name,)).unwrap();
        let script: Option<String> = bound.call("read-env", &("MODE_BUILD",)).await.unwrap();
        assert_eq!(script.as_deref(), Some("image+print"));
        assert_eq!(bound.call::<_, String>("read-file", &("/image/built.txt",)).await.unwrap(), BUILT);
        assert_eq!(self.1.class("probe").unwrap().without_snapshot(), None);
    }
}

#[tokio::test]
async fn two_files_of_a_kind_that_changed_places_are_noticed() {
    let (cache, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = dir.path().join("plain.wasm");
    fs::write(&plain, wasmhost_tests::text_guest("plain")).unwrap();
    let twins = Twins::load(cache.path(), &plain).await;
    twins.answer("first").await;
    twins.0.end().await;
    let of_kinds = files(cache.path());
    for kind in [Kind::ComponentRecord, Kind::CodeRecord, Kind::Code, Kind::SnapshotRecord, Kind::Pack] {
        let [.., one, other] = &of_kinds[&kind][..] else { panic!("there are no two of {kind:?}") };
        let copied = tempfile::tempdir().unwrap();
        copy(cache.path(), copied.path());
        let [one, other] = [one, other].map(|file| copied.path().join(file));
        let aside = one.with_extension("aside");
        for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
            fs::rename(from, to).unwrap();
        }
        let left = [&one, &other].map(|file| fs::read(file).ok());
        let twins = Twins::load(copied.path(), &plain).await;
        twins.answer("again").await;
        for (file, left) in [&one, &other].into_iter().zip(left) {
            let is_noticed = || quarantine(file).exists() || fs::read(file).ok() != left;
            until(&format!("{} is noticed", file.display()), is_noticed).await;
        }
        assert_eq!(twins.0.lines_of_build(), 0, "{kind:?}");
        twins.0.end().await;
    }
}

#[tokio::test]
async fn what_another_version_wrote_is_left_alone() {
    let healthy = Healthy::new().await;
    let cache = healthy.copy();
    let foreign = other_version(&healthy, cache.path());
    let found = || foreign.iter().map(|file| fs::read(file).ok()).collect::<Vec<_>>();
    let before = found();
    for _ in 0..2 {
        let used = Used::load(cache.path(), &healthy.plain()).await;
        used.answers("beside").await;
        assert_eq!(used.lines_of_build(), 0);
        used.end().await;
    }
    let used = Used::load_with(cache.path(), &healthy.plain(), |builder| builder.rebuild(true)).await;
    used.answers("rebuilt").await;
    used.end().await;
    for ((file, before), after) in foreign.iter().zip(before).zip(found()) {
        assert!(before.is_some() && before == after, "{} changed", file.display());
    }
}

/// Copies of all records and packs as an older version would have written them, and some as a later one may. Gives them.
fn other_version(healthy: &Healthy, cache: &Path) -> Vec<PathBuf> {
    let mut foreign = Vec::new();
    let mut write = |path: PathBuf, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        foreign.push(path);
    };
    for kind in [Kind::ComponentRecord, Kind::CodeRecord, Kind::SnapshotRecord, Kind::Pack] {
        for file in healthy.files(kind) {
            let bytes = fs::read(healthy.cache.path().join(&file)).unwrap();
            let place = bytes.windows(9).position(|window| window == b"\"format\":").unwrap() + 9;
            let mut older = bytes.clone();
            older[place] -= 1;
            // Names follow from the version, too: `snapshots/<other key>-<generation>/pack`.
            let named = |first: &str| {
                let path = file.to_str().unwrap();
                let (dir, name) = path.split_once("artifacts/").unwrap().1.split_once('/').unwrap();
                cache.join("artifacts").join(dir).join(format!("{first}{}", &name[1..]))
            };
            let first = file.strip_prefix("artifacts").unwrap().iter().nth(1).unwrap().to_str().unwrap();
            let other = if first.starts_with('f') { ["e", "d"] } else { ["f", "d"] };
            let other = if first.starts_with('d') { ["f", "e"] } else { other };
            write(named(other[0]), &older);
            let later: &[u8] = if kind == Kind::Pack {
                b"whpack\x00\x02of another layout"
            } else {
                b"{\"format\":9,\"of\":[\"another\"]}"
            };
            // Of its snapshots the pack alone is left.
            if kind != Kind::SnapshotRecord {
                write(named(other[1]), later);
            }
        }
    }
    foreign
}

#[tokio::test]
async fn a_cache_that_is_removed_under_a_host_breaks_nothing_but_itself() {
    let (cache, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = dir.path().join("plain.wasm");
    fs::write(&plain, wasmhost_tests::text_guest("plain")).unwrap();
    let used = Used::load(cache.path(), &plain).await;
    let bound = used.built.class("probe").unwrap().bind(&("kept",)).unwrap();
    assert_eq!(bound.call::<_, u32>("count", &()).await.unwrap(), 1);
    fs::remove_dir_all(cache.path()).unwrap();

    assert_eq!(bound.call::<_, u32>("count", &()).await.unwrap(), 2, "what runs goes on");
    // What was never started, what is new, and what has to be started again may fail, and say where.
    let never = used.plain.class("plain").unwrap().bind(&()).unwrap().call::<_, u32>("answer", &()).await;
    let another = used.built.class("probe").unwrap().bind(&("other",)).unwrap().call::<_, u32>("count", &()).await;
    let new = used.host.app("hooks", "[class.probe.env]\nMODE_BUILD = \"print\"").await;
    for error in [never.map(|_| ()).err(), another.map(|_| ()).err(), new.map(|_| ()).err()].into_iter().flatten() {
        let place = cache.path().to_str().unwrap();
        assert!(error.message().contains("`/image`") || error.message().contains(place), "{error}");
        assert!(!error.message().contains("panicked"), "{error}");
    }
    used.end().await;

    let used = Used::load(cache.path(), &plain).await;
    used.answers("anew").await;
    assert_eq!(used.lines_of_build(), LINES);
    used.end().await;
}

#[tokio::test]
async fn a_host_of_its_own_beside_a_broken_key_says_so() {
    let cache = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| builder.cache_dir(cache.path()));
    host.host.shutdown().await;
    let key = cache.path().join("artifacts/key");
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    let error = wasmhost::Host::builder().cache_dir(cache.path()).build().unwrap_err();
    assert!(error.message().contains(cache.path().to_str().unwrap()), "{error}");
}
