//! Writing the parts of an identity durably.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, RECORD_FILE, Record};
use crate::error::{Error, Result};

/// What enrolment brings.
pub(super) struct Parts<'a> {
    pub(super) record: &'a Record,
    pub(super) key_pem: &'a str,
    pub(super) certificate_der: &'a [u8],
    pub(super) authority_der: &'a [u8],
}

/// Stores a fresh identity in `dir`, which is created if need be.
pub(super) fn write(dir: &Path, parts: &Parts<'_>) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| Error::io("create", dir, source))?;
    write_durably(&dir.join(KEY_FILE), parts.key_pem.as_bytes())?;
    write_durably(
        &dir.join(CERTIFICATE_FILE),
        certificate_pem(parts.certificate_der).as_bytes(),
    )?;
    write_durably(
        &dir.join(AUTHORITY_FILE),
        certificate_pem(parts.authority_der).as_bytes(),
    )?;
    // ORDER: last, so that an interrupted enrolment looks like none.
    write_record(dir, parts.record)
}

pub(super) fn write_record(dir: &Path, record: &Record) -> Result<()> {
    let path = dir.join(RECORD_FILE);
    let text = toml::to_string(record).map_err(|error| Error::damaged(&path, error))?;
    write_durably(&path, text.as_bytes())
}

pub(super) fn read_record(dir: &Path) -> Result<Option<Record>> {
    let path = dir.join(RECORD_FILE);
    let text = match fs::read_to_string(&path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| Error::io("read", &path, source))?,
    };
    toml::from_str(&text)
        .map(Some)
        .map_err(|error| Error::damaged(&path, error.message()))
}

/// Writes a file that only its owner may read, all or nothing, and makes it durable.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let written = (|| {
        // What an interrupted run left behind may have another mode.
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    written.map_err(|source| Error::io("write", path, source))
}

/// Wraps a certificate in PEM armour (RFC 7468).
fn certificate_pem(der: &[u8]) -> String {
    const LINE_CHARS: usize = 64;
    let encoded = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, following) = rest.split_at(rest.len().min(LINE_CHARS));
        pem.push_str(line);
        pem.push('\n');
        rest = following;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
