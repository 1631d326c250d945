//! Why there is no certificate.

use crate::error::Error;
use crate::web_certificate::CertificateFault;

/// A certificate could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AcmeFault {
    /// The ACME server can't be reached, or refuses.
    #[error("{0}")]
    Refused(String),
    /// It has no way to prove a name that is known here.
    #[error("it offers no TLS-ALPN-01 for {name}")]
    NoChallenge {
        /// The name.
        name: String,
    },
    /// It did not find us under a name.
    #[error("it does not find this server under {name}: {why}")]
    NotProven {
        /// The name.
        name: String,
        /// What it says.
        why: String,
    },
    /// It takes too long.
    #[error("it takes too long")]
    TimedOut,
    /// What it gave is of no use.
    #[error("what it gave can't be used")]
    Certificate(#[from] CertificateFault),
    /// What it gave has expired, or will at once.
    #[error("what it gave has to be renewed at once; perhaps the clock is wrong")]
    OldAlready,
    /// What was had can't be kept, or no answer can be made.
    #[error(transparent)]
    Own(Box<Error>),
}

impl From<Error> for AcmeFault {
    fn from(error: Error) -> Self {
        Self::Own(Box::new(error))
    }
}

impl From<instant_acme::Error> for AcmeFault {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::Refused(words(&problem)),
            instant_acme::Error::Timeout(_) => Self::TimedOut,
            instant_acme::Error::Other(source) => Self::Refused(source.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// What an ACME server says went wrong, on one line and not too long.
pub fn words(problem: &instant_acme::Problem) -> String {
    const MOST_CHARS: usize = 300;
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    let detail = problem.detail.as_deref().unwrap_or("no reason given");
    let parts = problem
        .subproblems
        .iter()
        .filter_map(|part| part.detail.as_deref());
    let text: Vec<&str> = std::iter::once(detail).chain(parts).collect();
    let text = format!("{} ({kind})", text.join("; "));
    let printable = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    printable.take(MOST_CHARS).collect()
}
