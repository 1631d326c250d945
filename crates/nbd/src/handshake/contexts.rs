//! Metadata contexts: what a client may ask about ranges. There is one, which tells where there are holes.

use super::{Handshake, take_text};
use crate::Result;
use crate::protocol::{ALLOCATION, ALLOCATION_ID, option, reply};

impl Handshake<'_> {
    /// Answers what contexts there are, or agrees on one.
    pub(super) fn contexts(&mut self, option: u32, data: &[u8]) -> Result<()> {
        let is_set = option == option::SET_META_CONTEXT;
        if is_set {
            // Each such option takes the place of the one before.
            self.allocation_of = None;
        }
        let Some((name, queries)) = take_text(data).and_then(|(name, rest)| Some((name, queries(rest)?)))
        else {
            return self.invalid(option, b"it is cut off or no UTF-8");
        };
        if !self.has_structured_replies {
            return self.invalid(option, b"it needs structured replies");
        }
        if self.open(name).is_none() {
            return self.reply(option, reply::ERR_UNKNOWN, b"there is no such export");
        }
        // Whoever lists may ask for everything, or for all of a namespace.
        let lists_it = !is_set && (queries.is_empty() || queries.contains(&"base:"));
        if lists_it || queries.contains(&ALLOCATION) {
            let mut context = ALLOCATION_ID.to_be_bytes().to_vec();
            context.extend(ALLOCATION.as_bytes());
            self.reply(option, reply::META_CONTEXT, &context)?;
            if is_set {
                self.allocation_of = Some(name.to_owned());
            }
        }
        self.reply(option, reply::ACK, &[])
    }
}

/// Texts, their number in front; `None` unless they fill the data.
fn queries(data: &[u8]) -> Option<Vec<&str>> {
    let (count, mut rest) = data.split_first_chunk::<4>()?;
    let mut queries = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (query, after) = take_text(rest)?;
        queries.push(query);
        rest = after;
    }
    rest.is_empty().then_some(queries)
}
