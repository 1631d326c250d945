//! Tests of the module above.

use manifest::{ContentHash, Metadata};

use super::*;
use crate::backup::fake::{metadata, stat};

fn rules(on_conflict: OnConflict, extra: Extra, compare: Compare) -> Rules {
    Rules {
        on_conflict,
        extra,
        compare,
    }
}

const DEFAULT: Rules = Rules {
    on_conflict: OnConflict::Overwrite,
    extra: Extra::Keep,
    compare: Compare::SizeAndTime,
};

fn entry(kind: Kind, metadata: Metadata) -> Entry {
    Entry {
        name: (*b"e").into(),
        metadata,
        kind,
    }
}

fn file(size: u64) -> Entry {
    let seen = stat(FileType::File, 1, size, 0);
    entry(
        Kind::file(size, ContentHash([1; 32]), std::sync::Arc::default()),
        metadata(&seen),
    )
}

#[test]
fn what_is_not_there_is_created() {
    assert_eq!(DEFAULT.action(&file(1), None, None), Action::Create);
}

#[test]
fn files_are_compared_as_asked() {
    let same = stat(FileType::File, 9, 1, 0);
    let by_content = rules(OnConflict::Overwrite, Extra::Keep, Compare::Content);
    assert_eq!(DEFAULT.action(&file(1), Some(&same), None), Action::Keep);
    assert_eq!(by_content.action(&file(1), Some(&same), None), Action::Compare);
    let other_time = stat(FileType::File, 9, 1, 1);
    assert_eq!(DEFAULT.action(&file(1), Some(&other_time), None), Action::Compare);
    assert_eq!(DEFAULT.action(&file(2), Some(&same), None), Action::Compare);
}

#[test]
fn links_and_devices_are_kept_if_they_lead_to_the_same() {
    let link = entry(
        Kind::Symlink {
            target: (*b"there").into(),
        },
        Metadata::default(),
    );
    let existing = stat(FileType::Symlink, 9, 5, 0);
    assert_eq!(
        DEFAULT.action(&link, Some(&existing), Some(b"there")),
        Action::Keep
    );
    assert_eq!(
        DEFAULT.action(&link, Some(&existing), Some(b"where")),
        Action::Replace
    );
    let device = |minor| entry(Kind::CharDevice { major: 1, minor }, Metadata::default());
    let mut existing = stat(FileType::CharDevice, 9, 0, 0);
    existing.rdev = file_tree::DeviceNumber { major: 1, minor: 3 };
    assert_eq!(DEFAULT.action(&device(3), Some(&existing), None), Action::Keep);
    assert_eq!(DEFAULT.action(&device(4), Some(&existing), None), Action::Replace);
}

#[test]
fn a_link_in_a_directorys_place_is_never_followed() {
    let directory = entry(Kind::Directory, Metadata::default());
    let link = stat(FileType::Symlink, 9, 5, 0);
    assert_eq!(
        DEFAULT.action(&directory, Some(&link), Some(b"elsewhere")),
        Action::Replace
    );
}

#[test]
fn conflicts_are_dealt_with_as_asked() {
    let fifo = stat(FileType::Fifo, 9, 0, 0);
    let directory = stat(FileType::Directory, 9, 0, 0);
    let act = |on_conflict, extra, existing: &Stat| {
        rules(on_conflict, extra, Compare::SizeAndTime).action(&file(1), Some(existing), None)
    };
    assert_eq!(act(OnConflict::Overwrite, Extra::Keep, &fifo), Action::Replace);
    assert_eq!(
        act(OnConflict::Overwrite, Extra::Keep, &directory),
        Action::Blocked
    );
    assert_eq!(
        act(OnConflict::Overwrite, Extra::Delete, &directory),
        Action::ReplaceTree
    );
    for existing in [fifo, directory] {
        assert_eq!(act(OnConflict::Skip, Extra::Delete, &existing), Action::Skip);
        assert_eq!(act(OnConflict::Fail, Extra::Delete, &existing), Action::Fail);
        assert_eq!(
            act(OnConflict::KeepBoth, Extra::Delete, &existing),
            Action::SetAside
        );
    }
}

#[test]
fn a_name_aside_is_free_and_short_enough() {
    assert_eq!(name_aside(b"f", |_| true), b"f.kept");
    assert_eq!(name_aside(b"f", |name| name != b"f.kept"), b"f.kept-2");
    let long = [b'x'; 255];
    assert!(name_aside(&long, |_| true).len() <= 255);
}
