//! Whose a handler is that was made with the SDK: the class's with whom it was written, by its name and with its settings.

use wasmhost::{App, WebService};
use wasmhost_tests::{TestHost, example, sdk_guest};

use super::get;

/// A host with one component under this name, which is served at the root.
async fn serve(component: &str, source: &std::path::Path, settings: &str) -> (TestHost, App, WebService) {
    let host = TestHost::new();
    let app = host.host.load(host.manifest_of(component, source, settings)).await.unwrap();
    host.host.publish(&app);
    let front = host.host.web_service().root(component);
    (host, app, front)
}

fn classes(app: &App) -> Vec<String> {
    app.classes().map(|class| class.name().to_owned()).collect()
}

async fn says(front: &WebService, path: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(get(front, path).await.ok(), *text);
    }
}

#[tokio::test]
async fn a_class_with_a_handler_alone_has_its_own_name_and_settings_whatever_its_component_is_called() {
    let instance = async |settings: &str| {
        let (_host, app, front) = serve("anything", &example("digest"), settings).await;
        assert_eq!(classes(&app), ["digest"]);
        let [first, second] = [get(&front, "/").await, get(&front, "/anything/digest/").await];
        assert_eq!((first.status, second.status), (405, 405));
        first.instance() == second.instance()
    };
    assert!(instance("").await, "its own section says `reuse`");
    // The file wins, by either name.
    assert!(!instance("[class.digest]\nmax-calls = 1").await);
    assert!(!instance("[class.anything]\nmax-calls = 1").await);
}

#[tokio::test]
async fn a_component_that_is_there_twice_has_classes_of_two_names() {
    let host = TestHost::new();
    let source = example("digest");
    let settings = format!("[component.second]\nsource = {:?}", source.display());
    let app = host.host.load(host.manifest_of("first", &source, &settings)).await.unwrap();
    let mut names = classes(&app);
    names.sort();
    assert_eq!(names, ["first", "second"]);
    host.host.publish(&app);
    let front = host.host.web_service().root("first");
    let [one, other] = [get(&front, "/first/second/").await, get(&front, "/first/second/").await];
    assert_eq!(one.instance(), other.instance(), "the section of both says `reuse`");
}

#[tokio::test]
async fn beside_other_classes_it_keeps_its_handler() {
    let (host, app, front) = serve("beside", &sdk_guest("beside"), "").await;
    let mut names = classes(&app);
    names.sort();
    assert_eq!(names, ["double", "reception"]);
    says(&front, "/beside/reception/", &["request 1", "request 2", "request 1"]).await;
    assert_eq!(get(&front, "/beside/double/").await.status, 404);
    let double: u32 = app.class("double").unwrap().bind(&()).unwrap().call("double", &(21,)).await.unwrap();
    assert_eq!(double, 42);
    // Another default class has the root, and not its handler.
    let settings = "[class.double]\ndefault = true\n[class.reception]\nmax-calls = 1";
    let app = host.host.load(host.manifest_of("beside", &sdk_guest("beside"), settings)).await.unwrap();
    host.host.publish(&app);
    says(&front, "/beside/reception/", &["request 1", "request 1"]).await;
    assert_eq!(get(&front, "/").await.status, 404);
}

#[tokio::test]
async fn a_handler_by_itself_has_the_name_and_the_settings_of_its_component() {
    for (settings, texts) in [
        ("", ["request 1", "request 1", "request 1"]),
        ("[class.anything]\nreuse = true", ["request 1", "request 2", "request 3"]),
    ] {
        let (_host, app, front) = serve("anything", &sdk_guest("bare"), settings).await;
        assert_eq!(classes(&app), ["anything"]);
        says(&front, "/", &texts).await;
    }
    let host = TestHost::new();
    let settings = "[class.handle]\nreuse = true";
    let error = host.host.load(host.manifest_of("anything", &sdk_guest("bare"), settings)).await.unwrap_err();
    assert!(error.to_string().contains("`anything`"), "{error}");
}
