//! `perennial mount`: backups as folders, read by the kernel.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;

use crate::image::noise;
use crate::lab::{Lab, assert_same, signal, source, text, wait_for};

const NOBODY: u32 = 65534;
/// Longer than whatever the mounted file system waits for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Backups that are mounted, and unmounted at the end whatever happens.
struct Mounted {
    child: Child,
    dir: PathBuf,
    told: PathBuf,
}

impl Mounted {
    /// Mounts the backups of `laptop` and waits until they are there.
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let dir = lab.root().join("mounted");
        fs::create_dir_all(&dir).unwrap();
        let told = lab.root().join("mount.log");
        let child = command(lab, &dir, arguments)
            .stderr(File::create(&told).unwrap())
            .spawn()
            .unwrap();
        let mut mounted = Self { child, dir, told };
        wait_for(lab, "what is mounted", || {
            if let Some(status) = mounted.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", mounted.told());
            }
            is_mounted(&mounted.dir).then_some(())
        });
        mounted
    }

    /// A path in a backup's only source.
    fn data(&self, backup: &str) -> PathBuf {
        self.dir.join(backup).join("data")
    }

    /// What the command has told.
    fn told(&self) -> String {
        fs::read_to_string(&self.told).unwrap()
    }

    /// Waits for the end of the command.
    fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the mount's log:\n{}", self.told());
        }
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if is_mounted(&self.dir) {
            let _ = rustix::mount::unmount(&self.dir, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

fn command(lab: &Lab, dir: &Path, arguments: &[&str]) -> Command {
    let mut command = lab.command(["mount"]);
    command.arg(dir).args(arguments).stdout(Stdio::null());
    command.arg("--client-state").arg(lab.client_state("laptop"));
    command
}

fn is_mounted(dir: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let place = dir.display().to_string();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(&*place))
}

/// A lab with a client, where file systems can be mounted.
fn lab() -> Option<Lab> {
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        eprintln!("skipped: needs root and /dev/fuse");
        return None;
    }
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    Some(lab)
}

/// A source with one file of random bytes, and these bytes.
fn source_with_large_file(lab: &Lab, len_bytes: u64) -> (PathBuf, Vec<u8>) {
    let source = lab.root().join("source");
    fs::create_dir_all(&source).unwrap();
    let bytes = noise(5, len_bytes);
    fs::write(source.join("large"), &bytes).unwrap();
    (source, bytes)
}

fn errno(outcome: std::io::Result<impl Sized>) -> Option<Errno> {
    Errno::from_io_error(&outcome.err()?)
}

fn names(dir: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn all_backups_are_there_as_they_were_made_and_new_ones_come_and_deleted_ones_go() {
    let Some(lab) = lab() else { return };
    let source = source(&lab, 41);
    fs::write(source.join("large"), noise(6, 20 << 20)).unwrap();
    let first = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &[]);
    assert_same(&source, &mounted.data(&first));
    assert_eq!(
        fs::read_link(mounted.dir.join("latest")).unwrap(),
        Path::new(&first)
    );

    scratch_fs::tree::mutate_tree(7, &source, 60).unwrap();
    let file = File::options().write(true).open(source.join("large")).unwrap();
    file.write_all_at(b"changed", 9 << 20).unwrap();
    let second = lab.back_up("laptop", &source);
    wait_for(&lab, "the new backup", || {
        names(&mounted.dir).contains(OsStr::new(&second)).then_some(())
    });
    assert_same(&source, &mounted.data(&second));
    assert_same(&lab.restored("laptop", &first), &mounted.data(&first));
    let expected = [first.as_str(), second.as_str(), "latest"].map(Into::into);
    assert_eq!(names(&mounted.dir), expected.into());
    wait_for(&lab, "latest to follow", || {
        (fs::read_link(mounted.dir.join("latest")).unwrap() == Path::new(&second)).then_some(())
    });

    lab.ok(["backup", "delete", &format!("laptop/{first}")]);
    wait_for(&lab, "the deleted backup to go", || {
        (!mounted.dir.join(&first).exists()).then_some(())
    });
    assert!(!names(&mounted.dir).contains(OsStr::new(&first)));
}

