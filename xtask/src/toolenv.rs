//! The tools of the guest languages other than Rust, installed under `target/` from what the examples pin.
//!
//! Making one takes a minute and a package registry, so it is made again only when the pinned text or the language's
//! own version has changed: the stamp inside holds both, word for word, and is written last.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::repo;
use crate::run::{Cmd, step};

/// Where one guest language's tools come from, and where they go.
pub(crate) struct ToolEnv {
    /// The suites that need it, as the closing summary names them.
    pub(crate) suites: &'static str,
    /// The variable that tells the tests where it lies.
    pub(crate) variable: &'static str,
    /// The folder under `target/`.
    folder: &'static str,
    /// Where its programs are, inside the folder.
    programs: &'static str,
    /// The program that installs it, asked for its version.
    installer: &'static str,
    /// The files that pin it; one that does not exist pins nothing.
    pins: &'static [&'static str],
    install: fn(&Path, &[&str]) -> Result<()>,
}

/// All of them.
pub(crate) const TOOL_ENVS: &[ToolEnv] = &[
    ToolEnv {
        suites: "Python guests",
        variable: "WASMHOST_TEST_PY",
        folder: "py",
        programs: "bin",
        installer: "python3",
        pins: &["examples/parameterized-python/requirements.txt"],
        install: install_python,
    },
    ToolEnv {
        suites: "JavaScript guests",
        variable: "WASMHOST_TEST_JS",
        folder: "js",
        programs: "node_modules/.bin",
        installer: "npm",
        pins: &["examples/parameterized-js/package.json", "examples/parameterized-js/package-lock.json"],
        install: install_js,
    },
];

impl ToolEnv {
    /// Makes it, unless it stands as pinned already.
    ///
    /// # Errors
    ///
    /// If the installer is missing or fails: then the suites cannot run.
    pub(crate) fn ensure(&self) -> Result<()> {
        let version = Cmd::new(self.installer).arg("--version").read()?;
        let wanted = self.wanted(&version)?;
        let stamp = self.dir().join("wasmhost-stamp");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(());
        }
        step(&format!("install the tools for {}", self.suites), || {
            if self.dir().exists() {
                fs::remove_dir_all(self.dir()).context("cannot remove the outdated tools")?;
            }
            fs::create_dir_all(self.dir()).context("cannot make a folder for the tools")?;
            (self.install)(&self.dir(), self.pins)?;
            fs::write(&stamp, &wanted).context("cannot write the stamp")
        })
    }

    /// Where it lies.
    pub(crate) fn dir(&self) -> PathBuf {
        repo::target_dir().join(self.folder)
    }

    /// Where its programs lie.
    pub(crate) fn programs_dir(&self) -> PathBuf {
        self.dir().join(self.programs)
    }

    fn wanted(&self, version: &str) -> Result<String> {
        let mut wanted = format!("{} {version}\n", self.installer);
        let mut pinned = false;
        for pin in self.pins {
            if let Ok(text) = fs::read_to_string(repo::root().join(pin)) {
                wanted += &format!("--- {pin}\n{text}");
                pinned = true;
            }
        }
        anyhow::ensure!(pinned, "no file pins the tools for {}: expected `{}`", self.suites, self.pins[0]);
        Ok(wanted)
    }
}

fn install_python(dir: &Path, pins: &[&str]) -> Result<()> {
    Cmd::new("python3").args(["-m", "venv"]).arg(repo::from_root(dir).to_string_lossy()).run()?;
    let pip = Cmd::new(dir.join("bin/python")).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pins.iter().fold(pip, |pip, pin| pip.args(["--requirement", pin])).run()
}

fn install_js(dir: &Path, pins: &[&str]) -> Result<()> {
    let mut locked = false;
    for pin in pins {
        let from = repo::root().join(pin);
        let name = from.file_name().expect("a pin names a file");
        // npm installs beside the file that asks for it, so the files go where the tools shall be.
        if from.exists() {
            fs::copy(&from, dir.join(name)).with_context(|| format!("cannot copy `{pin}`"))?;
            locked |= name == "package-lock.json";
        }
    }
    // Only `ci` refuses to deviate from the lock file, and only it needs one.
    let verb = if locked { "ci" } else { "install" };
    Cmd::new("npm")
        .args([verb, "--no-audit", "--no-fund", "--prefix"])
        .arg(repo::from_root(dir).to_string_lossy())
        .run()
}
