//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy checks.
//!
//! Each finding is one line, `file:line: what is wrong`, on standard output. The command fails if there is any.

mod crates;
mod modules;
mod names;
mod source;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// A source file, as every rule sees it.
pub struct SourceFile {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// Tells whether all of the file is test code, by where it lies.
    pub fn is_test(&self) -> bool {
        let in_tests = self.path.components().any(|part| part.as_os_str() == "tests");
        in_tests || self.path.file_name().is_some_and(|name| name == "tests.rs")
    }

    /// The crate's name, for a file below `crates/`.
    pub fn crate_name(&self) -> Option<&str> {
        self.path
            .strip_prefix("crates")
            .ok()?
            .components()
            .next()?
            .as_os_str()
            .to_str()
    }

    /// A finding in this file.
    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            file: self.path.clone(),
            line,
            what: what.into(),
        }
    }
}

/// Runs every rule over the workspace and prints what was found.
pub fn run(_arguments: &[String]) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    match check(root) {
        Err(message) => {
            eprintln!("tidy could not run: {message}");
            ExitCode::FAILURE
        }
        Ok((files, findings)) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            eprintln!("tidy: {files} files, {} findings", findings.len());
            if findings.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn check(root: &Path) -> Result<(usize, Vec<Finding>), String> {
    let files = text::source_files(root)?;
    let mut findings = crates::check(root)?;
    for file in &files {
        findings.extend(text::check(file));
        findings.extend(names::check_path(file));
        match syn::parse_file(&file.text) {
            Ok(syntax) => {
                findings.extend(modules::check(file, &syntax));
                findings.extend(source::check(file, &syntax));
            }
            Err(error) => {
                let line = error.span().start().line;
                findings.push(file.finding(line, format!("can't be parsed: {error}")));
            }
        }
    }
    findings.sort();
    findings.dedup();
    Ok((files.len(), findings))
}
