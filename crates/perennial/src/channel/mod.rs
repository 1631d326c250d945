//! How a command reaches the server.
//!
//! On the server's machine over its administration socket. Elsewhere as the user who has logged in, or as the client that this
//! machine is enrolled as, over TLS. If the server's files are here and no server runs, one is started inside this process for as long as the
//! command takes, so that a backup made by `quickstart --once` can be looked at.

mod admin;
#[cfg(not(feature = "server"))]
mod never;
#[cfg(feature = "server")]
mod temporary;
mod user;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use client::{Connection, Identity};
use tonic::transport::Channel;
use wire::v1::JobRef;
use wire::v1::accounts_client::AccountsClient;
use wire::v1::admin_client::AdminClient;
use wire::v1::backups_client::BackupsClient;
use wire::v1::clients_client::ClientsClient;
use wire::v1::contents_client::ContentsClient;
use wire::v1::enrolment_client::EnrolmentClient;
use wire::v1::notify_client::NotifyClient;
use wire::v1::planning_client::PlanningClient;
use wire::v1::settings_client::SettingsClient;
use wire::v1::storages_client::StoragesClient;

use crate::commands::Context;
use crate::config::{proxy, servers};
use crate::failure::Failure;
#[cfg(not(feature = "server"))]
use never::TemporaryServer;
#[cfg(feature = "server")]
use temporary::TemporaryServer;

pub use admin::{connect as server_channel, over_socket};
pub use user::{Authorized, Bearer, Remote, with_port};

/// A way to the server.
pub struct Link {
    way: Way,
    temporary: Option<TemporaryServer>,
}

enum Way {
    Admin(Channel),
    Client(Connection),
    User(Channel, Bearer),
}

impl Link {
    /// Opens the way that is there: as the user that is named, as administrator where that is possible, as the user who has logged
    /// in, or as client.
    pub async fn open(context: &Context) -> Result<Self> {
        if let Some(remote) = Remote::named(context)? {
            return Self::open_remote(&remote).await;
        }
        // Who names only the client's state wants to act as the client.
        let global = context.global();
        if global.client_state.is_some() && global.server_state.is_none() {
            let link = ClientLink::open(context).await?;
            return Ok(Self {
                way: Way::Client(link.connection),
                temporary: link.server.temporary,
            });
        }
        if let Some(channel) = admin::connect(&context.server_state()?).await? {
            return Ok(Self {
                way: Way::Admin(channel),
                temporary: None,
            });
        }
        if let Some(remote) = logged_in(context)? {
            return Self::open_remote(&remote).await;
        }
        let identity = identity(context)?;
        let elsewhere = identity
            .as_ref()
            .is_some_and(|identity| !is_loopback(identity.server_address()));
        if !elsewhere && let Some(link) = AdminLink::open_temporary(context).await? {
            return Ok(Self {
                way: Way::Admin(link.channel),
                temporary: link.temporary,
            });
        }
        match identity {
            Some(identity) => {
                let connection = Connection::open(Arc::new(identity)).await?;
                Ok(Self {
                    way: Way::Client(connection),
                    temporary: None,
                })
            }
            None => Err(Failure::NoWay {
                server_state: context.server_state()?.display().to_string(),
                client_state: context.client_state()?.display().to_string(),
            }
            .into()),
        }
    }

    async fn open_remote(remote: &Remote) -> Result<Self> {
        let (channel, bearer) = remote.open().await?;
        Ok(Self {
            way: Way::User(channel, bearer),
            temporary: None,
        })
    }

    fn authorized(&self) -> Authorized {
        let (channel, bearer) = match &self.way {
            Way::Admin(channel) => (channel, Bearer::none()),
            Way::Client(connection) => (connection.channel(), Bearer::none()),
            Way::User(channel, bearer) => (channel, bearer.clone()),
        };
        Authorized::new(channel.clone(), bearer)
    }

