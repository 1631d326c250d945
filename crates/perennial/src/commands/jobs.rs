//! `jobs …`

use anyhow::{Context as _, Result};
use wire::v1::{JobInfo, JobRef, ListJobsRequest};

use super::{Context, watch};
use crate::channel::AdminLink;
use crate::cli::{JobsCommand, JobsListArgs};
use crate::failure::Outcome;
use crate::output::table::{Side, Table, pairs};
use crate::output::{Shape, format, json};

pub async fn run(context: &Context, command: JobsCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        JobsCommand::List(args) => list(context, &link, &args).await,
        JobsCommand::Watch { client, output } => watch::watch(context, &link, client, output.shape()).await,
        JobsCommand::Log { id, output } => log(context, &link, id, output.shape()).await,
        JobsCommand::Cancel { id } => cancel(context, &link, id).await,
        JobsCommand::Retry { id, output } => retry(context, &link, id, output.shape()).await,
        JobsCommand::Pause { id } => {
            let paused = link.admin().pause_job(JobRef { job_id: id }).await;
            paused.with_context(|| format!("can't pause the job {id}"))?;
            Ok(Outcome::Done)
        }
        JobsCommand::Resume { id } => {
            let resumed = link.admin().resume_job(JobRef { job_id: id }).await;
            resumed.with_context(|| format!("can't let the job {id} go on"))?;
            Ok(Outcome::Done)
        }
    };
    link.close().await;
    outcome
}

async fn list(context: &Context, link: &AdminLink, args: &JobsListArgs) -> Result<Outcome> {
    let request = ListJobsRequest {
        limit: args.limit,
        client: args.client.clone().unwrap_or_default(),
        state: args.state.clone().unwrap_or_default(),
        kind: args.kind.clone().unwrap_or_default(),
        before: args.before.unwrap_or_default(),
        text: args.text.clone().unwrap_or_default(),
        ended_since_ms: 0,
    };
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
        ("REMARK", Side::Left),
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
            remark(job),
        ]);
    }
    if table.is_empty() {
        console.note("There are no jobs yet.");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

/// What there is to say of a job: why it failed, what it waits for, or why it was begun.
fn remark(job: &JobInfo) -> String {
    let texts = [&job.error, &job.waits_for, &job.reason];
    let text = texts.into_iter().find(|text| !text.is_empty());
    text.map(|text| format::line(text)).unwrap_or_default()
}

async fn log(context: &Context, link: &AdminLink, id: u64, shape: Shape) -> Result<Outcome> {
    let reply = link.admin().job_log(JobRef { job_id: id }).await;
    let reply = reply
        .with_context(|| format!("can't read the log of job {id}"))?
        .into_inner();
    let console = context.console();
    let zone = console.zone();
    let job = reply.job.unwrap_or_default();
    if shape == Shape::Json {
        let lines = reply.lines.iter().map(|line| {
            serde_json::json!({
                "at": format::rfc3339(line.at_ms, zone),
                "level": line.level,
                "text": line.text,
            })
        });
        let view = serde_json::json!({
            "job": json::JobView::new(&job, zone),
            "lines": lines.collect::<Vec<_>>(),
        });
        console.json(&view)?;
        return Ok(Outcome::Done);
    }
    let mut rows = vec![
        (
            "job",
            format!("{} {} of {}", job.id, job.kind, format::or_dash(&job.client)),
        ),
        ("state", job.state.clone()),
        ("queued", format::time(job.queued_ms, zone)),
        ("began", format::time(job.started_ms, zone)),
        ("ended", format::time(job.finished_ms, zone)),
    ];
    for (name, text) in [
        ("mode", &job.mode),
        ("why", &job.reason),
        ("about", &job.subject),
        ("waits for", &job.waits_for),
        ("error", &job.error),
    ] {
        if !text.is_empty() {
            rows.push((name, format::line(text)));
        }
    }
    console.result(&pairs(&rows))?;
    for line in &reply.lines {
        let at = format::time_exact(line.at_ms / 1000, zone);
        console.result(&format!(
            "{at}  {:<7}  {}\n",
            line.level,
            format::line(&line.text)
        ))?;
    }
    Ok(Outcome::Done)
}

async fn retry(context: &Context, link: &AdminLink, id: u64, shape: Shape) -> Result<Outcome> {
    let reply = link.admin().retry_job(JobRef { job_id: id }).await;
    let reply = reply.with_context(|| format!("can't try the job {id} again"))?;
    let job = reply.into_inner().job.unwrap_or_default();
    let console = context.console();
    match shape {
        Shape::Json => console.json(&json::JobView::new(&job, console.zone()))?,
        Shape::Human => console.result(&format!("Job {} does what job {id} did not.\n", job.id))?,
    }
    Ok(Outcome::Done)
}

async fn cancel(context: &Context, link: &AdminLink, id: u64) -> Result<Outcome> {
    let request = JobRef { job_id: id };
    link.admin()
        .cancel_job(request)
        .await
        .with_context(|| format!("can't cancel the job {id}"))?;
    context.console().note(&format!(
        "Job {id} was told to stop; what it has is kept, and the next backup goes on from there."
    ));
    Ok(Outcome::Done)
}
