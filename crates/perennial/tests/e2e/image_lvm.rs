//! Images of logical volumes: read from snapshots, which are gone afterwards. In a machine of its own, whose kernel has device mapper.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{MIB, run};
use crate::machine::{Kernel, boot, copy_programs};

/// What the kernel starts: it hands over to the system on the first disk.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for module in virtio_pci virtio_blk ext4 dm-mod dm-snapshot dm-thin-pool; do /bin/busybox modprobe $module; done
/bin/busybox sleep 1
/bin/busybox mount -t ext4 /dev/vda /root
for dir in proc sys dev; do /bin/busybox mount --move /$dir /root/$dir; done
exec /bin/busybox switch_root /root /bin/busybox sh /test.sh
";

/// Each step says on the console what came of it.
const TEST: &str = r#"
export PATH=/bin:/sbin:/usr/sbin:/usr/bin HOME=/root PERENNIAL_LOG=warn DM_DISABLE_UDEV=1
/bin/busybox --install -s /bin
mount -t tmpfs none /run
mount -t tmpfs none /tmp
ip link set lo up
fail() { echo "FAILED: $*"; cat /tmp/errors; }

pvcreate -q /dev/vdb && vgcreate -q -s 1M system /dev/vdb || fail 'no volume group'
lvcreate -q -y -n data -L 100M system || fail 'no volume'
lvcreate -q -y --type thin-pool -n pool -L 40M system || fail 'no pool'
lvcreate -q -y -n thin -V 60M --thinpool system/pool || fail 'no thin volume'
for name in data thin; do
  mkfs.ext4 -q /dev/system/$name
  mkdir -p /mnt/$name
  mount /dev/system/$name /mnt/$name || fail "$name is not mounted"
  cp /bin/busybox /mnt/$name/content
done

mkdir -p /storage /state
perennial server run --listen 127.0.0.1:7777 --state /state/server --storage /storage --synthetic-disks none >/tmp/server.log 2>&1 &
for try in $(seq 60); do token=$(perennial token create --server-state /state/server 2>/dev/null) && break; sleep 1; done
perennial enroll --name laptop "$token" --client-state /state/client >/dev/null || fail 'not enrolled'

# Files come and go all the time.
( while :; do for n in 1 2 3 4 5; do cp /etc/lvm/lvm.conf /mnt/data/$n; cp /etc/lvm/lvm.conf /mnt/thin/$n; sync; done; done ) &
writer=$!

for name in data thin; do
  perennial client once --image /mnt/$name --state /state/client 2>/tmp/errors && echo "IMAGE $name: done" || fail "image of $name: $?"
  perennial image info laptop/latest --json --server-state /state/server >/tmp/info
  grep -o '"consistency": *"[^"]*"' /tmp/info | sed "s/^/IMAGE $name: /"
  grep -o '"map": *"[^"]*"' /tmp/info | sed "s/^/IMAGE $name: /"
  grep -o '"name": *"[^"]*"' /tmp/info | sed "s/^/IMAGE $name: /"
  perennial restore-disk latest --to /tmp/$name.img --client-state /state/client >/dev/null 2>/tmp/errors || fail "$name is not restored"
  e2fsck -fn /tmp/$name.img >/tmp/fsck 2>&1 && echo "FSCK $name: clean" || { cat /tmp/fsck; fail "$name is not clean"; }
  rm /tmp/$name.img
done
echo "SNAPSHOTS: [$(lvs --noheadings -o lv_name -S tags=perennial)]"

# Killed in the middle, it leaves a snapshot, which the next one removes.
perennial client once --image /mnt/data --state /state/client >/dev/null 2>&1 &
client=$!
until lvs --noheadings -o lv_name -S tags=perennial 2>/dev/null | grep -q perennial; do :; done
kill -9 $client
wait $client
lvs --noheadings -o lv_name -S tags=perennial | grep -q perennial && echo 'KILLED: a snapshot is left'
perennial client once --image /mnt/data --state /state/client >/dev/null 2>/tmp/errors || fail "image after a kill: $?"
echo "SNAPSHOTS: [$(lvs --noheadings -o lv_name -S tags=perennial)]"

