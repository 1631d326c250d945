//! The disks of an image: drawn, told in a table, with the ways into their volumes and the commands that make use of them.

mod commands;
mod drawing;
pub mod published;
mod types;
pub mod volume;

use maud::{Markup, html};
use tonic::Code;
use wire::v1::{BackupInfo, ImageDetail, ImageDisk, ImagePartition, ImageVolume};

use crate::failure::Failure;
use crate::pages::backup::{address, reference};
use crate::parts::paths;
use crate::server_text;
use crate::visitor::{Downloads, User};

/// The kind of backups that are images.
pub const KIND: &str = "image";

/// The disks of an image. Who may not see what is in it, and whom the server can't tell at the moment, is told that in their place.
pub async fn disks(user: &User, info: &BackupInfo) -> Result<Markup, Failure> {
    let reference = reference(&info.client, &info.name);
    let shown = user.services.contents().show_image(reference).await;
    let detail = match shown {
        Ok(detail) => detail.into_inner(),
        Err(status) => return instead(user, status),
    };
    let ImageDetail { disks, .. } = detail;
    let downloads = user.downloads_of(&info.client).await;
    let published = published::of_client(user, &info.client).await?;
    Ok(html! {
        section #disks {
            h2 { (user.say("image-disks")) }
            @if disks.is_empty() { p.none { (user.say("image-no-disks")) } }
            @for (at, one) in disks.iter().enumerate() {
                @let form = published.as_ref().map(|_| published::form(user, info, one, at));
                (disk(user, info, one, downloads, form))
            }
            @if let Some(shelf) = &published { (published::list(user, shelf)) }
        }
    })
}

fn instead(user: &User, status: tonic::Status) -> Result<Markup, Failure> {
    let text = match status.code() {
        Code::Unauthenticated => return Err(Failure::of(status).for_visitor(user)),
        Code::PermissionDenied => html! { p.none { (user.say("image-hidden")) } },
        _ => html! { p.problem { (server_text::show(user.language, status.message())) } },
    };
    Ok(html! { section.card #disks { h2 { (user.say("image-disks")) } (text) } })
}

fn disk(
    user: &User,
    info: &BackupInfo,
    disk: &ImageDisk,
    downloads: Downloads,
    publish: Option<Markup>,
) -> Markup {
    let table = match disk.table.as_str() {
        kind @ ("none" | "mbr" | "gpt" | "hybrid") => user.say(&format!("image-table-{kind}")),
        kind => kind.to_owned(),
    };
    html! {
        section.card {
            div.heading {
                h3 { (paths::show(disk.name.as_bytes())) }
                span.hint { (paths::show(disk.path.as_bytes())) " · " (user.language.bytes(disk.len_bytes)) " · " (table) }
            }
            @for warning in &disk.warnings { p.problem { (server_text::show(user.language, warning)) } }
            (drawing::bar(user, disk))
            (partitions(user, info, disk, downloads))
            @if let Some(publish) = publish { (publish) }
            (commands::of_disk(user, info, disk))
        }
    }
}

fn partitions(user: &User, info: &BackupInfo, disk: &ImageDisk, downloads: Downloads) -> Markup {
    let heads = [
        ("partition", ""),
        ("type", ""),
        ("start", "figure"),
        ("size", "figure"),
        ("file-system", ""),
        ("used", ""),
        ("mounted", ""),
        ("still", ""),
    ];
    let label = user
        .language
        .say_with("image-bar", &[("disk", disk.name.as_str().into())]);
    html! {
        @if !disk.partitions.is_empty() {
            div.scroll tabindex="0" role="region" aria-label=(label) { table {
                thead { tr {
                    @for (head, class) in heads { th.(class) scope="col" { (user.say(&format!("image-head-{head}"))) } }
                } }
                tbody { @for partition in &disk.partitions { (row(user, info, partition, downloads)) } }
            } }
        }
    }
}

fn row(user: &User, info: &BackupInfo, partition: &ImagePartition, downloads: Downloads) -> Markup {
    let language = user.language;
    html! {
        tr {
            th scope="row" {
                @match partition.number { 0 => (user.say("image-whole-disk")), number => (number) }
                @if !partition.label.is_empty() { " " span.hint { bdi { (partition.label) } } }
            }
            td { (types::name(user, &partition.r#type)) }
            td.figure { (language.bytes(partition.start_bytes)) }
            td.figure { (language.bytes(partition.len_bytes)) }
            @match &partition.volume {
                Some(volume) => (volume_cells(user, info, volume, partition.len_bytes, downloads)),
                None => { td colspan="4" { span.none { (user.say("image-left-out")) } } }
            }
        }
    }
}

fn volume_cells(
    user: &User,
    info: &BackupInfo,
    volume: &ImageVolume,
    len_bytes: u64,
    downloads: Downloads,
) -> Markup {
    let used = user.language.bytes(volume.used_bytes);
    let name = volume_name(&volume.path);
    let raw = serde_urlencoded::to_string([("path", paths::escape(volume.path.as_bytes()))]);
    let download = format!(
        "{}/download?{}",
        address(&info.client, &info.name),
        raw.unwrap_or_default()
    );
    html! {
        td {
            (file_system(volume)) @if !volume.label.is_empty() { " " span.hint { bdi { (volume.label) } } }
            p.ways {
                @if volume.is_browsable {
                    a href=(volume::folder_address(info, &volume.path, b"")) aria-label={ (user.say("image-browse")) ": " (name) } { (user.say("image-browse")) }
                }
                @if volume.is_browsable && downloads.are_shown() { " · " }
                @if downloads.are_shown() { a href=(download) aria-label={ (user.say("image-raw")) ": " (name) } { (user.say("image-raw")) } }
            }
        }
        td.used {
            (used)
            meter min="0" max=(len_bytes.max(1)) value=(volume.used_bytes.min(len_bytes)) { (used) }
            @if volume.map != "exact" { p.hint { (server_text::show(user.language, &volume.map)) } }
        }
        td { @if !volume.mounted_at.is_empty() { (paths::show(volume.mounted_at.as_bytes())) } }
        td { (server_text::show(user.language, &volume.consistency)) }
    }
}

/// The file system on a volume; empty where none is known.
fn file_system(volume: &ImageVolume) -> &str {
    match volume.file_system.as_str() {
        "unknown" => "",
        known => known,
    }
}

/// A volume as people and commands name it: its path without the ending that its raw image has.
fn volume_name(path: &str) -> &str {
    path.strip_suffix(".raw").unwrap_or(path)
}
