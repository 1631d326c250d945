//! Settings: what holds for all clients, for those of a group, or for one; where it comes from, and what is to hold instead.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::settings_owner::Owner as WireOwner;
use wire::v1::{
    ChangeSettingsRequest, Everybody, ExplainReply, ExplainRequest, ExplainedSetting, SettingChange,
    SettingStep, SettingsOwner,
};

use crate::Site;
use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::address::segment;
use crate::parts::form::{key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::table::Asked;
use crate::parts::tabs::Tab;
use crate::parts::week;
use crate::server_text;
use crate::text::Language;
use crate::visitor::{User, Visitor};

/// Who has a say, in this order.
const LAYERS: [&str; 6] = ["default", "start", "server", "group", "client", "user"];

/// How late a layer has its say. One that a newer server knows comes after all.
fn rank(layer: &str) -> usize {
    let known = LAYERS.iter().position(|known| *known == layer);
    known.unwrap_or(LAYERS.len())
}

/// Whose settings a page is about, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Everybody,
    Group(String),
    Client(String),
}

/// What an address names.
#[derive(Deserialize)]
struct Names {
    group: Option<String>,
    client: Option<String>,
}

impl FromRequestParts<Site> for Owner {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, PathRejection> {
        let Path(names) = Path::<Names>::from_request_parts(parts, site).await?;
        Ok(match (names.group, names.client) {
            (Some(group), _) => Self::Group(group),
            (None, Some(client)) => Self::Client(client),
            (None, None) => Self::Everybody,
        })
    }
}

impl Owner {
    /// Where the settings are shown.
    pub fn address(&self) -> String {
        match self {
            Self::Everybody => "/settings".to_owned(),
            Self::Group(group) => format!("/settings/groups/{}", segment(group)),
            Self::Client(client) => format!("/settings/clients/{}", segment(client)),
        }
    }

    /// The layer that is changed here.
    fn layer(&self) -> &'static str {
        match self {
            Self::Everybody => "server",
            Self::Group(_) => "group",
            Self::Client(_) => "client",
        }
    }

    fn wire(&self) -> Option<SettingsOwner> {
        let owner = match self {
            Self::Everybody => WireOwner::Server(Everybody {}),
            Self::Group(group) => WireOwner::Group(group.clone()),
            Self::Client(client) => WireOwner::Client(client.clone()),
        };
        Some(SettingsOwner { owner: Some(owner) })
    }

    fn title(&self, visitor: &Visitor) -> String {
        let named = |key: &str, name: &str| visitor.language.say_with(key, &[("name", name.into())]);
        match self {
            Self::Everybody => visitor.say("settings-of-all"),
            Self::Group(group) => named("settings-of-group", group),
            Self::Client(client) => named("settings-of-client", client),
        }
    }
}

/// Which settings are shown.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Chosen {
    /// A part of what is looked for.
    #[serde(default)]
    q: String,
    /// What they are about; empty for everything.
    #[serde(default)]
    section: String,
}

impl Chosen {
    /// The same as what lists are asked for.
    fn asked(&self) -> Asked {
        let asked = Asked {
            q: self.q.clone(),
            ..Asked::default()
        };
        match self.section.is_empty() {
            true => asked,
            false => asked.along("section", self.section.clone()),
        }
    }

    /// The address of a list with these.
    fn query(&self) -> String {
        self.asked().with(|_| ())
    }

    /// Whether what is shown of a setting has what is looked for.
    fn is_found(&self, language: Language, setting: &ExplainedSetting) -> bool {
        let needle = self.q.trim().to_lowercase();
        let about = server_text::say(language, &setting.about);
        let texts = [&setting.key, &about, &setting.value];
        texts.iter().any(|text| text.to_lowercase().contains(&needle))
    }
}

/// A change that was refused.
struct Tried {
    key: String,
    value: String,
    adds: bool,
    problem: Markup,
}

