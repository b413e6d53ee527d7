//! Chromium, which reads pages as people's browsers do.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::{SOON, in_ci};

/// A browser without a window.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
}

/// Ended when it is given up.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Browser {
    /// The browser of this machine; where there is none, `cargo xtask test` has named its suite as not run.
    #[must_use]
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.is_file());
        assert!(program.is_some() || !in_ci(), "CI runs every suite: `chromium` is not on PATH");
        program.map(|program| Self { program })
    }

    /// Loads a page, lets it run until nothing comes from the network any more and `virtual_ms` of its own time have passed,
    /// and gives its document as it is then.
    ///
    /// # Panics
    ///
    /// If there is none soon.
    #[must_use]
    pub fn document(&self, url: &str, virtual_ms: u32) -> String {
        let dir = tempfile::tempdir().expect("a folder for the browser");
        let [said, told] = ["stdout", "stderr"].map(|name| dir.path().join(name));
        let create = |path| Stdio::from(File::create(path).expect("a file for what it prints"));
        let mut command = Command::new(&self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-sync", "--dump-dom", &format!("--virtual-time-budget={virtual_ms}")]);
        command.arg(format!("--user-data-dir={}", dir.path().join("profile").display())).arg(url);
        // Files, because processes of the browser's own could hold pipes open when it has ended.
        command.stdin(Stdio::null()).stdout(create(&said)).stderr(create(&told));
        let mut running = Running(command.spawn().expect("the browser starts"));
        let start = Instant::now();
        let status = loop {
            if let Some(status) = running.0.try_wait().expect("it is a child of ours") {
                break status;
            }
            let told = || std::fs::read_to_string(&told).unwrap_or_default();
            assert!(start.elapsed() < SOON, "the browser does not end: {}", told());
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        };
        let read = |path| std::fs::read_to_string(path).expect("it prints UTF-8");
        assert!(status.success(), "the browser failed ({status}): {}", read(told));
        read(said)
    }
}
