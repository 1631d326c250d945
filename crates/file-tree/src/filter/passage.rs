//! Which directories lead to something that an anchored include matches.
//!
//! From an include such as `/a/*/c/keep` follow the patterns of its ancestors, `/a`, `/a/*` and `/a/*/c`.
//! From the first `**` on, every directory may lead to a match.

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The ancestors of all anchored includes.
#[derive(Clone, Debug)]
pub(super) struct Passages {
    ancestors: Gitignore,
    /// The patterns in the order of their rules, with the rule's position.
    rules: Vec<(String, usize)>,
}

/// Collects the includes.
#[derive(Debug)]
pub(super) struct PassagesBuilder {
    ancestors: GitignoreBuilder,
    rules: Vec<(String, usize)>,
}

impl Default for Passages {
    fn default() -> Passages {
        Passages {
            ancestors: Gitignore::empty(),
            rules: Vec::new(),
        }
    }
}

impl Passages {
    /// Returns whether an include after the rule at `excluding` could match below the directory `path`.
    pub(super) fn leads_on(&self, path: &Path, excluding: usize) -> bool {
        // The matcher reports the last pattern that matches, which is of the last rule.
        let Match::Ignore(ancestor) = self.ancestors.matched(path, true) else {
            return false;
        };
        let last = self
            .rules
            .iter()
            .rfind(|(pattern, _)| pattern == ancestor.original());
        last.is_some_and(|&(_, rule)| rule > excluding)
    }
}

impl PassagesBuilder {
    pub(super) fn new() -> PassagesBuilder {
        PassagesBuilder {
            ancestors: GitignoreBuilder::new(""),
            rules: Vec::new(),
        }
    }

    /// Adds the include `pattern`, the rule at position `rule`; patterns without anchor lead nowhere.
    pub(super) fn add(&mut self, pattern: &str, rule: usize) {
        let pattern = pattern.trim_end_matches(' ');
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        if !pattern.contains('/') || pattern.starts_with("**/") {
            return;
        }
        let components: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
        let mut ancestor = String::new();
        for component in &components[..components.len() - 1] {
            // An alternation may span slashes, so it is not taken apart.
            if *component == "**" || component.contains('{') {
                self.push(format!("{ancestor}/**"), rule);
                return;
            }
            ancestor = format!("{ancestor}/{component}");
            self.push(ancestor.clone(), rule);
        }
    }

    pub(super) fn build(&self) -> Result<Passages, ignore::Error> {
        Ok(Passages {
            ancestors: self.ancestors.build()?,
            rules: self.rules.clone(),
        })
    }

    fn push(&mut self, ancestor: String, rule: usize) {
        // A component that is no pattern on its own can only come from a class with a slash in it, which
        // matches nothing.
        if self.ancestors.add_line(None, &ancestor).is_ok() {
            self.rules.push((ancestor, rule));
        }
    }
}
