//! Commands that are run elsewhere, ready to be copied.

use maud::{Markup, html};

use crate::visitor::Visitor;

/// A command, with a button that copies it where scripts run.
pub fn show(visitor: &Visitor, command: &str) -> Markup {
    html! {
        div.command {
            pre.copy data-copied=(visitor.say("copied")) { code { (command) } }
            button.quiet type="button" data-copies hidden { (visitor.say("command-copy")) }
        }
    }
}

/// A word of a command, as a shell takes it for one.
pub fn word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:@%,=".contains(character);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_whatever_is_in_it() {
        assert_eq!(
            word("laptop/261130-0650_image:sda"),
            "laptop/261130-0650_image:sda"
        );
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("$(reboot)"), "'$(reboot)'");
        assert_eq!(word("it's; rm -rf /"), r"'it'\''s; rm -rf /'");
        assert_eq!(word(""), "''");
    }
}
