//! The server is killed between any two durable steps of a backup, a deletion and a restart, and at moments in between:
//! what was committed stays whole, and the next backup works.
//!
//! A round backs up and deletes until the server dies at the numbered point that was armed, or at a moment, and lets the next
//! start die at one of its first points too. Then every backup is verified and a new one is made, restored and compared. One
//! pass takes all points; more of them, each with other changes to the source and other moments, with
//!
//! ```sh
//! PERENNIAL_KILL_PASSES=20 cargo nextest run --workspace --all-features --no-capture -E 'test(kill::)'
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scratch_fs::FileSystem;
use scratch_fs::tree::mutate_tree;

use crate::image::{image_command, image_with, noise, restored};
use crate::lab::{Lab, assert_same, source, text};

/// More points than any round passes.
const MOST_POINTS: u64 = 400;
/// Moments in each pass.
const MOMENTS: u32 = 12;
/// A pass of less would prove little: points and moments, without the restarts.
const FEWEST_KILLS: u64 = 24;
/// A few groups of blocks would take long; a volume's blocks are enough.
const VOLUME_BYTES: u64 = 4 << 20;
const BLOCK_BYTES: u64 = 128 << 10;
const CRASH_AT: &str = "PERENNIAL_CRASH_AT";

/// What is backed up again and again.
enum Subject {
    Tree(PathBuf),
    Volume(PathBuf),
}

impl Subject {
    fn tree(lab: &Lab) -> Self {
        Self::Tree(source(lab, 21))
    }

    fn volume(lab: &Lab) -> Self {
        let path = lab.root().join("volume.img");
        std::fs::write(&path, noise(21, VOLUME_BYTES)).unwrap();
        Self::Volume(path)
    }

    fn change(&self, seed: u64) {
        match self {
            Self::Tree(root) => drop(mutate_tree(seed, root, 12).unwrap()),
            Self::Volume(path) => change_volume(path, seed),
        }
    }

    fn backup_command(&self, lab: &Lab) -> Command {
        match self {
            Self::Tree(root) => lab.once_command("laptop", root, &[]),
            Self::Volume(path) => image_command(lab, path),
        }
    }

    /// Makes a backup that must be exact.
    fn back_up(&self, lab: &Lab) {
        match self {
            Self::Tree(root) => {
                let name = lab.back_up("laptop", root);
                assert_same(root, &lab.restored("laptop", &name));
            }
            Self::Volume(path) => {
                let (name, code) = image_with(lab, path, &[]);
                assert_eq!(code, 0);
                let same = std::fs::read(restored(lab, &name)).unwrap() == std::fs::read(path).unwrap();
                assert!(same, "{name} differs");
            }
        }
    }
}

/// Overwrites some pages with noise and some blocks with zeros.
fn change_volume(path: &Path, seed: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let places = noise(seed ^ 0x5eed, 20 * 8);
    let places = places
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    for (index, place) in places.enumerate() {
        if index % 5 == 0 {
            let block = place % (VOLUME_BYTES / BLOCK_BYTES) * BLOCK_BYTES;
            file.write_all_at(&[0; BLOCK_BYTES as usize], block).unwrap();
        } else {
            let page = place % (VOLUME_BYTES / 4096) * 4096;
            file.write_all_at(&noise(place, 4096), page).unwrap();
        }
    }
}

fn campaign(lab: Option<Lab>, subject: fn(&Lab) -> Subject) {
    let Some(mut lab) = lab else { return };
    lab.start_with(&[], &[(CRASH_AT, "1000000")]);
    if !lab.log().contains("crash points are armed") {
        eprintln!("skipped: the binary is built without the feature crash-points");
        return;
    }
    lab.enroll("laptop");
    let subject = subject(&lab);
    subject.back_up(&lab);
    check(&lab, &subject, "before it begins");
    lab.stop();
    let mut victim = Victim {
        lab,
        subject,
        kills: 0,
        restart_kills: 0,
    };
    for pass in 0..passes() {
        let before = victim.kills;
        victim.kill_at_points(u64::from(pass) * 2 * MOST_POINTS);
        victim.kill_at_moments(pass);
        let kills = victim.kills - before;
        println!("{kills} kills, {} of restarts so far", victim.restart_kills);
        assert!(kills >= FEWEST_KILLS, "only {kills} kills");
    }
}

fn passes() -> u32 {
    let asked = std::env::var("PERENNIAL_KILL_PASSES").ok();
    asked.and_then(|passes| passes.parse().ok()).unwrap_or(1)
}

struct Victim {
    lab: Lab,
    subject: Subject,
    kills: u64,
    restart_kills: u64,
}

