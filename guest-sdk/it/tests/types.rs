//! Each type goes to the guest and comes back.

use serde_json::{Value as Json, json};
use wasmhost_guest_it::run;

fn person() -> Json {
    json!({
        "name": "Ann", "age": 7, "nick-name": null, "likes": ["red", "light-blue"],
        "shape": { "polygon": [[1.0, 2.0], [3.0, 4.0]] },
    })
}

fn events() -> Json {
    json!([{ "joined": { "name": "Ann", "type": "good", "span": [3, null] } }, { "left": { "id": 9 } }, "nothing"])
}

/// Calls a method that returns its argument.
fn echo(method: &str, value: &Json) {
    // On the shell, bytes are a list of numbers.
    let is_bytes = method.ends_with("bytes") || method.ends_with("small");
    let text = if is_bytes { "[104, 101, 108, 108, 111]".to_owned() } else { value.to_string() };
    let ran = run("types", method, &["--value", &text]);
    assert_eq!(ran.result.as_ref(), Ok(value), "{method}: {}", ran.stderr);
}

#[test]
fn scalars_reach_the_guest() {
    let options =
        "--a --b -1 --c -2 --d -3 --e -4 --f 1 --g 2 --h 3 --i 18446744073709551615 --j 1.5 --k -2.5 --l ö --m hi";
    let ran = run("types", "scalars", &options.split(' ').collect::<Vec<_>>());
    assert_eq!(ran.result, Ok(json!("true -1 -2 -3 -4 1 2 3 18446744073709551615 1.5 -2.5 ö hi")));
}

#[test]
fn types_that_cross_come_back() {
    echo("echo-person", &person());
    echo("bytes", &json!("aGVsbG8="));
    echo("tree", &json!({ "a": 2, "b": 1 }));
    echo("loop", &json!(3));
}

#[test]
fn types_that_are_converted_come_back() {
    echo("echo-job", &json!({ "id": 9, "type": "bad", "every": 5, "owner": person(), "by-name": { "x": 3 } }));
    for value in [json!({ "http-error": 404 }), json!({ "move": [1, -2] }), json!({ "late": 77 })] {
        echo("echo-failure", &value);
    }
    echo("echo-mood", &json!(["good", "bad"]));
    echo("echo-events", &events());
    echo("duration", &json!(5));
    echo("tuple", &json!([1, 2, "green"]));
    echo("hash", &json!([[1, 2]]));
}

#[test]
fn options_and_results_keep_what_is_in_them() {
    for (method, value) in [
        ("nested", json!({ "some": null })),
        ("nested", json!({ "some": 3 })),
        ("results", json!({ "err": "bad" })),
        ("results", json!({ "ok": 4 })),
    ] {
        let ran = run("types", method, &["--value", &value.to_string()]);
        let expected = if value == json!({ "some": 3 }) { json!([{ "some": 3 }]) } else { json!([value]) };
        assert_eq!(ran.result, Ok(expected), "{method}");
    }
}

#[test]
fn errors_stay_typed_where_they_can() {
    for (method, options, expected) in [
        ("typed-error", &["--value", "0"][..], "`typed-error` returned an error: {\"http-error\":404}"),
        ("text-error", &["--value", "x"], "`text-error` returned an error: \"invalid digit found in string\""),
        ("empty-error", &["--no-value"], "`empty-error` returned an error: null"),
        ("chain", &[], "`chain` returned an error: \"the disk is full\""),
    ] {
        assert_eq!(run("types", method, options).result, Err(expected.to_owned()));
    }
}

#[test]
fn an_async_method_takes_and_returns_the_same() {
    let ran = run("types", "later", &["--value", &person().to_string(), "--color", "green"]);
    assert_eq!(ran.result, Ok(json!([person(), "green"])));
}

#[test]
fn a_default_holds_where_nothing_is_given() {
    assert_eq!(run("types", "duration", &[]).result, Ok(json!(90_000_000_000_u64)));
}

#[test]
fn a_call_takes_and_returns_each_type_as_the_host_has_it() {
    echo("through-echo-person", &person());
    let job = json!({ "id": 9, "type": "bad", "every": null, "owner": person(), "by-name": { "x": 3 } });
    echo("through-echo-job", &job);
    for value in [json!({ "http-error": 404 }), json!({ "move": [1, -2] }), json!({ "late": 77 })] {
        echo("through-echo-failure", &value);
    }
    echo("through-echo-mood", &json!(["good", "bad"]));
    echo("through-echo-events", &events());
    echo("through-bytes", &json!("aGVsbG8="));
    echo("through-small", &json!("aGVsbG8="));
    echo("through-tuple", &json!([1, 2, "green"]));
    echo("through-tree", &json!({ "a \"b\"": 2, "ö": 1 }));
    echo("through-hash", &json!([[1, 2]]));
    let text = "a \"quoted\" line\nand \u{1} a \u{1d11e}";
    assert_eq!(run("types", "through-text", &["--value", text]).result, Ok(json!(text)));
    echo("through-floats", &json!([0.1, -1.5, 16777216.0]));
    assert_eq!(run("types", "through-numbers", &[]).result, Ok(json!(true)));
    assert_eq!(run("types", "through-duration", &["--value", "5"]).result, Ok(json!([5, 90_000_000_000_u64])));
    let ran = run("types", "through-later", &["--value", &person().to_string(), "--color", "green"]);
    assert_eq!(ran.result, Ok(json!([person(), "green"])));
}

#[test]
fn a_call_keeps_options_and_results_apart() {
    for (method, value) in [
        ("through-nested", json!({ "some": null })),
        ("through-nested", json!({ "some": 3 })),
        ("through-nested", json!(null)),
        ("through-results", json!({ "err": "bad" })),
        ("through-results", json!({ "ok": 4 })),
    ] {
        let ran = run("types", method, &["--value", &value.to_string()]);
        assert_eq!(ran.result, Ok(json!([value])), "{method}");
    }
}
