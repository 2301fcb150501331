//! Settings: from texts of three layers to values that need no further check.
//!
//! `default.toml` (embedded) lies under the file named by `FRAUD_CONFIG`, that under the environment; `layers` merges
//! them, `reader` turns texts into values. Every fault is reported at once, in one message. The rest of the program
//! sees [`Settings`] only: it reads no environment and no file of settings. Nothing here logs; secrets hide in `Debug`.

pub mod api_keys;
pub mod layers;
pub mod machine;
mod read;
mod reader;
pub mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use api_keys::{ApiKey, ApiKeys, Scope};
pub use layers::Fault;
pub use machine::Machine;
pub use secret::Secret;

use crate::model::ModelPointer;
use reader::Reader;

/// Where the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine.
    Development,
    /// Automated tests.
    Test,
    /// A rehearsal of production.
    Staging,
    /// Real transactions: refuses to start without API keys and without a privacy key.
    Production,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Self; 4] = [Self::Development, Self::Test, Self::Staging, Self::Production];

    /// The word used in settings and in the field `environment` of every log line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Where to listen, and the limits of what callers may ask for.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes any free one.
    pub port: u16,
    /// The path before every route: empty, or `/…` without a slash at the end.
    pub base_path: String,
    /// For a single prediction, from its first byte to its answer.
    pub deadline: Duration,
    /// For a whole batch; longer than `deadline`.
    pub batch_deadline: Duration,
    /// For a body to arrive.
    pub body_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// Connections served at once.
    pub max_connections: usize,
    /// Connections beyond those, for probes only.
    pub probe_connections: usize,
    /// Bytes of a body of `/predict`.
    pub predict_body_limit: usize,
    /// Bytes of a body of `/batch`; at least `predict_body_limit`.
    pub batch_body_limit: usize,
    /// Bytes of bodies held at once; at least `batch_body_limit`.
    pub bytes_in_flight: usize,
    /// Whether `/model`, `/openapi.json` and `/docs` need no key.
    pub public_docs: bool,
    /// Who may call; empty: anyone.
    pub api_keys: ApiKeys,
    /// Whether production may start without keys. Where keys are configured they are asked for all the same.
    pub allow_anonymous: bool,
}

/// The async runtime.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// Threads that serve connections, at least 1.
    pub async_threads: usize,
}

/// The pool that runs the model.
#[derive(Debug, Clone)]
pub struct ScoringSettings {
    /// Scoring threads, at least 1.
    pub threads: usize,
    /// Rows that may wait.
    pub queue_rows: usize,
    /// Rows of one run of the model; at most `queue_rows`.
    pub max_batch: usize,
    /// ONNX Runtime's shared library, where it is not in its usual place.
    pub runtime_library: Option<PathBuf>,
}

/// Histories of users and merchants, in memory.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// Bytes for all of them.
    pub memory_limit: usize,
    /// How long a prediction waits for one; shorter than `http.deadline`.
    pub timeout: Duration,
}

/// Decisions remembered for retries.
#[derive(Debug, Clone)]
pub struct DecisionsSettings {
    /// For how long.
    pub ttl: Duration,
    /// Bytes for all of them.
    pub memory_limit: usize,
}

/// Labels remembered for corrections.
#[derive(Debug, Clone)]
pub struct FeedbackSettings {
    /// Bytes for all of them.
    pub memory_limit: usize,
}

/// Which model is served.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// The folder of versions, or one version's.
    pub path: PathBuf,
    /// Which version.
    pub version: ModelPointer,
}

/// How user ids are hidden.
#[derive(Debug, Clone)]
pub struct PrivacySettings {
    /// The key of the hash, 16 characters or more; `None`: drawn anew at each start.
    pub key: Option<Secret>,
}

/// How timestamps are read.
#[derive(Debug, Clone)]
pub struct TimestampSettings {
    /// The zone of local timestamps and of the features of time.
    pub zone: TimeZone,
}

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The least severe level of events; lines of requests are written whatever it is.
    pub level: tracing::Level,
    /// The share of approvals that leave a line, `0.0..=1.0`.
    pub approve_sample: f64,
    /// Lines that may wait for stdout.
    pub buffer_lines: usize,
}

/// How the process ends.
#[derive(Debug, Clone)]
pub struct ShutdownSettings {
    /// Serving on after SIGTERM.
    pub drain_delay: Duration,
    /// For requests in flight.
    pub grace: Duration,
    /// For the last lines and metrics.
    pub flush: Duration,
}

impl ShutdownSettings {
    /// The longest the process lives after SIGTERM; the orchestrator's stop timeout must be longer.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.drain_delay + self.grace + self.flush
    }
}

