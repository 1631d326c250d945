//! One data connection of an ingest session: takes frames, writes files, proves every hash.

use std::collections::HashMap;
use std::sync::Arc;

use manifest::content::{BLOCK_BYTES, BlockHash, BlockHasher, ContentHash, block_count, hash_block};
use manifest::{Entry, Kind, join_path};
use storage::{FileSink, FileStart};
use tracing::debug;
use wire::frame::{Frame, FrameReader};
use wire::v1::{FileEnd, Piece, PieceStart, file_end::Outcome};

use crate::error::{Error, Result};
use crate::ingest::Session;
use crate::ingest::announced::Announced;

/// Files that may be begun and not ended on one connection.
const MAX_OPEN_FILES: usize = 64;
/// How much of a new file comes before what there is of it is noted anew: what a crash of the server can cost.
const NOTE_BYTES: u64 = 256 << 20;
/// Fewer zeros are not worth a hole: the page of most file systems.
const HOLE_BYTES: usize = 4096;
/// Zeros are hashed in runs of this size.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Serves the connection until its end mark.
pub fn receive<R: std::io::Read>(session: &Arc<Session>, reader: &mut FrameReader<R>) -> Result<()> {
    let mut open: HashMap<u64, Receiving> = HashMap::new();
    let received = receive_frames(session, reader, &mut open);
    for (file_id, mut receiving) in open {
        // Where even the session is over, nothing can be kept.
        if let Err(error) = receiving.note(session, file_id) {
            debug!(error = error.chain(), "what has come of a file is not kept");
        }
    }
    received
}

fn receive_frames<R: std::io::Read>(
    session: &Arc<Session>,
    reader: &mut FrameReader<R>,
    open: &mut HashMap<u64, Receiving>,
) -> Result<()> {
    let mut counted_bytes = 0;
    loop {
        let frame = reader.next_frame()?;
        session.check()?;
        match frame {
            Frame::End if open.is_empty() => return Ok(()),
            Frame::End => return Err(Error::protocol("a data connection ends inside a file")),
            Frame::Pieces(pieces, mut payload) => {
                for piece in pieces {
                    let (bytes, rest) = payload.split_at(piece.len_bytes as usize);
                    payload = rest;
                    take_piece(session, open, piece, bytes)?;
                }
            }
        }
        session.received(reader.received_bytes() - counted_bytes);
        counted_bytes = reader.received_bytes();
    }
}

fn take_piece(
    session: &Arc<Session>,
    open: &mut HashMap<u64, Receiving>,
    piece: Piece,
    bytes: &[u8],
) -> Result<()> {
    let file_id = piece.file_id;
    match piece.start() {
        PieceStart::None => {
            let receiving = open
                .get_mut(&file_id)
                .ok_or_else(|| Error::protocol("a piece of a file that was not begun"))?;
            receiving.take(session, &piece, bytes)?;
            if receiving.is_to_be_noted() {
                receiving.note(session, file_id)?;
            }
        }
        start => {
            if let Some(begun) = open.remove(&file_id) {
                // What was noted of it is no more: it is overwritten.
                session.so_far(file_id, None)?;
                let mut receiving = begun.restart(session, start)?;
                receiving.take(session, &piece, bytes)?;
                open.insert(file_id, receiving);
                return end_of(session, open, &piece);
            }
            if open.len() >= MAX_OPEN_FILES {
                return Err(Error::protocol("too many files are open on a data connection"));
            }
            let announced = session.files().take(file_id)?;
            if let Some(end) = whole_file(&piece, start) {
                return take_whole(session, file_id, announced, end, bytes);
            }
            let mut receiving = Receiving::begin(session, announced, start)?;
            receiving.take(session, &piece, bytes)?;
            open.insert(file_id, receiving);
        }
    }
    end_of(session, open, &piece)
}

/// Ends the file if this is its last piece.
fn end_of(session: &Arc<Session>, open: &mut HashMap<u64, Receiving>, piece: &Piece) -> Result<()> {
    let Some(end) = &piece.end else { return Ok(()) };
    let receiving = open
        .remove(&piece.file_id)
        .ok_or_else(|| Error::protocol("a file ends twice"))?;
    receiving.finish(session, piece.file_id, end)
}

/// The end of a file that lies in one piece as a whole.
fn whole_file(piece: &Piece, start: PieceStart) -> Option<&FileEnd> {
    let end = piece.end.as_ref()?;
    let whole = start == PieceStart::New
        && piece.offset_bytes == 0
        && piece.hole_len_bytes == 0
        && end.outcome() == Outcome::Complete;
    whole.then_some(end)
}

