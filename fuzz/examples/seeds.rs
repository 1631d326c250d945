//! Writes the first inputs of each target, or of those named, made by the tools that know the formats:
//! `cargo run --example seeds [TARGET...]`, in this directory.

use std::fs;
use std::path::Path;

use disk_image::virtual_disk::write::{NewDisk, Parent, WriteFormat, Writer};
use disk_image::virtual_disk::{FileFormat, ImageFile, NoParents, ParentLink, VirtualDisk};
use perennial_fuzz::SparseDisk;
use uuid::Uuid;

/// A FAT with files, one of them in pieces.
macro_rules! files_of_fat {
    ($len:literal, $options:literal) => {
        concat!(
            "truncate -s ",
            $len,
            " $F; mkfs.vfat -n LABEL ",
            $options,
            r#" $F >/dev/null
            mkdir -p d/d; echo content >d/SHORT.TXT; echo small >d/small.txt; : >d/empty; for n in 1 2 3 4; do : >"d/d/file $n"; done
            head -c 1200 /dev/zero | tr '\0' c >'d/a longer name of a file'; mmd -i $F ::gap; echo 1 | mcopy -i $F - ::gap/1
            mcopy -s -i $F d/* ::; mdel -i $F ::gap/1; mcopy -i $F 'd/a longer name of a file' ::gap/2; mattrib -i $F +r ::SHORT.TXT"#
        )
    };
}

/// Target, name, and a shell command that makes the file `$F`. A raw disk with little in it is in `raw`.
const SEEDS: &[(&str, &str, &str)] = &[
    (
        "mbr",
        "logical",
        "truncate -s 8M $F; printf 'label: dos\\n,1M,c,*\\n,5M,5\\n,1M,83\\n,1M,83\\n' | sfdisk -q $F",
    ),
    (
        "mbr",
        "primary",
        "truncate -s 2M $F; printf 'label: dos\\n,512K,7,*\\n,,83\\n' | sfdisk -q $F",
    ),
    (
        "gpt",
        "three",
        "truncate -s 8M $F; printf 'label: gpt\\n,1M,U\\n,2M,L\\n,,L\\n' | sfdisk -q $F",
    ),
    (
        "gpt",
        "hybrid",
        "truncate -s 8M $F; sgdisk -n 1:2048:4095 -n 2:4096 -h 1 $F >/dev/null",
    ),
    (
        "gpt",
        "few",
        "truncate -s 1M $F; sgdisk -S 128 -a 1 -n 1:64:100 $F >/dev/null",
    ),
    (
        "vhd",
        "fixed",
        "truncate -s 64K $F.raw; qemu-img convert -O vpc -o subformat=fixed,force_size=on $F.raw $F",
    ),
    (
        "vhd",
        "dynamic",
        "qemu-img convert -O vpc -o force_size=on raw $F",
    ),
    (
        "vhdx",
        "dynamic",
        "qemu-img convert -O vhdx -o block_size=1M raw $F",
    ),
    (
        "vhdx",
        "log",
        "qemu-img convert -O vhdx -o block_size=1M raw $F; qemu-io -f vhdx -c 'write 3M 4k' $F >/dev/null; dd if=$F of=$F bs=1 skip=1048608 seek=65584 count=16 conv=notrunc status=none; dd if=$F of=$F bs=1 skip=1048608 seek=131120 count=16 conv=notrunc status=none",
    ),
    (
        "qcow2",
        "plain",
        "qemu-img convert -O qcow2 -o cluster_size=4k raw $F",
    ),
    (
        "qcow2",
        "version-2",
        "qemu-img convert -O qcow2 -o compat=0.10,cluster_size=512 raw $F",
    ),
    (
        "qcow2",
        "deflate",
        "qemu-img convert -c -O qcow2 -o cluster_size=4k raw $F",
    ),
    (
        "qcow2",
        "zstd",
        "qemu-img convert -c -O qcow2 -o compression_type=zstd,cluster_size=4k raw $F",
    ),
    (
        "qcow2",
        "parent",
        "qemu-img create -q -f qcow2 -o cluster_size=4k -u -b raw -F qcow2 $F 4M; qemu-io -f qcow2 -c 'write -u -z 8k 8k' $F 2>&1 >/dev/null || true",
    ),
    (
        "ext",
        "ext4",
        "truncate -s 8M $F; mkfs.ext4 -q -O ^metadata_csum -N 64 $F",
    ),
    ("ext", "ext2", "truncate -s 1M $F; mkfs.ext2 -q -N 16 $F"),
    (
        "ext",
        "bigalloc",
        "truncate -s 32M $F; mkfs.ext4 -q -O ^metadata_csum,bigalloc,meta_bg,^resize_inode -N 64 $F",
    ),
    ("xfs", "version-4", "truncate -s 300M $F; mkfs.xfs -q -m crc=0 $F"),
    (
        "ntfs",
        "plain",
        "truncate -s 2M $F; mkfs.ntfs -q -F -s 512 -p 0 -H 16 -S 63 $F; truncate -s 128K $F; truncate -s 2M $F",
    ),
    (
        "fat",
        "fat12",
        "truncate -s 512K $F; mkfs.vfat -F 12 $F >/dev/null",
    ),
    (
        "fat",
        "fat16",
        "truncate -s 16M $F; mkfs.vfat -F 16 $F >/dev/null",
    ),
    (
        "fat",
        "fat32",
        "truncate -s 40M $F; mkfs.vfat -F 32 $F >/dev/null",
    ),
    (
        "exfat",
        "plain",
        "truncate -s 4M $F; mkfs.exfat -b 64K $F >/dev/null",
    ),
    (
        "btrfs",
        "sha256",
        "truncate -s 16M $F; mkfs.btrfs -q -M --csum sha256 $F",
    ),
    (
        "ext_files",
        "ext4",
        r#"mkdir -p d/a/b; echo content >d/a/b/file; echo inline >d/small; head -c 150 /dev/zero | tr '\0' i >d/larger
        ln -s small d/link; ln -s "$(printf 'a/%.0s' $(seq 50))" d/long; mkfifo d/pipe
        for at in 0 3 6 9 12 15 40; do printf data | dd of=d/sparse bs=1K seek=$at conv=notrunc status=none; done
        truncate -s 60K d/sparse; truncate -s 1M $F
        mkfs.ext4 -q -b 1024 -I 256 -O ^metadata_csum,^has_journal,^resize_inode,inline_data -N 24 -d d $F
        debugfs -w -R 'fallocate /a/b/file 4 9' $F 2>/dev/null"#,
    ),
    (
        "ext_files",
        "ext2",
        r#"mkdir d; echo content >d/file; ln -s file d/link
        for at in 0 14 500; do printf data | dd of=d/sparse bs=1K seek=$at conv=notrunc status=none; done
        truncate -s 1M $F; mkfs.ext2 -q -b 1024 -O ^resize_inode,^filetype -N 24 -d d $F
        debugfs -w -R 'set_inode_field sparse size 70000000' $F 2>/dev/null"#,
    ),
    // Records, directories and content lie in front; $UpCase and the log, which are large, do not matter for reading.
    (
        "ntfs_files",
        "plain",
        r#"truncate -s 2M $F; mkfs.ntfs -q -F -Q -s 512 -c 512 -p 0 -H 16 -S 63 $F 2>/dev/null; mkdir m; ntfs-3g $F m
        mkdir m/d; echo content >m/f; head -c 1200 /dev/zero | tr '\0' y >m/d/g; truncate -s 100K m/s; ln -s d/g m/link
        for number in 1 2 3 4 5 6; do : >"m/d/a longer name of file $number"; done
        umount m; while pgrep -f "ntfs-3g $F" >/dev/null; do :; done
        zeros() { dd if=/dev/zero of=$F bs=512 seek=$1 count=$2 conv=notrunc status=none; }
        zeros 34 8; zeros 44 116; zeros 1078 1489; zeros 4095 1"#,
    ),
    (
        "ntfs_files",
        "attribute-list",
        r#"truncate -s 2M $F; mkfs.ntfs -q -F -Q -s 512 -c 512 -p 0 -H 16 -S 63 $F 2>/dev/null; mkdir m; ntfs-3g $F m
        mkdir m/j; setfattr -h -n system.ntfs_reparse_data -v 0x030000a01800000000000800080006005c003f003f0061006200630064000000 m/j
        printf content >m/f; for number in 1 2 3 4 5 6 7 8; do ln m/f "m/one more of the many names of a file $number"; done
        for at in 9 6 3 12; do printf data | dd of=m/f bs=1K seek=$at conv=notrunc status=none; done
        umount m; while pgrep -f "ntfs-3g $F" >/dev/null; do :; done
        zeros() { dd if=/dev/zero of=$F bs=512 seek=$1 count=$2 conv=notrunc status=none; }
        zeros 34 8; zeros 44 116; zeros 1078 1489; zeros 4095 1"#,
    ),
    ("fat_files", "fat12", files_of_fat!("512K", "-F 12 -r 64")),
    ("fat_files", "fat16", files_of_fat!("16M", "-F 16 -s 1 -r 64")),
    ("fat_files", "fat32", files_of_fat!("40M", "-F 32 -s 1")),
    (
        // The copy of the boot sectors and the table of capitals are left out.
        "exfat_files",
        "plain",
        r#"truncate -s 1M $F; mkfs.exfat -b 16K -c 1K $F >/dev/null; D=$(losetup --find --show $F); mkdir m
        mount.exfat-fuse $D m >/dev/null 2>&1; losetup --detach $D; mkdir -p m/d/e; echo content >m/d/file; : >m/empty; : >m/größe
        head -c 1200 /dev/zero | tr '\0' c >'m/a longer name of a file'; truncate -s 5000 m/never
        for number in 1 2 3 4 5 6 7 8 9 10 11 12; do : >"m/d/file $number"; done; echo more >>m/d/file
        umount m; while pgrep -f "mount.exfat-fuse $D" >/dev/null; do :; done
        zeros() { dd if=/dev/zero of=$F bs=512 seek=$1 count=$2 conv=notrunc status=none; }
        zeros 12 12; zeros 66 11"#,
    ),
];

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let named: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |target: &str| named.is_empty() || named.iter().any(|named| named == target);
    let write = |target: &str, name: &str, input: &[u8]| {
        fs::create_dir_all(corpus.join(target)).expect("the corpus can be written");
        fs::write(corpus.join(target).join(format!("seed-{name}")), input)
            .expect("the corpus can be written");
        println!("{target}/{name}: {} bytes", input.len());
    };
    let formats = [("vhd", WriteFormat::Vhd), ("vhdx", WriteFormat::Vhdx)];
    for (target, format) in formats.into_iter().filter(|(target, _)| is_wanted(target)) {
        let (parent, child) = differencing(format);
        write(target, "parent", &SparseDisk::encode(&parent));
        write(target, "differencing", &SparseDisk::encode(&child));
    }
    for (name, input) in block_device_clients().into_iter().filter(|_| is_wanted("nbd")) {
        write("nbd", name, &input);
    }
    for (target, name, command) in SEEDS.iter().filter(|(target, ..)| is_wanted(target)) {
        let dir = tempfile::tempdir().expect("a directory for temporary files");
        let file = dir.path().join("seed");
        let raw = "truncate -s 4M raw; printf seed | dd of=raw conv=notrunc status=none; printf seed | dd of=raw bs=1 seek=3000000 conv=notrunc status=none";
        let status = std::process::Command::new("sh")
            .args(["-ec", &format!("{raw}\n{command}")])
            .env("F", &file)
            .current_dir(dir.path())
            .status()
            .expect("a shell");
        assert!(status.success(), "{target}/{name}");
        let input = SparseDisk::encode(&fs::read(&file).expect("the command makes the file"));
        write(target, name, &input);
    }
}

/// A disk with some sectors of its own, and the parent that the targets give to every disk that asks for one.
fn differencing(format: WriteFormat) -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let create = |name: &str, parent: Option<Parent>| {
        let new = NewDisk {
            format,
            len_bytes: 4 << 20,
            id: Uuid::from_u128(1),
            made_secs: 1_795_935_054,
            parent,
        };
        let mut options = fs::File::options();
        options.read(true).write(true).create_new(true);
        let file = options.open(dir.path().join(name)).expect("a new file");
        Writer::create(file, new).expect("a new disk")
    };
    let mut parent = create("parent", None);
    parent.write_at(&[2; 4096], 4096).expect("some content");
    parent.finish().expect("a parent");
    let path = dir.path().join("parent");
    let file = ImageFile::new(&path, fs::File::open(&path).expect("the parent"));
    let format = match format {
        WriteFormat::Vhd => FileFormat::Vhd,
        WriteFormat::Vhdx => FileFormat::Vhdx,
        WriteFormat::Qcow2 => FileFormat::Qcow2,
    };
    let disk = VirtualDisk::open(file, format, &NoParents).expect("the parent");
    let link = ParentLink::to(&disk, "parent");
    let mut child = create("child", Some(Parent { disk, link }));
    child.write_at(&[1; 4096], 8192).expect("a change");
    child.finish().expect("a child");
    let read = |name: &str| fs::read(dir.path().join(name)).expect("it was written");
    (read("parent"), read("child"))
}

/// What clients of the block device server send.
fn block_device_clients() -> [(&'static str, Vec<u8>); 3] {
    let flags = 3u32.to_be_bytes().to_vec();
    let disconnect = request(2, 0, 0);
    let context = b"\0\0\0\x04disk\0\0\0\x01\0\0\0\x0fbase:allocation";
    [
        (
            "old",
            [
                flags.clone(),
                option(1, b"disk"),
                request(0, 512, 512),
                request(1, 512, 4),
                b"data".to_vec(),
                request(6, 0, 4096),
                disconnect.clone(),
            ]
            .concat(),
        ),
        (
            "go",
            [
                flags.clone(),
                option(8, b""),
                option(10, context),
                option(7, b"\0\0\0\x04disk\0\x01\0\x03"),
                request(0, 512, 512),
                request(7, 0, 1 << 20),
                disconnect,
            ]
            .concat(),
        ),
        ("list", [flags, option(3, b""), option(2, b"")].concat()),
    ]
}

fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u32).to_be_bytes();
    [b"IHAVEOPT", &number.to_be_bytes()[..], &len, data].concat()
}

fn request(command: u16, offset_bytes: u64, len_bytes: u32) -> Vec<u8> {
    [
        &0x2560_9513u32.to_be_bytes()[..],
        &[0, 0],
        &command.to_be_bytes(),
        b"a cookie",
        &offset_bytes.to_be_bytes(),
        &len_bytes.to_be_bytes(),
    ]
    .concat()
}
