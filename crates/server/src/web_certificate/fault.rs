//! What can be wrong with a certificate for browsers.

use std::path::PathBuf;

/// A certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// There is none in the file.
    #[error("there is no certificate in it, in PEM")]
    NoCertificate,
    /// It is not what TLS takes for one.
    #[error("it is no certificate that TLS can use")]
    Malformed,
    /// There is no key.
    #[error("there is no private key in {}, in PEM and without a passphrase", path.display())]
    NoKey {
        /// The file that should hold it.
        path: PathBuf,
    },
    /// The key is of no use.
    #[error("the private key in {} can't be used", path.display())]
    UnusableKey {
        /// The file that holds it.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The key is that of another certificate.
    #[error("the private key in {} is not that of the first certificate", path.display())]
    OtherKey {
        /// The file that holds it.
        path: PathBuf,
    },
}
