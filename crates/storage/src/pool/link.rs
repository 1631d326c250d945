//! The symbolic link that stands for a pooled directory in a backup.

use crate::layout::STATE;
use crate::names::{ClientName, PoolId};

/// A directory of a backup that is a link into the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolLink {
    /// Path of the directory within the backup.
    pub path: Box<[u8]>,
    /// The pooled directory.
    pub pool: PoolId,
}

/// The target of the link at `path` within a backup of the client: relative, so that a storage can be moved.
///
/// The link lies in `CLIENT/BACKUP/…`, as many levels below the storage as its path has components, and one more.
pub(crate) fn link_text(client: &ClientName, path: &[u8], pool: &PoolId) -> Vec<u8> {
    let components = path.split(|&byte| byte == b'/').count();
    let mut text = "../".repeat(components + 1).into_bytes();
    text.extend_from_slice(format!("{STATE}/pool/{client}/{pool}").as_bytes());
    text
}

/// Which pooled directory of the client a link leads to; `None` if it is none of ours, or not relative to `path`.
pub(crate) fn parse_link(client: &ClientName, path: &[u8], text: &[u8]) -> Option<PoolId> {
    let at = text.iter().rposition(|&byte| byte == b'/')?;
    let pool = PoolId::from_file_name(&text[at + 1..])?;
    (link_text(client, path, &pool) == text).then_some(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_any_depth_to_the_pool() {
        let client: ClientName = "laptop".parse().unwrap();
        let pool = PoolId::random();
        let text = link_text(&client, b"src/a/b", &pool);
        assert_eq!(
            text,
            format!("../../../../.perennial/pool/laptop/{pool}").into_bytes()
        );
        assert_eq!(parse_link(&client, b"src/a/b", &text), Some(pool));
        assert_eq!(parse_link(&client, b"src/a", &text), None);
        assert_eq!(parse_link(&"other".parse().unwrap(), b"src/a/b", &text), None);
        assert_eq!(parse_link(&client, b"src/a/b", b"/etc/passwd"), None);
        assert_eq!(parse_link(&client, b"src/a/b", b""), None);
    }
}
