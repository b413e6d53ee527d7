//! What web handlers make of a component.

use serde_json::{Value as Json, json};
use wasmhost_guest_it::{inspect, run};

/// Whether a guest imports something of `wasi:http`.
fn imports_http(inspected: &Json) -> bool {
    let imports = inspected["components"][0]["imports"].as_array().expect("they are listed");
    assert!(!imports.is_empty());
    imports.iter().any(|import| import["name"].as_str().is_some_and(|name| name.starts_with("wasi:http/")))
}

#[test]
fn a_handler_without_async_is_one_of_the_faster_engine() {
    let inspected = inspect("site");
    assert_eq!(inspected["components"][0]["engine"], json!("sync"));
    let handler = inspected["classes"][0]["handler"].as_str().expect("it has one");
    assert!(handler.starts_with("wasi:http/incoming-handler@0.2."), "{handler}");
    assert!(imports_http(&inspected));
}

#[test]
fn an_async_handler_is_one_that_shares_its_instance() {
    let inspected = inspect("site-async");
    assert_eq!(inspected["components"][0]["engine"], json!("async"));
    let handler = inspected["classes"][0]["handler"].as_str().expect("it has one");
    assert!(handler.starts_with("wasi:http/handler@0.3."), "{handler}");
}

#[test]
fn a_class_with_a_handler_has_its_methods_too() {
    assert_eq!(run("site", "count", &[]).result, Ok(json!(0)));
    assert_eq!(run("site-async", "count", &[]).result, Ok(json!(0)));
}

#[test]
fn a_component_without_a_handler_has_nothing_of_it() {
    for guest in ["sync", "model", "calls"] {
        assert!(!imports_http(&inspect(guest)), "{guest}");
    }
}
