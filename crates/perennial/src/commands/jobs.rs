//! `jobs list` and `jobs cancel`

use anyhow::{Context as _, Result};
use wire::v1::{CancelJobRequest, ListJobsRequest};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::{JobsCommand, JobsListArgs};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json};

pub async fn run(context: &Context, command: JobsCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        JobsCommand::List(args) => list(context, &link, &args).await,
        JobsCommand::Cancel { id } => cancel(context, &link, id).await,
    };
    link.close().await;
    outcome
}

async fn list(context: &Context, link: &AdminLink, args: &JobsListArgs) -> Result<Outcome> {
    let request = ListJobsRequest { limit: args.limit };
    let jobs = link
        .admin()
        .list_jobs(request)
        .await
        .context("can't list the jobs")?
        .into_inner()
        .jobs;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views: Vec<_> = jobs.iter().map(|job| json::JobView::new(job, zone)).collect();
        console.json(&views)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("JOB", Side::Right),
        ("KIND", Side::Left),
        ("CLIENT", Side::Left),
        ("STATE", Side::Left),
        ("QUEUED", Side::Left),
        ("TOOK", Side::Right),
        ("ERROR", Side::Left),
    ]);
    for job in &jobs {
        let took = u64::try_from(job.finished_ms - job.started_ms)
            .ok()
            .filter(|_| job.started_ms > 0);
        table.row([
            job.id.to_string(),
            job.kind.clone(),
            job.client.clone(),
            job.state.clone(),
            format::time(job.queued_ms, zone),
            took.map_or_else(
                || "-".into(),
                |ms| format::duration(std::time::Duration::from_millis(ms)),
            ),
            format::line(&job.error),
        ]);
    }
    if table.is_empty() {
        console.note("There are no jobs yet.");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

async fn cancel(context: &Context, link: &AdminLink, id: u64) -> Result<Outcome> {
    let request = CancelJobRequest { job_id: id };
    link.admin()
        .cancel_job(request)
        .await
        .with_context(|| format!("can't cancel the job {id}"))?;
    context.console().note(&format!(
        "Job {id} was told to stop; what it has is kept, and the next backup goes on from there."
    ));
    Ok(Outcome::Done)
}
