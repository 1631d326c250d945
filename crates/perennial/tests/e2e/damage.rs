//! What is deleted, cut off or flipped in a storage or a catalog is told, takes nothing else with it, and is no reason
//! to panic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Lab, assert_same, source, text};

#[derive(Debug, Clone, Copy)]
enum Damage {
    Delete,
    Truncate,
    Flip,
}

const ALL: [Damage; 3] = [Damage::Delete, Damage::Truncate, Damage::Flip];

fn damage(path: &Path, how: Damage) {
    match how {
        Damage::Delete => fs::remove_file(path).unwrap(),
        Damage::Truncate => {
            let len = fs::metadata(path).unwrap().len();
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(len / 2)
                .unwrap();
        }
        Damage::Flip => {
            let mut bytes = fs::read(path).unwrap();
            // From the first third on: beyond whatever a header says.
            let from = bytes.len() / 3;
            for byte in &mut bytes[from..from + 16] {
                *byte ^= 0x5a;
            }
            fs::write(path, bytes).unwrap();
        }
    }
}

/// A lab with two backups of a source in which a file is called `precious`.
fn lab_with_two_backups() -> (Lab, PathBuf, Vec<String>) {
    let mut lab = Lab::plain();
    // Without a pool, so that each backup has its own directories to damage.
    lab.start_with(&["--pool", "false"], &[]);
    lab.enroll("laptop");
    let source = source(&lab, 31);
    fs::write(source.join("precious"), vec![0x11; 50_000]).unwrap();
    let first = lab.back_up("laptop", &source);
    fs::write(source.join("precious"), vec![0x22; 60_000]).unwrap();
    let second = lab.back_up("laptop", &source);
    (lab, source, vec![first, second])
}

#[test]
fn damaged_content_is_found_by_verify_and_told_by_restore() {
    for how in ALL {
        let (lab, source, backups) = lab_with_two_backups();
        damage(
            &lab.storage()
                .join("laptop")
                .join(&backups[1])
                .join("data/precious"),
            how,
        );
        let verified = lab.admin(["backup", "verify", &format!("laptop/{}", backups[1])]);
        assert_eq!(
            verified.status.code(),
            Some(3),
            "{how:?}: {}",
            text(&verified.stderr)
        );
        let told = text(&verified.stdout) + &text(&verified.stderr);
        assert!(told.contains("data/precious"), "{how:?}: {told}");
        let to = lab.root().join("restored");
        let restored = lab.restore("laptop", &backups[1], &to, &[]);
        assert_eq!(
            restored.status.code(),
            Some(3),
            "{how:?}: {}",
            text(&restored.stderr)
        );
        assert!(
            !to.join("data/precious").exists(),
            "{how:?}: wrong content was restored"
        );
        fs::copy(source.join("precious"), to.join("data/precious")).unwrap();
        lab.verify("laptop", &backups[0]);
    }
}

#[test]
fn a_damaged_manifest_is_told_and_the_other_backups_stay_whole() {
    for how in ALL {
        let (mut lab, _source, backups) = lab_with_two_backups();
        let manifest = lab
            .storage()
            .join(format!(".perennial/manifests/laptop/{}.manifest", backups[0]));
        damage(&manifest, how);
        let verified = lab.admin(["backup", "verify", &format!("laptop/{}", backups[0])]);
        assert!(!verified.status.success(), "{how:?}");
        lab.verify("laptop", &backups[1]);
        lab.stop();
        lab.start();
        lab.verify("laptop", &backups[1]);
        assert!(lab.restored("laptop", &backups[1]).join("precious").exists());
    }
}

#[test]
fn a_damaged_index_is_begun_anew() {
    for how in ALL {
        let (mut lab, source, backups) = lab_with_two_backups();
        lab.stop();
        damage(&lab.storage().join(".perennial/index/content.sqlite"), how);
        for beside in ["content.sqlite-wal", "content.sqlite-shm"] {
            let _ = fs::remove_file(lab.storage().join(".perennial/index").join(beside));
        }
        lab.start();
        fs::write(source.join("more"), vec![0x33; 70_000]).unwrap();
        let name = lab.back_up("laptop", &source);
        assert_same(&source, &lab.restored("laptop", &name));
        for backup in &backups {
            lab.verify("laptop", backup);
        }
        lab.ok(["storage", "rebuild-index"]);
    }
}

