//! `image …` and `restore-disk`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use disk_image::synthetic::Format;

use super::backup_ref::PlaceParser;
use super::{BackupRef, ListArgs, OutputArgs, Place};

/// What can be done with image backups.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// List image backups, newest last
    List(ListArgs),
    /// Tell which disks and volumes an image has
    Info(ImageInfoArgs),
    /// Make a virtual disk of an image, anywhere
    Export(ExportArgs),
    /// Make a virtual disk of an image on the server, to be downloaded in a browser or used where it lies
    Publish(PublishArgs),
    /// List the virtual disks that are there to be downloaded, newest last
    Published(ListArgs),
    /// Remove a virtual disk that was made to be downloaded; the image stays
    Unpublish(UnpublishArgs),
    #[cfg(feature = "server")]
    /// Mount a volume of an image; on the server's machine, as root
    Mount(MountArgs),
    #[cfg(feature = "server")]
    /// Serve a disk or volume of an image over the network block device protocol; on the server's machine
    Serve(ServeArgs),
    #[cfg(feature = "server")]
    /// List the files in a volume of an image, without mounting it; on the server's machine
    Browse(ImageBrowseArgs),
    #[cfg(feature = "server")]
    /// Copy files out of a volume of an image, without mounting it; on the server's machine
    Extract(ExtractArgs),
}

/// `image info`
#[derive(Debug, Args)]
pub struct ImageInfoArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest
    pub backup: BackupRef,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `image export`
#[derive(Debug, Args)]
#[command(after_help = "\
The whole disk with its partition table, or with BACKUP:DISK/VOLUME one volume alone. Where the target is on the storage's \
own file system nothing is copied: extents are shared.

Examples:
  perennial image export laptop/latest --to /srv/share/laptop.vhdx
  perennial image export laptop/latest:sda --format qcow2 --to /var/lib/vms/laptop.qcow2
  perennial image export laptop/latest:sda/sda2 --format raw --to root.img")]
pub struct ExportArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a disk or volume of it; the disk may be left out where there is one
    #[arg(value_name = "BACKUP[:DISK[/VOLUME]]", value_parser = PlaceParser)]
    pub place: Place,
    /// The file; it must not be there yet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub to: PathBuf,
    /// raw, vhd, vhd-fixed, vhdx, qcow2 or vmdk; by default what the file's name ends with
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Only this volume of the disk, beside its table; may be given several times
    #[arg(long = "volume", value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `image publish`
#[derive(Debug, Args)]
#[command(after_help = "\
The server makes the disk beside its backups and keeps it as long as the setting published_keep says. Whoever may restore the \
client's backups can download it in the web interface. Where the storage can share extents it takes next to no space; elsewhere it is a \
copy, and refused where there is no room for it. With BACKUP:DISK/VOLUME it is one volume alone.

Examples:
  perennial image publish laptop/latest
  perennial image publish laptop/latest:sda --format qcow2
  perennial image publish laptop/latest:sda/sda2 --format raw")]
pub struct PublishArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a disk or volume of it; the disk may be left out where there is one
    #[arg(value_name = "BACKUP[:DISK[/VOLUME]]", value_parser = PlaceParser)]
    pub place: Place,
    /// raw, vhd, vhd-fixed, vhdx or qcow2
    #[arg(long, value_name = "FORMAT", default_value = "vhdx")]
    pub format: Format,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `image unpublish`
#[derive(Debug, Args)]
#[command(after_help = "\
\"perennial image published\" tells the IDs.

Example:
  perennial image unpublish 3f9c02ab61d4")]
pub struct UnpublishArgs {
    /// What identifies the virtual disk
    #[arg(value_name = "ID")]
    pub id: String,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `image mount`
#[derive(Debug, Args)]
#[command(after_help = "\
Unmount it with \"umount DIR\"; nothing else has to be cleaned up.

Example:
  perennial image mount laptop/latest:sda/sda2 /mnt")]
pub struct MountArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a volume of it
    #[arg(value_name = "BACKUP:DISK/VOLUME", value_parser = PlaceParser)]
    pub place: Place,
    /// Where to; a directory that is there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: PathBuf,
    /// Let it be written to; all that is written is thrown away when it is unmounted
    #[arg(long)]
    pub writable: bool,
}

/// `image serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Whatever speaks NBD can read it then, as if it were there: nbdcopy, QEMU, or the kernel with nbd-client. It is served until Ctrl-C. With \
--writable clients write to a clone that nobody keeps.

