//! The service for settings and groups, and the audit log.

use std::sync::Arc;

use catalog::{ChangeFilter, Group, RecordedChange, SettingsOwner};
use policy::access::{Right, Subject};
use policy::settings::{Action, DEFAULT_STORAGE, Explanation};
use tonic::{Request, Response, Status};
use wire::v1::settings_owner::Owner;
use wire::v1::settings_server::Settings;
use wire::v1::{
    ChangeRecord, ChangeSettingsReply, ChangeSettingsRequest, ExplainReply, ExplainRequest, ExplainedSetting,
    GroupInfo, GroupRef, GroupReply, ListChangesReply, ListChangesRequest, ListGroupsReply,
    ListGroupsRequest, RenameGroupRequest, SetGroupRequest, SettingChange, SettingStep,
};

use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::policies::Wish;
use crate::services::access::{actor_of, caller_of};
use crate::services::views;

/// Entries of the audit log that are told where nobody says how many.
const CHANGES: u32 = 100;
/// Names of groups are at most so long.
const MAX_NAME_CHARS: usize = 100;

/// Answers all that is about settings.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Whose settings are meant; refuses whoever may not look at them, or change them. Of a client's, its user has a layer of his own.
    fn owner(&self, caller: &Caller, right: Right, owner: Option<Owner>) -> Result<SettingsOwner, Status> {
        let core = &self.core;
        match (caller, owner) {
            (Caller::Client(own), owner) => {
                let name = match owner {
                    Some(Owner::Client(name)) => caller.about(&name)?,
                    None => own.clone(),
                    Some(_) => {
                        return Err(Status::permission_denied(
                            "a client may only see and change its own settings",
                        ));
                    }
                };
                caller.may_for(core, right, &name)?;
                Ok(SettingsOwner::User(name))
            }
            (_, None | Some(Owner::Server(_))) => {
                caller.may(core, right)?;
                Ok(SettingsOwner::Server)
            }
            (_, Some(Owner::Client(name))) => {
                caller.may_for(core, right, &name)?;
                core.catalog.client(&name).map_err(Error::from)?;
                Ok(SettingsOwner::Client(name))
            }
            (_, Some(Owner::Group(name))) => {
                caller.may_to(core, right, Subject::Group(&name))?;
                let groups = core.catalog.groups().map_err(Error::from)?;
                if groups.iter().all(|group| group.name != name) {
                    return Err(Error::from(catalog::Error::UnknownGroup { name }).into());
                }
                Ok(SettingsOwner::Group(name))
            }
        }
    }

    /// Refuses to place clients in a storage that there is not.
    fn check_placement(&self, wishes: &[Wish]) -> Result<(), Status> {
        for wish in wishes {
            let Wish::Put { key, text, .. } = wish else {
                continue;
            };
            let name = text.trim();
            if key != "storage" || name == DEFAULT_STORAGE {
                continue;
            }
            let storages = self.core.catalog.storages().map_err(Error::from)?;
            if storages.iter().all(|storage| storage.name != name) {
                let names: Vec<_> = storages.iter().map(|storage| storage.name.as_str()).collect();
                return Err(Status::invalid_argument(format!(
                    "there is no storage {name:?}; there are: {DEFAULT_STORAGE}, {}",
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Makes a change of groups, notes it, and lets it hold.
    fn change_groups<T>(
        &self,
        request: &Request<T>,
        change: impl FnOnce(&T) -> Result<(), catalog::Error>,
        told: impl FnOnce(&T) -> (String, String),
    ) -> Result<Response<GroupReply>, Status> {
        caller_of(request)?.may(&self.core, Right::Groups)?;
        change(request.get_ref()).map_err(Error::from)?;
        self.core.policies.reload()?;
        self.core.schedule.look_again();
        let (subject, detail) = told(request.get_ref());
        audit::note(&self.core, &actor_of(request)?, "group", &subject, &detail);
        Ok(Response::new(GroupReply {}))
    }
}

#[tonic::async_trait]
impl Settings for Service {
    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        let caller = caller_of(&request)?;
        let owner = request.into_inner().owner.and_then(|owner| owner.owner);
        let owner = self.owner(&caller, Right::See, owner)?;
        let group = match &owner {
            SettingsOwner::Client(name) | SettingsOwner::User(name) => self.core.policies.group_of(name),
            SettingsOwner::Group(name) => Some(name.clone()),
            SettingsOwner::Server => None,
        };
        let explained = self.core.policies.explain(&owner);
        Ok(Response::new(ExplainReply {
            settings: explained.iter().map(view).collect(),
            group: group.unwrap_or_default(),
        }))
    }

    async fn change(
        &self,
        request: Request<ChangeSettingsRequest>,
    ) -> Result<Response<ChangeSettingsReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let request = request.into_inner();
        let owner = self.owner(
            &caller,
            Right::Settings,
            request.owner.and_then(|owner| owner.owner),
        )?;
        let wishes: Vec<Wish> = request.changes.into_iter().map(wish).collect();
        self.check_placement(&wishes)?;
        self.core.policies.change(&owner, &wishes)?;
        for wish in &wishes {
            audit::note(&self.core, &actor, "setting", &owner.to_string(), &told(wish));
        }
        self.core.schedule.look_again();
        let explained = self.core.policies.explain(&owner);
        let changed = explained
            .iter()
            .filter(|explained| wishes.iter().any(|wish| wish.key() == explained.setting.key));
        Ok(Response::new(ChangeSettingsReply {
            settings: changed.map(view).collect(),
        }))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsReply>, Status> {
        let caller = caller_of(&request)?;
        let groups = self.core.catalog.groups().map_err(Error::from)?;
        let is_seen = |group: &Group| {
            let subject = Subject::Group(&group.name);
            caller.can_to(&self.core, Right::See, subject)
        };
        let groups = groups.into_iter().filter(is_seen).map(|group| GroupInfo {
            name: group.name,
            clients: group.clients,
        });
        Ok(Response::new(ListGroupsReply {
            groups: groups.collect(),
        }))
    }

    async fn create_group(&self, request: Request<GroupRef>) -> Result<Response<GroupReply>, Status> {
        check_name(&request.get_ref().name)?;
        self.change_groups(
            &request,
            |group| self.core.catalog.create_group(&group.name),
            |group| (group.name.clone(), "created".to_owned()),
        )
    }

    async fn rename_group(
        &self,
        request: Request<RenameGroupRequest>,
    ) -> Result<Response<GroupReply>, Status> {
        check_name(&request.get_ref().new_name)?;
        self.change_groups(
            &request,
            |group| self.core.catalog.rename_group(&group.name, &group.new_name),
            |group| (group.name.clone(), format!("is now called {}", group.new_name)),
        )
    }

    async fn delete_group(&self, request: Request<GroupRef>) -> Result<Response<GroupReply>, Status> {
        self.change_groups(
            &request,
            |group| self.core.catalog.delete_group(&group.name),
            |group| (group.name.clone(), "deleted".to_owned()),
        )
    }

    async fn set_group(&self, request: Request<SetGroupRequest>) -> Result<Response<GroupReply>, Status> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.change_groups(
            &request,
            |asked| {
                let group = given(&asked.group);
                self.core.catalog.set_group(&asked.client, group.as_deref())
            },
            |asked| {
                let detail = match given(&asked.group) {
                    Some(group) => format!("is now in group {group}"),
                    None => "is in no group now".to_owned(),
                };
                (asked.client.clone(), detail)
            },
        )
    }

    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Result<Response<ListChangesReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Audit)?;
        let asked = request.into_inner();
        let filter = ChangeFilter {
            subject: (!asked.subject.is_empty()).then_some(asked.subject),
            before: views::before(asked.before),
            text: (!asked.text.is_empty()).then_some(asked.text),
            limit: Some(if asked.limit == 0 { CHANGES } else { asked.limit }),
            ..ChangeFilter::default()
        };
        let changes = self.core.catalog.changes(&filter).map_err(Error::from)?;
        let changes = changes
            .into_iter()
            .map(|RecordedChange { id, change }| ChangeRecord {
                id: id as u64,
                at_ms: change.at_ms,
                who: change.who,
                origin: change.origin,
                action: change.action,
                subject: change.subject,
                detail: change.detail,
            });
        Ok(Response::new(ListChangesReply {
            changes: changes.collect(),
        }))
    }
}

fn check_name(name: &str) -> Result<(), Status> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let is_good = !name.trim().is_empty()
        && name.trim() == name
        && name.chars().count() <= MAX_NAME_CHARS
        && name.chars().all(is_plain);
    if is_good {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{name:?} can't be a group's name: letters, digits, spaces, \"-\", \"_\" and \".\" can, {MAX_NAME_CHARS} at most"
    )))
}

