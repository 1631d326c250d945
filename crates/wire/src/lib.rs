//! The messages between client and server: protobuf services for control, manifests and administration, the
//! framing of the data connections, and the versions of both.
//!
//! Nothing here decides when to send what; it only says how a message looks and refuses those that don't.

pub mod frame;
pub mod read_ahead;
pub mod token;
pub mod version;

/// The generated protobuf messages and gRPC services.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("perennial.v1");
}

/// The generated messages and the service of a client's own socket.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod local {
    tonic::include_proto!("perennial.client.v1");
}

/// The administration socket in a server's state directory.
pub const ADMIN_SOCKET: &str = "admin.sock";

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// All messages and services as an encoded `FileDescriptorSet`, with the comments of their sources, for who handles them without
/// knowing each.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The protocol names that TLS negotiates (ALPN) on the one port.
pub mod alpn {
    /// gRPC from an enrolled or enrolling client.
    pub const CONTROL: &[u8] = b"perennial-control/1";
    /// Data frames ([`crate::frame`]).
    pub const DATA: &[u8] = b"perennial-data/1";
    /// A browser or a script, HTTP/2.
    pub const HTTP2: &[u8] = b"h2";
    /// A browser or a script, HTTP/1.1.
    pub const HTTP1: &[u8] = b"http/1.1";
    /// An ACME server that wants to see who holds a name (RFC 8737): nothing is said but the handshake.
    pub const ACME: &[u8] = b"acme-tls/1";
}

/// The name in every server certificate that clients check, whatever address they dial: a server may move.
pub const SERVER_NAME: &str = "server.perennial.internal";

/// The port that a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 55414;

/// Largest gRPC message either side accepts.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
