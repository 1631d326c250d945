//! The one-time enrolment token: all that a new client needs to know to reach and trust its server.
//!
//! Text form: `perennial1-` and base64url (no padding) of
//!
//! ```text
//! offset  size  field
//! 0       32    SHA-256 of the certificate authority's certificate (DER)
//! 32      32    secret; the server keeps only a hash of it
//! 64      n     address to dial, `host:port`, UTF-8, 1 to 255 bytes
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "perennial1-";
const FIXED_BYTES: usize = 64;
const MAX_ADDRESS_BYTES: usize = 255;

/// An enrolment token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the certificate of the authority that the server's certificate must come from.
    pub authority_fingerprint: [u8; 32],
    /// What the server checks.
    pub secret: [u8; 32],
    /// Where the server listens, `host:port`.
    pub address: String,
}

/// The text is not a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// It does not begin as tokens of this version do.
    #[error("this is not an enrolment token: one begins with \"{PREFIX}\"")]
    Prefix,
    /// Characters are missing or wrong.
    #[error("the enrolment token is damaged; copy it again as a whole")]
    Damaged,
}

impl Token {
    /// Reads a token from its text form; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if encoded.len() > (FIXED_BYTES + MAX_ADDRESS_BYTES) * 2 {
            return Err(TokenError::Damaged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Damaged)?;
        let (fingerprint, rest) = bytes.split_first_chunk::<32>().ok_or(TokenError::Damaged)?;
        let (secret, address) = rest.split_first_chunk::<32>().ok_or(TokenError::Damaged)?;
        let address = std::str::from_utf8(address).map_err(|_| TokenError::Damaged)?;
        if address.is_empty() || address.len() > MAX_ADDRESS_BYTES || !address.contains(':') {
            return Err(TokenError::Damaged);
        }
        Ok(Self {
            authority_fingerprint: *fingerprint,
            secret: *secret,
            address: address.to_owned(),
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.address.len());
        bytes.extend_from_slice(&self.authority_fingerprint);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(self.address.as_bytes());
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The fingerprint of a certificate: SHA-256 of its DER form.
pub fn fingerprint(certificate_der: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate_der);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            authority_fingerprint: fingerprint(b"certificate"),
            secret: [9; 32],
            address: "backup.example:55414".into(),
        }
    }

    #[test]
    fn text_form_reads_back() {
        let text = format!(" {}\n", token());
        assert_eq!(Token::parse(&text), Ok(token()));
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let text = token().to_string();
        assert_eq!(Token::parse("hello"), Err(TokenError::Prefix));
        assert_eq!(Token::parse(&text[..60]), Err(TokenError::Damaged));
        assert_eq!(Token::parse(&format!("{text}!")), Err(TokenError::Damaged));
        assert_eq!(Token::parse(&"x".repeat(100_000)), Err(TokenError::Prefix));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", token()).contains('9'));
    }
}
