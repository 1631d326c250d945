//! Parts of a text that know where they stand, so that an error can tell.

/// A part of a text, without the spaces around it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What stands there.
    pub text: &'a str,
    /// Where it begins: characters from 1.
    pub column: usize,
}

impl<'a> Part<'a> {
    /// All of a text.
    pub fn whole(text: &'a str) -> Self {
        Self { text, column: 1 }.trimmed()
    }

    /// What stands between separators: one part more than there are of them.
    pub fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut column = self.column;
        self.text.split(separator).map(move |text| {
            let part = Self { text, column };
            column += text.chars().count() + 1;
            part.trimmed()
        })
    }

    /// What stands before and after the first separator.
    pub fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let after = Self {
            text: after,
            column: self.column + before.chars().count() + 1,
        };
        Some((Self { text: before, ..self }.trimmed(), after.trimmed()))
    }

    /// The part's text, owned.
    pub fn owned(self) -> String {
        self.text.to_owned()
    }

    fn trimmed(self) -> Self {
        let text = self.text.trim_start();
        let skipped = &self.text[..self.text.len() - text.len()];
        Self {
            text: text.trim_end(),
            column: self.column + skipped.chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_their_columns() {
        let whole = Part::whole(" ä ;  b@ c;");
        let parts: Vec<_> = whole.split(';').map(|part| (part.text, part.column)).collect();
        assert_eq!(parts, [("ä", 2), ("b@ c", 7), ("", 12)]);
        let (before, after) = whole.split_once('@').expect("has one");
        assert_eq!((before.text, before.column), ("ä ;  b", 2));
        assert_eq!((after.text, after.column), ("c;", 10));
    }
}
