//! How installers are fetched: their address, and the command that does it.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use installer::Fetching;
use ring::digest::{SHA256, digest};
use wire::token::Token;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::settings::WebCertificateSource;

/// What the script is called that fetches an installer.
pub const WORD: &str = "fetch";

/// Where Let's Encrypt is; what it has for tests is elsewhere, and known to nobody.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/";

/// How the installers of a token are had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The address below which they are.
    pub address: String,
    /// The command that fetches and runs one.
    pub one_line: String,
}

/// How the installers of a token are had.
pub fn links(core: &Core, token: &Token) -> Result<Links> {
    let address = address(token);
    let how = Fetching {
        pinned_key: pinned_key(core, &token.address)?,
        address: address.clone(),
    };
    let options = ["-fsS".to_owned(), how.curl_options()].join(" ");
    Ok(Links {
        // As a word of its own and not through a pipe, so that it fails where curl does, and whoever is asked for a password can answer.
        one_line: format!(
            "sh -c \"$(curl {} '{address}' || echo exit 1)\"",
            options.trim_end()
        ),
        address,
    })
}

/// How the script fetches the installer.
pub fn fetching(core: &Core, token: &Token) -> Result<Fetching> {
    Ok(Fetching {
        pinned_key: pinned_key(core, &token.address)?,
        address: format!("{}/sh?architecture=", address(token)),
    })
}

fn address(token: &Token) -> String {
    let secret = BASE64URL_NOPAD.encode(&token.secret);
    format!("https://{}/install/{secret}", token.address)
}

/// Whether every system knows who has signed the certificate for browsers. Of one from a file nobody can tell.
fn is_public(source: &WebCertificateSource) -> bool {
    match source {
        WebCertificateSource::Acme(acme) => acme.root.is_none() && acme.directory.starts_with(LETS_ENCRYPT),
        WebCertificateSource::Own | WebCertificateSource::Files { .. } => false,
    }
}

/// The key of the certificate that is shown to whoever calls the server by this address. None if any system trusts the certificate.
fn pinned_key(core: &Core, address: &str) -> Result<Option<String>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_name = host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('[');
    let shown = core.web_certificate.for_name(is_name.then_some(host));
    let public_key = match &shown {
        Some(_) if is_public(&core.settings.web_certificate) => return Ok(None),
        Some(shown) => {
            let certificate = shown.cert.first().map(AsRef::as_ref).unwrap_or_default();
            let parsed = x509_parser::parse_x509_certificate(certificate);
            let (_, parsed) = parsed.map_err(|_| Error::Refused {
                why: "the certificate for browsers can't be read",
            })?;
            parsed.public_key().raw.to_vec()
        }
        None => core.authority.server_public_key()?,
    };
    let hash = BASE64.encode(digest(&SHA256, &public_key).as_ref());
    Ok(Some(format!("sha256//{hash}")))
}
