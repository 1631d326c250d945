//! The certificate that browsers are shown, if it isn't the server's own.
//!
//! It is for nobody else: clients check the server's own certificate, and get that one whatever is set here. What can't be used
//! at the start is an error then; later on the certificate that was there before stays, and the log and the doctor tell why.

mod acme;
mod challenges;
mod fault;
mod files;
mod shown;

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::settings::{Settings, WebCertificateSource};

use acme::Acme;
pub use acme::{AcmeFault, AcmeSettings};
use challenges::Challenges;
pub use fault::CertificateFault;
use files::Files;
pub use shown::Shown;

/// What browsers are shown, and what is wrong with what they should be.
#[derive(Debug, Default, Clone)]
pub struct Standing {
    /// The certificate; without one they are shown the server's own.
    pub shown: Option<Arc<Shown>>,
    /// Why there is no newer one, or none at all.
    pub trouble: Option<String>,
}

/// Holds the certificate for browsers.
#[derive(Debug, Default)]
pub struct WebCertificate {
    standing: RwLock<Standing>,
    challenges: Arc<Challenges>,
    wake: Notify,
}

impl WebCertificate {
    /// The certificate to show to who asks for this name; `None` where the server's own is the better one.
    pub(crate) fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let standing = self.standing.read();
        let shown = standing.shown.as_ref()?;
        shown.is_good_for(name).then(|| shown.key())
    }

    /// What to show to an ACME server that wants to see who holds this name, if it was asked to look.
    pub(crate) fn for_challenge(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.challenges.for_name(name)
    }

    fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// How things are.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.read().clone()
    }

    /// Has it looked at now whether there is another certificate.
    pub fn look_now(&self) {
        self.wake.notify_one();
    }

    /// From now on this certificate is shown; or the one before, if there is none.
    fn take(&self, taken: Result<Shown>, clock: &Clock) {
        match taken {
            Ok(shown) => {
                tell(&shown, clock);
                *self.standing.write() = Standing {
                    shown: Some(Arc::new(shown)),
                    trouble: None,
                };
            }
            Err(error) => {
                let why = error.chain();
                warn!(error = %why, "there is no new certificate for browsers");
                self.standing.write().trouble = Some(why);
            }
        }
    }
}

/// What keeps the certificate of a running server up to date.
#[derive(Debug)]
pub enum Keeper {
    /// Nothing, as it is the server's own.
    Idle,
    /// Somebody puts it into files.
    Files(Box<Files>),
    /// It is had from an ACME server.
    Acme(Box<Acme>),
}

/// Opens the certificate that the settings name. Blocking.
pub fn open(settings: &Settings, clock: &Clock) -> Result<(WebCertificate, Keeper)> {
    let web = WebCertificate::default();
    let keeper = match &settings.web_certificate {
        WebCertificateSource::Own => Keeper::Idle,
        WebCertificateSource::Files { certificate, key } => {
            let (files, shown) = Files::open(certificate, key)?;
            web.take(Ok(shown), clock);
            Keeper::Files(Box::new(files))
        }
        WebCertificateSource::Acme(acme) => {
            let (acme, kept) = Acme::open(acme, &settings.state_dir)?;
            if let Some(shown) = kept {
                web.take(Ok(shown), clock);
            }
            Keeper::Acme(Box::new(acme))
        }
    };
    Ok((web, keeper))
}

/// How things are with a server that does not run. Blocking.
pub fn examine(settings: &Settings) -> Standing {
    let read = match &settings.web_certificate {
        WebCertificateSource::Own => return Standing::default(),
        WebCertificateSource::Files { certificate, key } => {
            Files::open(certificate, key).map(|(_, shown)| shown)
        }
        WebCertificateSource::Acme(acme) => {
            return Standing {
                shown: acme::kept(acme, &settings.state_dir).map(Arc::new),
                trouble: None,
            };
        }
    };
    match read {
        Ok(shown) => Standing {
            shown: Some(Arc::new(shown)),
            trouble: None,
        },
        Err(error) => Standing {
            shown: None,
            trouble: Some(error.chain()),
        },
    }
}

impl Keeper {
    /// Keeps the certificate up to date until the task is ended.
    pub async fn run(self, core: Arc<Core>) {
        let web = &core.web_certificate;
        match self {
            Self::Idle => {}
            Self::Acme(acme) => acme.run(web, &core.clock).await,
            Self::Files(mut files) => loop {
                let patience = tokio::select! {
                    () = tokio::time::sleep(files::LOOK_INTERVAL) => files::Patience::UntilSettled,
                    () = web.wake.notified() => files::Patience::None,
                };
                let looking = tokio::task::spawn_blocking(move || {
                    let found = files.look(patience);
                    (files, found)
                });
                let Ok((same, found)) = looking.await else { return };
                files = same;
                if let Some(found) = found {
                    web.take(found, &core.clock);
                }
            },
        }
    }
}

fn tell(shown: &Shown, clock: &Clock) {
    let names = shown.names().join(", ");
    let until = jiff::Timestamp::from_second(shown.valid_until_s())
        .map(|until| until.to_string())
        .unwrap_or_default();
    let now_s = clock.now().as_second();
    if shown.valid_until_s() <= now_s {
        warn!(names, until, "the certificate for browsers has expired");
    } else if shown.valid_from_s() > now_s {
        warn!(names, until, "the certificate for browsers is not valid yet");
    } else if names.is_empty() {
        warn!(
            until,
            "the certificate for browsers names no host: no browser is shown it"
        );
    } else {
        info!(names, until, "browsers are shown a certificate");
    }
}

/// An error of a certificate in a file.
fn unusable(path: &std::path::Path, source: CertificateFault) -> Error {
    Error::WebCertificate {
        path: path.to_owned(),
        source,
    }
}
