//! Texts cut to what a service takes, in whatever it counts, and never within a character.

const MARK: char = '…';

/// Returns the beginning of `text` that costs at most `limit`, with a mark where something is missing.
pub(crate) fn head(text: &str, limit: usize, cost: impl Fn(char) -> usize) -> String {
    let Some(cut) = cut(text.char_indices(), limit, &cost) else {
        return text.to_owned();
    };
    let mut head = text[..cut].to_owned();
    if cost(MARK) <= limit {
        head.push(MARK);
    }
    head
}

/// Returns the end of `text` that has at most `limit_bytes`, with a mark where something is missing.
pub(crate) fn tail(text: &str, limit_bytes: usize) -> String {
    let backwards = text
        .char_indices()
        .rev()
        .map(|(at, symbol)| (at + symbol.len_utf8(), symbol));
    let Some(cut) = cut(backwards, limit_bytes, &char::len_utf8) else {
        return text.to_owned();
    };
    let mark = Some(MARK).filter(|mark| mark.len_utf8() <= limit_bytes);
    mark.into_iter().chain(text[cut..].chars()).collect()
}

/// Returns `text` as one line: white space and control characters become single spaces.
pub(crate) fn one_line(text: &str) -> String {
    let is_gap = |symbol: char| symbol.is_whitespace() || symbol.is_control();
    let words: Vec<&str> = text.split(is_gap).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Returns `text` with `\n` alone at the ends of lines, and without control characters but for tabs.
pub(crate) fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let is_wanted = |symbol: &char| !symbol.is_control() || matches!(symbol, '\n' | '\t');
    text.trim().chars().filter(is_wanted).collect()
}

/// Finds where to cut so that what comes before and the mark fit; `None` if all of it fits.
fn cut(
    symbols: impl Iterator<Item = (usize, char)>,
    limit: usize,
    cost: &impl Fn(char) -> usize,
) -> Option<usize> {
    // Where not even the mark fits there is none.
    let room = limit.checked_sub(cost(MARK)).unwrap_or(limit);
    let mut spent: usize = 0;
    let mut cut = None;
    for (at, symbol) in symbols {
        spent = spent.saturating_add(cost(symbol));
        if spent > room {
            cut = cut.or(Some(at));
        }
        if spent > limit {
            return cut;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(head("häuser", 6, |_| 1), "häuser");
        assert_eq!(tail("häuser", 7), "häuser");
        assert_eq!(head("", 0, |_| 1), "");
    }

    #[test]
    fn what_is_missing_is_marked() {
        assert_eq!(head("0123456789", 5, |_| 1), "0123…");
        assert_eq!(head("ääää", 7, char::len_utf8), "ää…");
        assert_eq!(tail("0123456789", 6), "…789");
        assert_eq!(head("0123", 0, |_| 1), "");
        assert_eq!(tail("0123", 2), "23");
    }

    #[test]
    fn lines_are_joined_and_tidied() {
        assert_eq!(one_line(" a\r\n\tb\u{0}c "), "a b c");
        assert_eq!(tidy("a\r\nb\u{7}\tc\n\n"), "a\nb\tc");
    }

    proptest! {
        #[test]
        fn nothing_costs_more_than_it_may(text: String, limit in 0usize..40) {
            let cost = |symbol: char| symbol.len_utf16();
            let spent: usize = head(&text, limit, cost).chars().map(cost).sum();
            prop_assert!(spent <= limit);
            prop_assert!(tail(&text, limit).len() <= limit);
        }
    }
}
