//! `wasmhost new`: each template as somebody makes it, follows its README, and tries it. All have one class, so one table of
//! calls holds for all of them.
//!
//! Projects in Rust are built into one folder below `target/`, where the SDK and its dependencies stay from one run to the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use wasmhost_tests::{Language, Ran, Server, is_full, root, run, wasmhost_command};

/// What the method takes, and what comes of it: a result, or an exit code and a part of what is said.
type Call = (&'static [&'static str], Result<&'static str, (i32, &'static str)>);

const CALLS: &[Call] = &[
    (&["--name", "world"], Ok("\"Hello, world!\"\n")),
    (&["--name", "Zoé", "--language", "fr"], Ok("\"Bonjour, Zoé!\"\n")),
    (&["--name", "world", "--language=de"], Ok("\"Hallo, world!\"\n")),
    (&["--name", ""], Err((1, "`greet` returned an error: \"nobody is there to greet\""))),
    (&["--name", "world", "--language", "xx"], Err((1, "\"there is no greeting in `xx`, only in de, en, es, fr\""))),
    (&["--language", "fr"], Err((2, "missing `--name`"))),
    (&["--nam", "world"], Err((2, "unknown option `--nam`; did you mean `--name`?"))),
];

/// A project below a folder that is made anew, inside the workspace and the repository of this one.
struct Project {
    name: &'static str,
    dir: PathBuf,
}

impl Project {
    fn make(template: &str, name: &'static str) -> Self {
        let dir = projects().join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir_all(projects()).unwrap();
        let told = run(wasmhost_command().current_dir(projects()).args(["new", name, "--template", template])).ok();
        assert!(told.starts_with(&format!("made `{name}` from the template `{template}`:\n")), "{told}");
        assert!(told.contains(&format!("\nnext:\n  cd {name}\n")), "{told}");
        assert!(told.ends_with("\n  wasmhost run . --name world\n"), "{told}");
        for line in told.lines().skip(1).take_while(|line| !line.is_empty()) {
            assert!(projects().join(line.trim()).is_file(), "{line}");
        }
        let leftover = "my-app my-crate my_crate path/to".split(' ');
        for (path, text) in texts(&dir) {
            assert!(leftover.clone().all(|word| !text.contains(word)), "{}: {text}", path.display());
        }
        Self { name, dir }
    }

    /// The same in Rust, built into the shared folder.
    fn make_rust(template: &str, name: &'static str) -> Self {
        let project = Self::make(template, name);
        let shared = projects().join("target");
        fs::create_dir_all(&shared).unwrap();
        std::os::unix::fs::symlink(shared, project.dir.join("target")).unwrap();
        project
    }

    fn wasmhost(&self, arguments: &[&str]) -> Ran {
        run(wasmhost_command().current_dir(&self.dir).args(arguments))
    }

    /// The first line that its makers type, and then all calls of the table.
    fn answers(&self) {
        let first = self.wasmhost(&["run", ".", "--name", "world"]);
        assert!(first.stderr.contains("said `Hello` 1 times"), "`exit` ran: {first:?}");
        assert_eq!(first.ok(), "\"Hello, world!\"\n");
        for (options, expected) in CALLS {
            let ran = self.wasmhost(&[&["run", "--no-build", ".::greeter.greet"], *options].concat());
            match expected {
                Ok(result) => assert_eq!(ran.ok(), *result, "{options:?}"),
                Err((code, says)) => {
                    let error = ran.failed(*code);
                    assert!(error.contains(says), "{options:?}: {error}");
                }
            }
        }
    }

    /// Runs the lines of the README that run something, and holds what it shows to what is printed.
    fn does_what_its_readme_says(&self) {
        let text = fs::read_to_string(self.dir.join("README.md")).unwrap();
        let mut runs = 0;
        for block in text.split("```console\n").skip(1) {
            let block = block.split("```").next().unwrap();
            for shown in block.split("$ ").filter(|shown| shown.starts_with("wasmhost run")) {
                let (line, printed) = shown.split_once('\n').unwrap();
                let mut words = line.split(' ').skip(1);
                let verb = words.next().unwrap();
                // Built it is, and a build that takes a second says so.
                let arguments: Vec<_> = [verb, "--no-build"].into_iter().chain(words).collect();
                let ran = self.wasmhost(&arguments);
                // The log may have something to say, too.
                let said = ran.stderr.lines().filter(|line| !line.starts_with(" WARN ")).chain(ran.stdout.lines());
                assert_eq!(said.collect::<Vec<_>>(), printed.lines().collect::<Vec<_>>(), "{line}");
                runs += 1;
            }
        }
        assert_eq!(runs, 4, "{text}");
    }

