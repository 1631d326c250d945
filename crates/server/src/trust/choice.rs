//! Which certificate whom is shown: clients the server's own, browsers the one for them, where it is good for what they ask for.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::web_certificate::WebCertificate;

/// The certificates that there are.
#[derive(Debug)]
pub struct Choice {
    /// The server's own.
    pub own: Arc<CertifiedKey>,
    /// The one for browsers.
    pub web: Arc<WebCertificate>,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if is_challenge(&hello) {
            return self.web.for_challenge(hello.server_name());
        }
        let for_browser = if is_client(&hello) {
            None
        } else {
            self.web.for_name(hello.server_name())
        };
        Some(for_browser.unwrap_or_else(|| self.own.clone()))
    }
}

/// Whether an ACME server wants to see who holds a name. It gets that, or nothing.
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut offered| offered.any(|name| name == wire::alpn::ACME))
}

/// Whether one of our clients calls: by what it wants to speak, or by whom it asks for.
fn is_client(hello: &ClientHello<'_>) -> bool {
    let ours = [wire::alpn::CONTROL, wire::alpn::DATA];
    let speaks_ours = hello
        .alpn()
        .is_some_and(|mut offered| offered.any(|name| ours.contains(&name)));
    let name = hello.server_name();
    speaks_ours || name.is_some_and(|name| name.eq_ignore_ascii_case(wire::SERVER_NAME))
}