    /// The service for backups.
    pub fn backups(&self) -> BackupsClient<Authorized> {
        BackupsClient::new(self.authorized())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service for settings.
    pub fn settings(&self) -> SettingsClient<Authorized> {
        SettingsClient::new(self.authorized())
    }

    /// The service for what will happen by itself.
    pub fn planning(&self) -> PlanningClient<Authorized> {
        PlanningClient::new(self.authorized())
    }

    /// The service for what becomes of clients.
    pub fn clients(&self) -> ClientsClient<Authorized> {
        ClientsClient::new(self.authorized())
    }

    /// The service for what backups hold.
    pub fn contents(&self) -> ContentsClient<Authorized> {
        ContentsClient::new(self.authorized()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service for storages.
    pub fn storages(&self) -> StoragesClient<Authorized> {
        StoragesClient::new(self.authorized())
    }

    /// Has a job cancelled, if this way may do that; tells whether it could.
    pub async fn cancel_job(&self, job_id: u64) -> bool {
        match &self.way {
            Way::Admin(_) | Way::User(..) => AdminClient::new(self.authorized())
                .cancel_job(JobRef { job_id })
                .await
                .is_ok(),
            Way::Client(_) => false,
        }
    }

    /// Whether the way is a user's, who may be far from the server and is no client.
    pub fn is_users(&self) -> bool {
        matches!(self.way, Way::User(..))
    }

    /// The client's connection, where the way is a client's.
    pub fn client(&self) -> Option<&Connection> {
        match &self.way {
            Way::Admin(_) | Way::User(..) => None,
            Way::Client(connection) => Some(connection),
        }
    }

    /// Ends a server that was started for this command.
    pub async fn close(self) {
        drop(self.way);
        if let Some(temporary) = self.temporary {
            temporary.end().await;
        }
    }
}

/// The way of this machine's client.
pub struct ClientLink {
    connection: Connection,
    server: OwnServer,
}

impl ClientLink {
    /// Opens it.
    pub async fn open(context: &Context) -> Result<Self> {
        let identity = own_identity(context)?;
        let server = OwnServer::start_for(context, &identity).await?;
        let connection = Connection::open(Arc::new(identity)).await?;
        Ok(Self { connection, server })
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Ends a server that was started for this command.
    pub async fn close(self) {
        drop(self.connection);
        self.server.end().await;
    }
}

/// The server that a client of this machine needs, started for this command where it is this machine's own and does not
/// run.
pub struct OwnServer {
    temporary: Option<TemporaryServer>,
}

impl OwnServer {
    /// Starts it, if need be.
    pub async fn start_for(context: &Context, identity: &Identity) -> Result<Self> {
        if !is_loopback(identity.server_address()) || AdminLink::is_served(&context.server_state()?).await? {
            return Ok(Self { temporary: None });
        }
        Ok(Self {
            temporary: TemporaryServer::start(context).await?,
        })
    }

    /// Ends it, if it was started.
    pub async fn end(self) {
        if let Some(temporary) = self.temporary {
            temporary.end().await;
        }
    }
}

/// The way to the server of its administrator, or of a user.
pub struct AdminLink {
    channel: Channel,
    bearer: Bearer,
    temporary: Option<TemporaryServer>,
}

impl AdminLink {
    /// Opens it: as the user that is named, over the administration socket, or as the user who has logged in.
    pub async fn open(context: &Context) -> Result<Self> {
        if let Some(remote) = Remote::named(context)? {
            return Self::open_remote(&remote).await;
        }
        let state = context.server_state()?;
        if let Some(channel) = admin::connect(&state).await? {
            return Ok(Self {
                channel,
                bearer: Bearer::none(),
                temporary: None,
            });
        }
        if let Some(remote) = logged_in(context)? {
            return Self::open_remote(&remote).await;
        }
        match Self::open_temporary(context).await? {
            Some(link) => Ok(link),
            None => Err(Failure::NotTheServer {
                server_state: state.display().to_string(),
            }
            .into()),
        }
    }

    /// Opens the way to the server with this state directory, which must be running.
    pub async fn open_running(state: &Path) -> Result<Self> {
        match admin::connect(state).await? {
            Some(channel) => Ok(Self {
                channel,
                bearer: Bearer::none(),
                temporary: None,
            }),
            None => Err(Failure::NotTheServer {
                server_state: state.display().to_string(),
            }
            .into()),
        }
    }

    /// Whether a server runs with this state directory.
    pub async fn is_served(state: &Path) -> Result<bool> {
        Ok(admin::connect(state).await?.is_some())
    }

    async fn open_remote(remote: &Remote) -> Result<Self> {
        let (channel, bearer) = remote.open().await?;
        Ok(Self {
            channel,
            bearer,
            temporary: None,
        })
    }

    fn authorized(&self) -> Authorized {
        Authorized::new(self.channel.clone(), self.bearer.clone())
    }

    /// The service for administration.
    pub fn admin(&self) -> AdminClient<Authorized> {
        AdminClient::new(self.authorized())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service for settings and groups.
    pub fn settings(&self) -> SettingsClient<Authorized> {
        SettingsClient::new(self.authorized())
    }

    /// Has a job cancelled; tells whether it could.
    pub async fn cancel_job(&self, job_id: u64) -> bool {
        self.admin().cancel_job(JobRef { job_id }).await.is_ok()
    }

    /// The service for storages.
    pub fn storages(&self) -> StoragesClient<Authorized> {
        StoragesClient::new(self.authorized()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service for whom the server tells what.
    pub fn notify(&self) -> NotifyClient<Authorized> {
        NotifyClient::new(self.authorized())
    }

    /// The service for users.
    pub fn accounts(&self) -> AccountsClient<Authorized> {
        AccountsClient::new(self.authorized())
    }

    /// The service with which machines become clients.
    pub fn enrolment(&self) -> EnrolmentClient<Authorized> {
        EnrolmentClient::new(self.authorized())
    }

    /// Whether a user calls, over the network.
    pub fn is_remote(&self) -> bool {
        self.bearer.is_some()
    }

    /// Whether the server was started for this command.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Ends a server that was started for this command.
    pub async fn close(self) {
        drop(self.channel);
        if let Some(temporary) = self.temporary {
            temporary.end().await;
        }
    }

    async fn open_temporary(context: &Context) -> Result<Option<Self>> {
        let Some(temporary) = TemporaryServer::start(context).await? else {
            return Ok(None);
        };
        let channel = admin::connect(&context.server_state()?).await?;
        let channel = channel.expect("a server that has started has its socket");
        Ok(Some(Self {
            channel,
            bearer: Bearer::none(),
            temporary: Some(temporary),
        }))
    }
}

/// The server where somebody logged in last, unless the command line names a directory of this machine.
fn logged_in(context: &Context) -> Result<Option<Remote>> {
    let global = context.global();
    match (&global.server_state, &global.client_state) {
        (None, None) => Remote::logged_in(context),
        _ => Ok(None),
    }
}

fn identity(context: &Context) -> Result<Option<Identity>> {
    let dir: PathBuf = context.client_state()?;
    Ok(if Identity::exists(&dir) {
        Some(own_identity(context)?)
    } else {
        None
    })
}

/// The identity of this machine's client, which knows how the settings have its server reached.
fn own_identity(context: &Context) -> Result<Identity> {
    let settings = context.client_settings()?;
    let mut identity = Identity::open(&settings.path("state")?)?;
    identity.set_reach(&servers(&settings)?, proxy(&settings));
    Ok(identity)
}

fn is_loopback(address: &str) -> bool {
    address
        .parse::<std::net::SocketAddr>()
        .is_ok_and(|address| address.ip().is_loopback())
}
