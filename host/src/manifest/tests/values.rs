//! What is said of a value that does not fit.

use super::{class, problems, refusal, with_class};

#[test]
fn a_number_without_a_unit_is_refused_with_an_example() {
    assert_eq!(
        refusal("memory = 268435456", ".memory"),
        "`268435456` has no unit; a size is written like `\"256MiB\"`"
    );
    assert_eq!(refusal("timeout = 30", ".timeout"), "`30` has no unit; a duration is written like `\"30s\"`");
    assert!(refusal("timeout = 1.5", ".timeout").contains("`1.5` has no unit"));
    assert!(refusal("tmp = '64'", ".tmp").contains("`64` has no unit"));
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    assert_eq!(refusal("memroy = '1MiB'", ".memroy"), "unknown key `memroy`; did you mean `memory`?");
    assert_eq!(refusal("max_calls = 5", ".max_calls"), "unknown key `max_calls`; did you mean `max-calls`?");
    let message = refusal("hooks = { colour = 'x' }", ".hooks.colour");
    assert_eq!(message, "unknown key `colour`; known are `build`, `enter`, `exit`, `restore`");
    assert!(!refusal("colour = 1", ".colour").contains("`cpu`"));
    assert!(refusal("snapshot = 'bild'", ".snapshot").contains("did you mean `build`?"));
}

#[test]
fn a_wrong_type_says_what_was_expected_and_what_was_found() {
    for (setting, key, expected, found) in [
        ("memory = true", ".memory", "a size such as `\"256MiB\"`", "`true`"),
        ("timeout = ['30s']", ".timeout", "a duration", "a list"),
        ("max-instances = 'many'", ".max-instances", "a whole number", "the string `many`"),
        ("max-instances = 1.5", ".max-instances", "a whole number", "the number `1.5`"),
        ("min-instances = 'x'", ".min-instances", "a number, or a list", "the string `x`"),
        ("max-calls = {}", ".max-calls", "a range such as `\"50..100\"`", "a table"),
        ("snapshot = 1", ".snapshot", "`\"build\"` or `\"enter\"` or `\"off\"`", "the number `1`"),
        ("reuse = 1", ".reuse", "`true` or `false`", "the number `1`"),
        ("hooks = true", ".hooks", "`false`, or a table", "`true`"),
        ("hooks = { exit = 1 }", ".hooks.exit", "a function, or `false`", "the number `1`"),
        ("env = { A = 1 }", ".env.A", "a text, or `{ from", "the number `1`"),
        ("cors = 'https://a'", ".cors", "`\"*\"`, or a list", "the string `https://a`"),
        ("files = {}", ".files", "a list", "a table"),
        ("files = ['a']", ".files[0]", "a table", "the string `a`"),
        ("method = 1", ".method", "a table", "the number `1`"),
    ] {
        let message = refusal(setting, key);
        assert!(message.starts_with("expected ") && message.contains(expected), "{setting}: {message}");
        assert!(message.ends_with(&format!("not {found}")), "{setting}: {message}");
    }
}

#[test]
fn a_value_out_of_range_is_told_the_limits() {
    for (setting, key, limits) in [
        ("memory = '1KiB'", ".memory", "at least `64KiB`, at most `4GiB`"),
        ("memory = '5GiB'", ".memory", "at least `64KiB`, at most `4GiB`"),
        ("timeout = '0s'", ".timeout", "at least `1ms`, at most `1d`"),
        ("build-timeout = '25h'", ".build-timeout", "at least `1ms`, at most `1d`"),
        ("idle-timeout = '31d'", ".idle-timeout", "at least `1ms`, at most `30d`"),
        ("max-instances = 0", ".max-instances", "at least `1`, at most `100000`"),
        ("concurrency = 1001", ".concurrency", "at least `1`, at most `1000`"),
        ("max-waiting = -1", ".max-waiting", "at least `0`, at most `1000000`"),
        ("max-calls = 0", ".max-calls", "at least `1`"),
        ("max-list = 0", ".max-list", "at least `1`, at most `100000000`"),
        ("min-instances = -1", ".min-instances", "at least `0`"),
        ("min-instances = [{ parameters = {}, count = 0 }]", ".min-instances[0].count", "at least `1`"),
    ] {
        let message = refusal(setting, key);
        assert!(message.contains("out of range") && message.contains(limits), "{setting}: {message}");
    }
    for setting in ["max-calls = '100..50'", "max-calls = '0..5'", "max-calls = '5'", "max-calls = '+1..2'"] {
        assert!(refusal(setting, ".max-calls").contains("the smaller first"), "{setting}");
    }
}

#[test]
fn cpu_is_refused_with_what_to_use_instead() {
    for setting in ["cpu = 2", "cpu = '50%'", "cpu = {}"] {
        let message = refusal(setting, ".cpu");
        assert!(message.contains("`timeout`") && message.contains("`max-instances`"), "{message}");
    }
}

#[test]
fn one_path_in_the_guest_has_one_occupant() {
    let twice = "files = [{ source = 'a', path = '/a' }, { source = 'b', path = '/a' }]";
    assert!(refusal(twice, ".files[1].path").contains("`/a` is taken by a file already"));
    let below = "files = [{ source = 'a', path = '/out/a' }]\nmounts = [{ host = 'o', path = '/out' }]";
    let found = problems(&with_class(below));
    assert_eq!((found[0].0, found[0].1.as_str()), (Some(5), "class.a.mounts[0].path"));
    let nested = class("mounts = [{ host = 'o', path = '/out' }, { host = 'p', path = '/out/p' }]");
    assert_eq!(nested.mounts.unwrap().len(), 2);
    assert!(refusal("mounts = [{ host = 'o', path = '/tmp' }]\ntmp = '1MiB'", ".mounts[0].path").contains("`tmp`"));
    for path in ["a", "/", "/a/../b", "/a/"] {
        refusal(&format!("files = [{{ source = 'a', path = '{path}' }}]"), ".files[0].path");
    }
}

#[test]
fn a_bad_route_names_the_position() {
    let message = refusal("method.b.web = 'GET /{*rest}/a'", ".method.b.web");
    assert!(message.contains("at character 13, nothing may follow"), "{message}");
    let message = refusal("method = { b.web = 'GET /{x}', c.web = 'GET /{y}' }", ".method.c.web");
    assert!(message.contains("same requests as the route of `b`"), "{message}");
}

#[test]
fn two_spellings_of_one_name_are_refused() {
    assert!(refusal("parameters = { a_b = 1, a-b = 2 }", ".parameters.a_b").contains("same name as `a-b`"));
}

#[test]
fn a_date_has_no_place_in_a_default() {
    assert!(refusal("parameters = { when = 2020-01-01 }", ".parameters.when").contains("write it as a string"));
    assert!(refusal("parameters = { x = nan }", ".parameters.x").contains("`\"NaN\"`"));
    assert!(refusal("parameters = { x = [inf] }", ".parameters.x[0]").contains("`\"Infinity\"`"));
}
