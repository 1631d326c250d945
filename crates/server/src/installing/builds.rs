//! The programs that installers bring, packed.
//!
//! ```text
//! STATE/builds/VERSION-ARCHITECTURE/program.gz    the program
//! STATE/builds/VERSION-ARCHITECTURE/build.toml    what is known of it
//! ```
//!
//! A build gets its name when both are there. The server's own program is among them once somebody has asked for an installer; further
//! ones are put there on the server's machine and never over the network, for whoever can put one there can run anything on all machines
//! that are installed later.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use installer::{Architecture, Build, BuildInfo, Glibc, Version, pack};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::error::{Error, Result};
use crate::trust;

const FORMAT: u32 = 1;
const RECORD: &str = "build.toml";
const PROGRAM: &str = "program.gz";
/// How the directories of what is being added begin; no version begins so.
const NEW: &str = ".new-";
/// A record is far shorter.
const MAX_RECORD_BYTES: u64 = 64 << 10;
/// The program that runs, even where another lies in its place by now.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What `build.toml` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    architecture: String,
    version: String,
    /// The minor version of the GNU C library 2 that it needs.
    glibc_minor: Option<u32>,
    size_bytes: u64,
    sha256: String,
    /// Of the server's own program: by what it is seen whether it is still that.
    own: Option<OwnProgram>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct OwnProgram {
    size_bytes: u64,
    modified_ns: i64,
}

/// A build, and how it came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBuild {
    /// The build itself.
    pub build: Build,
    /// It is the server's own program, which comes and goes with that.
    pub is_own: bool,
    own: Option<OwnProgram>,
}

/// The programs that are kept in a state directory.
#[derive(Debug)]
pub struct Builds {
    dir: PathBuf,
    /// Held while something is packed or made: both take a processor and room.
    making: Mutex<()>,
}

impl Builds {
    /// Those of the server with this state directory, whether it runs or not.
    pub fn of(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join("builds"),
            making: Mutex::default(),
        }
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All of them, by architecture, the newest first. What can't be read is left out, and told in the log.
    pub fn all(&self) -> Result<Vec<KeptBuild>> {
        let listed = match fs::read_dir(&self.dir) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io("read", &self.dir, source)),
        };
        let mut all = Vec::new();
        for entry in listed {
            let dir = entry
                .map_err(|source| Error::io("read", &self.dir, source))?
                .path();
            if dir
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(NEW.as_bytes()))
            {
                continue;
            }
            match read(&dir) {
                Ok(kept) => all.push(kept),
                Err(error) => warn!(error = %error.chain(), "a client build can't be used"),
            }
        }
        all.sort_by(|one, other| {
            let (one, other) = (&one.build.info, &other.build.info);
            (one.architecture, &other.version).cmp(&(other.architecture, &one.version))
        });
        Ok(all)
    }

    /// Keeps a program, in place of another of its version and architecture.
    pub fn add(&self, program: &Path) -> Result<Build> {
        let _making = self.making.lock();
        self.keep(program, None)
    }

    /// Forgets a program. `false` where there is none such.
    pub fn remove(&self, version: &Version, architecture: Architecture) -> Result<bool> {
        let _making = self.making.lock();
        let dir = self.dir.join(name(version, architecture));
        if !dir.exists() {
            return Ok(false);
        }
        self.discard(&dir)?;
        Ok(true)
    }

    /// The newest of each architecture, this server's own program among them; blocks while that is packed.
    pub fn newest(&self) -> Result<Vec<Build>> {
        let _making = self.making.lock();
        self.keep_own()?;
        let mut newest: Vec<Build> = Vec::new();
        for kept in self.all()? {
            let is_first = newest
                .last()
                .is_none_or(|last| last.info.architecture != kept.build.info.architecture);
            if is_first {
                newest.push(kept.build);
            }
        }
        Ok(newest)
    }

    /// Does what takes a processor and room for itself, while nothing else does.
    pub fn one_at_a_time<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _making = self.making.lock();
        work()
    }

    /// Packs the program that runs, unless that was done before.
    fn keep_own(&self) -> Result<()> {
        let program = Path::new(OWN_PROGRAM);
        let metadata = fs::metadata(program).map_err(|source| Error::io("examine", program, source))?;
        let own = OwnProgram {
            size_bytes: metadata.len(),
            modified_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        };
        let all = self.all()?;
        if all.iter().any(|kept| kept.own == Some(own)) {
            return Ok(());
        }
        for before in all.iter().filter(|kept| kept.is_own) {
            let info = &before.build.info;
            self.discard(&self.dir.join(name(&info.version, info.architecture)))?;
        }
        // One that was put there is preferred to one that happens to be of the same version.
        let version = Version::parse(env!("CARGO_PKG_VERSION"));
        let is_there = all.iter().any(|kept| {
            let info = &kept.build.info;
            !kept.is_own
                && Some(&info.version) == version.as_ref()
                && Some(info.architecture) == Architecture::own()
        });
        if !is_there {
            self.keep(program, Some(own))?;
        }
        Ok(())
    }

    fn keep(&self, program: &Path, own: Option<OwnProgram>) -> Result<Build> {
        trust::create_dir(&self.dir)?;
        let dir = self.dir.join(format!("{NEW}{:016x}", rand::random::<u64>()));
        let kept = self.keep_at(&dir, program, own);
        if kept.is_err() {
            // Nobody looks at what is left of it.
            let _ = fs::remove_dir_all(&dir);
        }
        kept
    }

    fn keep_at(&self, dir: &Path, program: &Path, own: Option<OwnProgram>) -> Result<Build> {
        trust::create_dir(dir)?;
        let packed = dir.join(PROGRAM);
        let mut from = File::open(program).map_err(|source| Error::io("open", program, source))?;
        let to = File::create(&packed).map_err(|source| Error::io("create", &packed, source))?;
        let mut to = BufWriter::new(to);
        let info = pack(&mut from, &mut to).map_err(|source| Error::Installer {
            path: program.to_owned(),
            source,
        })?;
        to.flush()
            .and_then(|()| to.get_ref().sync_all())
            .map_err(|source| Error::io("write", &packed, source))?;
        trust::write_private(&dir.join(RECORD), record(&info, own).as_bytes())?;
        let name = name(&info.version, info.architecture);
        let place = self.dir.join(&name);
        if place.exists() {
            self.discard(&place)?;
        }
        fs::rename(dir, &place).map_err(|source| Error::io("rename", dir, source))?;
        let packed = place.join(PROGRAM);
        Ok(Build { info, packed })
    }

    /// Removes a build: from its name first, so that there is never a half of one.
    fn discard(&self, dir: &Path) -> Result<()> {
        let away = self.dir.join(format!("{NEW}{:016x}", rand::random::<u64>()));
        fs::rename(dir, &away).map_err(|source| Error::io("rename", dir, source))?;
        fs::remove_dir_all(&away).map_err(|source| Error::io("remove", &away, source))
    }
}

