//! A certificate from an ACME server (RFC 8555): had, kept in the state directory, and renewed in time.
//!
//! Names are proven with TLS-ALPN-01 on the server's one port. No failure is the end of it: another try is made later, and the
//! certificate that is there goes on to be shown.

mod cache;
mod due;
mod fault;
mod http;
mod order;
mod settings;

use std::path::Path;
use std::time::Duration;

use notify::Roots;

use super::{Shown, WebCertificate, unusable};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::web_certificate::CertificateFault;

use cache::Cache;
pub use fault::AcmeFault;
use http::Http;
use order::Ordering;
pub use settings::AcmeSettings;

/// How long getting a certificate may take.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How long the clock may jump unnoticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// What gets certificates from an ACME server.
#[derive(Debug)]
pub struct Acme {
    settings: AcmeSettings,
    cache: Cache,
    roots: Roots,
    /// When to try next, in seconds since the Unix epoch.
    next_s: i64,
    /// Tries that failed since one succeeded.
    failures: u32,
}

impl Acme {
    /// Takes up what is kept in the state directory: the certificate that was had last is returned, if it can be used.
    pub fn open(settings: &AcmeSettings, state_dir: &Path) -> Result<(Self, Option<Shown>)> {
        let roots = match &settings.root {
            None => Roots::system(),
            Some(path) => trusted(path)?,
        };
        let cache = Cache::new(state_dir, &settings.directory);
        let kept = cache.certificate();
        let is_whole = |shown: &&Shown| {
            let mut domains = settings.domains.iter();
            domains.all(|domain| shown.is_good_for(Some(domain)))
        };
        let next_s = kept.as_ref().filter(is_whole).map_or(0, due::at_s);
        let acme = Self {
            settings: settings.clone(),
            cache,
            roots,
            next_s,
            failures: 0,
        };
        Ok((acme, kept))
    }

    /// Gets certificates when they are due, until the task is ended.
    pub async fn run(mut self, web: &WebCertificate, clock: &Clock) {
        loop {
            let left_s = u64::try_from(self.next_s - clock.now().as_second()).unwrap_or(0);
            if left_s > 0 {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(left_s).min(LOOK_INTERVAL)) => {}
                    // Somebody has put right what was wrong.
                    () = web.wake.notified() => if self.failures > 0 { self.next_s = 0 },
                }
                continue;
            }
            let had = tokio::time::timeout(TIMEOUT, self.obtain(web)).await;
            let had = had.unwrap_or(Err(AcmeFault::TimedOut));
            web.take(self.note(had, clock.now().as_second()), clock);
        }
    }

    /// Decides when to try next.
    fn note(&mut self, had: Result<Shown, AcmeFault>, now_s: i64) -> Result<Shown> {
        let had = had.and_then(|shown| match due::at_s(&shown) {
            due_s if due_s > now_s => Ok((due_s, shown)),
            _ => Err(AcmeFault::OldAlready),
        });
        match had {
            Ok((due_s, shown)) => {
                (self.failures, self.next_s) = (0, due_s);
                Ok(shown)
            }
            Err(source) => {
                self.failures = self.failures.saturating_add(1);
                self.next_s = now_s.saturating_add(due::pause_s(self.failures));
                Err(Error::Acme {
                    directory: self.settings.directory.clone(),
                    source,
                })
            }
        }
    }

    async fn obtain(&self, web: &WebCertificate) -> Result<Shown, AcmeFault> {
        let http = Http::new(&self.roots);
        let mut ordering = Ordering {
            settings: &self.settings,
            cache: &self.cache,
            challenges: web.challenges(),
            http: &http,
        };
        let (chain_pem, key_pem) = ordering.run().await?;
        let shown = self.cache.read(&key_pem, &chain_pem)?;
        self.cache.keep_certificate(&key_pem, &chain_pem)?;
        Ok(shown)
    }
}

/// The certificate that is kept in the state directory for these settings.
pub fn kept(settings: &AcmeSettings, state_dir: &Path) -> Option<Shown> {
    Cache::new(state_dir, &settings.directory).certificate()
}

fn trusted(path: &Path) -> Result<Roots> {
    let pem = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
    let roots = Roots::none().with_pem(&pem);
    roots.map_err(|_| unusable(path, CertificateFault::NoCertificate))
}
