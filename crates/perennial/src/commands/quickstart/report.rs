//! What quickstart says at its end: what was stored where, how to look at it, how to get it back.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wire::v1::{Committed, StatusReply};

use crate::commands::{Context, backup};
use crate::config::{ClientConfig, ServerConfig};
use crate::output::format::size;
use crate::output::json::BackupView;

/// What is reported.
pub struct Report<'a> {
    /// The command's surroundings.
    pub context: &'a Context,
    /// The server's settings.
    pub server: &'a ServerConfig,
    /// The client's settings.
    pub client: &'a ClientConfig,
    /// What the server says of itself.
    pub status: &'a StatusReply,
    /// The backup.
    pub committed: &'a Committed,
}

/// The report for programs.
#[derive(Serialize)]
pub struct ReportView {
    backup: BackupView,
    location: String,
    storage: String,
    storage_backend: String,
    file_system: String,
    server_state: String,
    client_state: String,
}

impl Report<'_> {
    /// The report for programs.
    pub fn json(&self) -> ReportView {
        let info = self.committed.info.clone().unwrap_or_default();
        ReportView {
            backup: BackupView::new(&info, self.context.console().zone()),
            location: self.location(&self.committed.name).display().to_string(),
            storage: self.server.storage.display().to_string(),
            storage_backend: self.status.storage_backend.clone(),
            file_system: self.status.file_system.clone(),
            server_state: self.server.state.display().to_string(),
            client_state: self.client.state.display().to_string(),
        }
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let summary = backup::summary(&self.committed.info.clone().unwrap_or_default());
        let program = self.program();
        let client = &self.committed.client;
        let first = self
            .client
            .sources
            .first()
            .map_or("", |source| source.name.as_str());
        let current = self.location("current");
        let target = "/tmp/restored";
        let place = quoted(Path::new(&format!("latest:{first}")));
        let browsed = quoted(Path::new(&format!("{client}/latest:{first}")));
        format!(
            "Backed up {summary}\n\
             \n\
             It lies in     {location}\n\
             Storage        {storage} ({backend} on {file_system}, {free} free)\n\
             Keys, catalog  {state}\n\
             \n\
             Look at it     ls {current}\n\
             \u{20}              {program} backup list\n\
             \u{20}              {program} backup browse {browsed}\n\
             Restore        {program} restore {place} --to {target}\n\
             {without}",
            location = self.location(&self.committed.name).display(),
            storage = self.server.storage.display(),
            backend = self.status.storage_backend,
            file_system = self.status.file_system,
            free = size(self.status.space_free_bytes),
            state = self.server.state.display(),
            current = quoted(&current),
            without = self.without_perennial(&current.join(first), target),
        )
    }

    // In a directory pool's links there is nothing for cp to copy.
    fn without_perennial(&self, from: &Path, target: &str) -> String {
        if self.status.storage_backend == "hardlink" {
            return String::new();
        }
        format!(
            "               or, without Perennial: cp -a {} {target}\n",
            quoted(from)
        )
    }

    fn location(&self, name: &str) -> PathBuf {
        self.server.storage.join(&self.committed.client).join(name)
    }

    /// How to call this program so that it finds what was made, ready to be pasted.
    fn program(&self) -> String {
        let name = std::env::args_os()
            .next()
            .map_or_else(|| PathBuf::from("perennial"), PathBuf::from);
        let mut words = vec![quoted(&name)];
        if self.context.server_state().ok().as_deref() != Some(&self.server.state) {
            words.extend(["--server-state".into(), quoted(&self.server.state)]);
        }
        if self.context.client_state().ok().as_deref() != Some(&self.client.state) {
            words.extend(["--client-state".into(), quoted(&self.client.state)]);
        }
        words.join(" ")
    }
}

/// A word for a shell.
fn quoted(word: &Path) -> String {
    let text = word.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+:@%,=".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/home/me/größer")), "/home/me/größer");
        assert_eq!(quoted(Path::new("/my docs")), "'/my docs'");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
    }
}
