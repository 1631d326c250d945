//! Reports: what there was since the last one.

use catalog::{BackupState, ChangeFilter, Job, JobFilter, JobKind, JobState, Telling};
use jiff::tz::TimeZone;
use notify::{Event, Message, Moment, Severity};
use policy::alert::{Found, Level};
use policy::report::due;
use policy::standing::Standing;
use serde_json::Value;

use super::audience::{Concern, ReportDay, ReportWhen};
use super::stands::{self, Stand};
use super::teller::{ChannelEntry, Content};
use super::words::{binary_size, counted};
use crate::core::Core;
use crate::error::Result;
use crate::jobs::is_backup;
use crate::schedule;

/// Clients and jobs that a report lists one by one.
const MOST_LINES: usize = 50;

/// Adds the reports that are due.
pub fn add_due(core: &Core, telling: &mut Telling) -> Result<()> {
    let (zone, now_ms) = (core.clock.zone(), core.clock.now_ms());
    let reported = core.catalog.channels()?;
    for channel in core
        .teller
        .channels()
        .iter()
        .filter(|channel| channel.takes_messages())
    {
        let Some(order) = channel.settings.audience.report else {
            continue;
        };
        let last_ms = reported
            .iter()
            .find(|record| record.id == channel.id)
            .map_or(now_ms, |record| record.reported_ms);
        if !due(order.rhythm(), last_ms, &zone, now_ms) {
            continue;
        }
        let report = Report::gather(core, channel, last_ms)?;
        telling.reported.push((channel.id, now_ms));
        if order.when == ReportWhen::Always || report.is_bad() {
            let message = report.message(&zone, order.on);
            telling
                .messages
                .push(Content::Message(Box::new(message)).to(channel));
        }
    }
    Ok(())
}

/// What a report tells.
struct Report {
    from_ms: i64,
    until_ms: i64,
    stands: Vec<Stand>,
    jobs: Vec<Job>,
    server: Option<ServerFigures>,
}

/// What is told of the server to those who hear of all clients.
struct ServerFigures {
    /// Of each storage: its name, what is free, and all there is.
    storages: Vec<(String, u64, u64)>,
    backups: u64,
    in_trash: u64,
    deleted_by_hand: usize,
    given_up: usize,
}

impl Report {
    fn gather(core: &Core, channel: &ChannelEntry, from_ms: i64) -> Result<Self> {
        let audience = &channel.settings.audience;
        let covers = |client: &str| {
            let group = core.policies.group_of(client);
            audience.covers(Concern::Client {
                name: client,
                group: group.as_deref(),
            })
        };
        let is_for_all = audience.covers(Concern::Server);
        let ended = JobFilter {
            ended_since_ms: Some(from_ms),
            ..JobFilter::default()
        };
        let concerns = |job: &Job| job.client.as_deref().map_or(is_for_all, covers);
        Ok(Self {
            from_ms,
            until_ms: core.clock.now_ms(),
            stands: stands::all(core)?
                .iter()
                .filter(|stand| covers(&stand.client))
                .cloned()
                .collect(),
            jobs: core.catalog.jobs(&ended)?.into_iter().filter(concerns).collect(),
            server: match is_for_all {
                true => Some(ServerFigures::gather(core, from_ms)?),
                false => None,
            },
        })
    }

    /// Whether it tells of failures.
    fn is_bad(&self) -> bool {
        let is_failure =
            |found: &Found| matches!(found, Found::Wrong(finding) if finding.what.level() == Level::Failure);
        self.failed().next().is_some() || self.stands.iter().any(|stand| is_failure(&stand.found))
    }

