//! Images: a volume of which a fifth is used, and disks of 500 GiB that are put together without copying.
//!
//! Each row is a ratio within one run, or a figure of space; see the names.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use disk_image::volume::{LeaveOut, Stillness, identify, used};

use super::Result;
use super::arguments::Size;
use super::figures::Row;
use super::measure::quiet;
use super::perennial::Perennial;
use super::rivals::Tool as _;
use super::scene::Scene;
use super::workloads::{Noise, write_noise};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PAGE_BYTES: u64 = 4096;
/// Bytes overwritten for the image after next, in scattered pages.
const SCATTERED_BYTES: u64 = 16 * MIB;
/// Extents of the disk that is in pieces.
const EXTENTS: u64 = 131_072;

/// Sizes of a run.
struct Sizes {
    volume_bytes: u64,
    used_bytes: u64,
    disk_bytes: u64,
    disk_used_bytes: u64,
}

impl Sizes {
    fn of(size: Size) -> Self {
        let full = Self {
            volume_bytes: 20 * GIB,
            used_bytes: 4 * GIB,
            disk_bytes: 500 * GIB,
            disk_used_bytes: 8 * GIB,
        };
        match size {
            Size::Full | Size::Million => full,
            Size::Short => Self {
                volume_bytes: 2 * GIB,
                used_bytes: 400 * MIB,
                disk_bytes: 50 * GIB,
                disk_used_bytes: 800 * MIB,
            },
        }
    }
}

/// Measures all that is asked of images.
pub fn measure(scene: &Scene) -> Result<Vec<Row>> {
    let sizes = Sizes::of(scene.size);
    let mut rows = Vec::new();
    let place = scene.fresh_place("images")?;
    let mut perennial = Perennial::default();
    perennial.begin(&place, &scene.own("images"))?;
    eprintln!("images: a volume with files");
    volume(scene, &sizes, &mut perennial, &place, &mut rows)?;
    eprintln!("images: a large disk");
    large_disk(scene, &sizes, &mut perennial, &place, &mut rows)?;
    eprintln!("images: a disk in pieces");
    pieces(scene, &mut perennial, &place, &mut rows)?;
    perennial.end()?;
    scene.remove_place(&place)?;
    Ok(rows)
}

fn volume(
    scene: &Scene,
    sizes: &Sizes,
    perennial: &mut Perennial,
    place: &Path,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let volume = scene.beside("volume.img");
    make_volume(&volume, sizes.volume_bytes, sizes.used_bytes, scene)?;
    let ranges = used_ranges(&volume)?;
    scene.settle()?;
    let copied = copy(&volume, &ranges, &place.join("copy.img"))?;
    fs::remove_file(place.join("copy.img"))?;
    scene.settle()?;
    let first = perennial.image(&volume)?;
    rows.push(Row::ratio(
        "W4 first image, to copying what is used and syncing",
        first.wall,
        copied,
        1.5,
    ));
    let hashed = hash(&volume, &ranges)?;
    let unchanged = perennial.image(&volume)?;
    rows.push(Row::ratio(
        "W4 unchanged, to reading and hashing what is used on all cores",
        unchanged.wall,
        hashed,
        1.3,
    ));
    rows.push(Row {
        name: "W4 unchanged, sent besides hashes".to_owned(),
        value: perennial.sent_bytes()? as f64 / KIB as f64,
        limit: 64.0,
        unit: " KiB",
    });
    let before = scene.used_bytes()?;
    scatter(&volume, &ranges)?;
    perennial.image(&volume)?;
    let grown = (scene.used_bytes()? - before.min(scene.used_bytes()?)) as f64;
    rows.push(Row {
        name: "W4 with 16 MiB in scattered pages, space to the pages".to_owned(),
        value: grown / SCATTERED_BYTES as f64,
        limit: 2.0,
        unit: " ×",
    });
    let raw = perennial.newest_image()?.join("volume.img/volume.img.raw");
    let by_qemu = timed(
        Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "vhdx"])
            .args([&raw, &scene.beside("by-qemu.vhdx")]),
    )?;
    let ours = perennial.export("latest", &scene.beside("ours.vhdx"))?;
    rows.push(Row::ratio(
        "W4 export that copies, to `qemu-img convert`",
        ours,
        by_qemu,
        1.11,
    ));
    for file in ["volume.img", "by-qemu.vhdx", "ours.vhdx"] {
        fs::remove_file(scene.beside(file))?;
    }
    Ok(())
}

fn large_disk(
    scene: &Scene,
    sizes: &Sizes,
    perennial: &mut Perennial,
    place: &Path,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let disk = scene.beside("large.img");
    make_volume(&disk, sizes.disk_bytes, sizes.disk_used_bytes, scene)?;
    perennial.image(&disk)?;
    for format in ["vhdx", "vhd"] {
        let before = scene.used_bytes()?;
        let made = place.join(format!("large.{format}"));
        let wall = perennial.export("latest", &made)?;
        let grown = scene.used_bytes()? - before.min(scene.used_bytes()?);
        rows.push(Row::seconds(
            &format!("W5 synthetic {format} of a large disk"),
            wall,
            0.5,
        ));
        rows.push(Row {
            name: format!("W5 synthetic {format}, new space"),
            value: grown as f64 / MIB as f64,
            limit: 2.0,
            unit: " MiB",
        });
        fs::remove_file(made)?;
    }
    fs::remove_file(disk)?;
    Ok(())
}

