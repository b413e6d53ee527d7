//! What holds in the end: the file over the section over the defaults, and the schema that says so.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::class::*;
use super::super::*;
use super::{EXAMPLE, class, parse, refusal, section};

#[test]
fn no_more_instances_are_kept_than_there_may_be() {
    assert!(
        refusal("min-instances = 5\nmax-instances = 4", ".min-instances").contains("`max-instances`, which is `4`")
    );
    assert!(refusal("buffer-instances = 5\nmax-instances = 4", ".buffer-instances").contains("`5` is more"));
    // The limit may also come from the other source, or from the default.
    let file = class("min-instances = 101");
    let error = ClassSettings::resolve("a", Some(&file), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "class `a`: min-instances: `101` is more than `max-instances`, which is `100`; raise that or lower this"
    );
    let section = ClassSection { max_instances: Some(MaxInstances::of(200)), ..ClassSection::default() };
    assert!(ClassSettings::resolve("a", Some(&file), Some(&section)).is_ok());
}

#[test]
fn a_mount_of_the_file_may_not_meet_the_tmp_of_the_component() {
    let file = class("mounts = [{ host = 'o', path = '/tmp' }]");
    let own = section(&json!({ "version": 1, "class": { "a": { "tmp": "1MiB" } } }));
    let error = ClassSettings::resolve("a", Some(&file), own.classes.get("a")).unwrap_err();
    assert_eq!(error.problems()[0].key, "mounts[0].path");
}

#[test]
fn the_file_wins_key_by_key_and_every_setting_knows_its_origin() {
    let file = class(
        "timeout = '9s'\nenv = { A = 'file' }\nallow-outbound = ['https://b']\nparameters = { max_size = 1 }\nhooks = { exit = false }\nmethod.m.arguments.x = 1",
    );
    let own = section(&json!({ "version": 1, "class": { "a": {
        "timeout": "5s", "memory": "1MiB", "env": { "A": "own", "B": "own" }, "allow-outbound": ["https://a", "https://c"],
        "parameters": { "max-size": 2, "bar": 3 }, "hooks": { "exit": "bye", "enter": "hello" },
        "method": { "m": { "arguments": { "x": 2, "y": 2 }, "web": "GET /" } },
    } } }));
    let settings = ClassSettings::resolve("a", Some(&file), own.classes.get("a")).unwrap();
    assert_eq!(settings.timeout, Duration::from_secs(9));
    assert_eq!(settings.memory_bytes, 1 << 20);
    assert_eq!(settings.env["A"], EnvValue::Text("file".into()));
    assert_eq!(settings.allow_outbound.len(), 1, "a list replaces a list");
    assert_eq!(settings.parameters, BTreeMap::from([("bar".into(), json!(3)), ("max-size".into(), json!(1))]));
    assert_eq!((settings.hooks.exit.as_deref(), settings.hooks.enter.as_deref()), (None, Some("hello")));
    for (key, origin) in [
        ("timeout", Origin::File),
        ("memory", Origin::Section),
        ("concurrency", Origin::Default),
        ("env.A", Origin::File),
        ("env.B", Origin::Section),
        ("parameters.max-size", Origin::File),
        ("parameters.bar", Origin::Section),
        ("hooks.exit", Origin::File),
        ("hooks.enter", Origin::Section),
        ("hooks.build", Origin::Default),
        ("method.m.web", Origin::Section),
        ("method.m.arguments.x", Origin::File),
        ("method.m.arguments.y", Origin::Section),
        ("env.NONE", Origin::Default),
    ] {
        assert_eq!(settings.origin(key), origin, "{key}");
    }
}

#[test]
fn what_nobody_sets_has_the_documented_default() {
    let settings = ClassSettings::resolve("a", None, None).unwrap();
    let listed: Vec<_> = settings.iter().map(|s| format!("{}={}", s.key, s.displayed())).collect();
    assert_eq!(
        listed,
        [
            "memory=256MiB",
            "build-timeout=2m",
            "enter-timeout=30s",
            "timeout=5m",
            "exit-timeout=30s",
            "min-instances=0",
            "buffer-instances=0",
            "max-instances=100",
            "idle-timeout=1m",
            "max-calls=none",
            "concurrency=1",
            "max-waiting=1000",
            "wait-timeout=30s",
            "snapshot=build",
            "hooks.build=build",
            "hooks.enter=enter",
            "hooks.exit=exit",
            "hooks.restore=restore",
            "files=[]",
            "mounts=[]",
            "allow-outbound=[]",
            "allow-calls=[]",
            "reuse=false",
            "tmp=none",
            "max-list=1000000",
            "cors=none",
            "default=false",
        ]
    );
    assert!(settings.iter().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn a_class_survives_being_written_as_json_and_read_again() {
    let mut manifest = parse(EXAMPLE).unwrap();
    let class = manifest.classes.remove("my-class").unwrap();
    let json = serde_json::to_string(&class).unwrap();
    assert_eq!(serde_json::from_str::<ClassSection>(&json).unwrap(), class);
}

#[test]
fn the_schema_describes_every_key_and_its_default() {
    let schema = schema();
    let class = &schema["definitions"]["ClassSection"]["properties"];
    for (key, property) in class.as_object().unwrap() {
        assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert_eq!(class["memory"]["default"], json!("256MiB"));
    assert_eq!(class["max-instances"]["maximum"], json!(100_000));
    assert_eq!(schema["required"], json!(["version", "component"]));
    let text = schema.to_string();
    assert!(!text.contains("null"), "TOML has no null: {text}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_not_utf8_can_be_listed() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    let path = Path::new(OsStr::from_bytes(b"/a\xff/wasmhost.toml"));
    let manifest = Manifest::parse(EXAMPLE, path).unwrap();
    let class = manifest.classes.get("my-class");
    let settings = ClassSettings::resolve("my-class", class, None).unwrap();
    assert!(settings.files[0].source.starts_with(OsStr::from_bytes(b"/a\xff")));
    assert!(settings.iter().any(|setting| setting.key == "files"));
}
