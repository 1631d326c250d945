//! The certificate that browsers are shown, where it isn't the server's own.

use jiff::tz::TimeZone;

use super::Subject;
use super::finding::{Finding, Level};
use super::words::day;
use crate::settings::WebCertificateSource;
use crate::web_certificate::{self, Shown, Standing};

const CHECK: &str = "web-certificate";
const DAY_S: i64 = 86_400;
/// How long before it expires a certificate is told of, unless it lives for a short time only.
const SOON_S: i64 = 14 * DAY_S;
/// What part of its life a short-lived one has left then.
const SOON_PART: i64 = 6;

/// Judges the certificate; `None` where it is the server's own.
pub fn judge(subject: &Subject<'_>) -> Option<Finding> {
    let advice = advice(&subject.settings.web_certificate)?;
    let standing = match subject.core {
        Some(core) => core.web_certificate.standing(),
        None => web_certificate::examine(subject.settings),
    };
    let now_s = subject.clock.now().as_second();
    Some(judge_standing(&standing, now_s, &subject.clock.zone(), advice))
}

fn advice(source: &WebCertificateSource) -> Option<String> {
    match source {
        WebCertificateSource::Own => None,
        WebCertificateSource::Files { certificate, .. } => Some(format!(
            "put another certificate, with its key, into {}: the server takes it within a minute",
            certificate.display()
        )),
        WebCertificateSource::Acme(acme) => Some(format!(
            "the server goes on trying, and tries at once on SIGHUP; {} must be reached at this server, and port 443 there lead to \
             the port that the server listens on",
            acme.domains.join(" and ")
        )),
    }
}

fn judge_standing(standing: &Standing, now_s: i64, zone: &TimeZone, advice: String) -> Finding {
    let (level, what) = match &standing.shown {
        Some(shown) => (level_of(shown, now_s), sentence(shown, now_s, zone)),
        None if standing.trouble.is_none() => (
            Level::Advice,
            "there is no certificate for browsers yet".to_owned(),
        ),
        None => (
            Level::Error,
            "browsers are shown the server's own certificate, which they warn of".to_owned(),
        ),
    };
    match &standing.trouble {
        Some(trouble) => Finding::of(
            level.max(Level::Warning),
            CHECK,
            format!("{what}: {trouble}"),
            advice,
        ),
        None if level == Level::Ok => Finding::ok(CHECK, what),
        None => Finding::of(level, CHECK, what, advice),
    }
}

fn level_of(shown: &Shown, now_s: i64) -> Level {
    let left_s = shown.valid_until_s().saturating_sub(now_s);
    let life_s = shown.valid_until_s().saturating_sub(shown.valid_from_s());
    if left_s <= 0 || shown.valid_from_s() > now_s {
        Level::Error
    } else if left_s < SOON_S.min(life_s / SOON_PART) || shown.names().is_empty() {
        Level::Warning
    } else {
        Level::Ok
    }
}

fn sentence(shown: &Shown, now_s: i64, zone: &TimeZone) -> String {
    let date = |at_s: i64| day(at_s.saturating_mul(1000), zone);
    let (from, until) = (date(shown.valid_from_s()), date(shown.valid_until_s()));
    let names = shown.names().join(", ");
    if names.is_empty() {
        "the certificate for browsers names no host, so that no browser is shown it".to_owned()
    } else if shown.valid_until_s() <= now_s {
        format!("the certificate for browsers ({names}) has expired on {until}")
    } else if shown.valid_from_s() > now_s {
        format!("the certificate for browsers ({names}) is not valid before {from}")
    } else {
        format!("the certificate for browsers ({names}) is valid until {until}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn standing(from_days: i64, until_days: i64, trouble: Option<&str>) -> Standing {
        let at = |days| OffsetDateTime::from_unix_timestamp(NOW_S).unwrap() + Duration::days(days);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["backup.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(from_days), at(until_days));
        let pem = params.self_signed(&key).unwrap().pem();
        let shown = Shown::read(pem.as_bytes(), key.serialize_pem().as_bytes(), Path::new("/key"));
        Standing {
            shown: Some(Arc::new(shown.unwrap())),
            trouble: trouble.map(str::to_owned),
        }
    }

    #[test]
    fn a_certificate_is_told_of_before_it_expires() {
        let level = |standing: &Standing| {
            judge_standing(standing, NOW_S, &TimeZone::UTC, "renew it".to_owned()).level
        };
        for (from_days, until_days, expected) in [
            (-60, 30, Level::Ok),
            (-76, 14, Level::Ok),
            (-77, 13, Level::Warning),
            (-300, 10, Level::Warning),
            // One that lives for six days is not always about to expire.
            (-4, 2, Level::Ok),
            (-90, -1, Level::Error),
            (1, 90, Level::Error),
        ] {
            let found = level(&standing(from_days, until_days, None));
            assert_eq!(found, expected, "{from_days} {until_days}");
        }
        assert_eq!(level(&standing(-1, 89, Some("no key"))), Level::Warning);
        assert_eq!(level(&standing(-90, -1, Some("no key"))), Level::Error);
        let none = Standing {
            shown: None,
            trouble: Some("no key".to_owned()),
        };
        assert_eq!(level(&none), Level::Error);
    }
}