/// Writes a file that came in one piece: most files of most trees.
fn take_whole(
    session: &Arc<Session>,
    file_id: u64,
    announced: Announced,
    end: &FileEnd,
    bytes: &[u8],
) -> Result<()> {
    let hashed = if manifest::content::keeps_block_hashes(bytes.len() as u64) {
        let mut hasher = BlockHasher::new();
        hasher.update(bytes);
        let hashed = hasher.finish();
        (hashed.hash, hashed.block_hashes)
    } else {
        (ContentHash::of(bytes), Arc::from([]))
    };
    check_hash(&announced, end, hashed.0)?;
    let entry = final_entry(&announced, end, bytes.len() as u64, hashed.0, hashed.1)?;
    session.ingest()?.put_small(&announced.slot, &entry, bytes)?;
    session.complete(file_id, entry)
}

/// A file that is arriving piece by piece.
struct Receiving {
    announced: Announced,
    /// `None` if the content leads nowhere.
    sink: Option<FileSink>,
    content: Content,
    size: u64,
    /// Whether the file may differ from what is known of its content.
    is_torn: bool,
    noted_bytes: u64,
}

/// What is known of the content so far.
enum Content {
    /// All of it comes, by rising offset.
    New(Box<BlockHasher>),
    /// The base's content, with some blocks replaced.
    Patch {
        base_size: u64,
        base_hash: ContentHash,
        blocks: Vec<BlockHash>,
        touched: bool,
    },
    /// Nothing of it comes: it was unreadable.
    Dropped,
    /// A patch of what the storage has lost: it comes in vain.
    Lost,
}

impl Receiving {
    fn begin(session: &Arc<Session>, announced: Announced, start: PieceStart) -> Result<Self> {
        let (content, file_start) = match (start, &announced.base) {
            (PieceStart::Patch, Some(base)) => match &base.kind {
                Kind::File {
                    size,
                    hash,
                    block_hashes,
                } => (
                    Content::Patch {
                        base_size: *size,
                        base_hash: *hash,
                        blocks: block_hashes.to_vec(),
                        touched: false,
                    },
                    FileStart::Patch,
                ),
                _ => return Err(Error::protocol("a patch of what is no regular file")),
            },
            (PieceStart::Patch, None) => {
                return Err(Error::protocol("a patch of a file that the base does not have"));
            }
            _ => (Content::New(Box::new(BlockHasher::new())), FileStart::New),
        };
        let opened = session
            .ingest()?
            .file(&announced.slot, &announced.entry, file_start);
        let (sink, content) = match opened {
            Err(storage::Error::NoBase { .. }) => (None, Content::Lost),
            opened => (Some(opened?), content),
        };
        let size = match &content {
            Content::Patch { base_size, .. } => *base_size,
            _ => 0,
        };
        Ok(Self {
            announced,
            sink,
            content,
            size,
            is_torn: false,
            noted_bytes: 0,
        })
    }

    /// Begins again: the file changed while the client read it. A patch then replaces blocks of what came before.
    fn restart(self, session: &Arc<Session>, start: PieceStart) -> Result<Self> {
        match (start, self.content) {
            (PieceStart::Patch, Content::New(hasher)) => {
                let hashed = hasher.finish();
                let content = Content::Patch {
                    base_size: hashed.size,
                    base_hash: hashed.hash,
                    blocks: hashed.block_hashes.to_vec(),
                    touched: false,
                };
                Ok(Self {
                    content,
                    size: hashed.size,
                    ..self
                })
            }
            (PieceStart::Patch, content) => Ok(Self { content, ..self }),
            _ => {
                drop(self.sink);
                Self::begin(session, self.announced, PieceStart::New)
            }
        }
    }

    fn take(&mut self, session: &Arc<Session>, piece: &Piece, bytes: &[u8]) -> Result<()> {
        // Nothing is written for a file that ends as dropped; its sink is given up at the end.
        if piece
            .end
            .as_ref()
            .is_some_and(|end| end.outcome() == Outcome::Dropped)
        {
            self.content = Content::Dropped;
            return Ok(());
        }
        let offset = piece.offset_bytes;
        let after = offset + bytes.len() as u64;
        let end = after + piece.hole_len_bytes;
        if end > largest_size(self.announced.entry.size()) {
            let path = self.announced.path();
            return Err(Error::protocol(format!(
                "the content of {path} goes on far beyond its announced size"
            )));
        }
        let Some(sink) = &self.sink else { return Ok(()) };
        self.is_torn = true;
        match &mut self.content {
            Content::New(hasher) => {
                if !bytes.is_empty() || piece.hole_len_bytes > 0 {
                    if hasher.size() != offset {
                        return Err(Error::protocol("the pieces of a file don't follow one another"));
                    }
                    hasher.update(bytes);
                    hash_zeros(session, hasher, piece.hole_len_bytes)?;
                }
            }
            Content::Patch { blocks, touched, .. } => {
                if end > offset {
                    *touched = true;
                    replace_blocks(session, blocks, offset, bytes, piece.hole_len_bytes)?;
                }
            }
            Content::Dropped | Content::Lost => {
                return Err(Error::protocol("content for a file that was given up"));
            }
        }
        match &self.content {
            Content::Patch { .. } => write_sparse(sink, bytes, offset)?,
            _ if bytes.is_empty() => {}
            _ => sink.write_at(bytes, offset)?,
        }
        if piece.hole_len_bytes > 0 {
            sink.punch(after, piece.hole_len_bytes)?;
        }
        self.size = self.size.max(end);
        self.is_torn = false;
        Ok(())
    }

