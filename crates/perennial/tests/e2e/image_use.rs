//! What images are used for: served as block devices, shared over SMB, and booted.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use scratch_fs::FileSystem;

use crate::disk::{EXT4, MIB, SourceDisk, mount, partition, run};
use crate::lab::{Lab, signal, text};
use crate::machine::{Kernel, boot};

/// A process that is ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        signal(&self.0, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A lab with one image of a small disk; returns the disk.
fn lab_with_image() -> Option<(Lab, SourceDisk)> {
    lab_with_image_on(FileSystem::Btrfs)
}

fn lab_with_image_on(file_system: FileSystem) -> Option<(Lab, SourceDisk)> {
    let mut lab = Lab::sized(file_system, 4 << 30)?;
    lab.start();
    lab.enroll("laptop");
    let disk = SourceDisk::create(lab.root().join("disk.img"));
    disk.with_volume(&EXT4, |root| {
        fs::write(root.join("marker"), "here it is").unwrap()
    });
    make_image(&lab, &disk.path);
    Some((lab, disk))
}

fn make_image(lab: &Lab, disk: &Path) {
    let output = lab
        .command(["client", "once", "--state"])
        .arg(lab.client_state("laptop"))
        .arg("--image")
        .arg(disk)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), lab.log());
}

fn serve(lab: &Lab, arguments: &[&str]) -> (Running, PathBuf) {
    let socket = lab.root().join("nbd.sock");
    let child = lab
        .admin_command(["image", "serve", "laptop/latest"])
        .arg("--socket")
        .arg(&socket)
        .args(arguments)
        .spawn()
        .unwrap();
    wait_for("the socket", || socket.exists());
    (Running(child), socket)
}

#[test]
fn a_disk_is_served_to_whoever_speaks_nbd() {
    let Some((lab, disk)) = lab_with_image() else {
        return;
    };
    let (served, socket) = serve(&lab, &[]);
    let address = format!("nbd+unix:///?socket={}", socket.display());
    let size = run(Command::new("nbdinfo").args(["--size", &address]));
    assert_eq!(size.trim(), fs::metadata(&disk.path).unwrap().len().to_string());
    let copy = lab.root().join("copy.img");
    run(Command::new("nbdcopy").arg(&address).arg(&copy));
    run(Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "raw"])
        .args([&disk.path, &copy]));
    let refused = Command::new("qemu-io")
        .args(["-f", "raw", "-c", "write -P 7 100M 1M", &address])
        .output()
        .unwrap();
    assert!(
        !refused.status.success(),
        "what is served read-only can't be written"
    );
    drop(served);
    assert!(!socket.exists());
    let (_served, _) = serve(&lab, &["--writable"]);
    run(Command::new("qemu-io").args([
        "-f",
        "raw",
        "-c",
        "write -P 7 100M 1M",
        "-c",
        "read -P 7 100M 1M",
        &address,
    ]));
    lab.ok(["backup", "verify", "laptop/latest_image"]);
}

#[test]
fn volumes_that_stand_on_others_are_served_and_browsed() {
    let Some((lab, disk)) = lab_with_image_on(FileSystem::Ext4) else {
        return;
    };
    disk.with_volume(&EXT4, |root| {
        fs::write(root.join("later"), "this too").unwrap();
    });
    make_image(&lab, &disk.path);
    let (served, socket) = serve(&lab, &[]);
    let copy = lab.root().join("copy.img");
    run(Command::new("nbdcopy")
        .arg(format!("nbd+unix:///?socket={}", socket.display()))
        .arg(&copy));
    run(Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "raw"])
        .args([&disk.path, &copy]));
    drop(served);
    let place = "laptop/latest:disk.img/disk.img1";
    let listed = lab.ok(["image", "browse", place]);
    assert!(listed.contains("marker") && listed.contains("later"), "{listed}");
    // What may be written to is a copy, of which nothing stays.
    let (writable, socket) = serve(&lab, &["--writable"]);
    let url = format!("nbd+unix:///?socket={}", socket.display());
    run(Command::new("qemu-io").args([
        "-f",
        "raw",
        "-c",
        &format!("write -P 0xa5 {} 4096", EXT4.start),
        &url,
    ]));
    run(Command::new("nbdcopy").arg(&url).arg(&copy));
    let expected = File::options().write(true).open(&disk.path).unwrap();
    expected.write_all_at(&[0xa5; 4096], EXT4.start).unwrap();
    run(Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "raw"])
        .args([&disk.path, &copy]));
    drop(writable);
    let name = lab.backups("laptop").pop().unwrap();
    lab.verify("laptop", &name);
}

