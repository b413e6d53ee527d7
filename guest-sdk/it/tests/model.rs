//! The class of the first page, as callers see it.

use serde_json::json;
use wasmhost_guest_it::{inspect, run};

#[test]
fn each_kind_of_function_can_be_called() {
    let whale = ["--name", "whale"];
    let generated = run("model", "model.generate", &["--name", "whale", "--size", "1", "--prompt", "call"]);
    assert_eq!(generated.result, Ok(json!("call me")));
    assert!(generated.stderr.contains("closing whale"), "{}", generated.stderr);
    let predicted = run("model", "model.predict", &[&whale[..], &["--x", "[1.5, 2]"]].concat());
    assert_eq!(predicted.result, Ok(json!({ "label": "whale", "score": 3.5 })));
    let home = run("model", "home", &[&whale[..], &["--id", "3"]].concat());
    assert_eq!(home.result, Ok(json!("user 3 of whale with default")));
    assert_eq!(run("model", "square", &["--x", "7"]).result, Ok(json!(49)));
}

#[test]
fn errors_of_hooks_and_methods_are_told_as_text() {
    let generated = run("model", "model.generate", &["--name", "whale", "--prompt", "call"]);
    assert_eq!(generated.result, Err("`generate` returned an error: \"there is no word 100\"".to_owned()));
    let generated = run("model", "model.generate", &["--name", "", "--prompt", "call"]);
    assert_eq!(generated.result, Err("`enter` failed: `enter` returned an error: \"a model has a name\"".to_owned()));
}

#[test]
fn the_host_reads_types_defaults_docs_routes_and_settings() {
    let text = inspect("model").to_string();
    for expected in [
        "A model of few words.",
        "Continues the prompt.",
        "Whose words.",
        "GET /users/{id}",
        "256MiB",
        "record { label: string, score: f64 }",
        "\"default\"",
    ] {
        let quoted = serde_json::to_string(expected).unwrap_or_default();
        assert!(text.contains(expected) || text.contains(quoted.trim_matches('"')), "{expected}: {text}");
    }
}
