//! One look at all that is watched: what is told of it now, and to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Telling, ToldRecord};
use policy::alert::{Finding, News, Step, Told, What, decide};
use tracing::{info, warn};

use super::audience::Concern;
use super::report;
use super::teller::Content;
use super::watch::{Subject, Watched, watch};
use super::words;
use crate::core::Core;
use crate::error::Result;

/// Tells what has changed, and makes the reports that are due, blocking.
///
/// Without anybody to tell, nothing is remembered either: the first channel hears of all that is wrong.
pub fn look(core: &Core) -> Result<()> {
    if !core.teller.has_listener() {
        return Ok(());
    }
    let mut telling = Telling::default();
    let records = core.catalog.told()?;
    let told: BTreeMap<&str, Told> = records
        .iter()
        .filter_map(|record| Some((record.subject.as_str(), read(record)?)))
        .collect();
    let told_of = |subject: &Subject| told.get(subject.word().as_str()).map(|told| told.finding.what);
    let watched = watch(core, told_of)?;
    for record in &records {
        // A client that is gone, or something that only another version watches.
        if watched
            .iter()
            .all(|watched| watched.subject.word() != record.subject)
        {
            telling.forgotten.push(record.subject.clone());
        }
    }
    for watched in &watched {
        let word = watched.subject.word();
        let last = told.get(word.as_str());
        match decide(&watched.found, last, watched.repeat, core.clock.now_ms()) {
            Step::Quiet => {}
            Step::Note(now) => remember(&mut telling, word, now.as_ref()),
            Step::Tell(news, now) => {
                tell(core, &mut telling, watched, &news, now.as_ref());
                remember(&mut telling, word, now.as_ref());
            }
        }
    }
    report::add_due(core, &mut telling)?;
    core.teller.tell(&telling)
}

fn remember(telling: &mut Telling, subject: String, told: Option<&Told>) {
    match told {
        None => telling.forgotten.push(subject),
        Some(told) => telling.told.push(ToldRecord {
            subject,
            what: told.finding.what.word().to_owned(),
            about: serde_json::to_string(&told.finding.about).expect("names are plain data"),
            since_ms: told.since_ms,
            told_ms: told.told_ms,
        }),
    }
}

/// What was told; `None` where this version does not know what that was, and tells what it finds.
fn read(record: &ToldRecord) -> Option<Told> {
    Some(Told {
        finding: Finding {
            what: record.what.parse().ok()?,
            about: serde_json::from_str(&record.about).ok()?,
        },
        since_ms: record.since_ms,
        told_ms: record.told_ms,
    })
}

/// Queues a message for those channels that want to know. Who was told that something is wrong is told when it is right again,
/// and in which other way it is wrong.
fn tell(core: &Core, telling: &mut Telling, watched: &Watched, news: &News, now: Option<&Told>) {
    let is = now.map(|told| told.finding.what);
    let was = match news {
        News::Changed { was } | News::Right { was, .. } => Some(*was),
        News::Wrong | News::Reminder { .. } => None,
    };
    let Some(what) = is.or(was) else { return };
    let subject = watched.subject.word();
    match news {
        News::Right { .. } => info!(%subject, %what, "right again"),
        _ => warn!(%subject, %what, reason = watched.reason, "something is wrong"),
    }
    let message = words::alert(core, watched, news, what);
    let content = Content::Message(Box::new(message));
    let client = watched.subject.client();
    let group = client.and_then(|client| core.policies.group_of(client));
    let concern = match client {
        Some(name) => Concern::Client {
            name,
            group: group.as_deref(),
        },
        None => Concern::Server,
    };
    let channels: Arc<_> = core.teller.channels();
    let concerned = channels.iter().filter(|channel| {
        let wants = |what: What| channel.settings.audience.wants(what, concern);
        channel.takes_messages() && (wants(what) || was.is_some_and(wants))
    });
    telling
        .messages
        .extend(concerned.map(|channel| content.to(channel)));
}
