//! Starting and ending a server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, ClientState};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::accounts::Accounts;
use crate::checking::Checking;
use crate::clock::Clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::installing::Builds;
use crate::jobs::{Attached, Board};
use crate::listen::{ControlIo, Takers, Web, bind_admin_socket, serve_port};
use crate::moving::Moving;
use crate::policies::Policies;
use crate::restore::asked::AskedRestores;
use crate::schedule::Schedule;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::storages::{Storages, create_or_open_default, open_others};
use crate::telling::stands::LastStands;
use crate::telling::{Deliverer, Teller};
use crate::trust::{Authority, server_config};
use crate::web_certificate::WebCertificate;
use crate::{doctor, metrics, moving, reconcile, safety, schedule, services, tokens, trust, web_certificate};

/// How long running jobs may take to stop when the server ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Control connections that wait to be served.
const QUEUED_CONNECTIONS: usize = 64;
const HTTP2_WINDOW_BYTES: u32 = 4 << 20;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts servers.
pub struct Server;

/// A server that runs.
pub struct Running {
    core: Arc<Core>,
    tasks: Vec<JoinHandle<()>>,
    deliverer: Option<Deliverer>,
}

impl Server {
    /// Starts a server: opens state and storage, brings them together, and listens. Must be called within a tokio
    /// runtime with several threads.
    ///
    /// Fails where the state or the storage is used by another server, is not ours, damaged or of a newer version, or
    /// where the address is taken; then nothing has changed but what a crash had left undone.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Running> {
        let listener = bind(settings.listen).await?;
        let metrics_listener = match settings.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let local_address = listener.local_addr().map_err(|source| Error::Listen {
            address: settings.listen.to_string(),
            source,
        })?;
        let opening = tokio::task::spawn_blocking(move || open(settings, clock, local_address));
        let (core, keeper) = opening.await.map_err(|_| Error::Cancelled)??;
        let admin = open_admin_socket(&core)?;
        let tls = server_config(
            &core.authority,
            &core.settings.host_names,
            core.web_certificate.clone(),
        )?;
        let deliverer = start_deliverer(&core)?;
        let mut tasks = serve(&core, listener, admin, tls);
        tasks.push(tokio::spawn(keeper.run(core.clone())));
        tasks.extend(metrics_listener.map(|listener| tokio::spawn(metrics::serve(core.clone(), listener))));
        info!(listen = %core.local_address, storage = %core.settings.storage_dir.display(), "server runs");
        tell_set_up(&core)?;
        Ok(Running {
            core,
            tasks,
            deliverer,
        })
    }
}

impl Running {
    /// The address that the server listens on.
    pub fn local_address(&self) -> std::net::SocketAddr {
        self.core.local_address
    }

    /// The certificate that browsers are shown.
    pub fn web_certificate(&self) -> Arc<WebCertificate> {
        self.core.web_certificate.clone()
    }

    /// Makes an enrolment token.
    pub fn create_token(&self, request: &tokens::TokenRequest) -> Result<wire::token::Token> {
        tokens::create(&self.core, request).map(|(token, _)| token)
    }

    /// Ends the server: jobs are asked to stop and keep what they have, then state and storage are closed.
    pub async fn shut_down(self) {
        self.core.board.cancel_all();
        let stopped = async {
            while self.core.board.len() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, stopped).await.is_err() {
            warn!("jobs did not stop in time; they are taken up by the next run");
        }
        self.core.shutdown.cancel();
        for task in self.tasks {
            task.abort();
            // An aborted task has nothing to say.
            let _ = task.await;
        }
        let storages = self.core.storages.all();
        let ending = move || storages.iter().for_each(|storage| storage.housekeeping.end());
        // Only a panic could keep it from ending, which has told so itself.
        let _ = tokio::task::spawn_blocking(ending).await;
        if let Some(deliverer) = self.deliverer {
            let _ = tokio::task::spawn_blocking(move || deliverer.end()).await;
        }
        // ORDER: last, when nobody writes to the catalog any more.
        if let Err(error) = self.core.catalog.settle() {
            warn!(%error, "the catalog's log could not be emptied");
        }
        // A socket that nobody listens on would only confuse.
        let _ = fs::remove_file(self.core.settings.admin_socket());
        info!("server ended");
    }
}

/// Tells who has started a server without users how to log in.
fn tell_set_up(core: &Core) -> Result<()> {
    if let Some(code) = core.accounts.set_up_code()? {
        let address = core.local_address;
        info!(
            code,
            "nobody can log in yet: open https://{address}/welcome in a browser, and enter the code"
        );
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen {
        address: address.to_string(),
        source,
    })
}

/// Starts delivering, unless the server begins nothing by itself.
fn start_deliverer(core: &Core) -> Result<Option<Deliverer>> {
    if !core.settings.scheduling.is_on() {
        return Ok(None);
    }
    let started = Deliverer::start(core.teller.clone());
    started.map(Some).map_err(|source| Error::Io {
        action: "start a thread for",
        path: "delivering messages".into(),
        source,
    })
}

