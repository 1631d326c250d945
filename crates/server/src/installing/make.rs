//! An installer for whoever brings a token that is good.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use installer::{Architecture, Build, Form, Order};
use jiff::Timestamp;

use super::fetch;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::tokens;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The token's secret.
    pub secret: [u8; 32],
    /// What it is to be.
    pub wanted: Wanted,
    /// For which processor; without one for all that there are programs for, or, of a package, the server's own.
    pub architecture: Option<Architecture>,
    /// The address that the client dials; without it, the server's own.
    pub address: Option<String>,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// An installer.
    Installer(Form),
    /// A script that fetches one.
    Fetching,
}

impl Wanted {
    /// What this word asks for.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            fetch::WORD => Some(Self::Fetching),
            word => Form::of_word(word).map(Self::Installer),
        }
    }
}

/// An installer that was made.
#[derive(Debug)]
pub struct Made {
    /// What its file is called.
    pub file_name: String,
    /// Its length.
    pub size_bytes: u64,
    /// The file, at its begin. It has no name.
    pub file: File,
}

/// Makes an installer. Blocking. The token must be good.
pub fn make(core: &Core, token: &catalog::Token, asked: &Asked) -> Result<Made> {
    let joining = tokens::token_of(core, asked.secret, asked.address.as_deref())?;
    let failed = |source| Error::Installer {
        path: core.builds.dir().to_owned(),
        source,
    };
    let mut file = scratch(core)?;
    let file_name = match asked.wanted {
        Wanted::Fetching => {
            let script = installer::fetching(&fetch::fetching(core, &joining)?);
            file.write_all(script.as_bytes())
                .map_err(|error| failed(error.into()))?;
            "perennial-client-fetch.sh".to_owned()
        }
        Wanted::Installer(form) => {
            let builds = chosen(core, form, asked.architecture)?;
            let order = Order {
                token: joining.to_string(),
                server: joining.address.clone(),
                client: token.client.clone(),
                until: time(core, token.expires_ms),
                sources: token.sources.clone(),
            };
            core.builds
                .one_at_a_time(|| installer::write(form, &order, &builds, &mut file).map_err(failed))?;
            installer::file_name(form, &order, &builds)
        }
    };
    let size_bytes = file.stream_position().map_err(|error| failed(error.into()))?;
    file.seek(SeekFrom::Start(0))
        .map_err(|error| failed(error.into()))?;
    Ok(Made {
        file_name,
        size_bytes,
        file,
    })
}

/// A file without a name, beside the builds: not in memory, as what lies in /tmp may be.
fn scratch(core: &Core) -> Result<File> {
    let dir = core.builds.dir();
    crate::trust::create_dir(dir)?;
    tempfile::tempfile_in(dir).map_err(|source| Error::io("create a file in", dir, source))
}

/// The programs for an installer.
fn chosen(core: &Core, form: Form, architecture: Option<Architecture>) -> Result<Vec<Build>> {
    let mut builds = core.builds.newest()?;
    let architecture = match (form, architecture) {
        (Form::Deb | Form::Rpm, None) => Architecture::own(),
        (_, architecture) => architecture,
    };
    if let Some(architecture) = architecture {
        builds.retain(|build| build.info.architecture == architecture);
        if builds.is_empty() {
            return Err(Error::NotFound {
                what: "program for the processor",
                name: architecture.to_string(),
            });
        }
    }
    Ok(builds)
}

/// A time for people.
fn time(core: &Core, ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    time.to_zoned(core.clock.zone())
        .strftime("%Y-%m-%d %H:%M %Z")
        .to_string()
}
