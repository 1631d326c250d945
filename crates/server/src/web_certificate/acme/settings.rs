//! Which certificate is to be had, and from whom.

use std::path::PathBuf;

use url::{Host, Url};

/// Settings of a certificate from an ACME server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The names that it is for.
    pub domains: Vec<String>,
    /// The address that the ACME server may write to.
    pub contact: Option<String>,
    /// Where the ACME server's directory is.
    pub directory: String,
    /// The authority of the ACME server's own certificate, PEM; the system's if none is named.
    pub root: Option<PathBuf>,
}

impl AcmeSettings {
    /// A name that a certificate can be had for, as the ACME server takes it. Addresses and wildcards can't be.
    pub fn domain(text: &str) -> Option<String> {
        let Ok(Host::Domain(name)) = Host::parse(text.trim()) else {
            return None;
        };
        let is_name = rustls::pki_types::DnsName::try_from(name.as_str()).is_ok();
        (is_name && name.contains('.') && !name.contains('*') && !name.ends_with('.')).then_some(name)
    }

    /// The address of a directory.
    pub fn directory(text: &str) -> Option<String> {
        let url = Url::parse(text.trim()).ok()?;
        (url.scheme() == "https" && url.host().is_some()).then(|| url.to_string())
    }

    /// A mail address.
    pub fn contact(text: &str) -> Option<String> {
        let text = text.trim();
        let (user, host) = text.split_once('@')?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        (is_plain && !user.is_empty() && Host::parse(host).is_ok()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_that_can_be_proven() {
        for (text, expected) in [
            ("backup.example", Some("backup.example")),
            (" Backup.Example ", Some("backup.example")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("*.example.org", None),
            ("192.0.2.7", None),
            ("[2001:db8::7]", None),
            ("localhost", None),
            ("backup.example.", None),
            ("backup example", None),
            ("backup.example:443", None),
            ("", None),
        ] {
            assert_eq!(AcmeSettings::domain(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_directory_is_reached_by_tls() {
        assert!(AcmeSettings::directory("https://acme.example/directory").is_some());
        for text in ["http://acme.example/directory", "acme.example", ""] {
            assert_eq!(AcmeSettings::directory(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_contact_is_one_mail_address() {
        assert!(AcmeSettings::contact("anna@example.org").is_some());
        for text in [
            "anna",
            "@example.org",
            "anna@",
            "a@b.org,c@d.org",
            "a b@example.org",
        ] {
            assert_eq!(AcmeSettings::contact(text), None, "{text:?}");
        }
    }
}