    /// Whether so much of a new file has come that it should be noted.
    fn is_to_be_noted(&self) -> bool {
        matches!(self.content, Content::New(_)) && self.size >= self.noted_bytes + NOTE_BYTES
    }

    /// Notes what has come, for a session that takes this one up.
    fn note(&mut self, session: &Session, file_id: u64) -> Result<()> {
        self.noted_bytes = self.size;
        let base = self.announced.base.as_ref();
        let so_far = match &self.content {
            _ if self.is_torn => None,
            Content::New(hasher) => self.known(hasher.full_blocks()),
            Content::Patch { touched: false, .. } => {
                let base = base.filter(|base| {
                    let kept = session
                        .ingest()
                        .map(|ingest| ingest.keep_base(&self.announced.slot, base));
                    matches!(kept, Ok(Ok(())))
                });
                base.cloned()
            }
            Content::Patch {
                base_size, blocks, ..
            } => {
                // What was written behind the base's end follows on it only if that was the end of a block.
                let whole_blocks = if self.size > *base_size {
                    &blocks[..(base_size / BLOCK_BYTES) as usize]
                } else {
                    blocks
                };
                self.known(whole_blocks)
            }
            Content::Dropped | Content::Lost => None,
        };
        session.so_far(file_id, so_far)
    }

    /// An entry for the begin of the file, up to the end of these blocks; `None` where that is not worth it.
    fn known(&self, blocks: &[BlockHash]) -> Option<Entry> {
        let size = self.size.min(blocks.len() as u64 * BLOCK_BYTES);
        if !manifest::content::keeps_block_hashes(size) {
            return None;
        }
        let hash = ContentHash::from_blocks(size, blocks)?;
        let mut entry = self.announced.entry.clone();
        // The next session has to look at the file again, whatever its size.
        (entry.metadata.mtime, entry.metadata.ctime) = Default::default();
        entry.kind = Kind::file(size, hash, Arc::from(blocks));
        Some(entry)
    }

    fn finish(self, session: &Arc<Session>, file_id: u64, end: &FileEnd) -> Result<()> {
        let announced = self.announced;
        if end.outcome() == Outcome::Dropped {
            drop(self.sink);
            return leave_out(session, file_id, &announced);
        }
        let Some(sink) = self.sink else {
            return lose(session, file_id, &announced);
        };
        let (size, hash, blocks) = match self.content {
            Content::New(hasher) => {
                let hashed = hasher.finish();
                (hashed.size, hashed.hash, hashed.block_hashes)
            }
            Content::Patch {
                base_size,
                base_hash,
                blocks,
                touched,
            } => {
                let size = final_size(&announced, end)?;
                if !touched && size == base_size {
                    (size, base_hash, Arc::from(blocks))
                } else {
                    patched(&announced, size, blocks)?
                }
            }
            Content::Dropped | Content::Lost => {
                return Err(Error::protocol("content for a file that was given up"));
            }
        };
        check_hash(&announced, end, hash)?;
        let entry = final_entry(&announced, end, size, hash, blocks)?;
        match sink.finish(&entry) {
            Err(storage::Error::NoBase { .. }) => lose(session, file_id, &announced),
            finished => {
                finished?;
                session.complete(file_id, entry)
            }
        }
    }
}

/// Ends a file that does not become part of the backup.
fn leave_out(session: &Session, file_id: u64, announced: &Announced) -> Result<()> {
    session.ingest()?.skip(&announced.slot, &announced.entry.name)?;
    session.dropped(file_id)
}

/// Ends a file whose content should have come from the base.
fn lose(session: &Session, file_id: u64, announced: &Announced) -> Result<()> {
    session.lost([join_path(announced.slot.path(), &announced.entry.name)]);
    leave_out(session, file_id, announced)
}

/// How large a file may turn out that was announced with this size: it may have grown since it was listed.
fn largest_size(announced: u64) -> u64 {
    announced.saturating_add(announced.max(1 << 30))
}

