//! Which directories are backed up, under which names, and how backups are kept from backing up themselves.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::config::{SourceEntry, default_name};
use crate::failure::Failure;

/// What is to be backed up.
#[derive(Debug)]
pub struct Places {
    /// The sources, each with a name of its own.
    pub sources: Vec<SourceEntry>,
    /// What the user should know about them.
    pub notes: Vec<String>,
}

impl Places {
    /// Finds the sources at `paths`. `own` are Perennial's own directories: a source may hold one, which is left out then,
    /// but may not lie in one.
    pub fn find(paths: &[PathBuf], own: &[&Path]) -> Result<Self, Failure> {
        let own: BTreeSet<PathBuf> = own.iter().map(|dir| resolved(dir)).collect();
        let mut places = Self {
            sources: Vec::new(),
            notes: Vec::new(),
        };
        for path in paths {
            let real = directory(path)?;
            if places.sources.iter().any(|source| source.path() == Some(&*real)) {
                continue;
            }
            if let Some(dir) = own.iter().find(|dir| real.starts_with(dir)) {
                let why = format!("it lies in {}, which holds Perennial's own files", dir.display());
                return Err(unsuitable(path, why));
            }
            let mut source = SourceEntry::new(places.free_name(&default_name(&real)), &real);
            for dir in &own {
                if let Ok(beneath) = dir.strip_prefix(&real) {
                    source.exclude.push(pattern(beneath));
                    places.notes.push(format!(
                        "Left out of the backup: {}, Perennial's own files.",
                        dir.display()
                    ));
                }
            }
            places.sources.push(source);
        }
        Ok(places)
    }

    fn free_name(&self, wanted: &str) -> String {
        let is_free = |name: &str| self.sources.iter().all(|source| source.name != name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(|name| is_free(name))
            .expect("numbers don't end")
    }
}

fn directory(path: &Path) -> Result<PathBuf, Failure> {
    let real = path
        .canonicalize()
        .map_err(|error| unsuitable(path, error.to_string()))?;
    if real.is_dir() {
        Ok(real)
    } else {
        Err(unsuitable(
            path,
            "it is not a directory; name the one that it lies in".into(),
        ))
    }
}

/// The real path of what may not be there yet: that of the nearest directory above that is, and the rest.
fn resolved(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    path.to_owned()
}

/// A gitignore pattern for exactly this directory beneath the source.
fn pattern(beneath: &Path) -> String {
    let text = String::from_utf8_lossy(beneath.as_os_str().as_bytes()).into_owned();
    let mut pattern = String::from("/");
    for character in text.chars() {
        if matches!(
            character,
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ' ' | '!' | '#'
        ) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('/');
    pattern
}

fn unsuitable(path: &Path, why: String) -> Failure {
    Failure::Unsuitable {
        path: path.display().to_string(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(root: &Path, paths: &[&str], own: &[&str]) -> Result<Places, Failure> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
        let own: Vec<PathBuf> = own.iter().map(|path| root.join(path)).collect();
        Places::find(&paths, &own.iter().map(PathBuf::as_path).collect::<Vec<_>>())
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in ["a/docs", "b/docs", "store"] {
            std::fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        std::fs::write(root.path().join("file"), "x").unwrap();
        root
    }

    #[test]
    fn every_source_gets_a_name_of_its_own() {
        let root = tree();
        let places = find(root.path(), &["a/docs", "b/docs", "a/docs/"], &["store"]).unwrap();
        let names: Vec<_> = places.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["docs", "docs-2"]);
        assert!(places.notes.is_empty());
    }

    #[test]
    fn storage_inside_a_source_is_left_out() {
        let root = tree();
        let places = find(root.path(), &["a"], &["a/docs/my [b]/s"]).unwrap();
        assert_eq!(places.sources[0].exclude, ["/docs/my\\ \\[b\\]/s/"]);
        assert_eq!(places.notes.len(), 1);
    }

    #[test]
    fn a_source_inside_the_storage_is_refused() {
        let root = tree();
        let error = find(root.path(), &["store"], &["store"]).unwrap_err();
        assert!(error.to_string().contains("Perennial's own files"));
        assert!(find(root.path(), &["a/docs"], &["a"]).is_err());
    }

    #[test]
    fn only_directories_that_are_there_can_be_sources() {
        let root = tree();
        assert!(find(root.path(), &["none"], &[]).is_err());
        assert!(find(root.path(), &["file"], &[]).is_err());
    }
}
