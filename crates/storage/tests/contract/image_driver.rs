//! Takes in images as a server does, and looks at what is there.

use std::path::PathBuf;
use std::process::Command;

use disk_image::DiskSource as _;
use manifest::volume::{StreamHasher, ZEROS, blocks_of_group, group_count, hash_volume_block};
use manifest::{BLOCK_BYTES, Conclusion, Kind, Timestamp};
use storage::{BackupName, IMAGE_SUFFIX, ImageIngest, Store, VolumeFormat, VolumeSink, open_volume_at};

use crate::driver::header;
use crate::lab::{Lab, backup, client};

/// Volumes of a disk by name, without what their files' names end with.
pub type Disk = Vec<(&'static str, Vec<u8>)>;

pub const DISK: &str = "disk";

/// The name of the n-th image.
pub fn nth_image(number: usize) -> BackupName {
    backup(&format!("2601{:02}-{:02}00_image", 1 + number / 24, number % 24))
}

/// How much of an image is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many blocks that differ; then the session is lost.
    Blocks(usize),
    All,
}

/// Takes in an image from the newest there is, or goes on with the one that was interrupted.
pub fn take_image(store: &Store, name: &BackupName, disk: &Disk, extent: Extent) {
    let laptop = client("laptop");
    let backups = store.backups(&laptop).unwrap();
    let newest = backups.iter().rfind(|name| name.suffix() == IMAGE_SUFFIX);
    let ingest = store.begin_image(&laptop, newest).unwrap();
    ingest
        .put_file(format!("{DISK}/disk.json").as_bytes(), b"{}")
        .unwrap();
    let mut left = match extent {
        Extent::Blocks(blocks) => blocks,
        Extent::All => usize::MAX,
    };
    for (volume, content) in disk {
        let path = format!("{DISK}/{volume}.raw");
        let sink = ingest.open_volume(path.as_bytes(), content.len() as u64).unwrap();
        if !send(&sink, content, &mut left) {
            return;
        }
        let mut hasher = StreamHasher::new();
        hasher.update(content);
        assert_eq!(
            ingest.close_volume(&sink).unwrap(),
            hasher.finish().1,
            "{name} {volume}"
        );
    }
    commit(ingest, name);
}

fn commit(ingest: ImageIngest, name: &BackupName) {
    ingest.drop_rest().unwrap();
    let header = header(&client("laptop"), name, ingest.base_name());
    let conclusion = Conclusion {
        finished: Timestamp {
            secs: 1_760_000_100,
            nanos: 0,
        },
        problem_count: 0,
        problems: Vec::new(),
    };
    ingest.commit(&header, &conclusion).unwrap();
}

/// Sends the blocks that differ from what is there. Returns whether that were all.
fn send(sink: &VolumeSink, content: &[u8], left: &mut usize) -> bool {
    let size = content.len() as u64;
    for group in 0..group_count(size) {
        let known = sink.group(group).unwrap();
        let blocks = blocks_of_group(size, group);
        for index in blocks.clone() {
            let known = known
                .as_ref()
                .map_or(ZEROS, |known| known[(index - blocks.start) as usize]);
            let start = index * BLOCK_BYTES;
            let end = (start + BLOCK_BYTES).min(size);
            let block = &content[start as usize..end as usize];
            let hash = hash_volume_block(index, block);
            if hash == known {
                continue;
            }
            if *left == 0 {
                return false;
            }
            *left -= 1;
            match hash == ZEROS {
                true => sink.clear(start, end - start).unwrap(),
                false => sink.write(start, block).unwrap(),
            }
        }
    }
    true
}

/// Fails unless an image is as it was, by its manifest and by its content.
pub fn check_image(store: &Store, name: &BackupName, disk: &Disk) {
    let tree = store.open_backup(&client("laptop"), name).unwrap();
    let listed: usize = tree
        .manifest()
        .records()
        .map(|record| record.unwrap().entries)
        .map(|entries| {
            entries
                .iter()
                .filter(|entry| matches!(entry.kind, Kind::Volume { .. }))
                .count()
        })
        .sum();
    assert_eq!(listed, disk.len());
    for (volume, content) in disk {
        let path = format!("{DISK}/{volume}.raw");
        let from_outside = open_volume_at(&location(store, name), path.as_bytes()).unwrap();
        for reader in [tree.open_volume(path.as_bytes()).unwrap(), from_outside] {
            assert_eq!(reader.len_bytes().unwrap(), content.len() as u64);
            let mut found = vec![0; content.len()];
            reader.read_exact_at(&mut found, 0).unwrap();
            assert!(found == *content, "{name} {volume}");
            let mut by_data = vec![0; content.len()];
            let mut at = 0;
            while let Some(data) = reader.next_data(at..content.len() as u64).unwrap() {
                let part = data.start as usize..data.end as usize;
                by_data[part.clone()].copy_from_slice(&found[part]);
                at = data.end;
            }
            assert!(
                by_data == *content,
                "{name} {volume}: what holds no data is zeros"
            );
        }
    }
}

pub fn location(store: &Store, name: &BackupName) -> PathBuf {
    store.path().join("laptop").join(name.as_str())
}

/// Lets qemu say what it thinks of an image's qcow2 files.
pub fn check_with_qemu(lab: &Lab, name: &BackupName, disk: &Disk) {
    if lab.store().volume_format() != VolumeFormat::Qcow2 {
        return;
    }
    for (volume, content) in disk {
        let file = location(lab.store(), name)
            .join(DISK)
            .join(format!("{volume}.qcow2"));
        let raw = lab.source().join("model.raw");
        std::fs::write(&raw, content).unwrap();
        let mut check = Command::new("qemu-img");
        check.args(["check", "-q", "-f", "qcow2"]).arg(&file);
        let mut compare = Command::new("qemu-img");
        compare
            .args(["compare", "-q", "-f", "raw", "-F", "qcow2"])
            .args([&raw, &file]);
        for command in [&mut check, &mut compare] {
            let output = match command.output() {
                Ok(output) => output,
                Err(why) => return eprintln!("skipped: qemu-img: {why}"),
            };
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {text}");
        }
        std::fs::remove_file(raw).unwrap();
    }
}
