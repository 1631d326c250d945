//! The API tokens of an account: for scripts, which get in with them in its name.

use std::collections::BTreeSet;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{
    ApiTokenInfo, CreateApiTokenReply, CreateApiTokenRequest, ListApiTokensRequest, RevokeApiTokenRequest,
    TokenLimits,
};

use super::whose::{Named, Whose};
use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::access::{Whom, all_of, one_of, right_boxes, rights, roles, scope_of_word, told};
use crate::parts::form::{Field, key, problem, row_button};
use crate::parts::say::{now_ms, time};
use crate::visitor::User;

/// The tokens of an account, as a part of its page.
pub async fn list(user: &User, whose: &Whose) -> Result<Markup, Failure> {
    let request = ListApiTokensRequest {
        user: whose.user(),
        all: false,
    };
    let listed = user.services.accounts().list_api_tokens(request).await;
    let tokens = listed.or_fail(user)?.tokens;
    let title = user.say("tokens");
    Ok(html! {
        section.card {
            div.heading {
                h2 { (title) }
                a.button href={ (whose.address()) "/tokens/new" } { (user.say("token-make")) }
            }
            p.hint { a href="/api" { (user.say("api-title")) } }
            @if tokens.is_empty() { p.none { (user.say("token-none")) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr {
                        @for head in ["name", "rights", "for", "used", "expires"] { th scope="col" { (user.say(&format!("token-{head}"))) } }
                        td {}
                    } }
                    tbody { @for token in &tokens { (row(user, whose, token)) } }
                } }
            }
        }
    })
}

fn row(user: &User, whose: &Whose, token: &ApiTokenInfo) -> Markup {
    let limits = token.limits.clone().unwrap_or_default();
    let scopes: Vec<_> = limits
        .scopes
        .iter()
        .map(|scope| told(user, Some(scope)))
        .collect();
    let revoke = format!("{}/tokens/revoke", whose.address());
    html! {
        tr {
            th scope="row" { (token.name) }
            td { @if limits.has_rights { (limits.rights.join(", ")) } @else { span.none { (user.say("token-unlimited")) } } }
            td {
                @if !limits.has_scopes { span.none { (user.say("token-unlimited")) } }
                // What it was for is not there any more.
                @else if scopes.is_empty() { (user.say("token-nobody")) }
                @else { (scopes.join(", ")) }
            }
            td { (time(user, token.last_used_ms)) }
            td {
                @if token.expires_ms == 0 { (user.say("token-never")) } @else { (time(user, token.expires_ms)) }
                @if has_expired(token, now_ms()) { " " span.badge.late { (user.say("token-expired")) } }
            }
            td.does { (row_button(user, &revoke, &[("name", &token.name)], &user.say("token-revoke"), &token.name)) }
        }
    }
}

fn has_expired(token: &ApiTokenInfo, now_ms: i64) -> bool {
    token.expires_ms > 0 && token.expires_ms <= now_ms
}

/// For how long a token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Valid {
    #[default]
    Month,
    Year,
    ForEver,
}

impl Valid {
    const ALL: [Self; 3] = [Self::Month, Self::Year, Self::ForEver];

    fn word(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
            Self::ForEver => "for-ever",
        }
    }

    /// As it is asked for: 0 is for ever.
    fn seconds(self) -> u32 {
        match self {
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
            Self::ForEver => 0,
        }
    }
}

/// A token as it was typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    name: String,
    /// Whether only these count, or all; the same of scopes.
    has_rights: bool,
    rights: BTreeSet<String>,
    has_scopes: bool,
    scopes: BTreeSet<String>,
    valid: Valid,
}

impl Typed {
    fn of(fields: &[(String, String)]) -> Self {
        let valid = one_of(fields, "valid");
        Self {
            name: one_of(fields, "name").trim().to_owned(),
            has_rights: one_of(fields, "rights") == "these",
            rights: all_of(fields, "right"),
            has_scopes: one_of(fields, "scopes") == "these",
            scopes: all_of(fields, "scope"),
            valid: Valid::ALL
                .into_iter()
                .find(|one| one.word() == valid)
                .unwrap_or_default(),
        }
    }

