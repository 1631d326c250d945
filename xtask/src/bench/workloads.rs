//! The workloads: a kernel's source tree, one large file, very many small ones.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::arguments::{Arguments, Size};
use super::measure::{Cost, quiet};
use super::report::Step;
use super::rivals::Tool;
use super::scene::Scene;

const KERNEL_ARCHIVE: &str = "/usr/src/linux-source-6.1.tar.xz";
const OVERWRITTEN_BYTES: usize = 4 << 20;
/// The floors' names.
pub const HASHING: &str = "BLAKE3 on all cores";
pub const STATTING: &str = "parallel stat";

/// A workload.
#[derive(Debug, Clone)]
pub enum Workload {
    /// W1: the source tree of a kernel, or `/usr/share` cut down where that is not at hand.
    Tree,
    /// W2: one file of random data.
    Large {
        /// Its size.
        len_bytes: u64,
    },
    /// W3: files of 200 B to 4 KB.
    Small {
        /// How many.
        files: u64,
    },
}

/// The workloads of a run.
pub fn all(arguments: &Arguments) -> Vec<Workload> {
    let mut workloads = of_size(arguments.size);
    let only = &arguments.workloads;
    workloads.retain(|workload| only.is_empty() || only.iter().any(|name| name == workload.name()));
    workloads
}

fn of_size(size: Size) -> Vec<Workload> {
    match size {
        Size::Short => vec![
            Workload::Large { len_bytes: 400 << 20 },
            Workload::Small { files: 30_000 },
        ],
        Size::Full => {
            vec![
                Workload::Tree,
                Workload::Large { len_bytes: 4 << 30 },
                Workload::Small { files: 300_000 },
            ]
        }
        Size::Million => vec![Workload::Small { files: 1_000_000 }],
    }
}

impl Workload {
    /// Its short name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tree => "W1",
            Self::Large { .. } => "W2",
            Self::Small { .. } => "W3",
        }
    }

    /// Makes the source.
    pub fn make(&self, source: &Path) -> Result<()> {
        match self {
            Self::Tree => {
                if !Path::new(KERNEL_ARCHIVE).exists() {
                    return Err(format!("{KERNEL_ARCHIVE} is missing: apt install linux-source-6.1").into());
                }
                quiet(
                    Command::new("tar")
                        .args(["-xJf", KERNEL_ARCHIVE, "-C"])
                        .arg(source),
                )?;
            }
            Self::Large { len_bytes } => write_noise(&source.join("large"), *len_bytes)?,
            Self::Small { files } => make_small(source, *files)?,
        }
        quiet(&mut Command::new("sync"))?;
        Ok(())
    }

    /// Changes the source a little: every hundredth file, or a range of the large one. Each round brings something new.
    pub fn change(&self, source: &Path, round: u64) -> Result<()> {
        match self {
            Self::Large { len_bytes } => {
                let file = fs::OpenOptions::new().write(true).open(source.join("large"))?;
                let mut noise = Noise(round * 977 + 5);
                let bytes = noise.bytes(OVERWRITTEN_BYTES);
                file.write_all_at(&bytes, len_bytes / 3)?;
            }
            Self::Tree | Self::Small { .. } => change_each(source, 100, round)?,
        }
        quiet(&mut Command::new("sync"))?;
        Ok(())
    }
}

/// Runs all steps of a workload with a tool, which is the `round`th to meet the source.
pub fn run(
    workload: &Workload,
    source: &Path,
    (round, mut tool): (u64, Box<dyn Tool>),
    place: &Path,
    scene: &Scene,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    tool.begin(place, &scene.own(tool.name()))?;
    let before = scene.used_bytes()?;
    let mut step = |name: &'static str, cost: Cost, used: u64| {
        steps.push(Step {
            tool: tool_name(place),
            name,
            cost,
            space_bytes: used as i64,
        });
    };
    scene.settle()?;
    warm(source)?;
    let cost = tool.back_up(source)?;
    let first = scene.used_bytes()?;
    step("first", cost, first.saturating_sub(before));
    warm(source)?;
    let cost = tool.back_up(source)?;
    let second = scene.used_bytes()?;
    step("nothing changed", cost, second.saturating_sub(first));
    workload.change(source, round)?;
    warm(source)?;
    let cost = tool.back_up(source)?;
    let third = scene.used_bytes()?;
    step("a little changed", cost, third.saturating_sub(second));
    let target = place.join("restored");
    scene.settle()?;
    let cost = tool.restore(&target)?;
    let restored = scene.used_bytes()?;
    step("restore", cost, restored.saturating_sub(third));
    if let Some(cost) = tool.delete_middle()? {
        step("delete", cost, 0);
    }
    tool.end()?;
    Ok(steps)
}

