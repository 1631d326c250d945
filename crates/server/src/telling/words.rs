//! Messages in words.

use std::fmt::Display;

use catalog::{BackupKind, JobFilter, JobState};
use notify::{Event, Fact, Message, Moment, Severity};
use policy::Span;
use policy::alert::{Level, News, What};
use policy::settings::DEFAULT_STORAGE;

use super::watch::{Subject, Watched};
use crate::core::Core;
use crate::schedule;

/// Writes what is told of something that is watched. `what` is what is wrong, or was.
pub fn alert(core: &Core, watched: &Watched, news: &News, what: What) -> Message {
    let subject = &watched.subject;
    let is_right = matches!(news, News::Right { .. });
    let title = match news {
        News::Right { .. } => right_again(subject),
        News::Reminder { .. } => format!("Still: {}", wrong(subject, what)),
        News::Wrong | News::Changed { .. } => wrong(subject, what),
    };
    let text = match is_right {
        true => String::new(),
        false => explained(core, watched, what),
    };
    Message {
        event: Event::new(what.word()).expect("is a word"),
        severity: match (is_right, what.level()) {
            (true, _) => Severity::Ok,
            (false, Level::Failure) => Severity::Error,
            (false, Level::Warning) => Severity::Warning,
        },
        title,
        text,
        facts: facts(core, subject, news),
        client: subject.client().map(str::to_owned),
        link: None,
        at: Moment::new(core.clock.now_ms(), &core.clock.zone()),
    }
}

fn wrong(subject: &Subject, what: What) -> String {
    let (client, kind) = (subject.client().unwrap_or("the server"), kind(subject));
    match what {
        What::BackupFailed => format!("A {kind} backup of {client} failed"),
        What::ClientLate => format!("{client} is late: its last {kind} backup is too old"),
        What::ClientNever => format!("{client} has had no {kind} backup yet"),
        What::BackupProblems => format!("A {kind} backup of {client} was made with problems"),
        What::VerificationFailed => format!("Backups of {client} are damaged"),
        What::SpaceLow => format!("{} has little free space", storage(subject)),
        What::SpaceOut => format!(
            "{} is full, and nothing is left that may be given up",
            storage(subject)
        ),
        What::BackupsGivenUp => "Backups were given up for space".to_owned(),
        What::CleanupFailed => "The cleanup failed".to_owned(),
        What::StorageMissing => format!("{} is not there", storage(subject)),
        What::CatalogNotCopied => "The catalog is not copied into the storage".to_owned(),
    }
}

fn right_again(subject: &Subject) -> String {
    match subject {
        Subject::Backups { client, .. } => format!("{client} has a good {} backup again", kind(subject)),
        Subject::Soundness { client } => format!("No backup of {client} is damaged any more"),
        Subject::Space { .. } => format!("{} has enough free space again", storage(subject)),
        Subject::Presence { .. } => format!("{} is there again", storage(subject)),
        Subject::GivenUp => "No more backups are given up".to_owned(),
        Subject::Cleanup => "The cleanup works again".to_owned(),
        Subject::CatalogCopies => "The catalog was copied into the storage again".to_owned(),
    }
}

/// The storage that it is about, in words.
fn storage(subject: &Subject) -> String {
    match subject {
        Subject::Space {
            storage: Some(storage),
        }
        | Subject::Presence { storage } => format!("The storage {storage}"),
        _ => "The storage".to_owned(),
    }
}

/// The kind of backups that it is about, if it is about one.
fn kind(subject: &Subject) -> BackupKind {
    match subject {
        Subject::Backups { target, .. } => schedule::backup_kind(*target),
        _ => BackupKind::File,
    }
}

/// Why, as a sentence or some lines.
fn explained(core: &Core, watched: &Watched, what: What) -> String {
    let own = match (&watched.subject, what) {
        (Subject::Backups { client, target }, What::BackupFailed) => {
            last_error(core, client, *target).unwrap_or_default()
        }
        (Subject::Backups { client, target }, What::BackupProblems) => {
            problems(core, client, *target).unwrap_or_default()
        }
        _ => String::new(),
    };
    let reason = sentence(&watched.reason);
    match own.is_empty() || own == reason {
        true => reason,
        false => format!("{own}\n\n{reason}"),
    }
}

