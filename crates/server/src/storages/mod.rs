//! The storages of a running server: which are open, which are not there, and where a client's backups go.
//!
//! The one that the server was started with is the *default*: without it there is no server. Any other may be missing, such
//! as a disk that is not plugged in; what lies there can't be reached then, and all else goes on.
//!
//! It owns what belongs to one storage of a running server. It decides nothing about backups.

mod open;
mod places;

pub use open::{
    OpenStorage, add, create_or_open_default, open_options, open_others, remove, rename, try_absent,
};
pub use places::Storages;
