//! Classes that call each other.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use wasmhost_guest_it::{inspect, run};

/// Calls a method of the class `callers`.
fn ask(method: &str, options: &[&str]) -> Result<Json, String> {
    run("calls", &format!("callers.{method}"), options).result
}

#[test]
fn parameters_that_a_handle_chooses_reach_their_pools() {
    let expected = json!([
        "hi from (whale, 7, None) with default and None",
        "ho from (hedgehog, 100, Some(\"n\")) with q and Some(3)",
        "hm from (none, 100, None) with default and None",
        "hey from (maybe, 5, None) with q5 and None",
        "hey from (maybe, 100, None) with default and None",
    ]);
    assert_eq!(ask("handles", &[]), Ok(expected));
    assert_eq!(ask("functions", &[]), Ok(json!([9, 9, 27])));
}

#[test]
fn a_class_is_called_by_its_name() {
    assert_eq!(ask("by-name", &[]), Ok(json!("hey from (named, 1, None) with default and None")));
}

#[test]
fn errors_keep_their_type_and_their_words() {
    assert_eq!(ask("typed-errors", &[]), Ok(json!(["ReturnedError true", "ReturnedError true"])));
    // The host shows the outermost error as JSON; the words in it stand as they were written.
    let told = json!("pools.outer: pools.fail: inner \"fails\"");
    assert_eq!(ask("chain", &[]), Err(format!("`chain` returned an error: {told}")));
}

#[test]
fn each_way_to_fail_has_its_kind() {
    let kinds = ask("kinds", &[]).expect("failures of others are no failure of its own");
    let kinds: Vec<_> = kinds.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let expected =
        ["ReturnedError: ", "EnterFailed: ", "Trapped: ", "NotFound: ", "BadRequest: ", "UnexpectedAnswer: "];
    assert_eq!(kinds.len(), expected.len(), "{kinds:?}");
    assert!(kinds.iter().zip(expected).all(|(kind, expected)| kind.starts_with(expected)), "{kinds:?}");
    assert_eq!(kinds[0], "ReturnedError: pools.fail: f \"fails\"");
    assert!(kinds[1].contains("-1 is no size"), "{kinds:?}");
}

#[test]
fn many_calls_are_made_at_once() {
    let squares: Vec<_> = (0..50).map(|number| number * number).collect();
    assert_eq!(ask("many", &["--count", "50"]), Ok(json!(squares)));
}

#[test]
fn who_drops_a_call_cancels_it() {
    // Whatever it takes to build the guests and to compile this one is not part of the call.
    assert_eq!(ask("context", &[]).map(|context| context.is_array()), Ok(true));
    let start = Instant::now();
    assert_eq!(ask("dropped", &[]), Ok(json!(16)));
    // The other call sleeps for an hour, and the host waits half a minute for what is not cancelled.
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[test]
fn a_guest_knows_its_context() {
    assert_eq!(ask("context", &[]), Ok(json!(["calls", "callers", true, true])));
}

#[test]
fn calls_that_wait_need_nothing_async() {
    assert_eq!(run("blocking", "sum.of-squares", &["--numbers", "[1, 2, 3]"]).result, Ok(json!(14)));
    assert_eq!(run("blocking", "sum.by-name", &["--number", "9"]).result, Ok(json!(81)));
    assert_eq!(inspect("blocking")["components"][0]["engine"], json!("sync"));
}

#[test]
fn who_calls_nobody_imports_nothing_for_it() {
    let imports = |guest: &str| {
        let imports = inspect(guest)["components"][0]["imports"].clone();
        let names = imports.as_array().into_iter().flatten().filter_map(|import| import["name"].as_str());
        names.filter(|name| name.starts_with("wasmhost:")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(imports("model").is_empty() && imports("sync").is_empty());
    assert_eq!(imports("blocking"), ["wasmhost:host/calls@0.1.0"]);
}