pub async fn show(user: User, owner: Owner, Query(chosen): Query<Chosen>) -> Result<Markup, Failure> {
    page(&user, &owner, &chosen, None).await
}

async fn page(user: &User, owner: &Owner, chosen: &Chosen, tried: Option<&Tried>) -> Result<Markup, Failure> {
    let request = ExplainRequest { owner: owner.wire() };
    let explained = user.services.settings().explain(request).await.or_fail(user)?;
    let title = owner.title(user);
    let found: Vec<_> = explained
        .settings
        .iter()
        .filter(|setting| chosen.is_found(user.language, setting))
        .collect();
    let body = html! {
        (Tab::Settings.show(user))
        (crumbs(user, owner, &explained))
        h1 { (title) }
        p { (user.say(&format!("settings-about-{}", owner.layer()))) }
        @if let Some(tried) = tried.filter(|tried| found.iter().all(|setting| setting.key != tried.key)) {
            (problem(Some(&tried.problem)))
        }
        div.tools { (jumps(user, chosen, &found)) (chosen.asked().search(user, &user.say("settings-find"))) }
        @if found.is_empty() { p.none { (user.say("settings-none")) } }
        @for (section, settings) in sections(&found) {
            @if chosen.section.is_empty() || chosen.section == section {
                section.card {
                    h2 { (section_name(user, section)) }
                    ul.settings { @for setting in settings { (row(user, owner, chosen, setting, tried)) } }
                }
            }
        }
        (week::scripts(user))
    };
    Ok(framed(user, Place::Settings, &title, &body))
}

/// The layers before this one.
fn crumbs(user: &User, owner: &Owner, explained: &ExplainReply) -> Markup {
    let link = |owner: &Owner| html! { li { a href=(owner.address()) { (owner.title(user)) } } };
    let group = Some(&explained.group).filter(|group| !group.is_empty());
    let (page, name) = match owner {
        Owner::Everybody => return html! {},
        Owner::Group(name) => ("/groups/", name),
        Owner::Client(name) => ("/clients/", name),
    };
    let group = group.filter(|_| matches!(owner, Owner::Client(_)));
    html! {
        nav.crumbs aria-label=(user.say("settings-layers")) { ol {
            (link(&Owner::Everybody))
            @if let Some(group) = group { (link(&Owner::Group(group.clone()))) }
            li { a href={ (page) (segment(name)) } { (name) } }
        } }
    }
}

/// The settings by what they are about, in the order in which they come.
fn sections<'a>(found: &[&'a ExplainedSetting]) -> Vec<(&'a str, Vec<&'a ExplainedSetting>)> {
    let mut sections: Vec<(&str, Vec<&ExplainedSetting>)> = Vec::new();
    for setting in found {
        match sections
            .iter_mut()
            .find(|(section, _)| *section == setting.section)
        {
            Some((_, settings)) => settings.push(setting),
            None => sections.push((&setting.section, vec![setting])),
        }
    }
    sections
}

fn section_name(visitor: &Visitor, section: &str) -> String {
    let key = format!("settings-section-{section}");
    match visitor.language.has(&key) {
        true => visitor.say(&key),
        // A newer one is told by its word.
        false => section.to_owned(),
    }
}

/// The links to one section each.
fn jumps(user: &User, chosen: &Chosen, found: &[&ExplainedSetting]) -> Markup {
    let link = |section: &str, text: &str, count: usize| {
        let there = Chosen {
            section: section.to_owned(),
            ..chosen.clone()
        };
        let is_here = (chosen.section == section).then_some("true");
        html! {
            a href=(there.query()) aria-current=[is_here] { (text) " " span.count { (user.language.number(count as u64)) } }
        }
    };
    html! {
        nav.filters aria-label=(user.say("list-filter")) {
            (link("", &user.say("list-all"), found.len()))
            @for (section, settings) in sections(found) { (link(section, &section_name(user, section), settings.len())) }
        }
    }
}

