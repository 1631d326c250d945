//! What an image says of its disks.

use catalog::Backup;
use disk_image::description::{DiskDescription, PartitionDescription, VolumeDescription};
use manifest::Kind;
use wire::v1::{ImageDetail, ImageDisk, ImagePartition, ImageVolume};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::image::description_in;
use crate::services::views;

/// The disks of an image.
pub fn describe(core: &Core, backup: &Backup) -> Result<ImageDetail> {
    let tree = core.open_backup(backup)?;
    let root = tree.manifest().directory(b"")?;
    let mut disks = Vec::new();
    for entry in root.iter().flat_map(|root| &root.entries) {
        if !matches!(entry.kind, Kind::Directory) {
            continue;
        }
        if let Some(text) = description_in(&tree, &entry.name)? {
            let disk = DiskDescription::parse(&text).map_err(Error::Disk)?;
            disks.push(disk_message(disk));
        }
    }
    Ok(ImageDetail {
        info: Some(views::backup_info(backup)),
        disks,
    })
}

fn disk_message(disk: DiskDescription) -> ImageDisk {
    let partitions = disk.partitions.iter();
    ImageDisk {
        partitions: partitions
            .map(|partition| partition_message(&disk.name, partition))
            .collect(),
        name: disk.name,
        path: disk.path,
        len_bytes: disk.len_bytes,
        sector_bytes: disk.sector_bytes,
        table: disk.table.kind,
        table_id: disk.table.id,
        warnings: disk.table.warnings,
    }
}

fn partition_message(disk: &str, partition: &PartitionDescription) -> ImagePartition {
    let volume = partition.volume.as_ref();
    ImagePartition {
        number: partition.number,
        start_bytes: partition.start_bytes,
        len_bytes: partition.len_bytes,
        r#type: partition.code.clone(),
        label: partition.label.clone(),
        volume: volume.map(|volume| volume_message(disk, volume)),
    }
}

fn volume_message(disk: &str, volume: &VolumeDescription) -> ImageVolume {
    ImageVolume {
        path: format!("{disk}/{}", volume.file),
        file_system: volume.file_system.clone(),
        label: volume.label.clone(),
        id: volume.id.clone(),
        used_bytes: volume.used_bytes,
        map: volume.map.clone(),
        consistency: volume.consistency.clone(),
        mounted_at: volume.mounted_at.clone(),
        is_browsable: volume_files::READ
            .iter()
            .any(|read| read.name() == volume.file_system),
    }
}
