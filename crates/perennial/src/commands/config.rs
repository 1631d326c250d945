//! `config show`

use anyhow::Result;
use serde::Serialize;

use super::Context;
use crate::cli::{ConfigCommand, ConfigShowArgs, Half};
use crate::config::{Component, Flags, Resolved, resolve};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub fn run(context: &Context, command: ConfigCommand) -> Result<Outcome> {
    let ConfigCommand::Show(args) = command;
    let components: &[Component] = match args.half {
        Some(Half::Server) => &[Component::Server],
        Some(Half::Client) => &[Component::Client],
        None => &[Component::Server, Component::Client],
    };
    let mut resolved = Vec::new();
    for component in components {
        resolved.push((*component, resolve_for(context, *component, &args)?));
    }
    match args.output.shape() {
        Shape::Json => show_json(context, &resolved)?,
        Shape::Human => show_table(context, &resolved)?,
    }
    Ok(Outcome::Done)
}

fn resolve_for(context: &Context, component: Component, args: &ConfigShowArgs) -> Result<Resolved> {
    let state = match component {
        Component::Server => &context.global().server_state,
        Component::Client => &context.global().client_state,
    };
    let flags = Flags::none().with_some("state", state.as_ref());
    Ok(resolve(
        component,
        args.config.as_deref(),
        &flags,
        context.surroundings(),
    )?)
}

#[derive(Serialize)]
struct Row {
    component: &'static str,
    key: &'static str,
    value: serde_json::Value,
    from: String,
    flag: String,
    variable: String,
}

fn show_json(context: &Context, resolved: &[(Component, Resolved)]) -> Result<()> {
    let mut rows = Vec::new();
    for (component, values) in resolved {
        for (setting, value, origin) in values.rows() {
            rows.push(Row {
                component: component.name(),
                key: setting.key,
                value: value.to_json(),
                from: origin.to_string(),
                flag: format!("--{}", setting.flag()),
                variable: component.variable(setting),
            });
        }
    }
    Ok(context.console().json(&rows)?)
}

fn show_table(context: &Context, resolved: &[(Component, Resolved)]) -> Result<()> {
    let mut table = Table::new(&[
        ("SETTING", Side::Left),
        ("VALUE", Side::Left),
        ("FROM", Side::Left),
    ]);
    for (component, values) in resolved {
        for (setting, value, origin) in values.rows() {
            let name = format!("{}.{}", component.name(), setting.key);
            table.row([name, format::line(&value.display()), origin.to_string()]);
        }
    }
    Ok(context.console().result(&table.render())?)
}
