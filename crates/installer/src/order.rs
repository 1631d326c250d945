//! What an installer is to bring beside the program.

/// What is backed up where nobody says what: what people and administrators make, on most machines.
pub const USUAL_SOURCES: [&str; 5] = ["/etc", "/home", "/root", "/srv", "/usr/local"];

const UNIT: &str = include_str!("../../../packaging/systemd/perennial-client.service");

/// The systemd unit that all installers bring, for a program that lies there.
pub(crate) fn unit(program: &str) -> String {
    UNIT.replace("ExecStart=perennial ", &format!("ExecStart={program} "))
}

/// What an installer is to bring beside the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The token with which the machine joins.
    pub token: String,
    /// Where the server is, for people.
    pub server: String,
    /// The only client that the token is good for.
    pub client: Option<String>,
    /// When the token expires, for people.
    pub until: String,
    /// Directories that are backed up; those in [`USUAL_SOURCES`] that there are if none is named.
    pub sources: Vec<String>,
}

impl Order {
    /// Who may join with it, for people.
    pub(crate) fn whom(&self) -> String {
        match &self.client {
            Some(client) => format!("as {client}"),
            None => "under its own name".to_owned(),
        }
    }

    /// The client's settings, as its file has them. What was chosen has to be there, what is usual need not.
    pub(crate) fn settings(&self) -> String {
        let mut text = String::from(
            "# What this machine backs up. \"perennial config show client\" shows all settings and where they come from.\nsources = [\n",
        );
        for source in &self.sources {
            let path = toml::Value::from(source.as_str());
            let is_alone = self
                .sources
                .iter()
                .filter(|other| last(other) == last(source))
                .count()
                == 1;
            text += &match is_alone && !last(source).is_empty() {
                true => format!("    {path},\n"),
                false => format!(
                    "    {{ path = {path}, name = {} }},\n",
                    toml::Value::from(name(source))
                ),
            };
        }
        if self.sources.is_empty() {
            for source in USUAL_SOURCES {
                text += &format!(
                    "    {{ path = {}, optional = true }},\n",
                    toml::Value::from(source)
                );
            }
        }
        text + "]\n"
    }
}

/// The last component of a source, by which it is called where nothing else is said.
fn last(source: &str) -> &str {
    source
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
}

/// A name for a source whose last component another has too.
fn name(source: &str) -> String {
    match source.trim_matches('/') {
        "" => "system".to_owned(),
        path => path.replace('/', "_"),
    }
}
