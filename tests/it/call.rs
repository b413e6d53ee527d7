//! `wasmhost call` and `wasmhost ps`: the real program, against control APIs in this process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wasmhost::api::place::Place;
use wasmhost_tests::{Ran, TestHost, example, root, run, wasmhost_command};

use crate::api::{Served, start};

const USAGE: &str = "usage: wasmhost call parameterized/my-class.baz --foo <string> [--bar <s64>] [--qux <string>]";

/// A command of a user whose data directory is `dir`.
fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = wasmhost_command();
    command.env("WASMHOST_DATA_DIR", dir).args(arguments);
    command
}

impl Served {
    /// The program, told of no server, so that it finds this one.
    fn cli(&self, arguments: &[&str]) -> Ran {
        run(&mut command(&self.data_dir(), arguments))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, says: &[&str]) -> String {
        let error = self.cli(arguments).failed(code);
        for text in says {
            assert!(error.contains(text), "`{text}` is not in: {error}");
        }
        error
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_printed_as_run_prints_them() {
    let served = Served::parameterized().await;
    let expected = "\"This code is running in instance pool (fox, 7), with input qux=q\"\n";
    for target in
        ["parameterized", "parameterized/", "parameterized/baz", "parameterized/my-class", "parameterized/.baz"]
    {
        assert_eq!(served.cli(&["call", target, "--qux", "q", "--bar=7", "--foo", "fox"]).ok(), expected, "{target}");
    }
    let raw = served.cli(&["call", "-r", "parameterized", "--foo", "fox"]).ok();
    assert_eq!(raw, "This code is running in instance pool (fox, 10), with input qux=default\n");
    let told = served.cli(&["call", "-v", "parameterized", "--foo", "fox"]);
    assert!(told.stderr.lines().any(|line| line.strip_prefix("instance ").is_some_and(|id| id.parse::<u64>().is_ok())));
    let json: Value =
        serde_json::from_str(&served.cli(&["call", "--json", "parameterized", "--foo", "fox"]).ok()).unwrap();
    assert!(json["value"].as_str().unwrap().contains("(fox, 10)") && json["instance"].is_string(), "{json}");

    let file = served.host.dir().join("args.json");
    std::fs::write(&file, r#"{"foo": "fox", "bar": 3}"#).unwrap();
    let by_file = served.cli(&["call", "parameterized", "--args", file.to_str().unwrap(), "--qux", "q"]).ok();
    assert!(by_file.contains("(fox, 3), with input qux=q"), "{by_file}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_other_types_go_both_ways() {
    let served = Served::new();
    served.publish("hooks", "").await;
    let call = |method: &str, more: &[&str]| {
        let target = format!("hooks/probe.{method}");
        served.cli(&[&["call", "-r", &target, "--mode", ""], more].concat()).ok()
    };
    assert_eq!(call("noop", &[]), "", "unit prints nothing");
    assert_eq!(call("read-env", &["--name", "NONE"]), "null\n");
    assert_eq!(call("point", &["--at", "{x: 1, y: -2}"]), "{\"x\":-2,\"y\":1}\n");
    assert_eq!(call("bytes", &["--data", "\"aGk=\""]), "hi", "bytes as they are");
    assert_eq!(call("echo", &["--text", "é\n"]), "é\n\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_told_with_one_line_of_usage() {
    let served = Served::parameterized().await;
    let mistakes: [(&[&str], &[&str]); 5] = [
        (&["--foo", "x", "--bar", "seven"], &["`bar` needs a whole number from ", "got \"seven\""]),
        (&["--bar", "7"], &["missing `--foo`", "a string"]),
        (&["--foo", "x", "--baar", "1"], &["unknown option `--baar`; did you mean `--bar`?"]),
        (&["--foo", "x", "--foo", "y"], &["`--foo` is given twice"]),
        (&["--foo", &"x".repeat(17_000)], &["the parameters", "16"]),
    ];
    for (options, says) in mistakes {
        let error = served.fails(&[&["call", "parameterized"], options].concat(), 2, says);
        assert_eq!(error.lines().last(), Some(USAGE), "{error}");
    }
    let help = served.cli(&["call", "parameterized/baz", "--help"]).ok();
    for text in [USAGE, "Parameters of my-class", "--bar <s64>", "[default: 10]", "Arguments of baz", "--args FILE"] {
        assert!(help.contains(text), "`{text}` is not in: {help}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_are_too_large_are_told_the_setting() {
    let served = Served::with(|builder| builder.max_body_bytes(100_000));
    served.publish("hooks", "").await;
    let file = served.host.dir().join("args.json");
    for bytes in [150_000, 30_000_000] {
        std::fs::write(&file, format!(r#"{{"text": "{}"}}"#, "x".repeat(bytes))).unwrap();
        let options = ["call", "hooks/echo", "--mode", "", "--args", file.to_str().unwrap()];
        served.fails(&options, 2, &["`max-body", "usage: "]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_there_is_told_the_nearest() {
    let served = Served::new();
    served.publish("hooks", "").await;
    served.publish("two-classes", "").await;
    served.fails(&["call", "hoks"], 4, &["there is no app `hoks`", "did you mean `hooks`?"]);
    served.fails(&["call", "hooks/prob.noop"], 4, &["`prob`", "did you mean `probe`?"]);
    served.fails(&["call", "hooks/nop"], 4, &["`nop`", "did you mean `noop`?"]);
    let error = served.fails(&["call", "two-classes"], 2, &["names more than one method; say which:"]);
    assert!(
        error.contains("\n  two-classes/greeter.greet\n") || error.ends_with("two-classes/greeter.greet\n"),
        "{error}"
    );
    served.fails(&["call", "./wasmhost.toml"], 2, &["APP[/[CLASS.]METHOD]"]);
    served.fails(&["call", "--foo", "x"], 2, &["--foo"]);
    served.fails(&["call"], 2, &["TARGET"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guest_does_wrong_has_the_exit_code_it_has_in_run() {
    let served = Served::new();
    served.publish("hooks", "[class.probe]\ntimeout = \"300ms\"").await;
    let behave = ["call", "hooks/behave", "--mode", "", "--how"];
    let error = served.fails(&[&behave[..], &["err"]].concat(), 1, &["failed on demand"]);
    assert!(!error.contains("usage:"), "{error}");
    served.fails(&[&behave[..], &["trap"]].concat(), 1, &["`behave` trapped", "at ", "deep_inside"]);
    served.fails(&[&behave[..], &["panic"]].concat(), 1, &["the guest's last words", "panicked on demand"]);
    served.fails(&[&behave[..], &["spin"]].concat(), 8, &["300ms", "`timeout`"]);
    served.fails(&["call", "hooks/noop", "--mode", "enter:err"], 1, &["`enter` failed"]);
    served.host.host.shutdown().await;
    served.fails(&["call", "hooks/noop", "--mode", ""], 6, &["shutting down"]);
}

#[test]
fn without_a_server_the_way_to_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let error = run(&mut command(dir.path(), &["call", "app"])).failed(6);
    assert!(error.contains("no server is running") && error.contains("`wasmhost serve SOURCE`"), "{error}");
    for (verb, target) in [("call", "app"), ("ps", "app")] {
        let error = run(&mut command(dir.path(), &[verb, "--data-dir", path, target])).failed(6);
        assert!(error.contains("control.sock") && error.contains(&format!("serve --data-dir {path}")), "{error}");
        let error = run(&mut command(dir.path(), &[verb, "--socket", "no.sock", target])).failed(6);
        assert!(error.contains("no.sock"), "{error}");
    }
    let error = run(&mut command(dir.path(), &["call", "--socket", &"x".repeat(120), "app"])).failed(2);
    assert!(error.contains("may have 107"), "{error}");
    let ps = run(&mut command(dir.path(), &["ps"]));
    assert!(ps.stderr.contains("nothing runs"), "{ps:?}");
    assert_eq!(ps.ok(), "");
    assert_eq!(run(&mut command(dir.path(), &["ps", "--json"])).ok(), "[]\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_has_the_app_is_found_and_two_are_a_conflict() {
    example("parameterized");
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (TestHost::new(), TestHost::new());
    let app = one.host.load(root().join("examples/parameterized")).await.unwrap();
    one.host.publish(&app);
    let first = start(&one, Place::Ephemeral(dir.path().to_owned())).unwrap();
    let second = start(&other, Place::Ephemeral(dir.path().to_owned())).unwrap();
    let call = ["call", "parameterized", "--foo", "x"];
    assert!(run(&mut command(dir.path(), &call)).ok().contains("(x, 10)"));
    let error = run(&mut command(dir.path(), &["call", "parametrized"])).failed(4);
    assert!(error.contains("did you mean `parameterized`?"), "{error}");

    other.host.publish(&other.host.load(root().join("examples/parameterized")).await.unwrap());
    let error = run(&mut command(dir.path(), &call)).failed(5);
    let process = format!("process {}", std::process::id());
    for text in [&process, first.socket().to_str().unwrap(), second.socket().to_str().unwrap()] {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
    let socket = second.socket().to_str().unwrap();
    assert!(
        run(&mut command(dir.path(), &["call", "--socket", socket, "parameterized", "--foo", "x"]))
            .ok()
            .contains("(x, 10)")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_cancels_the_call_on_the_server() {
    let served = Served::with(|builder| builder.max_instances(1));
    served.publish("hooks", "[class.probe]\ntimeout = \"1h\"").await;
    let arguments = ["call", "hooks/behave", "--mode", "enter:print", "--how", "sleep"];
    let mut child = command(&served.data_dir(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    served.until_printed().await;
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    served.until_metrics(r#"wasmhost_calls_total{app="hooks",class="probe",outcome="cancelled"} 1"#).await;
    assert_eq!(served.cli(&["call", "hooks/count", "--mode", ""]).ok(), "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ps_lists_apps_and_can_do_so_again_and_again() {
    let served = Served::parameterized().await;
    let table = served.cli(&["ps"]).ok();
    let heading = "APP CLASS PARAMETERS IDLE BUSY START WAIT CALLS STARTS EXITS EVICT MEM";
    let lines: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], heading);
    assert!(lines[1].starts_with("parameterized"), "{table}");
    assert_eq!(served.cli(&["ps", "parameterized"]).ok(), table);
    served.fails(&["ps", "parametrized"], 4, &["did you mean `parameterized`?"]);
    served.fails(&["ps", "--interval", "1s"], 2, &["--watch"]);
    served.fails(&["ps", "--watch", "--interval", "5"], 2, &["30s"]);
    let json: Value = serde_json::from_str(&served.cli(&["ps", "--json"]).ok()).unwrap();
    assert_eq!((&json[0]["app"], &json[0]["pid"]), (&"parameterized".into(), &std::process::id().into()));
    assert!(json[0]["pools"].is_array(), "{json}");

    let watch = ["ps", "--watch", "--interval", "10ms"];
    let mut child = command(&served.data_dir(), &watch).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let headings = lines.map_while(Result::ok).filter(|line| line.starts_with("APP")).take(3).count();
    assert_eq!(headings, 3);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn interrupt(child: &Child) {
    let process = Pid::from_child(child);
    kill_process(process, Signal::INT).unwrap();
}
