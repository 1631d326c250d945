//! The walk: order, completeness and robustness, with any number of threads and the tightest bounds.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use file_tree::walk::{Contents, LeftOut, Options, Walk, WalkedDir};
use file_tree::{Error, FileType, Filter};
use support::{is_nobody_or_ran_as_nobody, options, paths, source, temporary, temporary_in_memory, walk_all};

/// A generator of numbers that is the same on each run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Fills a directory with a random tree.
fn grow(numbers: &mut Numbers, path: &Path, depth: u64) {
    for _ in 0..numbers.below(9) {
        let length = 1 + numbers.below(3) as usize;
        let name: Vec<u8> = (0..length)
            .map(|_| b"a!-.0~\xff\n"[numbers.below(8) as usize])
            .collect();
        if name == b"." || name == b".." {
            continue;
        }
        let path = path.join(std::ffi::OsStr::from_bytes(&name));
        if std::fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        match numbers.below(6) {
            0 => symlink("anywhere", path).unwrap(),
            1 | 2 => std::fs::write(path, b"x").unwrap(),
            _ if depth == 0 => {}
            _ => {
                std::fs::create_dir(&path).unwrap();
                grow(numbers, &path, depth - 1);
            }
        }
    }
}

/// What a walk has to give: paths of directories and the names in them, by the simplest means.
fn naive(path: &Path, relative: &[u8], found: &mut Vec<(Vec<u8>, Vec<Vec<u8>>)>) {
    let mut entries: Vec<_> = std::fs::read_dir(path).unwrap().map(Result::unwrap).collect();
    entries.sort_by(|a, b| a.file_name().as_bytes().cmp(b.file_name().as_bytes()));
    let names = entries
        .iter()
        .map(|entry| entry.file_name().as_bytes().to_vec())
        .collect();
    found.push((relative.to_vec(), names));
    for entry in entries.iter().filter(|entry| entry.file_type().unwrap().is_dir()) {
        let child = [relative, b"/", entry.file_name().as_bytes()].concat();
        naive(&entry.path(), &child, found);
    }
}

fn simplified(walked: &[WalkedDir]) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let names = |walked: &WalkedDir| walked.entries.iter().map(|entry| entry.name.to_vec()).collect();
    walked
        .iter()
        .map(|walked| (walked.path.to_vec(), names(walked)))
        .collect()
}

#[test]
fn random_trees_come_whole_and_in_order_with_any_threads_and_bounds() {
    for seed in 0..12 {
        let (directory, _) = temporary();
        grow(&mut Numbers(seed), directory.path(), 5);
        let mut expected = vec![(Vec::new(), vec![b"s".to_vec()])];
        naive(directory.path(), b"s", &mut expected);
        for threads in [0, 1, 2, 7] {
            for (ahead_entries, ahead_dirs) in [(1 << 16, 128), (1, 1), (7, 2), (1000, 0)] {
                let options = Options {
                    threads: Some(threads),
                    ahead_entries,
                    ahead_dirs,
                };
                let walked = walk_all(directory.path(), Filter::default(), options);
                assert_eq!(simplified(&walked), expected, "seed {seed}, {options:?}");
                for walked in &walked[1..] {
                    assert_eq!(walked.contents, Contents::Whole);
                    let dir = walked.dir.as_ref().unwrap();
                    assert_eq!(dir.stat_self().unwrap(), walked.stat.unwrap());
                    assert!(
                        walked
                            .entries
                            .iter()
                            .all(|entry| dir.stat(entry.name).unwrap() == *entry.stat)
                    );
                }
            }
        }
    }
}

