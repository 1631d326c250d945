//! The frame around every page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::assets;
use crate::text::Language;
use crate::visitor::{Theme, User, Visitor};

/// What a page is, whatever is on it.
pub struct Page {
    pub title: String,
    pub language: Language,
    pub theme: Theme,
}

impl Page {
    /// A page of this title for somebody.
    pub fn titled(visitor: &Visitor, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            language: visitor.language,
            theme: visitor.theme,
        }
    }
}

/// Where the menu leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Overview,
    Activity,
    Clients,
    Storage,
    Settings,
    Users,
    Changes,
    Account,
}

impl Place {
    const MENU: [Self; 7] = [
        Self::Overview,
        Self::Activity,
        Self::Clients,
        Self::Storage,
        Self::Settings,
        Self::Users,
        Self::Changes,
    ];

    fn address(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Activity => "/activity",
            Self::Clients => "/clients",
            Self::Storage => "/storage",
            Self::Settings => "/settings",
            Self::Users => "/users",
            Self::Changes => "/changes",
            Self::Account => "/account",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Overview => "menu-overview",
            Self::Activity => "menu-activity",
            Self::Clients => "menu-clients",
            Self::Storage => "menu-storage",
            Self::Settings => "menu-settings",
            Self::Users => "menu-users",
            Self::Changes => "menu-changes",
            Self::Account => "menu-account",
        }
    }
}

/// What the menu has for somebody.
fn menu(user: &User) -> impl Iterator<Item = Place> {
    let has_users = user.may_manage_users();
    let is_for_him = move |place: &Place| has_users || *place != Place::Users;
    Place::MENU.into_iter().filter(is_for_him)
}

fn document(page: &Page, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(page.language.tag()) data-theme=(page.theme.word()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Scripts run as they are, and no styles are put into the page.
                meta name="htmx-config" content=r#"{"includeIndicatorStyles":false,"allowEval":false,"historyCacheSize":0}"#;
                title { (page.title) " · Perennial" }
                link rel="icon" href=(assets::address("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(assets::address("style.css"));
                script src=(assets::address("htmx.js")) defer {}
                script src=(assets::address("sse.js")) defer {}
                script src=(assets::address("page.js")) defer {}
            }
            (body)
        }
    }
}

/// A page without menu: before the log-in, and where something is wrong.
pub fn bare(page: &Page, body: &Markup) -> Markup {
    document(
        page,
        &html! {
            body.bare {
                main #main.card {
                    p.brand { (logo()) "Perennial" }
                    (body)
                }
            }
        },
    )
}

/// A page with the menu.
pub fn framed(user: &User, place: Place, title: &str, body: &Markup) -> Markup {
    let page = Page::titled(user, title);
    let is_here = |other: Place| (other == place).then_some("page");
    document(
        &page,
        &html! {
            body {
                a.skip href="#main" { (user.say("skip-to-content")) }
                header.side {
                    a.brand href="/" { (logo()) "Perennial" }
                    nav aria-label=(user.say("menu")) {
                        ul {
                            @for other in menu(user) {
                                li {
                                    a href=(other.address()) aria-current=[is_here(other)] {
                                        (icon(other)) span { (user.say(other.text())) }
                                    }
                                }
                            }
                        }
                    }
                    p.who {
                        a href=(Place::Account.address()) aria-current=[is_here(Place::Account)] { (user.account.user) }
                    }
                }
                main #main { (body) }
            }
        },
    )
}

fn logo() -> PreEscaped<&'static str> {
    PreEscaped(
        r##"<svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><path d="M16 29V14m0 4c-1-6-5-9-11-9 0 6 4 9 11 9zm0-4c1-6 5-10 11-10 0 7-4 10-11 10z"/></svg>"##,
    )
}

/// The sign of a place in the menu.
fn icon(place: Place) -> Markup {
    let path = match place {
        Place::Overview => "M4 13h6V4H4zm10 7h6v-9h-6zM4 20h6v-4H4zm10-12h6V4h-6z",
        Place::Activity => "M3 12h4l3-8 4 16 3-8h4",
        Place::Clients => "M4 5h16v10H4zM9 19h6m-3-4v4",
        Place::Storage => "M5 6c0-3 14-3 14 0v12c0 3-14 3-14 0zm0 0c0 3 14 3 14 0M5 12c0 3 14 3 14 0",
        Place::Settings => {
            "M4 7h8m5 0h3M4 17h3m5 0h8M17 7a2.5 2.5 0 1 1-5 0 2.5 2.5 0 1 1 5 0M12 17a2.5 2.5 0 1 1-5 0 2.5 2.5 0 1 1 5 0"
        }
        Place::Users => {
            "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm-6.5 9c0-4 2.5-6 6.5-6s6.5 2 6.5 6M16 4.2a3.5 3.5 0 0 1 0 6.6m2 3.6c2.3.7 3.5 2.6 3.5 5.6"
        }
        Place::Changes => "M6 4h9l4 4v12H6zM9 12h7m-7 4h7",
        Place::Account => "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm-7 8c0-4 3-6 7-6s7 2 7 6",
    };
    html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" { path d=(path) {} } }
}
