//! What the server is doing: jobs with their progress, and the clients that are connected and can be asked.

mod attached;
mod board;

pub use attached::{Attached, Attachment};
pub use board::{Board, Event, LiveJob, News, Order, finished, is_backup};
