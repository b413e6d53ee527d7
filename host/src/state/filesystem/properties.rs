//! Random changes of a bounded directory, compared with what a walk through it finds: nothing is counted twice, nothing is
//! forgotten, and the bound is never passed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::change::{At, Change, Opening};
use super::ledger::{Bound, Charge, Limit, NAME_BYTES};
use super::tree::{Tree, measure};
use crate::config::OutputLimits;
use crate::state::output::{Output, OutputOrigin, TracingOutput};

const BOUND: Bound =
    Bound { bytes: Limit { most: 8 * NAME_BYTES, setting: "tmp" }, files: Limit { most: 6, setting: "max-tmp-files" } };

/// A bounded directory, and what a guest has open there.
pub(super) struct Sandbox {
    home: TempDir,
    root: Dir,
    pub(super) tree: Arc<Tree>,
    open: Vec<Arc<File>>,
}

impl Sandbox {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root =
            Dir::new(File::open(home.path()).unwrap(), FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE, false);
        let output = Output::new(OutputOrigin::default(), Arc::new(TracingOutput), OutputLimits::default());
        let tree = Tree::new(root.dir.clone(), home.path(), BOUND, "/tmp", output).unwrap();
        Self { home, root, tree, open: Vec::new() }
    }

    fn change<T>(&self, change: impl FnOnce(&Change<'_>, &Dir) -> T) -> T {
        self.tree.change_now(|made| change(made, &self.root))
    }

    fn open(&mut self, path: &str, open_flags: OpenFlags) -> FsResult<()> {
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let opening = Opening { path_flags: PathFlags::SYMLINK_FOLLOW, path: path.to_owned(), open_flags, flags };
        if let Descriptor::File(file) = self.change(|change, root| change.open(root, opening))? {
            self.open.push(file.file);
        }
        Ok(())
    }

    /// Creates a file, open in the hands of the test.
    pub(super) fn create(&mut self, path: &str) -> Arc<File> {
        self.open(path, OpenFlags::CREATE).unwrap();
        self.open.pop().unwrap()
    }

    /// The bytes that one file may have.
    pub(super) fn room_bytes(&self) -> usize {
        usize::try_from(BOUND.bytes.most - self.tree.used().names.max(1) * NAME_BYTES).unwrap()
    }

    /// What is there, by a walk and by asking what is open without a name.
    fn found(&self) -> Charge {
        let mut found = measure(self.home.path()).unwrap();
        let mut seen = Vec::new();
        for file in &self.open {
            let metadata = file.metadata().unwrap();
            if metadata.nlink() == 0 && !seen.contains(&metadata.ino()) {
                seen.push(metadata.ino());
                found.bytes += metadata.len();
                found.names += 1;
            }
        }
        found
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open(&'static str, bool, bool),
    Close(usize),
    Write(usize, At, usize),
    SetSize(usize, u64),
    CreateDirectory(&'static str),
    Symlink(&'static str, &'static str),
    Link(&'static str, &'static str),
    Rename(&'static str, &'static str),
    Unlink(&'static str),
    RemoveDirectory(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(vec!["a", "b", "c", "d", "d/a", "d/b", "e"]);
    let at = prop_oneof![(0..3 * NAME_BYTES).prop_map(At::Offset), Just(At::End), Just(At::Offset(u64::MAX))];
    let bytes = 0..usize::try_from(3 * NAME_BYTES).unwrap();
    prop_oneof![
        5 => (path(), any::<bool>(), any::<bool>()).prop_map(|(path, creates, cuts)| Step::Open(path, creates, cuts)),
        2 => any::<usize>().prop_map(Step::Close),
        5 => (any::<usize>(), at, bytes).prop_map(|(file, at, bytes)| Step::Write(file, at, bytes)),
        2 => (any::<usize>(), prop_oneof![0..4 * NAME_BYTES, Just(1 << 62)]).prop_map(|(file, to)| Step::SetSize(file, to)),
        2 => path().prop_map(Step::CreateDirectory),
        1 => (path(), path()).prop_map(|(target, path)| Step::Symlink(target, path)),
        2 => (path(), path()).prop_map(|(path, new)| Step::Link(path, new)),
        3 => (path(), path()).prop_map(|(path, new)| Step::Rename(path, new)),
        3 => path().prop_map(Step::Unlink),
        1 => path().prop_map(Step::RemoveDirectory),
    ]
}

fn run(sandbox: &mut Sandbox, step: Step) {
    let file = |sandbox: &Sandbox, at: usize| sandbox.open.get(at % sandbox.open.len().max(1)).cloned();
    // Whether it could be done is the file system's affair; whether it was counted is ours.
    match step {
        Step::Open(path, creates, cuts) => {
            let create = if creates { OpenFlags::CREATE } else { OpenFlags::empty() };
            let cut = if cuts { OpenFlags::TRUNCATE } else { OpenFlags::empty() };
            let _ = sandbox.open(path, create | cut);
        }
        Step::Close(at) if !sandbox.open.is_empty() => drop(sandbox.open.swap_remove(at % sandbox.open.len())),
        Step::Close(_) => {}
        Step::Write(at, place, bytes) => {
            let _ =
                file(sandbox, at).map(|file| sandbox.change(|change, _| change.write(&file, place, &vec![7; bytes])));
        }
        Step::SetSize(at, bytes) => {
            let _ = file(sandbox, at).map(|file| sandbox.change(|change, _| change.set_size(&file, bytes)));
        }
        Step::CreateDirectory(path) => {
            let _ = sandbox.change(|change, root| change.create_directory(root, path.to_owned()));
        }
        Step::Symlink(target, path) => {
            let _ = sandbox.change(|change, root| change.symlink(root, target.to_owned(), path.to_owned()));
        }
        Step::Link(path, new) => {
            let (path, new) = (path.to_owned(), new.to_owned());
            let _ = sandbox.change(|change, root| change.link(PathFlags::empty(), (root, path), (root, new)));
        }
        Step::Rename(path, new) => {
            let (path, new) = (path.to_owned(), new.to_owned());
            let _ = sandbox.change(|change, root| change.rename((root, path), (root, new)));
        }
        Step::Unlink(path) => {
            let _ = sandbox.change(|change, root| change.unlink(root, path.to_owned()));
        }
        Step::RemoveDirectory(path) => {
            let _ = sandbox.change(|change, root| change.remove_directory(root, path.to_owned()));
        }
    }
}

proptest! {
    #[test]
    fn what_is_counted_is_what_a_walk_finds(steps in prop::collection::vec(step(), 1..60)) {
        let mut sandbox = Sandbox::new();
        for step in steps {
            run(&mut sandbox, step.clone());
            let found = sandbox.found();
            prop_assert_eq!(sandbox.tree.used(), found, "{:?}", step);
            prop_assert!(found.names <= BOUND.files.most, "{:?}", found);
            prop_assert!(found.bytes + found.names * NAME_BYTES <= BOUND.bytes.most, "{:?}", found);
        }
    }
}

fn is_full<T>(result: FsResult<T>) -> bool {
    result.err().and_then(|error| error.downcast().ok()) == Some(ErrorCode::InsufficientSpace)
}

#[test]
fn what_is_freed_can_be_used_again() {
    let mut sandbox = Sandbox::new();
    let room = sandbox.room_bytes() as u64;
    for _ in 0..3 {
        let file = sandbox.create("a");
        sandbox.change(|change, _| change.set_size(&file, room)).unwrap();
        assert!(is_full(sandbox.open("b", OpenFlags::CREATE)));
        sandbox.change(|change, root| change.unlink(root, "a".to_owned())).unwrap();
        assert!(is_full(sandbox.open("b", OpenFlags::CREATE)), "it is still open");
        drop(file);
    }
    assert_eq!(sandbox.tree.used(), Charge::default());
}

#[test]
fn a_write_that_does_not_fit_is_cut_and_the_next_one_refused() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.create("a");
    let room = sandbox.room_bytes();
    let (written, result) = sandbox.change(|change, _| change.write_all(&file, At::End, &vec![1; room + 1]));
    assert_eq!((written, result.unwrap_err().kind()), (room, std::io::ErrorKind::StorageFull));
    let over = sandbox.change(|change, _| change.write(&file, At::Offset(0), &[2; 10])).unwrap();
    assert_eq!(over, 10, "what is there can be written over");
}

#[test]
fn a_gap_costs_what_its_bytes_would() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.create("a");
    let far = At::Offset(BOUND.bytes.most);
    let error = sandbox.change(|change, _| change.write(&file, far, &[1])).unwrap_err();
    assert_eq!((error.kind(), file.metadata().unwrap().len()), (std::io::ErrorKind::StorageFull, 0));
}

#[test]
fn what_a_directory_held_before_is_charged_for() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    fs::write(home.path().join("d/a"), "12345").unwrap();
    fs::hard_link(home.path().join("d/a"), home.path().join("b")).unwrap();
    std::os::unix::fs::symlink("b", home.path().join("c")).unwrap();
    assert_eq!(measure(home.path()).unwrap(), Charge { bytes: 5, names: 4 });
}
