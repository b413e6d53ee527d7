//! Files that are bounded: a private `/tmp` for each instance, and `/image` while `build` writes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wasmhost::{App, Class, ErrorKind};
use wasmhost_tests::{TestHost, wasmhost};

/// What the C library of guests calls "no space left on device" and "cross-device link".
const NO_SPACE: &str = "errno 51";
const CROSS_DEVICE: &str = "errno 75";

/// And what it makes of every error of a stream, though the stream says more.
const OF_A_STREAM: &str = "errno 29";

/// The bound of these tests, and how long one file can get in it: a name is charged 4 KiB.
const TMP: &str = "tmp = \"64KiB\"\n";
const ROOM: u64 = (64 << 10) - (4 << 10);

/// Of one test, removed with it.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn host() -> (Self, TestHost) {
        let scratch = Self(tempfile::tempdir().unwrap());
        let host = TestHost::with(|builder| builder.scratch_dir(scratch.0.path()));
        (scratch, host)
    }

    /// The private directories that there are.
    fn directories(&self) -> Vec<PathBuf> {
        let below = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let all = below(self.0.path()).flat_map(|home| below(&home).collect::<Vec<_>>());
        all.filter(|path| !path.ends_with("empty")).collect()
    }

    /// Waits until so many are there: they are removed some time after their instances.
    async fn until(&self, number: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.directories().len() != number {
            assert!(Instant::now() < deadline, "{:?}, where {number} should be", self.directories());
            tokio::task::yield_now().await;
        }
    }
}

async fn files(host: &TestHost, settings: &str) -> (App, Class) {
    let app = host.app("files", &format!("[class.files]\n{settings}")).await.unwrap();
    let class = app.class("files").unwrap();
    (app, class)
}

/// Does steps in the instance of this name.
async fn perform(class: &Class, name: &str, steps: &[&str]) -> Result<Vec<String>, String> {
    let bound = class.bind(&(name,)).unwrap();
    let done: Result<Vec<String>, _> = bound.call("perform", &(steps,)).await;
    done.map_err(|error| error.to_string())
}

/// Whether there was no space left.
#[track_caller]
fn assert_full(done: Result<Vec<String>, String>) {
    let error = done.unwrap_err();
    assert!(error.contains(NO_SPACE) || error.contains(OF_A_STREAM), "{error}");
}

/// What the last of the steps found out.
#[track_caller]
fn last(done: Result<Vec<String>, String>) -> String {
    done.unwrap().pop().unwrap()
}

