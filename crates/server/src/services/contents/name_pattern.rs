//! What names are searched for.

/// What a name has to be like, in capitals or not.
pub enum NamePattern {
    /// It has this in it.
    Part(String),
    /// All of it is like this, where `*` stands for anything and `?` for one character.
    Whole(Vec<char>),
}

impl NamePattern {
    /// What somebody typed; nothing fits every name.
    pub fn new(text: &str) -> Self {
        let folded = text.to_lowercase();
        match folded.contains(['*', '?']) {
            true => Self::Whole(folded.chars().collect()),
            false => Self::Part(folded),
        }
    }

    /// Whether a name is like that. `folded` is room that is used again from name to name.
    pub fn fits(&self, name: &[u8], folded: &mut String) -> bool {
        folded.clear();
        match std::str::from_utf8(name) {
            Ok(name) if name.is_ascii() => {
                folded.push_str(name);
                folded.make_ascii_lowercase();
            }
            _ => folded.push_str(&String::from_utf8_lossy(name).to_lowercase()),
        }
        match self {
            Self::Part(part) => folded.contains(part.as_str()),
            Self::Whole(pattern) => is_like(pattern, folded),
        }
    }
}

/// Whether a text is as a pattern says. Only the last `*` that was met is ever gone back to, so the time is bounded by the product of
/// both lengths.
fn is_like(pattern: &[char], text: &str) -> bool {
    let mut text = text.chars();
    let mut at = 0;
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut rest = text.clone();
        match (pattern.get(at), rest.next()) {
            (Some('*'), _) => {
                at += 1;
                retry = Some((at, text.clone()));
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if *wanted == '?' || *wanted == found => {
                at += 1;
                text = rest;
            }
            _ => {
                let Some((after, from)) = &mut retry else {
                    return false;
                };
                if from.next().is_none() {
                    return false;
                }
                at = *after;
                text = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        NamePattern::new(pattern).fits(name.as_bytes(), &mut String::new())
    }

    #[test]
    fn a_part_is_found_in_capitals_or_not() {
        assert!(fits("Report", "annual-REPORT.pdf"));
        assert!(fits("übung", "ÜBUNG 1.txt"));
        assert!(fits("", "anything"));
        assert!(!fits("report", "repo"));
        assert!(NamePattern::new("b").fits(b"\xffB", &mut String::new()));
    }

    #[test]
    fn a_pattern_is_for_the_whole_name() {
        for (pattern, name) in [
            ("*.pdf", "a.PDF"),
            ("*", ""),
            ("a*b*c", "aXbXbXc"),
            ("*ab", "aab"),
            ("??.txt", "ab.txt"),
            ("?", "ü"),
            ("a**", "a"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.pdf", "a.pdf.bak"),
            ("?", ""),
            ("a*b", "ab!"),
            ("??", "x"),
            ("*a?", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
