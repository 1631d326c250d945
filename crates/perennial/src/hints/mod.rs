//! What to do about an error, found by its type: the one place that knows.

#[cfg(feature = "server")]
mod server;

use tonic::Code;
use wire::token::TokenError;

use crate::config::ConfigError;
use crate::failure::Failure;

/// What the user can do about an error, if anything is known to help.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            of_failure(failure)
        } else if let Some(error) = cause.downcast_ref::<ConfigError>() {
            of_config(error)
        } else if let Some(error) = cause.downcast_ref::<client::Error>() {
            of_client(error).map(str::to_owned)
        } else if let Some(status) = cause.downcast_ref::<tonic::Status>() {
            of_status(status).map(str::to_owned)
        } else if let Some(hint) = of_server(cause) {
            Some(hint)
        } else if cause.downcast_ref::<TokenError>().is_some() {
            Some("make a new one with \"perennial token create\" on the server and copy it as a whole".into())
        } else {
            None
        }
    })
}

#[cfg(feature = "server")]
use server::hint as of_server;

/// There is no server within this program.
#[cfg(not(feature = "server"))]
fn of_server(_: &(dyn std::error::Error + 'static)) -> Option<String> {
    None
}

fn of_failure(failure: &Failure) -> Option<String> {
    match failure {
        Failure::UnknownSetting { .. } => Some("\"perennial settings show\" lists them all".into()),
        Failure::Usage(_) => Some("see --help".into()),
        Failure::NoWay { server_state, client_state } => Some(format!(
            "start a server with \"perennial server\" or join one with \"perennial enroll TOKEN\"; looked for a server in \
             {server_state} (--server-state) and for a client in {client_state} (--client-state)"
        )),
        Failure::NoClientRuns { socket } => Some(format!(
            "start it with \"perennial client\", or run this as its user, for example with sudo (its socket would be {socket})"
        )),
        Failure::NotTheServer { server_state } => Some(format!(
            "run it on the server's machine, as the user that the server runs as, or log in: perennial login HOST:PORT; looked in \
             {server_state} (--server-state)"
        )),
        Failure::UnknownServer { address } => Some(format!(
            "log in with \"perennial login {address}\", or give the fingerprint with --fingerprint"
        )),
        Failure::NotLoggedIn { address } => Some(format!(
            "log in with \"perennial login {address}\", or give an API token with --token-file or in PERENNIAL_TOKEN"
        )),
        Failure::OtherFingerprint { .. } => Some(
            "\"perennial status\" on the server shows the right one; if they differ, somebody may stand between".into(),
        ),
        Failure::ImageElsewhere => Some("\"perennial restore-disk\" on a machine that is enrolled writes one anywhere".into()),
        Failure::SocketDenied { socket, .. } => Some(format!(
            "run it as the user whose the socket is, for example with sudo (the socket is {socket})"
        )),
        Failure::Job { .. } => Some("the logs of server and client tell more".into()),
        Failure::CutShort => Some("see the server's log; \"perennial jobs list\" tells whether the job goes on".into()),
        Failure::ServerRuns { .. } => Some(
            "it may be another quickstart; use that one, stop it, or keep apart with --state DIR --storage DIR".into(),
        ),
        Failure::EnrolledElsewhere { .. } => {
            Some("back up there with \"perennial client once --source PATH\", or keep apart with --state DIR".into())
        }
        Failure::NoSuchBuild { .. } => Some("\"perennial server builds list\" shows which there are".into()),
        Failure::NoSuchBackup { .. } => Some("\"perennial backup list\" shows which backups there are".into()),
        Failure::NoSuchRole { .. } => Some("\"perennial roles list\" shows the roles".into()),
        Failure::MustBeMounted { place, .. } => Some(format!("mount it instead: \"perennial image mount {place} DIR\"")),
        Failure::Unsuitable { .. } => None,
    }
}

fn of_config(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::UnknownKey { .. } | ConfigError::Value { .. } | ConfigError::Useless { .. } => {
            Some("\"perennial config show\" lists every setting".into())
        }
        ConfigError::DuplicateSource { .. } => Some("give one of them another name: NAME=PATH".into()),
        ConfigError::Missing { flag, .. } => Some(format!("set it with --{flag}, or set HOME")),
        ConfigError::LogIns { .. } => Some("remove the file and log in again".into()),
        ConfigError::Read { .. } | ConfigError::Syntax { .. } => None,
    }
}

