//! How a backup, and a path inside one, are written on the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::str::FromStr;

use wire::v1;

/// `NAME`, `CLIENT/NAME` or `CLIENT/latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRef {
    client: String,
    name: String,
}

impl BackupRef {
    /// As the server takes it. An empty client is the caller's own.
    pub fn to_wire(&self) -> v1::BackupRef {
        v1::BackupRef {
            client: self.client.clone(),
            name: self.name.clone(),
        }
    }
}

impl FromStr for BackupRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (client, name) = match text.split_once('/') {
            Some((client, name)) if !client.is_empty() => (client, name),
            Some(_) => return Err("a client's name comes before the slash: CLIENT/NAME".into()),
            None => ("", text),
        };
        if name.is_empty() || name.contains('/') {
            return Err("a backup is named NAME, CLIENT/NAME or CLIENT/latest".into());
        }
        Ok(Self {
            client: client.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// `BACKUP` or `BACKUP:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which backup.
    pub backup: BackupRef,
    /// The path inside it, without slashes at its ends; empty for all of it.
    pub path: Vec<u8>,
}

impl Place {
    /// Reads a place; the path may be of any bytes.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let (backup, path) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
            None => (bytes, &bytes[bytes.len()..]),
        };
        let backup = std::str::from_utf8(backup).map_err(|_| "a backup's name is plain text".to_owned())?;
        Ok(Self {
            backup: backup.parse()?,
            path: normalised(path)?,
        })
    }
}

/// Takes `/home//me/` for `home/me`.
fn normalised(path: &[u8]) -> Result<Vec<u8>, String> {
    let components: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if components.contains(&b"..".as_slice()) {
        return Err("a path inside a backup has no \"..\"".into());
    }
    Ok(components.join(&b'/'))
}

/// Lets clap read places.
#[derive(Debug, Clone)]
pub struct PlaceParser;

impl clap::builder::TypedValueParser for PlaceParser {
    type Value = Place;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Place, clap::Error> {
        Place::parse(value).map_err(|reason| {
            let name = argument.map_or_else(|| "BACKUP".to_owned(), ToString::to_string);
            let text = format!(
                "invalid value '{}' for '{name}': {reason}\n",
                value.to_string_lossy()
            );
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<(String, String, String), String> {
        let place = Place::parse(OsStr::new(text))?;
        Ok((
            place.backup.client,
            place.backup.name,
            String::from_utf8(place.path).unwrap(),
        ))
    }

    #[test]
    fn backups_are_named_with_and_without_client() {
        let own = |client: &str, name: &str, path: &str| Ok((client.into(), name.into(), path.into()));
        assert_eq!(place("261129-0650"), own("", "261129-0650", ""));
        assert_eq!(place("web/261129-0650"), own("web", "261129-0650", ""));
        assert_eq!(place("web/latest:etc/nginx"), own("web", "latest", "etc/nginx"));
        assert_eq!(place("latest:/home//me/./a:b/"), own("", "latest", "home/me/a:b"));
    }

    #[test]
    fn what_names_no_backup_is_refused() {
        for text in ["", "/x", "a/", "a/b/c", ":etc", "a/b:../c"] {
            assert!(place(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_are_bytes() {
        let place = Place::parse(OsStr::from_bytes(b"latest:\xff/x")).unwrap();
        assert_eq!(place.path, b"\xff/x");
    }
}
