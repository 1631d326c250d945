//! Which volumes an image holds: what was named is found on this machine, looked at and described.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::description::{DiskDescription, PartitionDescription, TABLE_FILE_NAME, VolumeDescription};
use disk_image::table::{PartitionTable, TableKind};
use disk_image::volume::{self, FileSystem, LeaveOut, Stillness, Trust};

use super::device::{Device, Slice};
use super::hold::{Held, Holds, Written};
use super::machine::{BlockDevice, Machine, Mount, number_of};
use crate::error::{Error, Result, explain};

/// The word that means every disk of the machine.
pub(super) const ALL: &str = "all";
const RAW_SUFFIX: &str = ".raw";

/// A disk whose volumes are read.
#[derive(Debug)]
pub(super) struct DiskPlan {
    pub(super) description: DiskDescription,
    pub(super) path: PathBuf,
    pub(super) volumes: Vec<VolumePlan>,
}

/// A volume that is read.
#[derive(Debug)]
pub(super) struct VolumePlan {
    /// Its number in the session.
    pub(super) id: u64,
    /// Its file's name without suffix.
    pub(super) name: String,
    /// Its path in the backup.
    pub(super) path: Vec<u8>,
    pub(super) device: Arc<Device>,
    /// Its place on the device.
    pub(super) range: Range<u64>,
    /// What of it is in use, from its begin, in order.
    pub(super) used: Vec<Range<u64>>,
}

impl VolumePlan {
    pub(super) fn len_bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used.iter().map(|range| range.end - range.start).sum()
    }
}

impl DiskPlan {
    /// How the volumes were held still, in one text: what is worst counts.
    pub(super) fn consistency(&self) -> String {
        let all = self.description.volumes().map(|(_, volume)| &volume.consistency);
        let worst = all.max_by_key(|text| text.starts_with(NOT_CONSISTENT));
        worst.cloned().unwrap_or_default()
    }
}

/// How texts begin that tell of a volume which changed while it was read.
pub(super) const NOT_CONSISTENT: &str = "not consistent";

/// A disk, or a file that stands for one.
#[derive(Debug, Clone)]
struct Disk {
    name: String,
    /// What the kernel calls it; of a file nothing.
    kernel_name: String,
    path: PathBuf,
}

/// What of a disk is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    All,
    /// Partitions by where they begin.
    Partitions(BTreeSet<u64>),
}

/// Finds what was named and looks at it. What is written to is held still, unless nobody wants that.
pub(super) fn plan(
    names: &[String],
    leave_out: LeaveOut,
    holds: Option<&mut Holds>,
) -> Result<Vec<DiskPlan>> {
    let machine = Machine::look();
    let mut disks: BTreeMap<String, (Disk, Wanted)> = BTreeMap::new();
    let all = [ALL.to_owned()];
    let names = if names.is_empty() { &all[..] } else { names };
    for name in names {
        for (disk, wanted) in find(&machine, name)? {
            add(&mut disks, disk, wanted);
        }
    }
    if disks.is_empty() {
        return Err(Error::NoVolumes);
    }
    let mut planner = VolumePlanner {
        machine: &machine,
        leave_out,
        holds,
        next_id: 0,
    };
    disks
        .into_values()
        .map(|(disk, wanted)| planner.look_at(&disk, &wanted))
        .collect()
}

fn add(disks: &mut BTreeMap<String, (Disk, Wanted)>, disk: Disk, wanted: Wanted) {
    match disks.get_mut(&disk.name) {
        None => {
            disks.insert(disk.name.clone(), (disk, wanted));
        }
        Some((_, known)) => match (known, wanted) {
            (Wanted::All, _) => {}
            (known, Wanted::All) => *known = Wanted::All,
            (Wanted::Partitions(known), Wanted::Partitions(more)) => known.extend(more),
        },
    }
}

