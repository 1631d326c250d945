//! What several test files need: a temporary tree, and running a test as somebody who is not root.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use file_tree::walk::{Crossing, Options, Source, Walk, WalkedDir};
use file_tree::{Dir, Filter};

/// The user that stands for anybody.
pub const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns whether the calling test is to go on. As root, runs it again as nobody in another process instead.
pub fn is_nobody_or_ran_as_nobody(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let program = std::env::current_exe().expect("the test's own path is known");
    // Nobody need not be able to reach the build directory.
    let copy = tempfile::tempdir().expect("a directory can be made");
    allow_all(copy.path());
    let reachable = copy.path().join("test");
    std::fs::copy(program, &reachable).expect("the test can be copied");
    allow_all(&reachable);
    let user = format!("--reuid={NOBODY}");
    let status = Command::new("setpriv")
        .args([&user, &format!("--regid={NOBODY}"), "--clear-groups"])
        .arg(&reachable)
        .args(["--exact", test, "--nocapture"])
        .current_dir("/")
        .status();
    match status {
        Ok(status) => assert!(status.success(), "{test} failed as nobody"),
        Err(error) => eprintln!("skipped: setpriv can't be run ({error})"),
    }
    false
}

fn allow_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("the mode can be set");
}

/// A temporary directory, and the same as `Dir`.
pub fn temporary() -> (tempfile::TempDir, Dir) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let dir = Dir::open(directory.path()).expect("it can be opened");
    (directory, dir)
}

/// Like [`temporary`], in memory where there is such a place: a disk takes a minute to remove 20,000
/// directories.
pub fn temporary_in_memory() -> (tempfile::TempDir, Dir) {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return temporary();
    };
    let dir = Dir::open(directory.path()).expect("it can be opened");
    (directory, dir)
}

pub fn options(threads: usize) -> Options {
    Options {
        threads: Some(threads),
        ..Options::default()
    }
}

pub fn source(name: &str, path: &Path, filter: Filter) -> Source {
    Source {
        name: name.as_bytes().into(),
        dir: Arc::new(Dir::open(path).expect("the source can be opened")),
        filter: Arc::new(filter),
        crossing: Crossing::Never,
    }
}

/// Walks one source named `s` to the end.
pub fn walk_all(path: &Path, filter: Filter, options: Options) -> Vec<WalkedDir> {
    Walk::start(vec![source("s", path, filter)], options)
        .expect("the walk starts")
        .collect()
}

/// The paths of everything that was walked, in order: directories as they come, then what is in them.
pub fn paths(walked: &[WalkedDir]) -> Vec<String> {
    let mut paths = Vec::new();
    for directory in walked {
        let path = String::from_utf8_lossy(&directory.path).into_owned();
        for entry in directory.entries.iter() {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            paths.push(if path.is_empty() {
                name
            } else {
                format!("{path}/{name}")
            });
        }
    }
    paths
}
