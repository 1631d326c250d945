//! What is known of the server's texts in one language.
//!
//! A file of it has an English text on a line of its own and its translation, indented, on the next. A place in the English text is
//! `{name:kind}`, and `{name}` in the translation. Of several that fit the first holds, and those without places come before all others.

use std::collections::HashMap;

use super::Piece;
use super::pattern::{Kind, Part, Pattern, Reach};
use crate::text::Language;

/// Texts within texts within texts are looked at so far down.
const DEEPEST: u8 = 8;
/// What stands between a failure and its cause.
const CAUSE: &str = ": ";
/// So many places are looked at where a cause could begin.
const MOST_COLONS: usize = 16;

/// All that is known in a language.
pub struct Book {
    language: Language,
    texts: Chapter,
    /// Failures come in chains, each followed by its cause.
    errors: Chapter,
    subjects: Chapter,
}

/// Texts that are looked up together.
#[derive(Default)]
struct Chapter {
    plain: HashMap<&'static str, &'static str>,
    patterns: Vec<(Pattern, Vec<Part>)>,
}

impl Chapter {
    fn add(&mut self, english: &'static str, translation: &'static str) -> Result<(), &'static str> {
        let pattern = Pattern::read(english).ok_or(english)?;
        let parts = pattern.read_translation(translation).ok_or(translation)?;
        let is_new = match pattern.is_plain() {
            true => self.plain.insert(english, translation).is_none(),
            false => {
                self.patterns.push((pattern, parts));
                true
            }
        };
        if is_new { Ok(()) } else { Err(english) }
    }

    fn read(&mut self, file: &'static str) -> Result<(), &'static str> {
        let mut lines = file
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        while let Some(english) = lines.next() {
            let translation = lines.next().and_then(|line| line.strip_prefix("    "));
            self.add(english, translation.ok_or(english)?)?;
        }
        Ok(())
    }
}

impl Book {
    /// Reads files of texts, one of failures, and one of what things are about. Tells the first line that is wrong.
    pub fn read(
        language: Language,
        texts: &[&'static str],
        errors: &'static str,
        subjects: &'static str,
    ) -> Result<Self, &'static str> {
        let mut book = Self {
            language,
            texts: Chapter::default(),
            errors: Chapter::default(),
            subjects: Chapter::default(),
        };
        for file in texts {
            book.texts.read(file)?;
        }
        book.errors.read(errors)?;
        book.subjects.read(subjects)?;
        Ok(book)
    }

    /// A text of one line. What is not known is in English.
    pub fn translate<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let known = self.find(&self.texts, text, 0).or_else(|| self.failure(text, 0));
        known.unwrap_or_else(|| vec![Piece::English(text)])
    }

    /// What something is about; `None` if it is a name.
    pub fn subject<'t>(&self, text: &'t str) -> Option<Vec<Piece<'t>>> {
        self.find(&self.subjects, text, 0)
    }

    fn find<'t>(&self, chapter: &Chapter, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        self.find_within(chapter, text, Reach::OpenStart, depth)
    }

    /// The same among the texts that reach no further than this.
    fn find_within<'t>(
        &self,
        chapter: &Chapter,
        text: &'t str,
        most: Reach,
        depth: u8,
    ) -> Option<Vec<Piece<'t>>> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(translation) = chapter.plain.get(text) {
            return Some(vec![Piece::Own((*translation).into())]);
        }
        let mut fitting = chapter
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.reach() <= most);
        fitting.find_map(|(pattern, parts)| self.filled(parts, &pattern.values(text)?, depth))
    }

    fn filled<'t>(&self, parts: &[Part], values: &[(Kind, &'t str)], depth: u8) -> Option<Vec<Piece<'t>>> {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Literal(text) => pieces.push(Piece::Own((*text).into())),
                Part::Place(number) => {
                    let (kind, value) = values[*number];
                    match kind.kept(self.language, value) {
                        Some(kept) => pieces.push(kept),
                        None => pieces.extend(self.within(kind, value, depth + 1)?),
                    }
                }
            }
        }
        Some(pieces)
    }

    /// A text of the server within another.
    fn within<'t>(&self, kind: Kind, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        let known = match kind {
            Kind::Error => self.failure(text, depth),
            _ => self.find(&self.texts, text, depth),
        };
        match kind {
            Kind::Known => known,
            _ => known.or_else(|| Some(vec![Piece::English(text)])),
        }
    }

    /// A failure, perhaps with causes that are known or not.
    fn failure<'t>(&self, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        self.find_within(&self.errors, text, Reach::Closed, depth)
            .or_else(|| self.caused(text, depth))
            .or_else(|| self.unknown_cause(text, depth))
            .or_else(|| self.find(&self.errors, text, depth))
    }

    /// A failure whose last cause was cut off. Where it ends with a path, all of the rest is that.
    fn failure_before<'t>(&self, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        self.find_within(&self.errors, text, Reach::OpenEnd, depth)
            .or_else(|| self.caused(text, depth))
            .or_else(|| self.find(&self.errors, text, depth))
    }

    /// A failure with a known cause. A colon may be part of what is told of, so the last one with a cause behind it counts. It is not
    /// looked for another one if that leads nowhere: that could take for ever.
    fn caused<'t>(&self, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        if depth > DEEPEST {
            return None;
        }
        let colons = text.rmatch_indices(CAUSE).take(MOST_COLONS);
        let mut causes = colons.filter_map(|(at, _)| {
            let cause = self.find(&self.errors, &text[at + CAUSE.len()..], depth + 1)?;
            Some((&text[..at], cause))
        });
        let (failure, cause) = causes.next()?;
        let mut pieces = self.failure_before(failure, depth + 1)?;
        pieces.push(Piece::Own(CAUSE.into()));
        pieces.extend(cause);
        Some(pieces)
    }

    /// A failure that is known, with a cause that is not.
    fn unknown_cause<'t>(&self, text: &'t str, depth: u8) -> Option<Vec<Piece<'t>>> {
        let (failure, cause) = text.split_once(CAUSE)?;
        let mut pieces = self.find(&self.errors, failure, depth + 1)?;
        pieces.extend([Piece::Own(CAUSE.into()), Piece::English(cause)]);
        Some(pieces)
    }
}
