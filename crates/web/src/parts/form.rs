//! Forms, and buttons that do something.

use maud::{Markup, html};

use crate::visitor::Visitor;

/// What every form brings, to show that it is ours.
pub fn key(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="key" value=(visitor.form_key); }
}

/// A field with its label.
pub struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub kind: &'a str,
    pub value: &'a str,
    /// What a browser may fill in.
    pub autocomplete: &'a str,
    pub is_required: bool,
}

impl Field<'_> {
    pub fn show(&self) -> Markup {
        html! {
            p.field {
                label for=(self.name) { (self.label) }
                input id=(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    autocomplete=(self.autocomplete) required[self.is_required];
            }
        }
    }
}

/// A button that does something at an address.
pub fn button(visitor: &Visitor, address: &str, text: &str, style: &str) -> Markup {
    html! {
        form.inline method="post" action=(address) {
            (key(visitor))
            button class=(style) { (text) }
        }
    }
}

/// A button in a row of a list, with what it sends. For who does not see the row it says what it is about.
pub fn row_button(
    visitor: &Visitor,
    address: &str,
    fields: &[(&str, &str)],
    text: &str,
    about: &str,
) -> Markup {
    html! {
        form.inline method="post" action=(address) {
            (key(visitor))
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.quiet aria-label={ (text) ": " (about) } { (text) }
        }
    }
}

/// What was wrong with what was typed.
pub fn problem(text: Option<&Markup>) -> Markup {
    html! { @if let Some(text) = text { p.problem role="alert" { (text) } } }
}
