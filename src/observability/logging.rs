//! Lines of the service itself: one JSON object each, the same shape as the lines of requests.
//!
//! Events of `tracing` and panics become lines of `timestamp`, `level`, `message`, `service`, `version`, `environment`,
//! `target` and the event's own fields, every one a text, a number or a boolean. They never wait for stdout (see
//! `writer`). No field may be called as what no line may hold is called, and a panic's message is taken over only when
//! it is a fixed text of ours: one made at run time may quote a transaction.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::clock::Stamp;
use super::writer::{LogGuard, Logs, Note};
use crate::settings::{Environment, LogSettings};

/// Fields of every line.
pub const COMMON_FIELDS: [&str; 6] = ["timestamp", "level", "message", "service", "version", "environment"];

/// What no line may hold, by the names it would have.
pub const FORBIDDEN_FIELDS: [&str; 7] =
    ["merchant", "location", "amount", "user_id", "latitude", "longitude", "reasoning"];

/// Texts of events are cut after so many bytes: memory is bounded in lines.
const LONGEST_TEXT: usize = 4096;

/// Who writes: the same on every line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// `fraud-detection`
    pub service: &'static str,
    /// The version of the crate.
    pub version: &'static str,
    /// Where it runs.
    pub environment: &'static str,
}

impl Identity {
    /// This build, in this environment.
    #[must_use]
    pub fn of(environment: Environment) -> Self {
        Self { service: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), environment: environment.as_str() }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// Stdout is closed.
    #[error("stdout cannot be written to: {0}")]
    Stdout(#[source] io::Error),
    /// The system gives no thread.
    #[error("the log's thread could not be started: {0}")]
    Thread(#[source] io::Error),
    /// Something else collects events already.
    #[error("another subscriber of events is installed already")]
    Installed,
}

/// Starts the log on stdout and sends all events and panics of the process there. To be called once, before anything
/// else runs.
///
/// # Errors
/// See [`LoggingError`].
pub fn init(identity: Identity, settings: &LogSettings) -> Result<(Logs, LogGuard), LoggingError> {
    // A descriptor of its own: `io::Stdout` keeps the end of what a pipe did not take in a buffer and calls it written.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(LoggingError::Stdout)?;
    let (logs, guard) = start(File::from(stdout), settings.buffer_lines, identity).map_err(LoggingError::Thread)?;
    tracing::subscriber::set_global_default(subscriber(&logs, identity, settings.level))
        .map_err(|_| LoggingError::Installed)?;
    std::panic::set_hook(Box::new(panic_hook(logs.clone(), identity)));
    Ok((logs, guard))
}

/// Starts the log on any writer; installs nothing.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    out: impl io::Write + Send + 'static,
    buffer_lines: usize,
    identity: Identity,
) -> io::Result<(Logs, LogGuard)> {
    Logs::start(out, buffer_lines, move |note| {
        let (message, field, count) = match note {
            Note::RequestsRefused(count) => ("requests were refused while stdout was stalled", "requests", count),
            Note::EventsDropped(count) => ("events were left out while stdout was stalled", "events", count),
        };
        let fields = vec![(field, Scalar::Unsigned(count))];
        let record = Record { identity, level: Level::WARN, message, target: module_path!(), fields: &fields };
        let mut line = serde_json::to_vec(&record).expect("a record holds texts and numbers");
        line.push(b'\n');
        line
    })
}

/// Collects events into `logs`: the service's own from `level` on, those of libraries from warnings on at most.
pub fn subscriber(logs: &Logs, identity: Identity, level: Level) -> impl Subscriber + Send + Sync + use<> {
    let filter = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::WARN))
        .with_target("fraud_detection", level);
    tracing_subscriber::registry().with(EventLayer { logs: logs.clone(), identity }.with_filter(filter))
}

/// Writes a panic as a line.
pub fn panic_hook(logs: Logs, identity: Identity) -> impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static {
    move |panic| {
        let text = panic.payload().downcast_ref::<&'static str>().copied();
        let place = panic.location().map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let fields = vec![
            ("panic", Scalar::Text(text.unwrap_or("(made at run time, so left out)").to_owned())),
            ("source", Scalar::Text(place)),
            ("thread", Scalar::Text(thread)),
        ];
        logs.write_event(&Record {
            identity,
            level: Level::ERROR,
            message: "panicked",
            target: "panic",
            fields: &fields,
        });
    }
}

struct EventLayer {
    logs: Logs,
    identity: Identity,
}

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.logs.write_event(&Record {
            identity: self.identity,
            level: *metadata.level(),
            message: &fields.message,
            target: metadata.target(),
            fields: &fields.others,
        });
    }
}