    /// What it is limited to; or the key of the text that says what is missing. A limit to nothing is never taken for none.
    fn limits(&self) -> Result<TokenLimits, &'static str> {
        if self.has_rights && self.rights.is_empty() {
            return Err("token-no-rights");
        }
        if self.has_scopes && self.scopes.is_empty() {
            return Err("token-no-scopes");
        }
        let chosen = |has: bool, words: &BTreeSet<String>| if has { words.clone() } else { BTreeSet::new() };
        let scopes = chosen(self.has_scopes, &self.scopes);
        let scopes = scopes
            .iter()
            .map(|word| scope_of_word(word).ok_or("token-no-scopes"));
        Ok(TokenLimits {
            has_rights: self.has_rights,
            rights: chosen(self.has_rights, &self.rights).into_iter().collect(),
            has_scopes: self.has_scopes,
            scopes: scopes.collect::<Result<_, _>>()?,
        })
    }
}

pub async fn new(user: User, named: Named) -> Result<Markup, Failure> {
    page(&user, &Whose::of(&user, named), &Typed::default(), None).await
}

async fn page(user: &User, whose: &Whose, typed: &Typed, why: Option<&Markup>) -> Result<Markup, Failure> {
    let rights = rights(&roles(user).await?);
    let whom = Whom::seen_by(user).await?;
    let title = user.say("token-make");
    let body = html! {
        h1 { (title) }
        section.card {
            p { (user.say("token-about")) }
            (problem(why))
            form.boxes method="post" action={ (whose.address()) "/tokens/new" } {
                (key(user))
                (Field { name: "name", label: &user.say("token-name"), kind: "text", value: &typed.name, autocomplete: "off",
                    is_required: true }.show())
                p.hint { (user.say("access-name-hint")) }
                (limit(user, "rights", typed.has_rights, &right_boxes(user, &rights, &typed.rights)))
                (limit(user, "scopes", typed.has_scopes, &whom.boxes(user, &typed.scopes)))
                p.field {
                    label for="valid" { (user.say("token-valid")) }
                    select id="valid" name="valid" {
                        @for valid in Valid::ALL {
                            option value=(valid.word()) selected[valid == typed.valid] { (user.say(&format!("token-valid-{}", valid.word()))) }
                        }
                    }
                }
                @if whose.is_own() {
                    (Field { name: "password", label: &user.say("factor-password"), kind: "password", value: "",
                        autocomplete: "current-password", is_required: true }.show())
                }
                button.main { (user.say("token-go")) }
            }
        }
    };
    Ok(whose.framed(user, &title, &body))
}

/// The choice between no limit and one to what is ticked; without it the style hides the boxes.
fn limit(user: &User, name: &str, is_limited: bool, boxes: &Markup) -> Markup {
    html! {
        fieldset.limit {
            legend { (user.say(&format!("token-limit-{name}"))) }
            @for (value, is_chosen) in [("all", !is_limited), ("these", is_limited)] {
                div.choice {
                    input type="radio" id={ (name) "-" (value) } name=(name) value=(value) checked[is_chosen];
                    label for={ (name) "-" (value) } { (user.say(&format!("token-{name}-{value}"))) }
                }
            }
            (boxes)
        }
    }
}

pub async fn make(
    named: Named,
    Posted { visitor, form }: Posted<Vec<(String, String)>>,
) -> Result<Markup, Failure> {
    let user = User::of(visitor).await?;
    let whose = Whose::of(&user, named);
    let typed = Typed::of(&form);
    let limits = match typed.limits() {
        Ok(limits) => limits,
        Err(missing) => {
            let why = html! { (user.say(missing)) };
            return page(&user, &whose, &typed, Some(&why)).await;
        }
    };
    let request = CreateApiTokenRequest {
        user: whose.user(),
        name: typed.name.clone(),
        limits: Some(limits),
        valid_s: typed.valid.seconds(),
        password: one_of(&form, "password"),
    };
    match user.services.accounts().create_api_token(request).await {
        Ok(made) => Ok(shown(&user, &whose, &typed.name, &made.into_inner())),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            page(&user, &whose, &typed, Some(&why)).await
        }
    }
}

