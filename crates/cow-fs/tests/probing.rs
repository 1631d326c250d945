//! The probe tells the kinds of file systems apart and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a failed expectation is what a test reports")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cow_fs::{Capabilities, Error, probe};
use scratch_fs::{FileSystem, Scratch, mib, skip_unless_available};

fn probe_and_look(dir: &Path) -> Capabilities {
    let before = fs::read_dir(dir).unwrap().count();
    let capabilities = probe(dir).unwrap();
    assert_eq!(
        fs::read_dir(dir).unwrap().count(),
        before,
        "the probe left something behind"
    );
    capabilities
}

#[test]
fn btrfs_has_everything() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let found = probe_and_look(scratch.path());
    assert_eq!(found.file_system.name, "btrfs");
    assert_eq!(found.refusals, []);
    assert!(
        found.reflink
            && found.punch_hole
            && found.sparse
            && found.subvolume_snapshot
            && found.rename_exchange
    );
}

#[test]
fn xfs_has_everything_but_subvolumes() {
    skip_unless_available!();
    let scratch = Scratch::xfs(mib(300)).unwrap();
    let found = probe_and_look(scratch.path());
    assert_eq!(found.file_system.name, "xfs");
    assert!(found.reflink && !found.subvolume_snapshot);
    assert_eq!(found.refusals.len(), 1, "{:?}", found.refusals);
    let reason = found.refusal("subvolume_snapshot").unwrap();
    assert!(reason.contains("not supported"), "{reason}");
}

#[test]
fn ext4_has_neither_reflinks_nor_subvolumes() {
    skip_unless_available!();
    let scratch = Scratch::ext4(mib(64)).unwrap();
    let found = probe_and_look(scratch.path());
    assert_eq!((found.file_system.name, found.max_links), ("ext4", Some(65_000)));
    let refused: Vec<_> = found.refusals.iter().map(|refusal| refusal.capability).collect();
    assert_eq!(refused, ["reflink", "subvolume_snapshot"]);
    assert!(found.hard_link && found.symlink && found.user_xattr && found.chown && found.byte_names);
}

#[test]
fn fat_has_nearly_nothing() {
    skip_unless_available!(FileSystem::Vfat);
    let scratch = Scratch::vfat(mib(32)).unwrap();
    let found = probe_and_look(scratch.path());
    assert_eq!(found.file_system.name, "vfat");
    assert!(!found.hard_link && !found.symlink && !found.sparse && !found.chown && !found.byte_names);
}

#[test]
fn what_a_killed_probe_left_is_in_nobodys_way() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    for number in 0..3 {
        fs::create_dir(
            scratch
                .path()
                .join(format!(".probe-{}-{number}", std::process::id())),
        )
        .unwrap();
    }
    probe(scratch.path()).unwrap();
}

#[test]
fn a_directory_that_is_not_there_or_not_writable_is_an_error() {
    assert!(matches!(
        probe(Path::new("/nonexistent/directory")),
        Err(Error::NotFound { .. })
    ));
    let read_only = probe(Path::new("/proc/self")).unwrap_err();
    assert!(
        matches!(read_only, Error::NotFound { .. } | Error::Denied { .. }),
        "{read_only:?}"
    );
}

/// Runs this test executable's ignored test `as_a_user` without privileges, and returns what it printed.
fn probe_as_user(dir: &Path) -> String {
    let exe = std::env::current_exe().unwrap();
    // The executable may lie where only root gets to, so a copy lies where the user is led to.
    let copy = dir.parent().unwrap().join("test-executable");
    fs::copy(&exe, &copy).unwrap();
    std::os::unix::fs::chown(dir, Some(12_345), Some(12_345)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=12345", "--regid=12345", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", "as_a_user", "--ignored", "--nocapture"])
        .env("PROBED", dir)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        fs::read_dir(dir).unwrap().count(),
        0,
        "the probe left something behind"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_full_disk_leaves_no_room_to_try_is_not_refused() {
    skip_unless_available!();
    let scratch = Scratch::xfs(mib(300)).unwrap();
    let mut filler = fs::File::create(scratch.path().join("filler")).unwrap();
    for len_bytes in [1 << 20, 4 << 10] {
        let block = vec![1; len_bytes];
        while filler.write_all(&block).and_then(|()| filler.sync_data()).is_ok() {}
    }
    let found = probe_and_look(scratch.path());
    assert_eq!(found.file_system.name, "xfs");
    assert!(found.has_untried() && !found.reflink);
    assert!(!found.is_refused("reflink") && found.refusal("reflink").is_some());
    drop(filler);
    fs::remove_file(scratch.path().join("filler")).unwrap();
    let found = probe_and_look(scratch.path());
    assert!(found.reflink && found.is_refused("subvolume_snapshot") && !found.has_untried());
}

#[test]
fn without_privileges_subvolumes_count_only_if_they_can_be_deleted() {
    skip_unless_available!();
    let plain = Scratch::btrfs(mib(128)).unwrap();
    let told = probe_as_user(plain.path());
    assert!(
        told.contains("subvolume_snapshot: deleting a subvolume"),
        "{told}"
    );
    assert!(told.contains("chown:") && told.contains("device_node:"), "{told}");
    let options = "user_subvol_rm_allowed";
    let allowed = Scratch::with_mount_options(FileSystem::Btrfs, mib(128), options).unwrap();
    let told = probe_as_user(allowed.path());
    assert!(!told.contains("subvolume_snapshot"), "{told}");
}

#[test]
#[ignore = "run without privileges by another test"]
fn as_a_user() {
    let dir = std::env::var_os("PROBED").unwrap();
    for refusal in probe(Path::new(&dir)).unwrap().refusals {
        println!("{}: {}", refusal.capability, refusal.reason);
    }
}
