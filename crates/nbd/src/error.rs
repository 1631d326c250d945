//! Why a connection has ended.

use std::io;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is lost, or silent for too long during the handshake.
    #[error("the connection to the client is lost")]
    Connection(#[source] io::Error),
    /// No connection can be taken.
    #[error("cannot wait for connections")]
    Accept(#[source] io::Error),
    /// The client breaks the protocol.
    #[error("the client breaks the protocol: {0}")]
    Protocol(&'static str),
    /// The client sends more at once than was offered to it.
    #[error("the client sends {len_bytes} bytes at once, and at most {limit_bytes} are taken")]
    TooLarge {
        /// How much it wants to send.
        len_bytes: u64,
        /// How much is taken.
        limit_bytes: u64,
    },
    /// The client asks for an export that there is not, in a way that can't be answered.
    #[error("the client asks for the export {0:?}, which can't be had")]
    UnknownExport(String),
    /// The client goes on without TLS, which is required.
    #[error("the client does without TLS")]
    TlsRequired,
    /// TLS fails.
    #[error("TLS with the client fails")]
    Tls(#[source] rustls::Error),
}
