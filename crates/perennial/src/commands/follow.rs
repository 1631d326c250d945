//! Follows a job on the server to its end.

use anyhow::{Context as _, Result};
use tonic::Streaming;
use wire::v1::job_done::Outcome as JobOutcome;
use wire::v1::job_event::Event;
use wire::v1::log_line::Level;
use wire::v1::{JobDone, JobEvent, JobRef, LogLine, Problem};

use super::Context;
use crate::channel::{AdminLink, Link};
use crate::failure::{Failure, Outcome, Told};
use crate::interrupt::Interrupt;
use crate::output::format;
use crate::output::progress::Bar;

/// Problems that are told one by one; of more, only how many there are.
const PROBLEMS_SHOWN: usize = 20;

/// How following a job ended.
pub enum Followed {
    /// With the job's end.
    Ended(Box<JobDone>),
    /// With the job queued, for who did not want to wait.
    Queued(u64),
    /// With the user's wish to stop looking, although the job goes on.
    Left,
}

/// Shows a job's progress until it ends. Ctrl-C cancels the job where the caller may do that.
pub async fn follow(context: &Context, link: &Link, events: Streaming<JobEvent>) -> Result<Followed> {
    show(context, 0, async |job_id| link.cancel_job(job_id).await, events).await
}

/// The same, of a job that the administrator began.
pub async fn follow_job(context: &Context, link: &AdminLink, job_id: u64) -> Result<Followed> {
    let events = link.admin().follow(JobRef { job_id }).await;
    let events = events.with_context(|| format!("can't follow the job {job_id}"))?;
    let cancel = async |job_id| link.cancel_job(job_id).await;
    show(context, job_id, cancel, events.into_inner()).await
}

async fn show(
    context: &Context,
    mut job_id: u64,
    cancel: impl AsyncFn(u64) -> bool,
    mut events: Streaming<JobEvent>,
) -> Result<Followed> {
    let interrupt = Interrupt::listen()?;
    let bar = Bar::start(context.console());
    let mut asked = false;
    loop {
        let message = tokio::select! {
            message = events.message() => message?,
            () = interrupt.asked(), if !asked => {
                asked = true;
                if !cancel(job_id).await {
                    context.console().note("No longer looking; the job goes on.");
                    return Ok(Followed::Left);
                }
                continue;
            }
        };
        match message.map(|message| message.event) {
            Some(Some(Event::Queued(queued))) => job_id = queued.job_id,
            Some(Some(Event::Progress(progress))) => bar.show(&(&progress).into()),
            Some(Some(Event::Log(log))) => context.console().note(&log_text(&log)),
            Some(Some(Event::Done(done))) => return Ok(Followed::Ended(Box::new(done))),
            // Something newer than this build.
            Some(None) => {}
            None if job_id > 0 => return Ok(Followed::Queued(job_id)),
            None => return Err(Failure::CutShort.into()),
        }
    }
}

/// What a job's end means for the command.
pub fn outcome(what: &str, done: &JobDone) -> Result<Outcome> {
    match done.outcome() {
        JobOutcome::Finished => Ok(Outcome::Done),
        JobOutcome::WithProblems => Ok(Outcome::WithProblems),
        JobOutcome::Cancelled => Ok(Outcome::Cancelled),
        JobOutcome::Failed => Err(Failure::Job {
            what: what.to_owned(),
            source: Told(done.message.clone()),
        }
        .into()),
    }
}

/// Tells of problems on stderr.
pub fn tell_problems(context: &Context, problems: &[Problem], total: u64) {
    for problem in problems.iter().take(PROBLEMS_SHOWN) {
        let (path, message) = (format::path(&problem.path), format::line(&problem.message));
        context
            .console()
            .note(&format!("problem: {path}: {message} ({})", problem.kind));
    }
    let shown = problems.len().min(PROBLEMS_SHOWN) as u64;
    if total > shown && shown > 0 {
        context
            .console()
            .note(&format!("… and {} more", format::count(total - shown)));
    }
}

fn log_text(log: &LogLine) -> String {
    let text = format::line(&log.text);
    match log.level() {
        Level::Info => text,
        Level::Warning => format!("warning: {text}"),
        Level::Error => format!("error: {text}"),
    }
}
