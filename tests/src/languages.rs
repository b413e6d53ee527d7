//! Test guests in languages other than Rust. Their tools come from `cargo xtask test`; the guests themselves are made by the
//! first test that asks for one, and again when what they are made of has changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::{in_ci, root, run};

/// A language whose guests are made with a tool of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With componentize-py.
    Python,
    /// With componentize-js.
    JavaScript,
}

impl Language {
    /// Where `cargo xtask test` put the tools of this language; where they are missing it has named the suite as not run.
    pub fn tools(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Python => "WASMHOST_TEST_PY",
            Self::JavaScript => "WASMHOST_TEST_JS",
        };
        let dir = std::env::var_os(variable).map(PathBuf::from);
        assert!(dir.is_some() || !in_ci(), "CI runs every suite: `{variable}` is not set");
        dir
    }

    /// The component of the guest `name`, for this language's world of its WIT. `None` where the tools are missing.
    pub fn guest(self, name: &str) -> Option<PathBuf> {
        static MAKING: Mutex<()> = Mutex::new(());
        let tools = self.tools()?;
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let guests = root().join("tests/guests");
        let (suffix, app) = match self {
            Self::Python => ("python", "app.py"),
            Self::JavaScript => ("js", "app.js"),
        };
        let (folder, wit) = (guests.join(format!("{name}-{suffix}")), guests.join(name).join("wit"));
        let made = root().join("target/other-guests").join(format!("{name}-{suffix}.wasm"));
        let sources = [folder.join(app), wit.join("world.wit"), wit.join("deps")];
        if changed(&made).is_none_or(|made| sources.iter().any(|source| changed(source) > Some(made))) {
            std::fs::create_dir_all(made.parent().expect("it lies in a folder")).expect("a folder for guests");
            // Whole or not at all: a run that was stopped leaves nothing that looks made.
            let part = made.with_extension("part");
            run(self.command(&tools, &wit, &part).current_dir(folder)).ok();
            std::fs::rename(part, &made).expect("the tool has made it");
        }
        Some(made)
    }

    fn command(self, tools: &Path, wit: &Path, to: &Path) -> Command {
        match self {
            Self::Python => {
                let mut command = Command::new(tools.join("bin/componentize-py"));
                command.args(["--quiet", "--wit-path"]).arg(wit);
                command.args(["--world", "python", "componentize", "app", "--output"]).arg(to);
                // Compiled beside the sources it would look like one of them.
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Self::JavaScript => {
                let mut command = Command::new(tools.join("node_modules/.bin/componentize-js"));
                command.args(["app.js", "--world-name", "javascript", "--disable", "http", "fetch-event", "--wit"]);
                command.arg(wit).arg("--out").arg(to);
                command
            }
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
