//! No server inside this process: it is a client's program.

use anyhow::Result;

use crate::commands::Context;

/// There is none.
pub enum TemporaryServer {}

impl TemporaryServer {
    /// Never starts one.
    pub async fn start(_: &Context) -> Result<Option<Self>> {
        Ok(None)
    }

    /// Ends it.
    pub async fn end(self) {
        match self {}
    }
}
