//! Images: made, grown, verified, deleted, exported and restored, on every kind of storage.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use scratch_fs::{FileSystem, Scratch};

use crate::disk::{EXT4, MIB, SourceDisk, XFS, assert_same_volumes, mount, run};
use crate::lab::{Lab, on_each_storage, text};

/// A lab with room for images.
pub fn lab_on(kind: FileSystem) -> Option<Lab> {
    Lab::sized(kind, 4 << 30)
}

/// A disk with something on it.
pub fn filled_disk(lab: &Lab) -> SourceDisk {
    let disk = SourceDisk::create(lab.root().join("disk.img"));
    for (range, seed) in [(EXT4, 1), (XFS, 2)] {
        disk.with_volume(&range, |root| {
            fs::create_dir(root.join("tree")).unwrap();
            scratch_fs::tree::random_tree(seed, &root.join("tree")).unwrap();
            fs::write(root.join("large"), noise(seed, 20 * MIB)).unwrap();
            fs::write(root.join("deleted"), noise(seed + 10, 10 * MIB)).unwrap();
        });
        disk.with_volume(&range, |root| fs::remove_file(root.join("deleted")).unwrap());
    }
    disk
}

pub fn noise(seed: u64, len_bytes: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..len_bytes / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

/// Makes an image of a disk and returns its name.
pub fn image(lab: &Lab, disk: &Path) -> String {
    image_with(lab, disk, &[]).0
}

/// The same with further arguments; returns the exit code too.
pub fn image_with(lab: &Lab, disk: &Path, arguments: &[&str]) -> (String, i32) {
    let output = image_command(lab, disk).args(arguments).output().unwrap();
    let code = output.status.code().unwrap();
    assert!(matches!(code, 0 | 3), "{}\n{}", text(&output.stderr), lab.log());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["backup"]["name"].as_str().unwrap().to_owned(), code)
}

pub fn image_command(lab: &Lab, disk: &Path) -> Command {
    let mut command = lab.command(["client", "once", "--json", "--state"]);
    command.arg(lab.client_state("laptop")).arg("--image").arg(disk);
    command
}

/// Restores a disk, or a volume, as the client; returns the file.
pub fn restored(lab: &Lab, place: &str) -> PathBuf {
    let to = tempfile::tempdir_in(lab.root())
        .unwrap()
        .keep()
        .join("restored.img");
    let output = restore(lab, place, &to, &[]);
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), lab.log());
    to
}

pub fn restore(lab: &Lab, place: &str, to: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = lab.command(["restore-disk", place, "--to"]);
    command.arg(to).args(arguments).arg("--client-state");
    command.arg(lab.client_state("laptop")).output().unwrap()
}

pub fn problems(lab: &Lab, name: &str) -> Vec<(String, String)> {
    let shown = lab.json(["backup", "show", &format!("laptop/{name}"), "--json"]);
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let list = shown["problem_list"].as_array().unwrap().iter();
    list.map(|problem| (word(&problem["kind"]), word(&problem["message"])))
        .collect()
}

/// Where the server has an image.
fn location(lab: &Lab, name: &str) -> PathBuf {
    lab.storage().join("laptop").join(name)
}

