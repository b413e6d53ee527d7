//! Names that are words of WIT, of Rust, or of generated code.

use serde_json::json;
use wasmhost_guest_it::run;

#[test]
fn names_are_the_users_to_choose() {
    let record = "{from: 1, %use: flags, %type: [some(borrow), none]}";
    let ran = run("world", "list.async", &["--state", "5", "--fn", record, "--returned", "3", "--box", "own(\"x\")"]);
    assert_eq!(ran.result, Ok(json!({ "from": 10, "use": "flags", "type": ["borrow", null, { "own": "x" }] })));
    assert_eq!(run("world", "resource", &["--of", "a"]).result, Ok(json!("a: none")));
    assert_eq!(run("world", "generate", &["--x", "(3)"]).result, Ok(json!([3])));
}

#[test]
fn an_error_of_another_kind_is_told_as_text() {
    let ran = run("world", "list.interface", &["--state", "0", "--lock", "1"]);
    assert_eq!(ran.result, Err("`enter` failed: `enter` returned an error: \"zero\"".to_owned()));
}
