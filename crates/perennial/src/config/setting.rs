//! What a setting is: one line of a component's table.

use super::{client, server};

/// Which half of Perennial a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The server.
    Server,
    /// The client.
    Client,
}

impl Component {
    /// The word for it in paths, flags and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// All settings of the component, in the order in which they are shown.
    pub fn table(self) -> &'static [Setting] {
        match self {
            Self::Server => server::TABLE,
            Self::Client => client::TABLE,
        }
    }

    /// The setting with this key.
    pub fn setting(self, key: &str) -> Option<&'static Setting> {
        self.table().iter().find(|setting| setting.key == key)
    }

    /// What the names of the component's environment variables begin with.
    pub fn variable_prefix(self) -> String {
        format!("PERENNIAL_{}_", self.name().to_uppercase())
    }

    /// The environment variable that names the configuration file.
    pub fn file_variable(self) -> String {
        self.variable_prefix() + "CONFIG"
    }

    /// The environment variable of a setting.
    pub fn variable(self, setting: &Setting) -> String {
        self.variable_prefix() + &setting.key.to_uppercase()
    }
}

/// One value that can be configured.
#[derive(Debug)]
pub struct Setting {
    /// The key in the configuration file; flag and environment variable are made from it.
    pub key: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Its value where nothing sets it.
    pub fallback: Fallback,
    /// What the flag's value is called in help.
    pub placeholder: &'static str,
    /// What it does, as one sentence without full stop.
    pub about: &'static str,
}

impl Setting {
    /// The flag without its dashes.
    pub fn flag(&self) -> String {
        self.flag_singular().replace('_', "-")
    }

    // A list's flag is given once per item, so it reads better in the singular.
    fn flag_singular(&self) -> &'static str {
        match self.kind {
            Kind::List | Kind::Sources | Kind::Policies => self.key.strip_suffix('s').unwrap_or(self.key),
            _ => self.key,
        }
    }
}

/// Which values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path.
    Path,
    /// Any text.
    Text,
    /// On or off.
    Switch,
    /// A span of time, or off.
    Interval,
    /// A whole number.
    Count,
    /// An IP address and a port.
    SocketAddress,
    /// An HTTP proxy, or none.
    Proxy,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any of these words, separated by commas, or `none`.
    Words(&'static [&'static str]),
    /// `auto`, `off` or `required`; true and false are taken for the first two.
    Snapshots,
    /// `auto`, `off`, or a zstd level.
    Compression,
    /// A list of texts.
    List,
    /// What is backed up.
    Sources,
    /// What `policy` has under the setting's own key.
    Policy(&'static str),
    /// Any of what `policy` has, by key.
    Policies,
}

/// The value of a setting that nothing sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// None.
    Unset,
    /// This text, read as any other.
    Text(&'static str),
    /// A directory of this name among the program's own state.
    StateDir(&'static str),
    /// A directory of this name among the program's own data.
    DataDir(&'static str),
}
