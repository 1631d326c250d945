//! Rules about a file's text: how it opens, and its notes of things to be done.

use std::fs;
use std::path::Path;

use super::{Finding, SourceFile};

/// Words that mark unfinished work. Joined here so that this file doesn't break its own rule.
const MARKS: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("HA", "CK"),
];

/// Reads every `.rs` file below `crates` and `xtask`, but not what a build makes.
pub fn source_files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    let mut waiting = vec![root.join("crates"), root.join("xtask")];
    while let Some(directory) = waiting.pop() {
        let entries =
            fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        for entry in entries {
            let path = entry
                .map_err(|error| format!("{}: {error}", directory.display()))?
                .path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Checks the rules of this module.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opens = file.text.lines().find(|line| !line.trim().is_empty());
    if !opens.is_some_and(|line| line.starts_with("//! ")) {
        findings.push(file.finding(1, "a module opens with `//!` and what it owns"));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        let Some((_, comment)) = line.split_once("//") else {
            continue;
        };
        if let Some(mark) = MARKS.iter().find(|mark| has_word(comment, mark))
            && !names_issue(comment)
        {
            findings.push(file.finding(number, format!("{mark} without the number of an issue (`#7`)")));
        }
    }
    findings
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|symbol: char| !symbol.is_alphanumeric())
        .any(|part| part == word)
}

fn names_issue(text: &str) -> bool {
    text.split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|symbol: char| symbol.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<usize> {
        let file = SourceFile {
            path: "crates/x/src/a.rs".into(),
            text: text.into(),
        };
        check(&file).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert_eq!(findings("//! Owns x.\n"), [0; 0]);
        assert_eq!(findings("\n//! Owns x.\n"), [0; 0]);
        assert_eq!(findings("use a;\n//! Owns x.\n"), [1]);
        assert_eq!(findings(""), [1]);
    }

    #[test]
    fn unfinished_work_names_its_issue() {
        let mark = MARKS[0];
        assert_eq!(findings(&format!("//! A.\n// {mark} later\n")), [2]);
        assert_eq!(findings(&format!("//! A.\n// {mark}(#12): later\n")), [0; 0]);
        assert_eq!(findings(&format!("//! A.\nlet {mark}S = 1; // fine\n")), [0; 0]);
    }
}