#[test]
fn sources_are_sorted_and_have_different_names() {
    let (directory, _) = temporary();
    std::fs::write(directory.path().join("f"), b"").unwrap();
    let make = |name: &str| source(name, directory.path(), Filter::default());
    let walk = Walk::start(vec![make("b"), make("a!"), make("a")], options(1)).unwrap();
    let walked: Vec<WalkedDir> = walk.collect();
    assert_eq!(paths(&walked), ["a", "a!", "b", "a/f", "a!/f", "b/f"]);
    assert_eq!(
        walked[0].entries.get(b"a!").unwrap().stat.kind,
        FileType::Directory
    );
    assert!(walked[0].dir.is_none());
    let twice = Walk::start(vec![make("a"), make("b"), make("a")], options(1));
    assert!(matches!(twice, Err(Error::DuplicateSource { .. })));
    assert!(matches!(
        Walk::start(vec![make("a/b")], options(1)),
        Err(Error::BadName { .. })
    ));
    assert_eq!(Walk::start(Vec::new(), options(1)).unwrap().count(), 1);
}

#[test]
fn a_tree_of_5000_levels_with_children_at_each_is_walked_with_few_descriptors() {
    let (directory, dir) = temporary_in_memory();
    let mut level = dir.create_dir(b"m", 0o755).unwrap();
    for _ in 0..5000 {
        level.create_dir(b"a", 0o755).unwrap();
        level
            .create_dir(b"z", 0o755)
            .unwrap()
            .create_file(b"file", 0o644)
            .unwrap();
        level = level.create_dir(b"m", 0o755).unwrap();
    }
    for threads in [0, 2] {
        let open_before = open_descriptors();
        let (mut directories, mut most_open, mut longest) = (0, 0, 0);
        let walk = Walk::start(
            vec![source("s", directory.path(), Filter::default())],
            options(threads),
        )
        .unwrap();
        for walked in walk {
            assert!(walked.problems.is_empty(), "{:?}", walked.problems);
            assert_eq!(walked.contents, Contents::Whole);
            directories += 1;
            longest = longest.max(walked.path.len());
            if directories % 500 == 0 {
                most_open = most_open.max(open_descriptors() - open_before);
            }
        }
        assert_eq!(directories, 3 + 3 * 5000);
        assert_eq!(longest, "s".len() + 5001 * "/m".len());
        // 128 directories ahead, 64 ancestors of the consumer's, 64 that were opened again on the way to another, and those at work.
        assert!(
            most_open < 128 + 64 + 64 + 16,
            "{most_open} descriptors were open"
        );
    }
    dir.remove_tree(b"m", file_tree::Subvolumes::Refuse).unwrap();
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_wide_directory_of_directories_is_walked() {
    let (directory, dir) = temporary_in_memory();
    for number in 0..3000 {
        dir.create_dir(format!("{number:04}").as_bytes(), 0o755)
            .unwrap()
            .create_file(b"f", 0o644)
            .unwrap();
    }
    let walked = walk_all(directory.path(), Filter::default(), options(3));
    assert_eq!(walked.len(), 3002);
    assert!(
        walked[2..]
            .iter()
            .enumerate()
            .all(|(number, walked)| *walked.path == *format!("s/{number:04}").as_bytes())
    );
    assert!(walked[2..].iter().all(|walked| walked.entries.len() == 1));
}

#[test]
fn a_dropped_walk_stops_its_threads() {
    let (directory, _) = temporary_in_memory();
    for number in 0..50 {
        std::fs::create_dir_all(directory.path().join(format!("{number}/a/b/c"))).unwrap();
    }
    for taken in [0, 1, 5, 100] {
        let before = threads_named_walk();
        let mut walk =
            Walk::start(vec![source("s", directory.path(), Filter::default())], options(4)).unwrap();
        assert!(walk.by_ref().take(taken).count() == taken);
        drop(walk);
        // A thread that has ended, and was waited for, may be listed a moment longer.
        let begun = std::time::Instant::now();
        while threads_named_walk() != before {
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(10),
                "threads go on"
            );
            std::thread::yield_now();
        }
    }
}

fn threads_named_walk() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let is_walk =
        |path: std::path::PathBuf| std::fs::read(path.join("comm")).is_ok_and(|name| name == b"walk\n");
    tasks
        .filter(|task| is_walk(task.as_ref().unwrap().path()))
        .count()
}

