//! `server builds`: the programs that installers bring, in the server's own files.

use anyhow::{Context as _, Result};
use server::{Architecture, Builds, Version};

use super::Context;
use super::server::config_of;
use crate::cli::{BuildsCommand, BuildsListArgs};
use crate::config::ServerFlags;
use crate::failure::{Failure, Outcome};
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json};

pub fn run(context: &Context, command: BuildsCommand) -> Result<Outcome> {
    match command {
        BuildsCommand::List(args) => list(context, &args),
        BuildsCommand::Add { program, settings } => {
            let build = of(context, &settings)?
                .add(&program)
                .context("can't keep the program")?;
            let info = build.info;
            context.console().note(&format!(
                "Kept version {} for {}: installers bring the newest for each processor.",
                info.version, info.architecture
            ));
            Ok(Outcome::Done)
        }
        BuildsCommand::Remove {
            version,
            architecture,
            settings,
        } => {
            let unknown = |what: &str, word: &str| Failure::Usage(format!("{word:?} is no {what}"));
            let parsed = Version::parse(&version).ok_or_else(|| unknown("version", &version))?;
            let of_word = Architecture::of_word(&architecture);
            let known =
                of_word.ok_or_else(|| unknown("processor that there are programs for", &architecture))?;
            if !of(context, &settings)?.remove(&parsed, known)? {
                return Err(Failure::NoSuchBuild {
                    version,
                    architecture,
                }
                .into());
            }
            context
                .console()
                .note(&format!("Removed version {version} for {known}."));
            Ok(Outcome::Done)
        }
    }
}

fn of(context: &Context, settings: &ServerFlags) -> Result<Builds> {
    Ok(Builds::of(&config_of(context, settings)?.state))
}

fn list(context: &Context, args: &BuildsListArgs) -> Result<Outcome> {
    let builds = of(context, &args.settings)?.all()?;
    let console = context.console();
    if args.output.shape() == Shape::Json {
        console.json(&builds.iter().map(json::BuildView::new).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("processor", Side::Left),
        ("version", Side::Left),
        ("size", Side::Right),
        ("needs", Side::Left),
        ("", Side::Left),
    ]);
    for kept in &builds {
        let info = &kept.build.info;
        table.row([
            info.architecture.to_string(),
            info.version.to_string(),
            format::size(info.size_bytes),
            info.glibc
                .map(|glibc| format!("glibc {glibc}"))
                .unwrap_or_default(),
            if kept.is_own { "the server's own" } else { "" }.to_owned(),
        ]);
    }
    if table.is_empty() {
        console.note(
            "There are none yet: the server's own program is put there when the first installer is made.",
        );
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}