fn of_client(error: &client::Error) -> Option<&'static str> {
    use client::Error;
    match error {
        Error::NotEnrolled { .. } => Some(
            "make a token on the server with \"perennial token create\", then here: perennial enroll TOKEN",
        ),
        Error::AlreadyEnrolled { .. } => {
            Some("to enrol anew, add --replace; the client's backups stay on its old server")
        }
        Error::WrongFingerprint { .. } => Some(
            "the fingerprint of its certificate is not that in the token, or the one that was given: either that is of another \
             server, or somebody stands between; get a new one from the right server",
        ),
        Error::TokenRefused { .. } => {
            Some("a token works once and for a limited time: make a new one with \"perennial token create\"")
        }
        Error::NameTaken { .. } => Some(
            "pick another with --name, or have the administrator make a token for exactly this name: token create --client NAME",
        ),
        Error::Unreachable { .. } => {
            Some("is the server running there, and does a firewall let its port (55414) through?")
        }
        Error::Untrusted { .. } => Some(
            "another server answers at that address, or its keys were made anew; if so, enrol again with a new token",
        ),
        Error::Revoked { .. } => {
            Some("have the administrator make a new token, then: perennial enroll --replace TOKEN")
        }
        Error::Version { .. } => {
            Some("update the older of the two; \"perennial --version\" tells which that is")
        }
        Error::NotFound { .. } => Some("\"perennial backup list\" shows which backups there are"),
        Error::Interrupted { .. } => Some("run it again: it goes on where it ended"),
        Error::NoSources => {
            Some("name what is to be backed up: --source PATH, or sources = [\"PATH\"] in client.toml")
        }
        Error::SourceMissing { .. } => Some("mount it, or mark the source as optional = true"),
        Error::SourceEmptied { .. } => Some(
            "mount its file system; if it is meant to be empty, set may_become_empty = true for the source",
        ),
        Error::HookFailed { .. } => {
            Some("the command is in the client's settings: perennial config show client")
        }
        Error::SnapshotRequired { .. } => Some("set snapshots = \"auto\" to go on without one"),
        Error::Busy => Some("wait for it, or look with \"perennial jobs list\" on the server"),
        Error::TargetConflict { .. } => {
            Some("--existing overwrite replaces what is in the way, --existing keep leaves it")
        }
        Error::MountRefused { why, .. } => of_mount(why),
        Error::Damaged { .. } => {
            Some("if it can't be put right, enrol again: perennial enroll --replace TOKEN")
        }
        _ => None,
    }
}

fn of_mount(why: &client::mount::MountRefusal) -> Option<&'static str> {
    use client::mount::MountRefusal;
    match why {
        MountRefusal::Missing => Some("make it with \"mkdir\", or name another directory"),
        MountRefusal::NotADirectory | MountRefusal::NotEmpty => Some(
            "name an empty directory: what is in it could not be seen as long as the backups are mounted",
        ),
        MountRefusal::Mounted => Some(
            "unmount that first, with \"umount DIR\" or \"fusermount3 -u DIR\", or name another directory",
        ),
        MountRefusal::Orphaned => Some(
            "clear it away with \"umount DIR\", or \"fusermount3 -u DIR\" without root; then mount again",
        ),
        MountRefusal::NoDevice => {
            Some("load the kernel's module: modprobe fuse; a container must be given /dev/fuse from outside")
        }
        MountRefusal::NoProgram => Some("install the package fuse3, or run this as root"),
        MountRefusal::OthersDenied => Some(
            "put the line user_allow_other into /etc/fuse.conf, run this as root, or leave out --allow-other",
        ),
        _ => None,
    }
}

fn of_status(status: &tonic::Status) -> Option<&'static str> {
    match status.code() {
        Code::NotFound if status.message().starts_with("there is no channel") => {
            Some("\"perennial notify list\" shows the channels")
        }
        Code::NotFound if status.message().starts_with("there is no user") => {
            Some("\"perennial users list\" shows the users")
        }
        Code::NotFound if status.message().starts_with("there is no role") => {
            Some("\"perennial roles list\" shows the roles")
        }
        Code::NotFound if status.message().starts_with("there is no API token") => {
            Some("\"perennial api-tokens list\" shows the tokens")
        }
        Code::NotFound if status.message().starts_with("there is no session") => {
            Some("\"perennial users sessions\" shows the sessions")
        }
        Code::NotFound if status.message().starts_with("there is no program for") => {
            Some("\"perennial server builds add\", on the server, gives installers one")
        }
        Code::NotFound => Some("\"perennial backup list\" and \"perennial clients list\" show what there is"),
        Code::PermissionDenied if status.message().starts_with("user ") => Some(
            "\"perennial whoami\" tells what this user may do; whoever manages users can grant more: perennial users grant",
        ),
        Code::PermissionDenied if status.message().starts_with("an API token") => {
            Some("log in with \"perennial login HOST:PORT\"")
        }
        Code::PermissionDenied => {
            Some("what is not the client's own is for the administrator, on the server's machine")
        }
        Code::Unauthenticated => Some(of_unauthenticated(status.message())),
        Code::Unavailable if status.message().ends_with("is not connected") => {
            Some("start \"perennial client\" on that machine, and look at \"perennial clients list\"")
        }
        Code::Unavailable => Some("the connection was lost or the other side is not there; try again"),
        Code::ResourceExhausted => {
            Some("delete backups that are no longer needed, or give the storage more room")
        }
        Code::Unimplemented => Some("the server is of another version: update the older of the two"),
        _ => None,
    }
}

/// Why nobody knows who calls is told by the text alone.
fn of_unauthenticated(message: &str) -> &'static str {
    if message.starts_with("too many log-ins") {
        "wait, or have whoever manages users let this one in: perennial users unlock NAME"
    } else if message.starts_with("the user's name, the password") {
        "after a few failures log-ins are refused for a while; whoever manages users can set another password: perennial \
         users password NAME"
    } else if message.contains("session") {
        "perennial login HOST:PORT"
    } else if message.contains("token, or it was not") || message.contains("API token") {
        "make a new one: perennial api-tokens create NAME"
    } else if message.starts_with("the user is disabled") {
        "whoever manages users can let it in again: perennial users enable NAME"
    } else {
        "have the administrator make a new token, then: perennial enroll --replace TOKEN"
    }
}