impl Victim {
    fn kill_at_points(&mut self, seed: u64) {
        for at in 1..MOST_POINTS {
            self.subject.change(seed + at);
            let died = round(&mut self.lab, &self.subject, at);
            if died {
                self.kills += 1;
                self.kill_the_restart(at);
            }
            self.live_on(&format!("killed at point {at}"));
            if !died {
                return;
            }
        }
        panic!("a round passes more than {MOST_POINTS} points");
    }

    /// What the restart does is cut off too.
    fn kill_the_restart(&mut self, at: u64) {
        let died = !start_armed(&mut self.lab, 1 + at % 5);
        self.restart_kills += u64::from(died);
        self.lab.kill();
    }

    /// Spread over a round's time, each pass at others.
    fn kill_at_moments(&mut self, pass: u32) {
        let begun = Instant::now();
        round(&mut self.lab, &self.subject, 0);
        let whole = begun.elapsed();
        self.lab.kill();
        for number in 0..MOMENTS {
            // The same seed twice would make the same names twice.
            let seed = u64::from(2 * pass + 1) * MOST_POINTS + u64::from(number);
            self.subject.change(seed);
            let part = (f64::from(number) + f64::from(pass) * 0.618 % 1.0) / f64::from(MOMENTS);
            let moment = whole.mul_f64(part);
            self.kill_at(moment);
            self.live_on(&format!("killed after {moment:?}"));
        }
    }

    fn kill_at(&mut self, moment: Duration) {
        self.lab.start();
        let mut backup = self
            .subject
            .backup_command(&self.lab)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        self.lab.kill();
        self.kills += 1;
        // It may be done, or try again: that is its own affair.
        let _ = backup.kill();
        backup.wait().unwrap();
    }

    fn live_on(&mut self, when: &str) {
        self.lab.start();
        check(&self.lab, &self.subject, when);
        self.lab.stop();
    }
}

/// Starts a server that dies at a point; `false` where it does before it is ready.
fn start_armed(lab: &mut Lab, at: u64) -> bool {
    lab.start_unless_it_dies(&[(CRASH_AT, &at.to_string())])
}

/// Backs up and deletes with a server that dies at a point. Returns whether it did.
fn round(lab: &mut Lab, subject: &Subject, at: u64) -> bool {
    if !start_armed(lab, at) {
        return true;
    }
    let backup = subject.backup_command(lab);
    if lab.run_while_it_lives(backup)
        && let Some(oldest) = oldest(lab)
    {
        let delete = lab.admin_command(["backup", "delete", "--now", &format!("laptop/{oldest}")]);
        lab.run_while_it_lives(delete);
    }
    if !lab.has_died() {
        lab.stop_or_die();
    }
    lab.has_died()
}

/// The oldest backup, unless the server dies before it can say.
fn oldest(lab: &Lab) -> Option<String> {
    let listed = lab.admin(["backup", "list", "laptop", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&listed.stdout).ok()?;
    list[0]["name"].as_str().map(ToOwned::to_owned)
}

/// Every backup that there is verifies, and a new one is exact.
fn check(lab: &Lab, subject: &Subject, when: &str) {
    let backups = lab.backups("laptop");
    assert!(!backups.is_empty(), "{when}: no backup is left");
    for name in &backups {
        let verified = lab.admin(["backup", "verify", &format!("laptop/{name}")]);
        assert!(verified.status.success(), "{when}: {}", text(&verified.stderr));
    }
    subject.back_up(lab);
    // The next round's deletion is to have something before its base.
    for name in backups.iter().rev().skip(1) {
        lab.ok(["backup", "delete", "--now", &format!("laptop/{name}")]);
    }
}

#[test]
fn killed_again_and_again_on_btrfs() {
    campaign(Lab::on(FileSystem::Btrfs), Subject::tree);
}

#[test]
fn killed_again_and_again_on_xfs() {
    campaign(Lab::on(FileSystem::Xfs), Subject::tree);
}

#[test]
fn killed_again_and_again_on_ext4() {
    campaign(Lab::on(FileSystem::Ext4), Subject::tree);
}

#[test]
fn killed_again_and_again_with_images_on_btrfs() {
    campaign(Lab::on(FileSystem::Btrfs), Subject::volume);
}

#[test]
fn killed_again_and_again_with_images_on_xfs() {
    campaign(Lab::on(FileSystem::Xfs), Subject::volume);
}

#[test]
fn killed_again_and_again_with_chains_of_qcow2() {
    campaign(Lab::on(FileSystem::Ext4), Subject::volume);
}

#[test]
fn killed_again_and_again_with_chains_of_vhd() {
    let lab = Lab::on(FileSystem::Ext4).map(|lab| lab.with_settings(&["--image-format", "vhd"]));
    campaign(lab, Subject::volume);
}
