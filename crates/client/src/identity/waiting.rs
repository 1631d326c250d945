//! A token that waits in the state directory until the client joins with it.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use wire::token::Token;

use super::TOKEN_FILE;
use crate::error::{Error, Result};

/// A token is far shorter.
const MAX_BYTES: u64 = 4096;

/// Whether one waits.
pub fn is_there(dir: &Path) -> bool {
    dir.join(TOKEN_FILE).exists()
}

/// The token, if one waits.
pub fn read(dir: &Path) -> Result<Option<Token>> {
    let path = dir.join(TOKEN_FILE);
    let mut text = String::new();
    match fs::File::open(&path) {
        Ok(file) => file
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(|source| Error::io("read", &path, source))?,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io("read", &path, source)),
    };
    Token::parse(&text)
        .map(Some)
        .map_err(|error| Error::damaged(&path, error))
}

/// Removes it, whether it was there or not.
pub fn forget(dir: &Path) -> Result<()> {
    let path = dir.join(TOKEN_FILE);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::io("remove", &path, source)),
        _ => Ok(()),
    }
}