#[test]
fn nothing_is_served_in_the_clear_to_other_machines() {
    let Some((lab, _)) = lab_with_image() else { return };
    let output = lab.admin(["image", "serve", "laptop/latest", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("give --tls-cert and --tls-key"),
        "{}",
        text(&output.stderr)
    );
}

/// The section of the manual that people copy, with this storage's path.
fn share_section(lab: &Lab) -> String {
    let manual = include_str!("../../../../docs/manual/images.md");
    let start = manual.find("[perennial]").expect("the manual has the section");
    let section = &manual[start..];
    let section = &section[..section.find("```").unwrap()];
    section.replace("/srv/backups", lab.storage().to_str().unwrap())
}

#[test]
fn a_synthetic_disk_is_read_over_smb_as_the_manual_says() {
    let Some((lab, _)) = lab_with_image() else { return };
    let dir = lab.root().join("samba");
    for sub in ["private", "lock", "state", "cache", "pid"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    let at = |sub: &str| dir.join(sub).display().to_string();
    let config = dir.join("smb.conf");
    let port = crate::lab::free_address().rsplit(':').next().unwrap().to_owned();
    let global = format!(
        "[global]\nserver role = standalone\nsmb ports = {port}\ninterfaces = 127.0.0.1/8\nbind interfaces only = yes\n\
         private dir = {}\nlock directory = {}\nstate directory = {}\ncache directory = {}\npid directory = {}\n\
         log file = {}\ndisable spoolss = yes\nload printers = no\n",
        at("private"),
        at("lock"),
        at("state"),
        at("cache"),
        at("pid"),
        dir.join("log").display()
    );
    fs::write(&config, global + &share_section(&lab)).unwrap();
    let mut password = Command::new("smbpasswd")
        .arg("-c")
        .arg(&config)
        .args(["-s", "-a", "root"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    password
        .stdin
        .take()
        .unwrap()
        .write_all(b"secret\nsecret\n")
        .unwrap();
    assert!(password.wait().unwrap().success());
    let daemon = Command::new("smbd")
        .args(["--foreground", "--no-process-group", "--configfile"])
        .arg(&config)
        // It ends with all of its group.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _daemon = Running(daemon);
    let client = |command: &str| {
        let mut client = Command::new("smbclient");
        client.arg(format!("--configfile={}", config.display())).args([
            "-p",
            &port,
            "-U",
            "root%secret",
            "//127.0.0.1/perennial",
            "-c",
            command,
        ]);
        client.output().unwrap()
    };
    wait_for("the share", || client("ls").status.success());
    let name = lab.backups("laptop").remove(0);
    let fetched = lab.root().join("fetched.vhdx");
    let output = client(&format!(
        "get laptop\\{name}\\disk.img.vhdx {}",
        fetched.display()
    ));
    assert!(output.status.success(), "{}", text(&output.stdout));
    let original = lab.storage().join("laptop").join(&name).join("disk.img.vhdx");
    run(Command::new("cmp").args([&original, &fetched]));
    let refused = client(&format!("del laptop\\{name}\\disk.img.vhdx"));
    assert!(original.exists(), "{}", text(&refused.stdout));
}

/// What the kernel starts: it tells what the disk's marker says, and switches off.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /mnt
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for module in virtio_pci virtio_blk ext4; do /bin/busybox modprobe $module; done
/bin/busybox sleep 1
/bin/busybox mount -t ext4 -o ro /dev/vda1 /mnt
echo \"MARKER: $(/bin/busybox cat /mnt/marker)\"
/bin/busybox poweroff -f
";

/// A disk that boots by itself: boot code in its MBR, a boot loader and a kernel in its only partition.
fn bootable_disk(dir: &Path) -> PathBuf {
    let kernel = Kernel::fetch(&dir.join("kernel"));
    let ram_disk = kernel.initial_ram_disk(dir, INIT);
    let disk = dir.join("boot.img");
    let file = File::create(&disk).unwrap();
    let range = MIB..400 * MIB;
    file.set_len(401 * MIB).unwrap();
    let line = format!(
        "start={},size={},type=83,bootable\n",
        range.start / 512,
        (range.end - range.start) / 512
    );
    partition(&disk, &line);
    let boot_code = fs::read("/usr/lib/syslinux/mbr/mbr.bin").unwrap();
    file.write_all_at(&boot_code[..440.min(boot_code.len())], 0)
        .unwrap();
    let source = SourceDisk { path: disk.clone() };
    source.format(&range, &["mkfs.ext4", "-q", "-b", "4096", "-O", "^64bit"]);
    source.with_volume(&range, |root| {
        let boot = root.join("boot");
        fs::create_dir(&boot).unwrap();
        fs::copy(&kernel.image, boot.join("vmlinuz")).unwrap();
        fs::copy(&ram_disk, boot.join("initrd.img")).unwrap();
        fs::write(
            boot.join("syslinux.cfg"),
            "DEFAULT linux\nLABEL linux\nLINUX vmlinuz\nINITRD initrd.img\nAPPEND console=ttyS0 panic=-1 quiet\n",
        )
        .unwrap();
        run(Command::new("extlinux").arg("--install").arg(&boot));
        fs::write(root.join("marker"), "first").unwrap();
        fs::write(root.join("filler"), vec![7; 20 << 20]).unwrap();
    });
    disk
}

#[test]
fn a_disk_that_was_assembled_of_a_grown_image_boots() {
    let Some(mut lab) = Lab::sized(FileSystem::Btrfs, 4 << 30) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = bootable_disk(lab.root());
    make_image(&lab, &disk);
    let root = mount(&disk, &(MIB..400 * MIB), "rw");
    fs::remove_file(root.path.join("filler")).unwrap();
    fs::write(root.path.join("marker"), "grown and booted").unwrap();
    drop(root);
    make_image(&lab, &disk);
    let names = lab.backups("laptop");
    lab.ok(["backup", "delete", "--now", &format!("laptop/{}", names[0])]);
    let made = lab.storage().join("laptop").join(&names[1]).join("boot.img.vhdx");
    let drive = format!("file={},format=vhdx,if=virtio", made.display());
    let console = boot(&["-snapshot", "-drive", &drive]);
    assert!(console.contains("MARKER: grown and booted"), "{console}");
}
