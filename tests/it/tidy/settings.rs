//! The names of settings in errors: each is that of a flag, of a key of the manifest, or of a method of the builder, so that
//! whoever reads it finds it. A limit that has a flag goes by the flag's name and not by the builder's, which ends in a unit.

use super::{File, Violation, violation};

/// Where limits are named.
pub(super) const FOLDERS: &[&str] = &["host/src/pool", "host/src/service", "host/src/instance", "host/src/engine"];

const FLAGS: &str = "host/src/cli/args.rs";
const BUILDER: &str = "host/src/service.rs";
const SCHEMA: &str = "host/wasmhost.schema.json";

/// Names that no setting has, and such as have a better one.
pub(super) fn check(files: &[File], folders: &[&str]) -> Vec<Violation> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
    let (flags, builder, schema) = (text(FLAGS), text(BUILDER), text(SCHEMA));
    let is_flag = |name: &str| flags.contains(&format!("pub(super) {}:", name.replace('-', "_")));
    let is_key = |name: &str| schema.contains(&format!("\"{name}\": {{"));
    let is_method = |name: &str| builder.contains(&format!("pub fn {}(", name.replace('-', "_")));

    let mut found = Vec::new();
    for (file, at, name) in files.iter().filter(|file| is_among(&file.path, folders)).flat_map(named) {
        if is_flag(name) || is_key(name) {
            continue;
        }
        let shorter = name.rsplit_once('-').map(|(shorter, _unit)| shorter).filter(|shorter| is_flag(shorter));
        if let Some(flag) = shorter {
            found.push(violation(file, at, &format!("`{name}` is `--{flag}` to whoever can set it: name that")));
        } else if !is_method(name) {
            let message = format!("`{name}` is no flag, no key of the manifest and no method of the builder");
            found.push(violation(file, at, &message));
        }
    }
    found
}

fn is_among(path: &str, folders: &[&str]) -> bool {
    let is_in = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(['/', '.']));
    path.ends_with(".rs") && folders.iter().any(|folder| is_in(folder))
}

/// The names that are written out where an error is given its limit.
fn named(file: &File) -> impl Iterator<Item = (&File, usize, &str)> {
    const CALL: &str = "with_limit(";
    file.text.match_indices(CALL).filter_map(move |(at, _)| {
        let name = file.text[at + CALL.len()..].trim_start().strip_prefix('"')?.split('"').next()?;
        Some((file, at, name))
    })
}

#[cfg(test)]
mod tests {
    use super::super::of_itself::{assert_found, files};
    use super::*;

    #[test]
    fn names_that_nobody_can_set_are_found() {
        let errors = "a.with_limit(\"max-body\", b)\na.with_limit(\n\"memory\", b)\na.with_limit(\"max-handles\", b)\n\
                      a.with_limit(setting, b)\na.with_limit(\"per-second\", b)\na.with_limit(\"max-body-bytes\", b)\n";
        let files = files(&[
            (FLAGS, "    pub(super) max_body: Option<AnySize>,\n"),
            (BUILDER, "    pub fn max_handles(mut self)\n    pub fn max_body_bytes(mut self)\n"),
            (SCHEMA, "\"memory\": {\n"),
            ("host/src/pool/budget.rs", errors),
            ("host/src/pools.rs", errors),
        ]);
        let expected =
            ["host/src/pool/budget.rs:6: `per-second` is no flag", "host/src/pool/budget.rs:7: `max-body-bytes` is"];
        assert_found(&check(&files, &["host/src/pool"]), &expected);
    }
}
