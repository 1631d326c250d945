//! Any tree: as long as planned, the same each time, and the same when it is resumed.

use archive::{Format, Selection, planned_len};
use manifest::{Kind, Timestamp, Xattr};
use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::*;

fn name() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        6 => "[a-d]{1,2}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..9),
        1 => "[a-c]{90,255}".prop_map(String::into_bytes),
    ];
    name.prop_filter("a valid name", |name| manifest::check_name(name).is_ok())
}

fn times() -> impl Strategy<Value = Timestamp> {
    let secs = prop_oneof![0..5_000_000_000_i64, any::<i64>()];
    let nanos = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (secs, nanos).prop_map(|(secs, nanos)| Timestamp { secs, nanos })
}

#[derive(Debug, Clone)]
enum Leaf {
    File(usize),
    Other(Kind),
    /// To the file of that number.
    Link(usize),
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let target = vec(1..=255_u8, 1..150).prop_map(Vec::into_boxed_slice);
    prop_oneof![
        4 => prop_oneof![Just(0), Just(512), 0..3000_usize, 262_000..263_000_usize].prop_map(Leaf::File),
        1 => target.prop_map(|target| Leaf::Other(Kind::Symlink { target })),
        1 => Just(Leaf::Other(Kind::Directory)),
        1 => Just(Leaf::Other(Kind::Fifo)),
        1 => any::<(u32, u32)>().prop_map(|(major, minor)| Leaf::Other(Kind::BlockDevice { major, minor })),
        1 => any::<usize>().prop_map(Leaf::Link),
    ]
}

prop_compose! {
    fn backup()(
        leaves in vec((vec(name(), 1..4), leaf(), times(), any::<(u32, u32)>(), vec(any::<u8>(), 0..40)), 1..12),
    ) -> Backup {
        let mut backup = Backup::default();
        for (path, leaf, mtime, (uid, gid), value) in leaves {
            let path = path.join(&b'/');
            // What is there already stays, and is a directory wherever something is beneath it.
            let above = (1..path.len()).filter(|&at| path[at] == b'/').map(|at| &path[..at]);
            let is_free = above.into_iter().all(|above| {
                backup.entries.get(above).is_none_or(|entry| entry.is_directory())
            });
            if !is_free || backup.entries.contains_key(&path) {
                continue;
            }
            let mut metadata = metadata(0o640);
            (metadata.mtime, metadata.uid, metadata.gid) = (mtime, uid, gid);
            if !value.is_empty() {
                metadata.xattrs = vec![Xattr { name: b"user.x"[..].into(), value: value.into() }];
            }
            match leaf {
                Leaf::File(len) => backup.file_with(path, metadata, &noise(len)),
                Leaf::Other(kind) => backup.add(path, metadata, kind),
                Leaf::Link(number) => {
                    let files: Vec<Vec<u8>> = backup.content.keys().cloned().collect();
                    let Some(target) = (!files.is_empty()).then(|| &files[number % files.len()]) else {
                        continue;
                    };
                    let target = target.as_slice().into();
                    backup.add(path, metadata, Kind::HardLink { target })
                }
            };
        }
        backup
    }
}

/// Where a resumed archive differs: at its ends, and around the pieces that it consists of.
fn offsets(len: usize, chosen: &[prop::sample::Index]) -> Vec<usize> {
    let mut offsets = vec![0, 1, len / 2, len - 1, len, len + 7];
    offsets.extend((0..len).step_by(64 << 10));
    offsets.extend(chosen.iter().map(|chosen| chosen.index(len)));
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn archives_are_as_planned_and_go_on_anywhere(
        backup in backup(),
        selected in vec(any::<prop::sample::Index>(), 1..4),
        chosen in vec(any::<prop::sample::Index>(), 8),
    ) {
        prop_assume!(!backup.entries.is_empty());
        let paths: Vec<&Vec<u8>> = backup.entries.keys().collect();
        let selected: Vec<&[u8]> = selected.iter().map(|at| at.get(&paths).as_slice()).collect();
        for selection in [Selection::new([""]).unwrap(), Selection::new(selected).unwrap()] {
            for format in Format::ALL {
                let whole = backup.archive_from(&selection, format, 0).unwrap();
                prop_assert_eq!(&whole, &backup.archive_from(&selection, format, 0).unwrap());
                let members = selection.clone().members(&backup.reader(), format).unwrap();
                let planned = planned_len(format, members).unwrap();
                prop_assert_eq!(planned.unwrap_or(whole.len() as u64), whole.len() as u64);
                for offset in offsets(whole.len(), &chosen) {
                    let rest = backup.archive_from(&selection, format, offset as u64).unwrap();
                    prop_assert!(rest == whole[offset.min(whole.len())..], "{:?} from {}", format, offset);
                }
            }
        }
    }
}
