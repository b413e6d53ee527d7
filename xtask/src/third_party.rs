//! Fetches the components that nobody here wrote, those of `tests/third-party.toml`, into `target/third-party/`.
//!
//! Each comes out of a crate of the public registry: as a file that the crate ships, or as one of its examples, built
//! from the crate's own source with the crate's own lock file. What is expected of them only the tests know, and they also
//! check what was fetched. Done again only when the list names something else or the compiler is another: the stamp
//! holds both and is written last.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::guests::TARGET;
use crate::repo;
use crate::run::{Cmd, step};

const LIST: &str = "tests/third-party.toml";

/// The folder they lie in, one folder for each crate: the tests look for them there, whatever cargo builds into.
const FOLDER: &str = "target/third-party";

/// Fetches what the list names, unless that was done before.
pub(crate) fn fetch() -> Result<()> {
    let list = fs::read_to_string(repo::root().join(LIST)).with_context(|| format!("cannot read `{LIST}`"))?;
    let packages = packages(&list)?;
    let folder = repo::root().join(FOLDER);
    let stamp = folder.join("wasmhost-stamp");
    let wanted = format!("{}\n{packages:#?}\n", Cmd::new("rustc").arg("--version").read()?);
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    step("fetch components that others wrote", || {
        packages.iter().try_for_each(|package| package.fetch(&folder))?;
        fs::write(&stamp, &wanted).context("cannot write the stamp")
    })
}

/// A crate of the registry, and what is wanted of it.
#[derive(Debug, Default, PartialEq)]
struct Package {
    name: String,
    version: String,
    files: Vec<String>,
    examples: Vec<String>,
}

impl Package {
    fn fetch(&self, folder: &Path) -> Result<()> {
        let into = folder.join(format!("{}-{}", self.name, self.version));
        fs::create_dir_all(&into).context("cannot make a folder for a fetched crate")?;
        let source = self.source(&into)?;
        for file in &self.files {
            let name = Path::new(file).file_name().with_context(|| format!("`{file}` names no file"))?;
            copy(&source.join(file), &into.join(name))?;
        }
        self.build_examples(&source, &into, &folder.join("build"))
    }

    /// Where cargo unpacked the crate, after it checked the checksum.
    ///
    /// Cargo unpacks nothing but dependencies, so a package that depends on the crate is made for it, and never built.
    fn source(&self, into: &Path) -> Result<PathBuf> {
        // Build metadata, as in `0.10.0+wasi-0.3.2`, is part of a version and not of a requirement.
        let requirement = self.version.split('+').next().unwrap_or_default();
        let asking = into.join("asking");
        let manifest = asking.join("Cargo.toml");
        let text = format!(
            "[package]\nname = \"asking\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             {} = {{ version = \"={requirement}\", default-features = false }}\n",
            self.name
        );
        fs::create_dir_all(asking.join("src")).context("cannot make a folder for a fetched crate")?;
        fs::write(asking.join("src/lib.rs"), "").context("cannot write an empty library")?;
        fs::write(&manifest, text).context("cannot write the manifest that asks for a crate")?;
        let manifest = repo::from_root(&manifest).to_string_lossy();
        Cmd::new("cargo")
            .args(["fetch", "--quiet", "--target", TARGET, "--manifest-path"])
            .arg(manifest.clone())
            .run()?;
        let metadata = Cmd::new("cargo")
            .args(["metadata", "--format-version", "1", "--filter-platform", TARGET, "--manifest-path"])
            .arg(manifest)
            .read()?;
        unpacked(&metadata, &self.name, &self.version)
    }

    fn build_examples(&self, source: &Path, into: &Path, build: &Path) -> Result<()> {
        if self.examples.is_empty() {
            return Ok(());
        }
        // Started in our root and not in the crate's, so that the crate's choice of a toolchain counts for nothing.
        Cmd::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET, "--manifest-path"])
            .arg(source.join("Cargo.toml").to_string_lossy())
            .arg("--target-dir")
            .arg(repo::from_root(build).to_string_lossy())
            .args(self.examples.iter().flat_map(|example| ["--example", example]))
            .run()?;
        let made = build.join(TARGET).join("release/examples");
        for example in &self.examples {
            // An example that is a library is named as Rust names crates.
            let names = [example.clone(), example.replace('-', "_")].map(|name| made.join(format!("{name}.wasm")));
            let from = names.iter().find(|path| path.is_file());
            let from = from.with_context(|| format!("the example `{example}` of `{}` made no component", self.name))?;
            copy(from, &into.join(format!("{example}.wasm")))?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy `{}`", from.display()))
}

