//! What a command has said, cut into lines. Memory is bounded whatever it prints.

use std::collections::VecDeque;

/// Lines that are kept from the end of the output.
const LAST_LINES: usize = 8;
/// What is longer is cut.
const MAX_LINE_BYTES: usize = 400;
/// The longest text that is handed to a command in a variable.
const MAX_VARIABLE_CHARS: usize = 4000;

/// The end of a command's output.
#[derive(Debug, Default)]
pub struct Said {
    line: Vec<u8>,
    last: VecDeque<Vec<u8>>,
}

impl Said {
    /// Takes the next bytes of the output and gives each line that they complete.
    pub fn add(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, is_complete) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = MAX_LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if is_complete {
                self.end_line(each);
            }
        }
    }

    /// Ends a last line without an end, and gives the last lines.
    pub fn finish(mut self, each: &mut dyn FnMut(&[u8])) -> Vec<String> {
        self.end_line(each);
        self.last.iter().map(|line| shown(line)).collect()
    }

    fn end_line(&mut self, each: &mut dyn FnMut(&[u8])) {
        if self.line.is_empty() {
            return;
        }
        each(&self.line);
        let mut kept = if self.last.len() == LAST_LINES {
            self.last.pop_front().unwrap_or_default()
        } else {
            Vec::new()
        };
        std::mem::swap(&mut kept, &mut self.line);
        self.last.push_back(kept);
        self.line.clear();
    }
}

/// The last lines as the end of a sentence that tells how the command ended.
pub fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("; it said: {}", lines.join(" / "))
    }
}

/// A line as text, without what only terminals understand.
pub fn shown(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line)
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    text.trim_end().to_owned()
}

/// Text that can be the value of a variable.
pub fn variable(text: &str) -> String {
    text.chars()
        .map(|char| if char == '\0' { ' ' } else { char })
        .take(MAX_VARIABLE_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(pieces: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let mut all = Vec::new();
        let mut said = Said::default();
        for piece in pieces {
            said.add(piece, &mut |line| all.push(shown(line)));
        }
        let last = said.finish(&mut |line| all.push(shown(line)));
        (all, last)
    }

    #[test]
    fn lines_are_put_together_and_the_last_needs_no_end() {
        let (all, last) = said(&[b"one\ntw", b"o\n\nthr", b"ee"]);
        assert_eq!(all, ["one", "two", "three"]);
        assert_eq!(last, all);
    }

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let text: String = (0..100).map(|number| format!("{number}\n")).collect();
        let (all, last) = said(&[text.as_bytes(), &[b'x'; 5000], b"\n"]);
        assert_eq!(all.len(), 101);
        assert_eq!(last.len(), LAST_LINES);
        assert_eq!(last[LAST_LINES - 1], "x".repeat(MAX_LINE_BYTES));
        assert_eq!(last[0], "93");
    }

    #[test]
    fn output_cannot_play_with_the_terminal() {
        assert_eq!(said(&[b"a\x1b[2Jb\xff\r\n"]).0, ["a [2Jb\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_output_is_cut(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..2000), at in 0usize..2000) {
            let at = at.min(bytes.len());
            prop_assert_eq!(said(&[&bytes]), said(&[&bytes[..at], &bytes[at..]]));
        }
    }
}
