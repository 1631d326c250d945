//! NTFS, made by mkfs.ntfs and filled by ntfs-3g.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use volume_files::Kind;

use crate::rig::{
    Compared, FuseMount, Image, MIB, Without, assert_same, cant, fill, run, set_time, written_down,
};

const TOOLS: &[&str] = &["mkfs.ntfs", "ntfs-3g", "pgrep"];

fn mounted(image: &Image, options: &[&str]) -> FuseMount {
    FuseMount::mount("ntfs-3g", options, image.path(), image.dir().join("mount"))
}

#[test]
fn ntfs_is_read_as_ntfs_3g_reads_it() {
    if cant(TOOLS) {
        return;
    }
    for (options, len_bytes) in [("", 200 * MIB), ("-c 512", 200 * MIB), ("-c 65536", 300 * MIB)] {
        let image = Image::made_by("mkfs.ntfs", &format!("-q -F -Q {options}"), len_bytes);
        let mount = mounted(&image, &[]);
        fill(&mount.dir, 2000, 20 * MIB, Without::Nothing);
        set_time(&mount.dir.join("empty"), -300_000_000);
        let expected = written_down(&mount.dir, Compared::ContentAndTimes);
        drop(mount);
        let (extracted, _, told) = image.extracted("");
        assert_eq!(told.problems, []);
        assert_same(&expected, &written_down(&extracted, Compared::ContentAndTimes));
        let sparse = fs::metadata(extracted.join("sparse")).unwrap();
        assert!(sparse.blocks() * 512 < MIB, "{} blocks", sparse.blocks());
        image.with(|files| {
            // Neither the file system's own files, nor a second name of each; and letters of any size.
            let names = files.list(&files.find(b"").unwrap()).unwrap();
            assert!(
                names
                    .iter()
                    .all(|entry| entry.name[0] != b'$' && !entry.name.contains(&b'~'))
            );
            assert_eq!(&*files.find(b"MANY").unwrap().name, b"many");
        });
    }
}

#[test]
fn what_ntfs_has_compressed_is_refused_and_streams_and_short_names_are_left_alone() {
    if cant(TOOLS) || cant(&["setfattr"]) {
        return;
    }
    let image = Image::made_by("mkfs.ntfs", "-q -F -Q", 64 * MIB);
    let mount = mounted(&image, &["-o", "compression,streams_interface=windows"]);
    let compressed = mount.dir.join("compressed");
    fs::create_dir(&compressed).unwrap();
    run(
        "setfattr",
        &[
            "-h",
            "-v",
            "0x00080000",
            "-n",
            "system.ntfs_attrib",
            compressed.to_str().unwrap(),
        ],
    );
    fs::write(compressed.join("text"), "all the same ".repeat(20_000)).unwrap();
    fs::write(mount.dir.join("plain"), "content").unwrap();
    fs::write(mount.dir.join("plain:stream"), "something else").unwrap();
    let long = mount.dir.join("a longer name.text");
    fs::write(&long, "two names").unwrap();
    // "ALONGE~1.TEX"
    let short = "0x414c4f4e47457e312e544558";
    run(
        "setfattr",
        &[
            "-h",
            "-v",
            short,
            "-n",
            "system.ntfs_dos_name",
            long.to_str().unwrap(),
        ],
    );
    drop(mount);
    let (extracted, _, told) = image.extracted("");
    assert_eq!(told.problems.len(), 1);
    assert_eq!(told.problems[0].0, "compressed/text");
    assert!(
        told.problems[0].1.contains("NTFS has compressed"),
        "{:?}",
        told.problems
    );
    assert!(!extracted.join("compressed/text").exists());
    assert_eq!(fs::read(extracted.join("plain")).unwrap(), b"content");
    assert_eq!(
        fs::read(extracted.join("a longer name.text")).unwrap(),
        b"two names"
    );
    assert_eq!(fs::read_dir(&extracted).unwrap().count(), 3);
}

#[test]
fn links_of_windows_are_links() {
    if cant(TOOLS) || cant(&["setfattr"]) {
        return;
    }
    let image = Image::made_by("mkfs.ntfs", "-q -F -Q", 64 * MIB);
    let mount = mounted(&image, &[]);
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (target, shown) = (units(r"\??\C:\Users"), units(r"C:\Users"));
    let [target_len, shown_len] = [target.len() as u16, shown.len() as u16];
    let mut junction = 0xa000_0003_u32.to_le_bytes().to_vec();
    for field in [
        8 + target_len + shown_len,
        0,
        0,
        target_len,
        target_len,
        shown_len,
    ] {
        junction.extend(field.to_le_bytes());
    }
    junction.extend(target.into_iter().chain(shown));
    let hex: String = junction.iter().map(|byte| format!("{byte:02x}")).collect();
    let dir = mount.dir.join("junction");
    fs::create_dir(&dir).unwrap();
    run(
        "setfattr",
        &[
            "-h",
            "-v",
            &format!("0x{hex}"),
            "-n",
            "system.ntfs_reparse_data",
            dir.to_str().unwrap(),
        ],
    );
    drop(mount);
    image.with(|files| {
        let target = (*b"C:/Users").into();
        assert_eq!(files.find(b"junction").unwrap().kind, Kind::Link { target });
    });
}
