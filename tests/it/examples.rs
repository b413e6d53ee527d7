//! Every example, run through the program exactly as its README says, build command included.

mod database;
mod digest;
mod events;
mod fetch_js;
mod notes;
mod pools;
mod proxy;
mod web_endpoint;

use wasmhost_tests::{Language, root, wasmhost};

const BAZ: &str = "This code is running in instance pool";

/// What the parameterized example promises, whatever language it is written in. Its build command runs once: guests in
/// Python and JavaScript take half a minute to build.
fn is_parameterized(example: &str) {
    let target = format!("examples/{example}::my-class.baz");
    let baz =
        |flags: &[&str], options: &[&str]| wasmhost(&[&["run"], flags, &[target.as_str()], options].concat()).ok();
    let all = baz(&[], &["--foo", "hedgehog", "--bar", "7", "--qux", "override"]);
    assert_eq!(all, format!("\"{BAZ} (hedgehog, 7), with input qux=override\"\n"));
    let some = baz(&["--no-build"], &["--foo", "fox"]);
    assert_eq!(some, format!("\"{BAZ} (fox, 10), with input qux=default\"\n"));
}

#[test]
fn parameterized() {
    is_parameterized("parameterized");
}

#[test]
fn parameterized_in_python_which_is_compiled_once() {
    if Language::Python.tools().is_some() {
        is_parameterized("parameterized-python");
        let report = wasmhost(&["inspect", "examples/parameterized-python", "--json"]).ok();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["components"][0]["compiled_ms"], serde_json::Value::Null, "it was found compiled");
        assert_eq!(report["classes"].as_array().unwrap().len(), 1, "what componentize-py leaves exported is no class");
    }
}

#[test]
fn parameterized_in_javascript() {
    if Language::JavaScript.tools().is_some() {
        is_parameterized("parameterized-js");
    }
}

/// What the example with a `build` promises, whatever language it is written in.
fn is_primes(example: &str) {
    let call = |method: &str, flags: &[&str], options: &[&str]| {
        let target = format!("examples/{example}::primes.{method}");
        wasmhost(&[&["run"], flags, &[target.as_str()], options].concat())
    };
    let first = call("is-prime", &[], &["--number", "4999999", "--name", "anna"]);
    assert!(first.stderr.contains("anna knows 348513 primes below 5000000"), "{first:?}");
    assert_eq!(first.ok(), "true\n");
    let second = call("is-prime", &["--no-build"], &["--number", "4999998", "--name", "ben"]);
    assert!(second.stderr.contains("ben knows 348513 primes"), "{second:?}");
    assert!(!second.stderr.contains("looking for primes"), "`build` ran once: {second:?}");
    assert_eq!(second.ok(), "false\n");
    let error = call("is-prime", &["--no-build"], &["--number", "5000000"]).failed(1);
    assert!(error.contains("5000000 is not below 5000000"), "{error}");
    assert_eq!(call("note", &["--no-build"], &[]).ok(), "\"348513 primes below 5000000\"\n");
}

#[test]
fn primes_starts_with_what_build_made() {
    is_primes("primes");
}

/// To take a snapshot of an interpreter, it is compiled twice: minutes, without optimization.
#[test]
fn primes_in_python_and_javascript() {
    if !wasmhost_tests::is_full() {
        return;
    }
    for (example, language) in [("primes-python", Language::Python), ("primes-js", Language::JavaScript)] {
        if language.tools().is_some() {
            is_primes(example);
        }
    }
}

#[test]
fn model_loads_its_file_in_enter() {
    let generate = |options: &[&str]| wasmhost(&[&["run", "examples/model::model.generate"], options].concat());
    let ran = generate(&["--name", "alice", "--prompt", "the"]);
    assert!(ran.stderr.contains("loading model alice with size 100"), "{ran:?}");
    let text: String = serde_json::from_str(&ran.ok()).unwrap();
    assert!(text.starts_with("the ") && text.len() > 10, "{text}");
    assert_eq!(generate(&["--name", "alice", "--prompt", "the"]).ok(), serde_json::to_string(&text).unwrap() + "\n");
    let error = generate(&["--name", "nobody", "--prompt", "the"]).failed(1);
    assert!(error.contains("`enter`") && error.contains("nobody"), "{error}");
}

#[test]
fn trained_starts_with_what_build_returned() {
    let is_spam = |options: &[&str]| wasmhost(&[&["run", "examples/trained::filter.is-spam"], options].concat());
    // Somebody may have run it before.
    is_spam(&["--mail", "hello"]).ok();
    for (options, answer) in [
        (&["--mail", "win free money now"][..], "true\n"),
        (&["--mail", "win the meeting"], "false\n"),
        (&["--mail", "win the meeting", "--least", "-2"], "true\n"),
    ] {
        let ran = is_spam(options);
        assert!(!ran.stderr.contains("learning"), "each instance has what was learned: {ran:?}");
        assert_eq!(ran.ok(), answer, "{options:?}");
    }
}

