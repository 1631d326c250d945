//! What a walk leaves out: patterns in gitignore syntax, cache directories, files flagged `nodump`.
//!
//! # How the rules are read
//!
//! - A pattern means what it means in a `.gitignore` at the source's root: without a slash, or with one at
//!   the end only, it matches at any depth; with a slash at the beginning or in the middle it is *anchored*,
//!   that is matched against the whole path from the source's root; a slash at the end makes it match
//!   directories only; `*` and `?` don't match a slash, `**` does.
//! - Rules are ordered and **the last one that matches decides**. What no rule matches is kept.
//! - An excluded directory is not entered, as in git, and so an include without anchor does not reach into
//!   it. Unlike git, an **anchored include that comes after the exclude** does: if it could match below the
//!   directory, the directory is kept as a *passage*. In a passage everything is left out but what such an
//!   include matches and the passages that lead there. `exclude /var`, `include /var/lib/db` thus keeps
//!   `var`, `var/lib` and all of `var/lib/db`. An anchored include that begins with `**/` counts as not
//!   anchored.
//! - A source's root itself is always kept: naming it was explicit.
//!
//! Patterns are text, paths are bytes: `?` and `*` match the parts of a name that are not UTF-8.

mod cache_tag;
mod ignore_file;
mod passage;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::name::check_name;
use crate::{Error, Result};

pub(crate) use cache_tag::{CACHE_TAG_NAME, is_cache_directory};
pub(crate) use ignore_file::IgnoreLayer;
use passage::{Passages, PassagesBuilder};

/// What happens with directories that carry a valid `CACHEDIR.TAG` (<https://bford.info/cachedir/>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheDirectories {
    /// The directory and its tag are kept, everything else in it is left out.
    #[default]
    LeaveOut,
    /// They are treated like any other.
    Enter,
}

/// What happens with files and directories that are flagged `nodump` (`chattr +d`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nodump {
    /// They are treated like any other.
    #[default]
    Ignore,
    /// They are left out.
    Honour,
}

/// What a walk leaves out of one source. The default leaves out what is in cache directories only.
#[derive(Clone, Debug)]
pub struct Filter {
    rules: Gitignore,
    lines: Vec<String>,
    passages: Passages,
    cache_directories: CacheDirectories,
    nodump: Nodump,
    ignore_file: Option<Box<[u8]>>,
}

/// Collects the rules of a [`Filter`] in their order.
#[derive(Debug)]
pub struct FilterBuilder {
    rules: GitignoreBuilder,
    lines: Vec<String>,
    passages: PassagesBuilder,
    cache_directories: CacheDirectories,
    nodump: Nodump,
    ignore_file: Option<Box<[u8]>>,
}

/// What the rules say about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is kept.
    Keep,
    /// It is left out.
    LeaveOut,
    /// It is an excluded directory that leads to something included.
    Passage(Passage),
}

/// Marks a directory that was excluded by a rule but is entered for the sake of a later include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The position of the excluding rule: only includes after it count.
    rule: usize,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            rules: Gitignore::empty(),
            lines: Vec::new(),
            passages: Passages::default(),
            cache_directories: CacheDirectories::default(),
            nodump: Nodump::default(),
            ignore_file: None,
        }
    }
}

impl Filter {
    /// Returns a filter that leaves nothing out.
    pub fn nothing() -> Filter {
        Filter {
            cache_directories: CacheDirectories::Enter,
            ..Filter::default()
        }
    }

    /// Begins a filter with the defaults and no rule.
    pub fn builder() -> FilterBuilder {
        FilterBuilder {
            rules: GitignoreBuilder::new(""),
            lines: Vec::new(),
            passages: PassagesBuilder::new(),
            cache_directories: CacheDirectories::default(),
            nodump: Nodump::default(),
            ignore_file: None,
        }
    }

    pub(crate) fn cache_directories(&self) -> CacheDirectories {
        self.cache_directories
    }

    pub(crate) fn nodump(&self) -> Nodump {
        self.nodump
    }

    pub(crate) fn ignore_file(&self) -> Option<&[u8]> {
        self.ignore_file.as_deref()
    }

    /// Returns whether no entry can be judged by its path, so that none needs to be built.
    pub(crate) fn has_no_rules(&self) -> bool {
        self.lines.is_empty()
    }

