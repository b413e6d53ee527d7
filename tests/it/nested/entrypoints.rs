//! Entrypoints call the classes of their app, which is alive while they run.

use super::*;
use wasmhost_tests::{run, wasmhost_command};

#[tokio::test]
async fn an_entrypoint_calls_a_class_of_its_app() {
    let host = TestHost::new();
    let app = load(&host, "calls", "").await;
    let main = app.main().unwrap();
    let answer: String = main.call(&("caller", "echo", r#"["a"]"#, r#"["hi"]"#)).await.unwrap();
    assert_eq!(answer, "\"hi\"");
    let who: String = main.call(&("caller", "who", r#"["a"]"#, "[]")).await.unwrap();
    assert!(who.contains(r#"parameters {\"name\":\"a\"}"#), "{who}");
    assert_eq!((pool(&app, "a").starts, pool(&app, "a").calls), (1, 2), "two runs, one instance");
    host.host.shutdown().await;
}

#[test]
fn a_chain_of_calls_ends_on_the_command_line() {
    let host = TestHost::new();
    let manifest = host.manifest("calls", "");
    // `main`, six that relay, and the last one, each in an instance of its own.
    let mut chain = own("last", "echo", &json!(["deep"]));
    for level in 0..6 {
        chain = relayed(&format!("level-{level}"), &[chain]);
    }
    let mut command = wasmhost_command();
    command.arg("run").arg(&manifest);
    for name in ["class", "method", "parameters", "arguments"] {
        command.arg(format!("--{name}")).arg(chain[name].as_str().unwrap());
    }
    assert!(run(&mut command).ok().contains("deep"));
}

#[test]
fn the_command_line_runs_one() {
    let host = TestHost::new();
    let manifest = host.manifest("calls", "[class.caller]\nmax-instances = 1");
    let main = |class: &str, arguments: &str| {
        let mut command = wasmhost_command();
        command.arg("run").arg(&manifest);
        command.args(["--class", class, "--method", "echo", "--parameters", r#"["a"]"#, "--arguments", arguments]);
        run(&mut command)
    };
    assert_eq!(main("caller", r#"["hi"]"#).ok(), "\"\\\"hi\\\"\"\n");
    let failed = main("caler", "[]").failed(1);
    assert!(failed.contains("not-found: the app `calls` has no class `caler`; did you mean `caller`?"), "{failed}");
}