fn pieces(scene: &Scene, perennial: &mut Perennial, place: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let disk = scene.beside("pieces.img");
    let file = File::create(&disk)?;
    let stride = 256 << 10;
    file.set_len(EXTENTS * stride)?;
    let mut noise = Noise(7);
    for extent in 0..EXTENTS {
        file.write_all_at(&noise.bytes(PAGE_BYTES as usize), extent * stride)?;
    }
    perennial.image(&disk)?;
    let image = perennial.newest_image()?;
    let raw = image.join("pieces.img/pieces.img.raw");
    let before = scene.used_bytes()?;
    let clone = place.join("clone.raw");
    let cloned = timed(Command::new("cp").arg("--reflink=always").args([&raw, &clone]))?;
    let by_cp = scene.used_bytes()? - before.min(scene.used_bytes()?);
    fs::remove_file(&clone)?;
    for format in ["vhdx", "vhd"] {
        let before = scene.used_bytes()?;
        let made = place.join(format!("pieces.{format}"));
        let wall = perennial.export("latest", &made)?;
        let grown = scene.used_bytes()? - before.min(scene.used_bytes()?);
        rows.push(Row::ratio(
            &format!("W6 {format} of {EXTENTS} extents, to `cp --reflink`"),
            wall,
            cloned,
            1.5,
        ));
        rows.push(Row {
            name: format!("W6 {format}, space to that of `cp --reflink`"),
            value: grown as f64 / by_cp.max(1) as f64,
            limit: 1.5,
            unit: " ×",
        });
        fs::remove_file(made)?;
    }
    // What the removal of those files left to be done is no part of it.
    scene.settle()?;
    let snapshot = place.join("snapshot");
    let begun = timed(
        Command::new("btrfs")
            .args(["subvolume", "snapshot"])
            .args([&image, &snapshot]),
    )?;
    rows.push(Row::seconds(
        "W6 snapshot that an incremental begins with",
        begun,
        0.1,
    ));
    quiet(Command::new("btrfs").args(["subvolume", "delete"]).arg(&snapshot))?;
    fs::remove_file(disk)?;
    Ok(())
}

/// A file with an ext4 and some large files of noise.
fn make_volume(path: &Path, len_bytes: u64, used_bytes: u64, scene: &Scene) -> Result<()> {
    File::create(path)?.set_len(len_bytes)?;
    quiet(Command::new("mkfs.ext4").arg("-q").arg(path))?;
    let root = scene.beside("mounted");
    fs::create_dir_all(&root)?;
    quiet(Command::new("mount").args(["-o", "loop"]).arg(path).arg(&root))?;
    for file in 0..4 {
        write_noise(&root.join(format!("file-{file}")), used_bytes / 4)?;
    }
    quiet(Command::new("umount").arg(&root))?;
    scene.settle()
}

fn used_ranges(volume: &Path) -> Result<Vec<Range<u64>>> {
    let file = File::open(volume)?;
    let found = identify(&file)?;
    Ok(used(&file, &found, LeaveOut::default(), Stillness::default())?
        .ranges()
        .to_vec())
}

/// Reads what is used and writes it to a new file, as `dd` would, and makes that durable.
fn copy(volume: &Path, ranges: &[Range<u64>], to: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let (from, to) = (File::open(volume)?, File::create(to)?);
    to.set_len(from.metadata()?.len())?;
    let mut buffer = vec![0; MIB as usize];
    for piece in ranges.iter().flat_map(cut) {
        let bytes = &mut buffer[..(piece.end - piece.start) as usize];
        from.read_exact_at(bytes, piece.start)?;
        to.write_all_at(bytes, piece.start)?;
    }
    to.sync_all()?;
    Ok(begun.elapsed())
}

/// Reads what is used and hashes it, on all cores.
fn hash(volume: &Path, ranges: &[Range<u64>]) -> Result<Duration> {
    let begun = Instant::now();
    let pieces: Vec<Range<u64>> = ranges.iter().flat_map(cut).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let file = File::open(volume)?;
    let cores = std::thread::available_parallelism()?.get();
    let failed = std::thread::scope(|scope| {
        let work = || -> std::io::Result<()> {
            let mut buffer = vec![0; MIB as usize];
            while let Some(piece) = pieces.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                let bytes = &mut buffer[..(piece.end - piece.start) as usize];
                file.read_exact_at(bytes, piece.start)?;
                std::hint::black_box(blake3::hash(bytes));
            }
            Ok(())
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .any(|thread| !matches!(thread.join(), Ok(Ok(()))))
    });
    if failed {
        return Err("the volume can't be hashed".into());
    }
    Ok(begun.elapsed())
}

fn cut(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let Range { start, end } = *range;
    (start..end)
        .step_by(MIB as usize)
        .map(move |at| at..(at + MIB).min(end))
}

/// Overwrites pages all over what is used, each of them once.
fn scatter(volume: &Path, ranges: &[Range<u64>]) -> Result<()> {
    let file = File::options().write(true).open(volume)?;
    let large = ranges
        .iter()
        .max_by_key(|range| range.end - range.start)
        .ok_or("nothing is used")?;
    let pages = SCATTERED_BYTES / PAGE_BYTES;
    let stride = (large.end - large.start) / pages / PAGE_BYTES * PAGE_BYTES;
    let mut noise = Noise(11);
    for page in 0..pages {
        file.write_all_at(
            &noise.bytes(PAGE_BYTES as usize),
            large.start + page * stride.max(PAGE_BYTES),
        )?;
    }
    file.sync_all()?;
    Ok(())
}

fn timed(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    quiet(command)?;
    Ok(begun.elapsed())
}
