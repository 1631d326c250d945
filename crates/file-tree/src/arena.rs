//! Many names in one allocation.

/// The names of one directory, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Arena(Vec<u8>);

/// Where a name lies in its arena: the offset in the upper 56 bits, the length in the lower 8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(u64);

impl Arena {
    /// Adds a name. Names are at most 255 bytes, checked by whoever read them.
    pub(crate) fn push(&mut self, name: &[u8]) -> Span {
        let len_bytes = u8::try_from(name.len()).expect("names are checked to be at most 255 bytes");
        let span = Span((self.0.len() as u64) << 8 | u64::from(len_bytes));
        self.0.extend_from_slice(name);
        span
    }

    /// Returns the name at `span`, which this arena handed out.
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        let start = (span.0 >> 8) as usize;
        &self.0[start..start + (span.0 & 0xff) as usize]
    }

    /// Empties the arena and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns how many bytes of names there are.
    pub(crate) fn len_bytes(&self) -> usize {
        self.0.len()
    }

    /// Returns an empty arena with room for `len_bytes` bytes of names.
    pub(crate) fn with_capacity(len_bytes: usize) -> Arena {
        Arena(Vec::with_capacity(len_bytes))
    }
}