/// The token, this once.
fn shown(user: &User, whose: &Whose, name: &str, made: &CreateApiTokenReply) -> Markup {
    let until = match made.expires_ms {
        0 => user.say("token-no-end"),
        until_ms => {
            let until = user.language.time(until_ms);
            user.language.say_with("token-until", &[("until", until.into())])
        }
    };
    let title = user.say("token-made");
    let body = html! {
        h1 { (title) }
        section.card {
            h2 { (name) }
            p { (user.say("token-once")) " " (until) }
            pre.copy data-copied=(user.say("copied")) { code { (made.token) } }
            p { a.button.main href=(whose.address()) { (user.say("factor-kept")) } }
        }
    };
    whose.framed(user, &title, &body)
}

/// Which token is to be revoked.
#[derive(Deserialize)]
pub struct Chosen {
    name: String,
}

pub async fn revoke(named: Named, Posted { visitor, form }: Posted<Chosen>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let whose = Whose::of(&user, named);
    let request = RevokeApiTokenRequest {
        user: whose.user(),
        name: form.name,
    };
    let revoked = user.services.accounts().revoke_api_token(request).await;
    revoked.or_fail(&user)?;
    Ok(whose.back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> Typed {
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Typed::of(&fields)
    }

    #[test]
    fn what_is_ticked_counts_only_where_it_is_chosen_to() {
        let ticked = [("right", "see"), ("right", "logs"), ("scope", "group:office")];
        let unlimited = typed(&[&[("rights", "all"), ("scopes", "all")], &ticked[..]].concat());
        assert_eq!(unlimited.limits(), Ok(TokenLimits::default()));
        let limited = typed(&[&[("rights", "these"), ("scopes", "these")], &ticked[..]].concat());
        let limits = limited.limits().expect("something is ticked");
        assert_eq!(limits.rights, ["logs", "see"]);
        assert_eq!(limits.scopes, [scope_of_word("group:office").expect("it is one")]);
        assert!(limits.has_rights && limits.has_scopes);
    }

    #[test]
    fn a_limit_to_nothing_is_not_none() {
        assert_eq!(typed(&[("rights", "these")]).limits(), Err("token-no-rights"));
        assert_eq!(typed(&[("scopes", "these")]).limits(), Err("token-no-scopes"));
        let odd = typed(&[("scopes", "these"), ("scope", "planet:earth")]);
        assert_eq!(odd.limits(), Err("token-no-scopes"));
    }

    #[test]
    fn a_token_ends_unless_it_is_said_not_to() {
        assert_eq!(typed(&[]).valid, Valid::Month);
        assert_eq!(typed(&[("valid", "for ever")]).valid, Valid::Month);
        assert_eq!(typed(&[("valid", "for-ever")]).valid.seconds(), 0);
        assert_eq!(typed(&[("valid", "year")]).valid.seconds(), 31_536_000);
    }

    #[test]
    fn every_choice_has_its_text() {
        let choices = ["rights", "scopes"].map(|name| {
            let said = [format!("token-{name}-all"), format!("token-{name}-these")];
            [
                &said[..],
                &[format!("token-limit-{name}"), format!("token-no-{name}")],
            ]
            .concat()
        });
        let valid = Valid::ALL.map(|valid| format!("token-valid-{}", valid.word()));
        for key in choices.concat().iter().chain(&valid) {
            assert!(
                crate::text::Language::ALL
                    .iter()
                    .all(|language| language.has(key)),
                "{key}"
            );
        }
    }

    #[test]
    fn a_token_without_end_does_not_expire() {
        let token = |expires_ms| ApiTokenInfo {
            expires_ms,
            ..ApiTokenInfo::default()
        };
        assert!(!has_expired(&token(0), 5));
        assert!(!has_expired(&token(6), 5));
        assert!(has_expired(&token(5), 5));
    }
}
