//! `backup diff`

use anyhow::{Context as _, Result};
use wire::v1::{Change, DiffRequest};

use super::{Context, refer};
use crate::channel::Link;
use crate::cli::DiffArgs;
use crate::failure::Outcome;
use crate::output::format::{self, size, things};
use crate::output::{Shape, json};

pub async fn run(context: &Context, args: DiffArgs) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = diff(context, &link, &args).await;
    link.close().await;
    outcome
}

async fn diff(context: &Context, link: &Link, args: &DiffArgs) -> Result<Outcome> {
    let request = DiffRequest {
        from: Some(refer::resolve(link, &args.from).await?),
        to: Some(refer::resolve(link, &args.to).await?),
    };
    let mut replies = link
        .backups()
        .diff(request)
        .await
        .context("can't compare the backups")?
        .into_inner();
    let console = context.console();
    let mut items = console.json_items();
    let mut changes = 0;
    while let Some(reply) = replies.message().await.context("can't compare the backups")? {
        changes += reply.changes.len() as u64;
        match args.output.shape() {
            Shape::Json => {
                for change in &reply.changes {
                    items.item(&json::ChangeView::new(change))?;
                }
            }
            Shape::Human => console.result(&reply.changes.iter().map(change_line).collect::<String>())?,
        }
    }
    match args.output.shape() {
        Shape::Json => items.finish()?,
        Shape::Human => console.note(&things(changes, "difference", "differences")),
    }
    Ok(Outcome::Done)
}

fn change_line(change: &Change) -> String {
    let path = format::path(&change.path);
    let (before, after) = (size(change.size_before), size(change.size_after));
    let sizes = match (change.kind.as_str(), change.size_before == change.size_after) {
        ("added", _) => format!("  ({after})"),
        ("removed", _) => format!("  ({before})"),
        ("content", true) => format!("  ({after})"),
        ("content", false) => format!("  ({before} -> {after})"),
        _ => String::new(),
    };
    let sign = match change.kind.as_str() {
        "added" => "+",
        "removed" => "-",
        "content" => "c",
        "metadata" => "m",
        "kind" => "k",
        other => other,
    };
    format!("{sign} {path}{sizes}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let line = |kind: &str, size_before, size_after| {
            change_line(&Change {
                kind: kind.into(),
                path: b"a\nb".to_vec(),
                size_before,
                size_after,
            })
        };
        assert_eq!(line("added", 0, 10), "+ a\\nb  (10 B)\n");
        assert_eq!(line("content", 10, 2048), "c a\\nb  (10 B -> 2.0 KiB)\n");
        assert_eq!(line("metadata", 5, 5), "m a\\nb\n");
    }
}
