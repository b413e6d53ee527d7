//! Chromium, in which tests read pages. It is the one tool that comes from the system and not from what is pinned here.

use anyhow::{Result, ensure};

use crate::run::{Cmd, step};

/// The suites that need it, as the closing summary names them.
pub(crate) const SUITES: &str = "pages in a browser";

/// Looks for it on `PATH`, and where `may_install` installs it first, from Debian's packages, if this user can.
///
/// # Errors
///
/// If it is not there: then the suites cannot run.
pub(crate) fn ensure(may_install: bool) -> Result<()> {
    if may_install && !is_on_path("chromium") && is_on_path("apt-get") && Cmd::new("id").arg("-u").read()? == "0" {
        step("install chromium", || INSTALL.iter().try_for_each(|line| apt_get(line).run()))?;
    }
    ensure!(is_on_path("chromium"), "`chromium` is not on PATH; on Debian it is in the package `chromium`");
    Ok(())
}

const INSTALL: [&[&str]; 2] = [&["update"], &["install", "-y", "--no-install-recommends", "chromium"]];

fn apt_get(arguments: &[&str]) -> Cmd {
    // Nobody is there to answer a question.
    Cmd::new("apt-get").args(arguments.iter().copied()).env("DEBIAN_FRONTEND", "noninteractive")
}

/// Whether there is such a program.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_installed_without_a_question_and_without_what_it_merely_recommends() {
        let lines = INSTALL.map(|line| apt_get(line).to_string());
        assert_eq!(
            lines,
            [
                "DEBIAN_FRONTEND=noninteractive apt-get update",
                "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium",
            ]
        );
    }

    #[test]
    fn a_program_is_looked_for_by_its_name() {
        assert!(is_on_path("cargo") && !is_on_path("wasmhost-has-no-such-tool"));
    }
}
