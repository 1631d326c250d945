//! Texts that the server tells through its services, in the language of a page. They come in English, which is the same for programs; what
//! is known of them is in `texts/*.de.txt`, and what is not known is shown as it came, and marked as English.
//!
//! Every text of the server goes through here on its way into a page. What people have written – names, reasons to hold a backup – does
//! not, and stays as it is within the texts that tell it.

mod book;
mod pattern;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use maud::{Markup, html};

use self::book::Book;
use crate::text::Language;

/// Longer texts are not looked at.
const MOST_BYTES: usize = 8 * 1024;

static GERMAN: LazyLock<Book> = LazyLock::new(|| {
    let texts = [
        include_str!("../../texts/server.de.txt"),
        include_str!("../../texts/settings.de.txt"),
    ];
    let errors = include_str!("../../texts/errors.de.txt");
    let subjects = include_str!("../../texts/subjects.de.txt");
    Book::read(Language::German, &texts, errors, subjects).expect("the texts are well-formed")
});

/// A part of a text, in the language of the page or else in English.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Own(Cow<'a, str>),
    English(&'a str),
}

impl Piece<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::English(text) => text,
        }
    }
}

/// A text of the server.
pub fn show(language: Language, text: &str) -> Markup {
    html! {
        @for piece in pieces(language, text) {
            @match piece {
                Piece::Own(text) => (text),
                Piece::English(text) => span lang="en" { (text) },
            }
        }
    }
}

/// What a job or a change is about: mostly a name, which is in no language.
pub fn subject(language: Language, text: &str) -> String {
    let known = book(language).and_then(|book| book.subject(text));
    known.map_or_else(|| text.to_owned(), |pieces| joined(&pieces))
}

/// A text of the server where there is no place for markup, as in a title.
pub fn say(language: Language, text: &str) -> String {
    joined(&pieces(language, text))
}

/// What marks a part of a page as English, where the page is not.
pub fn english(language: Language) -> Option<&'static str> {
    (language != Language::English).then_some("en")
}

fn joined(pieces: &[Piece<'_>]) -> String {
    pieces.iter().map(Piece::text).collect()
}

/// What is known of the texts in a language that is not theirs.
fn book(language: Language) -> Option<&'static Book> {
    match language {
        Language::English => None,
        Language::German => Some(&GERMAN),
    }
}

fn pieces(language: Language, text: &str) -> Vec<Piece<'_>> {
    let Some(book) = book(language) else {
        return vec![Piece::Own(text.into())];
    };
    if text.len() > MOST_BYTES {
        return vec![Piece::English(text)];
    }
    let mut pieces = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            pieces.push(Piece::Own("\n".into()));
        }
        if !line.is_empty() {
            pieces.extend(book.translate(line));
        }
    }
    pieces
}
