//! What makes the server who it is, and who may see that: the state directory, the keys, certificates, and the socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::Subject;
use super::finding::{Finding, Level};
use super::words::{day, joined};
use crate::settings::admin_socket;
use crate::trust::{self, Authority, CERTIFICATE_DAYS};

const STATE: &str = "state-directory";
const KEYS: &str = "keys";
const AUTHORITY: &str = "authority";
const SERVER_CERTIFICATE: &str = "server-certificate";
const CLIENT_CERTIFICATES: &str = "client-certificates";
const SOCKET: &str = "admin-socket";
const DAY_MS: i64 = 86_400_000;
/// How long before it expires a certificate is told of.
const SOON_MS: i64 = 180 * DAY_MS;
/// The mode bits of others than the owner.
const OTHERS: u32 = 0o077;

/// Looks at all of that.
pub fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let state_dir = &subject.settings.state_dir;
    let mut findings = vec![judge_state_dir(state_dir)];
    findings.extend(judge_authority(subject));
    findings.extend(judge_server_certificate(subject));
    findings.extend(judge_client_certificates(subject));
    if subject.core.is_some() {
        findings.push(judge_socket(&admin_socket(state_dir)));
    }
    findings
}

fn judge_state_dir(dir: &Path) -> Finding {
    match fs::metadata(dir) {
        Err(error) => Finding::of(
            Level::Error,
            STATE,
            format!(
                "the state directory {} can't be looked at: {error}",
                dir.display()
            ),
            "name the right one with --state; run this as the user that the server runs as",
        ),
        Ok(found) if found.mode() & OTHERS != 0 => Finding::of(
            Level::Warning,
            STATE,
            format!("others may look into the state directory {}", dir.display()),
            format!("chmod 700 {}", dir.display()),
        ),
        Ok(_) => Finding::ok(STATE, format!("nobody else may look into {}", dir.display())),
    }
}

fn judge_authority(subject: &Subject<'_>) -> Vec<Finding> {
    let dir = trust::dir(&subject.settings.state_dir);
    let [key, certificate] = trust::FILES.map(|name| dir.join(name));
    if !certificate.exists() {
        let (level, advice) = if subject.knows_clients() {
            (
                Level::Error,
                "put a copy of that directory back before the server starts and makes new ones (\"perennial server \
                 restore-catalog\" does it if the copy has keys); else each client has to enrol anew",
            )
        } else {
            (
                Level::Advice,
                "the server makes them when it starts for the first time",
            )
        };
        let what = format!(
            "there are no keys of a certificate authority in {}",
            dir.display()
        );
        return vec![Finding::of(level, KEYS, what, advice)];
    }
    let mut findings = vec![judge_keys(&dir, &key)];
    findings.push(match Authority::open(&dir) {
        Err(error) => Finding::of(
            Level::Error,
            AUTHORITY,
            format!("the certificate authority can't be used: {}", error.chain()),
            "put a copy of that directory back; without one, move it away and let each client enrol anew",
        ),
        Ok(authority) => judge_expiry(subject, &authority),
    });
    findings
}

fn judge_keys(dir: &Path, key: &Path) -> Finding {
    let owner = fs::metadata(dir).map(|found| found.uid()).ok();
    let exposed = [dir, key].into_iter().find_map(|path| {
        let found = fs::metadata(path).ok()?;
        let is_exposed = path == key && found.mode() & OTHERS != 0 || Some(found.uid()) != owner;
        is_exposed.then_some(path)
    });
    match exposed {
        Some(path) => Finding::of(
            Level::Error,
            KEYS,
            format!(
                "others may read {}: with it they can pass for the server",
                path.display()
            ),
            format!(
                "chmod 600 {0}, and have it belong to the server's user; if anybody may have read it, have all clients enrol anew",
                path.display()
            ),
        ),
        None => Finding::ok(KEYS, "nobody else may read the keys of the certificate authority"),
    }
}

