//! What is told of single backups as they begin and end: pings, and a message for those who want to know of each.

use catalog::{JobEnd, Telling};
use notify::{Event, Message, Moment, Severity};
use tracing::error;
use wire::v1::{JobDone, job_done};

use super::audience::{BACKUP_MADE, Tell};
use super::teller::{Content, Sign, Teller, concern};
use super::words::{binary_size, fact};
use crate::jobs::{LiveJob, is_backup};

impl Teller {
    /// A job is at work.
    pub fn job_began(&self, job: &LiveJob) {
        if is_backup(job.kind) {
            let start = Content::Ping {
                signal: Sign::Start,
                log: String::new(),
            };
            self.queue(job, Some(&start), None);
        }
    }

    /// A job has ended.
    pub fn job_ended(&self, job: &LiveJob, end: &JobEnd, done: &JobDone) {
        if !is_backup(job.kind) {
            return;
        }
        let signal = match end {
            JobEnd::Done => Sign::Success,
            JobEnd::Failed { .. } | JobEnd::Interrupted { .. } | JobEnd::Cancelled => Sign::Failure,
        };
        let ping = Content::Ping {
            signal,
            log: format!("{} of {}: {}", job.kind, job.client, done.message),
        };
        let message = (*end == JobEnd::Done).then(|| Content::Message(Box::new(self.made(job, done))));
        self.queue(job, Some(&ping), message.as_ref());
    }

    /// Queues a ping for channels of that kind, and a message for those that want to know of each backup. That it can't be
    /// queued does no harm to the job.
    fn queue(&self, job: &LiveJob, ping: Option<&Content>, message: Option<&Content>) {
        let channels = self.channels();
        if channels.is_empty() {
            return;
        }
        let group = self.group_of(&job.client);
        let concerned = concern(&job.client, group.as_deref());
        let content_for = |channel: &super::ChannelEntry| match channel.takes_messages() {
            false => ping,
            true => message.filter(|_| {
                let audience = &channel.settings.audience;
                audience.tell == Tell::All && !audience.except.contains(BACKUP_MADE)
            }),
        };
        let covered = channels
            .iter()
            .filter(|channel| channel.settings.audience.covers(concerned));
        let messages = covered.filter_map(|channel| content_for(channel).map(|content| content.to(channel)));
        let telling = Telling {
            messages: messages.collect(),
            ..Telling::default()
        };
        if let Err(failed) = self.tell(&telling) {
            error!(job = %job.id, error = failed.chain(), "what became of a job could not be told");
        }
    }

    fn made(&self, job: &LiveJob, done: &JobDone) -> Message {
        let mut facts = Vec::new();
        if let Some(backup) = &done.backup {
            facts.push(fact("Backup", &backup.name));
            facts.push(fact("Files", backup.files));
            facts.push(fact("Size", binary_size(backup.bytes_logical)));
            facts.push(fact("Sent", binary_size(backup.bytes_transferred)));
        }
        let with_problems = done.outcome() == job_done::Outcome::WithProblems;
        Message {
            event: Event::new(BACKUP_MADE).expect("is a word"),
            severity: match with_problems {
                true => Severity::Warning,
                false => Severity::Info,
            },
            title: format!("A {} of {} was made", job.kind, job.client),
            text: match with_problems {
                true => "Something could not be read.".to_owned(),
                false => String::new(),
            },
            facts,
            client: Some(job.client.clone()),
            link: None,
            at: Moment::new(self.clock.now_ms(), &self.clock.zone()),
        }
    }
}
