//! Puts the layers on top of each other and remembers what each said.

use std::collections::BTreeMap;
use std::fmt;

use super::kind::Mismatch;
use super::table::{Setting, TABLE, setting};
use super::value::Value;

/// Who says what a value is; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Nobody: the value that Perennial comes with.
    Default,
    /// The server's configuration file, environment or flags.
    Start,
    /// All clients'.
    Server,
    /// Those of a client's group.
    Group,
    /// The client's.
    Client,
    /// Those that the client's own user chose.
    User,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::Start => "start",
            Self::Server => "server",
            Self::Group => "group",
            Self::Client => "client",
            Self::User => "user",
        })
    }
}

/// What a layer does to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its value takes the place of theirs.
    Set,
    /// Its items are added to their list.
    Add,
}

/// What a layer says of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it does to the layers before.
    pub action: Action,
    /// The value, as text.
    pub text: String,
    /// Where it was said, for people: a line of a file, a flag, a name.
    pub origin: String,
}

/// What one layer says, by key.
pub type LayerOfSettings = BTreeMap<String, Said>;

/// All that is said for one client, or for the server alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    layers: BTreeMap<Layer, LayerOfSettings>,
}

/// Something can't be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There is no such setting.
    #[error("there is no setting {key:?}")]
    Unknown {
        /// The key that was given.
        key: String,
    },
    /// It takes no such value.
    #[error("{key} can't be {text:?}: {mismatch}")]
    Value {
        /// The setting.
        key: &'static str,
        /// The value that was given.
        text: String,
        /// What it takes.
        mismatch: Mismatch,
    },
    /// It is not for this layer.
    #[error("{key} can't be set for {layer}: it can be set for {reach} at most")]
    Layer {
        /// The setting.
        key: &'static str,
        /// The layer that was meant.
        layer: Layer,
        /// The last one that may have it.
        reach: Layer,
    },
    /// It is no list.
    #[error("{key} is no list that could be added to")]
    NoList {
        /// The setting.
        key: &'static str,
    },
}

/// Checks that something can be set, and tells the value in its canonical form.
pub fn check(layer: Layer, key: &str, action: Action, text: &str) -> Result<String, SetError> {
    let setting = setting(key).ok_or_else(|| SetError::Unknown { key: key.to_owned() })?;
    read(setting, layer, action, text).map(|value| value.to_string())
}

fn read(setting: &'static Setting, layer: Layer, action: Action, text: &str) -> Result<Value, SetError> {
    let key = setting.key;
    if layer > setting.reach {
        return Err(SetError::Layer {
            key,
            layer,
            reach: setting.reach,
        });
    }
    if action == Action::Add && !setting.kind.is_list() {
        return Err(SetError::NoList { key });
    }
    setting.kind.read(text).map_err(|mismatch| SetError::Value {
        key,
        text: text.to_owned(),
        mismatch,
    })
}

/// What became of something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who said it.
    pub layer: Layer,
    /// What.
    pub said: Said,
    /// Why it does not count; `None` where it was understood.
    pub ignored: Option<SetError>,
}

/// A setting's value and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Which setting.
    pub setting: &'static Setting,
    /// Its value.
    pub value: Value,
    /// The last layer that had a say in it.
    pub decided_by: Layer,
    /// What each layer said, in order.
    pub steps: Vec<Step>,
    /// What the value would be if that last layer had said nothing; `None` for a default.
    pub otherwise: Option<Value>,
}

impl Layers {
    /// Puts a layer in its place.
    pub fn with(mut self, layer: Layer, settings: LayerOfSettings) -> Self {
        self.layers.insert(layer, settings);
        self
    }

    /// The value of every setting.
    pub fn resolve(&self) -> Resolved {
        let value = |setting: &'static Setting| (setting.key, self.value_below(setting, None).0);
        Resolved {
            values: TABLE.iter().map(value).collect(),
        }
    }

    /// How every setting came to its value, in the table's order.
    pub fn explain(&self) -> Vec<Explanation> {
        TABLE.iter().map(|setting| self.explain_one(setting)).collect()
    }

    fn explain_one(&self, setting: &'static Setting) -> Explanation {
        let (value, decided_by) = self.value_below(setting, None);
        let otherwise = match decided_by {
            Layer::Default => None,
            layer => Some(self.value_below(setting, Some(layer)).0),
        };
        let step = |(layer, said): (Layer, &Said)| Step {
            layer,
            said: said.clone(),
            ignored: read(setting, layer, said.action, &said.text).err(),
        };
        Explanation {
            setting,
            value,
            decided_by,
            steps: self.said_of(setting.key).map(step).collect(),
            otherwise,
        }
    }

    fn said_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (Layer, &'a Said)> {
        self.layers
            .iter()
            .filter_map(move |(layer, settings)| Some((*layer, settings.get(key)?)))
    }

    /// The value by all layers, or by those before one; and the last that had a say.
    fn value_below(&self, setting: &'static Setting, before: Option<Layer>) -> (Value, Layer) {
        let fallback = setting.kind.read(setting.fallback);
        let mut value = fallback.expect("every default is of its kind, which a test checks");
        let mut decided_by = Layer::Default;
        for (layer, said) in self.said_of(setting.key) {
            if before.is_some_and(|before| layer >= before) {
                break;
            }
            let Ok(read) = read(setting, layer, said.action, &said.text) else {
                continue;
            };
            value = match said.action {
                Action::Set => read,
                Action::Add => value.extended(read),
            };
            decided_by = layer;
        }
        (value, decided_by)
    }
}

/// The values of all settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    values: BTreeMap<&'static str, Value>,
}

impl Resolved {
    /// The value of a setting. Asking for a key that is not in the table is a mistake in this program.
    pub fn value(&self, key: &'static str) -> &Value {
        self.values.get(key).expect("every key of the table has a value")
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
