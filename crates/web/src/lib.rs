//! The web interface: pages for people, made on the server, that read and work without scripts and move with them.
//!
//! It knows the server by its services alone, and calls them as whoever visits ([`Door`]): what a page shows or does is what that
//! person may. There is no way around, so no page decides who may see it.
//!
//! ```text
//! browser ─▶ guard (headers, origin, forms) ─▶ page ─▶ Door ─▶ gate ─▶ services
//! program ─▶ guard (headers) ────────────────▶ api  ───┘
//! ```

mod api;
mod assets;
mod content;
mod door;
mod failure;
mod guard;
mod limit;
mod pages;
mod parts;
mod server_text;
mod text;
mod visitor;

use std::sync::Arc;

use axum::Router;

pub use door::{Call, Door};

/// What all pages need.
#[derive(Clone)]
struct Site {
    door: Door,
}

/// All pages, and the API for programs. Requests must have the [`Remote`] address of their connection among their extensions.
pub fn router(door: Door) -> Router {
    let site = Site { door };
    pages::routes()
        .merge(api::routes())
        .merge(assets::routes())
        .fallback(failure::no_such_page)
        .layer(axum::middleware::from_fn_with_state(
            Arc::new(limit::Limits::default()),
            limit::limit,
        ))
        .layer(axum::middleware::from_fn(guard::guard))
        .with_state(site)
}

/// From where a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote(pub std::net::SocketAddr);
