//! `server restore-catalog` and `server doctor`

use std::path::Path;

use anyhow::{Context as _, Result};
use server::{CopyChoice, Keys, Level, Restored};
use wire::v1::DoctorRequest;
use wire::v1::admin_client::AdminClient;

use super::Context;
use super::server::{config_of, settings_of};
use crate::channel::server_channel;
use crate::cli::{DoctorArgs, RestoreCatalogArgs};
use crate::failure::Outcome;
use crate::output::Shape;
use crate::output::format::{line, size, things, time};
use crate::output::json::{CatalogCopyView, DoctorView, FindingView, RestoredCatalogView};
use crate::output::table::{Side, Table};

pub async fn restore_catalog(context: &Context, args: RestoreCatalogArgs) -> Result<Outcome> {
    let settings = settings_of(&config_of(context, &args.settings)?);
    let shape = args.output.shape();
    if args.list {
        return list_copies(context, settings.storage_dir, shape).await;
    }
    let choice = match args.from {
        Some(from) if from != Path::new("latest") => CopyChoice::From(from),
        _ => CopyChoice::Latest,
    };
    let work = tokio::task::spawn_blocking(move || server::restore_catalog(&settings, &choice));
    let restored = work.await?.context("can't put the catalog back")?;
    if shape == Shape::Json {
        context.console().json(&RestoredCatalogView::new(&restored))?;
    } else {
        tell_restored(context, &restored)?;
    }
    Ok(if restored.passed_over.is_empty() {
        Outcome::Done
    } else {
        Outcome::WithProblems
    })
}

fn tell_restored(context: &Context, restored: &Restored) -> Result<()> {
    let console = context.console();
    for passed_over in &restored.passed_over {
        let why = line(&passed_over.error.chain());
        console.note(&format!(
            "{} was passed over: {why}",
            passed_over.database.display()
        ));
    }
    let (backups, clients) = (
        things(restored.backups, "backup", "backups"),
        things(restored.clients, "client", "clients"),
    );
    console.result(&format!("The catalog is back, with {backups} of {clients}.\n"))?;
    console.note(&format!("It is the copy {}.", restored.database.display()));
    if restored.taken_in > 0 || restored.forgotten > 0 {
        let (newer, gone) = (
            things(restored.taken_in, "backup", "backups"),
            things(restored.forgotten, "backup", "backups"),
        );
        console.note(&format!(
            "Made since and taken in from the storage: {newer}. Deleted since: {gone}."
        ));
    }
    if let Some(path) = &restored.set_aside {
        console.note(&format!("The old one was kept as {}.", path.display()));
    }
    match restored.keys {
        Keys::InPlace => {}
        Keys::PutBack => console.note("The keys of the certificate authority were put back too: the clients know this server."),
        Keys::Others => console.note(
            "The keys in the state directory are others than those of the copy: if its clients don't connect, move the directory \
             \"trust\" away and do this again.",
        ),
        Keys::Missing => console.note(
            "The keys of the certificate authority are missing, and the copy has none: put back the state directory's \"trust\" \
             from a copy of your own before the server starts, or let each client enrol anew.",
        ),
    }
    console.note(
        "What was set since is lost: look at the clients that were revoked, \"perennial clients list\".",
    );
    Ok(())
}

