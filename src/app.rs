//! The composition root: the only place that builds and spawns, and the order in which things start and stop.
//!
//! Start: settings → logging → listener (503 until ready) → model → history → ready. Stop: draining (still serving, for
//! load balancers to notice) → no more connections → requests in flight → tasks → scoring threads → last log lines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::MemoryStore;
use crate::http;
use crate::lifecycle::{self, Lifecycle};
use crate::model::loaded::LoadOptions;
use crate::model::{LoadedModel, ModelRegistry, ModelSource, Runtime};
use crate::observability::{self, Metric, Observability};
use crate::scoring::decisions::DecisionsSettings;
use crate::scoring::feedback::LabelsSettings;
use crate::scoring::pool::PoolSettings;
use crate::scoring::{Scorer, ScorerSettings, health};
use crate::settings::Settings;

/// How long scoring threads may take to end once nobody needs them; a thread that hangs is left behind.
const THREADS_PATIENCE: Duration = Duration::from_secs(1);

/// Serves until told to stop by a signal.
///
/// # Errors
/// When a part cannot be built, or ends before it was told to.
pub fn serve(settings: Settings) -> anyhow::Result<()> {
    let flush = settings.shutdown.flush;
    let (observability, log) = observability::start(&settings).context("logging could not be started")?;
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.runtime.async_threads)
        .enable_all()
        .build()
        .context("the runtime could not be started")
        .and_then(|runtime| {
            let outcome = runtime.block_on(serve_until_signal(settings, observability));
            runtime.shutdown_background();
            outcome
        });
    match &outcome {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(cause = format!("{error:#}"), "failed"),
    }
    log.flush(flush);
    outcome
}

async fn serve_until_signal(settings: Settings, observability: Observability) -> anyhow::Result<()> {
    let address = (settings.http.host, settings.http.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("port {} of {} cannot be listened on", address.1, address.0))?;
    tracing::info!(address = %listener.local_addr()?, settings = settings.log_summary(), "listening");
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let lifecycle = Lifecycle::default();
    let signalled = lifecycle.clone();
    let signals = tokio::spawn(async move {
        match lifecycle::stop_signal().await {
            Ok(signal) => tracing::info!(signal, "told to stop"),
            Err(error) => tracing::error!(%error, "signals cannot be heard"),
        }
        signalled.drain();
    });
    let outcome = run(settings, listener, observability, lifecycle).await;
    signals.abort();
    outcome
}

/// The whole service on a listener of the caller's, until `lifecycle` is told to drain. Tests start it on port 0.
///
/// # Errors
/// When the model may not go live, or a part ends before it was told to.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    observability: Observability,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let models = Arc::new(ModelRegistry::default());
    let scorer = Arc::new(start_scorer(&settings, Arc::clone(&models))?);
    observe(&observability, &scorer);
    let shared = http::Shared::new(&settings, Arc::clone(&scorer), observability, lifecycle.clone());
    let stop_accepting = CancellationToken::new();
    let options = http::server::ServerOptions {
        keep_alive: settings.http.keep_alive,
        max_connections: settings.http.max_connections,
        probe_connections: settings.http.probe_connections,
        grace: settings.shutdown.grace,
    };
    let router = http::router(Arc::new(shared));
    let mut server = tokio::spawn(http::server::serve(listener, router, options, stop_accepting.clone()));

    let shutdown = settings.shutdown.clone();
    let loading = tokio::task::spawn_blocking(move || load_model(&settings));
    let loaded = tokio::select! {
        loaded = loading => Some(loaded.context("loading the model panicked")??),
        () = lifecycle.told_to_stop() => None,
    };
    let stop_tasks = CancellationToken::new();
    let mut tasks = JoinSet::new();
    if let Some(model) = loaded {
        let version = Arc::clone(model.version());
        models.make_live(model);
        lifecycle.become_ready();
        tracing::info!(model_version = &*version, "ready");
        let check = health::run(Arc::clone(&scorer), stop_tasks.clone());
        tasks.spawn(async move { ("health check", check.await) });
    }

    let early = tokio::select! {
        () = lifecycle.told_to_stop() => None,
        Some(ended) = tasks.join_next() => Some(ended_early(ended)),
        ended = &mut server => Some(anyhow::anyhow!("the server ended early: {ended:?}")),
    };
    if let Some(error) = early {
        return Err(error);
    }
    tokio::time::sleep(shutdown.drain_delay).await;
    stop_accepting.cancel();
    let outcome = server.await.context("the server panicked")?;
    if outcome.cut > 0 {
        tracing::warn!(connections = outcome.cut, "requests were cut off: they took longer than shutdown.grace");
    }
    stop_tasks.cancel();
    while let Some(ended) = tasks.join_next().await {
        let (name, outcome) = ended.context("a task panicked")?;
        outcome.with_context(|| format!("the task `{name}` failed"))?;
    }
    let threads_ended = tokio::task::spawn_blocking(move || drop(scorer));
    if tokio::time::timeout(THREADS_PATIENCE, threads_ended).await.is_err() {
        tracing::warn!("a scoring thread did not end in time and is left behind");
    }
    Ok(())
}

