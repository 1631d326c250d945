//! Virtual disks made of images: asked for, listed, downloaded and removed, by those who may restore.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use tonic::Code;
use wire::v1::job_event::Event;
use wire::v1::{
    BackupInfo, ImageDisk, JobInfo, JobRef, ListJobsRequest, ListPublishedRequest, PublishDiskRequest,
    PublishedDisk, ReadPublishedRequest, UnpublishRequest,
};

use super::volume_name;
use crate::content::{self, Served};
use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::backup::{Named, Pressed, address, reference};
use crate::parts::form::key;
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::question::Question;
use crate::parts::say::{exact_time, time};
use crate::server_text;
use crate::visitor::{User, Visitor};

/// The formats to choose from, the usual one first.
const FORMATS: [&str; 5] = ["vhdx", "vhd", "vhd-fixed", "qcow2", "raw"];

/// The kind of the jobs that make them.
const JOB_KIND: &str = "publish";
/// So many of the latest of them are looked at.
const LATEST_JOBS: u32 = 20;

/// Where a published disk is downloaded.
fn location(client: &str, id: &str) -> String {
    format!("/clients/{client}/published/{id}")
}

/// What is published of a client's images, and what is being made.
pub struct Shelf {
    disks: Vec<PublishedDisk>,
    /// Jobs that make a disk, and the last one if it could not.
    jobs: Vec<JobInfo>,
}

/// What is published of a client's images; `None` for who may not have it.
pub async fn of_client(user: &User, client: &str) -> Result<Option<Shelf>, Failure> {
    let Some(disks) = disks_of(user, client).await? else {
        return Ok(None);
    };
    let request = ListJobsRequest {
        client: client.to_owned(),
        kind: JOB_KIND.to_owned(),
        limit: LATEST_JOBS,
        ..ListJobsRequest::default()
    };
    let listed = user.services.admin().list_jobs(request).await;
    // Who may not see jobs sees what comes of them.
    let mut jobs = listed.map_or_else(|_| Vec::new(), |listed| listed.into_inner().jobs);
    jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
    let mut at = 0;
    jobs.retain(|job| {
        at += 1;
        job.finished_ms == 0 || (at == 1 && !job.error.is_empty())
    });
    Ok(Some(Shelf { disks, jobs }))
}

/// All disks that are published, as they take space; nothing where there are none.
pub async fn section(user: &User) -> Result<Markup, Failure> {
    let disks = disks_of(user, "").await?.unwrap_or_default();
    Ok(html! {
        @if !disks.is_empty() {
            section.card #published {
                h2 { (user.say("published")) }
                (table(user, &disks, Images::OfAll))
            }
        }
    })
}

/// What is published of a client's images, or of all where it is empty; `None` for who may not have it.
async fn disks_of(user: &User, client: &str) -> Result<Option<Vec<PublishedDisk>>, Failure> {
    let request = ListPublishedRequest {
        client: client.to_owned(),
    };
    match user.services.contents().list_published(request).await {
        Ok(listed) => Ok(Some(listed.into_inner().disks)),
        Err(status) if status.code() == Code::PermissionDenied => Ok(None),
        Err(status) => Err(Failure::of(status).for_visitor(user)),
    }
}

/// The form that asks for a virtual disk of a disk; `number` tells it from those of other disks.
pub fn form(visitor: &Visitor, info: &BackupInfo, disk: &ImageDisk, number: usize) -> Markup {
    let volumes = disk
        .partitions
        .iter()
        .filter_map(|partition| partition.volume.as_ref());
    let (of, format) = (format!("published-of-{number}"), format!("published-as-{number}"));
    html! {
        details.commands {
            summary { (visitor.say("published-make")) }
            p.hint { (visitor.say("published-make-about")) }
            form.row method="post" action={ (address(&info.client, &info.name)) "/publish" } {
                (key(visitor))
                input type="hidden" name="disk" value=(disk.name);
                p.field {
                    label for=(of) { (visitor.say("published-of")) }
                    select id=(of) name="volume" {
                        option value="" { (visitor.say("image-whole-disk")) }
                        @for volume in volumes {
                            @let name = within(disk, &volume.path);
                            option value=(name) { (name) @if !volume.mounted_at.is_empty() { " · " (volume.mounted_at) } }
                        }
                    }
                }
                p.field {
                    label for=(format) { (visitor.say("published-as")) }
                    select id=(format) name="format" {
                        @for word in FORMATS { option value=(word) { (visitor.say(&format!("published-format-{word}"))) } }
                    }
                }
                button { (visitor.say("published-go")) }
            }
        }
    }
}