fn row(
    user: &User,
    owner: &Owner,
    chosen: &Chosen,
    setting: &ExplainedSetting,
    tried: Option<&Tried>,
) -> Markup {
    let own = own(owner, setting);
    let is_overruled = own.is_some() && rank(&setting.decided_by) > rank(owner.layer());
    html! {
        li.setting id={ "setting-" (setting.key) } {
            h3 { code { (setting.key) } @if own.is_some() { " " span.badge { (user.say("settings-set-here")) } } }
            p { (server_text::show(user.language, &setting.about)) }
            p { strong.value { (setting.value) } " " span.hint { (origin(user, setting)) } }
            @if is_overruled { p.hint { (user.say("settings-overruled")) } }
            (steps(user, setting))
            (change_form(user, owner, chosen, setting, tried))
        }
    }
}

/// What this layer says of a setting, understood or not.
fn own<'a>(owner: &Owner, setting: &'a ExplainedSetting) -> Option<&'a SettingStep> {
    setting.steps.iter().find(|step| step.layer == owner.layer())
}

/// Where a value comes from, and what it would be otherwise.
fn origin(user: &User, setting: &ExplainedSetting) -> String {
    let deciding = setting.steps.iter().rev();
    let mut deciding = deciding.filter(|step| step.ignored.is_empty() && step.layer == setting.decided_by);
    let from = said_by(
        user,
        &setting.decided_by,
        deciding.next().map_or("", |step| step.origin.as_str()),
    );
    match &setting.otherwise {
        Some(otherwise) => {
            let values = [("from", from.into()), ("value", otherwise.as_str().into())];
            user.language.say_with("settings-from-otherwise", &values)
        }
        None => from,
    }
}

/// A layer in words. Its origin is where it was said: a line of a file, or whose it is.
fn said_by(user: &User, layer: &str, origin: &str) -> String {
    let key = format!("settings-by-{layer}");
    // The server tells "group mobile" where the texts have a word of their own for the group.
    let name = origin.strip_prefix(layer).map_or(origin, str::trim_start);
    match user.language.has(&key) {
        true => user.language.say_with(&key, &[("origin", name.into())]),
        false => format!("{layer} {origin}"),
    }
}

/// What each layer said, where that is not told by the value alone.
fn steps(user: &User, setting: &ExplainedSetting) -> Markup {
    let is_plain = match setting.steps.as_slice() {
        [] => true,
        [only] => only.ignored.is_empty() && !only.adds,
        _ => false,
    };
    html! {
        @if !is_plain {
            ul.plain.steps {
                li { span.hint { (user.say("settings-by-default")) ": " } code { (setting.fallback) } }
                @for step in &setting.steps {
                    li {
                        span.hint { (said_by(user, &step.layer, &step.origin)) ": " }
                        @if step.adds { (user.say("settings-besides")) " " }
                        code { (step.value) }
                        @if !step.ignored.is_empty() {
                            p.problem { (user.say("settings-ignored")) " " (server_text::show(user.language, &step.ignored)) }
                        }
                    }
                }
            }
        }
    }
}

/// Why a layer can't have a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Barred {
    /// It holds for all clients.
    OnlyEverybody,
    /// It holds for groups of clients.
    OnlyGroups,
    /// It is what the server was started with.
    Fixed,
}

impl Barred {
    fn of(owner: &Owner, setting: &ExplainedSetting) -> Option<Self> {
        let reach = rank(&setting.reach);
        if reach >= rank(owner.layer()) {
            return None;
        }
        Some(match setting.reach.as_str() {
            "server" => Self::OnlyEverybody,
            "group" => Self::OnlyGroups,
            _ => Self::Fixed,
        })
    }
}