kill $writer
# A snapshot that runs full while it is read.
lvcreate -q -y -n other -l 100%FREE system && lvreduce -q -y -L -20M system/other
lvchange -q -an system/other
perennial client once --full --image /mnt/data --state /state/client >/tmp/out 2>&1 &
client=$!
until lvs --noheadings -o lv_name -S tags=perennial 2>/dev/null | grep -q perennial; do :; done
kill -STOP $client
dd if=/dev/zero of=/mnt/data/more bs=1M count=30 conv=fsync 2>/dev/null
kill -CONT $client
wait $client
echo "FULL: exit $?"
cat /tmp/out
lvextend -q -y -l +100%FREE system/other
perennial client once --snapshots required --image /mnt/data --state /state/client >/tmp/out 2>&1
echo "NO ROOM: exit $?"
cat /tmp/out
echo "SNAPSHOTS: [$(lvs --noheadings -o lv_name -S tags=perennial)]"
cat /tmp/server.log
echo 'THE END'
poweroff -f
"#;

/// A disk with the system that runs the test.
fn system_disk(dir: &Path) -> PathBuf {
    let root = dir.join("system");
    for place in [
        "proc", "sys", "dev", "run", "tmp", "mnt", "root", "sbin", "etc", "bin",
    ] {
        fs::create_dir_all(root.join(place)).unwrap();
    }
    let own = Path::new(env!("CARGO_BIN_EXE_perennial"));
    let programs = ["/sbin/lvm", "/sbin/mke2fs", "/sbin/e2fsck", "/bin/busybox"].map(Path::new);
    copy_programs(&programs, &root);
    copy_programs(&[own], &root);
    fs::rename(
        root.join(own.strip_prefix("/").unwrap()),
        root.join("bin/perennial"),
    )
    .unwrap();
    for command in [
        "lvs", "lvcreate", "lvremove", "lvchange", "lvreduce", "lvextend", "pvcreate", "vgcreate",
    ] {
        symlink("lvm", root.join("sbin").join(command)).unwrap();
    }
    symlink("mke2fs", root.join("sbin/mkfs.ext4")).unwrap();
    fs::copy("/etc/mke2fs.conf", root.join("etc/mke2fs.conf")).unwrap();
    run(Command::new("cp").args(["-r", "/etc/lvm"]).arg(root.join("etc")));
    // Whoever checks the metadata of pools is another package, and whoever watches volumes a daemon.
    fs::write(
        root.join("etc/lvm/lvmlocal.conf"),
        "global {\n thin_check_executable = \"\"\n}\nactivation {\n monitoring = 0\n}\n",
    )
    .unwrap();
    fs::write(root.join("test.sh"), TEST).unwrap();
    fs::set_permissions(root.join("bin/perennial"), fs::Permissions::from_mode(0o755)).unwrap();
    let disk = dir.join("system.img");
    File::create(&disk).unwrap().set_len(1500 * MIB).unwrap();
    run(Command::new("mkfs.ext4")
        .arg("-q")
        .arg("-d")
        .arg(&root)
        .arg(&disk));
    disk
}

#[test]
fn a_logical_volume_is_read_from_a_snapshot() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: not root");
    }
    let dir = tempfile::tempdir().unwrap();
    let kernel = Kernel::fetch(&dir.path().join("kernel"));
    let ram_disk = kernel.initial_ram_disk(dir.path(), INIT);
    let system = system_disk(dir.path());
    let volumes = dir.path().join("volumes.img");
    File::create(&volumes).unwrap().set_len(240 * MIB).unwrap();
    let drive = |path: &Path| format!("file={},format=raw,if=virtio,cache=unsafe", path.display());
    let console = boot(&[
        "-kernel",
        kernel.image.to_str().unwrap(),
        "-initrd",
        ram_disk.to_str().unwrap(),
        "-append",
        "console=ttyS0 panic=-1 quiet",
        "-drive",
        &drive(&system),
        "-drive",
        &drive(&volumes),
    ]);
    let has = |words: &str| assert!(console.contains(words), "no {words:?} in\n{console}");
    assert!(!console.contains("FAILED"), "{console}");
    for name in ["data", "thin"] {
        has(&format!("IMAGE {name}: done"));
        has(&format!("FSCK {name}: clean"));
        has(&format!("IMAGE {name}: \"name\": \"system-{name}\""));
    }
    assert_eq!(
        console.matches("\"consistency\": \"LVM snapshot\"").count(),
        2,
        "{console}"
    );
    assert_eq!(console.matches("\"map\": \"exact\"").count(), 2, "{console}");
    has("KILLED: a snapshot is left");
    has("FULL: exit 1");
    has("the LVM snapshot of /mnt/data was lost before the image was done");
    has("NO ROOM: exit 1");
    has("has no room for one");
    assert_eq!(console.matches("SNAPSHOTS: []").count(), 3, "{console}");
    has("THE END");
}
