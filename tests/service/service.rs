//! The service under test: the real one on a free port, with its log in hand.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use fraud_detection::app;
use fraud_detection::history::{HistoryStore, MemoryStore};
use fraud_detection::http::server::ServerOptions;
use fraud_detection::http::{self, Shared};
use fraud_detection::lifecycle::Lifecycle;
use fraud_detection::model::ModelRegistry;
use fraud_detection::observability::{self, LogGuard, Observability};
use fraud_detection::scoring::decisions::DecisionsSettings;
use fraud_detection::scoring::feedback::LabelsSettings;
use fraud_detection::scoring::pool::PoolSettings;
use fraud_detection::scoring::{Scorer, ScorerSettings};
use fraud_detection::settings::Settings;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client};

/// A running service; stopped when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) lifecycle: Lifecycle,
    /// While this is locked, whoever reads the service's stdout has stopped reading.
    pub(crate) stdout: Arc<Mutex<()>>,
    log: Mutex<Receiver<String>>,
    stop: CancellationToken,
    _log_guard: LogGuard,
    runtime: Option<Runtime>,
}

/// What a service is made of that is not what the composition root would make.
pub(crate) struct Parts<'a> {
    /// Settings as environment variables.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// The history.
    pub(crate) history: Arc<dyn HistoryStore>,
    /// How long a prediction waits for it. Long by default: no history must turn out unavailable by chance.
    pub(crate) history_timeout: Duration,
    /// Whether a model is ever loaded.
    pub(crate) model: bool,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        let history = Arc::new(MemoryStore::new(1 << 20));
        Self { settings: &[], history, history_timeout: Duration::from_secs(60), model: true }
    }
}

impl Service {
    /// The whole service with these settings, ready.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let settings = read(settings);
        let (service, listener, observability) = Self::prepare(&settings);
        let (lifecycle, ready) = (service.lifecycle.clone(), format!("{}/ready", settings.http.base_path));
        let running = service.runtime().spawn(app::run(settings, listener, observability, lifecycle));
        while service.get(&ready).status != 200 {
            assert!(!running.is_finished(), "the service ended: {:?}", service.runtime().block_on(running));
        }
        service
    }

    /// The same put together from other parts.
    pub(crate) fn of(parts: Parts<'_>) -> Self {
        let settings = read(parts.settings);
        let (service, listener, observability) = Self::prepare(&settings);
        let models = Arc::new(ModelRegistry::default());
        let scorer = scorer(&settings, parts.history_timeout, models.clone(), parts.history);
        if parts.model {
            models.make_live(app::load_model(&settings).unwrap());
            service.lifecycle.become_ready();
        }
        let options = ServerOptions {
            keep_alive: settings.http.keep_alive,
            max_connections: settings.http.max_connections,
            probe_connections: settings.http.probe_connections,
            grace: settings.shutdown.grace,
        };
        let shared = Shared::new(&settings, Arc::new(scorer), observability, service.lifecycle.clone());
        let router = http::router(Arc::new(shared));
        service.runtime().spawn(http::server::serve(listener, router, options, service.stop.clone()));
        service
    }

    fn prepare(settings: &Settings) -> (Self, TcpListener, Observability) {
        let (lines, log) = channel();
        let stdout = Arc::new(Mutex::new(()));
        let out = Lines { lines, rest: Vec::new(), stdout: stdout.clone() };
        let (observability, log_guard) = observability::start_on(out, settings).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            lifecycle: Lifecycle::default(),
            stdout,
            log: Mutex::new(log),
            stop: CancellationToken::new(),
            _log_guard: log_guard,
            runtime: Some(runtime),
        };
        (service, listener, observability)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only when dropped")
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.client().post(path, &[], body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client().get(path, &[])
    }

    /// Waits for the log line that `fits`.
    pub(crate) fn log_line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let log = self.log.lock().unwrap();
        loop {
            let line = log.recv_timeout(Duration::from_secs(20)).expect("the line never came");
            let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if fits(&line) {
                return line;
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.lifecycle.drain();
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// These settings over patient ones: on a busy machine nothing must be late by chance.
fn read(settings: &[(&str, &str)]) -> Settings {
    let patient = [
        ("FRAUD_HTTP__DEADLINE", "30s"),
        ("FRAUD_HTTP__BATCH_DEADLINE", "60s"),
        ("FRAUD_HISTORY__TIMEOUT", "10s"),
        ("FRAUD_SHUTDOWN__DRAIN_DELAY", "0s"),
    ];
    let library = std::env::var("ORT_DYLIB_PATH").ok();
    let library = library.as_deref().map(|path| ("ORT_DYLIB_PATH", path));
    // The last of equal names wins.
    let pairs: BTreeMap<&str, &str> = patient.into_iter().chain(library).chain(settings.iter().copied()).collect();
    Settings::from_pairs(pairs).unwrap()
}

fn scorer(
    settings: &Settings,
    history_timeout: Duration,
    models: Arc<ModelRegistry>,
    history: Arc<dyn HistoryStore>,
) -> Scorer {
    let settings = ScorerSettings {
        pool: PoolSettings {
            threads: settings.scoring.threads,
            queue_rows: settings.scoring.queue_rows,
            max_batch: settings.scoring.max_batch,
        },
        decisions: DecisionsSettings { ttl: settings.decisions.ttl, limit_bytes: settings.decisions.memory_limit },
        labels: LabelsSettings { limit_bytes: settings.feedback.memory_limit },
        history_timeout,
        privacy_key: b"a key for tests only".to_vec(),
    };
    Scorer::start(&settings, models, history).unwrap()
}

/// The one service with default settings that most tests share.
pub(crate) fn shared() -> &'static Service {
    static SHARED: LazyLock<Service> = LazyLock::new(|| Service::start(&[]));
    &SHARED
}

/// Hands over the log line by line.
struct Lines {
    lines: Sender<String>,
    rest: Vec<u8>,
    stdout: Arc<Mutex<()>>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _reads = self.stdout.lock();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            // Whoever does not read the log has dropped its end.
            self.lines.send(String::from_utf8_lossy(&line).into_owned()).unwrap_or_default();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
