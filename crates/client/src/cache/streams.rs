//! The indexes of aligned streams, kept so that the next version of a stream is laid out like the last one.
//!
//! ```text
//! STATE/manifests/STREAM-CONTENT.index   STREAM: hash of the file's path, CONTENT: hash of what the file holds, both in hex
//! ```
//! They are hints. Without one a stream is laid out anew and sent as far as it differs then.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use manifest::ContentHash;

use super::{Cache, remove};
use crate::aligned::Index;
use crate::error::{Error, Result};

const SUFFIX: &str = ".index";
/// How many versions of one stream are kept: the server may choose an older base.
const KEPT: usize = 3;

impl Cache {
    /// The index of the version of a stream that has this content, else of the newest: most lies where it lay in that.
    pub(crate) fn stream_index(&self, path: &[u8], content: ContentHash) -> Option<Index> {
        let read = |path: PathBuf| Index::decode(&fs::read(path).ok()?).ok();
        read(self.index_path(path, content)).or_else(|| {
            let files = self.indexes(path).ok()?;
            let newest = files.into_iter().max_by_key(|(_, modified)| *modified);
            read(newest?.0)
        })
    }

    /// Keeps the index of a version of a stream, and of the others the newest few.
    pub(crate) fn keep_stream_index(&self, path: &[u8], content: ContentHash, index: &[u8]) -> Result<()> {
        let target = self.index_path(path, content);
        fs::write(&target, index).map_err(|source| Error::io("write", &target, source))?;
        let mut files = self.indexes(path)?;
        files.sort_by_key(|(path, modified)| std::cmp::Reverse((*path == target, *modified)));
        for (path, _) in files.iter().skip(KEPT) {
            remove(path)?;
        }
        Ok(())
    }

    /// The indexes of one stream, and when they were written.
    fn indexes(&self, path: &[u8]) -> Result<Vec<(PathBuf, SystemTime)>> {
        let prefix = stream_prefix(path);
        let mut files = self.files(SUFFIX)?;
        files.retain(|(path, _)| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        });
        Ok(files)
    }

    fn index_path(&self, path: &[u8], content: ContentHash) -> PathBuf {
        self.dir.join(format!("{}{content}{SUFFIX}", stream_prefix(path)))
    }
}

fn stream_prefix(path: &[u8]) -> String {
    format!("{}-", ContentHash::of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_versions_of_each_stream_are_kept() {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::open(state.path()).unwrap();
        let index = Index {
            slots: 0,
            chunks: Vec::new(),
            hash: ContentHash::of(b""),
        };
        let content = |number: u8| ContentHash::of(&[number]);
        cache
            .keep_stream_index(b"db/other", content(0), &index.encode())
            .unwrap();
        for number in 0..5 {
            cache
                .keep_stream_index(b"db/all", content(number), &index.encode())
                .unwrap();
        }
        assert_eq!(cache.stream_index(b"db/all", content(4)), Some(index.clone()));
        assert_eq!(cache.stream_index(b"db/other", content(0)), Some(index));
        assert_eq!(cache.indexes(b"db/all").unwrap().len(), KEPT);
    }

    #[test]
    fn of_another_version_the_newest_index_is_taken() {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::open(state.path()).unwrap();
        let index = |text: &[u8]| Index {
            slots: 0,
            chunks: Vec::new(),
            hash: ContentHash::of(text),
        };
        let (old, unknown) = (ContentHash::of(b"old"), ContentHash::of(b"unknown"));
        cache
            .keep_stream_index(b"db/all", old, &index(b"old").encode())
            .unwrap();
        assert_eq!(cache.stream_index(b"db/all", unknown), Some(index(b"old")));
        assert_eq!(cache.stream_index(b"db/none", unknown), None);
    }

    #[test]
    fn a_damaged_index_is_none() {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::open(state.path()).unwrap();
        let content = ContentHash::of(b"content");
        cache.keep_stream_index(b"db/all", content, b"nonsense").unwrap();
        assert_eq!(cache.stream_index(b"db/all", content), None);
    }
}
