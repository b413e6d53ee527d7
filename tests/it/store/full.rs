//! A cache on a disk that is full: what is not there cannot be kept, and that is told; what is there goes on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wasmhost_tests::{Server, TestHost, run, wasmhost_command};

use super::{BUILD, damage};

/// A file system in memory of its own, gone with this.
struct Disk(TempDir);

impl Disk {
    /// `None`, and a line that says so, where nobody may mount one.
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(dir));
        }
        let _ = writeln!(std::io::stderr(), "store: skipped, for no file system can be mounted here");
        None
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// Leaves so many bytes.
    fn fill(&self, left: u64) {
        let stat = rustix::fs::statvfs(self.0.path()).unwrap();
        let free = stat.f_bfree * stat.f_frsize;
        let mut file = fs::File::create(self.0.path().join("filler")).unwrap();
        let written = std::io::copy(&mut std::io::Read::take(std::io::repeat(1), free.saturating_sub(left)), &mut file);
        written.unwrap();
    }

    /// Leaves no room for another file.
    fn fill_with_files(&self) {
        let dir = self.0.path().join("fillers");
        fs::create_dir(&dir).unwrap();
        while fs::write(dir.join(fs::read_dir(&dir).unwrap().count().to_string()), "").is_ok() {}
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.path().join("filler"));
        let _ = fs::remove_dir_all(self.0.path().join("fillers"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also where something is still open on it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn target(host: &TestHost) -> String {
    format!("{}::read-file", host.manifest("hooks", BUILD).display())
}

/// The program, reading what `build` wrote.
fn reads(cache: &Path, target: &str) -> Command {
    let mut command = wasmhost_command();
    command.args(["run", "--no-build", "--cache-dir"]).arg(cache).args([target, "--mode", "a"]);
    command.args(["--path", "/image/built.txt"]);
    command
}

#[test]
fn a_cold_cache_on_a_full_disk_says_so_and_leaves_nothing_half_done() {
    let Some(disk) = Disk::new("size=32m") else { return };
    let host = TestHost::new();
    let target = target(&host);
    let (mut failed, mut went_well) = (0, 0);
    // Another step is the first that finds no room.
    for left_kib in [0, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384] {
        disk.fill(left_kib << 10);
        let ran = run(&mut reads(&disk.cache(), &target));
        if ran.code == Some(0) {
            went_well += 1;
        } else {
            let error = ran.failed(70);
            assert!(error.contains(disk.cache().to_str().unwrap()) && error.contains("`cache-dir`"), "{error}");
            assert!(error.contains("No space left on device"), "{left_kib} KiB: {error}");
            failed += 1;
        }
        disk.empty();
        let ran = run(&mut reads(&disk.cache(), &target));
        assert!(ran.ok().contains("written by build"), "{left_kib} KiB");
        let staging = fs::read_dir(disk.cache().join("artifacts/staging")).unwrap();
        let names: Vec<_> = staging.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["gate"], "{left_kib} KiB: what was begun is gone");
        assert_eq!(damage::files(&disk.cache())[&damage::Kind::Pack].len(), 1, "{left_kib} KiB");
        fs::remove_dir_all(disk.cache()).unwrap();
    }
    let _ = writeln!(std::io::stderr(), "store: {failed} runs had too little room, {went_well} had enough");
    assert!(failed > 3 && went_well > 0);
}

#[test]
fn a_warm_cache_on_a_full_disk_is_used_as_it_is() {
    for has_files in [true, false] {
        let Some(disk) = Disk::new(if has_files { "size=32m" } else { "size=32m,nr_inodes=200" }) else { return };
        let host = TestHost::new();
        let target = target(&host);
        let first = run(&mut reads(&disk.cache(), &target));
        assert!(first.stderr.contains("printed on stdout"), "{}", first.stderr);
        if has_files {
            disk.fill(0);
        } else {
            disk.fill_with_files();
        }
        let before = damage::files(&disk.cache());
        for _ in 0..2 {
            let ran = run(&mut reads(&disk.cache(), &target));
            assert!(!ran.stderr.contains("printed on stdout"), "it is not built again: {}", ran.stderr);
            assert!(ran.ok().contains("written by build"));
        }
        let server = Server::ready([
            "--cache-dir",
            disk.cache().to_str().unwrap(),
            host.dir().join("hooks/wasmhost.toml").to_str().unwrap(),
            "--no-build",
        ]);
        let mut call = wasmhost_command();
        call.env("WASMHOST_DATA_DIR", server.data_dir()).args(["call", "hooks/probe.read-file"]);
        let answer = run(call.args(["--mode", "a", "--path", "/image/built.txt"])).ok();
        assert!(answer.contains("written by build"), "{answer}\n{}", server.said());
        assert!(!server.said().contains("printed on stdout"), "{}", server.said());
        drop(server);
        assert_eq!(damage::files(&disk.cache()), before);
    }
}
