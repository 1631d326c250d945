//! Names that say nothing about what a module owns.

use std::path::Component;

use super::{Finding, SourceFile};

const EMPTY_NAMES: [&str; 10] = [
    "util",
    "utils",
    "utilities",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "stuff",
];

/// Tells whether a module's or crate's name is one of those that the house has no use for.
pub fn is_empty_name(name: &str) -> bool {
    EMPTY_NAMES.contains(&name)
}

/// Checks the names of the file and of the directories that it lies in.
pub fn check_path(file: &SourceFile) -> Option<Finding> {
    let stem = file.path.with_extension("");
    let name = stem.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let empty = name.into_iter().find(|name| is_empty_name(name))?;
    Some(file.finding(1, complaint(empty)))
}

/// What is wrong with such a name.
pub fn complaint(name: &str) -> String {
    format!("`{name}` does not say what it owns: name it for that")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_wherever_they_stand() {
        let found = |path: &str| {
            check_path(&SourceFile {
                path: path.into(),
                text: String::new(),
            })
            .is_some()
        };
        assert!(found("crates/server/src/util.rs"));
        assert!(found("crates/server/tests/common/mod.rs"));
        assert!(!found("crates/server/src/jobs.rs"));
    }
}