    fn failed(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state == JobState::Failed)
    }

    fn message(&self, zone: &TimeZone, on: ReportDay) -> Message {
        let wrong = self
            .stands
            .iter()
            .filter(|stand| matches!(stand.found, Found::Wrong(_)));
        let (made, failed, wrong) = (self.made().count(), self.failed().count(), wrong.count());
        let period = match on {
            ReportDay::Daily => "Daily",
            _ => "Weekly",
        };
        let (from, until) = (Moment::new(self.from_ms, zone), Moment::new(self.until_ms, zone));
        let sections = [
            format!("From {from} to {until}."),
            self.clients(),
            self.backups(),
            self.failures(zone),
            self.server
                .as_ref()
                .map(|figures| figures.text(&self.jobs))
                .unwrap_or_default(),
        ];
        let sections: Vec<String> = sections.into_iter().filter(|text| !text.is_empty()).collect();
        Message {
            event: Event::REPORT,
            severity: match self.is_bad() {
                true => Severity::Warning,
                false => Severity::Info,
            },
            title: format!(
                "{period} report: {} made, {} failed, {} to look into",
                counted(made, "backup", "backups"),
                counted(failed, "job", "jobs"),
                counted(wrong, "thing", "things")
            ),
            text: sections.join("\n\n"),
            facts: Vec::new(),
            client: None,
            link: None,
            at: until,
        }
    }

    fn made(&self) -> impl Iterator<Item = &Job> {
        let is_made = |job: &&Job| is_backup(job.kind) && job.state == JobState::Done;
        self.jobs.iter().filter(is_made)
    }

    fn clients(&self) -> String {
        let states = [
            Standing::Fine,
            Standing::Late,
            Standing::Failing,
            Standing::Never,
            Standing::Off,
        ];
        let counts = states.iter().filter_map(|state| {
            let count = self
                .stands
                .iter()
                .filter(|stand| stand.standing == *state)
                .count();
            (count > 0).then(|| format!("{count} {state}"))
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        let mut lines = vec![format!("Clients' file and image backups: {counts}")];
        let wrong = self.stands.iter().filter_map(|stand| match &stand.found {
            Found::Wrong(finding) => Some(format!(
                "  {}, {} backups: {} ({})",
                stand.client,
                schedule::backup_kind(stand.target),
                finding.what,
                stand.reason
            )),
            _ => None,
        });
        lines.extend(shortened(wrong.collect()));
        lines.join("\n")
    }

    fn backups(&self) -> String {
        let figure = |job: &Job, name: &str| -> u64 {
            let figures = job
                .figures
                .as_deref()
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            figures.and_then(|figures| figures[name].as_u64()).unwrap_or(0)
        };
        let sent_bytes = self.made().fold(0u64, |sum, job| {
            sum.saturating_add(figure(job, "bytes_transferred"))
        });
        let with_problems = self.made().filter(|job| figure(job, "problems") > 0).count();
        let is_cut_short = |job: &&Job| is_backup(job.kind) && job.state == JobState::Interrupted;
        format!(
            "Backups made: {}, of which {with_problems} with problems; {} were sent\n\
             Backups cut short: {}",
            self.made().count(),
            binary_size(sent_bytes),
            self.jobs.iter().filter(is_cut_short).count()
        )
    }

    fn failures(&self, zone: &TimeZone) -> String {
        let line = |job: &Job| {
            let at = Moment::new(job.finished_ms.unwrap_or(job.queued_ms), zone);
            let client = job.client.as_deref().unwrap_or("the server");
            let error = job.error.as_deref().unwrap_or("");
            format!("  {client}, {}, {at}: {error}", job.kind)
        };
        let lines: Vec<String> = self.failed().map(line).collect();
        if lines.is_empty() {
            return "Failed jobs: none".to_owned();
        }
        let mut all = vec![format!("Failed jobs: {}", lines.len())];
        all.extend(shortened(lines));
        all.join("\n")
    }
}

/// The first lines of many, and how many more there are.
fn shortened(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

impl ServerFigures {
    fn gather(core: &Core, from_ms: i64) -> Result<Self> {
        let mut storages = Vec::new();
        for storage in core.storages.all() {
            let space = storage.store.space()?;
            storages.push((storage.name(), space.free_bytes, space.total_bytes));
        }
        let counts = core.catalog.backup_counts()?;
        let in_state = |state| {
            counts
                .iter()
                .filter(|of| of.state == state)
                .map(|of| of.count)
                .sum()
        };
        let noted = |action: &str| {
            core.catalog.changes(&ChangeFilter {
                action: Some(action.to_owned()),
                since_ms: Some(from_ms),
                ..ChangeFilter::default()
            })
        };
        Ok(Self {
            storages,
            backups: in_state(BackupState::Committed),
            in_trash: in_state(BackupState::Deleting),
            deleted_by_hand: noted("backup-delete")?.len(),
            given_up: noted("backup-give-up")?.len(),
        })
    }

    fn text(&self, jobs: &[Job]) -> String {
        let removed: u64 = jobs
            .iter()
            .filter(|job| job.kind == JobKind::Cleanup)
            .filter_map(|job| serde_json::from_str::<Value>(job.figures.as_deref()?).ok())
            .filter_map(|figures| figures["backups_removed"].as_u64())
            .sum();
        let mut lines = vec![
            format!(
                "Deleted: {removed} by the cleanup, {} by hand, {} given up for space",
                self.deleted_by_hand, self.given_up
            ),
            format!(
                "Backups: {}, and {} in the trash or on their way out",
                self.backups, self.in_trash
            ),
        ];
        for (name, free_bytes, total_bytes) in &self.storages {
            let which = match self.storages.len() {
                1 => "Storage".to_owned(),
                _ => format!("Storage {name}"),
            };
            let (free, total) = (binary_size(*free_bytes), binary_size(*total_bytes));
            lines.push(format!("{which}: {free} of {total} free"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use catalog::JobId;
    use policy::alert::{Finding, What};
    use policy::standing::Reason;
    use policy::{Span, Target};

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn job(id: i64, kind: JobKind, state: JobState, figures: Option<&str>) -> Job {
        Job {
            id: JobId(id),
            kind,
            client: (kind != JobKind::Cleanup).then(|| "anna".to_owned()),
            subject: None,
            mode: None,
            reason: None,
            state,
            queued_ms: HOUR_MS,
            started_ms: Some(HOUR_MS),
            finished_ms: Some(2 * HOUR_MS),
            error: (state == JobState::Failed).then(|| "no space left".to_owned()),
            figures: figures.map(str::to_owned),
        }
    }

    fn stand(client: &str, standing: Standing, what: Option<What>) -> Stand {
        Stand {
            client: client.into(),
            target: Target::Files,
            standing,
            reason: Reason::LastBackup {
                elapsed: Span::hours(2),
            },
            failures: 0,
            found: what.map_or(Found::Well, |what| Found::Wrong(Finding::of(what))),
        }
    }

    fn report(stands: Vec<Stand>, jobs: Vec<Job>) -> Report {
        Report {
            from_ms: 0,
            until_ms: 24 * HOUR_MS,
            stands,
            jobs,
            server: Some(ServerFigures {
                storages: vec![("main".to_owned(), 1 << 40, 4 << 40)],
                backups: 12,
                in_trash: 3,
                deleted_by_hand: 1,
                given_up: 0,
            }),
        }
    }

    #[test]
    fn a_report_says_how_clients_stand_and_what_was_done() {
        let made = r#"{"bytes_transferred":1048576,"problems":1}"#;
        let report = report(
            vec![
                stand("anna", Standing::Fine, Some(What::BackupProblems)),
                stand("bert", Standing::Fine, None),
            ],
            vec![
                job(1, JobKind::FileBackup, JobState::Done, Some(made)),
                job(2, JobKind::FileBackup, JobState::Failed, None),
                job(4, JobKind::FileBackup, JobState::Interrupted, None),
                job(
                    3,
                    JobKind::Cleanup,
                    JobState::Done,
                    Some(r#"{"backups_removed":4}"#),
                ),
            ],
        );
        let message = report.message(&TimeZone::UTC, ReportDay::Daily);
        assert_eq!(
            message.title,
            "Daily report: 1 backup made, 1 job failed, 1 thing to look into"
        );
        assert_eq!(
            message.text,
            "From 1970-01-01T00:00:00+00:00 to 1970-01-02T00:00:00+00:00.\n\n\
             Clients' file and image backups: 2 fine\n  \
             anna, file backups: backup-problems (the last backup began 2 h ago)\n\n\
             Backups made: 1, of which 1 with problems; 1.0 MiB were sent\n\
             Backups cut short: 1\n\n\
             Failed jobs: 1\n  \
             anna, file backup, 1970-01-01T02:00:00+00:00: no space left\n\n\
             Deleted: 4 by the cleanup, 1 by hand, 0 given up for space\n\
             Backups: 12, and 3 in the trash or on their way out\n\
             Storage: 1.0 TiB of 4.0 TiB free"
        );
    }

    #[test]
    fn a_report_is_bad_if_something_failed_and_not_for_a_warning() {
        let warned = stand("anna", Standing::Fine, Some(What::BackupProblems));
        assert!(!report(vec![warned], Vec::new()).is_bad());
        let late = stand("anna", Standing::Late, Some(What::ClientLate));
        assert!(report(vec![late], Vec::new()).is_bad());
        let failed = job(1, JobKind::Verify, JobState::Failed, None);
        assert!(report(Vec::new(), vec![failed]).is_bad());
    }

    #[test]
    fn what_was_cut_short_is_no_failure() {
        let cut_short = job(1, JobKind::FileBackup, JobState::Interrupted, None);
        assert!(!report(Vec::new(), vec![cut_short]).is_bad());
    }

    #[test]
    fn a_report_of_many_failures_is_cut() {
        let failed = (0..60).map(|id| job(id, JobKind::FileBackup, JobState::Failed, None));
        let message = report(Vec::new(), failed.collect()).message(&TimeZone::UTC, ReportDay::Monday);
        assert!(
            message
                .title
                .starts_with("Weekly report: 0 backups made, 60 jobs failed")
        );
        assert!(message.text.contains("\n  and 10 more"), "{}", message.text);
    }
}