/// The name of a volume within its disk.
fn within<'a>(disk: &ImageDisk, path: &'a str) -> &'a str {
    let name = volume_name(path);
    name.strip_prefix(&disk.name)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(name)
}

/// All that is published of a client's images.
pub fn list(visitor: &Visitor, shelf: &Shelf) -> Markup {
    let Shelf { disks, jobs } = shelf;
    html! {
        section.card #published {
            h3 { (visitor.say("published")) }
            @for job in jobs { (making(visitor, job)) }
            @if disks.is_empty() { p.none { (visitor.say("published-none")) } }
            @else { (table(visitor, disks, Images::OfOneClient)) }
        }
    }
}

/// Whose images the disks of a list are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Images {
    OfOneClient,
    OfAll,
}

fn table(visitor: &Visitor, disks: &[PublishedDisk], images: Images) -> Markup {
    let has_places = disks.iter().any(|disk| !disk.location.is_empty());
    let heads = [
        ("file", "", true),
        ("image", "", true),
        ("size", "figure", true),
        ("written", "figure", true),
        ("made", "", true),
        ("goes", "", true),
        ("place", "", has_places),
        ("do", "", true),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label=(visitor.say("published")) { table {
            thead { tr {
                @for (head, class, is_shown) in heads { @if is_shown { th.(class) scope="col" { (visitor.say(&format!("published-head-{head}"))) } } }
            } }
            tbody { @for disk in disks { (row(visitor, disk, images, has_places)) } }
        } }
    }
}

/// A disk that is being made, or could not be.
fn making(visitor: &Visitor, job: &JobInfo) -> Markup {
    let language = visitor.language;
    let what = format!("{} · {}", job.subject, server_text::say(language, &job.reason));
    let say = |text: &str| language.say_with(text, &[("what", what.as_str().into())]);
    html! {
        @if job.finished_ms == 0 { p role="status" { (say("published-making")) } }
        @else { p.problem { (say("published-failed")) " " (server_text::show(language, &job.error)) } }
    }
}

fn row(visitor: &Visitor, disk: &PublishedDisk, images: Images, has_places: bool) -> Markup {
    let language = visitor.language;
    let here = location(&disk.client, &disk.id);
    let remove = visitor.say("published-remove");
    html! {
        tr {
            th.long scope="row" {
                a href=(here) { (paths::show(disk.file.as_bytes())) }
                p.hint { (what(visitor, disk)) }
            }
            td { a href=(address(&disk.client, &disk.backup)) { @if images == Images::OfAll { (disk.client) "/" } (disk.backup) } }
            td.figure { (language.bytes(disk.len_bytes)) }
            td.figure { (language.bytes(disk.copied_bytes)) }
            td { (exact_time(visitor, disk.made_ms)) }
            td { (time(visitor, disk.until_ms)) }
            @if has_places { td.long { (paths::show(disk.location.as_bytes())) } }
            td { a href={ (here) "/remove" } aria-label={ (remove) ": " (disk.file) } { (remove) } }
        }
    }
}

/// What a published disk is, in words.
fn what(visitor: &Visitor, disk: &PublishedDisk) -> Markup {
    let known = FORMATS.contains(&disk.format.as_str());
    let format = match known {
        true => visitor.say(&format!("published-format-{}", disk.format)),
        false => disk.format.clone(),
    };
    html! {
        bdi { (disk.disk) @if !disk.volume.is_empty() { "/" (disk.volume) } } " · " (format)
    }
}

/// What is to be made of an image.
#[derive(Deserialize)]
pub struct Order {
    disk: String,
    #[serde(default)]
    volume: String,
    format: String,
}