fn name(version: &Version, architecture: Architecture) -> String {
    format!("{version}-{architecture}")
}

fn record(info: &BuildInfo, own: Option<OwnProgram>) -> String {
    let record = Record {
        format: FORMAT,
        architecture: info.architecture.word().to_owned(),
        version: info.version.to_string(),
        glibc_minor: info.glibc.map(|glibc| glibc.0),
        size_bytes: info.size_bytes,
        sha256: info.sha256.clone(),
        own,
    };
    toml::to_string(&record).expect("a record is a table of plain values")
}

fn read(dir: &Path) -> Result<KeptBuild> {
    let path = dir.join(RECORD);
    let corrupt = || Error::Corrupt { path: path.clone() };
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_RECORD_BYTES).read_to_string(&mut text))
        .map_err(|source| Error::io("read", &path, source))?;
    let record: Record = toml::from_str(&text).map_err(|_| corrupt())?;
    if record.format != FORMAT {
        return Err(Error::Unsupported {
            what: format!("{} is of a newer version of Perennial", path.display()),
        });
    }
    let info = BuildInfo {
        architecture: Architecture::of_word(&record.architecture).ok_or_else(corrupt)?,
        version: Version::parse(&record.version).ok_or_else(corrupt)?,
        glibc: record.glibc_minor.map(Glibc),
        size_bytes: record.size_bytes,
        sha256: record.sha256,
    };
    let packed = dir.join(PROGRAM);
    if !packed.is_file() {
        return Err(Error::Corrupt { path: packed });
    }
    Ok(KeptBuild {
        build: Build { info, packed },
        is_own: record.own.is_some(),
        own: record.own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(dir: &Path, machine: u8, version: &str) -> PathBuf {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([machine, 0]);
        bytes.extend(format!("\0perennial-build:{version}\0").bytes());
        let path = dir.join("program");
        fs::write(&path, bytes).expect("writes");
        path
    }

    fn names(builds: &[Build]) -> Vec<String> {
        let name = |build: &Build| name(&build.info.version, build.info.architecture);
        builds.iter().map(name).collect()
    }

    #[test]
    fn the_newest_of_each_architecture_is_handed_out() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let builds = Builds::of(dir.path());
        assert_eq!(builds.all().expect("reads"), []);
        for (machine, version) in [(62, "9.0.0"), (183, "0.9.0"), (62, "9.0.0-rc.1"), (183, "0.10.0")] {
            builds.add(&program(dir.path(), machine, version)).expect("adds");
        }
        let kept: Vec<Build> = builds
            .all()
            .expect("reads")
            .into_iter()
            .map(|kept| kept.build)
            .collect();
        assert_eq!(
            names(&kept),
            [
                "9.0.0-x86_64",
                "9.0.0-rc.1-x86_64",
                "0.10.0-aarch64",
                "0.9.0-aarch64"
            ]
        );
        let version = Version::parse("0.10.0").expect("a version");
        assert!(builds.remove(&version, Architecture::Arm64).expect("removes"));
        assert!(!builds.remove(&version, Architecture::Arm64).expect("removes"));
        assert_eq!(builds.all().expect("reads").len(), 3);
    }

    #[test]
    fn what_is_no_program_leaves_nothing() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let builds = Builds::of(dir.path());
        let path = dir.path().join("text");
        fs::write(&path, "hello").expect("writes");
        let refused = builds.add(&path).expect_err("is refused").chain();
        assert!(refused.contains("no program for 64-bit Linux"), "{refused}");
        assert_eq!(fs::read_dir(builds.dir()).expect("reads").count(), 0);
    }

    #[test]
    fn what_can_not_be_read_is_left_out() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let builds = Builds::of(dir.path());
        builds.add(&program(dir.path(), 62, "1.0.0")).expect("adds");
        builds.add(&program(dir.path(), 62, "2.0.0")).expect("adds");
        fs::write(builds.dir().join("2.0.0-x86_64").join(RECORD), "format = 2").expect("writes");
        fs::create_dir(builds.dir().join("3.0.0-x86_64")).expect("creates");
        let kept = builds.all().expect("reads");
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].build.info.version.to_string(), "1.0.0");
    }
}
