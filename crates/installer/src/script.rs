//! Shell scripts: the installer, which has the programs behind its text, and what fetches it.

use std::fs::File;
use std::io::Write as _;

use crate::order::unit;
use crate::{Build, Error, Order};

const INSTALL: &str = include_str!("scripts/install.sh");
const UNINSTALL: &str = include_str!("scripts/uninstall.sh");
const FETCH: &str = include_str!("scripts/fetch.sh");
const PROGRAM: &str = "/usr/local/bin/perennial";
/// Room for the length of the text, which is in the text.
const LENGTH_DIGITS: usize = 10;

/// How an installer is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetching {
    /// What the server's certificate is known by, as curl takes it: `sha256//` and base64. None if the system trusts its authority.
    pub pinned_key: Option<String>,
    /// The address of the installer, but for the processor at its end.
    pub address: String,
}

impl Fetching {
    /// What curl is told so that it talks to this server and no other.
    pub fn curl_options(&self) -> String {
        match &self.pinned_key {
            // The key is known, so nobody has to vouch for it.
            Some(key) => format!("--insecure --pinnedpubkey {}", word(key)),
            None => String::new(),
        }
    }
}

/// Writes an installer.
pub fn write(order: &Order, builds: &[Build], out: &mut File) -> Result<(), Error> {
    let mut programs = Vec::new();
    let mut offset = 0;
    for Build { info, packed } in builds {
        let len = std::fs::metadata(packed)?.len();
        programs.push(format!("{} {offset} {len} {}", info.architecture, info.sha256));
        offset += len;
    }
    let versions = builds.iter().map(|build| &build.info.version);
    let version = versions.max().map(ToString::to_string).unwrap_or_default();
    let text = fill(
        INSTALL,
        &[
            ("VERSION", version),
            ("SERVER", plain(&order.server)),
            ("WHOM", plain(&order.whom())),
            ("UNTIL", plain(&order.until)),
            ("PROGRAMS", word(&programs.join("\n"))),
            ("SERVER_WORD", word(&order.server)),
            ("TOKEN", word(&order.token)),
            ("UNINSTALLER", UNINSTALL.trim_end().to_owned()),
            ("SETTINGS", order.settings().trim_end().to_owned()),
            ("UNIT", unit(PROGRAM).trim_end().to_owned()),
        ],
    );
    const LENGTH: &str = "@TEXT_BYTES@";
    let len = text.len() - LENGTH.len() + LENGTH_DIGITS;
    out.write_all(
        text.replacen(LENGTH, &format!("{len:<LENGTH_DIGITS$}"), 1)
            .as_bytes(),
    )?;
    for build in builds {
        std::io::copy(&mut File::open(&build.packed)?, out)?;
    }
    out.flush()?;
    Ok(())
}

/// The script that fetches an installer and runs it.
pub fn fetching(how: &Fetching) -> String {
    fill(
        FETCH,
        &[
            ("CURL_OPTIONS", how.curl_options()),
            ("ADDRESS", word(&how.address)),
        ],
    )
}

/// A template with what stands for its names. What is put in is not looked through again.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        filled += before;
        let known = values
            .iter()
            .find_map(|(name, value)| Some((value, after.strip_prefix(name)?.strip_prefix('@')?)));
        match known {
            Some((value, behind)) => {
                filled += value;
                rest = behind;
            }
            None => {
                filled.push('@');
                rest = after;
            }
        }
    }
    filled + rest
}

/// A text as the shell takes it for one word.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text as it can stand in a comment.
fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}