/// Waits until a deleted image has left: others may have to be written anew before.
fn wait_until_gone(lab: &Lab, name: &str) {
    let begun = std::time::Instant::now();
    while location(lab, name).exists() {
        assert!(begun.elapsed().as_secs() < 120, "{name} stays\n{}", lab.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn images_grow_and_each_of_them_comes_back() {
    for (kind, format) in [
        (FileSystem::Btrfs, "auto"),
        (FileSystem::Xfs, "auto"),
        (FileSystem::Ext4, "auto"),
        (FileSystem::Ext4, "vhdx"),
        (FileSystem::Ext4, "vhd"),
        (FileSystem::Ext4, "raw"),
    ] {
        let Some(mut lab) = lab_on(kind) else { continue };
        eprintln!("--- on {}, {format}", kind.name());
        lab.start_with(&["--image-format", format], &[]);
        lab.enroll("laptop");
        let disk = filled_disk(&lab);
        let mut made = Vec::new();
        for round in 0..3 {
            let reference = disk.copy(&lab.root().join(format!("reference-{round}.img")));
            made.push((image(&lab, &disk.path), reference));
            for range in [EXT4, XFS] {
                disk.with_volume(&range, |root| {
                    scratch_fs::tree::mutate_tree(round, &root.join("tree"), 30).unwrap();
                    fs::write(root.join(format!("new-{round}")), noise(round + 50, 5 * MIB)).unwrap();
                    let large = File::options().write(true).open(root.join("large")).unwrap();
                    large
                        .write_all_at(&noise(round, 4096), (round + 1) * 3 * MIB)
                        .unwrap();
                });
            }
        }
        for (name, reference) in &made {
            lab.verify("laptop", name);
            assert_same_volumes(&reference.path, &restored(&lab, name));
        }
        lab.ok(["backup", "delete", "--now", &format!("laptop/{}", made[1].0)]);
        wait_until_gone(&lab, &made[1].0);
        for (name, reference) in [&made[0], &made[2]] {
            lab.verify("laptop", name);
            assert_same_volumes(&reference.path, &restored(&lab, name));
        }
        lab.ok(["backup", "delete", "--now", &format!("laptop/{}", made[0].0)]);
        wait_until_gone(&lab, &made[0].0);
        let again = image(&lab, &disk.path);
        lab.verify("laptop", &again);
        assert_same_volumes(&disk.path, &restored(&lab, &again));
        assert_same_volumes(&made[2].1.path, &restored(&lab, &made[2].0));
    }
}

#[test]
fn nothing_is_sent_where_nothing_changed_and_little_stored_where_little_did() {
    for kind in [FileSystem::Btrfs, FileSystem::Xfs] {
        let Some(mut lab) = lab_on(kind) else { continue };
        lab.start();
        lab.enroll("laptop");
        let disk = filled_disk(&lab);
        let first = image(&lab, &disk.path);
        let second = image(&lab, &disk.path);
        assert_eq!(lab.sent_bytes("laptop", &second), 0, "{}", lab.log());
        let data = |name: &str| fs::metadata(location(&lab, name).join("disk.img/disk.img1.raw")).unwrap();
        assert_eq!(data(&first).blocks(), data(&second).blocks());
        // 256 pages, each in a block of its own.
        disk.with_volume(&EXT4, |root| {
            let large = File::options().write(true).open(root.join("large")).unwrap();
            for page in 0..128 {
                large
                    .write_all_at(&noise(page, 4096), (page * 128) << 10)
                    .unwrap();
            }
        });
        let third = image(&lab, &disk.path);
        let stored = stored_bytes(&lab, &third);
        assert!(stored >= 128 * 4096, "{stored} bytes were stored");
        assert!(stored <= 2 * 128 * 4096, "{stored} bytes were stored");
        assert_same_volumes(&disk.path, &restored(&lab, &third));
    }
}

/// What the server says that it had to write for an image.
fn stored_bytes(lab: &Lab, name: &str) -> u64 {
    let log = lab.log();
    let line = log
        .lines()
        .find(|line| line.contains("image committed") && line.contains(name))
        .unwrap_or_else(|| panic!("no word of {name} in {log}"));
    let figure = line.split("stored_bytes=").nth(1).unwrap();
    figure.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_synthetic_disk_is_the_disk() {
    for kind in [FileSystem::Btrfs, FileSystem::Xfs] {
        let Some(mut lab) = lab_on(kind) else { continue };
        lab.start_with(&["--synthetic-disks", "raw,vhd,vhd-fixed,vhdx,qcow2,vmdk"], &[]);
        lab.enroll("laptop");
        let disk = filled_disk(&lab);
        let names = [image(&lab, &disk.path), image(&lab, &disk.path)];
        lab.ok(["backup", "delete", "--now", &format!("laptop/{}", names[0])]);
        let dir = location(&lab, &names[1]);
        let reference = restored(&lab, &names[1]);
        for (file, format) in [
            ("disk.img.raw", "raw"),
            ("disk.img.vhd", "vpc"),
            ("disk.img-fixed.vhd", "vpc"),
            ("disk.img.vhdx", "vhdx"),
            ("disk.img.qcow2", "qcow2"),
            ("disk.img.vmdk", "vmdk"),
        ] {
            let made = dir.join(file);
            run(Command::new("qemu-img")
                .args(["compare", "-f", "raw", "-F", format])
                .args([&reference, &made]));
            if matches!(format, "vhdx" | "qcow2") {
                run(Command::new("qemu-img")
                    .args(["check", "-q", "-f", format])
                    .arg(&made));
            }
            if matches!(format, "vhdx" | "vpc") {
                assert_read_by_libvhdi(&made, &reference);
            }
            let converted = lab.root().join("converted.raw");
            run(Command::new("qemu-img")
                .args(["convert", "-f", format, "-O", "raw"])
                .args([&made, &converted]));
            run(Command::new("cmp").args([&reference, &converted]));
            fs::remove_file(converted).unwrap();
        }
        // The backup itself is read-only.
        let raw = lab.root().join("synthetic.raw");
        run(Command::new("cp")
            .arg("--sparse=always")
            .arg(dir.join("disk.img.raw"))
            .arg(&raw));
        assert_same_volumes(&disk.path, &raw);
        let info = lab.json(["image", "info", &format!("laptop/{}", names[1]), "--json"]);
        let disks = info["synthetic_disks"].as_array().unwrap();
        assert_eq!(disks.len(), 6);
        for made in disks {
            assert!(made["shared_bytes"].as_u64().unwrap() > 40 * MIB, "{made}");
            assert!(made["copied_bytes"].as_u64().unwrap() < 64 << 10, "{made}");
        }
        // And none where none is wanted.
        lab.stop();
        lab.start_with(&["--synthetic-disks", "none"], &[]);
        let without = image(&lab, &disk.path);
        let left = fs::read_dir(location(&lab, &without)).unwrap().count();
        assert_eq!(left, 1, "only the disk's directory is there");
    }
}

/// Fails unless libvhdi, which heeds what the bitmaps of blocks say, reads a disk as it is.
fn assert_read_by_libvhdi(made: &Path, reference: &Path) {
    run(Command::new("vhdiinfo").arg(made));
    let root = tempfile::tempdir().unwrap();
    run(Command::new("vhdimount").arg(made).arg(root.path()));
    let _mounted = Lazily(root.path());
    run(Command::new("cmp").arg(reference).arg(root.path().join("vhdi1")));
}

/// A mount that is given up when this is dropped.
struct Lazily<'a>(&'a Path);

impl Drop for Lazily<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn an_image_is_exported_to_any_place() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let name = image(&lab, &disk.path);
    let reference = restored(&lab, &name);
    let here = lab.storage().with_file_name("here.qcow2");
    let made = lab.json([
        "image",
        "export",
        &format!("laptop/{name}"),
        "--json",
        "--to",
        here.to_str().unwrap(),
    ]);
    assert!(made["shared_bytes"].as_u64().unwrap() > 40 * MIB, "{made}");
    let elsewhere = lab.root().join("elsewhere.vhdx");
    let made = lab.json([
        "image",
        "export",
        "laptop/latest",
        "--json",
        "--to",
        elsewhere.to_str().unwrap(),
    ]);
    assert_eq!(made["shared_bytes"], 0);
    let fetched = lab.root().join("fetched.vmdk");
    let output = lab
        .command(["image", "export", "latest:disk.img", "--to"])
        .arg(&fetched)
        .arg("--client-state")
        .arg(lab.client_state("laptop"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for (path, format) in [(&here, "qcow2"), (&elsewhere, "vhdx"), (&fetched, "vmdk")] {
        run(Command::new("qemu-img")
            .args(["compare", "-f", "raw", "-F", format])
            .args([&reference, path]));
    }
    // A volume alone, and a disk with one of its volumes.
    let volume = lab.root().join("volume.img");
    lab.ok([
        "image",
        "export",
        "laptop/latest:disk.img/disk.img1",
        "--to",
        volume.to_str().unwrap(),
    ]);
    run(Command::new("e2fsck").arg("-fn").arg(&volume));
    let half = lab.root().join("half.raw");
    lab.ok([
        "image",
        "export",
        "laptop/latest",
        "--volume",
        "disk.img2",
        "--to",
        half.to_str().unwrap(),
    ]);
    run(Command::new("sgdisk").arg("--verify").arg(&half));
    drop(mount(&half, &XFS, "ro"));
    let refused = lab.admin(["image", "export", "laptop/latest", "--to", half.to_str().unwrap()]);
    assert!(
        text(&refused.stderr).contains("is there already"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn an_image_that_stands_on_others_is_exported_and_mounted() {
    let Some(mut lab) = lab_on(FileSystem::Ext4) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let first = image(&lab, &disk.path);
    disk.with_volume(&EXT4, |root| fs::write(root.join("new"), noise(77, MIB)).unwrap());
    let name = image(&lab, &disk.path);
    let dir = location(&lab, &name).join("disk.img");
    let stored = fs::metadata(dir.join("disk.img1.qcow2")).unwrap().blocks() * 512;
    assert!(stored < 8 * MIB, "{stored} bytes for 1 MiB");
    let chain = run(Command::new("qemu-img")
        .args(["info", "--backing-chain"])
        .arg(dir.join("disk.img1.qcow2")));
    let files = chain.lines().filter(|line| line.starts_with("image: "));
    assert_eq!(files.count(), 2, "{chain}");
    let reference = restored(&lab, &name);
    assert_same_volumes(&disk.path, &reference);
    let exported = lab.root().join("exported.vhdx");
    let place = format!("laptop/{name}");
    lab.ok(["image", "export", &place, "--to", exported.to_str().unwrap()]);
    run(Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "vhdx"])
        .args([&reference, &exported]));
    // As the administrator, on the server's machine.
    let here = lab.root().join("here.img");
    lab.ok(["restore-disk", &place, "--to", here.to_str().unwrap()]);
    assert_same_volumes(&disk.path, &here);
    // Mounted it is a copy, of which nothing stays.
    let root = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["--writable"]] {
        lab.admin_command(["image", "mount", &format!("{place}:disk.img/disk.img1")])
            .arg(root.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(fs::read(root.path().join("new")).unwrap() == noise(77, MIB));
        let written = fs::write(root.path().join("more"), b"more");
        assert_eq!(written.is_ok(), !arguments.is_empty());
        run(Command::new("umount").arg(root.path()));
    }
    lab.verify("laptop", &name);
    // Its deletion is taken up where the server has died over it.
    lab.ok(["backup", "delete", "--now", &format!("laptop/{first}")]);
    lab.kill();
    lab.start();
    wait_until_gone(&lab, &first);
    lab.verify("laptop", &name);
    assert_same_volumes(&disk.path, &restored(&lab, &name));
}

#[test]
fn an_image_of_one_volume_in_between_does_not_let_the_next_of_all_begin_anew() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let disk = SourceDisk::create(lab.root().join("disk.img"));
        let other = lab.root().join("other.img");
        fs::write(&other, noise(1, 20 * MIB)).unwrap();
        let both = [&disk.path, &other].map(|path| path.to_str().unwrap());
        let (first, _) = image_with(lab, &disk.path, &["--image", both[1]]);
        image(lab, &other);
        let (third, _) = image_with(lab, &disk.path, &["--image", both[1]]);
        assert_eq!(lab.sent_bytes("laptop", &third), 0);
        let shown = lab.json(["backup", "show", &format!("laptop/{third}"), "--json"]);
        assert_eq!(shown["base"], first.as_str());
        lab.verify("laptop", &third);
    });
}

#[test]
fn a_client_may_have_a_format_of_its_own() {
    let Some(mut lab) = lab_on(FileSystem::Ext4) else {
        return;
    };
    lab.start();
    let volume = lab.root().join("volume.img");
    fs::write(&volume, noise(1, 2 * MIB)).unwrap();
    lab.enroll("laptop");
    let kept = |lab: &Lab, name: &str| {
        let info = lab.json(["image", "info", &format!("laptop/{name}"), "--json"]);
        let kept = &info["kept"]["volume.img/volume.img"];
        (
            kept["format"].as_str().unwrap().to_owned(),
            kept["parent"].clone(),
        )
    };
    let first = image(&lab, &volume);
    assert_eq!(kept(&lab, &first), ("qcow2".into(), serde_json::Value::Null));
    let second = image(&lab, &volume);
    assert_eq!(kept(&lab, &second), ("qcow2".into(), first.as_str().into()));
    let told = lab.ok(["image", "info", &format!("laptop/{second}")]);
    assert!(told.contains(&format!("qcow2 on {first}")), "{told}");
    // What can't be opened is told, and all else with it.
    let parent = location(&lab, &first).join("volume.img/volume.img.qcow2");
    let aside = lab.storage().join("aside");
    fs::rename(&parent, &aside).unwrap();
    let told = lab.admin(["image", "info", &format!("laptop/{second}")]);
    assert!(told.status.success() && text(&told.stdout).contains("volume.img"));
    assert!(
        text(&told.stderr).contains("warning: can't open"),
        "{}",
        text(&told.stderr)
    );
    fs::rename(&aside, &parent).unwrap();
    let told = lab.ok(["settings", "set", "--client", "laptop", "image_format=vhd"]);
    assert!(told.contains("vhd") && told.contains("client"), "{told}");
    // What is set outlives the server, and is of no other format's chain.
    lab.stop();
    lab.start();
    let third = image(&lab, &volume);
    assert_eq!(kept(&lab, &third).0, "vhd");
    assert!(fs::read(restored(&lab, &third)).unwrap() == fs::read(&volume).unwrap());
    for (wrong, why) in [
        ("image_format=vmdk", "image_format can't be \"vmdk\""),
        ("listen=:80", "there is no setting \"listen\""),
        ("synthetic_disks=vhdx,floppy", "any of raw, vhd"),
    ] {
        let refused = lab.admin(["settings", "set", "--client", "laptop", wrong]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
    let nobody = lab.admin(["settings", "set", "--client", "nobody", "image_format=vhd"]);
    assert!(text(&nobody.stderr).contains("nobody"));
    lab.ok(["settings", "unset", "--client", "laptop", "image_format"]);
    let explained = lab.json(["settings", "explain", "laptop", "image_format", "--json"]);
    assert_eq!(explained[0]["value"], "auto");
    assert_eq!(explained[0]["decided_by"], "default");
    let fourth = image(&lab, &volume);
    assert_eq!(kept(&lab, &fourth).0, "qcow2");
    lab.verify("laptop", &fourth);
}

#[test]
fn a_volume_too_large_for_the_format_is_refused_before_anything_begins() {
    let Some(mut lab) = lab_on(FileSystem::Ext4) else {
        return;
    };
    lab.start_with(&["--image-format", "vhd"], &[]);
    lab.enroll("laptop");
    let volume = lab.root().join("volume.img");
    File::create(&volume).unwrap().set_len(2041 << 30).unwrap();
    let output = image_command(&lab, &volume).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let why = text(&output.stderr);
    assert!(why.contains("is too large for VHD"), "{why}");
    assert!(!lab.storage().join(".perennial/incomplete-images/laptop").exists());
    assert_eq!(lab.backups("laptop"), Vec::<String>::new());
}

#[test]
fn an_image_is_mounted_and_what_is_written_to_it_is_thrown_away() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let name = image(&lab, &disk.path);
    let place = format!("laptop/{name}:disk.img/disk.img1");
    for writable in [false, true, false] {
        let dir = tempfile::tempdir_in(lab.root()).unwrap().keep();
        let mut arguments = vec!["image", "mount", &place, dir.to_str().unwrap()];
        arguments.extend(writable.then_some("--writable"));
        lab.ok(arguments);
        let mounted = crate::disk::Mounted { path: dir };
        assert!(mounted.path.join("large").exists());
        assert!(!mounted.path.join("mark").exists());
        assert_eq!(fs::write(mounted.path.join("mark"), "x").is_ok(), writable);
    }
    lab.verify("laptop", &name);
}

#[test]
fn a_volume_that_is_written_to_meanwhile_is_said_not_to_be_consistent() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let (name, code) = disk.with_volume(&EXT4, |_| image_with(&lab, &disk.path, &[]));
    assert_eq!(code, 3);
    let found = problems(&lab, &name);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("not consistent: mounted at"), "{found:?}");
    let (name, code) = image_with(&lab, &disk.path, &[]);
    assert_eq!((code, problems(&lab, &name).len()), (0, 0));
    lab.verify("laptop", &name);
}

#[test]
fn what_cant_be_read_is_named_and_the_rest_is_kept() {
    let source = match Scratch::btrfs(1 << 30) {
        Ok(scratch) => scratch,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    // A file on a file system with checksums, some of whose blocks are overwritten beneath it.
    let volume = source.path().join("volume.img");
    let content = noise(3, 16 * MIB);
    fs::write(&volume, &content).unwrap();
    let place = find(source.image_path(), &content[5 * MIB as usize..][..4096], &source);
    let image_file = File::options().write(true).open(source.image_path()).unwrap();
    image_file.write_all_at(&[0xee; 4096], place).unwrap();
    image_file.sync_all().unwrap();
    forget_cached(&volume, &source);
    let (name, code) = image_with(&lab, &volume, &[]);
    assert_eq!(code, 3);
    let found = problems(&lab, &name);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "unreadable");
    assert!(
        found[0].1.contains("bytes 5242880 to 5246975 can't be read"),
        "{found:?}"
    );
    let mut expected = content;
    expected[5 * MIB as usize..][..4096].fill(0);
    assert!(fs::read(restored(&lab, &name)).unwrap() == expected);
}

/// Where some bytes lie on the device of a scratch file system.
fn find(image: &Path, bytes: &[u8], scratch: &Scratch) -> u64 {
    cow_fs::sync_file_system(File::open(scratch.path()).unwrap()).unwrap();
    let device = File::open(image).unwrap();
    let len = device.metadata().unwrap().len();
    let mut page = [0; 4096];
    let found = (0..len)
        .step_by(4096)
        .find(|at| device.read_exact_at(&mut page, *at).is_ok() && page == *bytes);
    found.expect("the content lies somewhere on the device")
}

/// Lets nobody find in memory what is no longer on the device.
fn forget_cached(file: &Path, scratch: &Scratch) {
    cow_fs::sync_file_system(File::open(scratch.path()).unwrap()).unwrap();
    let opened = File::open(file).unwrap();
    cow_fs::start_writeback(&opened, 0, 0).unwrap();
    fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
}

#[test]
fn a_volume_that_grew_shrank_or_became_another_is_taken_as_it_is() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let volume = lab.root().join("volume.img");
        let mut content = noise(1, 12 * MIB + 512);
        for change in 0..5 {
            match change {
                0 => {}
                1 => content.extend(noise(2, 5 * MIB + 1024)),
                2 => content.truncate(7 * MIB as usize + 512 * 3),
                3 => content.resize(20 * MIB as usize, 0),
                _ => content = noise(9, 3 * MIB),
            }
            fs::write(&volume, &content).unwrap();
            let name = image(lab, &volume);
            assert!(
                fs::read(restored(lab, &name)).unwrap() == content,
                "change {change}"
            );
            lab.verify("laptop", &name);
        }
    });
}

