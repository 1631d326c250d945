//! What every call passes before its method begins: who calls is found out, and whether he may call this method at all. What is not in the
//! [table](super::methods) is let through to nobody.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response, header};
use tower::{Layer, Service};

use super::methods::{Access, access_to};
use crate::caller::{Caller, only_for_administrators};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::trust::Peer;

const SCHEME: &str = "Bearer ";

/// Puts the gate before services.
#[derive(Clone)]
pub struct Gate {
    core: Arc<Core>,
}

impl Gate {
    /// The gate of a server.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            core: self.core.clone(),
            inner,
        }
    }
}

/// Services behind the gate.
#[derive(Clone)]
pub struct Guarded<S> {
    core: Arc<Core>,
    inner: S,
}

type Answer<E> = Pin<Box<dyn Future<Output = std::result::Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match admit(&self.core, &request) {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Box::pin(self.inner.call(request))
            }
            Err(error) => {
                let refusal = Status::from(error).into_http();
                Box::pin(std::future::ready(Ok(refusal)))
            }
        }
    }
}

/// Who calls, where that matters; refuses who may not call this method.
fn admit(core: &Core, request: &Request<Body>) -> Result<Option<Caller>> {
    let path = request.uri().path();
    let Some(access) = access_to(path) else {
        return Err(Error::NoSuchMethod {
            path: path.to_owned(),
        });
    };
    if access == Access::Anyone {
        return Ok(None);
    }
    let peer = request.extensions().get::<Peer>();
    let peer = peer.ok_or_else(|| Error::Unauthenticated {
        why: "the connection has no peer".to_owned(),
    })?;
    let caller = Caller::identify(core, peer, bearer(request.headers()))?;
    match (access, &caller) {
        (Access::Anyone | Access::RightsOrClients(_), Caller::Client(_)) | (_, Caller::Admin) => {}
        (Access::Clients, _) => drop(caller.clone().client()?),
        (_, Caller::Client(_)) => return Err(only_for_administrators()),
        (Access::Rights(rights) | Access::RightsOrClients(rights), _) => caller.may_somewhere(rights)?,
        (Access::Anyone | Access::Users, Caller::User(_)) => {}
    }
    Ok(Some(caller))
}

/// The token that a request carries (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}