Examples:
  perennial image serve laptop/latest --socket /run/laptop.sock
  qemu-system-x86_64 -m 2G -drive file=nbd+unix:///?socket=/run/laptop.sock,format=raw,if=virtio
  perennial image serve laptop/latest:sda --listen 0.0.0.0:10809 --tls-cert cert.pem --tls-key key.pem")]
pub struct ServeArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a disk or volume of it; the disk may be left out where there is one
    #[arg(value_name = "BACKUP[:DISK[/VOLUME]]", value_parser = PlaceParser)]
    pub place: Place,
    /// Serve on a Unix socket, which is created
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "listen", required_unless_present = "listen")]
    pub socket: Option<PathBuf>,
    /// Serve on an address; other than loopback needs TLS
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// The server's certificate, with those that lead to its authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Let clients write; all that they write is thrown away at the end
    #[arg(long)]
    pub writable: bool,
}

/// `image browse`
#[derive(Debug, Args)]
#[command(after_help = "\
Volumes with ext2, ext3, ext4, NTFS, FAT and exFAT can be read so. \"perennial image info BACKUP\" tells the names of disks and \
volumes.

Examples:
  perennial image browse laptop/latest:sda/sda2
  perennial image browse laptop/latest:sda/sda2/home/me --recursive")]
pub struct ImageBrowseArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, a volume of it, and a path in that
    #[arg(value_name = "BACKUP:DISK/VOLUME[/PATH]", value_parser = PlaceParser)]
    pub place: Place,
    /// And everything beneath
    #[arg(long, short)]
    pub recursive: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `image extract`
#[derive(Debug, Args)]
#[command(after_help = "\
A directory's content comes into DIR, a file beneath its own name. Mode and time are those in the volume, owners too where root \
runs this; extended attributes and ACLs are left out. Links are copied as links, and nothing is written through one. What can't be \
read is told, and the rest goes on.

Examples:
  perennial image extract laptop/latest:sda/sda2/home/me/letters --to /tmp/letters
  perennial image extract laptop/latest:sda/sda1/boot.ini --to . --existing overwrite")]
pub struct ExtractArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, a volume of it, and a path in that
    #[arg(value_name = "BACKUP:DISK/VOLUME[/PATH]", value_parser = PlaceParser)]
    pub place: Place,
    /// The directory; created if need be
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: PathBuf,
    /// What to do with a file that is in the way
    #[arg(long, value_enum, value_name = "HOW", default_value_t = ExistingFiles::Keep)]
    pub existing: ExistingFiles,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do with a file that is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExistingFiles {
    /// Leave it, report it, go on.
    Keep,
    /// Replace it; a directory stays.
    Overwrite,
    /// Stop.
    Fail,
}

/// `restore-disk`
#[derive(Debug, Args)]
#[command(after_help = "\
BACKUP:DISK restores the partition table and all volumes of a disk; BACKUP:DISK/VOLUME a single volume, onto a partition for \
instance. The target becomes exactly what the image has: all that was on it is gone. What was written is read again and compared with the \
backup's hashes.

Examples:
  perennial restore-disk laptop/latest:sda --to /dev/sdb
  perennial restore-disk laptop/latest --to disk.img
  perennial restore-disk latest:sda/sda2 --to /dev/sda2 --differing")]
pub struct RestoreDiskArgs {
    /// NAME, CLIENT/NAME or CLIENT/latest, and a disk or volume of it; the disk may be left out where there is one
    #[arg(value_name = "BACKUP[:DISK[/VOLUME]]", value_parser = PlaceParser)]
    pub place: Place,
    /// The device, or the file
    #[arg(long, value_name = "TARGET", value_hint = ValueHint::FilePath)]
    pub to: PathBuf,
    /// Only this volume of the disk, beside its table; may be given several times
    #[arg(long = "volume", value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// Read the target first and write only what differs
    #[arg(long)]
    pub differing: bool,
    /// On a larger disk, let the last partition take the rest; its file system stays as it is
    #[arg(long)]
    pub grow_last: bool,
    /// Don't read again what was written
    #[arg(long)]
    pub no_verify: bool,
    /// Overwrite a target that is in use
    #[arg(long)]
    pub force: bool,
    /// Overwrite what is on the target without asking
    #[arg(long, short)]
    pub yes: bool,
    /// For whom.
    #[command(flatten)]
    pub output: OutputArgs,
}
