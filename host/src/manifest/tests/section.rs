//! What the section of a component may say, and how its documents are joined.

use std::time::Duration;

use serde_json::json;

use super::super::*;

#[test]
fn documents_of_a_section_are_joined_key_by_key() {
    let bytes = br#"{"version":1,"class":{"a":{"memory":"1MiB","env":{"X":"1"},"method":{"m":{"web":"GET /"}}}}}
        {"version":1,"class":{"a":{"timeout":"5s","env":{"Y":"2"},"method":{"m":{"arguments":{"n":null}}}},"b":{}}}"#;
    let Section { classes } = parse_section(bytes).unwrap();
    assert_eq!(classes.keys().collect::<Vec<_>>(), ["a", "b"]);
    let a = &classes["a"];
    assert_eq!(a.memory.unwrap().bytes(), 1 << 20);
    assert_eq!(a.timeout.unwrap().duration(), Duration::from_secs(5));
    assert_eq!(a.env.as_ref().unwrap().len(), 2);
    let method = &a.method.as_ref().unwrap()["m"];
    assert!(method.web.is_some());
    assert_eq!(method.arguments.as_ref().unwrap()["n"], json!(null));
    assert_eq!(parse_section(b" \n").unwrap(), Section::default());
}

#[test]
fn a_key_given_twice_in_a_section_is_refused() {
    for bytes in [
        r#"{"version":1,"class":{"a":{"memory":"1MiB"}}}{"version":1,"class":{"a":{"memory":"1MiB"}}}"#,
        r#"{"version":1,"class":{"a":{"memory":"1MiB","memory":"1MiB"}}}"#,
    ] {
        let error = parse_section(bytes.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "wasmhost:manifest: class.a.memory: given twice; keep one of them");
    }
    // The way to the second one leads through keys that stand twice themselves.
    let bytes = br#"{"version":1,"component":{"a":{}},"component":{"x":{"source":1}},"name":1,"name":2}"#;
    let error = parse_section(bytes).unwrap_err();
    let keys: Vec<_> = error.problems().iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["component", "component", "component.a.source", "name", "name", "name"]);
    // A default that is a table is one value, not settings to be joined.
    let bytes = r#"{"version":1,"class":{"a":{"parameters":{"p":{"x":1}}}}}{"version":1,"class":{"a":{"parameters":{"p":{"y":1}}}}}"#;
    assert_eq!(parse_section(bytes.as_bytes()).unwrap_err().problems()[0].key, "class.a.parameters.p");
}

#[test]
fn a_section_speaks_of_classes_only() {
    let own = json!({
        "version": 1, "name": "x", "component": {}, "rename": {},
        "class": { "a": {
            "mounts": [], "env": { "A": { "from": "B" } }, "files": [{ "source": "../x", "path": "/x" }],
        } },
    });
    let error = parse_section(own.to_string().as_bytes()).unwrap_err();
    let keys: Vec<_> = error.problems().iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["class.a.env.A.from", "class.a.files", "class.a.mounts", "component", "name", "rename"]);
    assert!(parse_section(br#"{"class":{}}"#).unwrap_err().to_string().contains("`version = 1`"));
    assert!(parse_section(b"[1]").unwrap_err().to_string().contains("document 1 is not a JSON object"));
    assert!(parse_section(br#"{"version":1} x"#).unwrap_err().to_string().contains("document 2 is not JSON"));
}