async fn list_copies(context: &Context, storage_dir: std::path::PathBuf, shape: Shape) -> Result<Outcome> {
    let work = tokio::task::spawn_blocking(move || server::catalog_copies(&storage_dir));
    let copies = work.await?.context("can't look at the copies of the catalog")?;
    let console = context.console();
    if shape == Shape::Json {
        let zone = console.zone();
        console.json(
            &copies
                .iter()
                .map(|copy| CatalogCopyView::new(copy, zone))
                .collect::<Vec<_>>(),
        )?;
        return Ok(Outcome::Done);
    }
    if copies.is_empty() {
        console.note("There is no copy of the catalog in the storage.");
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("COPY", Side::Left),
        ("MADE", Side::Left),
        ("SIZE", Side::Right),
        ("BACKUPS", Side::Right),
        ("CLIENTS", Side::Right),
        ("KEYS", Side::Left),
    ]);
    for copy in &copies {
        let (backups, clients) = match &copy.facts {
            Ok(facts) => (facts.backups.to_string(), facts.clients.to_string()),
            Err(_) => ("damaged".into(), "-".into()),
        };
        let keys = if copy.has_keys { "yes" } else { "no" };
        table.row([
            copy.name.clone(),
            time(copy.made_ms, console.zone()),
            size(copy.len_bytes),
            backups,
            clients,
            keys.into(),
        ]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

pub async fn doctor(context: &Context, args: DoctorArgs) -> Result<Outcome> {
    let settings = settings_of(&config_of(context, &args.settings)?);
    let (is_running, findings) = match server_channel(&settings.state_dir).await? {
        Some(channel) => {
            let reply = AdminClient::new(channel).doctor(DoctorRequest {}).await;
            let findings = reply.context("can't ask the server")?.into_inner().findings;
            (true, findings.iter().map(FindingView::of_message).collect())
        }
        None => {
            let look = move || server::doctor(&settings, &server::Clock::system());
            let findings = tokio::task::spawn_blocking(look).await?;
            (false, findings.iter().map(FindingView::new).collect())
        }
    };
    let view = DoctorView::new(is_running, findings);
    match args.output.shape() {
        Shape::Json => context.console().json(&view)?,
        Shape::Human => context.console().result(&shown(&view))?,
    }
    Ok(if view.is_troubled() {
        Outcome::WithProblems
    } else {
        Outcome::Done
    })
}

/// The findings line by line, each with its advice beneath; what is worst comes last, where it is seen.
fn shown(view: &DoctorView) -> String {
    let mut text = String::new();
    let mut findings: Vec<&FindingView> = view.findings().iter().collect();
    findings.sort_by_key(|finding| rank(finding.level()));
    for finding in findings {
        text.push_str(&format!("{:<8} {}\n", finding.level(), line(finding.what())));
        if let Some(advice) = finding.advice() {
            text.push_str(&format!("         → {}\n", line(advice)));
        }
    }
    let state = if view.is_running() { "runs" } else { "does not run" };
    let verdict = match view.worst() {
        "ok" | "advice" => "nothing is wrong",
        "warning" => "something will be trouble one day",
        _ => "something is wrong",
    };
    text.push_str(&format!("\nThe server {state}; {verdict}.\n"));
    text
}

/// What is worse ranks higher; a level that this version doesn't know is the worst.
fn rank(level: &str) -> usize {
    let known = [Level::Ok, Level::Advice, Level::Warning, Level::Error];
    known
        .iter()
        .position(|known| known.word() == level)
        .unwrap_or(known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(is_running: bool) -> DoctorView {
        let findings = [
            server::Finding::of(Level::Error, "keys", "others may read it", "chmod 600 it"),
            server::Finding::ok("catalog", "the catalog is whole"),
        ];
        DoctorView::new(is_running, findings.iter().map(FindingView::new).collect())
    }

    #[test]
    fn findings_are_shown_with_what_to_do_and_the_worst_at_the_end() {
        assert_eq!(
            shown(&view(true)),
            "ok       the catalog is whole\n\
             error    others may read it\n         → chmod 600 it\n\
             \nThe server runs; something is wrong.\n"
        );
    }

    #[test]
    fn the_json_of_a_doctor_keeps_its_shape() {
        assert_eq!(
            serde_json::to_value(view(false)).unwrap(),
            serde_json::json!({
                "server_runs": false,
                "worst": "error",
                "findings": [
                    {"check": "keys", "level": "error", "what": "others may read it", "advice": "chmod 600 it"},
                    {"check": "catalog", "level": "ok", "what": "the catalog is whole", "advice": null},
                ],
            })
        );
    }
}
