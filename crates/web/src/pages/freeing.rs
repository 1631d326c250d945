//! What would go if a storage had to have so much more free space: looked at, and not done.

use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{ListStoragesRequest, PlanFreeingReply, PlanFreeingRequest, PlannedRemoval};

use crate::failure::{Failure, OrFail as _};
use crate::pages::backup;
use crate::parts::page::{Place, framed};
use crate::parts::say::exact_time;
use crate::parts::table::{Asked, Pages};
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::User;

/// The units that space is asked for in, each with its bytes.
const UNITS: [(&str, u64); 3] = [("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
/// The one that is chosen if nothing is said.
const USUAL_UNIT: &str = "GiB";

/// How much is to be free, and where.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Goal {
    /// A number, which may have a fraction; empty where nothing is asked for yet.
    #[serde(default)]
    amount: String,
    #[serde(default)]
    unit: String,
    /// Empty for the one that the server was started with.
    #[serde(default)]
    storage: String,
}

impl Goal {
    fn unit(&self) -> (&'static str, u64) {
        let named = |name: &str| UNITS.into_iter().find(|(unit, _)| *unit == name);
        named(&self.unit)
            .or_else(|| named(USUAL_UNIT))
            .expect("the usual unit is one of them")
    }

    /// The bytes that are asked for; nothing where that is no amount.
    fn bytes(&self) -> Option<u64> {
        let amount: f64 = self.amount.trim().replace(',', ".").parse().ok()?;
        let bytes = amount * self.unit().1 as f64;
        (bytes >= 1.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
    }

    /// What lists are asked for, with this beside it.
    fn along(&self, asked: Asked) -> Asked {
        let beside = [
            ("amount", &self.amount),
            ("unit", &self.unit),
            ("storage", &self.storage),
        ];
        let said = beside.into_iter().filter(|(_, value)| !value.is_empty());
        said.fold(asked, |asked, (name, value)| asked.along(name, value.clone()))
    }
}

pub async fn show(
    user: User,
    Query(goal): Query<Goal>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let storages = user.services.storages().list(ListStoragesRequest {}).await;
    let storages: Vec<String> = storages
        .or_fail(&user)?
        .storages
        .into_iter()
        .map(|storage| storage.name)
        .collect();
    let asked = goal.along(asked);
    let found = match goal.bytes() {
        Some(bytes) => plan(&user, &goal, bytes, &asked).await?,
        None if goal.amount.is_empty() => html! {},
        None => html! { p.problem role="alert" { (user.say("freeing-no-amount")) } },
    };
    let title = user.say("freeing");
    let body = html! {
        (Tab::Retention.show(&user))
        h1 { (title) }
        p { (user.say("freeing-about")) }
        (form(&user, &goal, &storages))
        (found)
        p.hint { (user.say("freeing-nothing-done")) " " a href="/retention" { (user.say("retention")) } }
    };
    Ok(framed(&user, Place::Storage, &title, &body))
}

fn form(user: &User, goal: &Goal, storages: &[String]) -> Markup {
    let (chosen, _) = goal.unit();
    html! {
        form.row.card method="get" action="/retention/freeing" {
            p.field {
                label for="amount" { (user.say("freeing-amount")) }
                input #amount name="amount" type="text" inputmode="decimal" value=(goal.amount) autocomplete="off" required;
            }
            p.field {
                label for="unit" { (user.say("freeing-unit")) }
                select #unit name="unit" {
                    @for (unit, _) in UNITS { option value=(unit) selected[unit == chosen] { (unit) } }
                }
            }
            @if storages.len() > 1 {
                p.field {
                    label for="storage" { (user.say("menu-storage")) }
                    select #storage name="storage" {
                        @for name in storages { option value=(name) selected[*name == goal.storage] { (name) } }
                    }
                }
            }
            button { (user.say("retention-show")) }
        }
    }
}

async fn plan(user: &User, goal: &Goal, bytes: u64, asked: &Asked) -> Result<Markup, Failure> {
    let request = PlanFreeingRequest {
        storage: goal.storage.clone(),
        bytes,
    };
    let plan = user.services.planning().plan_freeing(request).await;
    let mut plan = plan.or_fail(user)?;
    let verdict = verdict(user, bytes, &plan);
    let (rows, pages) = asked.page(std::mem::take(&mut plan.removals));
    Ok(html! {
        (verdict)
        (table(user, &rows, pages))
        (asked.pager(user, pages))
    })
}

/// How many would go, what they free, and whether that is enough.
fn verdict(user: &User, bytes: u64, plan: &PlanFreeingReply) -> Markup {
    let language = user.language;
    let count = plan.removals.len();
    let values = [
        ("count", count.into()),
        ("shown", language.number(count as u64).into()),
        ("wanted", language.bytes(bytes).into()),
        (
            "freed",
            plan.freed_bytes
                .map(|freed| language.bytes(freed))
                .unwrap_or_default()
                .into(),
        ),
    ];
    let freed = match plan.freed_bytes {
        Some(_) => language.say_with("freeing-frees", &values),
        None => user.say("freeing-frees-unknown"),
    };
    html! {
        section.card {
            @if plan.is_enough { p { strong { (language.say_with("freeing-enough", &values)) } } }
            @else { p.problem { (language.say_with("freeing-not-enough", &values)) } }
            @if count > 0 { p { (freed) } }
        }
    }
}

/// What would go, first to last.
fn table(user: &User, rows: &[PlannedRemoval], pages: Pages) -> Markup {
    let label = user.say("freeing-would-go");
    let before = (pages.page - 1) * crate::parts::table::PAGE_ROWS;
    html! {
        @if !rows.is_empty() {
            div.scroll tabindex="0" role="region" aria-label=(label) { table {
                thead { tr {
                    th.figure scope="col" { (user.say("freeing-place")) }
                    @for head in ["backup", "kind", "made", "why"] { th scope="col" { (user.say(&format!("retention-head-{head}"))) } }
                } }
                tbody { @for (at, row) in rows.iter().enumerate() { tr {
                    td.figure { (user.language.number((before + at + 1) as u64)) }
                    th scope="row" {
                        a href={ "/clients/" (row.client) } { (row.client) } " "
                        a href=(backup::address(&row.client, &row.name)) { (row.name) }
                    }
                    td { (user.say(&format!("kind-{}-backup", row.kind))) }
                    td.time { (exact_time(user, row.started_ms)) }
                    td.long { (server_text::show(user.language, &row.reason)) }
                } } }
            } }
        }
    }
}

/// What leads here from the page of retention.
pub fn link(user: &User) -> Markup {
    html! { a.button href="/retention/freeing" { (user.say("freeing")) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_their_units() {
        let bytes = |amount: &str, unit: &str| {
            Goal {
                amount: amount.to_owned(),
                unit: unit.to_owned(),
                ..Goal::default()
            }
            .bytes()
        };
        assert_eq!(bytes("10", ""), Some(10 << 30));
        assert_eq!(bytes(" 1,5 ", "TiB"), Some(3 << 39));
        assert_eq!(bytes("0.5", "MiB"), Some(1 << 19));
        for wrong in ["", "0", "-1", "ten", "1e30", "NaN", "inf"] {
            assert_eq!(bytes(wrong, "GiB"), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_keeps_what_is_asked_for() {
        let goal = Goal {
            amount: "20".to_owned(),
            unit: "GiB".to_owned(),
            storage: String::new(),
        };
        let asked = goal.along(Asked::default());
        assert_eq!(asked.with(|asked| asked.page = 2), "?amount=20&unit=GiB&page=2");
    }
}
