//! What of a backup is wanted, and what it is called in the archive. Pure: it decides by paths alone.

use manifest::{check_path, compare_paths, is_beneath, join_path, split_path};

use crate::error::{Error, Result};

/// Files and directories of one backup, directories with all that is beneath them.
///
/// Names in the archive are relative to the directory that all selected paths have in common, as long as nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Sorted as in a manifest; none is beneath another.
    roots: Vec<Box<[u8]>>,
    /// What names are relative to.
    base: Box<[u8]>,
    /// What is put in front of all names.
    folder: Box<[u8]>,
}

impl Selection {
    /// Selects paths of a backup, in any order; what is beneath another of them is there once. The empty path is the whole backup.
    ///
    /// # Errors
    /// [`Error::NothingSelected`], and [`Error::Manifest`] for what can't be a path.
    pub fn new<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut roots: Vec<Box<[u8]>> = Vec::new();
        for path in paths {
            check_path(path.as_ref())?;
            roots.push(path.as_ref().into());
        }
        roots.sort_unstable_by(|a, b| compare_paths(a, b));
        // Whatever is beneath a path follows it at once.
        roots.dedup_by(|path, kept| is_beneath(path, kept));
        let base = common_parent(&roots).ok_or(Error::NothingSelected)?;
        Ok(Self {
            base: base.into(),
            folder: Box::default(),
            roots,
        })
    }

    /// Names members relative to a directory; the empty path is that of the backup. The directory itself has no name then, and is
    /// no member.
    ///
    /// # Errors
    /// [`Error::Outside`] for a directory that does not hold all that is selected.
    pub fn relative_to(self, directory: &[u8]) -> Result<Self> {
        if let Some(path) = self.roots.iter().find(|path| !is_beneath(path, directory)) {
            return Err(Error::Outside {
                path: path.clone(),
                directory: directory.into(),
            });
        }
        let base = directory.into();
        Ok(Self { base, ..self })
    }

    /// Puts everything into a folder of the archive, so that extracting it makes one directory.
    ///
    /// # Errors
    /// [`Error::Manifest`] for what can't be a path.
    pub fn in_folder(self, folder: &[u8]) -> Result<Self> {
        check_path(folder)?;
        let folder = folder.into();
        Ok(Self { folder, ..self })
    }

    /// What was selected, in manifest order, without what is beneath another.
    pub fn roots(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.iter().map(|path| &**path)
    }

    /// Whether a path is selected.
    pub fn contains(&self, path: &[u8]) -> bool {
        let after = self
            .roots
            .partition_point(|root| compare_paths(root, path).is_le());
        after > 0 && is_beneath(path, &self.roots[after - 1])
    }

    /// What a path is called in the archive; `None` for what is not in it.
    pub fn name_of(&self, path: &[u8]) -> Option<Box<[u8]>> {
        if !self.contains(path) {
            return None;
        }
        let rest = path.strip_prefix(&*self.base)?;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let name = match rest {
            b"" => self.folder.clone(),
            rest => join_path(&self.folder, rest),
        };
        (!name.is_empty()).then_some(name)
    }
}

/// Whether a manifest lists one path before another: a directory's entries stand together, sorted by name.
pub(crate) fn is_listed_before(path: &[u8], other: &[u8]) -> bool {
    match (split_path(path), split_path(other)) {
        (Some((parent, name)), Some((other_parent, other_name))) => compare_paths(parent, other_parent)
            .then(name.cmp(other_name))
            .is_lt(),
        (None, other) => other.is_some(),
        (Some(_), None) => false,
    }
}