#[test]
fn predict_loads_its_model_when_the_instance_starts() {
    let predicted = wasmhost(&["run", "examples/predict::model.predict", "--x", "2"]);
    assert!(predicted.stderr.contains("loading the model"), "{predicted:?}");
    assert_eq!(predicted.ok(), "3.0\n");
    assert_eq!(wasmhost(&["run", "examples/predict"]).ok(), "3844.75\n");
}

#[test]
fn etl_pipeline_opens_in_enter_and_closes_in_exit() {
    let out = root().join("examples/etl-pipeline/out");
    let log = out.join("pipeline.log");
    let _ = std::fs::remove_file(&log);
    let arguments = [
        "run",
        "--allow-mount",
        "examples/etl-pipeline/out",
        "examples/etl-pipeline",
        "--args",
        "examples/etl-pipeline/records.json",
    ];
    let summary: serde_json::Value = serde_json::from_str(&wasmhost(&arguments).ok()).unwrap();
    assert!(summary["loaded"].as_u64().unwrap() > 0, "{summary}");
    let lines = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines[0].contains("connected") && lines[lines.len() - 1].contains("closed"), "{lines:?}");

    let error = wasmhost(&["run", "examples/etl-pipeline", "--records", "[]"]).failed(3);
    assert!(error.contains("--allow-mount"), "{error}");
}

#[test]
fn entrypoint_calls_classes_and_says_what_is_missing() {
    let printed = wasmhost(&["run", "examples/entrypoint", "--foo", "2", "--bar", "ab"]);
    assert!(printed.stderr.contains("Hello world!"), "`f` was called: {printed:?}");
    assert_eq!(printed.ok(), "the repeater says abab\nthe framer says * abab *\n\"* abab *\"\n");
    let error = wasmhost(&["run", "examples/entrypoint", "--foo", "1"]).failed(2);
    assert!(error.contains("`--bar`"), "{error}");
    let error = wasmhost(&["run", "examples/entrypoint", "--foo=-1", "--bar", "ab"]).code;
    assert_eq!(error, Some(1), "an error of a class that was called is one of `main`");
}

#[test]
fn each_function_beside_main_runs_alone() {
    wasmhost(&["build", "examples/entrypoint"]).ok();
    let file = "examples/target/wasm32-wasip2/release/entrypoint.wasm";
    for (target, says) in [("examples/entrypoint::f", "Hello world!\n"), (&format!("{file}::g"), "Goodbye world!\n")] {
        let ran = wasmhost(&["run", target]);
        // Where it takes long, what is under way is told before.
        assert!((ran.code, ran.stdout.as_str()) == (Some(0), "") && ran.stderr.ends_with(says), "{target}: {ran:?}");
    }
    assert_eq!(wasmhost(&["run", "examples/entrypoint::repeat", "--text", "ab"]).ok(), "\"abab\"\n");
}

#[test]
fn processor_awaits_its_cache_in_enter_and_another_class_in_its_method() {
    let main = wasmhost(&["run", "examples/processor"]);
    assert!(main.stderr.contains("loading the cache") && main.stderr.contains("squaring 123"), "{main:?}");
    assert_eq!(main.ok(), "15129\n");
    let run = |x: &str| wasmhost(&["run", "examples/processor::processor.run", "--x", x]);
    let cached = run("9");
    assert!(!cached.stderr.contains("squaring"), "{cached:?}");
    assert_eq!(cached.ok(), "81\n");
    let error = run("9999999999").failed(1);
    assert!(error.contains("the square of 9999999999 is too large"), "{error}");
}

#[test]
fn argument_parser_parses_by_itself_and_calls_a_class() {
    let run = |arguments: &[&str]| wasmhost(&[&["run", "examples/argument-parser", "--"], arguments].concat());
    let ran = run(&["--foo", "1", "--bar=hello"]);
    assert!(ran.stderr.contains("a=1, b=hello"), "{ran:?}");
    assert_eq!(ran.ok(), "");
    for (arguments, says) in [
        (&["--foo", "1"][..], "`--bar` is missing"),
        (&["--foo", "one", "--bar", "hello"], "one"),
        (&["--fox", "1"], "--fox"),
    ] {
        let error = run(arguments).failed(1);
        assert!(error.contains(says), "{error}");
    }
    assert!(wasmhost(&["run", "examples/argument-parser::func", "--a", "1", "--b", "x"]).stderr.contains("a=1, b=x"));
}