#[test]
fn hard_links_are_one_file_and_tell_how_many_names_it_has() {
    let Some(lab) = lab() else { return };
    let source = lab.root().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("one"), "content").unwrap();
    fs::write(source.join("alone"), "content").unwrap();
    fs::hard_link(source.join("one"), source.join("a-second")).unwrap();
    fs::hard_link(source.join("one"), source.join("sub/third")).unwrap();
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &[]);
    let data = mounted.data(&name);
    let stat = |name: &str| {
        let metadata = fs::metadata(data.join(name)).unwrap();
        (metadata.ino(), metadata.nlink())
    };
    let (number, links) = stat("one");
    assert_eq!(links, 3);
    assert_eq!((stat("a-second"), stat("sub/third")), ((number, 3), (number, 3)));
    assert_eq!(stat("alone").1, 1);
    assert_ne!(stat("alone").0, number);
    assert_eq!(fs::read(data.join("sub/third")).unwrap(), b"content");
}

#[test]
fn a_large_file_is_read_anywhere_with_a_small_cache() {
    let Some(lab) = lab() else { return };
    let (source, bytes) = source_with_large_file(&lab, (48 << 20) + 12_345);
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &["--cache", "4MiB"]);
    let file = File::open(mounted.data(&name).join("large")).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..300 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let offset = random % (bytes.len() as u64 + 5000);
        let len = (random >> 40) % 400_000;
        let mut read = vec![0; len as usize];
        let got = file.read_at(&mut read, offset).unwrap();
        let from = (offset as usize).min(bytes.len());
        let expected = &bytes[from..(from + len as usize).min(bytes.len())];
        assert!(read[..got] == *expected, "{len} bytes at {offset}: {got}");
    }
    let mut all = Vec::new();
    File::open(mounted.data(&name).join("large"))
        .unwrap()
        .read_to_end(&mut all)
        .unwrap();
    assert!(all == bytes, "read from its begin to its end");
}

#[test]
fn a_folder_with_many_entries_is_listed_as_a_whole() {
    let Some(lab) = lab() else { return };
    let source = lab.root().join("source");
    fs::create_dir_all(&source).unwrap();
    for number in 0..4000 {
        fs::write(source.join(format!("{number}-{}", "n".repeat(number % 200))), "").unwrap();
    }
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &[]);
    let data = mounted.data(&name);
    assert_eq!(names(&data), names(&source));
    for entry in fs::read_dir(&data).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().is_file());
    }
    assert_eq!(names(&data), names(&source));
}

#[test]
fn nothing_can_be_written() {
    let Some(lab) = lab() else { return };
    let (source, _) = source_with_large_file(&lab, 800);
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &[]);
    let data = mounted.data(&name);
    let large = data.join("large");
    let outcomes = [
        errno(File::create(data.join("new"))),
        errno(File::options().write(true).open(&large)),
        errno(fs::remove_file(&large)),
        errno(fs::remove_dir_all(mounted.dir.join(&name))),
        errno(fs::create_dir(mounted.dir.join("new"))),
        errno(fs::rename(&large, data.join("other"))),
        errno(fs::set_permissions(&large, fs::Permissions::from_mode(0o777))),
        errno(std::os::unix::fs::chown(&large, Some(1), None)),
    ];
    assert_eq!(outcomes, [Some(Errno::ROFS); 8]);
    assert_eq!(fs::read(&large).unwrap().len(), 800);
}