/// Every setting, checked. One field a section; `docs/settings.md` tells each key's meaning and range.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the service runs.
    pub environment: Environment,
    /// `[http]`
    pub http: HttpSettings,
    /// `[runtime]`
    pub runtime: RuntimeSettings,
    /// `[scoring]`
    pub scoring: ScoringSettings,
    /// `[history]`
    pub history: HistorySettings,
    /// `[decisions]`
    pub decisions: DecisionsSettings,
    /// `[feedback]`
    pub feedback: FeedbackSettings,
    /// `[model]`
    pub model: ModelSettings,
    /// `[privacy]`
    pub privacy: PrivacySettings,
    /// `[timestamps]`
    pub timestamps: TimestampSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[shutdown]`
    pub shutdown: ShutdownSettings,
    summary: String,
}

/// Everything that is wrong with the settings; the message has a line for each fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// At least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "bad settings, {count} {}:", if count == 1 { "fault" } else { "faults" })?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n- {fault}"))
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the environment, and the file it names.
    ///
    /// # Errors
    /// Every fault, at once.
    pub fn load() -> Result<Self, SettingsError> {
        Self::from_environment(&environment(), Machine::detect())
    }

    /// The same from given variables: for tests.
    ///
    /// # Errors
    /// Every fault, at once.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(
        pairs: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, SettingsError> {
        let environment = pairs.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        Self::from_environment(&environment, Machine::detect())
    }

    /// The same from given variables on a given machine.
    ///
    /// # Errors
    /// Every fault, at once.
    pub fn from_environment(environment: &BTreeMap<String, String>, machine: Machine) -> Result<Self, SettingsError> {
        let (values, faults) = layers::merge(environment);
        let mut reader = Reader::new(values, faults);
        let settings = read::settings(&mut reader, machine);
        let faults = reader.into_faults();
        if faults.is_empty() { Ok(settings) } else { Err(SettingsError { faults }) }
    }

    /// Where a program on this machine reaches the service, whatever else is wrong with the settings:
    /// `http://127.0.0.1:8000/ml`, without a slash at the end.
    ///
    /// # Errors
    /// Every fault of the keys that it is made of.
    pub fn load_own_url() -> Result<String, SettingsError> {
        Self::own_url(&environment())
    }

    /// The same from given variables.
    ///
    /// # Errors
    /// Every fault of the keys that it is made of.
    pub fn own_url(environment: &BTreeMap<String, String>) -> Result<String, SettingsError> {
        let (values, _) = layers::merge(environment);
        let mut reader = Reader::new(values, Vec::new());
        let http = read::http(&mut reader);
        reader.demand("http.port", http.port != 0, "with 0 the system chooses the port, so nobody else knows it");
        let mut faults = reader.into_faults();
        faults.retain(|fault| ["http.host", "http.port", "http.base_path"].contains(&fault.key.as_str()));
        if !faults.is_empty() {
            return Err(SettingsError { faults });
        }
        let host = match http.host {
            IpAddr::V4(host) if host.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(host) if host.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
            host => host,
        };
        Ok(format!("http://{}{}", SocketAddr::new(host, http.port), http.base_path))
    }

    /// What is set otherwise than by default, and where it was set, in one line without secrets: for the log.
    #[must_use]
    pub fn log_summary(&self) -> &str {
        &self.summary
    }

    /// What is allowed but likely a mistake, one sentence each: for the log.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let production = self.environment == Environment::Production;
        let warnings = [
            (
                production && self.http.api_keys.is_empty(),
                "http.api_keys is empty: anyone who reaches the port may call",
            ),
            (
                self.privacy.key.is_none(),
                "privacy.key is empty: user ids are hashed with a key drawn at this start, so hashes differ between \
                 starts and tasks",
            ),
            (
                self.http.keep_alive <= ALB_IDLE_TIMEOUT,
                "http.keep_alive is not above 60s, an ALB's idle timeout: it will answer 502 for requests sent on \
                 connections that close at that moment",
            ),
            (
                self.scoring.queue_rows < read::LARGEST_BATCH,
                "scoring.queue_rows is below 1000: the largest /batch never fits",
            ),
            (
                self.shutdown.total() > LONGEST_STOP_TIMEOUT,
                "the durations of shutdown add up to more than 120s, the longest stopTimeout on Fargate",
            ),
        ];
        warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
    }
}

/// The process's environment.
fn environment() -> BTreeMap<String, String> {
    // A name that is not UTF-8 is none of ours; the reader refuses what a value that is not turns into.
    let named =
        |(name, text): (OsString, OsString)| Some((name.into_string().ok()?, text.to_string_lossy().into_owned()));
    std::env::vars_os().filter_map(named).collect()
}