/// What is to hold here instead, or why nothing else can.
fn change_form(
    user: &User,
    owner: &Owner,
    chosen: &Chosen,
    setting: &ExplainedSetting,
    tried: Option<&Tried>,
) -> Markup {
    let there = format!("{}#setting-{}", Owner::Everybody.address(), setting.key);
    html! {
        @match Barred::of(owner, setting) {
            Some(Barred::Fixed) => { p.hint { (user.say("settings-fixed")) } }
            Some(Barred::OnlyGroups) => { p.hint { (user.say("settings-only-groups")) } }
            Some(Barred::OnlyEverybody) => { p.hint { a href=(there) { (user.say("settings-only-all")) } } }
            None => {
                @let tried = tried.filter(|tried| tried.key == setting.key);
                details open[tried.is_some()] {
                    summary { (user.say("settings-change")) span.unseen { " " (setting.key) } }
                    (fields(user, owner, chosen, setting, tried))
                }
            }
        }
    }
}

fn fields(
    user: &User,
    owner: &Owner,
    chosen: &Chosen,
    setting: &ExplainedSetting,
    tried: Option<&Tried>,
) -> Markup {
    let own = own(owner, setting);
    let (value, adds) = match (tried, own) {
        (Some(tried), _) => (tried.value.as_str(), tried.adds),
        (None, Some(own)) => (own.value.as_str(), own.adds),
        (None, None) => ("", false),
    };
    let id = |part: &str| format!("{part}-{}", setting.key);
    let (hint, wrong) = (id("takes"), id("wrong"));
    let described = if tried.is_some() {
        format!("{wrong} {hint}")
    } else {
        hint.clone()
    };
    html! {
        @if let Some(tried) = tried { p.problem role="alert" id=(wrong) { (tried.problem) } }
        form.row method="post" action={ (owner.address()) (chosen.query()) "#setting-" (setting.key) } {
            (key(user))
            input type="hidden" name="setting" value=(setting.key);
            p.field {
                label for=(id("value")) { (user.say("settings-value")) }
                @let week = week::syntax(setting);
                input id=(id("value")) name="value" type="text" value=(value) autocomplete="off" spellcheck="false"
                    aria-describedby=(described) aria-invalid=[tried.map(|_| "true")]
                    data-week=[week] data-holds=[week.map(|_| &setting.value)];
            }
            @if setting.is_list {
                p.field {
                    label for=(id("how")) { (user.say("settings-how")) }
                    select id=(id("how")) name="how" {
                        option value="set" selected[!adds] { (user.say("settings-replace")) }
                        option value="add" selected[adds] { (user.say("settings-add")) }
                    }
                }
            }
            button.main { (user.say("save")) }
            @if own.is_some() { button name="unset" value="yes" { (user.say("settings-unset")) } }
        }
        p.hint id=(hint) { (server_text::show(user.language, &setting.takes)) }
    }
}

/// What is to hold.
#[derive(Deserialize)]
pub struct Change {
    setting: String,
    #[serde(default)]
    value: String,
    /// "add" to add to the list of the layers before.
    #[serde(default)]
    how: String,
    #[serde(default)]
    unset: String,
}

impl Change {
    fn adds(&self) -> bool {
        self.how == "add"
    }

    fn wire(&self) -> SettingChange {
        SettingChange {
            key: self.setting.clone(),
            value: self.unset.is_empty().then(|| self.value.trim().to_owned()),
            adds: self.adds(),
        }
    }
}