/// A value of a field: nothing is nested.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Scalar)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: Scalar) {
        let name = field.name();
        let kept = !COMMON_FIELDS.contains(&name) && !FORBIDDEN_FIELDS.contains(&name) && name != "target";
        if kept && !self.others.iter().any(|(other, _)| *other == name) {
            self.others.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = cut(value.to_owned());
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, Scalar::Text(text));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Scalar::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Scalar::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Scalar::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Scalar::Flag(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let causes: Vec<String> =
            std::iter::successors(Some(value), |error| error.source()).map(ToString::to_string).collect();
        self.push(field, Scalar::Text(cut(causes.join(": "))));
    }
}

/// At most [`LONGEST_TEXT`] bytes, cut between characters.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
    }
    text
}

/// A line that belongs to no request.
struct Record<'a> {
    identity: Identity,
    level: Level,
    message: &'a str,
    target: &'a str,
    fields: &'a [(&'static str, Scalar)],
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &Stamp::now())?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("message", self.message)?;
        map.serialize_entry("service", self.identity.service)?;
        map.serialize_entry("version", self.identity.version)?;
        map.serialize_entry("environment", self.identity.environment)?;
        map.serialize_entry("target", self.target)?;
        for (name, value) in self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::{Value, json};
    use tracing::{debug, error, info, warn};

    use super::*;

    const IDENTITY: Identity = Identity { service: "fraud-detection", version: "0.0.0", environment: "test" };

    /// What `act` leaves in the log.
    fn logged(act: impl FnOnce(&Logs)) -> Vec<Value> {
        let (mut reader, writer) = io::pipe().unwrap();
        let (logs, guard) = start(writer, 1024, IDENTITY).unwrap();
        act(&logs);
        drop((guard, logs));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn events_become_lines_of_texts_numbers_and_flags() {
        let lines = logged(|logs| {
            tracing::subscriber::with_default(subscriber(logs, IDENTITY, Level::INFO), || {
                let cause = io::Error::other(LoggingError::Installed);
                info!(count = 3_u64, delta = -2, share = 0.5, ready = true, name = "a\nb", "model {} is live", "v1.0");
                error!(error = &cause as &dyn std::error::Error, list = ?[1, 2], "loading failed");
                debug!("not at this level");
                warn!(target: "hyper::proto", "of a library");
                info!(target: "hyper::proto", "too much of a library");
                info!(amount = 12, merchant = "m", user_id = "u", message_id = 1, level = "x", target = "y", "hidden");
                info!(long = "é".repeat(LONGEST_TEXT), "cut");
            });
        });
        let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["model v1.0 is live", "loading failed", "of a library", "hidden", "cut"]);
        let mut first = lines[0].clone();
        assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
        first["timestamp"] = json!("now");
        assert_eq!(
            first,
            json!({
                "timestamp": "now", "level": "INFO", "message": "model v1.0 is live", "service": "fraud-detection",
                "version": "0.0.0", "environment": "test", "target": module_path!(), "count": 3, "delta": -2,
                "share": 0.5, "ready": true, "name": "a\nb",
            })
        );
        assert_eq!(lines[1]["error"], "another subscriber of events is installed already");
        assert_eq!(lines[1]["list"], "[1, 2]");
        let names: Vec<&String> = lines[3].as_object().unwrap().keys().collect();
        assert_eq!(names.len(), COMMON_FIELDS.len() + 2, "target and message_id: {names:?}");
        assert!(lines[4]["long"].as_str().unwrap().len() < LONGEST_TEXT + 4);
    }

    #[test]
    fn a_panic_is_a_line_that_quotes_only_fixed_texts() {
        const THREAD: &str = "a thread that panics";
        let lines = logged(|logs| {
            // Hooks are the whole process's: other tests keep the one there was.
            let (hook, previous) = (panic_hook(logs.clone(), IDENTITY), std::panic::take_hook());
            std::panic::set_hook(Box::new(move |panic| {
                if std::thread::current().name() == Some(THREAD) { hook(panic) } else { previous(panic) }
            }));
            for secret in [None, Some("4111111111111111")] {
                let thread = std::thread::Builder::new().name(THREAD.to_owned());
                let panicking = move || match secret {
                    None => panic!("an invariant is broken"),
                    Some(secret) => panic!("no user {secret}"),
                };
                assert!(thread.spawn(panicking).unwrap().join().is_err());
            }
            // The hook holds the log: without it the pipe would not end.
            drop(std::panic::take_hook());
        });
        assert_eq!(lines.len(), 2);
        for (line, text) in lines.iter().zip(["an invariant is broken", "(made at run time, so left out)"]) {
            assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("panicked")));
            assert_eq!((&line["panic"], &line["thread"]), (&json!(text), &json!(THREAD)));
            assert!(line["source"].as_str().unwrap().starts_with("src/observability/logging.rs:"), "{line}");
        }
    }

    #[test]
    fn the_writer_s_own_notes_have_the_same_shape() {
        let lines = logged(|logs| {
            logs.note_refused();
            logs.write_event(&json!({}));
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["message"], "requests were refused while stdout was stalled");
        assert_eq!(lines[1]["requests"], 1);
        assert!(COMMON_FIELDS.iter().all(|field| lines[1].get(field).is_some()), "{}", lines[1]);
    }
}
