//! Installers of the client for Linux: one file with all that a machine needs to become a client – the program, the systemd unit, the
//! settings, and a token that lets it join.
//!
//! ```text
//! program ─▶ pack ─▶ Build (kept) ─┐
//! token, sources ─▶ Order ─────────┴─▶ write ─▶ script │ .deb │ .rpm
//! ```
//!
//! What is made is the same for the same order and builds, but for times. Everything goes through files, so that memory does not grow
//! with the programs; [`Form::Rpm`] is an exception, as what makes it holds the package.

mod architecture;
mod build;
mod deb;
mod order;
mod package;
mod rpm;
mod script;
mod version;

use std::fs::File;

pub use architecture::Architecture;
pub use build::{Build, BuildInfo, Glibc, pack};
pub use order::{Order, USUAL_SOURCES};
pub use script::{Fetching, fetching};
pub use version::Version;

/// What an installer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A shell script, which may have programs for several architectures.
    Script,
    /// A package of Debian and what comes from it, for one architecture.
    Deb,
    /// A package of Fedora, openSUSE and the like, for one architecture.
    Rpm,
}

impl Form {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Script, Self::Deb, Self::Rpm];

    /// How it is called, and how its file's name ends.
    pub fn word(self) -> &'static str {
        match self {
            Self::Script => "sh",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }

    /// The form that is called so.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.word() == word)
    }
}

/// Why an installer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is none of our programs.
    #[error("{0}")]
    NotABuild(&'static str),
    /// A package is for one architecture.
    #[error("a package is for one architecture, and a script for at least one")]
    WrongNumber,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The package could not be put together.
    #[error("the package can't be made: {0}")]
    Rpm(Box<::rpm::Error>),
}

impl From<::rpm::Error> for Error {
    fn from(error: ::rpm::Error) -> Self {
        Self::Rpm(Box::new(error))
    }
}

/// Writes an installer into an empty file.
pub fn write(form: Form, order: &Order, builds: &[Build], out: &mut File) -> Result<(), Error> {
    match (form, builds) {
        (Form::Script, [_, ..]) => script::write(order, builds, out),
        (Form::Deb, [build]) => deb::write(order, build, out),
        (Form::Rpm, [build]) => rpm::write(order, build, out),
        _ => Err(Error::WrongNumber),
    }
}

/// What the file of an installer is called.
pub fn file_name(form: Form, order: &Order, builds: &[Build]) -> String {
    let whom = match &order.client {
        Some(client) => format!("-{client}"),
        None => String::new(),
    };
    let architecture = match (form, builds) {
        (Form::Deb, [build]) => format!("_{}", build.info.architecture.of_debian()),
        (Form::Rpm, [build]) => format!(".{}", build.info.architecture.word()),
        _ => String::new(),
    };
    format!("perennial-client{whom}{architecture}.{}", form.word())
}

#[cfg(test)]
mod tests;
