//! Keeps the manual's tables of settings as the program's are.

use super::setting::{Component, Fallback, Setting};

fn rows(component: Component) -> String {
    let mut text = String::from("| setting | flag | environment | default | |\n|---|---|---|---|---|\n");
    for setting in component.table() {
        let default = match setting.fallback {
            Fallback::Unset => "–".to_owned(),
            Fallback::Text(text) => format!("`{text}`"),
            Fallback::StateDir(name) => {
                format!("`/var/lib/perennial/{name}`; `~/.local/state/perennial/{name}`")
            }
            Fallback::DataDir(name) => {
                format!("`/var/lib/perennial/{name}`; `~/.local/share/perennial/{name}`")
            }
        };
        text.push_str(&row(component, setting, &default));
    }
    text
}

fn row(component: Component, setting: &Setting, default: &str) -> String {
    format!(
        "| `{}` | `--{} {}` | `{}` | {default} | {} |\n",
        setting.key,
        setting.flag(),
        setting.placeholder,
        component.variable(setting),
        setting.about
    )
}

#[test]
fn the_manual_lists_every_setting_as_it_is() {
    let manual = include_str!("../../../../docs/manual/configuration.md");
    for component in [Component::Server, Component::Client] {
        let expected = rows(component);
        assert!(
            manual.contains(&expected),
            "docs/manual/configuration.md should hold:\n{expected}"
        );
    }
}
