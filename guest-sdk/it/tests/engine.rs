//! Which of the host's engines a class needs.

use serde_json::json;
use wasmhost_guest_it::{inspect, run};

#[test]
fn a_class_without_async_runs_on_the_engine_without_it() {
    assert_eq!(inspect("sync")["components"][0]["engine"], json!("sync"));
    assert_eq!(inspect("model")["components"][0]["engine"], json!("async"));
    let ran = run("sync", "baz", &["--foo", "fox", "--qux", "override"]);
    assert_eq!(ran.result, Ok(json!("This code is running in instance pool (fox, 10), with input qux=override")));
}