fn ended_early(ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok((name, Ok(()))) => anyhow::anyhow!("the task `{name}` ended early"),
        Ok((name, Err(error))) => error.context(format!("the task `{name}` failed")),
        Err(error) => anyhow::Error::from(error).context("a task panicked"),
    }
}
/// Lets the metrics read what the scorer keeps count of itself.
fn observe(observability: &Observability, scorer: &Arc<Scorer>) {
    // Weak, so that the scoring threads end with the last request and not with the last metric.
    let scorer = Arc::downgrade(scorer);
    observability.metrics().register(move |readings| {
        let Some(stats) = scorer.upgrade().map(|scorer| scorer.stats()) else { return };
        let mut set = |metric, value: u64| readings.set(metric, value as f64);
        set(Metric::QueueDepth, stats.pool.queued_rows);
        set(Metric::JobsDropped, stats.pool.dropped_gone + stats.pool.dropped_late);
        set(Metric::HistoryUsers, stats.history.users);
        set(Metric::HistoryMerchants, stats.history.merchants);
        set(Metric::HistoryMemory, stats.history.bytes);
        set(Metric::HistoryEvicted, stats.history.evicted_users + stats.history.evicted_merchants);
        set(Metric::HistoryEventsDropped, stats.history.dropped_events);
        set(Metric::DecisionsEvicted, stats.decisions.evicted);
        set(Metric::LabelsEvicted, stats.labels.evicted);
    });
}

/// Where ONNX Runtime's library is: the setting, else beside the binary (as in the image), else where `make runtime`
/// puts it in the checkout.
#[must_use]
pub fn runtime_library(settings: &Settings) -> PathBuf {
    const NAME: &str = "libonnxruntime.so";
    if let Some(path) = &settings.scoring.runtime_library {
        return path.clone();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(NAME)));
    match beside {
        Some(path) if path.is_file() => path,
        _ => Path::new(".runtime").join(NAME),
    }
}

/// Starts the scoring threads on an empty history; scores once `models` has a live model.
///
/// # Errors
/// When the system gives no thread.
pub fn start_scorer(settings: &Settings, models: Arc<ModelRegistry>) -> anyhow::Result<Scorer> {
    let history = Arc::new(MemoryStore::new(settings.history.memory_limit));
    let scorer_settings = ScorerSettings {
        pool: PoolSettings {
            threads: settings.scoring.threads,
            queue_rows: settings.scoring.queue_rows,
            max_batch: settings.scoring.max_batch,
        },
        decisions: DecisionsSettings { ttl: settings.decisions.ttl, limit_bytes: settings.decisions.memory_limit },
        labels: LabelsSettings { limit_bytes: settings.feedback.memory_limit },
        history_timeout: settings.history.timeout,
        privacy_key: privacy_key(settings),
    };
    Scorer::start(&scorer_settings, models, history).context("the scoring threads could not be started")
}

/// Loads the version that the settings name and proves it.
///
/// # Errors
/// Why the version may not go live, and what to do.
pub fn load_model(settings: &Settings) -> anyhow::Result<LoadedModel> {
    let runtime = Runtime::load(&runtime_library(settings))?;
    let files = ModelSource::Disk(settings.model.path.clone()).read(&settings.model.version)?;
    let options = LoadOptions {
        sessions: settings.scoring.threads,
        max_batch: settings.scoring.max_batch,
        zone: settings.timestamps.zone.clone(),
        now: jiff::Timestamp::now(),
    };
    Ok(LoadedModel::load(&runtime, &files, &options)?)
}

/// The key of the settings, or one drawn for the life of this process.
fn privacy_key(settings: &Settings) -> Vec<u8> {
    match &settings.privacy.key {
        Some(key) => key.expose().as_bytes().to_vec(),
        None => rand::random::<[u8; 32]>().to_vec(),
    }
}