pub async fn change(
    owner: Owner,
    Query(chosen): Query<Chosen>,
    Posted { visitor, form }: Posted<Change>,
) -> Result<Response, Failure> {
    let request = ChangeSettingsRequest {
        owner: owner.wire(),
        changes: vec![form.wire()],
    };
    let why = match visitor.services.settings().change(request).await {
        Ok(_) => {
            let fragment = segment(&form.setting);
            let there = format!("{}{}#setting-{fragment}", owner.address(), chosen.query());
            return Ok(Redirect::to(&there).into_response());
        }
        Err(status) => Failure::complaint(status, &visitor)?,
    };
    let user = User::of(visitor).await?;
    let tried = Tried {
        adds: form.adds(),
        key: form.setting,
        value: form.value,
        problem: why,
    };
    Ok(page(&user, &owner, &chosen, Some(&tried)).await?.into_response())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::http::Request;
    use tonic::Status;
    use tonic::codegen::http::Response;
    use tower::ServiceExt as _;
    use wire::v1::WhoAmIReply;

    use super::*;
    use crate::door::Door;
    use crate::visitor::Theme;

    fn user() -> User {
        let door = Door::new(Arc::new(|_, _| {
            Box::pin(async { Ok(Status::unavailable("nobody is called").into_http()) })
        }));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        User {
            visitor: Visitor {
                language: Language::English,
                theme: Theme::Device,
                path: "/settings".to_owned(),
                services: door.enter(address, None),
                form_key: "form".to_owned(),
                program: String::new(),
                host: String::new(),
            },
            account: WhoAmIReply::default(),
        }
    }

    fn step(layer: &str, origin: &str, value: &str) -> SettingStep {
        SettingStep {
            layer: layer.to_owned(),
            origin: origin.to_owned(),
            value: value.to_owned(),
            ..SettingStep::default()
        }
    }

    fn setting(key: &str, section: &str, reach: &str, steps: Vec<SettingStep>) -> ExplainedSetting {
        let last = steps.last().cloned().unwrap_or_else(|| step("default", "", "30"));
        ExplainedSetting {
            key: key.to_owned(),
            section: section.to_owned(),
            value: last.value,
            decided_by: last.layer,
            otherwise: (!steps.is_empty()).then(|| "30".to_owned()),
            reach: reach.to_owned(),
            about: "For so many days".to_owned(),
            steps,
            ..ExplainedSetting::default()
        }
    }

    #[test]
    fn a_value_tells_where_it_comes_from() {
        let user = user();
        let told = |steps| origin(&user, &setting("keep_daily", "retention", "client", steps));
        assert_eq!(told(Vec::new()), "default");
        assert_eq!(
            told(vec![step("start", "/etc/perennial/server.toml:9", "21")]),
            "the server's start configuration (/etc/perennial/server.toml:9); otherwise 30"
        );
        assert_eq!(
            told(vec![step("group", "group mobile", "7")]),
            "set for group mobile; otherwise 30"
        );
        assert_eq!(
            told(vec![step("user", "the user of client web", "7")]),
            "set by the client's own user; otherwise 30"
        );
        assert_eq!(
            told(vec![step("planet", "earth", "7")]),
            "planet earth; otherwise 30"
        );
    }

    #[test]
    fn no_form_is_there_that_could_not_work() {
        let client = Owner::Client("web".to_owned());
        let barred = |owner: &Owner, reach| Barred::of(owner, &setting("x", "limits", reach, Vec::new()));
        assert_eq!(barred(&client, "server"), Some(Barred::OnlyEverybody));
        assert_eq!(barred(&client, "group"), Some(Barred::OnlyGroups));
        assert_eq!(barred(&client, "client"), None);
        assert_eq!(barred(&client, "user"), None);
        assert_eq!(barred(&Owner::Everybody, "server"), None);
        assert_eq!(barred(&Owner::Everybody, "start"), Some(Barred::Fixed));
        // A newer server's own way is left to the server.
        assert_eq!(barred(&Owner::Everybody, "planet"), None);
    }

    #[test]
    fn what_was_refused_stands_beside_its_message() {
        let (user, owner) = (user(), Owner::Group("a b".to_owned()));
        let setting = setting(
            "keep_daily",
            "retention",
            "client",
            vec![step("group", "group a b", "7")],
        );
        let tried = Tried {
            key: "keep_daily".to_owned(),
            value: "<many>".to_owned(),
            adds: false,
            problem: html! { "it takes a number" },
        };
        let chosen = Chosen {
            q: "keep".to_owned(),
            section: String::new(),
        };
        let drawn = |tried| row(&user, &owner, &chosen, &setting, tried).into_string();
        let refused = drawn(Some(&tried));
        assert!(
            refused.contains("<details open>") && refused.contains("it takes a number"),
            "{refused}"
        );
        assert!(refused.contains(r#"value="&lt;many&gt;""#), "{refused}");
        assert!(
            refused.contains(r##"action="/settings/groups/a%20b?q=keep#setting-keep_daily""##),
            "{refused}"
        );
        let quiet = drawn(None);
        assert!(
            quiet.contains("<details>") && quiet.contains(r#"value="7""#),
            "{quiet}"
        );
        assert!(
            quiet.contains(r#"name="unset""#),
            "what is set here can be unset: {quiet}"
        );
    }

    #[test]
    fn settings_are_found_and_come_by_section() {
        let all = [
            setting("keep_daily", "retention", "client", Vec::new()),
            setting("speed_limit", "limits", "user", Vec::new()),
            setting("keep_weekly", "retention", "client", Vec::new()),
        ];
        let found = |q: &str| -> Vec<&ExplainedSetting> {
            let chosen = Chosen {
                q: q.to_owned(),
                section: String::new(),
            };
            all.iter()
                .filter(|setting| chosen.is_found(Language::English, setting))
                .collect()
        };
        assert_eq!(found(" SPEED ").len(), 1);
        assert_eq!(found("many days").len(), 3, "by what it is about");
        let german = Chosen {
            q: "übertragen".to_owned(),
            section: String::new(),
        };
        let known = ExplainedSetting {
            about: "How fast a client's backups may send".to_owned(),
            ..all[1].clone()
        };
        assert!(german.is_found(Language::German, &known), "by what is shown");
        let all = found("");
        let sections: Vec<_> = sections(&all)
            .into_iter()
            .map(|(name, of)| (name, of.len()))
            .collect();
        assert_eq!(sections, [("retention", 2), ("limits", 1)]);
    }

    #[test]
    fn a_change_is_what_the_form_says() {
        let change = |form: &str| {
            let form: Change = serde_urlencoded::from_str(form).expect("it is a form");
            form.wire()
        };
        let put = change("key=k&setting=user_may&value=+verify&how=add");
        assert_eq!((put.value.as_deref(), put.adds), (Some("verify"), true));
        let unset = change("key=k&setting=user_may&value=verify&how=add&unset=yes");
        assert_eq!((unset.key.as_str(), unset.value), ("user_may", None));
    }

    /// Whose settings a page of this address is about.
    async fn owner_at(address: &str) -> String {
        let tell = |owner: Owner| async move { format!("{owner:?}") };
        let door = Door::new(Arc::new(|_, _| Box::pin(async { Ok(Response::default()) })));
        let router = axum::Router::new()
            .route("/settings", axum::routing::get(tell))
            .route("/settings/groups/{group}", axum::routing::get(tell))
            .route("/settings/clients/{client}", axum::routing::get(tell))
            .with_state(Site { door });
        let request = Request::get(address)
            .body(Body::empty())
            .expect("it is a request");
        let answer = router.oneshot(request).await.expect("it can't fail");
        let body = axum::body::to_bytes(answer.into_body(), 1000)
            .await
            .expect("it is short");
        String::from_utf8_lossy(&body).into_owned()
    }

    #[tokio::test]
    async fn an_address_says_whose_settings_are_meant() {
        let owners = [
            Owner::Everybody,
            Owner::Group("große Gruppe".to_owned()),
            Owner::Client("web-1.lan".to_owned()),
        ];
        for owner in owners {
            assert_eq!(owner_at(&owner.address()).await, format!("{owner:?}"));
        }
    }
}