/// Binds the administration socket, which takes space, like every name.
fn open_admin_socket(core: &Core) -> Result<UnixListener> {
    let path = core.settings.admin_socket();
    loop {
        match bind_admin_socket(&path) {
            Err(Error::Listen { source, .. })
                if source.kind() == std::io::ErrorKind::StorageFull && core.catalog.make_room() => {}
            bound => return bound,
        }
    }
}

fn open(
    settings: Settings,
    clock: Clock,
    local_address: std::net::SocketAddr,
) -> Result<(Arc<Core>, web_certificate::Keeper)> {
    let (web_certificate, keeper) = web_certificate::open(&settings, &clock)?;
    create_private_dir(&settings.state_dir)?;
    let catalog = Arc::new(Catalog::create_or_open(&settings.state_dir)?);
    let authority = open_authority(&settings, &catalog)?;
    let policies = Policies::load(catalog.clone(), settings.policy.clone())?;
    let rules = policies.server();
    let default = create_or_open_default(&settings, &rules, &catalog)?;
    let others = open_others(&settings, &rules, &catalog, default.id)?;
    let storages = Storages::new(default, others);
    let open = storages.all();
    let ids: Vec<_> = open.iter().map(|storage| storage.id).collect();
    reconcile::adopt(&catalog, &reconcile::places(&open), &ids)?;
    let teller = Arc::new(Teller::load(catalog.clone(), clock.clone())?);
    let board = Board::create(
        catalog.clone(),
        clock.clone(),
        teller.clone(),
        settings.hooks.clone(),
    )?;
    let core = Arc::new(Core {
        accounts: Accounts::new(catalog.clone(), clock.clone(), settings.password_cost),
        builds: Builds::of(&settings.state_dir),
        settings,
        policies,
        schedule: Schedule::load(&catalog)?,
        placing: parking_lot::RwLock::default(),
        checking: Checking::default(),
        moving: Moving::default(),
        asked_restores: AskedRestores::default(),
        copying: parking_lot::Mutex::default(),
        started_ms: clock.now_ms(),
        catalog,
        storages,
        authority,
        web_certificate: Arc::new(web_certificate),
        board,
        attached: Attached::default(),
        sessions: Arc::default(),
        teller,
        last_stands: LastStands::default(),
        clock,
        shutdown: CancellationToken::new(),
        runtime: tokio::runtime::Handle::current(),
        local_address,
    });
    reconcile::finish_deletions(&core)?;
    moving::take_up(&core)?;
    safety::copy_for_new_version(&core)?;
    doctor::tell_places(&core);
    Ok((core, keeper))
}

/// Opens the certificate authority, or makes one; says so where clients knew another.
fn open_authority(settings: &Settings, catalog: &Catalog) -> Result<Authority> {
    let dir = trust::dir(&settings.state_dir);
    let is_new = !dir.join(trust::FILES[1]).exists();
    let authority = Authority::open_or_create(&dir)?;
    let knew = |overview: &catalog::ClientOverview| overview.client.state == ClientState::Active;
    if is_new && catalog.clients()?.iter().any(knew) {
        warn!(
            dir = %dir.display(),
            "the keys of the certificate authority were missing and have been made anew: no client trusts them; put back \
             a copy of that directory, or let each client enrol anew"
        );
    }
    Ok(authority)
}

pub(crate) fn create_private_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| Error::io("create", dir, source))
}

fn serve(
    core: &Arc<Core>,
    listener: TcpListener,
    admin: UnixListener,
    tls: Arc<rustls::ServerConfig>,
) -> Vec<JoinHandle<()>> {
    let (control, incoming) = mpsc::channel(QUEUED_CONNECTIONS);
    let sessions: Arc<Sessions> = core.sessions.clone();
    let port = serve_port(
        listener,
        tls,
        Takers {
            control: control.clone(),
            data: Arc::new(move |data| sessions.admit(data)),
            web: Web::new(core),
        },
    );
    let socket = serve_admin(admin, control);
    let services = tonic::transport::Server::builder()
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES * 2)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .layer(services::Gate::new(core.clone()))
        .add_routes(services::routes(core.clone()))
        .serve_with_incoming(ReceiverStream::new(incoming));
    let grpc = async move {
        if let Err(error) = services.await {
            warn!(%error, "serving control connections ended");
        }
    };
    vec![
        tokio::spawn(port),
        tokio::spawn(socket),
        tokio::spawn(grpc),
        tokio::spawn(schedule::run(core.clone())),
    ]
}

async fn serve_admin(listener: UnixListener, control: mpsc::Sender<std::io::Result<ControlIo>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if control.send(Ok(ControlIo::Unix(stream))).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                warn!(%error, "a connection to the administration socket could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
