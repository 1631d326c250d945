//! Where this user has logged in: `login.toml` in his own configuration directory, mode 0600. It holds tokens of sessions, which are
//! as good as a password until they end.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Surroundings};

/// The fingerprint of a server's authority: SHA-256 of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

/// A text is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits, as \"perennial status\" shows it on the server")]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// Reads hexadecimal digits, with or without colons, or `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let text = text.trim().to_ascii_lowercase();
        let digits: Vec<u8> = text
            .strip_prefix("sha256:")
            .unwrap_or(&text)
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or(NoFingerprint)?;
        let (pairs, []) = digits.as_chunks::<2>() else {
            return Err(NoFingerprint);
        };
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        bytes.try_into().map(Self).map_err(|_| NoFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One log-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// The server's address, with its port.
    pub server: String,
    /// What its authority is known by.
    pub fingerprint: Fingerprint,
    /// As whom.
    pub user: String,
    /// The session's token.
    pub token: String,
}

/// All log-ins, the newest first; one for each server.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct LogIns {
    #[serde(default, rename = "login")]
    all: Vec<LogIn>,
}

impl LogIns {
    /// Reads them; none where there is no file.
    pub fn read(surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let Some(path) = surroundings.log_in_file() else {
            return Ok(Self::default());
        };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|source| ConfigError::LogIns {
                action: "read",
                path: path.clone(),
                source,
            })?,
        };
        toml::from_str(&text).map_err(|error| ConfigError::LogIns {
            action: "understand",
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, error.message().to_owned()),
        })
    }

    /// Writes them, all or nothing.
    pub fn write(&self, surroundings: &Surroundings) -> Result<(), ConfigError> {
        let path = surroundings.log_in_file().ok_or_else(|| ConfigError::LogIns {
            action: "write",
            path: PathBuf::from("login.toml"),
            source: io::Error::new(io::ErrorKind::NotFound, "there is no home directory"),
        })?;
        let text = toml::to_string(self).map_err(io::Error::other);
        let written = text.and_then(|text| write_private(&path, &text));
        written.map_err(|source| ConfigError::LogIns {
            action: "write",
            path,
            source,
        })
    }

    /// That of a server.
    pub fn of(&self, server: &str) -> Option<&LogIn> {
        self.all.iter().find(|log_in| log_in.server == server)
    }

    /// The newest.
    pub fn newest(&self) -> Option<&LogIn> {
        self.all.first()
    }

    /// Puts one before all others.
    pub fn add(&mut self, log_in: LogIn) {
        self.remove(&log_in.server);
        self.all.insert(0, log_in);
    }

    /// Takes that of a server out.
    pub fn remove(&mut self, server: &str) {
        self.all.retain(|log_in| log_in.server != server);
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let temporary = path.with_extension("tmp");
    // What an interrupted run left behind may have another mode.
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Runner;
    use super::*;

    fn log_in(server: &str, token: &str) -> LogIn {
        LogIn {
            server: server.into(),
            fingerprint: Fingerprint([0xab; 32]),
            user: "anna".into(),
            token: token.into(),
        }
    }

    #[test]
    fn log_ins_read_back_and_are_private() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("HOME".into(), home.path().into())];
        let surroundings = Surroundings::new(variables, Runner::User, Path::new("/nowhere"));
        let mut log_ins = LogIns::read(&surroundings).unwrap();
        assert!(log_ins.newest().is_none());
        for (server, token) in [("a:1", "one"), ("b:1", "two"), ("a:1", "three")] {
            log_ins.add(log_in(server, token));
        }
        log_ins.write(&surroundings).unwrap();
        let mut read = LogIns::read(&surroundings).unwrap();
        assert_eq!(read.newest().unwrap().token, "three");
        assert_eq!(read.of("b:1").unwrap().fingerprint, Fingerprint([0xab; 32]));
        let path = home.path().join(".config/perennial/login.toml");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        read.remove("a:1");
        assert_eq!(read.newest().unwrap().token, "two");
        fs::write(&path, "login = 5").unwrap();
        assert!(LogIns::read(&surroundings).is_err());
    }

    #[test]
    fn fingerprints_are_read_as_people_copy_them() {
        let plain = "ab".repeat(32);
        let with_colons = vec!["AB"; 32].join(":");
        for text in [&plain, &with_colons, &format!("sha256:{plain}")] {
            assert_eq!(text.parse::<Fingerprint>().unwrap(), Fingerprint([0xab; 32]));
        }
        assert_eq!(Fingerprint([0xab; 32]).to_string(), plain);
        for wrong in ["", "ab", &plain[1..], &format!("{plain}ab"), &"zz".repeat(32)] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