/// What a name means: `all`, a device, a disk's or partition's name, a mount point, a file, or a label.
fn find(machine: &Machine, name: &str) -> Result<Vec<(Disk, Wanted)>> {
    let unknown = |reason: &str| Error::UnknownVolume {
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    if name == ALL {
        return Ok(machine
            .all_disks()
            .map(|device| (disk_of(device), Wanted::All))
            .collect());
    }
    if name.starts_with('/') {
        let path = fs::canonicalize(name).map_err(|error| unknown(&error.to_string()))?;
        return find_path(machine, &path, &unknown).map(|found| vec![found]);
    }
    if let Some(device) = machine.by_name(name) {
        return Ok(vec![device_as_wanted(machine, device)]);
    }
    let label = name.strip_prefix("LABEL=").unwrap_or(name);
    let mut found: Vec<_> = machine
        .disks()
        .filter_map(|disk| find_label(machine, disk, label))
        .flatten()
        .collect();
    match found.len() {
        0 => Err(unknown(
            "no disk, device, mount point, file or label of a volume is called so",
        )),
        1 => Ok(vec![found.remove(0)]),
        _ => Err(unknown("several volumes have this label; name the device")),
    }
}

fn find_path(machine: &Machine, path: &Path, unknown: &dyn Fn(&str) -> Error) -> Result<(Disk, Wanted)> {
    let kind = fs::metadata(path)
        .map_err(|error| unknown(&error.to_string()))?
        .file_type();
    if kind.is_block_device() {
        let device = number_of(path).and_then(|number| machine.by_number(number));
        return device
            .map(|device| device_as_wanted(machine, device))
            .ok_or_else(|| unknown("the kernel does not know this device"));
    }
    if kind.is_dir() {
        let device = machine.mounted_at(path);
        return device
            .map(|device| device_as_wanted(machine, device))
            .ok_or_else(|| unknown("no device is mounted there"));
    }
    if !kind.is_file() {
        return Err(unknown("it is neither a device nor a file"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name
        .unwrap_or_default()
        .trim_start_matches('.')
        .replace(char::is_control, "_");
    Ok((
        Disk {
            name: if name.is_empty() { "disk".to_owned() } else { name },
            kernel_name: String::new(),
            path: path.to_owned(),
        },
        Wanted::All,
    ))
}

fn disk_of(device: &BlockDevice) -> Disk {
    Disk {
        name: device.lasting_name(),
        kernel_name: device.name.clone(),
        path: device.path.clone(),
    }
}

/// A whole disk, or of a partition's disk the partition.
fn device_as_wanted(machine: &Machine, device: &BlockDevice) -> (Disk, Wanted) {
    let place = device.partition.as_ref();
    match place.and_then(|place| Some((place, machine.by_name(&place.disk)?))) {
        Some((place, disk)) => (disk_of(disk), Wanted::Partitions([place.start_bytes].into())),
        None => (disk_of(device), Wanted::All),
    }
}

/// The volumes of a disk that have this label, in their file system or in the table. What can't be read has none.
fn find_label(machine: &Machine, device: &BlockDevice, label: &str) -> Option<Vec<(Disk, Wanted)>> {
    let whole = Device::open(&device.path).ok()?;
    let table = read_table(&whole).ok()?;
    let description = DiskDescription::new(&device.name, "", &table);
    let disk = disk_of(device);
    let has_label = |partition: &PartitionDescription| {
        let (part, range) = partition_device(machine, &device.name, &whole, partition);
        let slice = Slice {
            device: part.as_ref().unwrap_or(&whole),
            range,
        };
        partition.label == label || volume::identify(&slice).is_ok_and(|volume| volume.label == label)
    };
    let found = description
        .partitions
        .iter()
        .filter(|partition| has_label(partition));
    Some(
        found
            .map(|partition| (disk.clone(), Wanted::Partitions([partition.start_bytes].into())))
            .collect(),
    )
}

/// What a partition is read from: its own device, whose cache is that of what is mounted; else the disk.
fn partition_device(
    machine: &Machine,
    disk: &str,
    whole: &Device,
    partition: &PartitionDescription,
) -> (Option<Device>, Range<u64>) {
    let on_disk = partition.start_bytes..partition.start_bytes + partition.len_bytes;
    let own = own_device(machine, disk, partition).and_then(|device| Device::open(&device.path).ok());
    match own.filter(|own| own.len_bytes() == partition.len_bytes && partition.number > 0) {
        Some(own) => (Some(own), 0..partition.len_bytes),
        None => (None, on_disk.start..on_disk.end.min(whole.len_bytes())),
    }
}

fn own_device<'a>(
    machine: &'a Machine,
    disk: &'a str,
    partition: &PartitionDescription,
) -> Option<&'a BlockDevice> {
    machine.partitions(disk).find(|device| {
        device
            .partition
            .as_ref()
            .is_some_and(|place| place.start_bytes == partition.start_bytes)
    })
}

/// Reads a partition table. The boot sector of some file systems ends like one, and is none.
fn read_table(whole: &Device) -> disk_image::Result<PartitionTable> {
    let found = volume::identify(whole)?;
    let has_boot_sector = matches!(
        found.file_system,
        FileSystem::Fat12
            | FileSystem::Fat16
            | FileSystem::Fat32
            | FileSystem::ExFat
            | FileSystem::Ntfs
            | FileSystem::ReFs
            | FileSystem::BitLocker
    );
    if !has_boot_sector {
        return PartitionTable::read(whole);
    }
    Ok(PartitionTable {
        kind: TableKind::None,
        disk_len_bytes: whole.len_bytes(),
        sector_bytes: 512,
        partitions: Vec::new(),
        pieces: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Looks at disks, one after the other.
struct VolumePlanner<'a> {
    machine: &'a Machine,
    leave_out: LeaveOut,
    holds: Option<&'a mut Holds>,
    next_id: u64,
}

impl VolumePlanner<'_> {
    /// Reads table and maps of a disk.
    fn look_at(&mut self, disk: &Disk, wanted: &Wanted) -> Result<DiskPlan> {
        let whole = Arc::new(Device::open(&disk.path).map_err(|source| unreadable(&disk.path, source))?);
        let table = read_table(&whole).map_err(|source| Error::BadDisk {
            path: disk.path.clone(),
            source,
        })?;
        let mut description = DiskDescription::new(&disk.name, &disk.path.to_string_lossy(), &table);
        let mut volumes = Vec::new();
        for partition in &mut description.partitions {
            if let Wanted::Partitions(starts) = wanted
                && !starts.contains(&partition.start_bytes)
            {
                continue;
            }
            volumes.push(self.volume(disk, &whole, partition)?);
        }
        if volumes.is_empty() {
            return Err(Error::NoVolumes);
        }
        if description.has_table() {
            volumes.push(VolumePlan {
                id: self.take_id(),
                name: TABLE_FILE_NAME.trim_end_matches(RAW_SUFFIX).to_owned(),
                path: format!("{}/{TABLE_FILE_NAME}", disk.name).into_bytes(),
                range: 0..whole.len_bytes(),
                device: whole,
                used: table_ranges(&description),
            });
        }
        Ok(DiskPlan {
            description,
            path: disk.path.clone(),
            volumes,
        })
    }

    /// Holds a volume still where that is to be, describes it, and reads its map.
    fn volume(
        &mut self,
        disk: &Disk,
        whole: &Arc<Device>,
        partition: &mut PartitionDescription,
    ) -> Result<VolumePlan> {
        let (own, mut range) = partition_device(self.machine, &disk.kernel_name, whole, partition);
        let mut device = own.map_or_else(|| Arc::clone(whole), Arc::new);
        let name = volume_name(self.machine, disk, partition);
        let (use_of, snapshot) = self.hold(disk, partition)?;
        if let Some(snapshot) = snapshot {
            let held = Device::open(&snapshot).map_err(|source| unreadable(&snapshot, source))?;
            range = 0..held.len_bytes();
            device = Arc::new(held);
        }
        let slice = Slice {
            device: &device,
            range: range.clone(),
        };
        let (volume, used) = describe(&slice, &name, &use_of, self.leave_out);
        partition.volume = Some(volume);
        Ok(VolumePlan {
            id: self.take_id(),
            path: format!("{}/{name}{RAW_SUFFIX}", disk.name).into_bytes(),
            name,
            device,
            range,
            used,
        })
    }

    /// Finds out how a volume is in use, and holds it still where that is to be. Gives the snapshot to read instead, if there is one.
    fn hold(&mut self, disk: &Disk, partition: &PartitionDescription) -> Result<(Use, Option<PathBuf>)> {
        let Some((device, mount)) = mounted(self.machine, disk, partition) else {
            return Ok((Use::still("not mounted", Path::new("")), None));
        };
        let Some(holds) = self.holds.as_deref_mut() else {
            return Ok((Use::still("", &mount.path), None));
        };
        if mount.is_read_only {
            return Ok((Use::still("mounted read-only", &mount.path), None));
        }
        let written = Written {
            device,
            mount,
            is_volume: device.path == disk.path && partition.start_bytes == 0,
        };
        let frozen = |consistency| Use {
            stillness: Stillness::Frozen,
            ..Use::still(consistency, &mount.path)
        };
        Ok(match holds.hold(self.machine, &written)? {
            Held::Frozen => (frozen("frozen while it was read"), None),
            Held::Snapshot(device) => (frozen("LVM snapshot"), Some(device)),
            Held::Not(reason) => {
                sync(&mount.path);
                (Use::written(&mount.path, reason.as_deref()), None)
            }
        })
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::VolumeUnreadable {
        path: path.to_owned(),
        source,
    }
}

/// What of the disk the table has.
fn table_ranges(description: &DiskDescription) -> Vec<Range<u64>> {
    let pieces = description.table.pieces.iter();
    pieces
        .map(|piece| piece.start_bytes..piece.start_bytes + piece.len_bytes)
        .collect()
}

/// Looks at a volume: its file system and what of it is in use.
fn describe(
    slice: &Slice<'_>,
    name: &str,
    use_of: &Use,
    leave_out: LeaveOut,
) -> (VolumeDescription, Vec<Range<u64>>) {
    let len_bytes = slice.range.end - slice.range.start;
    let everything = || {
        std::iter::once(0..len_bytes)
            .filter(|range| !range.is_empty())
            .collect()
    };
    let mut described = VolumeDescription {
        file: format!("{name}{RAW_SUFFIX}"),
        consistency: use_of.consistency.clone(),
        mounted_at: use_of.mounted_at.to_string_lossy().into_owned(),
        ..VolumeDescription::default()
    };
    let known = volume::identify(slice).and_then(|found| {
        let map = volume::used(slice, &found, leave_out, use_of.stillness)?;
        Ok((found, map))
    });
    let used: Vec<Range<u64>> = match known {
        Ok((found, map)) => {
            described.file_system = found.file_system.to_string();
            described.label = found.label;
            described.id = found.id;
            match map.trust() {
                Trust::Exact => described.map = "exact".to_owned(),
                Trust::Everything { reason } => described.map = format!("every block: {reason}"),
            }
            map.ranges().to_vec()
        }
        // What can't be read is told when it is its turn.
        Err(error) => {
            described.file_system = "unknown".to_owned();
            described.map = format!("every block: {}", explain(&error));
            everything()
        }
    };
    described.used_bytes = used.iter().map(|range| range.end - range.start).sum();
    let used = match use_of.stillness {
        Stillness::Unwritten | Stillness::Frozen => slice.without_holes(used),
        // A hole may have become none.
        Stillness::Written => used,
    };
    (described, used)
}

fn volume_name(machine: &Machine, disk: &Disk, partition: &PartitionDescription) -> String {
    if partition.number == 0 {
        return disk.name.clone();
    }
    match own_device(machine, &disk.kernel_name, partition) {
        Some(device) => device.name.replace('!', "_"),
        None if disk.name.ends_with(|last: char| last.is_ascii_digit()) => {
            format!("{}p{}", disk.name, partition.number)
        }
        None => format!("{}{}", disk.name, partition.number),
    }
}

/// How a volume is in use while it is read.
struct Use {
    consistency: String,
    mounted_at: PathBuf,
    stillness: Stillness,
}

impl Use {
    fn still(consistency: &str, mounted_at: &Path) -> Self {
        Self {
            consistency: consistency.to_owned(),
            mounted_at: mounted_at.to_owned(),
            stillness: Stillness::Unwritten,
        }
    }

    fn written(mounted_at: &Path, reason: Option<&str>) -> Self {
        let place = mounted_at.display();
        let reason = reason.map_or_else(String::new, |reason| format!("; {reason}"));
        Self {
            consistency: format!(
                "{NOT_CONSISTENT}: mounted at {place} and writable while it was read{reason}"
            ),
            mounted_at: mounted_at.to_owned(),
            stillness: Stillness::Written,
        }
    }
}

/// What of a volume is mounted, and where: where it can be written to, if there is such a place.
fn mounted<'a>(
    machine: &'a Machine,
    disk: &'a Disk,
    partition: &PartitionDescription,
) -> Option<(&'a BlockDevice, &'a Mount)> {
    let place = partition.start_bytes;
    let at_place = |(device, offset): (&'a BlockDevice, u64)| {
        if offset == place && (partition.number == 0 || offset > 0) {
            return Some(device);
        }
        let partitions = machine.partitions(&device.name);
        partitions.into_iter().find(|found| {
            let start = found.partition.as_ref().map(|found| found.start_bytes);
            start.and_then(|start| start.checked_add(offset)) == Some(place)
        })
    };
    // A file, and a device too, may be in use through loop devices.
    let own = machine.by_name(&disk.kernel_name);
    let through = own
        .into_iter()
        .map(|device| (device, 0))
        .chain(machine.loops_of(&disk.path));
    let devices = through.filter_map(at_place);
    let mut mounts = devices.filter_map(|device| Some((device, machine.mount(device.number)?)));
    let first = mounts.next()?;
    let writable = |(_, mount): &(&BlockDevice, &Mount)| !mount.is_read_only;
    if writable(&first) {
        return Some(first);
    }
    Some(mounts.find(writable).unwrap_or(first))
}

/// Lets a file system write what it holds back. One that can't is read as it is.
fn sync(mounted_at: &Path) {
    if let Ok(dir) = fs::File::open(mounted_at)
        && let Err(error) = cow_fs::sync_file_system(&dir)
    {
        tracing::warn!(path = %mounted_at.display(), %error, "a file system could not be synced");
    }
}

/// A path as the backup's record has it.
pub(super) fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