fn wish(change: SettingChange) -> Wish {
    match change.value {
        Some(text) => Wish::Put {
            key: change.key,
            action: if change.adds { Action::Add } else { Action::Set },
            text,
        },
        None => Wish::Unset { key: change.key },
    }
}

fn told(wish: &Wish) -> String {
    match wish {
        Wish::Put { key, action, text } => {
            let sign = match action {
                Action::Set => "=",
                Action::Add => "+=",
            };
            format!("{key} {sign} {text}")
        }
        Wish::Unset { key } => format!("{key} is not set any more"),
    }
}

fn view(explained: &Explanation) -> ExplainedSetting {
    let setting = explained.setting;
    let step = |step: &policy::settings::Step| SettingStep {
        layer: step.layer.to_string(),
        origin: step.said.origin.clone(),
        value: step.said.text.clone(),
        adds: step.said.action == Action::Add,
        ignored: step.ignored.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    ExplainedSetting {
        key: setting.key.to_owned(),
        section: setting.section.to_string(),
        value: explained.value.to_string(),
        decided_by: explained.decided_by.to_string(),
        otherwise: explained.otherwise.as_ref().map(ToString::to_string),
        fallback: setting.fallback.to_owned(),
        reach: setting.reach.to_string(),
        about: setting.about.to_owned(),
        takes: setting.kind.expectation(),
        is_list: setting.kind.is_list(),
        steps: explained.steps.iter().map(step).collect(),
    }
}
