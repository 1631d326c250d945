//! The service for storages: which there are, what lies in them, what clients take; moves and checks.

use std::path::Path;
use std::sync::Arc;

use catalog::{StorageId, UsageFilter, UsageSample};
use policy::access::{Right, Subject};
use storage::BackendKind;
use tonic::{Request, Response, Status};
use wire::v1::storages_server::Storages;
use wire::v1::{
    AddStorageRequest, CheckStorageReply, CheckStorageRequest, DamagedFile, FreedByReply, FreedByRequest,
    GiveUpMovesReply, GiveUpMovesRequest, ListDamageReply, ListDamageRequest, ListStoragesReply,
    ListStoragesRequest, MigrateReply, MigrateRequest, RemoveStorageReply, RenameStorageReply,
    RenameStorageRequest, StartedMove, StorageInfo, StorageRef, UsageOfClient, UsageOfStorage, UsageReply,
    UsageRequest,
};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::retention::Usage;
use crate::services::access::{Seen, actor_of, caller_of, resolve};
use crate::services::reply::blocking;
use crate::{audit, checking, moving, retention, storages};

/// Answers all that is about storages.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn allow<T>(&self, request: &Request<T>, right: Right) -> Result<(), Status> {
        Ok(caller_of(request)?.may(&self.core, right)?)
    }
}

#[tonic::async_trait]
impl Storages for Service {
    async fn list(
        &self,
        request: Request<ListStoragesRequest>,
    ) -> Result<Response<ListStoragesReply>, Status> {
        self.allow(&request, Right::Status)?;
        let core = self.core.clone();
        let storages = blocking(move || {
            let all = core.catalog.storages()?;
            all.iter()
                .map(|storage| view(&core, storage))
                .collect::<Result<Vec<_>>>()
        });
        Ok(Response::new(ListStoragesReply {
            storages: storages.await?,
        }))
    }

