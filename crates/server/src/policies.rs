//! What is set for clients, in layers, and the rules that follow from it. Changes hold at once.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{Catalog, OwnedSetting, SettingAction, SettingChange, SettingsOwner, StoredSetting};
use parking_lot::RwLock;
use policy::settings::{
    Action, ClientRules, Explanation, Layer, LayerOfSettings, Layers, Said, ServerRules, UserRight,
};

use crate::error::{Error, Result};

/// What a change of a setting asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// This value is to hold, in place of what the layers before say or besides it.
    Put {
        /// Which setting.
        key: String,
        /// In place or besides.
        action: Action,
        /// The value.
        text: String,
    },
    /// What the layers before say is to hold again.
    Unset {
        /// Which setting.
        key: String,
    },
}

impl Wish {
    /// Which setting it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Unset { key } => key,
        }
    }
}

/// All that is set, and the rules that follow from it.
pub struct Policies {
    catalog: Arc<Catalog>,
    start: LayerOfSettings,
    state: RwLock<State>,
}

struct State {
    stored: Stored,
    server: Arc<ServerRules>,
    /// The rules of those clients, and of those groups' other clients, that were asked for.
    clients: HashMap<String, Arc<ClientRules>>,
    groups: HashMap<Option<String>, Arc<ClientRules>>,
}

/// What the catalog has.
#[derive(Default)]
struct Stored {
    server: LayerOfSettings,
    groups: HashMap<String, LayerOfSettings>,
    clients: HashMap<String, LayerOfSettings>,
    users: HashMap<String, LayerOfSettings>,
    memberships: HashMap<String, Option<String>>,
}

impl Policies {
    /// Reads what is set. `start` is what the server was started with.
    pub fn load(catalog: Arc<Catalog>, start: LayerOfSettings) -> Result<Self> {
        let stored = Stored::load(&catalog)?;
        let state = State::new(stored, &start);
        Ok(Self {
            catalog,
            start,
            state: RwLock::new(state),
        })
    }

    /// Reads it anew: something was changed, such as a client's group.
    pub fn reload(&self) -> Result<()> {
        let stored = Stored::load(&self.catalog)?;
        *self.state.write() = State::new(stored, &self.start);
        Ok(())
    }

    /// The rules of the server as a whole.
    pub fn server(&self) -> Arc<ServerRules> {
        self.state.read().server.clone()
    }

    /// The rules of a client. One that is not known has those of a client without group.
    pub fn of(&self, client: &str) -> Arc<ClientRules> {
        if let Some(rules) = self.state.read().known(client) {
            return rules;
        }
        let mut state = self.state.write();
        let rules = Arc::new(ClientRules::of(
            &state.stored.layers_of(&self.start, client).resolve(),
        ));
        if state.stored.is_special(client) {
            state.clients.insert(client.to_owned(), rules.clone());
        } else {
            let group = state.stored.group_of(client).map(str::to_owned);
            state.groups.insert(group, rules.clone());
        }
        rules
    }

    /// The group that a client is in.
    pub fn group_of(&self, client: &str) -> Option<String> {
        self.state.read().stored.group_of(client).map(str::to_owned)
    }

    /// Whether a setting of any layer names this storage as the place of new backups.
    pub fn is_placed_at(&self, storage: &str) -> bool {
        let state = self.state.read();
        let stored = &state.stored;
        let layers = [&self.start, &stored.server].into_iter();
        let mut layers = layers
            .chain(stored.groups.values())
            .chain(stored.clients.values());
        layers.any(|layer| layer.get("storage").is_some_and(|said| said.text == storage))
    }

    /// How every setting came to its value, for a client, for clients of a group, or for all.
    pub fn explain(&self, owner: &SettingsOwner) -> Vec<Explanation> {
        let state = self.state.read();
        let stored = &state.stored;
        let layers = match owner {
            SettingsOwner::Server => stored.layers(&self.start, None),
            SettingsOwner::Group(name) => stored.layers(&self.start, Some(name)),
            SettingsOwner::Client(name) | SettingsOwner::User(name) => stored.layers_of(&self.start, name),
        };
        layers.explain()
    }

