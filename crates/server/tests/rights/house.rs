//! A server that runs, with clients that are enrolled in its catalog, and users who call it over its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use catalog::{Catalog, Certificate, Enrolment, JobId, JobKind, NewJob, NewToken, Sighting, TokenHash};
use hyper_util::rt::TokioIo;
use prost::Message;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use server::{Clock, PasswordCost, Running, Scheduling, Server, Settings};
use tokio::net::{TcpStream, UnixStream};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use wire::v1::accounts_client::AccountsClient;
use wire::v1::log_in_reply::End;
use wire::v1::{
    AccessScope, AddUserRequest, AllOfIt, GroupRef, LogInRequest, RoleGrant, RoleGrantRequest,
    SetGroupRequest, access_scope::Scope,
};

pub const PASSWORD: &str = "correct horse";
/// A virtual disk that was made of an image of the client `theirs`.
pub const THEIR_DISK: &str = "0123456789ab";

/// A server that runs.
pub struct House {
    running: Running,
    dir: tempfile::TempDir,
}

impl House {
    /// Starts a server with the clients `mine`, in group `ours`, and `theirs`; each has had a job.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let catalog = Catalog::create_or_open(&state).unwrap();
        for (number, client) in [(1, "mine"), (2, "theirs")] {
            enrol(&catalog, number, client);
            assert_eq!(queue(&catalog, client), JobId(number.into()));
        }
        drop(catalog);
        let running = run(dir.path()).await;
        let house = Self { running, dir };
        house.publish(THEIR_DISK, "theirs");
        let mut groups = wire::v1::settings_client::SettingsClient::new(house.admin().await);
        let name = "ours".to_owned();
        groups
            .create_group(GroupRef { name: name.clone() })
            .await
            .unwrap();
        let put = SetGroupRequest {
            client: "mine".into(),
            group: name,
        };
        groups.set_group(put).await.unwrap();
        house
    }

    /// Puts a virtual disk of a client's image there.
    fn publish(&self, id: &str, client: &str) {
        let dir = self.dir.path().join("storage/.perennial/published").join(id);
        std::fs::create_dir_all(&dir).unwrap();
        let record = format!(
            "format = 1\nclient = \"{client}\"\nbackup = \"261130-0650_image\"\ndisk = \"sda\"\ndisk_format = \"raw\"\n\
             file = \"sda.raw\"\nlen_bytes = 4\nmade_ms = 0\nshared_bytes = 0\ncopied_bytes = 4\n"
        );
        std::fs::write(dir.join("disk.toml"), record).unwrap();
        std::fs::write(dir.join("sda.raw"), "disk").unwrap();
    }

    /// The same after something was changed in the catalog while no server ran.
    pub async fn after(self, change: impl FnOnce(&Catalog)) -> Self {
        self.running.shut_down().await;
        let catalog = Catalog::open(&self.dir.path().join("state")).unwrap();
        change(&catalog);
        drop(catalog);
        Self {
            running: run(self.dir.path()).await,
            dir: self.dir,
        }
    }

    pub async fn end(self) {
        self.running.shut_down().await;
    }

    /// The way of the local administrator.
    pub async fn admin(&self) -> Channel {
        let socket = self.dir.path().join("state/admin.sock");
        let stream = UnixStream::connect(socket).await.unwrap();
        over(TokioIo::new(stream)).await
    }

    /// A way over the port, without a certificate.
    pub async fn port(&self) -> Channel {
        let authority = self.dir.path().join("state/trust/authority.cert.pem");
        let tcp = TcpStream::connect(self.running.local_address()).await.unwrap();
        let name = ServerName::try_from(wire::SERVER_NAME).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(&authority)));
        let stream = connector.connect(name, tcp).await.unwrap();
        over(TokioIo::new(stream)).await
    }

    /// Adds a user with a role for each of these, logs him in and returns his token.
    pub async fn user(&self, name: &str, grants: &[(&str, Scope)]) -> String {
        let mut accounts = AccountsClient::new(self.admin().await);
        let user = AddUserRequest {
            name: name.into(),
            password: PASSWORD.into(),
        };
        accounts.add_user(user).await.unwrap();
        for (role, scope) in grants {
            let grant = RoleGrant {
                role: (*role).into(),
                scope: Some(AccessScope {
                    scope: Some(scope.clone()),
                }),
            };
            let grant = RoleGrantRequest {
                user: name.into(),
                grant: Some(grant),
            };
            accounts.grant_role(grant).await.unwrap();
        }
        let asked = LogInRequest {
            user: name.into(),
            password: PASSWORD.into(),
            ..LogInRequest::default()
        };
        let reply = AccountsClient::new(self.port().await)
            .log_in(asked)
            .await
            .unwrap();
        match reply.into_inner().end {
            Some(End::LoggedIn(logged_in)) => logged_in.token,
            end => panic!("{end:?}"),
        }
    }
}

/// For everything.
pub fn everything() -> Scope {
    Scope::Everything(AllOfIt {})
}

/// Calls a method, whatever it answers with. Where the answer is a stream, only its beginning counts.
pub async fn call(
    channel: &Channel,
    token: Option<&str>,
    method: &str,
    message: impl Message + Default + 'static,
) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::once(message));
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let path = format!("/perennial.v1.{method}");
    let path = PathAndQuery::try_from(path).unwrap();
    let codec = tonic_prost::ProstCodec::<_, ()>::default();
    let mut replies = grpc.streaming(request, path, codec).await?.into_inner();
    replies.message().await.map(drop)
}

async fn over<S>(stream: TokioIo<S>) -> Channel
where
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_: Uri| {
        std::future::ready(stream.take().ok_or_else(|| std::io::Error::other("it is used")))
    });
    let endpoint = Endpoint::from_static("http://test.perennial.internal");
    endpoint.connect_with_connector(connector).await.unwrap()
}

fn tls(authority: &Path) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![wire::alpn::CONTROL.to_vec()];
    config
}

async fn run(dir: &Path) -> Running {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings::new(dir.join("state"), dir.join("storage"), address);
    settings.scheduling = Scheduling::Off;
    settings.password_cost = PasswordCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    Server::start(settings, Clock::system()).await.unwrap()
}

fn enrol(catalog: &Catalog, number: u8, client: &str) {
    let hash = TokenHash::of(&[number; 32]);
    let token = NewToken {
        hash,
        client: None,
        max_uses: 1,
        sources: Vec::new(),
        created_ms: 1,
        expires_ms: 3,
    };
    catalog.create_token(&token).unwrap();
    let enrolment = Enrolment {
        client: client.into(),
        certificate: Certificate {
            serial: vec![number],
            fingerprint: [number; 32],
        },
        sighting: Sighting {
            operating_system: "linux".into(),
            version: "0.1.0".into(),
        },
    };
    catalog.enrol(hash, &enrolment, 2).unwrap();
}

fn queue(catalog: &Catalog, client: &str) -> JobId {
    let job = NewJob {
        kind: JobKind::FileBackup,
        client: Some(client.into()),
        subject: None,
        mode: None,
        reason: None,
        queued_ms: 1,
    };
    catalog.queue_job(&job).unwrap()
}