    /// What callers see of the class: its parameters and methods, without its types' spelling in one package or another.
    fn class(&self) -> Json {
        let report = self.wasmhost(&["inspect", "--json"]).ok();
        let report: Json = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["app"], report["classes"].as_array().unwrap().len()), (&self.name.into(), 1), "{report}");
        let class = &report["classes"][0];
        let mut seen: Json = ["name", "docs", "parameters", "methods"].map(|key| class[key].clone()).to_vec().into();
        // Its route is what one template is there for.
        seen[3][0].as_object_mut().unwrap().remove("web");
        let hooks = class["hooks"].as_array().unwrap().iter().map(|hook| hook["name"].as_str().unwrap());
        let mut hooks: Vec<_> = hooks.collect();
        hooks.sort_unstable();
        assert_eq!(hooks, ["build", "enter", "exit"]);
        seen
    }

    fn cargo(&self, arguments: &[&str]) {
        run(Command::new(env!("CARGO")).current_dir(&self.dir).args(arguments)).ok();
    }

    /// What whoever goes on from here expects of a crate.
    fn is_formatted_and_without_lints(&self) {
        // The settings of this repository, in which the project lies, are not those of its makers.
        self.cargo(&["fmt", "--check", "--", "--config", "max_width=100,use_small_heuristics=Default"]);
        let target = ["--release", "--target", "wasm32-wasip2", "--target-dir", "target"];
        self.cargo(&[&["clippy"], &target[..], &["--", "--deny", "warnings"]].concat());
    }
}

fn projects() -> PathBuf {
    root().join("target/new")
}

fn texts(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(texts(&path)),
            false => found.push((path.clone(), fs::read_to_string(path).unwrap())),
        }
    }
    found
}

#[test]
fn the_templates_in_rust_build_and_answer_alike() {
    let method = Project::make_rust("method", "hello");
    let web = Project::make_rust("web", "hello-web");
    for project in [&method, &web] {
        project.answers();
        project.does_what_its_readme_says();
        project.is_formatted_and_without_lints();
    }
    assert_eq!(method.class(), web.class());

    // The SDK's lock file lost what the project does not use, and no release in it changed.
    let lock = fs::read_to_string(method.dir.join("Cargo.lock")).unwrap();
    let of_sdk = fs::read_to_string(root().join("guest-sdk/Cargo.lock")).unwrap();
    let releases: Vec<_> = lock.split("\n\n").filter(|package| package.contains("\nchecksum = ")).collect();
    let strange: Vec<_> = releases.iter().filter(|package| !of_sdk.contains(package.trim())).collect();
    assert!(releases.len() > 10 && strange.is_empty(), "{strange:?}");
    assert!(!lock.contains("name = \"trybuild\""), "{lock}");

    let server = Server::ready([&web.dir]);
    for (path, status, body) in [
        ("/greet/world", "200", "Hello, world!"),
        ("/greet/world?language=es", "200", "Hola, world!"),
        ("/hello-web/greeter/greet/you", "200", "Hello, you!"),
        ("/greet/world?lang=es", "400", "did you mean `language`?"),
        ("/greet", "404", "not-found"),
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body), "{path}: {answer}");
    }
    let mut call = wasmhost_command();
    call.env("WASMHOST_DATA_DIR", server.data_dir()).args(["call", "hello-web", "--language", "de", "--name", "world"]);
    assert_eq!(run(&mut call).ok(), "\"Hallo, world!\"\n");
}

