//! Pages that ask whether something is really to be done.

use maud::{Markup, html};

use crate::parts::form::{button, problem};
use crate::visitor::Visitor;

/// What is asked before something is done that can't be taken back.
pub struct Question<'a> {
    /// What would be done, as a question.
    pub title: &'a str,
    /// To what.
    pub subject: &'a str,
    /// What follows from it.
    pub about: &'a str,
    /// Why it could not be done, where it was tried.
    pub problem: Option<&'a Markup>,
    /// The address and the text of the button that does it.
    pub go: (&'a str, &'a str),
    /// Where to go back to.
    pub back: &'a str,
}

impl Question<'_> {
    /// The question with its two answers.
    pub fn show(&self, visitor: &Visitor) -> Markup {
        let (address, text) = self.go;
        html! {
            h1 { (self.title) }
            section.card {
                (problem(self.problem))
                p { strong { (self.subject) } }
                p { (self.about) }
                div.row {
                    (button(visitor, address, text, "danger"))
                    a.button href=(self.back) { (visitor.say("question-no")) }
                }
            }
        }
    }
}