    /// Judges the entry at `path` (from the source's root) in a directory that is kept or a passage.
    pub(crate) fn judge(&self, path: &[u8], kind: EntryKind, within: Option<Passage>) -> Verdict {
        let path = as_path(path);
        let excluded_by = match self.rules.matched(path, kind == EntryKind::Directory) {
            Match::None => within.map(|passage| passage.rule),
            Match::Ignore(glob) => {
                let rule = self.position(glob.original());
                Some(within.map_or(rule, |passage| rule.max(passage.rule)))
            }
            Match::Whitelist(glob) => {
                let rule = self.position(glob.original());
                within
                    .map(|passage| passage.rule)
                    .filter(|&excluding| excluding > rule)
            }
        };
        let Some(rule) = excluded_by else {
            return Verdict::Keep;
        };
        if kind == EntryKind::Directory && self.passages.leads_on(path, rule) {
            return Verdict::Passage(Passage { rule });
        }
        Verdict::LeaveOut
    }

    /// Returns where the rule stands: of two equal lines the last is the one that decides.
    fn position(&self, line: &str) -> usize {
        self.lines.iter().rposition(|known| known == line).unwrap_or(0)
    }
}

/// Whether an entry is a directory, as far as patterns care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    NotDirectory,
}

impl FilterBuilder {
    /// Adds a rule that leaves out what `pattern` matches.
    pub fn exclude(mut self, pattern: &str) -> Result<FilterBuilder> {
        let escape = if pattern.starts_with(['!', '#']) { "\\" } else { "" };
        self.add(format!("{escape}{pattern}"), pattern)?;
        Ok(self)
    }

    /// Adds a rule that keeps what `pattern` matches.
    pub fn include(mut self, pattern: &str) -> Result<FilterBuilder> {
        self.add(format!("!{pattern}"), pattern)?;
        Ok(self)
    }

    /// Adds a line as it would stand in a `.gitignore`: `!` includes, empty lines and comments mean nothing.
    pub fn line(mut self, line: &str) -> Result<FilterBuilder> {
        self.add(line.to_owned(), line)?;
        Ok(self)
    }

    /// Says what happens with cache directories.
    pub fn cache_directories(mut self, treatment: CacheDirectories) -> FilterBuilder {
        self.cache_directories = treatment;
        self
    }

    /// Says what happens with files flagged `nodump`.
    pub fn nodump(mut self, treatment: Nodump) -> FilterBuilder {
        self.nodump = treatment;
        self
    }

    /// Lets files of this name in any directory exclude more of what is beneath that directory.
    ///
    /// Such a file is read like a `.gitignore`; its `!` lines take back lines of ignore files only, never a
    /// rule of this filter.
    pub fn ignore_file(mut self, name: &[u8]) -> Result<FilterBuilder> {
        check_name(name)?;
        self.ignore_file = Some(name.into());
        Ok(self)
    }

    /// Builds the filter.
    pub fn build(self) -> Result<Filter> {
        let bad = |error: ignore::Error| Error::BadPattern {
            pattern: self.lines.join(" "),
            reason: error.to_string(),
        };
        Ok(Filter {
            rules: self.rules.build().map_err(bad)?,
            passages: self.passages.build().map_err(bad)?,
            lines: self.lines,
            cache_directories: self.cache_directories,
            nodump: self.nodump,
            ignore_file: self.ignore_file,
        })
    }

    fn add(&mut self, line: String, pattern: &str) -> Result<()> {
        let bad = |error: ignore::Error| Error::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        self.rules.add_line(None, &line).map_err(bad)?;
        if let Some(include) = line.strip_prefix('!') {
            self.passages.add(include, self.lines.len());
        }
        // What the matcher reports as the rule's text has trailing blanks removed.
        self.lines.push(line.trim_end_matches(' ').to_owned());
        Ok(())
    }
}

pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges a path from the top, as a walk does, and returns whether it is reached and how it is kept.
    fn judge(filter: &Filter, path: &str) -> Verdict {
        let (path, leaf) = match path.strip_suffix('/') {
            Some(path) => (path, EntryKind::Directory),
            None => (path, EntryKind::NotDirectory),
        };
        let mut within = None;
        for (position, _) in path.match_indices('/') {
            match filter.judge(&path.as_bytes()[..position], EntryKind::Directory, within) {
                Verdict::Keep => within = None,
                Verdict::LeaveOut => return Verdict::LeaveOut,
                Verdict::Passage(passage) => within = Some(passage),
            }
        }
        filter.judge(path.as_bytes(), leaf, within)
    }

    fn filter(lines: &[&str]) -> Filter {
        let mut builder = Filter::builder();
        for line in lines {
            builder = builder.line(line).expect("the pattern is valid");
        }
        builder.build().expect("the filter builds")
    }

    #[track_caller]
    fn check(filter: &Filter, kept: &[&str], left_out: &[&str]) {
        for path in kept {
            assert_ne!(judge(filter, path), Verdict::LeaveOut, "{path} should be kept");
        }
        for path in left_out {
            assert_eq!(
                judge(filter, path),
                Verdict::LeaveOut,
                "{path} should be left out"
            );
        }
    }

    #[test]
    fn patterns_without_a_slash_match_at_any_depth_and_the_last_rule_decides() {
        let filter = filter(&["*.o", "!keep.o", "# comment", "", "build/"]);
        check(
            &filter,
            &["a.c", "keep.o", "x/keep.o", "build"],
            &["a.o", "x/y/a.o", "build/", "x/build/a.c"],
        );
        let reversed = self::filter(&["!keep.o", "*.o"]);
        check(&reversed, &[], &["keep.o"]);
    }

    #[test]
    fn anchored_patterns_match_from_the_source_only() {
        let filter = filter(&["/tmp", "a/b"]);
        check(&filter, &["x/tmp", "x/a/b"], &["tmp", "tmp/f", "a/b", "a/b/c"]);
    }

    #[test]
    fn an_anchored_include_reaches_into_an_excluded_directory() {
        let filter = filter(&["/var", "!/var/lib/db"]);
        check(
            &filter,
            &[
                "var/",
                "var/lib/",
                "var/lib/db/",
                "var/lib/db/table",
                "var/lib/db/x/y",
                "other",
            ],
            &[
                "var/log/",
                "var/log/x",
                "var/lib/other",
                "var/lib/dc/",
                "var/file",
            ],
        );
        assert!(matches!(judge(&filter, "var/"), Verdict::Passage(_)));
        assert_eq!(judge(&filter, "var/lib/db/"), Verdict::Keep);
    }

    #[test]
    fn an_include_without_anchor_or_before_the_exclude_does_not_reach_in() {
        check(
            &filter(&["node_modules/", "!important.log"]),
            &["important.log"],
            &["node_modules/important.log"],
        );
        check(&filter(&["!/var/lib/db", "/var"]), &[], &["var/", "var/lib/db/"]);
        check(&filter(&["cache/", "!**/cache/keep"]), &[], &["cache/keep"]);
    }

    #[test]
    fn passages_follow_wildcards_in_the_include() {
        let filter = filter(&["/home", "!/home/*/mail", "/home/bob/mail", "!/home/ann/**/deep"]);
        check(
            &filter,
            &["home/ann/mail/x", "home/ann/p/q/deep", "home/ann/p/"],
            &[
                "home/bob/mail/x",
                "home/ann/file",
                "home/ann/p/file",
                "home/carl/other/",
            ],
        );
    }

    #[test]
    fn an_exclude_inside_an_included_directory_holds() {
        let filter = filter(&["/a", "!/a/b", "*.tmp"]);
        check(&filter, &["a/b/x"], &["a/b/x.tmp", "a/x.tmp", "a/x"]);
    }

    #[test]
    fn names_that_are_not_utf8_are_matched() {
        let filter = filter(&["*.bak", "x?z"]);
        assert_eq!(
            filter.judge(b"\xff\xfe.bak", EntryKind::NotDirectory, None),
            Verdict::LeaveOut
        );
        assert_eq!(
            filter.judge(b"\xff\xfe.bax", EntryKind::NotDirectory, None),
            Verdict::Keep
        );
        assert_eq!(
            filter.judge(b"a\n.bak", EntryKind::NotDirectory, None),
            Verdict::LeaveOut
        );
    }

    #[test]
    fn excluding_takes_the_pattern_literally() {
        let filter = Filter::builder()
            .exclude("!odd")
            .and_then(|b| b.exclude("#odd"))
            .and_then(FilterBuilder::build);
        let filter = filter.expect("the filter builds");
        check(&filter, &["odd"], &["!odd", "#odd"]);
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = Filter::builder()
            .exclude("a{b")
            .expect_err("the brace is not closed");
        assert!(matches!(error, Error::BadPattern { pattern, .. } if pattern == "a{b"));
    }
}