/// A name that is a word of Rust's, in a directory of another name.
#[test]
fn an_app_may_be_named_by_a_word_of_rust() {
    let dir = tempfile::tempdir().unwrap();
    let mut new = wasmhost_command();
    let told = run(new.current_dir(dir.path()).args(["new", "My App", "--name", "match"])).ok();
    assert!(told.contains("\n  cd 'My App'\n"), "{told}");
    let project = Project { name: "match", dir: dir.path().join("My App") };
    std::os::unix::fs::symlink(projects().join("target"), project.dir.join("target")).unwrap();
    fs::create_dir_all(projects().join("target")).unwrap();
    project.wasmhost(&["build"]).ok();
    assert_eq!(project.class()[0], "greeter");
}

/// Guests in these languages take half a minute to build, and for a snapshot they are compiled twice; so by default the
/// projects are only made.
#[test]
fn the_templates_in_python_and_javascript_answer_like_those_in_rust() {
    for (template, name, language) in
        [("python", "hello-python", Language::Python), ("javascript", "hello-js", Language::JavaScript)]
    {
        let project = Project::make(template, name);
        if is_full() && language.tools().is_some() {
            project.answers();
            let built = || fs::metadata(project.dir.join("greeter.wasm")).unwrap().modified().unwrap();
            let before = built();
            assert_eq!(project.wasmhost(&["run", ".", "--name", "world"]).ok(), "\"Hello, world!\"\n");
            assert_eq!(built(), before, "what is built anew needs a snapshot anew");
            project.does_what_its_readme_says();
            let rust = Project::make_rust("method", "hello-too");
            rust.wasmhost(&["build"]).ok();
            assert_eq!(project.class(), rust.class());
        }
    }
}

/// Components of these tools differ from one build to the next, and with each goes a snapshot; so only what has changed is
/// built. The tools are played by one that says that it ran.
#[test]
fn components_in_python_and_javascript_are_built_when_a_file_of_theirs_has_changed() {
    for (template, tool, sources) in [
        ("python", ".venv/bin/componentize-py", ["app.py", "requirements.txt", "wit/greeter.wit", "wit"].as_slice()),
        ("javascript", "npm", &["app.js", "package.json", "package-lock.json", "wit/greeter.wit", "wit"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("shop");
        run(wasmhost_command().current_dir(dir.path()).args(["new", "shop", "--template", template])).ok();
        let tool = app.join(tool);
        fs::create_dir_all(tool.parent().unwrap()).unwrap();
        fs::write(&tool, "#!/bin/sh\necho built >> builds\necho component > greeter.wasm\n").unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", tool.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let builds = || {
            run(wasmhost_command().current_dir(&app).env("PATH", &path).arg("build")).ok();
            fs::read_to_string(app.join("builds")).unwrap().lines().count()
        };
        let now = SystemTime::now();
        let change = |path: &str, hours_ago: u32| {
            let file = fs::File::open(app.join(path)).unwrap();
            file.set_modified(now - hours_ago * Duration::from_secs(3600)).unwrap();
        };

        sources.iter().for_each(|source| change(source, 2));
        assert_eq!([builds(), builds()], [1, 1], "{template}: without a component, and with one");
        for (before, source) in (1..).zip(sources) {
            change("greeter.wasm", 1);
            assert_eq!(builds(), before, "{template}: nothing is newer");
            change(source, 0);
            assert_eq!(builds(), before + 1, "{template}: `{source}` is newer");
            change(source, 2);
        }
        fs::remove_file(app.join("greeter.wasm")).unwrap();
        assert_eq!(builds(), sources.len() + 2, "{template}");
    }
}

/// What pins the toolchain and the tools of the examples pins those of new projects.
#[test]
fn new_projects_are_made_with_what_this_repository_is_tested_with() {
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    for (template, ours) in [
        ("rust/rust-toolchain.toml", "rust-toolchain.toml"),
        ("python/requirements.txt", "examples/parameterized-python/requirements.txt"),
    ] {
        assert_eq!(text(&format!("host/templates/{template}")), text(ours), "{template}");
    }
    let lock = text("examples/parameterized-js/package-lock.json").replace("parameterized-js", "my-app");
    assert_eq!(text("host/templates/javascript/package-lock.json"), lock);
    let tools = |path: &str| serde_json::from_str::<Json>(&text(path)).unwrap()["devDependencies"].clone();
    assert_eq!(tools("host/templates/javascript/package.json"), tools("examples/parameterized-js/package.json"));
}

#[test]
fn a_place_or_a_template_that_will_not_do_is_told_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/notes"), "mine").unwrap();
    let long = "a".repeat(31);
    let mistakes: [(&[&str], i32, &str); 9] = [
        (&["full"], 5, "the directory `full` is not empty; choose another path"),
        (&["full/notes"], 5, "`full/notes` is there already and no directory"),
        (&["full/notes/app"], 5, "full/notes/app"),
        (&["My_App"], 2, "use `my-app`; or give the app another name than the directory's with `--name`"),
        (&[&long], 2, "at most 30"),
        (&["app", "--name", "App"], 2, "use `app`"),
        (&["app", "--template", "pyton"], 2, "[possible values: method, web, python, javascript]"),
        (&["app", "--templat", "web"], 2, "--template"),
        (&[], 2, "<PATH>"),
    ];
    for (arguments, code, says) in mistakes {
        let error = run(wasmhost_command().current_dir(dir.path()).arg("new").args(arguments)).failed(code);
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert_eq!(texts(dir.path()).len(), 1, "nothing was made");
    let help = run(wasmhost_command().args(["new", "--help"])).ok();
    for template in ["method", "web", "python", "javascript"] {
        assert!(help.contains(&format!("\n  {template:<12}a class in ")), "{help}");
    }
}

#[test]
fn an_empty_directory_is_filled_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("shop");
    fs::create_dir(&here).unwrap();
    let told = run(wasmhost_command().current_dir(&here).args(["new", ".", "--template", "javascript"])).ok();
    assert!(told.starts_with("made `shop`") && !told.contains("cd "), "{told}");
    assert!(here.join("wit/greeter.wit").is_file());
    run(wasmhost_command().current_dir(&here).args(["new", "."])).failed(5);
}

