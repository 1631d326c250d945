//! Swap space, made by mkswap.

use disk_image::volume::{Choice, FileSystem, LeaveOut};

use crate::rig::{Image, KIB, MIB, lacks};

const OMIT: LeaveOut = LeaveOut {
    swap: Choice::Omit,
    hibernation: Choice::Keep,
};

#[test]
fn of_swap_space_the_header_is_kept_and_the_rest_on_request_left_out() {
    if lacks(&["mkswap", "blkid"]) {
        return;
    }
    for page in ["4096", "65536"] {
        let image = Image::create(8 * MIB).made_by("mkswap", &["-q", "-L", "swap one", "-p", page]);
        // blkid tells only pages of a few sizes apart; all of them are swap to it.
        image.assert_named(FileSystem::Swap, "swap");
        assert_eq!(image.map(LeaveOut::default()).used_bytes(), 8 * MIB);
        assert_eq!(image.map(OMIT).used_bytes(), page.parse::<u64>().unwrap());
    }
}

#[test]
fn what_lies_behind_swap_space_is_kept() {
    if lacks(&["mkswap"]) {
        return;
    }
    let image = Image::create(4 * MIB).made_by("mkswap", &["-q", "-p", "4096"]);
    let file = std::fs::File::options().write(true).open(&image.path).unwrap();
    file.set_len(5 * MIB + 512).unwrap();
    assert_eq!(image.map(OMIT).ranges(), [0..4 * KIB, 4 * MIB..5 * MIB + 512]);
    assert_eq!(image.volume().len_bytes, 4 * MIB);
}

#[test]
fn a_suspended_system_is_kept_whole() {
    if lacks(&["mkswap"]) {
        return;
    }
    let image = Image::create(4 * MIB).made_by("mkswap", &["-q", "-p", "4096"]);
    let file = std::fs::File::options().write(true).open(&image.path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"S1SUSPEND\0", 4086).unwrap();
    assert_eq!(image.volume().file_system, FileSystem::Swap);
    assert_eq!(image.map(OMIT).used_bytes(), 4 * MIB);
}
