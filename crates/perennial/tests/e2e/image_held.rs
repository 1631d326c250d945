//! Images of volumes that are mounted and written to: held still, let go in every case, and named otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use scratch_fs::FileSystem;

use crate::disk::{EXT4, MIB, SourceDisk, XFS, cut_out, mount, run};
use crate::image::{LoopDevice, image_command, image_with, lab_on, noise, problems, restored};
use crate::lab::{Lab, signal, text};

/// A lab, and a disk whose ext4 has so much on it that an image takes a moment.
fn lab_and_disk() -> Option<(Lab, SourceDisk)> {
    let mut lab = lab_on(FileSystem::Btrfs)?;
    lab.start();
    lab.enroll("laptop");
    let disk = SourceDisk::create(lab.root().join("disk.img"));
    disk.with_volume(&EXT4, |root| {
        fs::write(root.join("large"), noise(1, 200 * MIB)).unwrap();
    });
    Some((lab, disk))
}

/// Keeps writing to a directory while something else is done.
fn while_it_is_written_to<T>(root: &Path, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let file = root.join(format!("file-{}", round % 50));
                fs::write(&file, noise(round, 64 << 10)).unwrap();
                // A file that is open and has no name is what a freeze leaves in the log.
                let nameless = fs::File::create(root.join("nameless")).unwrap();
                fs::remove_file(root.join("nameless")).unwrap();
                fs::write(root.join(format!("file-{}", (round + 25) % 50)), b"small").unwrap();
                nameless.sync_all().unwrap();
            }
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

fn described(lab: &Lab, name: &str) -> Vec<serde_json::Value> {
    let info = lab.json(["image", "info", &format!("laptop/{name}"), "--json"]);
    let partitions = info["disks"][0]["partitions"].as_array().unwrap();
    partitions.iter().map(|found| found["volume"].clone()).collect()
}

#[test]
fn what_is_frozen_while_it_is_read_is_consistent() {
    let Some((lab, disk)) = lab_and_disk() else { return };
    let (ext4, xfs) = (mount(&disk.path, &EXT4, "rw"), mount(&disk.path, &XFS, "rw"));
    let (name, code) = while_it_is_written_to(&ext4.path, || {
        while_it_is_written_to(&xfs.path, || {
            image_with(&lab, &disk.path, &["--image-freeze", "2m"])
        })
    });
    assert_eq!((code, problems(&lab, &name)), (0, Vec::new()));
    for volume in described(&lab, &name) {
        assert_eq!(volume["consistency"], "frozen while it was read");
        assert_eq!(volume["map"], "exact");
    }
    let disk = restored(&lab, &name);
    let volume = disk.with_extension("volume");
    cut_out(&disk, &EXT4, &volume);
    run(Command::new("e2fsck").arg("-fn").arg(&volume));
    // What an XFS has in its log on purpose is gone after a mount.
    drop(mount(&disk, &XFS, "rw,nouuid"));
    cut_out(&disk, &XFS, &volume);
    run(Command::new("xfs_repair").arg("-n").arg(&volume));
    let restored = mount(&disk, &EXT4, "ro");
    assert!(fs::read(restored.path.join("large")).unwrap() == noise(1, 200 * MIB));
}

/// Starts an image that freezes the ext4, and stops the client once it has.
fn stopped_while_frozen(lab: &Lab, disk: &SourceDisk, limit: &str) -> (Child, PathBuf) {
    let client = image_command(lab, &disk.path)
        .args(["--image-freeze", limit])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let helper = wait_until_frozen(client.id());
    signal(&client, Signal::STOP);
    (client, helper)
}

