//! How a command ends, and how an error is shown: one line, its causes, and what to do about it.

use std::io;
use std::process::ExitCode;

use crate::config::{ConfigError, Origin};
use crate::hints;
use crate::output::Console;
use crate::output::format::line;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is done.
    Done,
    /// It went to its end, but not all could be done.
    WithProblems,
    /// Somebody asked for it to stop.
    Cancelled,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::WithProblems => 3,
            Outcome::Cancelled => 130,
        })
    }
}

/// Errors that this program itself finds.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line asks for what makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nothing leads to a server.
    #[error("there is neither a server nor an enrolled client here")]
    NoWay {
        /// Where the server's state was looked for.
        server_state: String,
        /// Where the client's state was looked for.
        client_state: String,
    },
    /// No client answers on its socket.
    #[error("no client is running here")]
    NoClientRuns {
        /// Where one would.
        socket: String,
    },
    /// A command for administrators was given where no server is.
    #[error("no server is running here, and nobody has logged in to one elsewhere")]
    NotTheServer {
        /// Where the server's state was looked for.
        server_state: String,
    },
    /// A server is named whose authority nobody has confirmed from here.
    #[error("nobody has logged in to the server at {address} from here, so its fingerprint is not known")]
    UnknownServer {
        /// Its address.
        address: String,
    },
    /// A server is named, and nothing says as whom.
    #[error("nobody has logged in to the server at {address} from here")]
    NotLoggedIn {
        /// Its address.
        address: String,
    },
    /// A server has another fingerprint than it had.
    #[error("the server at {address} has the fingerprint {shown}, and not the one that is expected")]
    OtherFingerprint {
        /// Its address.
        address: String,
        /// What it shows.
        shown: String,
    },
    /// What is read on the server's machine, or by a client, is asked for by a user.
    #[error("images are read on the server's machine, or by the client whose they are")]
    ImageElsewhere,
    /// The administration socket may not be opened.
    #[error("the server here does not let this user in")]
    SocketDenied {
        /// The socket.
        socket: String,
        /// What the system said.
        source: io::Error,
    },
    /// A job failed on the server or on a client.
    #[error("{what} failed")]
    Job {
        /// What was to be done.
        what: String,
        /// Why it failed, in the server's words.
        source: Told,
    },
    /// The server's answer has no end.
    #[error("the server ended the conversation in the middle")]
    CutShort,
    /// A server already runs with this state.
    #[error("a server is already running with the state in {state}")]
    ServerRuns {
        /// The state directory.
        state: String,
    },
    /// This machine is the client of another server.
    #[error("this machine is enrolled already, as {name} with the server at {address}")]
    EnrolledElsewhere {
        /// The client's name.
        name: String,
        /// The server's address.
        address: String,
    },
    /// There is no backup of this name, of no client.
    #[error("there is no backup {name}")]
    NoSuchBackup {
        /// The name.
        name: String,
    },
    /// No such program is kept for installers.
    #[error("no program of version {version} for {architecture} is kept")]
    NoSuchBuild {
        /// The version.
        version: String,
        /// The processor.
        architecture: String,
    },
    /// There is no role of this name.
    #[error("there is no role {name}")]
    NoSuchRole {
        /// The name.
        name: String,
    },
    /// Files in a volume are read by nobody but the kernel.
    #[error("files in {file_system} are not read without mounting it")]
    MustBeMounted {
        /// What the volume has.
        file_system: &'static str,
        /// The volume, as it is named on the command line.
        place: String,
    },
    /// There is no such setting.
    #[error("there is no setting {key}")]
    UnknownSetting {
        /// The key that was given.
        key: String,
    },
    /// Something to back up can't be.
    #[error("can't back up {path}: {why}")]
    Unsuitable {
        /// What was to be backed up.
        path: String,
        /// Why it can't be.
        why: String,
    },
}

/// What somebody else said went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Told(pub String);

/// Shows an error and returns the exit status for it.
pub fn report(console: &Console, error: &anyhow::Error) -> ExitCode {
    if is_cancelled(error) {
        console.note("cancelled");
        return Outcome::Cancelled.into();
    }
    console.note(&describe(error));
    ExitCode::from(if is_usage(error) { 2 } else { 1 })
}

/// Whether the error only says that whoever reads our output has seen enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The error with its causes and what to do, line by line.
pub fn describe(error: &anyhow::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = match cause.downcast_ref::<tonic::Status>() {
            Some(status) => status_text(status),
            None => cause.to_string(),
        };
        let text = text.trim_end().to_owned();
        // Libraries often repeat their cause in their own text.
        if !texts.iter().any(|earlier| earlier.ends_with(&text)) {
            texts.push(text);
        }
    }
    let mut lines = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut text_lines = text.lines();
        let label = if index == 0 { "error" } else { "caused by" };
        lines.push(format!(
            "{label}: {}",
            line(text_lines.next().unwrap_or_default())
        ));
        lines.extend(text_lines.map(|rest| format!("  {}", line(rest))));
    }
    if let Some(hint) = hints::hint(error) {
        lines.push(format!("hint: {hint}"));
    }
    lines.join("\n")
}

fn status_text(status: &tonic::Status) -> String {
    match status.message() {
        "" => format!("the server answered: {}", status.code()),
        message => message.to_owned(),
    }
}

#[cfg(feature = "server")]
fn is_cancelled_on_server(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        cause.downcast_ref::<server::Error>(),
        Some(server::Error::Cancelled)
    ) || matches!(
        cause.downcast_ref::<volume_files::Error>(),
        Some(volume_files::Error::Cancelled)
    )
}

/// There is no server within this program.
#[cfg(not(feature = "server"))]
fn is_cancelled_on_server(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// Whether the error only says that somebody asked for an end.
pub fn is_cancelled(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<client::Error>(),
            Some(client::Error::Cancelled)
        ) || is_cancelled_on_server(cause)
            || cause.downcast_ref::<tonic::Status>().is_some_and(|status| {
                status.code() == tonic::Code::Cancelled && status.message() == "cancelled"
            })
    })
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<Failure>(), Some(Failure::Usage(_)))
            || matches!(
                cause.downcast_ref::<ConfigError>(),
                Some(
                    ConfigError::Value {
                        origin: Origin::Flag(_),
                        ..
                    } | ConfigError::Useless {
                        origin: Origin::Flag(_),
                        ..
                    }
                )
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_causes_once_and_a_hint() {
        let inner = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
        let failure = Failure::SocketDenied {
            socket: "/x/admin.sock".into(),
            source: inner,
        };
        let shown = describe(&anyhow::Error::new(failure).context("can't list backups"));
        assert_eq!(
            shown,
            "error: can't list backups\n\
             caused by: the server here does not let this user in\n\
             caused by: permission denied\n\
             hint: run it as the user whose the socket is, for example with sudo (the socket is /x/admin.sock)"
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_play_with_the_terminal() {
        let error = anyhow::Error::new(tonic::Status::not_found("no \x1b[2J backup"));
        assert!(describe(&error).starts_with("error: no  [2J backup"));
    }

    #[test]
    fn texts_that_repeat_their_cause_are_shown_once() {
        let error = anyhow::anyhow!("no space left").context("can't write: no space left");
        assert_eq!(describe(&error), "error: can't write: no space left");
    }
}
