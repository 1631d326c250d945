//! Clients for other machines, as `./x client-builds` makes them: small, for old distributions and for 64-bit Arm, which is run by an
//! emulator here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, assert_same, signal, source, text, wait_for};

const MIB: u64 = 1 << 20;
/// What a client may take of the disk and, while it waits, of the memory.
const MOST_PROGRAM_BYTES: u64 = 15 * MIB;
const MOST_IDLE_BYTES: u64 = 40 * MIB;
/// The GNU C library of the oldest distributions that are meant.
const OLDEST_GLIBC_MINOR: u32 = 28;

/// A client's program, and what runs it here.
struct Built {
    architecture: &'static str,
    words: Vec<String>,
}

impl Built {
    /// The one for a processor. `None`, with the reason printed, where it was not built.
    fn find(architecture: &'static str) -> Option<Self> {
        let built = Self::find_in("client-builds", architecture);
        if built.is_none() {
            eprintln!("skipped: ./x client-builds makes a client for {architecture}");
        }
        built
    }

    /// One that does as well, but may be large and slow.
    fn find_any(architecture: &'static str) -> Option<Self> {
        Self::find_in("client-builds/quick", architecture).or_else(|| Self::find(architecture))
    }

    fn find_in(dir: &str, architecture: &'static str) -> Option<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let program = target.join(dir).join(format!("perennial-{architecture}"));
        if !program.exists() {
            return None;
        }
        let program = program.to_str().unwrap().to_owned();
        let emulated = || {
            let libraries = target.join("client-builds-tools/arm64");
            let libraries = libraries.to_str().unwrap().to_owned();
            ["qemu-aarch64-static".to_owned(), "-L".to_owned(), libraries]
        };
        let words = match architecture {
            std::env::consts::ARCH => vec![program],
            _ => emulated().into_iter().chain([program]).collect(),
        };
        Some(Self { architecture, words })
    }

    fn program(&self) -> PathBuf {
        PathBuf::from(self.words.last().unwrap())
    }
}

/// A server, and the client of a program that has joined it, with something to back up.
struct Home {
    built: Built,
    lab: Lab,
    tree: PathBuf,
}

impl Home {
    fn of(built: Built) -> Self {
        let mut lab = Lab::plain();
        lab.start();
        let token = lab.token(&["--client", "pi"]);
        let home = Self {
            tree: source(&lab, 7),
            built,
            lab,
        };
        home.ok(&["enroll", &token, "--client-state", &home.state()]);
        home
    }

    fn state(&self) -> String {
        self.lab.client_state("pi").to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.lab.command_of(&self.built.words, arguments)
    }

    /// The client, as it makes a backup or stays.
    fn client(&self, words: &[&str]) -> Command {
        let mut command = self.command(words);
        command.args(["--snapshots", "off", "--state"]).arg(self.state());
        command
            .arg("--source")
            .arg(format!("data={}", self.tree.display()));
        command
    }

    fn ok(&self, arguments: &[&str]) {
        self.succeeds(self.command(arguments));
    }

    fn succeeds(&self, mut command: Command) {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}\n{}",
            text(&output.stderr),
            self.lab.log()
        );
    }
}

/// Enrols, backs up, backs up again, restores and verifies.
fn does_what_a_client_does(architecture: &'static str) {
    let Some(built) = Built::find_any(architecture) else {
        return;
    };
    let home = Home::of(built);
    home.succeeds(home.client(&["client", "once"]));
    fs::write(home.tree.join("new"), "more").unwrap();
    home.succeeds(home.client(&["client", "once"]));
    let to = home.lab.root().join("restored");
    let place = to.to_str().unwrap();
    home.ok(&[
        "restore",
        "latest",
        "--to",
        place,
        "--client-state",
        &home.state(),
    ]);
    assert_same(&home.tree, &to.join("data"));
    home.lab.verify("pi", "latest");
}

#[test]
fn a_client_for_old_distributions_does_what_a_client_does() {
    does_what_a_client_does("x86_64");
}

#[test]
fn a_client_for_arm_does_what_a_client_does() {
    does_what_a_client_does("aarch64");
}

#[test]
fn clients_are_small_and_for_old_distributions() {
    for architecture in ["x86_64", "aarch64"] {
        let Some(built) = Built::find(architecture) else {
            continue;
        };
        let lab = Lab::plain();
        lab.ok(["server", "builds", "add", built.program().to_str().unwrap()]);
        let kept = &lab.json(["server", "builds", "list", "--json"])[0];
        assert_eq!(kept["architecture"], built.architecture);
        let size_bytes = kept["size_bytes"].as_u64().unwrap();
        eprintln!("{architecture}: {size_bytes} bytes");
        assert!(size_bytes < MOST_PROGRAM_BYTES, "{size_bytes}");
        let glibc = kept["glibc"].as_str().unwrap();
        let minor: u32 = glibc.strip_prefix("2.").unwrap().parse().unwrap();
        assert!(minor <= OLDEST_GLIBC_MINOR, "{glibc}");
    }
}

#[test]
fn a_client_that_waits_takes_little_memory() {
    let Some(built) = Built::find(std::env::consts::ARCH) else {
        return;
    };
    let home = Home::of(built);
    let mut client = home.client(&["client", "run"]).spawn().unwrap();
    let lab = &home.lab;
    wait_for(lab, "the client", || {
        let clients = lab.json(["clients", "list", "--json"]);
        (clients[0]["connected"] == true).then_some(())
    });
    // What a backup took is given back.
    lab.ok(["backup", "start", "pi"]);
    let status = fs::read_to_string(format!("/proc/{}/status", client.id())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    eprintln!("{kib} KiB");
    signal(&client, rustix::process::Signal::TERM);
    assert!(client.wait().unwrap().success());
    assert!(kib * 1024 < MOST_IDLE_BYTES, "{kib} KiB");
}
