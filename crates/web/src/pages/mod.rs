//! The pages, one file each.

mod account;
mod activity;
mod backup;
mod browse;
mod changes;
mod client;
mod clients;
mod compare;
mod log_in;
mod overview;
mod storage;

use axum::Router;
use axum::routing::{get, post};

use crate::Site;

/// All pages.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(overview::show))
        .route("/login", get(log_in::show).post(log_in::log_in))
        .route("/welcome", get(log_in::welcome).post(log_in::set_up))
        .route("/logout", post(log_in::log_out))
        .route("/account", get(account::show))
        .route("/account/look", post(account::set_look))
        .route("/activity", get(activity::show))
        .route("/activity/live", get(activity::live))
        .route("/activity/{job}", get(activity::job))
        .route("/activity/{job}/cancel", post(activity::cancel))
        .route("/activity/{job}/retry", post(activity::retry))
        .route("/clients", get(clients::show))
        .route("/clients/new", get(clients::new).post(clients::make_token))
        .route("/clients/{client}", get(client::show))
        .route("/clients/{client}/start", post(client::start))
        .route("/clients/{client}/pause", post(client::pause))
        .route("/storage", get(storage::show))
        .route("/changes", get(changes::show))
        .route("/clients/{client}/backups/{backup}", get(backup::show))
        .route("/clients/{client}/backups/{backup}/verify", post(backup::verify))
        .route(
            "/clients/{client}/backups/{backup}/protect",
            post(backup::protect),
        )
        .route(
            "/clients/{client}/backups/{backup}/delete",
            get(backup::ask_delete).post(backup::delete),
        )
        .route("/clients/{client}/backups/{backup}/files", get(browse::show))
        .route("/clients/{client}/backups/{backup}/changes", get(compare::show))
}
