//! What the system allows the server: open files, and the directories that its systemd unit lets it write to.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Level};

const FILES: &str = "open-files";
const UNIT: &str = "systemd-unit";
const UNIT_NAME: &str = "perennial-server.service";
/// Volumes that stand on each other are open all at once, and so are the files of several backups.
const FEW_FILES: u64 = 4096;
/// Where systemd looks for units; those before count more (systemd.unit(5)).
pub const UNIT_DIRS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Judges how many files this process, the server, may open.
pub fn judge_open_files() -> Finding {
    judge_limit(getrlimit(Resource::Nofile).current)
}

fn judge_limit(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FEW_FILES => Finding::of(
            Level::Warning,
            FILES,
            format!("the server may open {limit} files at once"),
            "raise its limit: LimitNOFILE=65536 in its systemd unit, or \"ulimit -n\" before it starts",
        ),
        Some(limit) => Finding::ok(FILES, format!("the server may open {limit} files at once")),
        None => Finding::ok(FILES, "the server may open any number of files"),
    }
}

/// Judges whether the server's unit, as it lies in these directories, lets it write where it has to; `None` where it isn't enabled.
pub fn judge_unit(unit_dirs: &[PathBuf], needed: &[&Path]) -> Option<Finding> {
    let wants = |dir: &PathBuf| {
        dir.join("multi-user.target.wants")
            .join(UNIT_NAME)
            .symlink_metadata()
            .is_ok()
    };
    if !unit_dirs.iter().any(wants) {
        return None;
    }
    let unit = Unit::read(unit_dirs)?;
    let refused: Vec<&Path> = needed
        .iter()
        .copied()
        .filter(|path| !unit.lets_write(path))
        .collect();
    let Some(first) = refused.first() else {
        return Some(Finding::ok(
            UNIT,
            "the systemd unit lets the server write where it has to",
        ));
    };
    let lines: Vec<String> = refused
        .iter()
        .map(|path| format!("ReadWritePaths={}", path.display()))
        .collect();
    Some(Finding::of(
        Level::Warning,
        UNIT,
        format!(
            "the systemd unit does not let the server write to {}",
            first.display()
        ),
        format!(
            "\"systemctl edit {UNIT_NAME}\", and there under [Service]: {}",
            lines.join(", ")
        ),
    ))
}

/// What a unit says about writing.
#[derive(Default)]
struct Unit {
    protects_all: bool,
    writable: Vec<PathBuf>,
}

impl Unit {
    fn read(dirs: &[PathBuf]) -> Option<Self> {
        let main = dirs
            .iter()
            .find_map(|dir| std::fs::read_to_string(dir.join(UNIT_NAME)).ok())?;
        let mut unit = Self::default();
        unit.take_in(&main);
        let mut drop_ins: Vec<PathBuf> = dirs
            .iter()
            .filter_map(|dir| std::fs::read_dir(dir.join(format!("{UNIT_NAME}.d"))).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
            .collect();
        drop_ins.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
        for path in drop_ins {
            if let Ok(text) = std::fs::read_to_string(path) {
                unit.take_in(&text);
            }
        }
        Some(unit)
    }

    fn take_in(&mut self, text: &str) {
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                "ProtectSystem" => self.protects_all = value == "strict",
                // An empty one takes back what was said before.
                "ReadWritePaths" if value.is_empty() => self.writable.clear(),
                "ReadWritePaths" => {
                    let paths = value.split_whitespace();
                    let bare = paths.map(|path| path.trim_start_matches(['-', '+']).trim_matches('"'));
                    self.writable.extend(bare.map(PathBuf::from));
                }
                "StateDirectory" => {
                    let names = value.split_whitespace();
                    self.writable
                        .extend(names.map(|name| Path::new("/var/lib").join(name)));
                }
                _ => {}
            }
        }
    }

    fn lets_write(&self, path: &Path) -> bool {
        !self.protects_all || self.writable.iter().any(|writable| path.starts_with(writable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_are_told() {
        assert_eq!(judge_limit(Some(1024)).level, Level::Warning);
        assert_eq!(judge_limit(Some(65_536)).level, Level::Ok);
        assert_eq!(judge_limit(None).level, Level::Ok);
    }

    #[test]
    fn a_unit_that_does_not_let_the_server_write_is_told_until_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = ["etc", "usr"].map(|name| dir.path().join(name));
        let judge = |storage: &str| {
            let found = judge_unit(
                &dirs,
                &[Path::new("/var/lib/perennial/server"), Path::new(storage)],
            );
            found.map(|finding| finding.level)
        };
        assert_eq!(judge("/srv/backups"), None);
        std::fs::create_dir_all(dirs[0].join("multi-user.target.wants")).unwrap();
        std::fs::create_dir_all(&dirs[1]).unwrap();
        std::fs::write(dirs[0].join("multi-user.target.wants").join(UNIT_NAME), "").unwrap();
        let unit = "[Service]\nProtectSystem=strict\nStateDirectory=perennial\n#ReadWritePaths=/\n";
        std::fs::write(dirs[1].join(UNIT_NAME), unit).unwrap();
        assert_eq!(judge("/srv/backups"), Some(Level::Warning));
        assert_eq!(judge("/var/lib/perennial/storage"), Some(Level::Ok));
        let drop_in = dirs[0].join(format!("{UNIT_NAME}.d"));
        std::fs::create_dir_all(&drop_in).unwrap();
        std::fs::write(
            drop_in.join("a.conf"),
            "[Service]\nReadWritePaths=/x -/srv/backups\n",
        )
        .unwrap();
        assert_eq!(judge("/srv/backups"), Some(Level::Ok));
        assert_eq!(judge("/srv/backups-2"), Some(Level::Warning));
        std::fs::write(drop_in.join("b.conf"), "[Service]\nProtectSystem=full\n").unwrap();
        assert_eq!(judge("/srv/backups-2"), Some(Level::Ok));
    }
}
