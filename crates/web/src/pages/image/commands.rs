//! The commands that restore a disk of an image, or let it be used without: for the server's machine and for the client, with the image's
//! names in them.

use maud::{Markup, html};
use wire::v1::{BackupInfo, ImageDisk};

use super::volume_name;
use crate::parts::command::{show, word};
use crate::visitor::Visitor;

/// What stands for the disk that is written to. There is none of this name, so that nothing happens before one is chosen.
const TARGET: &str = "/dev/sdX";

/// What the kernel does not mount: parts of something larger, and what holds no files.
const NOT_MOUNTED: [&str; 11] = [
    "",
    "unknown",
    "swap",
    "ext journal",
    "LVM physical volume",
    "LUKS",
    "BitLocker",
    "Linux RAID member",
    "bcache",
    "ReFS",
    "ZFS",
];

/// The commands for a disk, each under what it does.
pub fn of_disk(visitor: &Visitor, info: &BackupInfo, disk: &ImageDisk) -> Markup {
    let commands = Commands { info, disk };
    let restores = [
        ("image-restore-client", commands.restore_on_client()),
        ("image-restore-server", commands.restore_on_server()),
    ];
    let uses = [
        ("image-export", commands.export()),
        ("image-serve", commands.serve()),
    ];
    let mounts = commands.mounts();
    let each = |commands: &[(&str, String)]| {
        html! { @for (text, command) in commands { p { (visitor.say(text)) } (show(visitor, command)) } }
    };
    html! {
        details.commands {
            summary { (visitor.say("image-restore")) }
            p.hint { (visitor.say("image-restore-about")) }
            (each(&restores))
        }
        details.commands {
            summary { (visitor.say("image-use")) }
            p.hint { (visitor.say("image-use-about")) }
            (each(&uses))
            @if !mounts.is_empty() {
                p { (visitor.say("image-mount")) }
                @for command in &mounts { (show(visitor, command)) }
            }
        }
    }
}

struct Commands<'a> {
    info: &'a BackupInfo,
    disk: &'a ImageDisk,
}

impl Commands<'_> {
    /// A disk or volume of the image, as commands on the server's machine take it.
    fn place(&self, within: &str) -> String {
        word(&format!("{}/{}:{within}", self.info.client, self.info.name))
    }

    /// The name of a file that is made of the disk.
    fn file(&self, before: &str, extension: &str) -> String {
        let name = self.disk.name.replace('/', "-");
        word(&format!("{before}{}-{name}{extension}", self.info.client))
    }

    fn restore_on_client(&self) -> String {
        let place = word(&format!("{}:{}", self.info.name, self.disk.name));
        format!("perennial restore-disk {place} --to {TARGET}")
    }

    fn restore_on_server(&self) -> String {
        let place = self.place(&self.disk.name);
        format!("perennial restore-disk {place} --to {}", self.file("", ".img"))
    }

    fn export(&self) -> String {
        let place = self.place(&self.disk.name);
        format!("perennial image export {place} --to {}", self.file("", ".vhdx"))
    }

    fn serve(&self) -> String {
        let place = self.place(&self.disk.name);
        format!(
            "perennial image serve {place} --socket {}",
            self.file("/run/", ".sock")
        )
    }

    /// One for each volume that can be mounted.
    fn mounts(&self) -> Vec<String> {
        let volumes = self
            .disk
            .partitions
            .iter()
            .filter_map(|partition| partition.volume.as_ref());
        volumes
            .filter(|volume| !NOT_MOUNTED.contains(&volume.file_system.as_str()))
            .map(|volume| {
                format!(
                    "perennial image mount {} /mnt",
                    self.place(volume_name(&volume.path))
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use wire::v1::{ImagePartition, ImageVolume};

    use super::*;

    fn partition(path: &str, file_system: &str) -> ImagePartition {
        ImagePartition {
            volume: Some(ImageVolume {
                path: path.to_owned(),
                file_system: file_system.to_owned(),
                ..ImageVolume::default()
            }),
            ..ImagePartition::default()
        }
    }

    #[test]
    fn commands_name_the_image_and_its_disk() {
        let info = BackupInfo {
            client: "laptop".to_owned(),
            name: "261130-0650_image".to_owned(),
            ..BackupInfo::default()
        };
        let disk = ImageDisk {
            name: "sda".to_owned(),
            partitions: vec![
                partition("sda/sda1.raw", "ext4"),
                partition("sda/sda2.raw", "swap"),
            ],
            ..ImageDisk::default()
        };
        let commands = Commands {
            info: &info,
            disk: &disk,
        };
        assert_eq!(
            commands.restore_on_client(),
            "perennial restore-disk 261130-0650_image:sda --to /dev/sdX"
        );
        assert_eq!(
            commands.export(),
            "perennial image export laptop/261130-0650_image:sda --to laptop-sda.vhdx"
        );
        assert_eq!(
            commands.serve(),
            "perennial image serve laptop/261130-0650_image:sda --socket /run/laptop-sda.sock"
        );
        assert_eq!(
            commands.mounts(),
            ["perennial image mount laptop/261130-0650_image:sda/sda1 /mnt"]
        );
    }

    #[test]
    fn a_disk_of_a_hostile_name_stays_a_name() {
        let info = BackupInfo::default();
        let disk = ImageDisk {
            name: "sda; reboot '".to_owned(),
            ..ImageDisk::default()
        };
        let commands = Commands {
            info: &info,
            disk: &disk,
        };
        assert_eq!(
            commands.restore_on_client(),
            r"perennial restore-disk ':sda; reboot '\''' --to /dev/sdX"
        );
    }
}
