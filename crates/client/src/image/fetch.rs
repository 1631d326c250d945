//! Reading an image from the server: its description, its manifest, and the content of its volumes.

use disk_image::restore::Run;
use manifest::Reader;
use tokio::sync::mpsc;
use tonic::Streaming;
use wire::frame::{Frame, FrameReader};
use wire::v1::manifest_request::Which;
use wire::v1::restore_reply::Reply;
use wire::v1::restore_request::Request;
use wire::v1::{
    BackupRef, RestoreFinish, RestoreReply, RestoreRequest, Wanted, WantedFile, file_end::Outcome,
};

use crate::backup::{fetch as fetch_manifest, lost, open as open_manifest};
use crate::cache::{Cache, Part};
use crate::connection::{Connection, DataConnection};
use crate::error::{Error, Result};
use crate::restore::session::{self, Granted};

/// Requests that may wait to be sent.
const QUEUED_REQUESTS: usize = 4;

/// An image on the server, open for reading. While it is, it can't be deleted.
pub struct ImageReader {
    manifest: Reader,
    _part: Part,
    requests: mpsc::Sender<RestoreRequest>,
    replies: Streaming<RestoreReply>,
    frames: FrameReader<DataConnection>,
    runtime: tokio::runtime::Handle,
    next_id: u64,
}

impl ImageReader {
    /// Opens a backup of this client.
    ///
    /// Fails with [`Error::NotFound`], and where the connection can't be had or breaks.
    pub async fn open(connection: &Connection, cache: &Cache, backup: BackupRef) -> Result<Self> {
        let Granted {
            requests,
            replies,
            session,
        } = session::ask(connection, backup.clone(), QUEUED_REQUESTS).await?;
        let digest = session
            .digest
            .as_slice()
            .try_into()
            .map_err(|_| Error::Protocol {
                what: "a digest that is none",
            })?;
        let part = fetch_manifest(connection, cache, Which::Backup(backup)).await?;
        let manifest = open_manifest(&part, manifest::ContentHash(digest))?;
        let (dialler, key) = (connection.dialler().clone(), session.session.clone());
        let dialling = tokio::task::spawn_blocking(move || session::join(dialler.open()?, &key));
        let frames = dialling.await.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        })??;
        Ok(Self {
            manifest,
            _part: part,
            requests,
            replies,
            frames,
            runtime: tokio::runtime::Handle::current(),
            next_id: 1,
        })
    }

    /// What the image holds.
    pub fn manifest(&self) -> &Reader {
        &self.manifest
    }

    /// Gives the content of a file from its begin to its end. Blocks; not to be called from asynchronous code.
    ///
    /// Fails where the server can't read the file, and with [`Error::Disk`] where `each` fails.
    pub fn read(
        &mut self,
        path: &[u8],
        each: &mut dyn FnMut(Run<'_>) -> disk_image::Result<()>,
    ) -> Result<()> {
        let file_id = self.next_id;
        self.next_id += 1;
        let wanted = WantedFile {
            file_id,
            path: path.to_vec(),
            ranges: Vec::new(),
        };
        let wanted = RestoreRequest {
            request: Some(Request::Wanted(Wanted { files: vec![wanted] })),
        };
        self.requests
            .blocking_send(wanted)
            .map_err(|_| Error::interrupted("the server takes no requests any more"))?;
        let mut at = 0;
        loop {
            let Frame::Pieces(pieces, mut payload) = self.frames.next_frame().map_err(lost)? else {
                return Err(Error::interrupted("the server ended the data connection"));
            };
            for piece in pieces {
                let (bytes, rest) = payload.split_at(piece.len_bytes as usize);
                payload = rest;
                if piece.file_id != file_id || (piece.end.is_none() && piece.offset_bytes != at) {
                    return Err(Error::Protocol {
                        what: "content out of order",
                    });
                }
                if !bytes.is_empty() {
                    each(Run::Data(bytes)).map_err(Error::Disk)?;
                }
                if piece.hole_len_bytes > 0 {
                    each(Run::Zeros(piece.hole_len_bytes)).map_err(Error::Disk)?;
                }
                at += bytes.len() as u64 + piece.hole_len_bytes;
                match piece.end.as_ref().map(|end| end.outcome()) {
                    None => {}
                    Some(Outcome::Complete) => return Ok(()),
                    Some(Outcome::Dropped) => return Err(self.reason()),
                }
            }
        }
    }

    /// Why the server could not give a file.
    fn reason(&mut self) -> Error {
        let next = self.runtime.block_on(self.replies.message());
        let message = match next {
            Ok(Some(RestoreReply {
                reply: Some(Reply::Failed(failed)),
            })) => failed.reason,
            _ => "the server could not read it".to_owned(),
        };
        Error::Refused { message }
    }

    /// Lets the image go.
    pub async fn close(self) {
        let finish = RestoreRequest {
            request: Some(Request::Finish(RestoreFinish {})),
        };
        // If the server does not hear of it, it finds the connection closed.
        let _ = self.requests.send(finish).await;
    }
}
