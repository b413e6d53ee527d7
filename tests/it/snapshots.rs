//! Snapshots: `build` runs once, and every instance starts from what it left, with its handles open.

mod handles;
mod hostile;
mod languages;
mod luck;
mod odd;

use std::collections::HashSet;

use wasmhost::{App, Class};
use wasmhost_tests::TestHost;

fn lines_of_build(host: &TestHost) -> usize {
    host.printed.lines().iter().filter(|line| line.origin.instance == "build").count()
}

/// An app of a guest whose `build` does what the script says.
async fn built(host: &TestHost, guest: &str, script: &str, settings: &str) -> (App, Class) {
    // The directory of this host alone: snapshots are kept from one run of the tests to the next.
    let manifest = format!(
        "[class.probe]\n{settings}\n[class.probe.env]\nMODE_BUILD = \"{script}\"\nONCE = {:?}\n",
        host.dir().display()
    );
    let app = host.app(guest, &manifest).await.unwrap();
    let class = app.class("probe").unwrap();
    (app, class)
}

#[tokio::test]
async fn build_runs_once_and_its_instances_print() {
    for guest in ["hooks", "hooks-async"] {
        let host = TestHost::new();
        let (_app, class) = built(&host, guest, "print", "").await;
        assert_eq!(class.without_snapshot(), None, "{guest}");
        for name in ["a", "b", "c"] {
            let bound = class.bind(&(format!("enter:print,{name}"),)).unwrap();
            let journal: Vec<String> = bound.call("journal", &()).await.unwrap();
            assert_eq!(journal, ["build", &format!("enter mode=enter:print,{name}")], "{guest}");
        }
        let lines = host.printed.lines();
        let of_build = lines.iter().filter(|line| line.origin.instance == "build").count();
        assert_eq!(of_build, 2, "{guest}: {lines:?}");
        let printed =
            lines.iter().filter(|line| line.text == "printed on stdout" && line.origin.instance != "build").count();
        assert_eq!(printed, 3, "{guest}: {lines:?}");
    }
}

#[tokio::test]
async fn what_build_wrote_below_image_is_there_and_stays_as_it_is() {
    let host = TestHost::new();
    let (_app, class) = built(&host, "hooks", "print+image", "").await;
    for name in ["a", "b"] {
        let bound = class.bind(&(name,)).unwrap();
        let read: Result<String, _> = bound.call("read-file", &("/image/built.txt",)).await;
        assert_eq!(read.unwrap(), "written by build");
        bound.call::<_, ()>("write-file", &("/image/built.txt", "other")).await.unwrap_err();
    }
}

#[tokio::test]
async fn another_hook_or_another_limit_is_another_snapshot() {
    let host = TestHost::new();
    let env = "MODE_BUILD = \"print\"";
    for (settings, lines) in [("", 2), ("hooks = { build = \"noop\" }", 2), ("", 2), ("memory = \"64MiB\"", 4)] {
        let once = format!("ONCE = {:?}", host.dir().display());
        let manifest = format!("[class.probe]\n{settings}\n[class.probe.env]\n{env}\n{once}\n");
        host.app("hooks", &manifest).await.unwrap();
        assert_eq!(lines_of_build(&host), lines, "{settings}");
    }
}

#[tokio::test]
async fn without_snapshots_build_runs_in_each_instance() {
    let host = TestHost::new();
    let (_app, class) = built(&host, "hooks", "print+image", "snapshot = \"off\"").await;
    assert_eq!(lines_of_build(&host), 0);
    for name in ["a", "b"] {
        let bound = class.bind(&(name,)).unwrap();
        assert_eq!(bound.call::<_, Vec<String>>("journal", &()).await.unwrap()[0], "build");
        assert_eq!(bound.call::<_, String>("read-file", &("/image/built.txt",)).await.unwrap(), "written by build");
    }
    assert_eq!(host.printed.lines().iter().filter(|line| line.text == "printed on stdout").count(), 2);
}

#[tokio::test]
async fn one_function_may_be_two_hooks() {
    let host = TestHost::new();
    let (_app, class) = built(&host, "hooks", "print", "hooks = { build = \"noop\", exit = \"noop\" }").await;
    assert!(class.methods().all(|method| method.name() != "noop"));
    let instance = class.bind(&("a",)).unwrap().start().await.unwrap();
    assert_eq!(instance.call::<_, u32>("count", &()).await.unwrap(), 2, "`build` was the first");
    instance.exit().await.unwrap();
    assert_eq!(class.without_snapshot(), None);
}

#[tokio::test]
async fn instances_that_build_themselves_share_no_image() {
    let host = TestHost::new();
    let file = host.dir().join("open.txt");
    std::fs::write(&file, "open").unwrap();
    let files = format!("files = [{{ source = {:?}, path = \"/data/open.txt\" }}]", file.display());
    let (_app, class) = built(&host, "hooks", "image+open", &files).await;
    assert!(class.without_snapshot().is_some());
    let (one, other) = (class.bind(&("a",)).unwrap(), class.bind(&("b",)).unwrap());
    one.call::<_, ()>("write-file", &("/image/built.txt", "mine")).await.unwrap();
    assert_eq!(one.call::<_, String>("read-file", &("/image/built.txt",)).await.unwrap(), "mine");
    assert_eq!(other.call::<_, String>("read-file", &("/image/built.txt",)).await.unwrap(), "written by build");
}

#[tokio::test]
async fn what_build_leaves_open_is_named_and_build_runs_in_each_instance() {
    let host = TestHost::new();
    let file = host.dir().join("open.txt");
    std::fs::write(&file, "open").unwrap();
    for guest in ["hooks", "hooks-async"] {
        let files = format!("files = [{{ source = {:?}, path = \"/data/open.txt\" }}]", file.display());
        let (_app, class) = built(&host, guest, "open", &files).await;
        let reason = class.without_snapshot().unwrap();
        assert!(reason.contains("`/data/open.txt`"), "{guest}: {reason}");
        let bound = class.bind(&("a",)).unwrap();
        let journal: Vec<String> = bound.call("journal", &()).await.unwrap();
        assert_eq!(journal, ["build", "enter mode=a"], "{guest}");
    }
}

#[tokio::test]
async fn instances_share_no_luck_in_wasi_0_3_either() {
    let host = TestHost::new();
    let (_app, class) = built(&host, "hooks-async", "succeed", "").await;
    assert_eq!(class.without_snapshot(), None);
    let mut drawn = HashSet::new();
    for _ in 0..if wasmhost_tests::is_full() { 10_000 } else { 200 } {
        let instance = class.bind(&("a",)).unwrap().start().await.unwrap();
        for bytes in instance.call::<_, Vec<Vec<u8>>>("draw", &()).await.unwrap() {
            assert_eq!(bytes.len(), 16);
            assert!(drawn.insert(bytes), "after {} draws", drawn.len());
        }
        instance.exit().await.unwrap();
    }
}

#[tokio::test]
async fn instances_share_no_luck() {
    let host = TestHost::new();
    let (_app, class) = built(&host, "hooks", "print", "").await;
    let mut drawn = HashSet::new();
    for name in 0..50 {
        let bound = class.bind(&(name.to_string(),)).unwrap();
        assert!(drawn.insert(bound.call::<_, u64>("draw", &()).await.unwrap()));
    }
    assert_eq!(class.without_snapshot(), None);
}