    /// Changes what is set: everything or, where one of the wishes can't be fulfilled, nothing.
    pub fn change(&self, owner: &SettingsOwner, wishes: &[Wish]) -> Result<()> {
        let layer = layer_of(owner);
        let changes = wishes.iter().map(|wish| change_for(layer, wish));
        let changes: Vec<SettingChange> = changes.collect::<Result<_>>()?;
        if let SettingsOwner::User(client) = owner
            && !self.of(client).may(UserRight::Settings)
        {
            return Err(Error::Refused {
                why: "the server's settings don't let this client's user change settings",
            });
        }
        self.catalog.change_settings(owner, &changes)?;
        self.reload()
    }
}

fn layer_of(owner: &SettingsOwner) -> Layer {
    match owner {
        SettingsOwner::Server => Layer::Server,
        SettingsOwner::Group(_) => Layer::Group,
        SettingsOwner::Client(_) => Layer::Client,
        SettingsOwner::User(_) => Layer::User,
    }
}

fn change_for(layer: Layer, wish: &Wish) -> Result<SettingChange> {
    let key = wish.key();
    match wish {
        Wish::Put { action, text, .. } => {
            policy::settings::check(layer, key, *action, text)?;
            Ok(SettingChange::Put(StoredSetting {
                key: key.to_owned(),
                action: match action {
                    Action::Set => SettingAction::Set,
                    Action::Add => SettingAction::Add,
                },
                value: text.trim().to_owned(),
            }))
        }
        // One that this version does not know may well lie in the catalog.
        Wish::Unset { .. } => Ok(SettingChange::Unset { key: key.to_owned() }),
    }
}

impl State {
    fn new(stored: Stored, start: &LayerOfSettings) -> Self {
        let server = ServerRules::of(&stored.layers(start, None).resolve());
        Self {
            stored,
            server: Arc::new(server),
            clients: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    fn known(&self, client: &str) -> Option<Arc<ClientRules>> {
        if self.stored.is_special(client) {
            return self.clients.get(client).cloned();
        }
        let group = self.stored.group_of(client).map(str::to_owned);
        self.groups.get(&group).cloned()
    }
}

impl Stored {
    fn load(catalog: &Catalog) -> Result<Self> {
        let mut stored = Self {
            memberships: catalog.memberships()?,
            ..Self::default()
        };
        for OwnedSetting { owner, setting } in catalog.all_settings()? {
            let said = Said {
                action: match setting.action {
                    SettingAction::Set => Action::Set,
                    SettingAction::Add => Action::Add,
                },
                text: setting.value,
                origin: owner.to_string(),
            };
            let layer = match owner {
                SettingsOwner::Server => &mut stored.server,
                SettingsOwner::Group(name) => stored.groups.entry(name).or_default(),
                SettingsOwner::Client(name) => stored.clients.entry(name).or_default(),
                SettingsOwner::User(name) => stored.users.entry(name).or_default(),
            };
            layer.insert(setting.key, said);
        }
        Ok(stored)
    }

    /// Whether something is set for this client alone.
    fn is_special(&self, client: &str) -> bool {
        self.clients.contains_key(client) || self.users.contains_key(client)
    }

    fn group_of(&self, client: &str) -> Option<&str> {
        self.memberships.get(client)?.as_deref()
    }

    fn layers(&self, start: &LayerOfSettings, group: Option<&str>) -> Layers {
        let layers = Layers::default()
            .with(Layer::Start, start.clone())
            .with(Layer::Server, self.server.clone());
        match group.and_then(|group| self.groups.get(group)) {
            Some(settings) => layers.with(Layer::Group, settings.clone()),
            None => layers,
        }
    }

    fn layers_of(&self, start: &LayerOfSettings, client: &str) -> Layers {
        let mut layers = self.layers(start, self.group_of(client));
        if let Some(settings) = self.clients.get(client) {
            layers = layers.with(Layer::Client, settings.clone());
        }
        match self.users.get(client) {
            // What the user had set stays in the catalog, in case that the right comes back.
            Some(settings) if ClientRules::of(&layers.resolve()).may(UserRight::Settings) => {
                layers.with(Layer::User, settings.clone())
            }
            _ => layers,
        }
    }
}
