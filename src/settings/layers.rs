//! The layers of settings: `default.toml`, then the file named by `FRAUD_CONFIG`, then the environment.
//!
//! Every value ends as one text with the place it came from; what the texts mean is the reader's part. Names that no
//! key matches are faults here, so that a misspelt one is never silence.

use std::collections::BTreeMap;
use std::fmt;

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

/// Every key with its default and a comment; embedded in the binary.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Names without the prefix that task definitions already use, and the key each stands for. A `FRAUD_` name wins.
pub const ALIASES: [(&str, &str); 6] = [
    ("ENVIRONMENT", "environment"),
    ("LOG_LEVEL", "log.level"),
    ("PORT", "http.port"),
    ("MODEL_PATH", "model.path"),
    ("MODEL_VERSION", "model.version"),
    ("ORT_DYLIB_PATH", "scoring.runtime_library"),
];

/// Names of things this build cannot do: set, they would be ignored, and someone would rely on them.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("S3_MODEL_BUCKET", "this build loads models from disk only; unset it and set MODEL_PATH"),
    ("S3_MODEL_KEY", "this build loads models from disk only; unset it and set MODEL_PATH"),
    ("REDIS_URL", "this build keeps history in memory only; unset it"),
];

/// Names the file of the second layer.
const FILE_VARIABLE: &str = "FRAUD_CONFIG";
const PREFIX: &str = "FRAUD_";

/// Keys whose values never appear in a message.
pub(super) const SECRETS: [&str; 2] = ["http.api_keys", "privacy.key"];

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, such as `http.port`, or the name of the variable or file that has none.
    pub key: String,
    /// Where the value came from: a variable's name, a file's path, or `default.toml`.
    pub source: String,
    /// What is wrong and what is accepted; never a secret.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key == self.source {
            write!(f, "{}: {}", self.key, self.problem)
        } else {
            write!(f, "{} (from {}): {}", self.key, self.source, self.problem)
        }
    }
}

/// One key's value before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    /// Where it was set; `None` where the default stands.
    pub(super) source: Option<String>,
}

/// Puts the layers on top of each other.
pub(super) fn merge(environment: &BTreeMap<String, String>) -> (BTreeMap<String, Written>, Vec<Fault>) {
    let mut faults = Vec::new();
    let defaults = File::from_str(DEFAULT_TOML, FileFormat::Toml)
        .collect()
        .map(flatten)
        .expect("default.toml is embedded and a test reads it");
    let keys: Vec<String> = defaults.keys().cloned().collect();
    let file = file_layer(environment, &keys, &mut faults);
    let variables = environment_layer(environment, &keys, &mut faults);
    let merged = Config::builder()
        .add_source(Layer(defaults))
        .add_source(Layer(file))
        .add_source(Layer(variables))
        .build()
        .and_then(|merged| merged.collect())
        .map(flatten)
        .expect("the layers hold known keys only");

    let mut values = BTreeMap::new();
    for (key, value) in merged {
        let source = value.origin().map(str::to_owned);
        match value.kind {
            ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => faults.push(Fault {
                source: source.unwrap_or_else(|| "default.toml".to_owned()),
                problem: "must be a single value".to_owned(),
                key,
            }),
            ValueKind::Float(number) => {
                values.insert(key, Written { text: format!("{number:?}"), source });
            }
            kind => {
                values.insert(key, Written { text: kind.to_string(), source });
            }
        }
    }
    (values, faults)
}

/// The name of the variable that sets a key: `http.port` is `FRAUD_HTTP__PORT`.
#[must_use]
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn file_layer(environment: &BTreeMap<String, String>, keys: &[String], faults: &mut Vec<Fault>) -> Map<String, Value> {
    let Some(path) = environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()) else { return Map::new() };
    let problem = match File::new(path, FileFormat::Toml).required(true).collect() {
        Ok(table) => {
            let mut layer = flatten(table);
            layer.retain(|key, value| {
                // `config` names the file relative to the working directory; people know it as they wrote it.
                *value = Value::new(Some(path), std::mem::take(&mut value.kind));
                let known = keys.contains(key);
                if !known {
                    let problem = unknown("key", key, keys.iter().map(String::as_str));
                    faults.push(Fault { key: key.clone(), source: path.clone(), problem });
                }
                known
            });
            return layer;
        }
        // Only where: the parser's full message quotes the line, which may hold a secret.
        Err(ConfigError::FileParse { cause, .. }) => {
            format!("not valid TOML: {}", cause.to_string().lines().next().unwrap_or_default())
        }
        Err(_) => "cannot be read: must be the path of a TOML file".to_owned(),
    };
    faults.push(Fault { key: path.clone(), source: FILE_VARIABLE.to_owned(), problem });
    Map::new()
}

fn environment_layer(
    environment: &BTreeMap<String, String>,
    keys: &[String],
    faults: &mut Vec<Fault>,
) -> Map<String, Value> {
    let names: BTreeMap<String, &str> = keys.iter().map(|key| (variable_of(key), key.as_str())).collect();
    let mut layer = Map::new();
    let mut set = |key: &str, name: &String, text: &str| {
        layer.insert(key.to_owned(), Value::new(Some(name), text));
    };
    // An empty variable counts as not set: the idiom of task definitions for "not here".
    let present = || environment.iter().filter(|(_, text)| !text.is_empty());
    for (name, text) in present() {
        if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| alias == name) {
            set(key, name, text);
        }
        if let Some((_, problem)) = UNSUPPORTED.iter().find(|(unsupported, _)| unsupported == name) {
            faults.push(Fault { key: name.clone(), source: name.clone(), problem: (*problem).to_owned() });
        }
    }
    for (name, text) in present() {
        if let Some(key) = names.get(name) {
            set(key, name, text);
        } else if name != FILE_VARIABLE && name.to_uppercase().starts_with(PREFIX) {
            let known = names.keys().map(String::as_str).chain([FILE_VARIABLE]);
            faults.push(Fault { key: name.clone(), source: name.clone(), problem: unknown("variable", name, known) });
        }
    }
    layer
}

/// A sentence that names the known name closest to an unknown one.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match known.min_by_key(|candidate| strsim::damerau_levenshtein(candidate, name)) {
        Some(closest) => format!("no such {what}; the closest is {closest}"),
        None => format!("no such {what}"),
    }
}

/// Tables of tables as one map from dotted keys.
fn flatten(table: Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (key, value) in table {
        match value.kind {
            ValueKind::Table(inner) => {
                flat.extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            _ => {
                flat.insert(key, value);
            }
        }
    }
    flat
}

/// One layer of dotted keys whose values know where they came from.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}