/// The folder of a crate in the output of `cargo metadata`, which is one line of JSON.
fn unpacked(metadata: &str, name: &str, version: &str) -> Result<PathBuf> {
    let end = format!("{name}-{version}/Cargo.toml");
    let paths = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let found = paths.map(Path::new).find(|path| path.ends_with(&end)).and_then(Path::parent);
    found.map(Path::to_owned).with_context(|| {
        format!("cargo did not unpack `{name}` {version}; is that the whole version, with what stands behind `+`?")
    })
}

/// What the list wants of each crate.
///
/// Of TOML this knows what the list needs, so that xtask stays without a parser: the keys that matter here stand behind
/// `[[component]]`, each on a line, with a plain string. A list that was written in another way is refused, here or by the
/// tests, which read it in full and look for each component.
fn packages(list: &str) -> Result<Vec<Package>> {
    let mut packages: Vec<Package> = Vec::new();
    for table in list.split("\n[[component]]\n").skip(1) {
        let keys = table.lines().take_while(|line| !line.starts_with('['));
        let value = |wanted: &str| -> Result<Option<String>> {
            let Some(value) = keys.clone().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(" = ")) else {
                return Ok(None);
            };
            let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            match plain.filter(|plain| !plain.contains(['"', '\\'])) {
                Some(plain) => Ok(Some(plain.to_owned())),
                None => bail!("`{LIST}`: `{wanted} = {value}` is no plain string that ends its line"),
            }
        };
        let (Some(name), Some(version)) = (value("crate")?, value("version")?) else {
            bail!("`{LIST}`: a component lacks its `crate` or `version`:\n{table}");
        };
        let (file, example) = (value("file")?, value("example")?);
        ensure!(
            file.is_some() != example.is_some(),
            "`{LIST}`: a component of `{name}` needs a `file` or an `example`"
        );
        let known = packages.iter().position(|package| package.name == name && package.version == version);
        let index = known.unwrap_or_else(|| {
            packages.push(Package { name, version, ..Package::default() });
            packages.len() - 1
        });
        packages[index].files.extend(file);
        packages[index].examples.extend(example);
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_one_crate_are_fetched_together() {
        let list = "# A list.\n\n[[component]]\ncrate = \"a\"\nversion = \"1.0.0\"\nfile = \"x/y.wasm\"\n\n\
                    [component.class.api]\nexample = 7\n\n[[component]]\ncrate = \"b\"\nversion = \"0.1.0+wasi\"\n\
                    example = \"z\"\n\n[[component]]\ncrate = \"a\"\nversion = \"1.0.0\"\nexample = \"e\"\n";
        let package = |name: &str, version: &str, files: &[&str], examples: &[&str]| {
            let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Package {
                name: name.to_owned(),
                version: version.to_owned(),
                files: strings(files),
                examples: strings(examples),
            }
        };
        let expected = [package("a", "1.0.0", &["x/y.wasm"], &["e"]), package("b", "0.1.0+wasi", &[], &["z"])];
        assert_eq!(packages(list).unwrap(), expected);
    }

    #[test]
    fn what_this_reader_would_misread_is_refused() {
        let component = |lines: &str| packages(&format!("\n[[component]]\n{lines}")).unwrap_err().to_string();
        let error = component("crate = \"a\"\nversion = \"1\" # newest\nfile = \"f\"\n");
        assert!(error.contains("`version = \"1\" # newest` is no plain string"), "{error}");
        assert!(component("crate = \"a\"\nfile = \"f\"\n").contains("`version`"));
        assert!(component("crate = \"a\"\nversion = \"1\"\n").contains("needs a `file` or an `example`"));
    }

    #[test]
    fn a_crate_is_found_by_its_name_and_whole_version() {
        let metadata =
            r#"[{"name":"xa","manifest_path":"/r/xa-1.0.0/Cargo.toml"},{"manifest_path":"/r/a-1.0.0+w/Cargo.toml"}]"#;
        assert_eq!(unpacked(metadata, "a", "1.0.0+w").unwrap(), Path::new("/r/a-1.0.0+w"));
        assert!(unpacked(metadata, "a", "1.0.0").is_err());
    }
}
