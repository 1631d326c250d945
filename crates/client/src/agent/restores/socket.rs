//! The socket by which the user of this machine answers. Whoever may open it may: it has mode 0600, in a directory of the client's own.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};
use wire::local::local_server::{Local, LocalServer};
use wire::local::{
    AnswerRestoreReply, AnswerRestoreRequest, AskedRestore, Item, ListRestoresReply, ListRestoresRequest,
};

use super::super::Agent;
use super::super::job::Updates;
use super::{Asked, Restores, State, existing_word, told};
use crate::error::{Error, explain};
use crate::monitor::Level;

/// Where a client with this state directory can be asked.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("client.sock")
}

/// Answers on the socket until the agent ends.
pub async fn serve(agent: Agent, updates: Updates) {
    let path = socket_path(agent.identity.dir());
    let listener = match bind(&path).await {
        Ok(listener) => listener,
        Err(error) => {
            let text = format!(
                "restores can't be confirmed here: can't listen on {}: {error}",
                path.display()
            );
            agent.monitor.log(Level::Error, &text);
            return;
        }
    };
    let service = Service {
        restores: Arc::clone(&agent.restores),
        updates,
    };
    let cancel = agent.cancel.clone();
    let served = tonic::transport::Server::builder()
        .add_service(LocalServer::new(service))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async move {
            cancel.cancelled().await
        })
        .await;
    if let Err(error) = served {
        let text = format!("restores can't be confirmed here any more: {error}");
        agent.monitor.log(Level::Error, &text);
    }
    // The next client that starts replaces it otherwise.
    let _ = fs::remove_file(&path);
}

/// Binds the socket. One that a client that is gone has left there is replaced, another's is not.
async fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixStream::connect(path).await {
        Ok(_) => {
            let text = "another client with this state directory is running";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => fs::remove_file(path)?,
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

struct Service {
    restores: Arc<Restores>,
    updates: Updates,
}

#[tonic::async_trait]
impl Local for Service {
    async fn list_restores(
        &self,
        _: Request<ListRestoresRequest>,
    ) -> Result<Response<ListRestoresReply>, Status> {
        let restores = self.restores.list().into_iter().map(view).collect();
        Ok(Response::new(ListRestoresReply { restores }))
    }

    async fn answer_restore(
        &self,
        request: Request<AnswerRestoreRequest>,
    ) -> Result<Response<AnswerRestoreReply>, Status> {
        let AnswerRestoreRequest { job_id, is_confirmed } = request.into_inner();
        match self.restores.answer(job_id, is_confirmed, &self.updates) {
            Ok(()) => Ok(Response::new(AnswerRestoreReply {})),
            Err(Error::NotFound { message }) => Err(Status::not_found(message)),
            Err(Error::Refused { message }) => Err(Status::failed_precondition(message)),
            Err(error) => Err(Status::internal(explain(&error))),
        }
    }
}

fn view(asked: Asked) -> AskedRestore {
    let Asked {
        request,
        asked_ms,
        state,
        ..
    } = asked;
    AskedRestore {
        job_id: request.job_id,
        existing: existing_word(request.existing()).to_owned(),
        backup: request.backup,
        items: request
            .items
            .into_iter()
            .map(|item| Item {
                path: item.path,
                target: item.target,
            })
            .collect(),
        asked_by: request.asked_by,
        asked_ms,
        state: state.to_string(),
        outcome: match state {
            State::Done(restored) => told(&restored),
            State::Failed(why) => why,
            _ => String::new(),
        },
    }
}
