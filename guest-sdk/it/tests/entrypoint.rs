//! Entrypoints: their arguments, help, settings and results on the command line.

use std::path::Path;

use serde_json::json;
use wasmhost_guest_it::{component, program, run_main};

#[test]
fn the_entrypoint_calls_classes_beside_it() {
    let ran = run_main("calls", &["--foo", "1", "--bar", "hello"]);
    assert_eq!(
        ran.stdout,
        "hi from (one, 1, None) with default and None\n\"hi from (hello, 100, None) with default and None\"\n"
    );
    assert_eq!(ran.code, Some(0));
}

#[test]
fn an_argument_that_is_missing_is_named() {
    let ran = run_main("calls", &["--foo", "1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("missing `--bar` (a string)"), "{}", ran.stderr);
}

#[test]
fn docs_and_defaults_are_its_help() {
    let ran = run_main("only-main", &["--help"]);
    for expected in ["Greets somebody", "Whom (a string)", "[default: 1]", "[may be left out]"] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
}

#[test]
fn settings_defaults_and_errors_are_its_own() {
    let ran = run_main("only-main", &["--name", "Ann", "--loudly", "true"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("hello Ann!\n", Some(0)));
    let ran = run_main("only-main", &["--name", "Ann", "--times", "0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("nobody is greeted no times"), "{}", ran.stderr);
}

#[test]
fn a_function_beside_it_is_run_alone() {
    assert_eq!(wasmhost_guest_it::run("calls", "square", &["--x", "7"]).result, Ok(json!(49)));
}

#[test]
fn a_manifest_may_call_its_component_as_it_likes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("another-name");
    std::fs::create_dir_all(&folder).expect("there is room for a file");
    let manifest = format!("version = 1\nname = \"other\"\n[component.tool]\nsource = {:?}\n", component("only-main"));
    std::fs::write(folder.join("wasmhost.toml"), manifest).expect("there is room for a file");
    let output = program("run").arg(&folder).args(["--name", "Ann"]).output().expect("the program can be run");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello Ann\n", "{}", String::from_utf8_lossy(&output.stderr));
}