#[test]
fn what_is_no_volume_is_refused_before_anything_begins() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    for (name, why) in [
        ("/no/such/file", "No such file"),
        ("/proc", "no device is mounted there"),
        ("nosuchlabel", "no disk, device, mount point, file or label"),
        ("/dev/null", "neither a device nor a file"),
    ] {
        let output = image_command(&lab, Path::new(name)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            text(&output.stderr).contains(why),
            "{name}: {}",
            text(&output.stderr)
        );
    }
    // A table that leads in a circle.
    let disk = lab.root().join("disk.img");
    let mut record = [0; 512];
    record[446 + 4] = 5;
    record[446 + 8] = 1;
    record[446 + 12..446 + 16].copy_from_slice(&1000u32.to_le_bytes());
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    let file = File::create(&disk).unwrap();
    file.set_len(4 * MIB).unwrap();
    file.write_all_at(&record, 0).unwrap();
    record[446 + 8] = 0;
    file.write_all_at(&record, 512).unwrap();
    let output = image_command(&lab, &disk).output().unwrap();
    assert!(
        text(&output.stderr).contains("the chain of logical partitions does not end"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(lab.backups("laptop"), Vec::<String>::new());
}

#[test]
fn an_image_that_was_interrupted_goes_on() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let volume = lab.root().join("volume.img");
        let content = noise(1, 256 * MIB);
        fs::write(&volume, &content).unwrap();
        for who in ["client", "server"] {
            let mut child = image_command(lab, &volume)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let incomplete = lab.storage().join(".perennial/incomplete-images/laptop");
            let begun = std::time::Instant::now();
            // Where it grows depends on what it will be kept in.
            let arrived = || {
                let blocks = ["tree", "deltas"].map(|dir| {
                    let raw = incomplete.join(dir).join("volume.img/volume.img.raw");
                    fs::metadata(raw).map_or(0, |found| found.blocks())
                });
                blocks.iter().sum::<u64>() * 512
            };
            while arrived() < 16 * MIB {
                assert!(begun.elapsed().as_secs() < 60, "nothing arrives\n{}", lab.log());
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "it was too fast\n{}",
                    lab.log()
                );
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            if who == "server" {
                lab.kill();
                lab.start();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let name = image(lab, &volume);
        assert!(lab.log().contains("resumed=true"), "{}", lab.log());
        let sent = lab.sent_bytes("laptop", &name);
        assert!(sent < 250 * MIB, "{sent} bytes were sent again");
        lab.verify("laptop", &name);
        assert!(fs::read(restored(lab, &name)).unwrap() == content);
    });
}