/// The hash of a patched file, from its blocks.
fn patched(
    announced: &Announced,
    size: u64,
    mut blocks: Vec<BlockHash>,
) -> Result<(u64, ContentHash, Arc<[BlockHash]>)> {
    let count = usize::try_from(block_count(size)).map_err(|_| Error::protocol("a file is too large"))?;
    blocks.truncate(count);
    let hash = ContentHash::from_blocks(size, &blocks)
        .ok_or_else(|| Error::protocol(format!("the patch of {} does not cover it", announced.path())))?;
    let kept = if manifest::content::keeps_block_hashes(size) {
        Arc::from(blocks)
    } else {
        Arc::from([])
    };
    Ok((size, hash, kept))
}

/// Replaces the hashes of the blocks that a piece and the hole behind it cover.
fn replace_blocks(
    session: &Arc<Session>,
    blocks: &mut Vec<BlockHash>,
    offset: u64,
    bytes: &[u8],
    hole_len: u64,
) -> Result<()> {
    let aligned = offset.is_multiple_of(BLOCK_BYTES)
        && (hole_len == 0 || (bytes.len() as u64).is_multiple_of(BLOCK_BYTES));
    if !aligned || blocks.is_empty() {
        return Err(Error::protocol("a patch is not made of whole blocks"));
    }
    let mut index = offset / BLOCK_BYTES;
    for block in bytes.chunks(BLOCK_BYTES as usize) {
        set_block(blocks, index, hash_block(index, block))?;
        index += 1;
    }
    let mut left = hole_len;
    while left > 0 {
        session.check()?;
        let len = left.min(BLOCK_BYTES);
        set_block(blocks, index, zero_block(index, len))?;
        index += 1;
        left -= len;
    }
    Ok(())
}

/// Writes whole blocks, and leaves the zeros that they end with as holes: a patch has no other way to tell of them.
fn write_sparse(sink: &FileSink, bytes: &[u8], offset: u64) -> Result<()> {
    let mut written = 0;
    let mut end = 0;
    for block in bytes.chunks(BLOCK_BYTES as usize) {
        let data_len = block
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let data_end = end + data_len.next_multiple_of(HOLE_BYTES).min(block.len());
        end += block.len();
        if data_end < end {
            if written < data_end {
                sink.write_at(&bytes[written..data_end], offset + written as u64)?;
            }
            sink.punch(offset + data_end as u64, (end - data_end) as u64)?;
            written = end;
        }
    }
    if written < end {
        sink.write_at(&bytes[written..], offset + written as u64)?;
    }
    Ok(())
}

fn zero_block(index: u64, len: u64) -> BlockHash {
    static ZERO_BLOCK: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
    hash_block(index, &ZERO_BLOCK[..len as usize])
}

fn set_block(blocks: &mut Vec<BlockHash>, index: u64, hash: BlockHash) -> Result<()> {
    let index = usize::try_from(index).map_err(|_| Error::protocol("a file is too large"))?;
    if index > blocks.len() {
        return Err(Error::protocol("a patch leaves out blocks at the file's end"));
    }
    if index == blocks.len() {
        blocks.push(hash);
    } else {
        blocks[index] = hash;
    }
    Ok(())
}

fn hash_zeros(session: &Arc<Session>, hasher: &mut BlockHasher, mut len: u64) -> Result<()> {
    while len > 0 {
        session.check()?;
        let run = len.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..run as usize]);
        len -= run;
    }
    Ok(())
}

fn check_hash(announced: &Announced, end: &FileEnd, hash: ContentHash) -> Result<()> {
    if end.hash != hash.0 {
        return Err(Error::WrongHash {
            path: announced.path(),
        });
    }
    Ok(())
}

/// The size that the client gives a file in the end.
fn final_size(announced: &Announced, end: &FileEnd) -> Result<u64> {
    Ok(if end.entry.is_empty() {
        announced.entry.size()
    } else {
        manifest::decode_entry(&end.entry)?.size()
    })
}

/// The entry for the manifest: as announced or as corrected, with the content that really came.
fn final_entry(
    announced: &Announced,
    end: &FileEnd,
    size: u64,
    hash: ContentHash,
    block_hashes: Arc<[BlockHash]>,
) -> Result<Entry> {
    let mut entry = if end.entry.is_empty() {
        announced.entry.clone()
    } else {
        manifest::decode_entry(&end.entry)?
    };
    if entry.name != announced.entry.name {
        return Err(Error::protocol("a file changes its name while it is sent"));
    }
    match &mut entry.kind {
        Kind::File { size: claimed, .. } if *claimed == size => {}
        Kind::File { .. } => {
            return Err(Error::protocol(format!(
                "{} has another size than was said",
                announced.path()
            )));
        }
        _ => return Err(Error::protocol("content for what is no regular file")),
    }
    entry.kind = Kind::File {
        size,
        hash,
        block_hashes,
    };
    Ok(entry)
}
