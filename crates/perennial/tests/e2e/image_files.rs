//! Files in volumes of images: listed and extracted on the server's machine, without mounting.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use scratch_fs::FileSystem;

use crate::disk::{EXT4, MIB, SourceDisk};
use crate::lab::{Lab, text};

fn fill(root: &Path) {
    fs::create_dir_all(root.join("home/me/letters")).unwrap();
    let large: Vec<u8> = (0..5 * MIB).map(|at| (at / 3 % 251) as u8).collect();
    fs::write(root.join("home/me/large"), large).unwrap();
    fs::write(root.join("home/me/letters/größe\n"), "a letter").unwrap();
    symlink("/etc/passwd", root.join("home/me/link")).unwrap();
    let sparse = File::create(root.join("home/me/sparse")).unwrap();
    sparse.write_all_at(b"end", 40 * MIB).unwrap();
    fs::set_permissions(root.join("home/me/letters"), Permissions::from_mode(0o750)).unwrap();
    chown(root.join("home/me/letters"), Some(1234), Some(567)).unwrap();
}

#[test]
fn files_are_listed_and_extracted_without_mounting() {
    let Some(mut lab) = Lab::sized(FileSystem::Btrfs, 4 << 30) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = SourceDisk::create(lab.root().join("disk.img"));
    disk.with_volume(&EXT4, fill);
    let once = lab
        .command(["client", "once", "--state"])
        .arg(lab.client_state("laptop"))
        .arg("--image")
        .arg(&disk.path)
        .output()
        .unwrap();
    assert!(once.status.success(), "{}\n{}", text(&once.stderr), lab.log());

    let place = "laptop/latest:disk.img/disk.img1/home/me";
    let listed = lab.json(["image", "browse", place, "--recursive", "--json"]);
    let entry = |name: &str| {
        let path = format!("disk.img/disk.img1/home/me/{name}");
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["path"] == *path);
        found.unwrap_or_else(|| panic!("no {path} in {listed}")).clone()
    };
    assert_eq!(listed.as_array().unwrap().len(), 5, "{listed}");
    assert_eq!(entry("letters/größe\n")["size"], 8);
    assert_eq!(entry("link")["target"], "/etc/passwd");
    assert_eq!(
        (&entry("letters")["mode"], &entry("letters")["uid"]),
        (&"0750".into(), &1234.into())
    );
    let shown = lab.admin(["image", "browse", place]);
    let lines = text(&shown.stdout);
    assert!(lines.contains("drwxr-x---  1234:567"), "{lines}");
    assert!(lines.contains("link -> /etc/passwd"), "{lines}");
    assert!(!lines.contains("größe"), "{lines}");

    let to = lab.root().join("new/extracted");
    let arguments = |existing: &'static str| {
        let to = to.to_str().unwrap().to_owned();
        [
            "image",
            "extract",
            "laptop/latest:disk.img/disk.img1/home",
            "--existing",
            existing,
            "--json",
            "--to",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([to])
        .collect::<Vec<_>>()
    };
    let said = lab.json(arguments("fail"));
    assert_eq!(
        (&said["files"], &said["problems"]),
        (&4.into(), &0.into()),
        "{said}"
    );
    disk.with_volume(&EXT4, |root| {
        crate::lab::assert_same(&root.join("home/me"), &to.join("me"))
    });
    assert!(fs::metadata(to.join("me/sparse")).unwrap().blocks() * 512 < MIB);
    let again = lab.admin(arguments("keep"));
    assert_eq!(again.status.code(), Some(3));
    assert!(
        text(&again.stderr).contains("me/large: left out: me/large is there already"),
        "{}",
        text(&again.stderr)
    );
    fs::write(to.join("me/large"), "overwritten").unwrap();
    assert!(lab.admin(arguments("overwrite")).status.success());
    assert_eq!(fs::metadata(to.join("me/large")).unwrap().len(), 5 * MIB);
    refusals(&lab);
    lab.verify("laptop", &lab.backups("laptop")[0]);
}

fn refusals(lab: &Lab) {
    for (place, code, words) in [
        ("laptop/latest", 2, "disk.img/disk.img1, "),
        ("laptop/latest:disk.img", 2, "say in which volume: "),
        (
            "laptop/latest:disk.img/x",
            2,
            "disk.img has no volume x: it has disk.img1, disk.img2",
        ),
        (
            "laptop/latest:disk.img/disk.img1/x",
            1,
            "there is no x in the volume",
        ),
        (
            "laptop/latest:disk.img/disk.img2",
            1,
            "files in XFS are not read without mounting it",
        ),
    ] {
        let refused = lab.admin(["image", "browse", place]);
        assert_eq!(
            refused.status.code(),
            Some(code),
            "{place}: {}",
            text(&refused.stderr)
        );
        assert!(
            text(&refused.stderr).contains(words),
            "{place}: {}",
            text(&refused.stderr)
        );
    }
    let refused = lab.admin(["image", "browse", "laptop/latest:disk.img/disk.img2"]);
    assert!(
        text(&refused.stderr).contains("perennial image mount laptop/"),
        "{}",
        text(&refused.stderr)
    );
    let elsewhere = lab
        .command(["image", "browse", "latest:disk.img/disk.img1", "--client-state"])
        .arg(lab.client_state("laptop"))
        .output()
        .unwrap();
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(
        text(&elsewhere.stderr).contains("on the server's machine"),
        "{}",
        text(&elsewhere.stderr)
    );
}