    async fn add(&self, request: Request<AddStorageRequest>) -> Result<Response<StorageInfo>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let AddStorageRequest { name, path, backend } = request.into_inner();
        let backend = match backend.as_str() {
            "" => None,
            word => Some(
                word.parse::<BackendKind>()
                    .map_err(|error| Status::invalid_argument(format!("{word:?} {error}")))?,
            ),
        };
        let core = self.core.clone();
        let (named, placed) = (name.clone(), path.clone());
        let added = blocking(move || {
            let storage = storages::add(&core, &named, Path::new(&placed), backend)?;
            info_of(&core, storage.id)
        })
        .await?;
        audit::note(&self.core, &actor, "storage-add", &name, &path);
        Ok(Response::new(added))
    }

    async fn remove(&self, request: Request<StorageRef>) -> Result<Response<RemoveStorageReply>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let StorageRef { name } = request.into_inner();
        let (core, removed) = (self.core.clone(), name.clone());
        let path = blocking(move || storages::remove(&core, &removed)).await?;
        let path = path.display().to_string();
        audit::note(&self.core, &actor, "storage-remove", &name, &path);
        Ok(Response::new(RemoveStorageReply { path }))
    }

    async fn rename(
        &self,
        request: Request<RenameStorageRequest>,
    ) -> Result<Response<RenameStorageReply>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let RenameStorageRequest { name, new_name } = request.into_inner();
        storages::rename(&self.core, &name, &new_name)?;
        audit::note(&self.core, &actor, "storage-rename", &name, &new_name);
        Ok(Response::new(RenameStorageReply {}))
    }

    async fn migrate(&self, request: Request<MigrateRequest>) -> Result<Response<MigrateReply>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let MigrateRequest { clients, from, to } = request.into_inner();
        let core = self.core.clone();
        let begun = blocking(move || {
            let to = core.storages.named(&to)?;
            let clients = match clients.is_empty() {
                true => moving::clients_in(&core, core.storages.named(&from)?.id)?,
                false => clients,
            };
            let begun = moving::begin(&core, &clients, &to)?;
            for (client, job) in &begun {
                let detail = format!("to {}, job {job}", to.name());
                audit::note(&core, &actor, "client-move", client, &detail);
            }
            Ok(begun)
        });
        let moves = begun.await?.into_iter().map(|(client, job)| StartedMove {
            client,
            job_id: job.0.unsigned_abs(),
        });
        Ok(Response::new(MigrateReply {
            moves: moves.collect(),
        }))
    }

    async fn give_up_moves(
        &self,
        request: Request<GiveUpMovesRequest>,
    ) -> Result<Response<GiveUpMovesReply>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let client = given(request.into_inner().client);
        let core = self.core.clone();
        let clients = blocking(move || {
            let clients = moving::give_up(&core, client.as_deref())?;
            for client in &clients {
                audit::note(&core, &actor, "client-move", client, "given up");
            }
            Ok(clients)
        });
        Ok(Response::new(GiveUpMovesReply {
            clients: clients.await?,
        }))
    }

    async fn check(
        &self,
        request: Request<CheckStorageRequest>,
    ) -> Result<Response<CheckStorageReply>, Status> {
        self.allow(&request, Right::Storage)?;
        let actor = actor_of(&request)?;
        let request = request.into_inner();
        let client = given(request.client);
        if let Some(name) = &client {
            self.core.catalog.client(name).map_err(Error::from)?;
        }
        let storage = match given(request.storage) {
            Some(name) => Some(self.core.storages.named(&name)?.id),
            None => None,
        };
        let subject = client.clone().unwrap_or_else(|| "all clients".to_owned());
        let task = checking::Task {
            client,
            storage,
            extent: match request.everything {
                true => checking::Extent::Everything,
                false => checking::Extent::Due,
            },
        };
        let job = checking::start(&self.core, task, "the administrator asked for it")?;
        audit::note(
            &self.core,
            &actor,
            "storage-check",
            &subject,
            &format!("job {}", job.id),
        );
        Ok(Response::new(CheckStorageReply {
            job_id: job.id.0.unsigned_abs(),
        }))
    }

    async fn list_damage(
        &self,
        request: Request<ListDamageRequest>,
    ) -> Result<Response<ListDamageReply>, Status> {
        let caller = caller_of(&request)?;
        let client = given(request.into_inner().client);
        if let Some(name) = &client {
            caller.may_for(&self.core, Right::See, name)?;
        }
        let mut damage = self.core.catalog.damage(client.as_deref()).map_err(Error::from)?;
        let mut seen = Seen::of(&self.core, &caller);
        damage.retain(|damage| seen.has(&damage.client));
        let files = damage.into_iter().map(|damage| DamagedFile {
            client: damage.client,
            backup: damage.name,
            path: damage.path,
            kind: damage.kind,
            message: damage.message,
            found_ms: damage.found_ms,
        });
        Ok(Response::new(ListDamageReply {
            files: files.collect(),
        }))
    }

    async fn usage(&self, request: Request<UsageRequest>) -> Result<Response<UsageReply>, Status> {
        let caller = caller_of(&request)?;
        let UsageRequest {
            client,
            since_ms,
            most_times,
        } = request.into_inner();
        let client = given(client);
        if let Some(name) = &client {
            caller.may_for(&self.core, Right::See, name)?;
            self.core.catalog.client(name).map_err(Error::from)?;
        }
        let sees_all = client.is_none() && caller.can_to(&self.core, Right::See, Subject::Server);
        let core = self.core.clone();
        let measured = blocking(move || match since_ms {
            0 => retention::measure_usage(&core, client.as_deref()),
            since_ms => Ok(Usage {
                samples: core.catalog.usage(&UsageFilter {
                    client,
                    since_ms: Some(since_ms),
                    most_times: usize::try_from(most_times).ok().filter(|most| *most > 0),
                })?,
                totals: Vec::new(),
            }),
        });
        let Usage { samples, totals } = measured.await?;
        let mut seen = Seen::of(&self.core, &caller);
        let samples = samples.into_iter().filter(|sample| seen.has(&sample.client));
        let totals = totals.into_iter().filter(|_| sees_all);
        Ok(Response::new(UsageReply {
            samples: samples.map(|sample| usage_view(&self.core, sample)).collect(),
            storages: totals
                .map(|(storage, bytes_taken)| UsageOfStorage {
                    storage: self.core.storages.name_of(storage),
                    bytes_taken,
                })
                .collect(),
        }))
    }

    async fn freed_by(&self, request: Request<FreedByRequest>) -> Result<Response<FreedByReply>, Status> {
        let caller = caller_of(&request)?;
        let wanted = request.into_inner().backups;
        let backups = wanted
            .iter()
            .map(|backup| resolve(&self.core, &caller, Right::See, backup));
        let backups = backups.collect::<Result<Vec<_>, _>>()?;
        let core = self.core.clone();
        let bytes = blocking(move || retention::freed_by(&core, &backups));
        Ok(Response::new(FreedByReply { bytes: bytes.await? }))
    }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn info_of(core: &Core, id: StorageId) -> Result<StorageInfo> {
    let all = core.catalog.storages()?;
    match all.iter().find(|storage| storage.id == id) {
        Some(storage) => view(core, storage),
        None => Err(Error::NotFound {
            what: "storage",
            name: format!("number {}", id.0),
        }),
    }
}

fn view(core: &Core, known: &catalog::Storage) -> Result<StorageInfo> {
    let totals = core.catalog.storage_totals(known.id)?;
    let moves = core.catalog.moves()?.into_iter();
    let info = StorageInfo {
        name: known.name.clone(),
        path: known.path.display().to_string(),
        identity: known.identity.clone(),
        clients: totals.clients,
        backups: totals.backups,
        arriving: moves.filter(|of| of.to == known.id).map(|of| of.client).collect(),
        ..StorageInfo::default()
    };
    let storage = match core.storages.get(known.id) {
        Ok(storage) => storage,
        Err(error) => {
            let absent = match error {
                Error::StorageAbsent { why, .. } => why,
                error => error.chain(),
            };
            return Ok(StorageInfo { absent, ..info });
        }
    };
    let space = storage.store.space()?;
    let forecast = retention::forecast(core, &storage)?;
    Ok(StorageInfo {
        growth_bytes_per_day: forecast.map(|forecast| forecast.growth_bytes_per_day),
        full_ms: forecast.and_then(|forecast| forecast.full_ms),
        is_default: core.storages.is_default(&storage),
        backend: storage.store.backend().to_string(),
        file_system: storage.store.capabilities().file_system.name.to_string(),
        total_bytes: space.total_bytes,
        free_bytes: space.free_bytes,
        ..info
    })
}

fn usage_view(core: &Core, sample: UsageSample) -> UsageOfClient {
    UsageOfClient {
        storage: core.storages.name_of(sample.storage),
        client: sample.client,
        at_ms: sample.at_ms,
        backups: sample.backups,
        bytes_logical: sample.bytes_logical,
        bytes_exclusive: sample.bytes_exclusive,
        bytes_shared: sample.bytes_shared,
    }
}