#[test]
fn what_can_not_be_read_is_reported_and_the_walk_goes_on() {
    if !is_nobody_or_ran_as_nobody("what_can_not_be_read_is_reported_and_the_walk_goes_on") {
        return;
    }
    let (directory, _) = temporary();
    let root = directory.path();
    for path in ["a/x", "closed/x", "noexec/x", "z/x"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::fs::set_permissions(root.join("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(root.join("noexec"), std::fs::Permissions::from_mode(0o400)).unwrap();
    let walked = walk_all(root, Filter::default(), options(2));
    std::fs::set_permissions(root.join("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(root.join("noexec"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let find = |path: &str| {
        walked
            .iter()
            .find(|walked| *walked.path == *path.as_bytes())
            .unwrap()
    };
    assert_eq!(find("s/closed").contents, Contents::Unreadable);
    assert!(find("s/closed").problems[0].error.is_denied());
    assert_eq!(find("s/noexec").contents, Contents::Partial);
    assert_eq!(find("s/noexec").problems[0].name.as_deref(), Some(&b"x"[..]));
    assert_eq!(find("s/z/x").contents, Contents::Whole);
    assert_eq!(find("s").entries.len(), 4);
}

#[test]
fn what_changes_meanwhile_is_gone_and_no_problem() {
    let (directory, _) = temporary();
    for name in ["a", "b", "c", "d"] {
        std::fs::create_dir_all(directory.path().join(name).join("x")).unwrap();
    }
    let mut walk = Walk::start(vec![source("s", directory.path(), Filter::default())], options(0)).unwrap();
    walk.by_ref().take(2).count();
    std::fs::remove_dir_all(directory.path().join("b")).unwrap();
    std::fs::remove_dir_all(directory.path().join("c")).unwrap();
    symlink("/etc", directory.path().join("c")).unwrap();
    let walked: Vec<WalkedDir> = walk.collect();
    let contents: Vec<_> = walked
        .iter()
        .map(|walked| (&*walked.path, walked.contents))
        .collect();
    assert_eq!(
        contents,
        [
            (&b"s/a"[..], Contents::Whole),
            (b"s/a/x", Contents::Whole),
            (b"s/b", Contents::Vanished),
            (b"s/c", Contents::Vanished),
            (b"s/d", Contents::Whole),
            (b"s/d/x", Contents::Whole),
        ]
    );
    assert!(walked.iter().all(|walked| walked.problems.is_empty()));
}

#[test]
fn a_tree_that_changes_wildly_neither_stops_nor_confuses_the_walk() {
    let (directory, _) = temporary_in_memory();
    let root = directory.path();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers(1);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let path = root.join(format!(
                    "{}/{}/{}",
                    numbers.below(9),
                    numbers.below(9),
                    numbers.below(9)
                ));
                match numbers.below(4) {
                    0 => drop(std::fs::remove_dir_all(
                        root.join(format!("{}", numbers.below(9))),
                    )),
                    1 => drop(std::fs::rename(&path, root.join(format!("{}", numbers.below(9))))),
                    _ => drop(std::fs::create_dir_all(path)),
                }
            }
        });
        for _ in 0..60 {
            let walked = walk_all(root, Filter::default(), options(3));
            let paths: Vec<Vec<&[u8]>> = walked
                .iter()
                .map(|walked| walked.path.split(|&byte| byte == b'/').collect())
                .collect();
            assert!(paths[1..].is_sorted_by(|a, b| a < b));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn patterns_leave_out_and_passages_lead_through() {
    let (directory, _) = temporary();
    let root = directory.path();
    for path in [
        "var/lib/db/sub",
        "var/log",
        "home/ann/node_modules/m",
        "home/ann/src",
    ] {
        std::fs::create_dir_all(root.join(path)).unwrap();
        std::fs::write(root.join(path).join("file"), b"").unwrap();
        std::fs::write(root.join(path).join("file.o"), b"").unwrap();
    }
    let filter = Filter::builder()
        .exclude("/var")
        .and_then(|filter| filter.include("/var/lib/db"))
        .and_then(|filter| filter.exclude("node_modules/"))
        .and_then(|filter| filter.exclude("*.o"))
        .and_then(|filter| filter.build())
        .unwrap();
    let walked = walk_all(root, filter, options(2));
    let expected = [
        "s",
        "s/home",
        "s/var",
        "s/home/ann",
        "s/home/ann/src",
        "s/home/ann/src/file",
        "s/var/lib",
        "s/var/lib/db",
        "s/var/lib/db/sub",
        "s/var/lib/db/sub/file",
    ];
    assert_eq!(paths(&walked), expected);
    assert_eq!(walked.iter().map(|walked| walked.filtered).sum::<usize>(), 4);
}

#[test]
fn cache_directories_keep_their_tag_only() {
    let (directory, _) = temporary();
    let root = directory.path();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# a comment";
    for (path, tag) in [
        ("real", tag),
        ("fake", "Signature: 8a477f597d28d172789f06886806bc56"),
        ("short", "Sig"),
    ] {
        std::fs::create_dir_all(root.join(path).join("sub")).unwrap();
        std::fs::write(root.join(path).join("CACHEDIR.TAG"), tag).unwrap();
        std::fs::write(root.join(path).join("file"), b"").unwrap();
    }
    std::fs::create_dir_all(root.join("odd/CACHEDIR.TAG")).unwrap();
    std::fs::create_dir_all(root.join("link/sub")).unwrap();
    symlink("../real/CACHEDIR.TAG", root.join("link/CACHEDIR.TAG")).unwrap();
    // A source that is a cache directory itself was meant to be backed up.
    std::fs::write(root.join("CACHEDIR.TAG"), tag).unwrap();

    let walked = walk_all(root, Filter::default(), options(2));
    let find = |path: &str| {
        walked
            .iter()
            .find(|walked| *walked.path == *path.as_bytes())
            .unwrap()
    };
    assert_eq!(
        find("s/real").contents,
        Contents::LeftOut(LeftOut::CacheDirectory)
    );
    assert_eq!(
        find("s/real")
            .entries
            .iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>(),
        [b"CACHEDIR.TAG"]
    );
    assert_eq!(find("s/real").filtered, 2);
    for path in ["s/fake", "s/short", "s/odd", "s/link", "s"] {
        assert_eq!(find(path).contents, Contents::Whole, "{path}");
    }
    assert!(!paths(&walked).contains(&"s/real/sub".to_owned()));
    assert!(paths(&walk_all(root, Filter::nothing(), options(2))).contains(&"s/real/sub".to_owned()));
}

#[test]
fn ignore_files_hold_for_their_directory_and_beneath() {
    let (directory, _) = temporary();
    let root = directory.path();
    std::fs::create_dir_all(root.join("a/b/c")).unwrap();
    std::fs::create_dir_all(root.join("d")).unwrap();
    for path in [
        "a/x.log",
        "a/b/x.log",
        "a/b/keep.log",
        "a/b/c/y",
        "d/x.log",
        "a/b/z.tmp",
    ] {
        std::fs::write(root.join(path), b"").unwrap();
    }
    std::fs::write(root.join("a/.skip"), "*.log\n/b/c/y\na{b\n").unwrap();
    std::fs::write(root.join("a/b/.skip"), "!keep.log\r\n!z.tmp\n").unwrap();
    let filter = Filter::builder()
        .exclude("*.tmp")
        .and_then(|filter| filter.ignore_file(b".skip"))
        .and_then(|filter| filter.build())
        .unwrap();
    let walked = walk_all(root, filter, options(2));
    let paths = paths(&walked);
    for kept in ["s/a/b/keep.log", "s/d/x.log", "s/a/b/c", "s/a/.skip"] {
        assert!(paths.contains(&kept.to_owned()), "{kept} in {paths:?}");
    }
    for left_out in ["s/a/x.log", "s/a/b/x.log", "s/a/b/c/y", "s/a/b/z.tmp"] {
        assert!(!paths.contains(&left_out.to_owned()), "{left_out}");
    }
    let problems: Vec<_> = walked.iter().flat_map(|walked| &walked.problems).collect();
    assert!(matches!(&problems[..], [problem] if matches!(problem.error, Error::BadPattern { .. })));
}
