//! The numbers of handles: found among others wherever they are, and nothing else is in a guest's table.

use wasmhost::{Class, OutputStream};
use wasmhost_tests::{TestHost, text_guest, text_guest_with_wasi_0_3};

use super::built;

/// The component, for each of the two engines.
fn on_both_engines(guest: &str) -> [(&'static str, Vec<u8>); 2] {
    [("sync", text_guest(guest)), ("async", text_guest_with_wasi_0_3(guest))]
}

async fn class(host: &TestHost, engine: &str, component: &[u8], build: &str) -> Class {
    let file = host.dir().join(format!("{engine}.wasm"));
    std::fs::write(&file, component).unwrap();
    let settings = format!("[class.probe]\nhooks = {{ build = \"{build}\" }}\nenv = {{ APART = {:?} }}\n", host.dir());
    host.host.load(host.manifest_of(engine, &file, &settings)).await.unwrap().class("probe").unwrap()
}

async fn says_all_on_its_streams(host: &TestHost, class: &Class, engine: &str) {
    host.printed.forget();
    let instance = class.bind(&()).unwrap().start().await.unwrap();
    instance.call::<_, ()>("say", &()).await.unwrap();
    instance.exit().await.unwrap();
    let said: Vec<_> = host.printed.lines().into_iter().map(|line| (line.stream, line.text)).collect();
    let expected = [(OutputStream::Stdout, "to stdout".to_owned()), (OutputStream::Stderr, "to stderr".to_owned())];
    assert_eq!(said, expected, "{engine}");
}

#[tokio::test]
async fn numbers_that_were_used_before_are_found_in_whatever_order() {
    let host = TestHost::new();
    for (engine, component) in on_both_engines("handles") {
        let class = class(&host, engine, &component, "close-all").await;
        assert_eq!(class.without_snapshot(), None, "{engine}");
        says_all_on_its_streams(&host, &class, engine).await;
    }
}

#[tokio::test]
async fn a_resource_of_the_guest_s_own_is_seen_behind_many_that_were_closed() {
    let host = TestHost::new();
    for (engine, component) in on_both_engines("handles") {
        let class = class(&host, engine, &component, "close-all-but-one").await;
        let reason = class.without_snapshot().unwrap_or_else(|| panic!("{engine}: there is a snapshot"));
        assert!(reason.contains("a resource of its own"), "{engine}: {reason}");
        says_all_on_its_streams(&host, &class, engine).await;
    }
}

#[tokio::test]
async fn build_may_print_and_open_files_on_both_engines() {
    let host = TestHost::new();
    let file = host.dir().join("open.txt");
    std::fs::write(&file, "open").unwrap();
    let files = format!("files = [{{ source = {:?}, path = \"/data/open.txt\" }}]", file.display());
    for guest in ["hooks", "hooks-async"] {
        let (_app, class) = built(&host, guest, "print+image", &files).await;
        assert_eq!(class.without_snapshot(), None, "{guest}");
        host.printed.forget();
        for name in ["a", "b"] {
            let bound = class.bind(&(format!("enter:print+open,{name}"),)).unwrap();
            let journal: Vec<String> = bound.call("journal", &()).await.unwrap();
            assert_eq!(journal, ["build", &format!("enter mode=enter:print+open,{name}")], "{guest}");
        }
        let mut said: Vec<_> = host.printed.lines().into_iter().map(|line| (line.text, line.stream)).collect();
        said.sort_by(|one, other| one.0.cmp(&other.0));
        let on = |stream, text: &str| (text.to_owned(), stream);
        let (out, err) = (on(OutputStream::Stdout, "printed on stdout"), on(OutputStream::Stderr, "printed on stderr"));
        assert_eq!(said, [err.clone(), err, out.clone(), out], "{guest}");
    }
}