#[tokio::test]
async fn every_way_to_write_ends_at_the_bound_and_not_a_byte_later() {
    let (_scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    for (number, verb) in ["write /tmp/a", "append /tmp/a", "at /tmp/a 0", "set-size /tmp/a"].into_iter().enumerate() {
        let (fits, over) = (format!("{verb} {ROOM}"), format!("{verb} {}", ROOM + 1));
        let fitting = perform(&class, &format!("fits {number}"), &[&fits, "read /tmp/a"]).await;
        assert_eq!(last(fitting), ROOM.to_string(), "{verb}");
        assert_full(perform(&class, &format!("over {number}"), &[&over]).await);
    }
    let over = format!("write-at-once /tmp/a 0 {}", ROOM + 1);
    assert_eq!(last(perform(&class, "at once", &[&over]).await), ROOM.to_string(), "it writes what fits");
    let over = format!("write-at-once /tmp/a {ROOM} 1");
    assert_full(perform(&class, "at once", &[&over]).await);
}

#[tokio::test]
async fn names_take_room_too() {
    let (_scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    let full = format!("write /tmp/a {ROOM}");
    perform(&class, "a", &[&full]).await.unwrap();
    for step in ["write /tmp/b 0", "make-directory /tmp/d", "link /tmp/a /tmp/b", "symlink a /tmp/b"] {
        let error = perform(&class, "a", &[step]).await.unwrap_err();
        assert!(error.contains(NO_SPACE), "{step}: {error}");
    }
    perform(&class, "many", &["many /tmp 16"]).await.unwrap();
    assert_full(perform(&class, "many", &["write /tmp/b 0"]).await);

    let host = TestHost::with(|builder| builder.max_tmp_files(3));
    let (_app, class) = files(&host, TMP).await;
    let steps = ["make-directory /tmp/d", "write /tmp/d/a 1", "symlink a /tmp/d/b"];
    perform(&class, "few", &steps).await.unwrap();
    assert_full(perform(&class, "few", &["write /tmp/c 0"]).await);
}

#[tokio::test]
async fn what_is_freed_can_be_used_again() {
    let (_scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    let full = format!("write /tmp/a {ROOM}");
    for _ in 0..3 {
        for way in ["unlink /tmp/a", "write /tmp/a 0", "set-size /tmp/a 0"] {
            perform(&class, "a", &[&full]).await.unwrap();
            assert_full(perform(&class, "a", &["append /tmp/a 1"]).await);
            perform(&class, "a", &[way]).await.unwrap();
        }
        let half = format!("write /tmp/b {}", ROOM - (4 << 10));
        let steps = [&half, "write /tmp/a 0", "rename /tmp/a /tmp/b", "rename /tmp/b /tmp/a", "link /tmp/a /tmp/b"];
        // Two names of one file stay two.
        perform(&class, "a", &[&steps[..], &["rename /tmp/a /tmp/b", "unlink /tmp/b"]].concat()).await.unwrap();
    }
}

#[tokio::test]
async fn what_has_no_name_any_more_is_charged_for_until_it_is_closed() {
    let (_scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    let full = format!("write /tmp/a {ROOM}");
    for _ in 0..3 {
        perform(&class, "a", &[&full, "hold /tmp/a", "unlink /tmp/a"]).await.unwrap();
        assert_full(perform(&class, "a", &["write /tmp/b 1"]).await);
        assert_eq!(last(perform(&class, "a", &["held"]).await), ROOM.to_string());
        perform(&class, "a", &["release", &full, "unlink /tmp/a"]).await.unwrap();
    }
}

#[tokio::test]
async fn there_is_no_way_around_the_bound() {
    let (scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    let half = ROOM / 2;
    let write = |path: &str, bytes: u64| format!("write {path} {bytes}");
    let hidden = [write("/tmp/a", half), "link /tmp/a /tmp/b".to_owned(), "unlink /tmp/a".to_owned()];
    for (name, steps) in [
        ("a gap", vec!["write /tmp/a 0".to_owned(), format!("at /tmp/a {ROOM} 1")]),
        ("a second name", [&hidden[..], &[write("/tmp/a", half)]].concat()),
        ("bit by bit", (0..=16).map(|_| "append /tmp/a 4000".to_owned()).collect()),
        ("shorter and longer", vec!["set-size /tmp/a 0".to_owned(), format!("set-size /tmp/a {}", ROOM + 1)]),
        ("a directory below", vec!["make-directory /tmp/d".to_owned(), write("/tmp/d/a", ROOM)]),
        ("by a link", vec!["symlink b /tmp/a".to_owned(), write("/tmp/a", ROOM)]),
        ("another way up", vec!["make-directory /tmp/d".to_owned(), write("/tmp/d/../a", ROOM)]),
    ] {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        assert_full(perform(&class, name, &steps).await);
    }
    for directory in scratch.directories() {
        let bytes: u64 = walk(&directory).iter().map(|path| path.symlink_metadata().unwrap().len()).sum();
        assert!(bytes <= 64 << 10, "{}: {bytes}", directory.display());
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn between_two_bounds_there_is_no_moving() {
    let (_scratch, host) = Scratch::host();
    let out = host.dir().join("out");
    std::fs::create_dir(&out).unwrap();
    let mounts = format!("mounts = [{{ host = {:?}, path = \"/out\", write = true }}]\n", out.display());
    let (_app, class) = files(&host, &format!("{TMP}{mounts}")).await;
    perform(&class, "a", &["write /tmp/a 5", "write /out/b 5"]).await.unwrap();
    for step in ["rename /tmp/a /out/a", "rename /out/b /tmp/b", "link /tmp/a /out/a", "link /out/b /tmp/b"] {
        let error = perform(&class, "a", &[step]).await.unwrap_err();
        assert!(error.contains(CROSS_DEVICE), "{step}: {error}");
    }
    let big = format!("write /out/big {}", ROOM * 4);
    perform(&class, "a", &["rename /tmp/a /tmp/b", "rename /out/b /out/a", &big]).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_never_writes_has_an_empty_tmp_and_no_directory_is_made() {
    let (scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    let steps = ["list /tmp", "is-directory /tmp", "is-directory /tmp/."];
    assert_eq!(perform(&class, "a", &steps).await.unwrap(), ["", "true", "true"]);
    for step in ["read /tmp/a", "unlink /tmp/a", "rename /tmp/a /tmp/b", "remove-directory /tmp/d"] {
        assert!(perform(&class, "a", &[step]).await.unwrap_err().contains("errno 44"), "{step}: there is no such file");
    }
    assert_eq!(scratch.directories(), Vec::<PathBuf>::new());
    let steps = ["make-directory /tmp/d", "write /tmp/d/a 3", "list /tmp", "list /tmp/d"];
    assert_eq!(perform(&class, "a", &steps).await.unwrap()[2..], ["d", "a"]);
    assert_eq!(scratch.directories().len(), 1);
}

#[tokio::test]
async fn instances_do_not_see_what_others_wrote() {
    let (scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    for name in ["a", "b", "c"] {
        let write = format!("write /tmp/{name} 5");
        assert_eq!(perform(&class, name, &["list /tmp", &write, "list /tmp"]).await.unwrap(), ["", "", name]);
    }
    assert_eq!(scratch.directories().len(), 3);
}

#[tokio::test]
async fn nothing_is_left_of_an_instance_however_it_ends() {
    let (scratch, host) = Scratch::host();
    let write = ["write /tmp/a 5", "make-directory /tmp/d", "write /tmp/d/b 5", "hold /tmp/a"];
    let (_app, class) = files(&host, &format!("{TMP}timeout = \"2s\"")).await;

    let instance = class.bind(&("exits",)).unwrap().start().await.unwrap();
    instance.call::<_, Vec<String>>("perform", &(write,)).await.unwrap();
    assert_eq!(scratch.directories().len(), 1);
    instance.exit().await.unwrap();
    scratch.until(0).await;

    for (name, last, kind) in [("traps", "trap", ErrorKind::Trapped), ("spins", "spin", ErrorKind::TimedOut)] {
        let steps = [&write[..], &[last]].concat();
        let error = class.bind(&(name,)).unwrap().call::<_, Vec<String>>("perform", &(steps,)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        scratch.until(0).await;
    }

    // A call that nobody waits for any more.
    perform(&class, "cancelled", &write).await.unwrap();
    assert_eq!(scratch.directories().len(), 1);
    let bound = class.bind(&("cancelled",)).unwrap();
    let steps = (["print spinning", "spin"],);
    let spins = async {
        while !host.printed.texts().contains(&"spinning".to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = bound.call::<_, Vec<String>>("perform", &steps) => panic!("{done:?}"),
        () = spins => {}
    }
    scratch.until(0).await;

    let (_app, class) = files(&host, &format!("{TMP}env = {{ EXIT = \"trap\" }}")).await;
    let instance = class.bind(&("exits badly",)).unwrap().start().await.unwrap();
    instance.call::<_, Vec<String>>("perform", &(write,)).await.unwrap();
    instance.exit().await.unwrap_err();
    scratch.until(0).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_host_that_has_shut_down() {
    let (scratch, host) = Scratch::host();
    let (_app, class) = files(&host, TMP).await;
    for name in 0..5 {
        perform(&class, &name.to_string(), &["many /tmp 10"]).await.unwrap();
    }
    assert_eq!(scratch.directories().len(), 5);
    host.host.shutdown().await;
    assert_eq!(std::fs::read_dir(scratch.0.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_tmp_that_is_full_is_told_once() {
    let (_scratch, host) = Scratch::host();
    let manifest = host.manifest("files", &format!("[class.files]\n{TMP}"));
    let steps = r#"["write /tmp/a 5", "write-at-once /tmp/a 0 60000", "write-at-once /tmp/a 60000 9000", "link /tmp/a /tmp/b"]"#;
    let target = format!("{}::files.perform", manifest.display());
    let ran = wasmhost(&["run", "--no-build", &target, "--name", "a", "--steps", steps]);
    assert!(ran.stderr.contains(NO_SPACE), "{}", ran.stderr);
    let told: Vec<_> = ran.stderr.lines().filter(|line| line.contains("is full")).collect();
    assert!(matches!(told[..], [line] if line.contains("tmp") && line.contains("65536")), "{}", ran.stderr);
}

#[tokio::test]
async fn what_build_leaves_below_image_is_bounded() {
    let build = |script: &str| format!("env = {{ BUILD = {script:?} }}");
    let host = TestHost::with(|builder| builder.max_image_bytes(64 << 10).max_image_files(3));
    let fits = build(&format!("write /image/a {}\nwrite /image/b 0", ROOM - (4 << 10)));
    let (_app, class) = files(&host, &fits).await;
    assert_eq!(class.without_snapshot(), None);
    assert_eq!(last(perform(&class, "a", &["list /image"]).await), "a b");
    for script in [format!("write /image/a {}", ROOM + 1), "many /image 4".to_owned()] {
        let error = host.app("files", &format!("[class.files]\n{}", build(&script))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BuildFailed);
        assert!([NO_SPACE, OF_A_STREAM].iter().any(|full| error.to_string().contains(full)), "{error}");
    }
    // An instance that builds by itself has a bound of its own.
    let open = build("write /image/a 5\nhold /image/a");
    let (_app, class) = files(&host, &open).await;
    assert!(class.without_snapshot().is_some());
    for name in ["a", "b"] {
        let over = format!("write /image/b {ROOM}");
        assert_full(perform(&class, name, &[&over]).await);
    }
}

#[tokio::test]
async fn instances_of_a_snapshot_have_a_tmp_of_their_own_that_is_empty() {
    let (scratch, host) = Scratch::host();
    // In the second of these nothing has been written to `/tmp`, which has its number all the same.
    for build in ["print built\nwrite /tmp/built 100\nread /tmp/built", "print built\nlist /tmp"] {
        let (_app, class) = files(&host, &format!("{TMP}env = {{ BUILD = {build:?} }}")).await;
        assert_eq!(class.without_snapshot(), None, "{build}");
        scratch.until(0).await;
        let full = format!("write /tmp/a {ROOM}");
        for name in ["a", "b"] {
            let steps = ["list /tmp", &full, "list /tmp", "print hello"];
            assert_eq!(perform(&class, name, &steps).await.unwrap(), ["", "", "a", ""]);
            assert_full(perform(&class, name, &["append /tmp/a 1"]).await);
        }
        assert_eq!(scratch.directories().len(), 2);
    }
}

#[tokio::test]
async fn a_file_that_build_leaves_open_in_tmp_is_named_and_build_runs_in_each_instance() {
    let (_scratch, host) = Scratch::host();
    let build = "make-directory /tmp/d\nwrite /tmp/d/built 7\nhold /tmp/d/built";
    let (_app, class) = files(&host, &format!("{TMP}env = {{ BUILD = {build:?} }}")).await;
    let reason = class.without_snapshot().unwrap();
    assert!(reason.contains("`/tmp/d/built`"), "{reason}");
    assert_eq!(perform(&class, "a", &["held", "list /tmp"]).await.unwrap(), ["7", "d"]);
}

#[tokio::test]
async fn a_guest_of_wasi_0_3_has_the_same_bounds() {
    let (_scratch, host) = Scratch::host();
    let app = host.app("files-async", &format!("[class.files]\n{TMP}")).await.unwrap();
    let class = app.class("files").unwrap();
    let bound = class.bind(&()).unwrap();
    let perform =
        async |steps: &[String]| bound.call::<_, ()>("perform", &(steps,)).await.map_err(|error| error.to_string());
    let full = [format!("write a 0 {ROOM}")];
    perform(&full).await.unwrap();
    for step in ["write a 61440 1", "write b 0 0", "make-directory d", "link a b", "symlink a b", "set-size a 61441"] {
        let error = perform(&[step.to_owned()]).await.unwrap_err();
        assert!(error.contains("InsufficientSpace"), "{step}: {error}");
    }
    let ways = ["unlink a", "truncate a", "set-size a 0"];
    for way in ways {
        perform(&[way.to_owned(), full[0].clone()]).await.unwrap();
    }
    let steps = ["set-size a 0", "make-directory d", "link a d/b", "rename d/b d/c", "rename d/c a", "unlink a"];
    perform(&steps.map(str::to_owned)).await.unwrap();
    perform(&["unlink d/c".to_owned()]).await.unwrap();
    perform(&["symlink x d/s".to_owned(), "unlink d/s".to_owned(), "remove-directory d".to_owned()]).await.unwrap();
    perform(&full).await.unwrap();
}

#[tokio::test]
async fn streams_into_one_file_at_the_same_time_share_its_bound() {
    let (scratch, host) = Scratch::host();
    let app = host.app("files-async", &format!("[class.files]\n{TMP}")).await.unwrap();
    let bound = app.class("files").unwrap().bind(&()).unwrap();
    let well: u32 = bound.call("together", &("a", 8, 20_000)).await.unwrap();
    let bytes: u64 = walk(&scratch.directories()[0]).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!((well, bytes), (3, ROOM), "three times 20,000 bytes fit, and of the fourth a part");
}
