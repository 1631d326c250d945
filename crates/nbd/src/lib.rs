//! Disks served over the network block device protocol (NetworkBlockDevice/nbd, doc/proto.md), to whatever speaks it: the Linux
//! kernel, QEMU, libnbd.
//!
//! Owns: the fixed newstyle handshake with TLS, and the transmission with structured replies, sparse reads and block status
//! ([`Server`], [`serve_connection`]); disks as exports ([`Export`], [`ReadOnly`], [`WritableFile`]).
//!
//! Never: opens a disk, a certificate or a port by itself; holds more than [`MAX_REQUEST_BYTES`] for a connection; answers what it
//! does not understand with a guess: such a connection ends.
//!
//! A connection has one thread, which does one request after another. A client that wants more at once opens several.

mod channel;
mod error;
mod export;
mod handshake;
mod protocol;
mod server;
mod transmission;

pub use error::{Error, Result};
pub use export::{Access, Export, Exports, Extent, ExtentKind, OneExport, ReadOnly, WritableFile};
pub use protocol::MAX_REQUEST_BYTES;
pub use server::{Listener, Server, Settings, Socket, serve_connection};