#[test]
fn a_damaged_catalog_is_refused_and_can_be_rebuilt() {
    for how in ALL {
        let (mut lab, source, backups) = lab_with_two_backups();
        lab.stop();
        damage(&lab.server_state().join("catalog.sqlite"), how);
        for beside in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
            let _ = fs::remove_file(lab.server_state().join(beside));
        }
        // Deleted, it would be begun anew; a flipped page may lie where nothing is read at the start.
        if matches!(how, Damage::Truncate) {
            assert_eq!(lab.refused(&[]).status.code(), Some(1));
        }
        let rebuilt = lab
            .command(["server", "rebuild-catalog", "--state"])
            .arg(lab.server_state())
            .arg("--storage")
            .arg(lab.storage())
            .output()
            .unwrap();
        assert!(rebuilt.status.success(), "{how:?}: {}", text(&rebuilt.stderr));
        lab.start();
        assert_eq!(lab.backups("laptop"), backups, "{how:?}");
        lab.enroll_again("laptop");
        assert_same(&source, &lab.restored("laptop", &backups[1]));
    }
}

/// Files that are unchanged, in a changed directory, changed themselves, and with other names; the first are to be lost.
fn source_with_much_to_lose(lab: &Lab) -> PathBuf {
    let source = lab.root().join("source");
    for dir in ["same", "beside", "patched", "chmod", "gone/sub", "linked"] {
        fs::create_dir_all(source.join(dir)).unwrap();
    }
    for file in [
        "same/a",
        "same/b",
        "beside/a",
        "chmod/a",
        "gone/a",
        "gone/sub/b",
        "linked/a",
    ] {
        fs::write(source.join(file), file.repeat(9000)).unwrap();
    }
    let disk: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    fs::write(source.join("patched/disk"), disk).unwrap();
    fs::hard_link(source.join("linked/a"), source.join("linked/z")).unwrap();
    source
}

#[test]
fn what_a_tree_has_lost_is_told_by_the_next_backup_and_comes_again_with_the_one_after_that() {
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    // A snapshot on btrfs brings what there is; there it is for verify to tell.
    for kind in [scratch_fs::FileSystem::Xfs, scratch_fs::FileSystem::Ext4] {
        let Some(mut lab) = Lab::on(kind) else { continue };
        lab.start();
        lab.enroll("laptop");
        let source = source_with_much_to_lose(&lab);
        let first = lab.back_up("laptop", &source);
        let tree = lab.storage().join("laptop").join(&first).join("data");
        let lost = ["beside/a", "chmod/a", "linked/a", "patched/disk", "same/a"];
        for file in lost {
            fs::remove_file(tree.join(file)).unwrap();
        }
        fs::remove_dir_all(tree.join("gone")).unwrap();
        fs::write(source.join("beside/new"), "new").unwrap();
        let disk = fs::OpenOptions::new()
            .write(true)
            .open(source.join("patched/disk"))
            .unwrap();
        disk.write_all_at(b"changed", 1_500_000).unwrap();
        fs::set_permissions(source.join("chmod/a"), fs::Permissions::from_mode(0o600)).unwrap();

        let output = lab.once_command("laptop", &source, &[]).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(3),
            "{}\n{}",
            text(&output.stderr),
            lab.log()
        );
        let second = lab.backups("laptop").pop().unwrap();
        let mut problems = lab.problems("laptop");
        problems.sort();
        let gone = ["gone/a", "gone/sub/b", "linked/z"];
        let mut expected: Vec<_> = lost
            .iter()
            .chain(&gone)
            .map(|path| (format!("data/{path}"), "lost".to_owned()))
            .collect();
        expected.sort();
        assert_eq!(problems, expected);
        lab.verify("laptop", &second);
        let restored = lab.restored("laptop", &second);
        for file in lost.iter().chain(&gone) {
            assert!(!restored.join(file).exists(), "{file}");
        }
        assert!(restored.join("same/b").exists() && restored.join("beside/new").exists());

        let third = lab.back_up("laptop", &source);
        assert!(lab.problems("laptop").is_empty());
        assert_same(&source, &lab.restored("laptop", &third));
        lab.verify("laptop", &third);
    }
}
