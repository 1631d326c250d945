//! Joining by a token that was left in the state directory: by an installer, before the server could be reached or the client ran.

use std::path::Path;

use crate::agent::backoff::Backoff;
use crate::cancel::Cancel;
use crate::connection::Proxy;
use crate::error::{Error, Result};
use crate::identity::{ClientInfo, Identity, Wish, enrol, waiting};
use crate::monitor::{Level, Monitor};

/// Whether a machine that is no client yet has a token to become one.
pub fn waits_to_join(dir: &Path) -> bool {
    !Identity::exists(dir) && waiting::is_there(dir)
}

/// Enrols this machine with the token that waits in `dir`, as soon as the server can be reached and takes it; the token is removed then.
///
/// Does nothing where no token waits, or the machine is enrolled. Goes on until it succeeds or is cancelled ([`Error::Cancelled`]): what
/// the server refuses today, such as a name that is taken, it may accept once somebody has done something about it.
pub async fn join(
    dir: &Path,
    info: &ClientInfo,
    proxy: Option<&Proxy>,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<()> {
    if Identity::exists(dir) {
        // It was enrolled in another way since.
        return waiting::forget(dir);
    }
    let mut backoff = Backoff::new();
    loop {
        // Read anew each time: somebody may put another there.
        let Some(token) = waiting::read(dir)? else {
            return Ok(());
        };
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        // Not given up halfway: the server may have used the token up by then.
        let wish = Wish {
            proxy,
            ..Wish::default()
        };
        match enrol(&token, dir, info, wish).await {
            Ok(identity) => {
                waiting::forget(dir)?;
                let text = format!("joined the server at {} as {}", token.address, identity.name());
                monitor.log(Level::Info, &text);
                return Ok(());
            }
            Err(error) => backoff.try_again(&error, monitor, cancel).await?,
        }
    }
}
