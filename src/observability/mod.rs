//! What the service tells of itself: log lines and metrics.
//!
//! - [`event`]: one record for each request, emitted when it ends; the only place that turns a request into a line and
//!   into counts; [`mod@line`]: the fields of such a line.
//! - [`logging`]: the lines of the service itself; [`writer`]: their common way to stdout, bounded and lossless.
//! - [`metrics`]: every name, unit and dimension; [`recorder`]: counting and snapshots; [`prometheus`]: a snapshot as
//!   text.
//!
//! Nothing here decides anything about a request. Nothing here ever holds a merchant, a place, an amount, or a user
//! other than by the keyed hash.

pub mod clock;
pub mod event;
pub mod histogram;
pub mod line;
pub mod logging;
pub mod metrics;
pub mod prometheus;
pub mod recorder;
pub mod trace;
pub mod writer;

use std::io::{self, Write};
use std::sync::Arc;

pub use event::{RequestLine, ScoringEvent};
pub use logging::{Identity, LoggingError};
pub use metrics::{Metric, Route};
pub use recorder::Metrics;
pub use writer::{LogGuard, LogPermit, Logs};

use crate::settings::Settings;

/// Where everything that is told goes. Clones are the same.
#[derive(Debug, Clone)]
pub struct Observability(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    logs: Logs,
    metrics: Arc<Metrics>,
    identity: Identity,
    approve_sample: f64,
}

/// Starts logging to stdout, for the whole process. To be called once.
///
/// # Errors
/// See [`LoggingError`].
pub fn start(settings: &Settings) -> Result<(Observability, LogGuard), LoggingError> {
    let identity = Identity::of(settings.environment);
    let (logs, guard) = logging::init(identity, &settings.log)?;
    Ok((Observability::new(logs, identity, settings.log.approve_sample), guard))
}

/// Starts logging to `out` without installing anything in the process: for tests.
///
/// # Errors
/// When the system gives no thread.
pub fn start_on(out: impl Write + Send + 'static, settings: &Settings) -> io::Result<(Observability, LogGuard)> {
    let identity = Identity::of(settings.environment);
    let (logs, guard) = logging::start(out, settings.log.buffer_lines, identity)?;
    Ok((Observability::new(logs, identity, settings.log.approve_sample), guard))
}

impl Observability {
    fn new(logs: Logs, identity: Identity, approve_sample: f64) -> Self {
        let metrics = Arc::new(Metrics::default());
        let counted = logs.clone();
        metrics.register(move |readings| {
            let stats = counted.stats();
            readings.set(Metric::LogLinesWritten, stats.written as f64);
            readings.set(Metric::LogLinesLost, stats.lost as f64);
            readings.set(Metric::LogEventsDropped, stats.dropped_events as f64);
        });
        Self(Arc::new(Inner { logs, metrics, identity, approve_sample }))
    }

    /// The log: where room for lines is reserved.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.0.logs
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Counts a request that is answered with `status` and `code` because no room for its line came free in time. It
    /// leaves no line; once stdout moves again, one line says how many there were.
    pub fn refused_for_the_log(&self, route: Route, status: u16, code: &str) {
        self.0.logs.note_refused();
        self.0.metrics.record(|cells| {
            cells.request(route, status);
            cells.rejected(code);
        });
    }
}
