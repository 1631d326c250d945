//! exFAT, made by mkfs.exfat and filled by its driver in user space.

use std::fs;

use crate::rig::{
    Compared, FuseMount, Image, MIB, Without, assert_same, cant, fill, run, set_time, written_down,
};

/// Mounted by its driver, which takes nothing but block devices.
pub fn mounted(image: &Image) -> FuseMount {
    let device = run("losetup", &["--find", "--show", image.path()]);
    let dir = image.dir().join("mount");
    let mount = std::panic::catch_unwind(|| FuseMount::mount("mount.exfat-fuse", &[], device.trim(), dir));
    // It goes when it is no longer in use, which is when it is unmounted.
    run("losetup", &["--detach", device.trim()]);
    mount.unwrap()
}

#[test]
fn exfat_is_read_as_its_driver_reads_it() {
    if cant(&["mkfs.exfat", "mount.exfat-fuse", "losetup", "pgrep"]) {
        return;
    }
    for options in ["", "-c 512", "-c 128K"] {
        let image = Image::made_by("mkfs.exfat", options, 200 * MIB);
        let mount = mounted(&image);
        fill(&mount.dir, 600, 20 * MIB, Without::Links);
        fs::File::create(mount.dir.join("never written"))
            .unwrap()
            .set_len(300_000)
            .unwrap();
        set_time(&mount.dir.join("empty"), 1_000_000_000);
        let expected = written_down(&mount.dir, Compared::ContentAndTimes);
        drop(mount);
        let (extracted, _, told) = image.extracted("");
        assert_eq!(told.problems, []);
        let without_times = |lines: Vec<String>| {
            lines
                .into_iter()
                .filter(|line| !line.contains("\" 40000 "))
                .collect::<Vec<_>>()
        };
        assert_same(
            &without_times(expected),
            &without_times(written_down(&extracted, Compared::ContentAndTimes)),
        );
    }
}