/// The directory that holds all of them; `None` if there is nothing.
fn common_parent(roots: &[Box<[u8]>]) -> Option<&[u8]> {
    let parent = |path| split_path(path).map_or(&b""[..], |(parent, _)| parent);
    // They are sorted: what the first and the last have in common, all have.
    let (mut common, last) = (parent(roots.first()?), parent(roots.last()?));
    while !is_beneath(last, common) {
        common = parent(common);
    }
    Some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(paths: &[&str]) -> Selection {
        Selection::new(paths).expect("valid paths")
    }

    fn name(selection: &Selection, path: &str) -> Option<String> {
        let name = selection.name_of(path.as_bytes())?;
        Some(String::from_utf8(name.into()).expect("as given"))
    }

    #[test]
    fn what_is_beneath_another_is_there_once() {
        let selected = selection(&["b/x", "a-b", "a/x", "a", "b/x", "a/y/z"]);
        let roots: Vec<&[u8]> = selected.roots().collect();
        assert_eq!(roots, [&b"a"[..], b"a-b", b"b/x"]);
        let whole = selection(&["a", "", "b"]);
        assert_eq!(whole.roots().collect::<Vec<_>>(), [b""]);
    }

    #[test]
    fn names_are_relative_to_what_all_have_in_common() {
        let one = selection(&["home/anna/notes"]);
        assert_eq!(name(&one, "home/anna/notes").as_deref(), Some("notes"));
        assert_eq!(name(&one, "home/anna/notes/1").as_deref(), Some("notes/1"));
        let two = selection(&["home/anna/x/1", "home/anna/x-y"]);
        assert_eq!(name(&two, "home/anna/x/1").as_deref(), Some("x/1"));
        assert_eq!(name(&two, "home/anna/x-y").as_deref(), Some("x-y"));
        let far = selection(&["etc/hosts", "home/anna"]);
        assert_eq!(name(&far, "home/anna").as_deref(), Some("home/anna"));
        // The parent of the one is not that of the other, though its path begins so.
        let near = selection(&["ab/x", "a/x"]);
        assert_eq!(name(&near, "ab/x").as_deref(), Some("ab/x"));
        let nested = selection(&["a/b/c/x", "a/b/y"]);
        assert_eq!(name(&nested, "a/b/c/x").as_deref(), Some("c/x"));
    }

    #[test]
    fn only_what_is_selected_has_a_name() {
        let selected = selection(&["a/b", "a/c/d"]);
        for outside in ["", "a", "a/bb", "a/c", "a/c/dd", "b", "a/b-c"] {
            assert!(!selected.contains(outside.as_bytes()), "{outside}");
            assert_eq!(name(&selected, outside), None);
        }
        assert!(selected.contains(b"a/b/x/y"));
        let whole = selection(&[""]);
        assert_eq!(name(&whole, ""), None);
        assert_eq!(name(&whole, "a/b").as_deref(), Some("a/b"));
    }

    #[test]
    fn names_can_be_relative_to_another_directory_and_in_a_folder() {
        let selected = selection(&["home/anna/x"]).relative_to(b"home").expect("above");
        assert_eq!(name(&selected, "home/anna/x").as_deref(), Some("anna/x"));
        let selected = selected.relative_to(b"").expect("above");
        let selected = selected.in_folder(b"laptop").expect("valid");
        assert_eq!(
            name(&selected, "home/anna/x").as_deref(),
            Some("laptop/home/anna/x")
        );
        let flat = selected.relative_to(b"home/anna/x").expect("itself");
        assert_eq!(name(&flat, "home/anna/x").as_deref(), Some("laptop"));
        assert_eq!(name(&flat, "home/anna/x/y").as_deref(), Some("laptop/y"));
        assert!(matches!(
            flat.relative_to(b"home/bert"),
            Err(Error::Outside { .. })
        ));
    }

    #[test]
    fn nothing_leads_out() {
        assert!(matches!(Selection::new::<&[u8]>([]), Err(Error::NothingSelected)));
        for path in ["/etc", "..", "a/../..", "./a", "a/", "a\0b"] {
            assert!(
                matches!(Selection::new([path]), Err(Error::Manifest(_))),
                "{path:?}"
            );
            assert!(selection(&["a"]).in_folder(path.as_bytes()).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_directory_stands_together() {
        let sorted: [&[u8]; 7] = [b"", b"a", b"b", b"c", b"a/x", b"a/z", b"a/x/1"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(is_listed_before(a, b), i < j, "{a:?} {b:?}");
            }
        }
    }
}
