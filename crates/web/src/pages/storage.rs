//! Where backups lie, how much room there is, and what each client takes.

use std::collections::BTreeMap;

use axum::extract::Query;
use maud::{Markup, html};
use wire::v1::{ListStoragesRequest, StorageInfo, UsageOfClient, UsageReply, UsageRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::image::published;
use crate::pages::sizes::{self, AskedPeriod};
use crate::pages::soundness;
use crate::parts::forecast;
use crate::parts::page::{Place, framed};
use crate::parts::table::Asked;
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::User;

/// What the list is sorted by if nothing is said: who takes most.
const USUAL: &str = "-freed";

pub async fn show(
    user: User,
    Query(asked): Query<Asked>,
    Query(since): Query<AskedPeriod>,
) -> Result<Markup, Failure> {
    let period = since.period();
    let asked = asked.along("period", period.word().to_owned());
    let mut storages = user.services.storages();
    let places = storages
        .list(ListStoragesRequest {})
        .await
        .or_fail(&user)?
        .storages;
    let usage = storages.usage(UsageRequest::default()).await.or_fail(&user)?;
    let saved = Saved::of(&usage);
    let usage = usage.samples;
    let sizes = sizes::of_all(&user, period, &usage, |word| format!("?period={word}#sizes")).await?;
    let needle = asked.q.to_lowercase();
    let mut rows: Vec<_> = usage
        .into_iter()
        .filter(|row| row.client.contains(&needle))
        .collect();
    sort(&mut rows, asked.order(USUAL));
    let (rows, pages) = asked.page(rows);
    let title = user.say("menu-storage");
    let body = html! {
        (Tab::Storage.show(&user))
        h1 { (title) }
        section.card { @for place in &places { (gauge(&user, place)) (details(&user, place)) (saved.show(&user, &place.name)) } }
        (soundness::section(&user).await?)
        (published::section(&user).await?)
        (sizes)
        section {
            h2 { (user.say("storage-usage")) }
            div.tools { (asked.search(&user, &user.say("clients-find"))) }
            (table(&user, &asked, &rows))
            (asked.pager(&user, pages))
            p.hint { (user.say("storage-usage-hint")) }
        }
    };
    Ok(framed(&user, Place::Storage, &title, &body))
}

/// How full a storage is.
pub fn gauge(user: &User, place: &StorageInfo) -> Markup {
    let used = place.total_bytes.saturating_sub(place.free_bytes);
    let free = user.language.say_with(
        "storage-free",
        &[
            ("free", user.language.bytes(place.free_bytes).into()),
            ("total", user.language.bytes(place.total_bytes).into()),
        ],
    );
    html! {
        div.gauge {
            p { strong { (place.name) } " " @if place.absent.is_empty() { span.hint { (free) } } @else { span.badge.failing { (user.say("storage-absent")) } } }
            @if place.absent.is_empty() { meter min="0" max=(place.total_bytes) high=(place.total_bytes / 10 * 9) value=(used) { (free) } (forecast::show(user, place)) }
            @else { p.problem { (server_text::show(user.language, &place.absent)) } }
        }
    }
}

/// How large the backups of each storage are by themselves, and what they take there.
struct Saved(BTreeMap<String, (u64, u64)>);

impl Saved {
    fn of(usage: &UsageReply) -> Self {
        let of_storage = |storage: &str| {
            let samples = usage.samples.iter().filter(|sample| sample.storage == storage);
            samples.fold(0u64, |sum, sample| sum.saturating_add(sample.bytes_logical))
        };
        let sums = usage.storages.iter().map(|storage| {
            let sizes = (of_storage(&storage.storage), storage.bytes_taken);
            (storage.storage.clone(), sizes)
        });
        Self(sums.collect())
    }

    /// What sharing and compression have saved, if they have.
    fn show(&self, user: &User, storage: &str) -> Markup {
        let saved = self.0.get(storage).filter(|(size, taken)| taken < size);
        html! {
            @if let Some((size, taken)) = saved {
                p.hint { (user.language.say_with("storage-saved", &[
                    ("size", user.language.bytes(*size).into()),
                    ("taken", user.language.bytes(*taken).into()),
                    ("percent", (100 - u128::from(*taken) * 100 / u128::from(*size)).to_string().into()),
                ])) }
            }
        }
    }
}

fn details(user: &User, place: &StorageInfo) -> Markup {
    let counts = user.language.say_with(
        "storage-counts",
        &[
            ("clients", place.clients.into()),
            ("backups", user.language.number(place.backups).into()),
        ],
    );
    html! { p.hint { (place.path) " · " (place.file_system) " · " (place.backend) " · " (counts) } }
}

fn sort(rows: &mut [UsageOfClient], (column, is_reversed): (&str, bool)) {
    match column {
        "client" => rows.sort_by(|a, b| a.client.cmp(&b.client)),
        "backups" => rows.sort_by_key(|row| row.backups),
        "size" => rows.sort_by_key(|row| row.bytes_logical),
        "shared" => rows.sort_by_key(|row| row.bytes_shared),
        _ => rows.sort_by_key(|row| row.bytes_exclusive),
    }
    if is_reversed {
        rows.reverse();
    }
}

fn table(user: &User, asked: &Asked, rows: &[UsageOfClient]) -> Markup {
    html! {
        @if rows.is_empty() { p.none { (user.say("storage-nothing")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("storage-usage")) { table {
                thead { tr { @for (column, class) in
                    [("client", ""), ("backups", "figure"), ("size", "figure"), ("freed", "figure"), ("shared", "figure")] {
                    (asked.head(USUAL, (column, class), &user.say(&format!("usage-{column}"))))
                } } }
                tbody { @for row in rows { tr {
                    th scope="row" { a href={ "/clients/" (row.client) } { (row.client) } " " span.hint { (row.storage) } }
                    td.figure { (user.language.number(row.backups)) }
                    td.figure { (user.language.bytes(row.bytes_logical)) }
                    td.figure { (user.language.bytes(row.bytes_exclusive)) }
                    td.figure { (user.language.bytes(row.bytes_shared)) }
                } } }
            } }
        }
    }
}
