//! The socket of the local administration: whoever may open it is the administrator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::net::UnixListener;

use crate::error::{Error, Result};

/// Binds the socket at `path` with mode 0600. A socket that a dead server left there is replaced; the lock on the
/// catalog, which must be held, says that no other server of this state directory is alive.
pub fn bind_admin_socket(path: &Path) -> Result<UnixListener> {
    let listen = |source| Error::Listen {
        address: path.display().to_string(),
        source,
    };
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(listen(error)),
    }
    let listener = UnixListener::bind(path).map_err(listen)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(listen)?;
    Ok(listener)
}