fn wait_until_frozen(client: u32) -> PathBuf {
    let begun = Instant::now();
    loop {
        if let Some(helper) = frozen_by(client) {
            return helper;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is frozen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The process that has frozen a file system for another one: `/proc/PID`.
fn frozen_by(client: u32) -> Option<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{client}/task")).ok()?.flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<String> = children
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    children
        .iter()
        .map(|pid| PathBuf::from("/proc").join(pid))
        .find(|process| {
            let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
            tasks
                .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
                .any(|name| name.trim() == "held")
        })
}

fn wait_until_gone(process: &Path) {
    let begun = Instant::now();
    while process.exists() && !is_zombie(process) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it stays frozen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_zombie(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn a_client_that_is_killed_leaves_nothing_frozen() {
    let Some((lab, disk)) = lab_and_disk() else { return };
    let mounted = mount(&disk.path, &EXT4, "rw");
    let (mut client, helper) = stopped_while_frozen(&lab, &disk, "10m");
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until_gone(&helper);
    fs::write(mounted.path.join("more"), b"more").unwrap();
    // The next one is made from what the first has sent.
    let (name, code) = image_with(&lab, &disk.path, &["--image-freeze", "10m"]);
    assert_eq!((code, problems(&lab, &name)), (0, Vec::new()));
    lab.verify("laptop", &name);
}

#[test]
fn a_file_system_is_thawed_when_the_time_is_over_and_the_image_fails() {
    let Some((lab, disk)) = lab_and_disk() else { return };
    let mounted = mount(&disk.path, &EXT4, "rw");
    let (client, helper) = stopped_while_frozen(&lab, &disk, "1s");
    wait_until_gone(&helper);
    fs::write(mounted.path.join("more"), b"more").unwrap();
    signal(&client, Signal::CONT);
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stderr);
    assert!(
        words.contains("was not frozen to the end: 1 seconds are allowed"),
        "{words}"
    );
    assert_eq!(lab.backups("laptop"), Vec::<String>::new());
}

#[test]
fn what_the_client_itself_needs_is_not_frozen() {
    let Some((lab, disk)) = lab_and_disk() else { return };
    let mounted = mount(&disk.path, &EXT4, "rw");
    let state = mounted.path.join("state");
    run(Command::new("cp")
        .arg("-a")
        .arg(lab.client_state("laptop"))
        .arg(&state));
    let mut command = lab.command(["client", "once", "--json", "--image-freeze", "2m", "--state"]);
    let output = command
        .arg(&state)
        .arg("--image")
        .arg(&disk.path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = report["backup"]["name"].as_str().unwrap();
    let found = problems(&lab, name);
    assert!(
        found[0]
            .1
            .contains("it can't be frozen: this client's state directory is on it"),
        "{found:?}"
    );
    // Where it must be held, there is no backup at all.
    let mut command = lab.command(["client", "once", "--snapshots", "required", "--state"]);
    let output = command
        .arg(&state)
        .arg("--image")
        .arg(&disk.path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("it is no logical volume of LVM, and may not be frozen"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn volumes_are_found_by_label_and_files_by_paths_from_here() {
    let Some((lab, disk)) = lab_and_disk() else { return };
    let volume = lab.root().join("volume.img");
    cut_out(&disk.path, &EXT4, &volume);
    // Nothing else on the machine is called so.
    let label = format!("p{}", std::process::id());
    run(Command::new("tune2fs").args(["-L", &label]).arg(&volume));
    let device = LoopDevice::attach(&volume);
    for name in [label.clone(), format!("LABEL={label}")] {
        let (name, code) = image_with_name(&lab, &name, lab.root());
        assert_eq!(code, 0);
        let info = lab.json(["image", "info", &format!("laptop/{name}"), "--json"]);
        assert_eq!(
            info["disks"][0]["partitions"][0]["volume"]["label"],
            label.as_str()
        );
        assert_eq!(info["disks"][0]["path"], device.path.to_str().unwrap());
    }
    for name in ["disk.img", "./disk.img"] {
        let (name, code) = image_with_name(&lab, name, lab.root());
        assert_eq!(code, 0);
        assert_eq!(described(&lab, &name)[0]["label"], "system");
    }
}

/// Makes an image of what is called so in a directory.
fn image_with_name(lab: &Lab, volume: &str, dir: &Path) -> (String, i32) {
    let output = image_command(lab, Path::new(volume))
        .current_dir(dir)
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    assert!(matches!(code, 0 | 3), "{}\n{}", text(&output.stderr), lab.log());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["backup"]["name"].as_str().unwrap().to_owned(), code)
}
