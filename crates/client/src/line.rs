//! A data connection to the server that brings content: opened once there is something to send, compressed where that pays.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::frame::FrameWriter;
use wire::v1::Piece;

use crate::abort::Abort;
use crate::backup::lost;
use crate::compression::{BusyTime, Meter, Policy, Timed};
use crate::connection::{DataConnection, DataDialler};
use crate::error::Result;
use crate::settings::CompressionSetting;

/// What the lines of a session have in common.
#[derive(Clone, Copy)]
pub(crate) struct LineSetup<'a> {
    pub(crate) dialler: &'a DataDialler,
    /// What data connections introduce themselves with.
    pub(crate) key: &'a [u8],
    pub(crate) compression: CompressionSetting,
    /// How many share the link.
    pub(crate) connections: usize,
    /// Bytes that went over all of them.
    pub(crate) sent_bytes: &'a AtomicU64,
    /// Ends the connection when the session ends.
    pub(crate) abort: &'a Abort,
}

/// A data connection.
pub(crate) struct Line<'a> {
    setup: LineSetup<'a>,
    open: Option<OpenLine>,
}

struct OpenLine {
    writer: FrameWriter<Timed<DataConnection>>,
    policy: Policy,
    busy: BusyTime,
    /// What the session's count has been told.
    counted_bytes: u64,
}

impl<'a> Line<'a> {
    /// Creates one that is not open yet.
    pub(crate) fn new(setup: LineSetup<'a>) -> Self {
        Self { setup, open: None }
    }

    /// Whether it has been opened.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Sends a piece and its bytes.
    pub(crate) fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        let line = match &mut self.open {
            Some(line) => line,
            none => none.insert(OpenLine::open(&self.setup)?),
        };
        line.writer.piece(piece, bytes).map_err(lost)?;
        line.account(&self.setup);
        Ok(())
    }

    /// Sends what waits for company.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if let Some(line) = &mut self.open
            && !line.writer.is_empty()
        {
            line.writer.flush().map_err(lost)?;
            line.account(&self.setup);
        }
        Ok(())
    }

    /// Sends the rest and ends the connection.
    pub(crate) fn close(&mut self) -> Result<()> {
        if let Some(mut line) = self.open.take() {
            line.writer.flush().map_err(lost)?;
            line.account(&self.setup);
            let connection = line.writer.finish().map_err(lost)?;
            connection
                .into_inner()
                .close()
                .map_err(|error| lost(error.into()))?;
        }
        Ok(())
    }
}

impl OpenLine {
    fn open(setup: &LineSetup<'_>) -> Result<Self> {
        let connection = setup.dialler.open()?;
        setup.abort.watch(connection.breaker()?);
        let policy = Policy::new(setup.compression, setup.connections, connection.is_loopback());
        let connection = Timed::new(connection);
        let busy = connection.busy();
        let mut writer = FrameWriter::create(connection, setup.key).map_err(lost)?;
        writer.set_compression(policy.compression());
        Ok(Self {
            writer,
            policy,
            busy,
            counted_bytes: 0,
        })
    }

    /// Looks at what was sent since the last time.
    fn account(&mut self, setup: &LineSetup<'_>) {
        let sent_bytes = self.writer.sent_bytes();
        if sent_bytes == self.counted_bytes {
            return;
        }
        setup
            .sent_bytes
            .fetch_add(sent_bytes - self.counted_bytes, Ordering::Relaxed);
        self.counted_bytes = sent_bytes;
        let meter = Meter {
            raw_bytes: self.writer.raw_bytes(),
            sent_bytes,
            busy: self.busy.get(),
        };
        self.policy.observe(meter);
        self.writer.set_compression(self.policy.compression());
    }
}
