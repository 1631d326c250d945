//! The base manifest of a session: from the cache, or from the server.

use std::io::Write as _;

use manifest::{ContentHash, Reader};
use wire::v1::manifest_request::Which;
use wire::v1::{IngestSession, ManifestRequest};

use crate::cache::{Cache, Part};
use crate::connection::Connection;
use crate::error::{Error, Result};

/// A base manifest, open for reading.
pub(super) struct Base {
    pub(super) reader: Reader,
    /// Set where the file is not in the cache, since nobody will ask for it again.
    _part: Option<Part>,
}

/// Gets the base that the server has chosen; `None` where there is none.
pub(super) async fn obtain(
    connection: &Connection,
    cache: &Cache,
    granted: &IngestSession,
) -> Result<Option<Base>> {
    if granted.base_digest.is_empty() {
        return Ok(None);
    }
    let digest = granted.base_digest.as_slice().try_into();
    let digest = ContentHash(digest.map_err(|_| Error::Protocol {
        what: "a digest that is none",
    })?);
    if let Some(reader) = cache.manifest(digest)? {
        return Ok(Some(Base { reader, _part: None }));
    }
    let which = Which::Session(granted.session.clone());
    let part = fetch(connection, cache, which).await?;
    let reader = open(&part, digest)?;
    if granted.resumed {
        return Ok(Some(Base {
            reader,
            _part: Some(part),
        }));
    }
    cache.keep(part, digest)?;
    Ok(Some(Base { reader, _part: None }))
}

/// Fetches a manifest into a file that is not kept.
pub(crate) async fn fetch(connection: &Connection, cache: &Cache, which: Which) -> Result<Part> {
    let request = ManifestRequest { which: Some(which) };
    let reply = connection.backups().fetch_manifest(request).await;
    let mut chunks = reply.map_err(|status| Error::from_status(&status))?.into_inner();
    let part = cache.create()?;
    let mut file = part.file()?;
    while let Some(chunk) = chunks
        .message()
        .await
        .map_err(|status| Error::from_status(&status))?
    {
        file.write_all(&chunk.data)
            .map_err(|error| Error::Manifest(error.into()))?;
    }
    Ok(part)
}

/// Opens a manifest that was fetched.
pub(crate) fn open(part: &Part, digest: ContentHash) -> Result<Reader> {
    let reader = Reader::open(part.file()?)?;
    if reader.digest() != digest {
        return Err(Error::Protocol {
            what: "a manifest with another digest than announced",
        });
    }
    Ok(reader)
}
