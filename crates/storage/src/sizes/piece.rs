//! Pieces of the storage, and what a change adds to and takes from their references.

/// A range of the storage's address space: of the device's bytes where extents are shared, of inode numbers where
/// inodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub start: u64,
    /// How many bytes or inodes; never 0.
    pub len: u64,
    /// What each of them takes: 1 byte, or what an inode has allocated.
    pub weight_bytes: u64,
}

impl Piece {
    /// A range of bytes of the device.
    pub fn extent(start_bytes: u64, len_bytes: u64) -> Self {
        Self {
            start: start_bytes,
            len: len_bytes,
            weight_bytes: 1,
        }
    }

    /// A whole file. Of its number as much counts as SQLite has room for.
    pub fn inode(number: u64, allocated_bytes: u64) -> Self {
        Self {
            start: number % (1 << 62),
            len: 1,
            weight_bytes: allocated_bytes,
        }
    }

    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    pub fn bytes(&self) -> u64 {
        self.len.saturating_mul(self.weight_bytes)
    }
}

/// How many more references a piece has, or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub piece: Piece,
    pub references: i64,
}

/// Where the number of references changes.
struct Edge {
    at: u64,
    references: i64,
    /// The weight of the piece that begins here, if one does.
    begun_weight_bytes: Option<u64>,
}

/// What many changes come to together: sorted, disjoint, and without those that cancel each other out.
pub(super) fn net(changes: &[Change]) -> Vec<Change> {
    let mut edges: Vec<Edge> = Vec::with_capacity(changes.len() * 2);
    for Change { piece, references } in changes {
        let edge = |at, references, begun_weight_bytes| Edge {
            at,
            references,
            begun_weight_bytes,
        };
        edges.extend([
            edge(piece.start, *references, Some(piece.weight_bytes)),
            edge(piece.end(), -references, None),
        ]);
    }
    edges.sort_unstable_by_key(|edge| edge.at);
    let mut net: Vec<Change> = Vec::new();
    let mut references = 0;
    let mut start = 0;
    let mut weight_bytes = 1;
    for of_place in edges.chunk_by(|one, next| one.at == next.at) {
        let at = of_place[0].at;
        if references != 0 {
            push(&mut net, start..at, references, weight_bytes);
        }
        start = at;
        references += of_place.iter().map(|edge| edge.references).sum::<i64>();
        let begun = of_place.iter().filter_map(|edge| edge.begun_weight_bytes);
        weight_bytes = begun.max().unwrap_or(weight_bytes);
    }
    net
}

fn push(net: &mut Vec<Change>, range: std::ops::Range<u64>, references: i64, weight_bytes: u64) {
    let piece = Piece {
        start: range.start,
        len: range.end - range.start,
        weight_bytes,
    };
    match net.last_mut() {
        Some(last)
            if last.piece.end() == piece.start
                && last.references == references
                && (last.piece.weight_bytes, weight_bytes) == (1, 1) =>
        {
            last.piece.len += piece.len;
        }
        _ => net.push(Change { piece, references }),
    }
}