fn judge_expiry(subject: &Subject<'_>, authority: &Authority) -> Finding {
    let (zone, now_ms) = (subject.clock.zone(), subject.clock.now_ms());
    let Some(until_ms) = authority
        .valid_until_s()
        .map(|seconds| seconds.saturating_mul(1000))
    else {
        return Finding::of(
            Level::Error,
            AUTHORITY,
            "the authority's certificate does not tell when it expires",
            "put a copy of the state directory's \"trust\" back",
        );
    };
    let advice =
        "move the state directory's \"trust\" away, start the server, and let each client enrol anew";
    let until = day(until_ms, &zone);
    match level_of(until_ms, now_ms) {
        Level::Ok => Finding::ok(
            AUTHORITY,
            format!("the certificate authority is valid until {until}"),
        ),
        Level::Error => Finding::of(
            Level::Error,
            AUTHORITY,
            format!("the certificate authority has expired on {until}: no client can connect"),
            advice,
        ),
        level => Finding::of(
            level,
            AUTHORITY,
            format!("the certificate authority expires on {until}"),
            advice,
        ),
    }
}

/// The server's own certificate is made anew at each start.
fn judge_server_certificate(subject: &Subject<'_>) -> Option<Finding> {
    let until_ms = subject
        .core?
        .started_ms
        .saturating_add((CERTIFICATE_DAYS - 1) * DAY_MS);
    let until = day(until_ms, &subject.clock.zone());
    let what = format!("the server's own certificate, made when it started, is valid until {until}");
    Some(match level_of(until_ms, subject.clock.now_ms()) {
        Level::Ok => Finding::ok(SERVER_CERTIFICATE, what),
        level => Finding::of(
            level,
            SERVER_CERTIFICATE,
            what,
            "restart the server: it makes a new one",
        ),
    })
}

fn judge_client_certificates(subject: &Subject<'_>) -> Option<Finding> {
    let clients = subject.catalog?.clients().ok()?;
    let until_ms = |client: &catalog::Client| {
        let enrolled_ms = client
            .enrolled_ms
            .filter(|_| client.state == catalog::ClientState::Active)?;
        Some(enrolled_ms.saturating_add((CERTIFICATE_DAYS - 1) * DAY_MS))
    };
    let of_clients = clients.iter().map(|overview| &overview.client);
    let dated: Vec<(&str, i64)> = of_clients
        .filter_map(|client| Some((client.name.as_str(), until_ms(client)?)))
        .collect();
    let first_ms = dated.iter().map(|(_, until_ms)| *until_ms).min()?;
    let now_ms = subject.clock.now_ms();
    let level = level_of(first_ms, now_ms);
    if level == Level::Ok {
        let first = day(first_ms, &subject.clock.zone());
        let what = format!("the first certificate of a client expires on {first}");
        return Some(Finding::ok(CLIENT_CERTIFICATES, what));
    }
    let soon = dated
        .iter()
        .filter(|(_, until_ms)| level_of(*until_ms, now_ms) != Level::Ok);
    Some(Finding::of(
        level,
        CLIENT_CERTIFICATES,
        format!(
            "certificates expire soon, or have: {}",
            joined(soon.map(|(name, _)| *name))
        ),
        "for each: perennial token create --client NAME, then on the client perennial enroll --replace TOKEN",
    ))
}

fn judge_socket(path: &Path) -> Finding {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Finding::of(
            Level::Error,
            SOCKET,
            format!("{} is no socket", path.display()),
            "restart the server: it makes a new one",
        ),
        Ok(found) if found.mode() & OTHERS != 0 => Finding::of(
            Level::Error,
            SOCKET,
            format!(
                "others may open {}: whoever may is the administrator",
                path.display()
            ),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => Finding::ok(
            SOCKET,
            "only the server's user and root may administer the server",
        ),
        Err(error) => Finding::of(
            Level::Error,
            SOCKET,
            format!(
                "the administration socket {} is not there: {error}",
                path.display()
            ),
            "restart the server: it makes a new one",
        ),
    }
}

fn level_of(until_ms: i64, now_ms: i64) -> Level {
    match until_ms.saturating_sub(now_ms) {
        left_ms if left_ms <= 0 => Level::Error,
        left_ms if left_ms < SOON_MS => Level::Warning,
        _ => Level::Ok,
    }
}