/// What nothing can be faster than, measured beside the rest.
pub fn floors(workload: &Workload, source: &Path) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let cost = match workload {
        Workload::Large { .. } => hash_on_all_cores(&source.join("large"))?,
        _ => parallel_stat(source)?,
    };
    let name = if matches!(workload, Workload::Large { .. }) {
        HASHING
    } else {
        STATTING
    };
    steps.push(Step {
        tool: name.into(),
        name: "floor",
        cost,
        space_bytes: 0,
    });
    Ok(steps)
}

/// The wall time of reading and hashing a file, in as many parts as there are cores.
fn hash_on_all_cores(path: &Path) -> Result<Cost> {
    const PIECE_BYTES: u64 = 1 << 20;
    let file = fs::File::open(path)?;
    let len = file.metadata()?.len();
    let next = std::sync::atomic::AtomicU64::new(0);
    let hash = || -> std::io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES as usize];
        loop {
            let offset = next.fetch_add(PIECE_BYTES, std::sync::atomic::Ordering::Relaxed);
            if offset >= len {
                return Ok(());
            }
            let read = file.read_at(&mut buffer, offset)?;
            std::hint::black_box(blake3::hash(&buffer[..read]));
        }
    };
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(hash)).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    Ok(Cost {
        wall: begun.elapsed(),
        ..Cost::default()
    })
}

/// The wall time of a bare parallel `statx` of every entry.
fn parallel_stat(source: &Path) -> Result<Cost> {
    let mut tops: Vec<PathBuf> = Vec::new();
    let mut queue = vec![source.to_owned()];
    while tops.len() + queue.len() < 64 {
        let Some(dir) = queue.pop() else { break };
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                queue.insert(0, entry.path());
            }
        }
        tops.push(dir);
    }
    let shared = std::sync::Mutex::new(queue);
    let begun = std::time::Instant::now();
    for dir in &tops {
        for entry in fs::read_dir(dir)? {
            entry?.metadata()?;
        }
    }
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = shared.lock().ok().and_then(|mut queue| queue.pop());
                    let Some(dir) = next else { return };
                    let mut stack = vec![dir];
                    while let Some(dir) = stack.pop() {
                        let Ok(entries) = fs::read_dir(&dir) else { continue };
                        for entry in entries.flatten() {
                            let Ok(metadata) = entry.metadata() else { continue };
                            if metadata.is_dir() {
                                stack.push(entry.path());
                            }
                        }
                    }
                }
            });
        }
    });
    Ok(Cost {
        wall: begun.elapsed(),
        ..Cost::default()
    })
}

fn tool_name(place: &Path) -> String {
    place
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Empties the caches and reads the source once, so that each tool finds just that in memory.
fn warm(source: &Path) -> Result<()> {
    quiet(&mut Command::new("sync"))?;
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    quiet(
        Command::new("sh")
            .args(["-c", r#"tar -cf - "$1" | cat >/dev/null"#, "sh"])
            .arg(source),
    )?;
    Ok(())
}

fn make_small(source: &Path, files: u64) -> Result<()> {
    let mut noise = Noise(42);
    for number in 0..files {
        if number % 1000 == 0 {
            fs::create_dir_all(source.join(format!("{:04}", number / 1000)))?;
        }
        let len = 200 + (noise.next() % 3800) as usize;
        let bytes = noise.bytes(len);
        fs::write(
            source.join(format!("{:04}/{:03}", number / 1000, number % 1000)),
            bytes,
        )?;
    }
    Ok(())
}

/// Appends a line to every n-th regular file, in a fixed order.
fn change_each(source: &Path, every: usize, round: u64) -> Result<()> {
    let list = quiet(
        Command::new("sh")
            .args(["-c", r#"find "$1" -type f | sort"#, "sh"])
            .arg(source),
    )?;
    for path in list.lines().step_by(every) {
        let mut file = fs::OpenOptions::new().append(true).open(path)?;
        writeln!(file, "/* changed in round {round} */")?;
    }
    Ok(())
}

/// Writes a file of random bytes.
pub fn write_noise(path: &Path, len_bytes: u64) -> Result<()> {
    let mut file = fs::File::create(path)?;
    let mut noise = Noise(7);
    let mut left = len_bytes;
    while left > 0 {
        let bytes = noise.bytes(left.min(1 << 20) as usize);
        file.write_all(&bytes)?;
        left -= bytes.len() as u64;
    }
    Ok(())
}

/// Random bytes that are the same in every run.
pub struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}
