//! The service for what becomes of clients.

use std::sync::Arc;

use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::clients_server::Clients;
use wire::v1::{ClientInfo, ClientRef, RenameClientRequest};

use crate::audit::{self, Actor};
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::retention;
use crate::services::access::{actor_of, caller_of};
use crate::services::admin::send_away;
use crate::services::reply::blocking;
use crate::services::views;

/// The most characters that people may call a client by.
const MOST_CHARACTERS: usize = 64;

/// Answers all that is about what becomes of clients.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Does something to a client for whoever has the right, notes it, and tells how the client is then.
    async fn change(
        &self,
        request: Request<ClientRef>,
        right: Right,
        told: (&str, &str),
        change: impl FnOnce(&Core, &str) -> Result<()> + Send + 'static,
    ) -> Result<Response<ClientInfo>, Status> {
        let name = request.get_ref().name.clone();
        let (caller, actor) = (caller_of(&request)?, actor_of(&request)?);
        self.change_named(name, (caller, actor), right, told, change)
            .await
    }

    async fn change_named(
        &self,
        name: String,
        (caller, actor): (Caller, Actor),
        right: Right,
        (action, detail): (&str, &str),
        change: impl FnOnce(&Core, &str) -> Result<()> + Send + 'static,
    ) -> Result<Response<ClientInfo>, Status> {
        caller.may_for(&self.core, right, &name)?;
        let (core, of) = (self.core.clone(), name.clone());
        let overview = blocking(move || {
            change(&core, &of)?;
            Ok(core.catalog.client_overview(&of)?)
        })
        .await?;
        audit::note(&self.core, &actor, action, &name, detail);
        Ok(Response::new(views::client_info(
            &self.core,
            overview,
            Vec::new(),
        )))
    }
}

#[tonic::async_trait]
impl Clients for Service {
    async fn disable(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-disable", "let in no more until it is enabled");
        self.change(request, Right::Enrol, told, |core, name| {
            core.catalog.disable_client(name, Some(core.clock.now_ms()))?;
            send_away(core, name);
            Ok(())
        })
        .await
    }

    async fn enable(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-enable", "let in again");
        self.change(request, Right::Enrol, told, |core, name| {
            Ok(core.catalog.disable_client(name, None)?)
        })
        .await
    }

    async fn remove(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-remove", "goes with all its backups");
        self.change(request, Right::Purge, told, |core, name| {
            retention::remove_client(core, name)?;
            send_away(core, name);
            Ok(())
        })
        .await
    }

    async fn take_back(&self, request: Request<ClientRef>) -> Result<Response<ClientInfo>, Status> {
        let told = ("client-take-back", "");
        self.change(request, Right::Purge, told, |core, name| {
            Ok(core.catalog.remove_client(name, None)?)
        })
        .await
    }

    async fn rename(&self, request: Request<RenameClientRequest>) -> Result<Response<ClientInfo>, Status> {
        let (caller, actor) = (caller_of(&request)?, actor_of(&request)?);
        let RenameClientRequest { name, display_name } = request.into_inner();
        let called = shown_as(&name, &display_name)?;
        let detail = match &called {
            Some(called) => format!("called {called:?}"),
            None => "called by its name".to_owned(),
        };
        let told = ("client-rename", detail.as_str());
        self.change_named(name, (caller, actor), Right::Enrol, told, move |core, name| {
            Ok(core.catalog.rename_client(name, called.as_deref())?)
        })
        .await
    }
}

/// What a client is to be called; `None` for its name.
fn shown_as(name: &str, wanted: &str) -> Result<Option<String>> {
    let wanted = wanted.trim();
    let why = match wanted {
        "" => return Ok(None),
        wanted if wanted == name => return Ok(None),
        wanted if wanted.chars().count() > MOST_CHARACTERS => {
            format!("a client is called by {MOST_CHARACTERS} characters at most")
        }
        wanted if wanted.chars().any(is_odd) => {
            "what a client is called is one line of visible characters".to_owned()
        }
        wanted => return Ok(Some(wanted.to_owned())),
    };
    Err(Error::Invalid { why })
}

/// Control characters, and those that turn the direction of what follows or are not seen.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_called_by_a_line_of_visible_characters() {
        assert_eq!(
            shown_as("pc-17", " Anna's laptop ").ok(),
            Some(Some("Anna's laptop".to_owned()))
        );
        assert_eq!(shown_as("pc-17", "").ok(), Some(None));
        assert_eq!(shown_as("pc-17", "pc-17").ok(), Some(None));
        for odd in ["two\nlines", "a\u{202e}b", "a\u{200b}b", "\u{7}"] {
            assert!(shown_as("pc-17", odd).is_err(), "{odd:?}");
        }
        assert!(shown_as("pc-17", &"ä".repeat(64)).is_ok());
        assert!(shown_as("pc-17", &"ä".repeat(65)).is_err());
    }
}