#[test]
fn the_catalog_is_rebuilt_with_images_and_files_stay_the_latest_of_their_kind() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = crate::lab::source(&lab, 1);
    let files = lab.back_up("laptop", &source);
    let volume = lab.root().join("volume.img");
    fs::write(&volume, noise(1, 4 * MIB)).unwrap();
    let name = image(&lab, &volume);
    crate::lab::assert_same(&source, &lab.restored("laptop", "latest"));
    lab.stop();
    let output = lab
        .command(["server", "rebuild-catalog", "--state"])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(lab.storage())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    lab.start();
    lab.enroll_again("laptop");
    let listed = lab.json(["backup", "list", "laptop", "--json"]);
    let kinds: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| (backup["name"].as_str().unwrap(), backup["kind"].as_str().unwrap()))
        .collect();
    assert!(
        kinds.contains(&(&files, "file")) && kinds.contains(&(&name, "image")),
        "{kinds:?}"
    );
    let second = image(&lab, &volume);
    assert_eq!(lab.sent_bytes("laptop", &second), 0);
    crate::lab::assert_same(&source, &lab.restored("laptop", "latest"));
}

/// A loop device, detached when it is dropped.
pub struct LoopDevice {
    pub path: PathBuf,
}

impl LoopDevice {
    pub fn create(file: &Path, len_bytes: u64) -> Self {
        File::create(file).unwrap().set_len(len_bytes).unwrap();
        Self::attach(file)
    }

    pub fn attach(file: &Path) -> Self {
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(file));
        Self {
            path: PathBuf::from(device.trim()),
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // What is left shows in the check that nothing is left.
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

#[test]
fn the_server_has_an_image_made_and_compares_it_with_the_volumes() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let source = lab.root().join("files");
    fs::create_dir(&source).unwrap();
    let mut agent = lab.start_agent("laptop", &source);
    lab.wait_until_connected();
    let done = lab.json([
        "backup",
        "start",
        "laptop",
        "--json",
        "--image",
        disk.path.to_str().unwrap(),
    ]);
    assert_eq!(done["outcome"], "finished", "{done}");
    lab.ok(["backup", "verify", "laptop/latest_image", "--source", "20%"]);
    disk.with_volume(&EXT4, |root| {
        fs::write(root.join("large"), noise(99, 20 * MIB)).unwrap()
    });
    let output = lab.admin(["backup", "verify", "laptop/latest_image", "--source", "100%"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("it has changed since"),
        "{}",
        text(&output.stderr)
    );
    crate::lab::signal(&agent, rustix::process::Signal::TERM);
    agent.wait().unwrap();
}