#[test]
fn other_users_see_it_if_that_is_said_and_read_what_modes_allow() {
    let Some(lab) = lab() else { return };
    fs::set_permissions(lab.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let source = lab.root().join("source");
    fs::create_dir_all(source.join("closed")).unwrap();
    for (file, mode) in [("open", 0o644), ("secret", 0o600), ("closed/file", 0o644)] {
        let path = source.join(file);
        fs::write(&path, file).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(source.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let name = lab.back_up("laptop", &source);
    let as_nobody = |path: PathBuf| {
        let read = Command::new("setpriv")
            .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
            .args(["--clear-groups", "cat"])
            .arg(path)
            .output()
            .unwrap();
        read.status.success().then(|| text(&read.stdout))
    };
    {
        let mounted = Mounted::start(&lab, &["--allow-other"]);
        let data = mounted.data(&name);
        assert_eq!(as_nobody(data.join("open")).as_deref(), Some("open"));
        assert_eq!(as_nobody(data.join("secret")), None);
        assert_eq!(as_nobody(data.join("closed/file")), None);
        assert_eq!(fs::read_to_string(data.join("secret")).unwrap(), "secret");
    }
    let mounted = Mounted::start(&lab, &[]);
    assert_eq!(as_nobody(mounted.data(&name).join("open")), None);
}

#[test]
fn a_server_that_is_gone_is_an_error_and_its_return_is_found() {
    let Some(mut lab) = lab() else { return };
    let (source, bytes) = source_with_large_file(&lab, 24 << 20);
    fs::write(source.join("small"), "small").unwrap();
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &["--cache", "4MiB"]);
    let file = File::open(mounted.data(&name).join("large")).unwrap();
    let mut begin = vec![0; 1000];
    file.read_exact_at(&mut begin, 0).unwrap();
    assert!(begin == bytes[..1000]);

    lab.kill();
    let begun = Instant::now();
    let mut middle = vec![0; 100_000];
    assert_eq!(errno(file.read_exact_at(&mut middle, 12 << 20)), Some(Errno::IO));
    assert_eq!(
        errno(fs::read(mounted.data(&name).join("small"))),
        Some(Errno::IO)
    );
    assert!(
        begun.elapsed() < PATIENCE,
        "it took {:?}: {}",
        begun.elapsed(),
        mounted.told()
    );
    // What is known is still there.
    assert!(names(&mounted.data(&name)).contains(OsStr::new("small")));

    lab.start();
    wait_for(&lab, "the server to be found again", || {
        file.read_exact_at(&mut middle, 12 << 20).ok()
    });
    assert!(middle == bytes[12 << 20..][..100_000]);
    assert_eq!(
        fs::read_to_string(mounted.data(&name).join("small")).unwrap(),
        "small"
    );
    let told = mounted.told();
    assert!(told.contains("can't be read: the server at"), "{told}");
    assert!(told.contains("the server is there again"), "{told}");
}

#[test]
fn a_server_that_does_not_answer_is_an_error_after_a_while() {
    let Some(lab) = lab() else { return };
    let (source, bytes) = source_with_large_file(&lab, 24 << 20);
    let name = lab.back_up("laptop", &source);
    let mounted = Mounted::start(&lab, &[]);
    let file = File::open(mounted.data(&name).join("large")).unwrap();
    let mut read = vec![0; 1000];
    file.read_exact_at(&mut read, 0).unwrap();

    let server = rustix::process::Pid::from_raw(lab.server_id() as i32).unwrap();
    rustix::process::kill_process(server, Signal::STOP).unwrap();
    let begun = Instant::now();
    let outcome = errno(file.read_exact_at(&mut read, 12 << 20));
    let took = begun.elapsed();
    rustix::process::kill_process(server, Signal::CONT).unwrap();
    assert_eq!(outcome, Some(Errno::IO));
    assert!(took < PATIENCE, "it took {took:?}: {}", mounted.told());
    wait_for(&lab, "the server to be found again", || {
        file.read_exact_at(&mut read, 12 << 20).ok()
    });
    assert!(read == bytes[12 << 20..][..1000]);
}

#[test]
fn damaged_content_is_an_error_that_is_told_and_the_rest_is_read() {
    let Some(lab) = lab() else { return };
    let (source, bytes) = source_with_large_file(&lab, 8 << 20);
    fs::write(source.join("small"), [1; 5000]).unwrap();
    fs::write(source.join("sound"), [2; 5000]).unwrap();
    let name = lab.back_up("laptop", &source);
    let stored = lab.storage().join("laptop").join(&name).join("data");
    for (file, offset) in [("large", 5 << 20), ("small", 77)] {
        let file = File::options().write(true).open(stored.join(file)).unwrap();
        file.write_all_at(b"damage", offset).unwrap();
    }
    let mounted = Mounted::start(&lab, &[]);
    let data = mounted.data(&name);
    assert_eq!(errno(fs::read(data.join("small"))), Some(Errno::IO));
    assert_eq!(fs::read(data.join("sound")).unwrap(), [2; 5000]);
    let large = File::open(data.join("large")).unwrap();
    let mut read = vec![0; 1 << 20];
    large.read_exact_at(&mut read, 2 << 20).unwrap();
    assert!(read == bytes[2 << 20..][..1 << 20]);
    assert_eq!(errno(large.read_exact_at(&mut read, 5 << 20)), Some(Errno::IO));
    let told = mounted.told();
    for file in ["large", "small"] {
        let line = format!("problem: {name}/data/{file}: what the server has is not what was backed up");
        assert_eq!(told.matches(&line).count(), 1, "{told}");
    }
}

#[test]
fn a_signal_unmounts_it_even_while_it_is_in_use() {
    let Some(lab) = lab() else { return };
    let (source, bytes) = source_with_large_file(&lab, 1000);
    let name = lab.back_up("laptop", &source);
    for asked in [Signal::TERM, Signal::INT] {
        let mut mounted = Mounted::start(&lab, &[]);
        assert_eq!(fs::read(mounted.data(&name).join("large")).unwrap(), bytes);
        signal(&mounted.child, asked);
        assert_eq!(mounted.ended().code(), Some(0), "{}", mounted.told());
        assert!(!is_mounted(&mounted.dir));
        assert_eq!(names(&mounted.dir), BTreeSet::new());
    }
    let mut mounted = Mounted::start(&lab, &[]);
    let file = File::open(mounted.data(&name).join("large")).unwrap();
    signal(&mounted.child, Signal::TERM);
    assert_eq!(mounted.ended().code(), Some(0), "{}", mounted.told());
    assert!(!is_mounted(&mounted.dir));
    assert!(mounted.told().contains("still in use"), "{}", mounted.told());
    drop(file);
}

#[test]
fn the_command_ends_when_somebody_else_unmounts_it() {
    let Some(lab) = lab() else { return };
    let (source, _) = source_with_large_file(&lab, 1000);
    lab.back_up("laptop", &source);
    let mut mounted = Mounted::start(&lab, &[]);
    assert!(
        Command::new("umount")
            .arg(&mounted.dir)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(mounted.ended().code(), Some(0), "{}", mounted.told());
}

#[test]
fn images_are_no_folders_and_a_client_without_backups_has_none() {
    let Some(lab) = lab() else { return };
    let mounted = Mounted::start(&lab, &[]);
    assert_eq!(names(&mounted.dir), BTreeSet::new());
    assert_eq!(
        errno(fs::read_link(mounted.dir.join("latest"))),
        Some(Errno::NOENT)
    );
    let disk = lab.root().join("disk.img");
    File::create(&disk)
        .unwrap()
        .write_all(&noise(1, 1 << 20))
        .unwrap();
    crate::image::image(&lab, &disk);
    let (source, _) = source_with_large_file(&lab, 10);
    let name = lab.back_up("laptop", &source);
    wait_for(&lab, "the backup", || {
        let shown = names(&mounted.dir);
        (!shown.is_empty()).then(|| assert_eq!(shown, [name.as_str(), "latest"].map(Into::into).into()))
    });
}

#[test]
fn a_directory_that_will_not_do_is_told_why() {
    let Some(lab) = lab() else { return };
    let refused = |dir: &Path| {
        let output = command(&lab, dir, &[]).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let missing = refused(&lab.root().join("missing"));
    assert!(
        missing.contains("it does not exist") && missing.contains("mkdir"),
        "{missing}"
    );
    let full = refused(lab.root());
    assert!(
        full.contains("it is not empty") && full.contains("name an empty directory"),
        "{full}"
    );
    let file = lab.root().join("file");
    fs::write(&file, "").unwrap();
    assert!(refused(&file).contains("it is no directory"));

    let mut mounted = Mounted::start(&lab, &[]);
    let twice = refused(&mounted.dir);
    assert!(
        twice.contains("mounted there already") && twice.contains("umount"),
        "{twice}"
    );
    mounted.child.kill().unwrap();
    mounted.child.wait().unwrap();
    let orphaned = refused(&mounted.dir);
    assert!(
        orphaned.contains("has lost the program") && orphaned.contains("umount"),
        "{orphaned}"
    );
}
