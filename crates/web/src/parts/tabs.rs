//! The way between pages that share a place in the menu.

use maud::{Markup, html};

use crate::visitor::Visitor;

/// The pages under the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Settings,
    Groups,
    Notifications,
}

impl Tab {
    const ALL: [Self; 3] = [Self::Settings, Self::Groups, Self::Notifications];

    fn address(self) -> &'static str {
        match self {
            Self::Settings => "/settings",
            Self::Groups => "/groups",
            Self::Notifications => "/notifications",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Settings => "tabs-settings",
            Self::Groups => "tabs-groups",
            Self::Notifications => "tabs-notifications",
        }
    }

    /// The links to all of them, seen from this one or a page below it.
    pub fn show(self, visitor: &Visitor) -> Markup {
        let state = |tab: Self| match (tab == self, visitor.path.split('?').next()) {
            (false, _) => None,
            (true, Some(path)) if path == tab.address() => Some("page"),
            (true, _) => Some("true"),
        };
        html! {
            nav.tabs aria-label=(visitor.say("tabs")) {
                @for tab in Self::ALL {
                    a href=(tab.address()) aria-current=[state(tab)] { (visitor.say(tab.text())) }
                }
            }
        }
    }
}