/// Begins to make a virtual disk, and leads to its job, or back to the image for who may not follow jobs.
pub async fn publish(
    Path((client, name)): Named,
    Posted { visitor, form }: Posted<Order>,
) -> Result<Response, Failure> {
    let request = PublishDiskRequest {
        backup: Some(reference(&client, &name)),
        disk: form.disk,
        volume: form.volume,
        format: form.format,
    };
    let mut contents = visitor.services.contents();
    let mut events = contents.publish_disk(request).await.or_fail(&visitor)?;
    // The first event tells the job. It goes on when nobody follows it.
    let job_id = match events.next().await {
        Some(Ok(event)) => match event.event {
            Some(Event::Queued(queued)) => Some(queued.job_id),
            _ => None,
        },
        Some(Err(status)) => return Err(Failure::of(status).for_visitor(&visitor)),
        None => None,
    };
    let mut page = format!("{}#published", address(&client, &name));
    if let Some(job_id) = job_id
        && visitor.services.admin().job_log(JobRef { job_id }).await.is_ok()
    {
        page = format!("/activity/{job_id}");
    }
    Ok(Redirect::to(&page).into_response())
}

/// The content of a published disk, whole or in part.
pub async fn download(
    user: User,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let whole = ReadPublishedRequest {
        id,
        ..ReadPublishedRequest::default()
    };
    let served = content::serve(&user.services, &Served::file(whole), &headers).await;
    served.or_else(|refused| refused.answer(&user))
}

/// A published disk by its identity, if somebody may have it.
async fn named(user: &User, client: &str, id: &str) -> Result<PublishedDisk, Failure> {
    let request = ListPublishedRequest {
        client: client.to_owned(),
    };
    let listed = user
        .services
        .contents()
        .list_published(request)
        .await
        .or_fail(user)?;
    let mut disks = listed.disks.into_iter();
    disks
        .find(|disk| disk.id == id)
        .ok_or_else(|| Failure::not_found().for_visitor(user))
}

/// Asks whether a published disk is really to be removed.
pub async fn ask_remove(user: User, Path((client, id)): Path<(String, String)>) -> Result<Markup, Failure> {
    let disk = named(&user, &client, &id).await?;
    let title = user.say("published-remove-ask");
    let body = Question {
        title: &title,
        subject: &disk.file,
        about: &user.say("published-remove-about"),
        problem: None,
        go: (
            &format!("{}/remove", location(&client, &id)),
            &user.say("published-remove-go"),
        ),
        back: &back(&user, &disk).await,
    }
    .show(&user);
    Ok(framed(&user, Place::Clients, &title, &body))
}

pub async fn remove(
    Path((client, id)): Path<(String, String)>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let disk = named(&user, &client, &id).await?;
    let mut contents = user.services.contents();
    contents.unpublish(UnpublishRequest { id }).await.or_fail(&user)?;
    Ok(Redirect::to(&back(&user, &disk).await).into_response())
}

/// The page of the image that a disk was made of, or of its client where the image is gone.
async fn back(user: &User, disk: &PublishedDisk) -> String {
    let image = reference(&disk.client, &disk.backup);
    match user.services.backups().show(image).await {
        Ok(_) => format!("{}#published", address(&disk.client, &disk.backup)),
        Err(_) => format!("/clients/{}", disk.client),
    }
}

#[cfg(test)]
mod tests {
    use wire::v1::{ImagePartition, ImageVolume};

    use super::*;
    use crate::text::Language;

    #[test]
    fn every_format_has_its_words() {
        for word in FORMATS {
            for language in Language::ALL {
                assert!(language.has(&format!("published-format-{word}")), "{word}");
            }
        }
    }

    #[test]
    fn volumes_are_named_within_their_disk() {
        let disk = ImageDisk {
            name: "sda".to_owned(),
            partitions: vec![ImagePartition {
                volume: Some(ImageVolume::default()),
                ..ImagePartition::default()
            }],
            ..ImageDisk::default()
        };
        assert_eq!(within(&disk, "sda/sda2.raw"), "sda2");
        assert_eq!(within(&disk, "other.raw"), "other");
    }
}
