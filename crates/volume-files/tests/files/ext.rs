//! ext2, ext3 and ext4, made by mke2fs, mounted and filled by the kernel.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown};

use volume_files::Kind;

use crate::rig::{
    Compared, Image, MIB, Without, assert_same, cant, fill, mounted, noise, run, set_time, written_down,
};

fn assert_read_as_mounted(options: &str) {
    let image = Image::made_by("mke2fs", &format!("-q -F {options}"), 200 * MIB);
    let Some(mount) = mounted(&image) else { return };
    let dir = mount.path();
    fill(dir, 1500, 15 * MIB, Without::Nothing);
    fs::write(dir.join(OsStr::from_bytes(b"not \xff Unicode")), "bytes").unwrap();
    let fragmented = File::create(dir.join("fragmented")).unwrap();
    for piece in 0..1500 {
        fragmented
            .write_all_at(&noise(piece, 1024), piece * 9000)
            .unwrap();
    }
    drop(fragmented);
    for len_bytes in [50, 61, 120, 160, 200] {
        fs::write(
            dir.join(format!("small {len_bytes}")),
            noise(len_bytes, len_bytes),
        )
        .unwrap();
    }
    // Where something else was, blocks that were never written. Only ext4 has such.
    fs::remove_file(dir.join("large")).unwrap();
    let prepared = dir.join("prepared");
    if options.contains("ext4") {
        run("fallocate", &["-l", "14M", prepared.to_str().unwrap()]);
        let prepared = File::options().write(true).open(prepared).unwrap();
        prepared.write_all_at(b"written", 5 * MIB + 3).unwrap();
    }
    let odd = dir.join("empty");
    chown(&odd, Some(70_000), Some(1_234_567)).unwrap();
    fs::set_permissions(&odd, Permissions::from_mode(0o6711)).unwrap();
    set_time(&odd, -12_345_678);
    // Inodes of 128 bytes know no later years.
    let is_short = options.contains("-I 128") || options.contains("-r 0");
    let last = if is_short { 2_000_000_000 } else { 6_000_000_000 };
    set_time(&dir.join("one byte"), last);
    fs::set_permissions(dir.join("deep"), Permissions::from_mode(0o1500)).unwrap();
    let expected = written_down(dir, Compared::All);
    drop(mount);
    let (extracted, said, told) = image.extracted("");
    assert_eq!(told.problems, []);
    assert_same(&expected, &written_down(&extracted, Compared::All));
    assert_eq!(
        said.files + said.directories,
        expected.len() as u64 + u64::from(extracted.join("lost+found").exists())
    );
    // Holes stay holes.
    let sparse = fs::metadata(extracted.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < MIB, "{} blocks", sparse.blocks());
}

#[test]
fn ext_is_read_as_the_kernel_reads_it() {
    if cant(&["mke2fs", "fallocate"]) {
        return;
    }
    for options in [
        "-t ext4",
        "-t ext4 -b 1024 -O inline_data,bigalloc -I 256",
        "-t ext4 -b 2048 -O meta_bg,^resize_inode,^metadata_csum -I 128",
        "-t ext4 -O inline_data -I 512",
        "-t ext3",
        "-t ext2 -b 1024",
        "-t ext2 -O ^filetype,^dir_index -r 0",
    ] {
        eprintln!("{options}");
        assert_read_as_mounted(options);
    }
}