/// Why the last job that failed did.
fn last_error(core: &Core, client: &str, target: policy::Target) -> Option<String> {
    let failed = |state| {
        let filter = JobFilter {
            client: Some(client.to_owned()),
            kind: Some(schedule::job_kind(target)),
            state: Some(state),
            limit: Some(1),
            ..JobFilter::default()
        };
        core.catalog.jobs(&filter).ok()?.pop()
    };
    let jobs = [failed(JobState::Failed), failed(JobState::Interrupted)];
    let last = jobs.into_iter().flatten().max_by_key(|job| job.id)?;
    Some(sentence(&last.error?))
}

/// What could not be read, as far as a few lines go.
fn problems(core: &Core, client: &str, target: policy::Target) -> Option<String> {
    const SHOWN: usize = 10;
    let filter = catalog::BackupFilter {
        kind: Some(schedule::backup_kind(target)),
        ..catalog::BackupFilter::committed_of(client)
    };
    let newest = core.catalog.newest_backup(&filter).ok()??;
    let problems = core.catalog.problems(newest.id).ok()?;
    let mut lines: Vec<String> = problems
        .iter()
        .take(SHOWN)
        .map(|problem| format!("{}: {}", String::from_utf8_lossy(&problem.path), problem.message))
        .collect();
    let more = newest.problem_count.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Some(format!("Backup {}:\n{}", newest.name, lines.join("\n")))
}

fn facts(core: &Core, subject: &Subject, news: &News) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Subject::Backups { .. } = subject {
        facts.push(fact("Kind", format!("{} backup", kind(subject))));
    }
    if let Subject::Space { storage } = subject
        && let Ok(storage) = core.storages.named(storage.as_deref().unwrap_or(DEFAULT_STORAGE))
        && let Ok(space) = storage.store.space()
    {
        let (free, total) = (binary_size(space.free_bytes), binary_size(space.total_bytes));
        facts.push(fact("Free", format!("{free} of {total}")));
    }
    if let News::Reminder { since_ms } | News::Right { since_ms, .. } = news {
        let lasted = Span::between(*since_ms, core.clock.now_ms());
        let name = match news {
            News::Right { .. } => "It lasted",
            _ => "For",
        };
        facts.push(fact(name, lasted));
    }
    facts
}

/// A name and its value.
pub fn fact(name: &str, value: impl ToString) -> Fact {
    Fact {
        name: name.to_owned(),
        value: value.to_string(),
    }
}

/// A text with a capital letter and a full stop; of several lines only the letter.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let stop = match text.contains('\n') || text.ends_with(['.', '!', '?', '…']) {
        true => "",
        false => ".",
    };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

/// A number of things: "1 backup", "2 backups".
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let things = if number == N::from(1) { one } else { many };
    format!("{number} {things}")
}

/// A size in binary units, with three digits or so.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_610_612_736, "1.5 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(binary_size(bytes), wanted);
        }
    }

    #[test]
    fn a_reason_becomes_a_sentence() {
        assert_eq!(sentence("the last try failed"), "The last try failed.");
        assert_eq!(sentence("a: b\nc: d"), "A: b\nc: d");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(" "), "");
    }

    #[test]
    fn every_title_is_a_line_that_names_the_client() {
        let subject = Subject::Backups {
            client: "anna".into(),
            target: policy::Target::Image,
        };
        let of_server = [
            What::SpaceLow,
            What::SpaceOut,
            What::BackupsGivenUp,
            What::CleanupFailed,
            What::CatalogNotCopied,
            What::StorageMissing,
        ];
        for what in What::ALL.into_iter().filter(|what| !of_server.contains(what)) {
            assert!(wrong(&subject, what).contains("anna"), "{what}");
        }
        assert_eq!(right_again(&subject), "anna has a good image backup again");
    }
}
