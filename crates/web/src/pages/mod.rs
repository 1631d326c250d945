//! The pages, one file each.

mod account;
mod activity;
mod archive;
mod backup;
mod backups;
mod barring;
mod bring_back;
mod browse;
mod changes;
mod channel;
mod client;
mod clients;
mod compare;
mod download;
mod file;
mod freeing;
mod groups;
mod image;
mod install;
mod log;
mod log_in;
mod naming;
mod new_client;
mod notifications;
mod overview;
mod retention;
mod roles;
mod search;
mod settings;
mod sizes;
mod soundness;
mod storage;
mod trash;
mod users;

use axum::Router;
use axum::routing::{get, post};

use self::account::{password, second_factor, sessions, tokens};
use self::users::one as user;
use crate::Site;

/// All pages. What is new has an address beside the others of its kind, beneath which every name can be one.
pub fn routes() -> Router<Site> {
    Router::new()
        .merge(accounts())
        .merge(becoming())
        .merge(of_backups())
        .route("/", get(overview::show))
        .route("/login", get(log_in::show).post(log_in::log_in))
        .route("/welcome", get(log_in::welcome).post(log_in::set_up))
        .route("/logout", post(log_in::log_out))
        .route("/activity", get(activity::show))
        .route("/activity/live", get(activity::live))
        .route("/activity/{job}", get(activity::job))
        .route("/activity/{job}/cancel", post(activity::cancel))
        .route("/activity/{job}/pause", post(activity::pause))
        .route("/activity/{job}/resume", post(activity::resume))
        .route("/activity/{job}/retry", post(activity::retry))
        .route("/clients", get(clients::show))
        .route("/new-client", get(new_client::show).post(new_client::make))
        .route("/install/{secret}", get(install::fetch))
        .route("/install/{secret}/{form}", get(install::installer))
        .route("/clients/{client}", get(client::show))
        .route("/clients/{client}/start", post(client::start))
        .route("/clients/{client}/pause", post(client::pause))
        .route("/clients/{client}/backups", get(backups::show))
        .route("/clients/{client}/search", get(search::show))
        .route("/storage", get(storage::show))
        .route("/storage/check", post(soundness::check))
        .route("/retention", get(retention::show))
        .route(
            "/retention/cleanup",
            get(retention::ask_cleanup).post(retention::clean_up),
        )
        .route("/retention/freeing", get(freeing::show))
        .route("/trash", get(trash::show))
        .route("/trash/restore", post(trash::restore))
        .route("/trash/delete", post(trash::delete))
        .route("/settings", get(settings::show).post(settings::change))
        .route(
            "/settings/groups/{group}",
            get(settings::show).post(settings::change),
        )
        .route(
            "/settings/clients/{client}",
            get(settings::show).post(settings::change),
        )
        .route("/groups", get(groups::show).post(groups::create))
        .route("/groups/{group}", get(groups::group))
        .route("/groups/{group}/clients", post(groups::put))
        .route("/groups/{group}/rename", post(groups::rename))
        .route(
            "/groups/{group}/delete",
            get(groups::ask_delete).post(groups::delete),
        )
        .route("/notifications", get(notifications::show))
        .route("/notifications/new", get(channel::new).post(channel::add))
        .route("/notifications/{channel}/test", post(notifications::test))
        .route(
            "/notifications/{channel}/edit",
            get(channel::ask_edit).post(channel::edit),
        )
        .route(
            "/notifications/{channel}/remove",
            get(notifications::ask_remove).post(notifications::remove),
        )
        .route("/changes", get(changes::show))
        .route("/log", get(log::show))
        .route("/log/live", get(log::live))
}

/// What becomes of clients.
fn becoming() -> Router<Site> {
    Router::new()
        .route("/clients/{client}/disable", post(barring::disable))
        .route("/clients/{client}/enable", post(barring::enable))
        .route("/clients/{client}/rename", post(naming::rename))
        .route("/clients/{client}/take-back", post(barring::take_back))
        .route(
            "/clients/{client}/remove",
            get(barring::ask_remove).post(barring::remove),
        )
}

/// A backup, and what is in it.
fn of_backups() -> Router<Site> {
    Router::new()
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
        .route("/clients/{client}/backups/{backup}/download", get(download::file))
        .route("/clients/{client}/backups/{backup}/archive", get(archive::keep))
        .route("/clients/{client}/backups/{backup}/file", get(file::show))
        .route(
            "/clients/{client}/backups/{backup}/restore",
            get(bring_back::ask).post(bring_back::go),
        )
        .route(
            "/clients/{client}/backups/{backup}/file/changes",
            get(file::text_changes),
        )
        .route("/clients/{client}/backups/{backup}/picture", get(file::picture))
        .route(
            "/clients/{client}/backups/{backup}/volume",
            get(image::volume::show),
        )
        .route(
            "/clients/{client}/backups/{backup}/volume-file",
            get(image::volume::file),
        )
        .route(
            "/clients/{client}/backups/{backup}/publish",
            post(image::published::publish),
        )
        .route(
            "/clients/{client}/published/{disk}",
            get(image::published::download),
        )
        .route(
            "/clients/{client}/published/{disk}/remove",
            get(image::published::ask_remove).post(image::published::remove),
        )
}

/// The pages about one's own account, and about users and roles.
fn accounts() -> Router<Site> {
    Router::new()
        .route("/account", get(account::show))
        .route("/account/look", post(account::set_look))
        .route("/account/password", get(password::show).post(password::set))
        .route(
            "/account/second-factor",
            get(second_factor::show).post(second_factor::begin),
        )
        .route("/account/second-factor/confirm", post(second_factor::confirm))
        .route("/account/second-factor/remove", post(second_factor::remove))
        .route("/account/sessions/end", post(sessions::end))
        .route("/account/tokens/new", get(tokens::new).post(tokens::make))
        .route("/account/tokens/revoke", post(tokens::revoke))
        .route("/users", get(users::show))
        .route("/new-user", get(users::new).post(users::add))
        .route("/users/{user}", get(user::show))
        .route("/users/{user}/grant", post(user::grant))
        .route("/users/{user}/revoke", post(user::revoke))
        .route("/users/{user}/disable", post(user::disable))
        .route("/users/{user}/enable", post(user::enable))
        .route("/users/{user}/unlock", post(user::unlock))
        .route("/users/{user}/remove", get(user::ask_remove).post(user::remove))
        .route("/users/{user}/password", get(password::show).post(password::set))
        .route("/users/{user}/second-factor", get(second_factor::show))
        .route("/users/{user}/second-factor/remove", post(second_factor::remove))
        .route("/users/{user}/sessions/end", post(sessions::end))
        .route("/users/{user}/tokens/new", get(tokens::new).post(tokens::make))
        .route("/users/{user}/tokens/revoke", post(tokens::revoke))
        .route("/roles", get(roles::show))
        .route("/new-role", get(roles::new).post(roles::make))
        .route("/roles/{role}/delete", get(roles::ask_delete).post(roles::delete))
}
