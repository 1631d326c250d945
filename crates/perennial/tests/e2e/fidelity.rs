//! What is kept of a file besides its content, where a varied tree does not show it.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;

use cow_fs::InodeFlags;
use manifest::InodeFlags as Kept;

use crate::lab::{Lab, assert_same, on_each_storage, source, text};

#[test]
fn sockets_are_left_out_with_a_note_and_are_no_problem() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let _listening = UnixListener::bind(source.join("socket")).unwrap();
    let name = lab.back_up("laptop", &source);
    let shown = lab.json(["backup", "show", &format!("laptop/{name}"), "--json"]);
    assert_eq!(shown["problems"], 0, "{shown}");
    let restored = lab.restored("laptop", &name);
    let names: Vec<_> = fs::read_dir(&restored)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["file"]);
}

/// Sets flags until it is dropped: nobody could remove the file with some of them.
struct Flagged(File);

impl Flagged {
    fn set(file: File, flags: Kept) -> Option<Self> {
        let flags = InodeFlags::from_bits_retain(flags.0);
        cow_fs::replace_inode_flags(&file, flags, flags).ok()?;
        Some(Self(file))
    }
}

impl Drop for Flagged {
    fn drop(&mut self) {
        let all = InodeFlags::from_bits_retain(Kept::KEPT.0);
        let _ = cow_fs::replace_inode_flags(&self.0, all, InodeFlags::empty());
    }
}

#[test]
fn inode_flags_come_back_and_never_bind_the_storage() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = lab.root().join("source");
        fs::create_dir(&source).unwrap();
        let mut held = Vec::new();
        for (name, flags) in [
            ("immutable", Kept::IMMUTABLE),
            ("append", Kept::APPEND),
            ("nodump", Kept::NODUMP),
            ("plain", Kept(0)),
        ] {
            let path = source.join(name);
            fs::write(&path, name.repeat(9_000)).unwrap();
            let Some(flagged) = Flagged::set(File::open(&path).unwrap(), flags) else {
                eprintln!("skipped: {name} can't be set here");
                return;
            };
            held.push((name, flags, flagged));
        }
        let name = lab.back_up("laptop", &source);
        let restored = lab.restored("laptop", &name);
        for (name, flags, _) in &held {
            let file = File::open(restored.join(name)).unwrap();
            let found = cow_fs::inode_flags(&file).unwrap();
            // Freed before anything can fail.
            drop(Flagged(file));
            assert_eq!(Kept::from_kernel(found.bits()), *flags, "{name}");
        }
        assert_same(&source, &restored);
        // An immutable file in the tree could never be deleted.
        lab.back_up("laptop", &source);
        lab.ok(["backup", "delete", "--now", &format!("laptop/{name}")]);
    });
}

#[test]
fn a_server_without_rights_gives_everything_back() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give up its rights");
        return;
    }
    let mut lab = Lab::plain();
    lab.give_up_root();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 77);
    for round in 0..2 {
        let name = lab.back_up("laptop", &source);
        assert_same(&source, &lab.restored("laptop", &name));
        let verified = lab.admin(["backup", "verify", &format!("laptop/{name}")]);
        assert!(
            verified.status.success(),
            "round {round}: {}\n{}",
            text(&verified.stderr),
            lab.log()
        );
        scratch_fs::tree::mutate_tree(round, &source, 30).unwrap();
    }
    let name = &lab.backups("laptop")[0];
    lab.ok(["backup", "delete", "--now", &format!("laptop/{name}")]);
    let newest = lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &newest));
}