#[test]
fn a_path_leads_to_a_file_and_not_through_links() {
    if cant(&["mke2fs"]) {
        return;
    }
    let image = Image::made_by("mke2fs", "-q -F -t ext4", 20 * MIB);
    let Some(mount) = mounted(&image) else { return };
    fs::create_dir_all(mount.path().join("a/b")).unwrap();
    fs::write(mount.path().join("a/b/c"), "content").unwrap();
    std::os::unix::fs::symlink("a", mount.path().join("link")).unwrap();
    drop(mount);
    image.with(|files| {
        let entry = files.find(b"/a//b/c/").unwrap();
        assert_eq!(
            (&*entry.name, &entry.kind, entry.len_bytes),
            (&b"c"[..], &Kind::File, 7)
        );
        let mut content = Vec::new();
        let read = files.read(&entry, &mut |piece| {
            content.push(format!("{piece:?}"));
            Ok(())
        });
        read.unwrap();
        assert_eq!(content, [format!("Data({:?})", b"content")]);
        let names = files.list(&files.find(b"a").unwrap()).unwrap();
        assert_eq!(names.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), [b"b"]);
        for (path, words) in [
            ("link/b", "is no directory"),
            ("a/b/c/d", "is no directory"),
            ("a/x", "there is no a/x"),
            ("A", "there is no A"),
            ("a/..", "there is no a/.."),
        ] {
            let error = files.find(path.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let link = files.find(b"link").unwrap();
        assert_eq!(
            link.kind,
            Kind::Link {
                target: (*b"a").into()
            }
        );
        assert!(files.read(&link, &mut |_| Ok(())).is_err());
    });
}

#[test]
fn a_directory_within_itself_and_a_map_in_a_circle_are_damage() {
    if cant(&["mke2fs", "debugfs"]) {
        return;
    }
    let image = Image::made_by("mke2fs", "-q -F -t ext2 -b 1024", 4 * MIB);
    let content = image.dir().join("content");
    fs::write(&content, noise(1, 600 << 10)).unwrap();
    let debugfs = |request: &str| run("debugfs", &["-w", "-R", request, image.path()]);
    debugfs(&format!("write {} file", content.display()));
    debugfs("mkdir a");
    debugfs("mkdir a/b");
    debugfs("link a a/b/again");
    // The second level of the map is what it itself leads to.
    let stat = debugfs("stat file");
    let double = stat
        .split("(DIND):")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .trim();
    debugfs(&format!("set_inode_field file block[TIND] {double}"));
    debugfs("set_inode_field file size 17179869184");
    let (to, _, told) = image.extracted("");
    let of = |path: &str| {
        told.problems
            .iter()
            .filter(|(found, _)| found == path)
            .collect::<Vec<_>>()
    };
    assert!(
        of("a/b/again")[0].1.contains("it is in another place too"),
        "{:?}",
        told.problems
    );
    assert_eq!(of("file").len(), 1, "{:?}", told.problems);
    assert!(to.join("a/b/again").is_dir() && !to.join("a/b/again/b").exists());
    assert!(!to.join("file").exists());
}

#[test]
fn a_map_that_has_a_block_twice_ends() {
    if cant(&["mke2fs", "debugfs"]) {
        return;
    }
    let image = Image::made_by("mke2fs", "-q -F -t ext2 -b 4096", 16 * MIB);
    let content = image.dir().join("content");
    fs::write(&content, noise(1, 5 * MIB)).unwrap();
    let debugfs = |request: &str| run("debugfs", &["-w", "-R", request, image.path()]);
    debugfs(&format!("write {} file", content.display()));
    let stat = debugfs("stat file");
    let block = |name: &str| -> usize {
        let after = stat.split(&format!("({name}):")).nth(1).unwrap();
        let digits = after.split(|letter: char| !letter.is_ascii_digit());
        digits.into_iter().next().unwrap().parse().unwrap()
    };
    // All pointers of the third level lead to the second one's block, all of that to one without any.
    let (third, second, first) = (block("0-11"), block("DIND"), block("IND"));
    let mut bytes = fs::read(&image.path).unwrap();
    for (from, to) in [(third, second), (second, first), (first, 0)] {
        let pointers = (to as u32).to_le_bytes().repeat(1024);
        bytes[from * 4096..][..4096].copy_from_slice(&pointers);
    }
    fs::write(&image.path, bytes).unwrap();
    debugfs(&format!("set_inode_field file block[TIND] {third}"));
    debugfs("set_inode_field file size 4000000000000");
    let (_, _, told) = image.extracted("file");
    assert!(
        told.problems[0].1.contains("its block map has a block twice"),
        "{:?}",
        told.problems
    );
}

#[test]
fn extents_behind_the_end_of_a_file_are_left_alone() {
    if cant(&["mke2fs", "debugfs"]) {
        return;
    }
    let source = tempfile::tempdir().unwrap();
    let fragmented = File::create(source.path().join("file")).unwrap();
    for piece in 0..200 {
        fragmented
            .write_all_at(&noise(piece, 1024), piece * 3072)
            .unwrap();
    }
    let options = format!(
        "-q -F -t ext4 -b 1024 -O ^metadata_csum -d {}",
        source.path().display()
    );
    let image = Image::made_by("mke2fs", &options, 8 * MIB);
    run(
        "debugfs",
        &["-w", "-R", "set_inode_field file size 5000", image.path()],
    );
    // The last leaf of its tree.
    let mut bytes = fs::read(&image.path).unwrap();
    let is_leaf = |block: &&mut [u8]| block.starts_with(b"\x0a\xf3") && block[6..8] == [0, 0];
    let leaves: Vec<_> = bytes.chunks_exact_mut(1024).filter(is_leaf).collect();
    assert!(leaves.len() > 1);
    leaves.into_iter().next_back().unwrap().fill(0xff);
    fs::write(&image.path, bytes).unwrap();
    let (to, _, told) = image.extracted("file");
    assert_eq!(told.problems, []);
    let mut expected = noise(0, 1024);
    expected.resize(3072, 0);
    expected.extend(noise(1, 1024));
    expected.resize(5000, 0);
    assert_eq!(fs::read(to.join("file")).unwrap(), expected);
}

#[test]
fn a_directory_that_has_a_block_twice_is_damage() {
    if cant(&["mke2fs", "debugfs"]) {
        return;
    }
    let image = Image::made_by("mke2fs", "-q -F -t ext2 -b 1024", 4 * MIB);
    let debugfs = |request: &str| run("debugfs", &["-w", "-R", request, image.path()]);
    debugfs("mkdir a");
    debugfs("mkdir a/b");
    let block = debugfs("blocks a");
    debugfs(&format!("set_inode_field a block[1] {}", block.trim()));
    debugfs("set_inode_field a size 2048");
    image.with(|files| {
        let error = files.list(&files.find(b"a").unwrap()).unwrap_err();
        assert!(error.to_string().contains("it has a block twice"), "{error}");
    });
}
