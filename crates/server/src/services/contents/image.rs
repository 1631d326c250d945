//! What an image says of its disks.

use catalog::Backup;
use disk_image::description::{DiskDescription, PartitionDescription, VolumeDescription};
use wire::v1::{ImageDetail, ImageDisk, ImagePartition, ImageVolume};

use crate::core::Core;
use crate::error::Result;
use crate::image::disks_in;
use crate::services::views;

/// The disks of an image.
pub fn describe(core: &Core, backup: &Backup) -> Result<ImageDetail> {
    let tree = core.open_backup(backup)?;
    let disks = disks_in(&tree)?.into_iter().map(|(_, disk)| disk_message(disk));
    Ok(ImageDetail {
        info: Some(views::backup_info(backup)),
        disks: disks.collect(),
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
