//! What the packages of all kinds have in common: the files that they bring, and the scripts that run with them.

use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::order::unit;
use crate::{Build, Error, Order};

/// The package's name.
pub const NAME: &str = "perennial-client";
pub const SUMMARY: &str = "Network backup client";
pub const ABOUT: &str = "Backs up files and disks of this machine to a Perennial server: incremental for ever, every backup complete.";
pub const HOME: &str = env!("CARGO_PKG_REPOSITORY");
pub const LICENCE: &str = env!("CARGO_PKG_LICENSE");

pub const PROGRAM: &str = "/usr/bin/perennial";
pub const UNIT_PATH: &str = "/usr/lib/systemd/system/perennial-client.service";
/// Directories of the package's own.
pub const DIRECTORIES: [&str; 2] = ["/usr/lib/perennial", "/usr/share/doc/perennial-client"];

/// Puts settings and token where the client looks for them, and lets it run.
pub const AFTER_INSTALL: &str = include_str!("scripts/after_install.sh");
/// Lets the client run no more.
pub const BEFORE_REMOVAL: &str = include_str!("scripts/before_removal.sh");
/// Has systemd forget the unit.
pub const AFTER_REMOVAL: &str = include_str!("scripts/after_removal.sh");
/// Removes what the client has made, too.
pub const PURGE: &str = include_str!("scripts/purge.sh");

/// A small file of a package.
pub struct Text {
    pub path: &'static str,
    pub mode: u16,
    pub content: String,
    pub role: Role,
}

/// What becomes of a file once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Stays,
    /// It is moved away as soon as it has been read.
    IsTaken,
    Documents,
}

/// The files of a package beside the program.
pub fn texts(order: &Order) -> [Text; 4] {
    [
        Text {
            path: UNIT_PATH,
            mode: 0o644,
            content: unit(PROGRAM),
            role: Role::Stays,
        },
        // The settings themselves are the machine's own: they are made of this where there are none.
        Text {
            path: "/usr/lib/perennial/client.toml",
            mode: 0o644,
            content: order.settings(),
            role: Role::Stays,
        },
        Text {
            path: "/usr/lib/perennial/token",
            mode: 0o600,
            content: format!("{}\n", order.token),
            role: Role::IsTaken,
        },
        Text {
            path: "/usr/share/doc/perennial-client/copyright",
            mode: 0o644,
            content: format!("Perennial, {HOME}\nLicence: {LICENCE}\n"),
            role: Role::Documents,
        },
    ]
}

/// The program of a build, as it is read.
pub fn reading(build: &Build) -> Result<impl Read, Error> {
    Ok(GzDecoder::new(File::open(&build.packed)?).take(build.info.size_bytes))
}
