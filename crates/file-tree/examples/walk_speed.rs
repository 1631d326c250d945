//! Measures the ordered walk of a tree beside the least that anybody has to do: list and stat everything, in
//! no order.
//!
//! `cargo run --release -p file-tree --example walk_speed -- DIR [ROUNDS]`

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use file_tree::walk::{Crossing, Options, Source, Walk};
use file_tree::{Dir, Filter};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxFlags, openat, statx};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "/usr".into());
    let rounds: usize = arguments
        .next()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(7)
        .max(1);
    let path = Path::new(&path);
    let filtered = Filter::builder()
        .exclude("*.o")
        .and_then(|filter| filter.exclude("/tmp/cache"))
        .and_then(|filter| filter.exclude(".Trash-*/"))
        .and_then(|filter| filter.build())
        .expect("the patterns are valid");
    let filtered = Arc::new(filtered);
    let variants: [(&str, &dyn Fn() -> usize); 6] = [
        ("bare, 1 thread", &|| bare(path, 1)),
        ("bare, 2 threads", &|| bare(path, 2)),
        ("walk, consumer only", &|| walk(path, Some(0), Arc::default())),
        ("walk, 1 thread beside", &|| walk(path, Some(1), Arc::default())),
        ("walk, threads = cores", &|| walk(path, None, Arc::default())),
        ("walk, 3 patterns", &|| walk(path, None, Arc::clone(&filtered))),
    ];
    // In turns, so that whatever else the machine does strikes all alike.
    let mut measured: [Vec<(Duration, Duration)>; 6] = Default::default();
    let mut entries = variants.map(|(_, run)| run());
    for _ in 0..rounds {
        for (variant, (_, run)) in variants.iter().enumerate() {
            let (begin, cpu_before) = (Instant::now(), cpu_time());
            entries[variant] = run();
            measured[variant].push((begin.elapsed(), cpu_time() - cpu_before));
        }
    }
    for (variant, (what, _)) in variants.iter().enumerate() {
        let (mut wall, mut cpu): (Vec<_>, Vec<_>) = measured[variant].iter().copied().unzip();
        wall.sort_unstable();
        cpu.sort_unstable();
        println!(
            "{what:24} {:8} entries  wall best {:>8.1?} median {:>8.1?}  cpu best {:>8.1?} median {:>8.1?}",
            entries[variant],
            wall[0],
            wall[wall.len() / 2],
            cpu[0],
            cpu[cpu.len() / 2],
        );
    }
    let usage = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        usage
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default()
    );
}

/// How long all threads of this process have computed.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn walk(path: &Path, threads: Option<usize>, filter: Arc<Filter>) -> usize {
    let dir = Arc::new(Dir::open(path).expect("the directory can be opened"));
    let source = Source {
        name: (*b"source").into(),
        dir,
        filter,
        crossing: Crossing::Never,
    };
    let walk = Walk::start(
        vec![source],
        Options {
            threads,
            ..Options::default()
        },
    )
    .expect("the walk starts");
    walk.map(|walked| walked.entries.len()).sum()
}

/// Lists and stats everything beneath `path` and returns how many entries there are.
fn bare(path: &Path, threads: usize) -> usize {
    let root = openat(CWD, path, DIRECTORY, Mode::empty()).expect("the directory can be opened");
    let queue = Mutex::new(vec![(Arc::new(root), c".".to_owned())]);
    let (entries, pending) = (AtomicUsize::new(0), AtomicUsize::new(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::with_capacity(64 * 1024);
                while pending.load(Ordering::Acquire) > 0 {
                    let Some((parent, name)) = queue.lock().expect("no thread panics").pop() else {
                        std::hint::spin_loop();
                        continue;
                    };
                    let dir = openat(&*parent, &*name, DIRECTORY, Mode::empty()).expect("it can be opened");
                    let (count, subdirs) = scan(dir, &mut buffer);
                    entries.fetch_add(count, Ordering::Relaxed);
                    pending.fetch_add(subdirs.len(), Ordering::Release);
                    queue.lock().expect("no thread panics").extend(subdirs);
                    pending.fetch_sub(1, Ordering::Release);
                }
            });
        }
    });
    entries.into_inner()
}

fn scan(dir: OwnedFd, buffer: &mut Vec<u8>) -> (usize, Vec<(Arc<OwnedFd>, CString)>) {
    let dir = Arc::new(dir);
    let mut count = 0;
    let mut subdirs = Vec::new();
    let mut listing = RawDir::new(dir.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = entry.expect("the directory can be listed");
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        count += 1;
        let _ = statx(&*dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        if entry.file_type() == FileType::Directory {
            subdirs.push((Arc::clone(&dir), name.to_owned()));
        }
    }
    (count, subdirs)
}
