//! Reading ahead of TLS, which asks the system for one record of 16 KiB at a time.

use std::io::{self, BufReader, IoSlice, Read, Write};

/// What is read at once, if it is there.
const BUFFER_BYTES: usize = 256 << 10;

/// A socket whose reads go through a buffer and whose writes do not.
#[derive(Debug)]
pub struct ReadAhead<S> {
    inner: BufReader<S>,
}

impl<S: Read> ReadAhead<S> {
    /// Wraps a socket from which nothing has been read that is still needed.
    pub fn new(socket: S) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER_BYTES, socket),
        }
    }
}

impl<S> ReadAhead<S> {
    /// The socket itself.
    pub fn socket(&self) -> &S {
        self.inner.get_ref()
    }
}

impl<S: Read> Read for ReadAhead<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl<S: Write> Write for ReadAhead<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.get_mut().write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.get_mut().flush()
    }
}