/// The default idle timeout of an Application Load Balancer.
const ALB_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// ECS on Fargate kills a task at the latest this long after SIGTERM.
const LONGEST_STOP_TIMEOUT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { cpus: 3, memory_bytes: 8 << 30 };
    const HASH: &str = "2052df961f93cc279d2493dfc22332a5ed1c63820231b7535042049673b56f75";
    const PRIVACY_KEY: &str = "sixteen-characters-of-privacy";

    fn load<const N: usize>(pairs: [(&str, &str); N]) -> Result<Settings, SettingsError> {
        let environment = pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Settings::from_environment(&environment, MACHINE)
    }

    fn message<const N: usize>(pairs: [(&str, &str); N]) -> String {
        load(pairs).unwrap_err().to_string()
    }

    #[test]
    fn the_own_url_needs_nothing_but_the_keys_it_is_made_of() {
        for (pairs, url) in [
            (&[][..], "http://127.0.0.1:8000"),
            (&[("ENVIRONMENT", "production"), ("FRAUD_HTTP__DEADLINE", "soon")], "http://127.0.0.1:8000"),
            (&[("PORT", "9000"), ("FRAUD_HTTP__BASE_PATH", "/ml")], "http://127.0.0.1:9000/ml"),
            (&[("FRAUD_HTTP__HOST", "::")], "http://[::1]:8000"),
            (&[("FRAUD_HTTP__HOST", "10.0.0.7")], "http://10.0.0.7:8000"),
        ] {
            let environment = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            assert_eq!(Settings::own_url(&environment).as_deref(), Ok(url), "{pairs:?}");
        }
        for (name, text) in [("PORT", "0"), ("PORT", "http"), ("FRAUD_HTTP__BASE_PATH", "ml")] {
            let faults = Settings::own_url(&BTreeMap::from([(name.to_owned(), text.to_owned())])).unwrap_err().faults;
            assert_eq!(faults.len(), 1, "{name}={text}");
        }
    }

    #[test]
    fn defaults_are_valid_and_every_key_is_read() {
        let (values, faults) = layers::merge(&BTreeMap::new());
        let mut reader = Reader::new(values, faults);
        let settings = read::settings(&mut reader, MACHINE);
        assert_eq!(reader.unread(), Vec::<&str>::new());
        assert_eq!(reader.into_faults(), []);
        assert_eq!(settings.http.port, 8000);
        assert_eq!(settings.http.keep_alive, Duration::from_secs(75));
        assert_eq!((settings.runtime.async_threads, settings.scoring.threads), (3, 3));
        assert_eq!(settings.history.memory_limit, 2 << 30);
        assert_eq!(settings.shutdown.total(), Duration::from_secs(20));
        assert_eq!(settings.log_summary(), "all defaults");
        assert_eq!(settings.warnings().len(), 1, "only the privacy key: {:?}", settings.warnings());
    }

    #[test]
    fn later_layers_win_and_a_fraud_name_beats_its_alias() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fraud.toml");
        std::fs::write(&file, "[http]\nport = 7000\npredict_body_limit = 2048\n[log]\nlevel = \"debug\"\n").unwrap();
        let file = file.to_str().unwrap();
        let settings = load([
            ("FRAUD_CONFIG", file),
            ("PORT", "9000"),
            ("LOG_LEVEL", "WARN"),
            ("FRAUD_LOG__LEVEL", "Error"),
            ("MODEL_PATH", "/models"),
            ("MODEL_VERSION", "v1.2"),
            ("ENVIRONMENT", "Staging"),
            ("FRAUD_SCORING__THREADS", "2"),
            ("FRAUD_HTTP__DEADLINE", ""),
            ("FRAUD_HTTP__BASE_PATH", "/ml"),
            ("FRAUD_TIMESTAMPS__ZONE", "Europe/Berlin"),
            ("FRAUD_HISTORY__MEMORY_LIMIT", "16MiB"),
            ("FRAUD_PRIVACY__KEY", PRIVACY_KEY),
            ("AWS_REGION", "eu-central-1"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        let v1_2 = ModelPointer::Fixed { version: "v1.2".to_owned(), manifest_sha256: None };
        assert_eq!(settings.http.port, 9000);
        assert_eq!(settings.http.predict_body_limit, 2048);
        assert_eq!(settings.log.level, tracing::Level::ERROR);
        assert_eq!((settings.model.path.to_str(), &settings.model.version), (Some("/models"), &v1_2));
        assert_eq!(settings.environment, Environment::Staging);
        assert_eq!(settings.scoring.threads, 2);
        assert_eq!(settings.http.deadline, Duration::from_secs(1), "an empty variable counts as not set");
        assert_eq!(settings.timestamps.zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(settings.history.memory_limit, 16 << 20);
        let summary = settings.log_summary();
        for part in ["http.port = 9000 (from PORT)", &format!("http.predict_body_limit = 2048 (from {file})")] {
            assert!(summary.contains(part), "{summary}");
        }
        for text in [summary, &format!("{settings:?}")] {
            assert!(text.contains("[secret]") && !text.contains(PRIVACY_KEY), "{text}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once_with_key_source_and_what_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fraud.toml");
        std::fs::write(&file, "colour = 1\n[http]\nhost = [\"a\"]\n[shutdown]\ngrace = \"soon\"\n").unwrap();
        let error = load([
            ("FRAUD_CONFIG", file.to_str().unwrap()),
            ("PORT", "65536"),
            ("FRAUD_HTTP_PORT", "8000"),
            ("fraud_log__level", "info"),
            ("FRAUD_LOG__APPROVE_SAMPLE", "1.5"),
            ("FRAUD_LOG__BUFFER_LINES", "12"),
            ("FRAUD_TIMESTAMPS__ZONE", "Mars/Base"),
            ("FRAUD_HTTP__PUBLIC_DOCS", "perhaps"),
            ("FRAUD_HISTORY__STORE", "redis"),
            ("FRAUD_DECISIONS__MEMORY_LIMIT", "1kB"),
            ("FRAUD_HTTP__BASE_PATH", "ml/"),
            ("FRAUD_MODEL__VERSION", "../etc"),
            ("ENVIRONMENT", "prod"),
            ("REDIS_URL", "redis://user:hunter2@host"),
            ("S3_MODEL_BUCKET", "bucket"),
        ])
        .unwrap_err();
        let text = error.to_string();
        let file = file.display();
        for line in [
            format!("- colour (from {file}): no such key; the closest is "),
            format!("- http.host (from {file}): must be a single value"),
            format!(
                "- shutdown.grace (from {file}): must be a duration from 0s to 5m with its unit, such as 20ms or 1s, not \"soon\""
            ),
            "- http.port (from PORT): must be a port from 0 to 65535, not \"65536\"".to_owned(),
            "- FRAUD_HTTP_PORT: no such variable; the closest is FRAUD_HTTP__PORT".to_owned(),
            "- fraud_log__level: no such variable; the closest is FRAUD_LOG__LEVEL".to_owned(),
            "- log.approve_sample (from FRAUD_LOG__APPROVE_SAMPLE): must be a number from 0.0 to 1.0, not \"1.5\""
                .to_owned(),
            "- log.buffer_lines (from FRAUD_LOG__BUFFER_LINES): must be an integer from 1024 to 1000000".to_owned(),
            "- timestamps.zone (from FRAUD_TIMESTAMPS__ZONE): must be an IANA time zone".to_owned(),
            "- http.public_docs (from FRAUD_HTTP__PUBLIC_DOCS): must be true or false".to_owned(),
            "- history.store (from FRAUD_HISTORY__STORE): must be memory, not \"redis\"".to_owned(),
            "- decisions.memory_limit (from FRAUD_DECISIONS__MEMORY_LIMIT): must be a size from 1MiB to 1024GiB"
                .to_owned(),
            "- http.base_path (from FRAUD_HTTP__BASE_PATH): must be empty, or a path such as /ml".to_owned(),
            "- model.version (from FRAUD_MODEL__VERSION): must be current, a version".to_owned(),
            "- environment (from ENVIRONMENT): must be development, test, staging or production".to_owned(),
            "- REDIS_URL: this build keeps history in memory only".to_owned(),
            "- S3_MODEL_BUCKET: this build loads models from disk only".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}\n--- not in ---\n{text}");
        }
        assert_eq!(error.faults.len(), 17, "{text}");
        assert!(text.starts_with("bad settings, 17 faults:\n"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn rules_between_keys() {
        for (name, value, says) in [
            (
                "FRAUD_HTTP__BATCH_DEADLINE",
                "1s",
                "http.batch_deadline (from FRAUD_HTTP__BATCH_DEADLINE): must be longer",
            ),
            ("FRAUD_HTTP__DEADLINE", "20ms", "history.timeout (from default.toml): must be shorter than http.deadline"),
            ("FRAUD_HTTP__BATCH_BODY_LIMIT", "8KiB", "must be at least http.predict_body_limit"),
            ("FRAUD_HTTP__BYTES_IN_FLIGHT", "1MiB", "must be at least http.batch_body_limit"),
            ("FRAUD_SCORING__QUEUE_ROWS", "8", "must be at most scoring.queue_rows"),
        ] {
            let text = message([(name, value)]);
            assert!(text.contains(says) && text.contains("1 fault:"), "{text}");
        }
        let text = message([("FRAUD_HTTP__DEADLINE", "soon")]);
        assert!(text.contains("1 fault:"), "a fault causes no further ones: {text}");
    }

    #[test]
    fn production_refuses_to_start_open() {
        let text = message([("ENVIRONMENT", "production")]);
        assert!(text.contains("http.api_keys") && text.contains("set FRAUD_HTTP__API_KEYS"), "{text}");
        assert!(text.contains("privacy.key") && text.contains("set FRAUD_PRIVACY__KEY"), "{text}");
        assert!(text.contains("2 faults"), "{text}");
        let anonymous = load([
            ("ENVIRONMENT", "PRODUCTION"),
            ("FRAUD_HTTP__ALLOW_ANONYMOUS", "true"),
            ("FRAUD_PRIVACY__KEY", PRIVACY_KEY),
        ])
        .unwrap();
        assert_eq!(anonymous.warnings().len(), 1, "{:?}", anonymous.warnings());
        let keys = format!("core-banking:score+feedback:{HASH}");
        let closed =
            load([("ENVIRONMENT", "production"), ("FRAUD_HTTP__API_KEYS", &keys), ("FRAUD_PRIVACY__KEY", PRIVACY_KEY)])
                .unwrap();
        assert!(closed.http.api_keys.authorise("an example, never use it").is_some());
        assert_eq!(closed.warnings(), Vec::<String>::new());
    }

    #[test]
    fn messages_never_echo_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fraud.toml");
        std::fs::write(&file, "[privacy]\nkey = hunter2").unwrap();
        let text = message([
            ("FRAUD_CONFIG", file.to_str().unwrap()),
            ("FRAUD_HTTP__API_KEYS", "hunter2,core:score:hunter2"),
            ("FRAUD_PRIVACY__KEY", "hunter2"),
        ]);
        assert!(text.contains("not valid TOML: TOML parse error at line 2"), "{text}");
        for says in
            ["entry 1: must be name:scopes:sha256", "entry 2: the hash must be", "must be 16 characters or more"]
        {
            assert!(text.contains(says), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        let text = message([("FRAUD_CONFIG", "/no/such/file.toml")]);
        assert!(text.contains("- /no/such/file.toml (from FRAUD_CONFIG): cannot be read"), "{text}");
    }

    #[test]
    fn values_that_are_not_utf_8_are_refused() {
        let text = message([("FRAUD_PRIVACY__KEY", "\u{fffd}\u{fffd}sixteen-characters")]);
        assert!(text.contains("privacy.key"), "{text}");
    }

    #[test]
    fn warnings_name_likely_mistakes() {
        let settings = load([
            ("FRAUD_HTTP__KEEP_ALIVE", "60s"),
            ("FRAUD_SCORING__QUEUE_ROWS", "999"),
            ("FRAUD_SHUTDOWN__GRACE", "2m"),
        ])
        .unwrap();
        let warnings = settings.warnings().join("\n");
        for key in ["privacy.key", "http.keep_alive", "scoring.queue_rows", "shutdown"] {
            assert!(warnings.contains(key), "{warnings}");
        }
    }

    /// `docs/settings.md` has a row for each key: key, default, variable, alias, meaning.
    #[test]
    fn the_documentation_and_the_default_file_list_the_same_keys() {
        let documentation = include_str!("../../docs/settings.md");
        let mut documented = BTreeMap::new();
        for row in documentation.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [key, default, variable, alias, meaning] = cells[..] else { panic!("five cells: {row}") };
            assert_eq!(variable, layers::variable_of(key), "{row}");
            let known = layers::ALIASES.iter().find(|(_, of)| *of == key).map_or("", |(alias, _)| alias);
            assert_eq!(alias, known, "{row}");
            assert!(meaning.len() > 20, "{row}");
            documented.insert(key.to_owned(), default.to_owned());
        }
        let (values, _) = layers::merge(&BTreeMap::new());
        let defaults: BTreeMap<String, String> = values
            .into_iter()
            .map(|(key, written)| (key, if written.text.is_empty() { "empty".to_owned() } else { written.text }))
            .collect();
        assert_eq!(documented, defaults);
    }

    #[test]
    fn every_key_of_the_default_file_has_a_comment() {
        let lines: Vec<&str> = layers::DEFAULT_TOML.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#')) {
            assert!(pair[0].starts_with("# "), "{}", pair[1]);
        }
    }
}
