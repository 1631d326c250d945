//! What to do about errors of the server's own parts, where they are within this program.

use std::error::Error as StdError;

/// What the user can do about one of them.
pub fn hint(cause: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<server::Error>() {
        of_server(error)
    } else if let Some(error) = cause.downcast_ref::<storage::Error>() {
        of_storage(error).map(str::to_owned)
    } else if let Some(error) = cause.downcast_ref::<catalog::Error>() {
        of_catalog(error).map(str::to_owned)
    } else {
        None
    }
}

fn of_server(error: &server::Error) -> Option<String> {
    use server::Error;
    match error {
        Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => Some(
            "another program listens there, perhaps another server; pick another address with --listen"
                .into(),
        ),
        Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Some("ports below 1024 are for root; pick another with --listen".into())
        }
        Error::Busy { .. } => Some("another server uses it: stop that one first".into()),
        Error::WebCertificate { .. } => Some(
            "web_certificate names a PEM file with the server's certificate and, behind it, those that lead to its authority; \
             web_key one with its key"
                .into(),
        ),
        Error::OtherStorage { .. } => Some(
            "mount its file system, or name the right directory with --storage; if those backups are gone for good, \
             \"perennial server adopt-storage\" goes on with this one"
                .into(),
        ),
        Error::OtherCatalog { .. } => {
            Some("name the storage of that server with --storage, or another copy with --from".into())
        }
        Error::NoCatalogCopy { .. } => {
            Some("\"perennial server rebuild-catalog\" makes the catalog anew from the storage".into())
        }
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Some(
            "run the server as a user who may write there, or pick other places with --state and --storage"
                .into(),
        ),
        _ => None,
    }
}

fn of_storage(error: &storage::Error) -> Option<&'static str> {
    use storage::Error;
    match error {
        Error::Missing { .. } => Some("mount its file system or make the directory; --storage names another"),
        Error::NotAStorage { .. } => {
            Some("name an empty directory, or one that does not exist yet, with --storage")
        }
        Error::NewerFormat { .. } => Some("a newer Perennial made it: update this one"),
        Error::OtherOwner { .. } => Some(
            "start the server with the state directory that belongs to this storage; if that is lost, \
             \"perennial server restore-catalog\" puts a copy back; without a copy, \"perennial server rebuild-catalog\" \
             makes it anew",
        ),
        Error::Locked { .. } => Some("another server uses it: stop that one first"),
        Error::ReadOnly { .. } => Some("mount it writable, or pick another place with --storage"),
        Error::Full { .. } => Some("delete backups that are no longer needed, or give the storage more room"),
        Error::Denied { .. } => {
            Some("run the server as a user who may write there, or pick another place with --storage")
        }
        Error::Unsupported { .. } => Some("leave backend = \"auto\" to take what the file system offers"),
        _ => None,
    }
}

fn of_catalog(error: &catalog::Error) -> Option<&'static str> {
    use catalog::Error;
    match error {
        Error::Busy { .. } | Error::Locked { .. } => Some("another server uses it: stop that one first"),
        Error::Corrupt { .. } => Some(
            "\"perennial server restore-catalog\" puts a copy of it back (--list shows which there are); without a copy, \"perennial \
             server rebuild-catalog\" makes it anew from the storage",
        ),
        Error::NewerSchema { .. } => Some(
            "a newer Perennial made it: update this one; or \"perennial server restore-catalog --from FILE\" puts back the \
             \"catalog.sqlite.before-vN\" beside it, which is from before the upgrade",
        ),
        Error::Denied { .. } => {
            Some("run it as the user that the server runs as, or pick another place with --state")
        }
        Error::NoSpace { .. } => Some("make room on the file system of the state directory"),
        _ => None,
    }
}
