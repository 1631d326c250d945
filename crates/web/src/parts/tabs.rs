//! The way between pages that share a place in the menu.

use maud::{Markup, html};

use crate::visitor::Visitor;

/// The pages under the settings, those under the storage, and those about what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Settings,
    Groups,
    Notifications,
    Storage,
    Retention,
    Trash,
    Changes,
    Log,
}

impl Tab {
    const OF_SETTINGS: [Self; 3] = [Self::Settings, Self::Groups, Self::Notifications];
    const OF_STORAGE: [Self; 3] = [Self::Storage, Self::Retention, Self::Trash];
    const OF_CHANGES: [Self; 2] = [Self::Changes, Self::Log];

    /// Those that share its place, and what they are together.
    fn family(self) -> (&'static str, &'static [Self]) {
        match self {
            Self::Settings | Self::Groups | Self::Notifications => ("tabs", &Self::OF_SETTINGS),
            Self::Storage | Self::Retention | Self::Trash => ("tabs-of-storage", &Self::OF_STORAGE),
            Self::Changes | Self::Log => ("tabs-of-changes", &Self::OF_CHANGES),
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Settings => "/settings",
            Self::Groups => "/groups",
            Self::Notifications => "/notifications",
            Self::Storage => "/storage",
            Self::Retention => "/retention",
            Self::Trash => "/trash",
            Self::Changes => "/changes",
            Self::Log => "/log",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Settings => "tabs-settings",
            Self::Groups => "tabs-groups",
            Self::Notifications => "tabs-notifications",
            Self::Storage => "tabs-storage",
            Self::Retention => "tabs-retention",
            Self::Trash => "tabs-trash",
            Self::Changes => "tabs-changes",
            Self::Log => "tabs-log",
        }
    }

    /// The links to all of them, seen from this one or a page below it.
    pub fn show(self, visitor: &Visitor) -> Markup {
        let state = |tab: &Self| match (*tab == self, visitor.path.split('?').next()) {
            (false, _) => None,
            (true, Some(path)) if path == tab.address() => Some("page"),
            (true, _) => Some("true"),
        };
        let (name, tabs) = self.family();
        html! {
            nav.tabs aria-label=(visitor.say(name)) {
                @for tab in tabs {
                    a href=(tab.address()) aria-current=[state(tab)] { (visitor.say(tab.text())) }
                }
            }
        }
    }
}
