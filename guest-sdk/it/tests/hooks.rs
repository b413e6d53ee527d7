//! Several functions for one hook, and classes that leave hooks out.

use serde_json::json;
use wasmhost_guest_it::run;

#[test]
fn functions_of_a_hook_run_in_the_order_written() {
    let ran = run("hooks", "steps.journal", &["--more", "2"]);
    let expected = "both, build small, build large, both, before, new, after: 13 large";
    assert_eq!(ran.result, Ok(json!(expected)));
    let positions = ["exit first", "exit second", "exit last 13"].map(|line| ran.stderr.find(line));
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{}", ran.stderr);
    assert!(ran.stderr.contains("the first failed; the second failed"), "{}", ran.stderr);
}

#[test]
fn a_state_may_be_a_default() {
    assert_eq!(run("hooks", "counter.add", &["--by", "3"]).result, Ok(json!(3)));
}

#[test]
fn a_constructor_that_runs_in_build_too_finds_what_it_left() {
    assert_eq!(run("hooks", "stacked.found", &[]).result, Ok(json!(true)));
}
