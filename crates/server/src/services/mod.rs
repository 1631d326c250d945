//! The gRPC services: who may call what, and the translation between messages and the parts that do the work.

mod access;
mod accounts;
mod admin;
mod backups;
mod channels;
mod clients;
mod contents;
mod control;
mod enrolment;
mod follow;
mod gate;
mod images;
mod methods;
mod planning;
mod reply;
mod retry;
mod settings;
mod storages;
pub(crate) mod views;
mod watch;
mod watch_log;

use std::sync::Arc;

use tonic::service::Routes;
use wire::MAX_MESSAGE_BYTES;
use wire::v1::accounts_server::AccountsServer;
use wire::v1::admin_server::AdminServer;
use wire::v1::backups_server::BackupsServer;
use wire::v1::clients_server::ClientsServer;
use wire::v1::contents_server::ContentsServer;
use wire::v1::control_server::ControlServer;
use wire::v1::enrolment_server::EnrolmentServer;
use wire::v1::images_server::ImagesServer;
use wire::v1::notify_server::NotifyServer;
use wire::v1::planning_server::PlanningServer;
use wire::v1::settings_server::SettingsServer;
use wire::v1::storages_server::StoragesServer;

use crate::core::Core;

pub use contents::entry_on_volume;
pub use gate::Gate;

/// All services. They must stand behind the [`Gate`].
pub fn routes(core: Arc<Core>) -> Routes {
    let backups = BackupsServer::new(backups::Service::new(core.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let control = ControlServer::new(control::Service::new(core.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let images = ImagesServer::new(images::Service::new(core.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    Routes::new(EnrolmentServer::new(enrolment::Service::new(core.clone())))
        .add_service(control)
        .add_service(backups)
        .add_service(images)
        .add_service(ContentsServer::new(contents::Service::new(core.clone())))
        .add_service(ClientsServer::new(clients::Service::new(core.clone())))
        .add_service(SettingsServer::new(settings::Service::new(core.clone())))
        .add_service(PlanningServer::new(planning::Service::new(core.clone())))
        .add_service(StoragesServer::new(storages::Service::new(core.clone())))
        .add_service(AccountsServer::new(accounts::Service::new(core.clone())))
        .add_service(NotifyServer::new(channels::Service::new(core.clone())))
        .add_service(AdminServer::new(admin::Service::new(core)))
}