#[test]
fn the_sdk_is_the_one_of_this_checkout_or_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("checkout/guest-sdk")).unwrap();
    fs::write(at("checkout/guest-sdk/Cargo.toml"), "[package]\nname = \"wasmhost-guest\"\n").unwrap();
    let new = |name: &str, sdk: &str| {
        let mut command = wasmhost_command();
        run(command.current_dir(dir.path()).env("WASMHOST_SDK", sdk).args(["new", name]))
    };
    let path = |name: &str| {
        let text = fs::read_to_string(at(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        PathBuf::from(manifest["dependencies"]["wasmhost-guest"]["path"].as_str().unwrap())
    };
    new("ours", "").ok();
    assert_eq!(path("ours"), root().join("guest-sdk").canonicalize().unwrap());
    new("theirs", "checkout/guest-sdk").ok();
    assert_eq!(path("theirs"), at("checkout/guest-sdk").canonicalize().unwrap());

    for (sdk, code, says) in [
        ("nowhere", 4, "`WASMHOST_SDK` is `nowhere`, where nothing is; it names the directory `guest-sdk`"),
        ("checkout", 2, "did you mean `checkout/guest-sdk`?"),
        ("ours", 2, "its `Cargo.toml` is not that of the crate `wasmhost-guest`"),
    ] {
        let error = new("app", sdk).failed(code);
        assert!(error.contains(says), "{error}");
    }
    assert!(!at("app").exists(), "nothing was made");
    let mut python = wasmhost_command();
    python.current_dir(dir.path()).env("WASMHOST_SDK", "nowhere").args(["new", "app", "--template", "python"]);
    run(&mut python).ok();
}

#[test]
fn a_build_command_whose_program_is_missing_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let tool = "wasmhost-has-no-such-compiler";
    let text = format!("version = 1\nname = \"t\"\n[component.a]\nsource = \"a.wasm\"\nbuild = \"{tool} a.src\"\n");
    fs::write(dir.path().join("wasmhost.toml"), text).unwrap();
    let error = run(wasmhost_command().args(["build"]).arg(dir.path())).failed(1);
    let expected = format!("component `a` needs `{tool}`, which is not installed or not on the `PATH`: `{tool} a.src`");
    assert!(error.contains(&expected), "{error}");
}
