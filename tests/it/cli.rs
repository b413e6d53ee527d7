//! The program as people meet it: targets, options, mistakes, permissions, results, entrypoints, exit codes.

use std::io::Write;
use std::process::Stdio;

use wasmhost_tests::{guest, root, run, text_guest, wasmhost, wasmhost_command};

const BAZ: &str = "examples/parameterized::my-class.baz";

#[track_caller]
fn fails(arguments: &[&str], code: i32, says: &[&str]) -> String {
    let error = wasmhost(arguments).failed(code);
    for text in says {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
    error
}

#[test]
fn a_mistake_names_the_option_what_it_needs_and_what_it_got_with_one_line_of_usage() {
    let usage =
        "usage: wasmhost run examples/parameterized::my-class.baz --foo <string> [--bar <s64>] [--qux <string>]";
    let mistakes: [(&[&str], &[&str]); 7] = [
        (&["--foo", "x", "--bar", "seven"], &["`--bar` needs a whole number from ", "got \"seven\""]),
        (&["--bar", "7"], &["missing `--foo`", "a string"]),
        (&["--foo", "x", "--zzz", "1"], &["unknown option `--zzz`", "`--foo`", "`--bar`", "`--qux`"]),
        (&["--foo", "x", "--baar", "1"], &["unknown option `--baar`; did you mean `--bar`?"]),
        (&["--foo", "x", "--foo", "y"], &["`--foo` is given twice"]),
        (&["--foo"], &["`--foo` needs ", "got nothing"]),
        (&["--foo", "x", "--raw"], &["`--raw` is an option of `wasmhost` itself, and stands before the target"]),
    ];
    for (options, says) in mistakes {
        let error = fails(&[&["run", "--no-build", BAZ], options].concat(), 2, says);
        let lines: Vec<_> = error.lines().collect();
        assert_eq!((lines.len(), lines[1]), (2, usage), "{error}");
    }
}

#[test]
fn an_ambiguous_target_lists_the_choices_and_an_unknown_one_the_nearest() {
    let error = fails(
        &["run", guest("hooks").to_str().unwrap()],
        2,
        &["names more than one method", "::probe.echo", "::probe.noop\n  … and 13 more: `wasmhost inspect /"],
    );
    let names: Vec<_> = error.lines().filter_map(|line| line.split_once("::probe.")).map(|(_, name)| name).collect();
    assert!(names.len() == 10 && names.is_sorted(), "{error}");
    assert!(!error.contains("::probe.enter"), "a hook is no choice: {error}");
    fails(&["run", "examples/parameterized::my-class.bax"], 4, &["`bax`", "did you mean `baz`?"]);
    fails(&["run", "examples/parameterized::your-class.baz"], 4, &["`your-class`", "my-class"]);
    fails(&["run", "examples/parametrized"], 4, &["examples/parametrized"]);
    fails(&["run", "examples"], 4, &["wasmhost.toml"]);
    fails(&["run", "README.md"], 2, &["not WebAssembly"]);
}

#[test]
fn parts_of_a_target_may_be_left_out_while_one_choice_remains() {
    for target in [
        "examples/parameterized",
        "examples/parameterized::baz",
        "examples/parameterized::my-class",
        "examples/parameterized/wasmhost.toml::.baz",
    ] {
        assert!(wasmhost(&["run", target, "--foo", "x"]).ok().contains("(x, 10)"), "{target}");
    }
    let mut command = wasmhost_command();
    command.current_dir(root().join("examples/parameterized")).args(["run", "::baz", "--foo", "x"]);
    assert!(run(&mut command).ok().contains("(x, 10)"));
}

#[test]
fn a_component_file_alone_is_a_source() {
    let file = guest("hooks");
    let target = format!("{}::probe.echo", file.display());
    assert_eq!(wasmhost(&["run", &target, "--mode", "", "--text", "hi"]).ok(), "\"hi\"\n");
    fails(&["run", &target, "--mode=enter:err", "--text", "hi"], 1, &["`enter` failed", "failed on demand"]);
}

#[test]
fn results_are_json_or_wave_or_bare() {
    let point = format!("{}::probe.point", guest("hooks").display());
    let at = ["--mode", "", "--at", "{x: 1, y: -2}"];
    assert_eq!(wasmhost(&[&["run", point.as_str()], &at[..]].concat()).ok(), "{\"x\":-2,\"y\":1}\n");
    assert_eq!(wasmhost(&[&["run", "--wave", point.as_str()], &at[..]].concat()).ok(), "{x: -2, y: 1}\n");
    let json = ["--mode", "", "--at", "{\"x\": 1, \"y\": -2}"];
    assert_eq!(wasmhost(&[&["run", point.as_str()], &json[..]].concat()).ok(), "{\"x\":-2,\"y\":1}\n");
    assert_eq!(
        wasmhost(&["run", "-r", BAZ, "--foo", "x", "--qux", "é\n"]).ok().lines().next().unwrap(),
        "This code is running in instance pool (x, 10), with input qux=é"
    );
    let noop = format!("{}::probe.noop", guest("hooks").display());
    assert_eq!(wasmhost(&["run", &noop, "--mode", ""]).ok(), "", "unit prints nothing");
    // What is printed can be given.
    let bytes = format!("{}::probe.bytes", guest("hooks").display());
    assert_eq!(wasmhost(&["run", &bytes, "--mode", "", "--data", "AAE="]).ok(), "\"AAE=\"\n");
}

#[test]
fn the_guests_output_goes_to_standard_error_and_its_error_is_exit_code_1() {
    let target = format!("{}::probe.behave", guest("hooks").display());
    let ran = wasmhost(&["run", &target, "--mode", "enter:print", "--how", "err"]);
    let error = ran.failed(1);
    assert!(
        error.contains("printed on stdout")
            && error.contains("printed on stderr")
            && error.contains("failed on demand"),
        "{error}"
    );
    let error = fails(
        &["run", &target, "--mode", "", "--how", "trap"],
        1,
        &["`behave` trapped", "unreachable", "deeper", "deep_inside"],
    );
    assert!(error.find("deeper").unwrap() < error.find("deep_inside").unwrap(), "innermost first: {error}");
    fails(&["run", &target, "--mode", "", "--how", "loud"], 2, &["`--how` has no case `loud`", "`spin`", "usage: "]);
}

#[test]
fn exit_runs_when_the_call_has_returned_an_error_and_not_after_a_trap() {
    let target = format!("{}::probe.behave", guest("hooks").display());
    for (how, exits) in [("err", true), ("trap", false)] {
        let error = fails(&["run", &target, "--mode", "exit:print", "--how", how], 1, &["`behave`"]);
        assert_eq!(error.contains("printed on stdout"), exits, "{how}: {error}");
        assert!(!error.contains("without `shutdown`"), "{how}: {error}");
    }
}

#[test]
fn arguments_can_come_from_a_document() {
    let mut command = wasmhost_command();
    command
        .args(["run", BAZ, "--args", "-", "--qux", "q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"foo": "x", "bar": 3}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("(x, 3), with input qux=q"), "{output:?}");
}

#[test]
fn help_of_a_target_is_its_own() {
    let help = wasmhost(&["run", BAZ, "--help"]).ok();
    for text in [
        "--foo <string>",
        "--bar <s64>",
        "[default: 10]",
        "--qux <string>",
        "[default: \"default\"]",
        "Parameters of my-class",
        "Arguments of baz",
        "usage: ",
    ] {
        assert!(help.contains(text), "`{text}` is not in: {help}");
    }
}

#[test]
fn every_verb_has_help_and_an_unknown_one_is_told_the_nearest() {
    for verb in ["new", "inspect", "run", "call", "ps", "build", "completions"] {
        assert!(wasmhost(&[verb, "--help"]).ok().contains("Usage: wasmhost"), "{verb}");
        assert!(wasmhost(&["--help"]).ok().contains(verb));
    }
    fails(&["inspekt"], 2, &["inspect"]);
    fails(&["run", "--rwa"], 2, &["--rwa"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = wasmhost(&["completions", shell]).ok();
        assert!(script.contains("wasmhost") && script.contains("expose-methods"), "{shell}");
    }
    assert!(wasmhost(&["--version"]).ok().starts_with("wasmhost 0."));
}

#[test]
fn a_command_takes_its_arguments_raw_and_gives_its_exit_code() {
    let command = guest("cli");
    let path = command.to_str().unwrap();
    let mut with_input = wasmhost_command();
    with_input
        .args(["run", path, "--", "--foo", "a b", "--help"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = with_input.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"some input").unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("arg --foo\narg a b\narg --help\n") && stdout.contains("stdin some input"), "{output:?}");
    assert!(!stdout.contains("env "), "nothing of the environment was allowed: {stdout}");
    assert_eq!(output.status.code(), Some(0));

    let mut ends_badly = wasmhost_command();
    assert_eq!(run(ends_badly.args(["run", path, "--", "--exit", "7"]).stdin(Stdio::null())).code, Some(1));
    let mut fails = wasmhost_command();
    assert_eq!(run(fails.args(["run", path, "--", "--fail"]).stdin(Stdio::null())).code, Some(1));
    let error = wasmhost(&["run", path, "--foo"]).failed(2);
    assert!(error.contains("after it"), "{error}");
}

/// A manifest for the guest `hooks` in a folder of its own.
fn manifest(settings: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let text =
        format!("version = 1\nname = \"t\"\n[component.hooks]\nsource = {:?}\n{settings}\n", guest("hooks").display());
    std::fs::write(dir.path().join("wasmhost.toml"), text).unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn build_runs_for_the_class_that_is_called_and_when_the_call_has_no_mistake() {
    let spins = tempfile::tempdir().unwrap();
    let file = spins.path().join("spins.wasm");
    std::fs::write(&file, text_guest("spins")).unwrap();
    let settings = format!(
        "[class.probe.env]\nMODE_BUILD = \"print+image\"\n[component.spins]\nsource = {file:?}\n\
         [rename]\n\"test:odd/probe\" = \"spins\"\n[class.spins]\nbuild-timeout = \"200ms\"\n"
    );
    let (_dir, path) = manifest(&settings);
    let built = "written by build";
    let target = format!("{path}::probe.read-file");
    let help = wasmhost(&["run", &target, "--help"]);
    assert!(!help.stderr.contains("printed"), "{}", help.stderr);
    assert!(help.ok().contains("Arguments of read-file"));
    let error = wasmhost(&["run", &target, "--mode", "a", "--paht", "/image/built.txt"]).failed(2);
    assert!(error.contains("--paht") && !error.contains("printed"), "{error}");
    let read = wasmhost(&["run", &target, "--mode", "a", "--path", "/image/built.txt"]);
    assert!(read.ok().contains(built));
}

#[test]
fn environment_and_mounts_need_the_hosts_word() {
    let (_dir, source) =
        manifest("[class.probe]\nenv = { GREETING = \"hi\", HOMELIKE = { from = \"WASMHOST_TEST_HOME\" } }");
    let read = |name: &str, allow: bool| {
        let mut command = wasmhost_command();
        command.arg("run").env("WASMHOST_TEST_HOME", "/home/x");
        if allow {
            command.args(["--allow-env", "WASMHOST_TEST_HOME"]);
        }
        run(command.args([&format!("{source}::read-env"), "--mode", "", "--name", name]))
    };
    assert_eq!(read("HOMELIKE", true).ok(), "\"/home/x\"\n");
    assert_eq!(read("GREETING", true).ok(), "\"hi\"\n");
    assert_eq!(read("PATH", true).ok(), "null\n", "nothing else is seen");
    let error = read("GREETING", false).failed(3);
    assert!(error.contains("--allow-env WASMHOST_TEST_HOME"), "{error}");

    let outside = tempfile::tempdir().unwrap();
    let (dir, source) =
        manifest("[class.probe]\nmounts = [{ host = \"in\", path = \"/in\" }, { host = \"link\", path = \"/link\" }]");
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::write(dir.path().join("in/a"), "A").unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    let allowed = dir.path().to_str().unwrap();
    let read = |allow: &[&str]| {
        let target = format!("{source}::read-file");
        wasmhost(&[&["run"], allow, &[&target, "--mode", "", "--path", "/in/a"]].concat())
    };
    let error = read(&["--allow-mount", allowed]).failed(3);
    assert!(error.contains("link"), "a link out of what is allowed is refused: {error}");
    let outside = outside.path().to_str().unwrap();
    assert_eq!(read(&["--allow-mount", allowed, "--allow-mount", outside]).ok(), "\"A\"\n");
    let target = format!("{source}::write-file");
    let error = wasmhost(&[
        "run",
        "--allow-mount",
        allowed,
        "--allow-mount",
        outside,
        &target,
        "--mode",
        "",
        "--path",
        "/in/a",
        "--text",
        "B",
    ])
    .failed(1);
    assert!(error.contains("returned an error"), "a mount is read-only unless it says `write`: {error}");
}

#[test]
fn files_travel_with_the_app_and_are_read_only() {
    let (dir, source) = manifest(
        "[class.probe]\nfiles = [{ source = \"a.txt\", path = \"/data/deep/b.txt\" }, { source = \"tree\", path = \"/tree\" }]",
    );
    std::fs::write(dir.path().join("a.txt"), "A").unwrap();
    std::fs::create_dir_all(dir.path().join("tree/leaf")).unwrap();
    std::fs::write(dir.path().join("tree/leaf/c"), "C").unwrap();
    let call = |method: &str, options: &[&str]| {
        wasmhost(&[&["run", &format!("{source}::{method}"), "--mode", ""], options].concat())
    };
    assert_eq!(call("read-file", &["--path", "/data/deep/b.txt"]).ok(), "\"A\"\n");
    assert_eq!(call("read-file", &["--path", "/tree/leaf/c"]).ok(), "\"C\"\n");
    assert_eq!(call("list-dir", &["--path", "/data"]).ok(), "[\"deep\"]\n");
    call("write-file", &["--path", "/data/deep/b.txt", "--text", "B"]).failed(1);
    call("write-file", &["--path", "/data/new", "--text", "B"]).failed(1);
    assert_eq!(std::fs::read_to_string(dir.path().join("a.txt")).unwrap(), "A");
    std::fs::remove_file(dir.path().join("a.txt")).unwrap();
    let error = call("noop", &[]).failed(4);
    assert!(error.contains("a.txt") && error.contains("`class.probe.files`"), "{error}");
}

#[test]
fn the_build_command_runs_first_and_its_failure_is_the_error() {
    let (dir, _) = manifest("");
    let write = |build: &str| {
        let text = format!("version = 1\nname = \"t\"\n[component.hooks]\nsource = \"made.wasm\"\nbuild = {build:?}\n");
        std::fs::write(dir.path().join("wasmhost.toml"), text).unwrap();
    };
    let target = format!("{}::noop", dir.path().display());
    write(&format!("cp {} made.wasm", guest("hooks").display()));
    let error = wasmhost(&["run", "--no-build", &target, "--mode", ""]).failed(4);
    assert!(error.contains("made.wasm") && error.contains("build command"), "{error}");
    wasmhost(&["run", &target, "--mode", ""]).ok();
    write("echo compiling; echo broken >&2; exit 3");
    let error = wasmhost(&["run", &target, "--mode", ""]).failed(1);
    assert!(error.contains("broken") && error.contains("`hooks`") && error.contains('3'), "{error}");
    wasmhost(&["build", dir.path().to_str().unwrap()]).failed(1);
}

#[test]
fn a_manifests_mistakes_are_told_all_at_once_with_their_lines() {
    let (_dir, source) = manifest("[class.probe]\nmemory = 256\ntimeuot = \"3s\"\n[class.nobody]");
    let error = wasmhost(&["run", &format!("{source}::noop")]).failed(2);
    for text in ["wasmhost.toml:6", "memory", "\"256", "timeuot", "did you mean `timeout`?"] {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
    let (_dir, source) = manifest("[class.nobody]");
    let error = wasmhost(&["run", &format!("{source}::noop")]).failed(2);
    assert!(error.contains("class.nobody") && error.contains("probe"), "{error}");
}

#[test]
fn a_name_that_is_parameter_and_argument_is_refused_at_load() {
    let (_dir, source) = manifest("[class.probe]\nhooks = { enter = \"write-file\" }");
    let error = wasmhost(&["run", &format!("{source}::noop")]).failed(5);
    assert!(
        error.contains("`text` is a parameter of the class `probe` and an argument of its method `echo`"),
        "{error}"
    );
}

/// Starts a call that pauses, and sends the program this signal once its guest was entered.
fn interrupted(pause_ms: u32, signal: rustix::process::Signal) -> (std::process::Child, impl Iterator<Item = String>) {
    use std::io::BufRead;
    let target = format!("{}::probe.pause", guest("hooks").display());
    let mut command = wasmhost_command();
    command.args(["run", &target, "--mode", "enter:print,exit:print", "--milliseconds", &pause_ms.to_string()]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "printed on stderr"), "enter ran");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
    (child, lines)
}

#[test]
fn the_first_interrupt_lets_the_call_end_and_exit_run() {
    let (mut child, lines) = interrupted(300, rustix::process::Signal::INT);
    let rest: Vec<_> = lines.collect();
    assert!(rest[0].starts_with("stopping") && rest.contains(&"printed on stdout".to_owned()), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_second_interrupt_leaves_at_once() {
    let (mut child, mut lines) = interrupted(600_000, rustix::process::Signal::TERM);
    assert!(lines.next().unwrap().starts_with("stopping"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(lines.next(), None, "no exit ran");
}

#[test]
fn a_terminal_that_stands_still_does_not_stop_the_guest() {
    let target = format!("{}::probe.write", guest("hooks").display());
    // Nobody reads its standard error; `timeout` ends what would hang.
    let mut command = std::process::Command::new("timeout");
    command.arg("60").arg(wasmhost_command().get_program()).env("WASMHOST_CACHE_DIR", wasmhost_tests::cache_dir());
    command.args(["run", &target, "--mode", "", "--to", "stderr", "--lines", "400000", "--width", "100"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn trouble_with_the_cache_is_a_warning_unless_the_cache_was_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let not_a_dir = file.path().to_str().unwrap();
    let target = format!("{}::probe.echo", guest("cli").with_file_name("hooks.wasm").display());
    let call = [target.as_str(), "--mode", "", "--text", "x"];
    let ran = run(wasmhost_command().env("WASMHOST_CACHE_DIR", not_a_dir).arg("run").args(call));
    assert!(ran.stderr.contains("warning: cache directory"), "{ran:?}");
    assert_eq!(ran.ok(), "\"x\"\n");
    let asked = run(wasmhost_command().args(["run", "--cache-dir", not_a_dir]).args(call));
    assert_ne!(asked.code, Some(0));
    assert!(asked.stderr.contains("--no-cache"), "{asked:?}");
    assert_eq!(wasmhost(&[&["run", "--no-cache"], &call[..]].concat()).ok(), "\"x\"\n");
}
