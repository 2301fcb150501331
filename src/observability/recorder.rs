//! Counting: cheap while requests run, whole when a snapshot is taken.
//!
//! Each thread counts in one of a few shards behind a lock of its own, taken once for all that a request leaves behind:
//! nothing is atomic, nothing is shared with other busy threads, and a snapshot never sees half a request. What other
//! parts of the program keep count of (queue, history, log) is read from them when a snapshot is taken.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::histogram::Histogram;
use super::metrics::{DEFINITIONS, Definition, Dimension, Kind, Metric, REASONS, Route, STATUS_CLASSES};
use crate::domain::{Decision, RiskScore};

/// Model versions counted apart; further ones share [`OTHER_VERSION`], since dimensions come from a closed list.
const VERSION_LIMIT: usize = 16;
const OTHER_VERSION: &str = "other";
/// Ticks of a risk score, as [`Metric::RiskScore`] defines them.
const RISK_TICKS: f64 = 1e6;

/// What one shard counted.
#[derive(Debug, Default)]
pub struct Cells {
    requests: [[u64; STATUS_CLASSES.len()]; Route::ALL.len()],
    decisions: [u64; Decision::ALL.len()],
    rejected: [u64; REASONS.len()],
    replayed: u64,
    history_unavailable: u64,
    predict_latency: Histogram,
    history_latency: Histogram,
    batch_rows: Histogram,
    versions: Vec<VersionCells>,
}

#[derive(Debug)]
struct VersionCells {
    version: Arc<str>,
    fraud_detected: Histogram,
    risk_score: Histogram,
    model_latency: Histogram,
    confusion: Confusion,
}

/// Decisions by what labels say of them; a decline is positive.
#[derive(Debug, Clone, Copy, Default)]
struct Confusion {
    true_positive: i64,
    false_positive: i64,
    true_negative: i64,
    false_negative: i64,
}

impl Confusion {
    fn of(&mut self, decision: Decision, is_fraud: bool) -> &mut i64 {
        match (decision.is_fraud(), is_fraud) {
            (true, true) => &mut self.true_positive,
            (true, false) => &mut self.false_positive,
            (false, false) => &mut self.true_negative,
            (false, true) => &mut self.false_negative,
        }
    }
}

impl Cells {
    /// Counts an answered request.
    pub fn request(&mut self, route: Route, status: u16) {
        let class = (usize::from(status / 100).wrapping_sub(1)).min(STATUS_CLASSES.len() - 1);
        self.requests[route as usize][class] += 1;
    }

    /// Counts a failure by its error code.
    pub fn rejected(&mut self, code: &str) {
        let index = REASONS.iter().position(|reason| *reason == code).unwrap_or(REASONS.len() - 1);
        self.rejected[index] += 1;
    }

    /// Counts a decision made, and how long the model ran for it.
    pub fn decided(&mut self, version: &Arc<str>, decision: Decision, risk_score: RiskScore, model: Duration) {
        self.decisions[decision as usize] += 1;
        let cells = self.version(version);
        cells.fraud_detected.observe(u64::from(decision.is_fraud()));
        // `0.0..=100.0` by construction.
        cells.risk_score.observe((risk_score.value() * RISK_TICKS).round() as u64);
        cells.model_latency.observe(nanoseconds(model));
    }

    /// Counts a decision as right or wrong by its label.
    pub fn labelled(&mut self, version: &Arc<str>, decision: Decision, is_fraud: bool) {
        *self.version(version).confusion.of(decision, is_fraud) += 1;
    }

    /// Takes back what was counted for a label that is corrected.
    pub fn label_taken_back(&mut self, version: &Arc<str>, decision: Decision, is_fraud: bool) {
        *self.version(version).confusion.of(decision, is_fraud) -= 1;
    }

    /// Counts a decision answered from memory.
    pub fn replayed(&mut self) {
        self.replayed += 1;
    }

    /// Counts a decision made without history because the store did not answer.
    pub fn history_unavailable(&mut self) {
        self.history_unavailable += 1;
    }

    /// Observes the time that history took.
    pub fn history_latency(&mut self, took: Duration) {
        self.history_latency.observe(nanoseconds(took));
    }

    /// Observes the time from a prediction's first byte to its decision.
    pub fn predict_latency(&mut self, took: Duration) {
        self.predict_latency.observe(nanoseconds(took));
    }

    /// Observes the size of a batch.
    pub fn batch_rows(&mut self, rows: usize) {
        self.batch_rows.observe(rows as u64);
    }

    fn version(&mut self, version: &Arc<str>) -> &mut VersionCells {
        let known = |name: &str, cells: &[VersionCells]| cells.iter().position(|cells| *cells.version == *name);
        let full = self.versions.len() >= VERSION_LIMIT;
        let index =
            known(version, &self.versions).or_else(|| full.then(|| known(OTHER_VERSION, &self.versions)).flatten());
        let index = index.unwrap_or_else(|| {
            let version = if full { OTHER_VERSION.into() } else { Arc::clone(version) };
            self.versions.push(VersionCells {
                version,
                fraud_detected: Histogram::default(),
                risk_score: Histogram::default(),
                model_latency: Histogram::default(),
                confusion: Confusion::default(),
            });
            self.versions.len() - 1
        });
        &mut self.versions[index]
    }

    fn merge(&mut self, other: &Self) {
        fn add(own: &mut [u64], others: &[u64]) {
            own.iter_mut().zip(others).for_each(|(own, others)| *own += others);
        }
        self.requests.iter_mut().zip(&other.requests).for_each(|(own, others)| add(own, others));
        add(&mut self.decisions, &other.decisions);
        add(&mut self.rejected, &other.rejected);
        self.replayed += other.replayed;
        self.history_unavailable += other.history_unavailable;
        self.predict_latency.merge(&other.predict_latency);
        self.history_latency.merge(&other.history_latency);
        self.batch_rows.merge(&other.batch_rows);
        for others in &other.versions {
            let own = self.version(&others.version);
            own.fraud_detected.merge(&others.fraud_detected);
            own.risk_score.merge(&others.risk_score);
            own.model_latency.merge(&others.model_latency);
            own.confusion.true_positive += others.confusion.true_positive;
            own.confusion.false_positive += others.confusion.false_positive;
            own.confusion.true_negative += others.confusion.true_negative;
            own.confusion.false_negative += others.confusion.false_negative;
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One series of a snapshot.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name, kind, unit and dimensions.
    pub definition: &'static Definition,
    /// A value for each of the definition's dimensions, in their order.
    pub dimensions: Vec<(Dimension, Arc<str>)>,
    /// What was counted.
    pub value: Value,
}

/// What a series holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// Since the start of the process.
    Counter(u64),
    /// At the moment of the snapshot.
    Gauge(f64),
    /// Since the start of the process, in ticks of the definition.
    Histogram(Histogram),
}

/// Everything counted since the start, in the order of [`DEFINITIONS`].
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The series of a metric stand together.
    pub series: Vec<Series>,
}

impl Snapshot {
    /// The series of one metric.
    pub fn of(&self, metric: Metric) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| series.definition.metric == metric)
    }

    /// A counter's sum over its series with these dimension values; all of them when there are none.
    #[must_use]
    pub fn count(&self, metric: Metric, dimensions: &[&str]) -> u64 {
        let asked = |series: &&Series| {
            dimensions.iter().all(|asked| series.dimensions.iter().any(|(_, value)| **value == **asked))
        };
        let value = |series: &Series| match &series.value {
            Value::Counter(count) => *count,
            Value::Histogram(histogram) => histogram.count(),
            Value::Gauge(_) => 0,
        };
        self.of(metric).filter(asked).map(value).sum()
    }

    /// A histogram over all its series.
    #[must_use]
    pub fn histogram(&self, metric: Metric) -> Histogram {
        let mut merged = Histogram::default();
        for series in self.of(metric) {
            if let Value::Histogram(histogram) = &series.value {
                merged.merge(histogram);
            }
        }
        merged
    }
}

/// Where parts of the program that keep count themselves put what they counted.
#[derive(Debug, Default)]
pub struct Readings(Vec<(Metric, f64)>);

impl Readings {
    /// Sets a gauge, or a counter since the start of the process.
    pub fn set(&mut self, metric: Metric, value: f64) {
        self.0.push((metric, value));
    }
}

type Source = Box<dyn Fn(&mut Readings) + Send + Sync>;

/// Every counter of the process.
pub struct Metrics {
    shards: Box<[Mutex<Cells>]>,
    in_flight: AtomicI64,
    sources: RwLock<Vec<Source>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        // Twice as many as threads that run at once, so that two seldom share one.
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shards = (threads * 2).clamp(4, 32);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            in_flight: AtomicI64::new(0),
            sources: RwLock::default(),
        }
    }
}

impl Metrics {
    /// Counts whatever `count` counts, at once.
    pub fn record(&self, count: impl FnOnce(&mut Cells)) {
        count(&mut self.shards[self.shard()].lock());
    }

    /// Reads `source` at every snapshot. It must be quick and must not take a snapshot itself.
    pub fn register(&self, source: impl Fn(&mut Readings) + Send + Sync + 'static) {
        self.sources.write().push(Box::new(source));
    }

    /// Counts a request as in flight until the guard is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Everything counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut cells = Cells::default();
        for shard in &self.shards {
            cells.merge(&shard.lock());
        }
        let mut readings = Readings::default();
        readings.set(Metric::InFlight, self.in_flight.load(Ordering::Relaxed) as f64);
        self.sources.read().iter().for_each(|source| source(&mut readings));
        let mut series = Vec::new();
        for definition in DEFINITIONS {
            push_series(definition, &cells, &readings, &mut series);
        }
        Snapshot { series }
    }

    /// The shard of this thread: threads take turns.
    fn shard(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static TURN: Cell<Option<usize>> = const { Cell::new(None) };
        }
        let turn = TURN.get().unwrap_or_else(|| {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            TURN.set(Some(turn));
            turn
        });
        turn % self.shards.len()
    }
}

/// One request in flight; no longer when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Metrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn push_series(definition: &'static Definition, cells: &Cells, readings: &Readings, series: &mut Vec<Series>) {
    let mut push = |values: &[&str], value: Value| {
        let dimensions =
            definition.dimensions.iter().copied().zip(values.iter().map(|value| Arc::from(*value))).collect();
        series.push(Series { definition, dimensions, value });
    };
    let by_version = |push: &mut dyn FnMut(&[&str], Value), of: fn(&VersionCells) -> &Histogram| {
        for version in &cells.versions {
            push(&[&version.version], Value::Histogram(of(version).clone()));
        }
    };
    let confusion = |push: &mut dyn FnMut(&[&str], Value), of: fn(&Confusion) -> i64| {
        for version in &cells.versions {
            push(&[&version.version], Value::Gauge(of(&version.confusion) as f64));
        }
    };
    match definition.metric {
        Metric::TruePositive => confusion(&mut push, |counts| counts.true_positive),
        Metric::FalsePositive => confusion(&mut push, |counts| counts.false_positive),
        Metric::TrueNegative => confusion(&mut push, |counts| counts.true_negative),
        Metric::FalseNegative => confusion(&mut push, |counts| counts.false_negative),
        Metric::FraudDetected => by_version(&mut push, |version| &version.fraud_detected),
        Metric::RiskScore => by_version(&mut push, |version| &version.risk_score),
        Metric::ModelLatency => by_version(&mut push, |version| &version.model_latency),
        Metric::PredictLatency => push(&[], Value::Histogram(cells.predict_latency.clone())),
        Metric::HistoryLatency => push(&[], Value::Histogram(cells.history_latency.clone())),
        Metric::BatchRows => push(&[], Value::Histogram(cells.batch_rows.clone())),
        Metric::Requests => {
            for (route, counts) in Route::ALL.into_iter().zip(&cells.requests) {
                for (class, count) in STATUS_CLASSES.into_iter().zip(counts) {
                    push(&[route.as_str(), class], Value::Counter(*count));
                }
            }
        }
        Metric::Decisions => {
            for (decision, count) in Decision::ALL.into_iter().zip(&cells.decisions) {
                push(&[decision.as_str()], Value::Counter(*count));
            }
        }
        Metric::Rejected => {
            for (reason, count) in REASONS.into_iter().zip(&cells.rejected) {
                push(&[reason], Value::Counter(*count));
            }
        }
        Metric::Replayed => push(&[], Value::Counter(cells.replayed)),
        Metric::HistoryUnavailable => push(&[], Value::Counter(cells.history_unavailable)),
        // Kept by others; what nobody reads has no series rather than a zero that means nothing.
        metric => {
            for (_, reading) in readings.0.iter().filter(|(of, _)| *of == metric) {
                match definition.kind {
                    Kind::Counter => push(&[], Value::Counter(*reading as u64)),
                    Kind::Balance | Kind::Gauge | Kind::Histogram { .. } => push(&[], Value::Gauge(*reading)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_under_eight_threads_while_snapshots_are_taken() {
        const EACH: usize = 5_000;
        let metrics = Arc::new(Metrics::default());
        let version: Arc<str> = "v1.0".into();
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let (metrics, version) = (Arc::clone(&metrics), Arc::clone(&version));
                scope.spawn(move || {
                    for index in 0..EACH {
                        let _in_flight = metrics.enter();
                        metrics.record(|cells| {
                            let decision = Decision::ALL[index % 3];
                            let risk_score = RiskScore::new(index as f64 / EACH as f64 * 100.0).unwrap();
                            cells.request(Route::ALL[thread], 200);
                            cells.decided(&version, decision, risk_score, Duration::from_nanos(index as u64));
                        });
                    }
                });
            }
            // A snapshot never sees half of what was counted at once.
            for _ in 0..50 {
                let snapshot = metrics.snapshot();
                assert_eq!(snapshot.count(Metric::Requests, &[]), snapshot.count(Metric::Decisions, &[]));
            }
        });
        let snapshot = metrics.snapshot();
        let all = 8 * EACH as u64;
        assert_eq!(snapshot.count(Metric::Requests, &["/predict", "2xx"]), EACH as u64);
        assert_eq!(snapshot.count(Metric::Requests, &["2xx"]), all);
        assert_eq!(snapshot.count(Metric::Decisions, &[]), all);
        let latency = snapshot.histogram(Metric::ModelLatency);
        assert_eq!((latency.count(), latency.sum()), (all, 8 * (0..EACH as u128).sum::<u128>()));
        let frauds = snapshot.histogram(Metric::FraudDetected);
        assert_eq!(frauds.sum(), u128::from(snapshot.count(Metric::Decisions, &["decline"])));
        let in_flight: Vec<_> = snapshot.of(Metric::InFlight).map(|series| format!("{:?}", series.value)).collect();
        assert_eq!(in_flight, ["Gauge(0.0)"]);
    }

    #[test]
    fn statuses_and_codes_outside_the_lists_are_still_counted() {
        let metrics = Metrics::default();
        metrics.record(|cells| {
            for status in [100, 204, 302, 499, 503, 0, 700] {
                cells.request(Route::Other, status);
            }
            cells.rejected("overloaded");
            cells.rejected("no_such_code");
        });
        let snapshot = metrics.snapshot();
        let by_class = STATUS_CLASSES.map(|class| snapshot.count(Metric::Requests, &["other", class]));
        assert_eq!(by_class, [1, 1, 1, 1, 3]);
        assert_eq!(snapshot.count(Metric::Rejected, &["overloaded"]), 1);
        assert_eq!(snapshot.count(Metric::Rejected, &["other"]), 1);
    }

    #[test]
    fn model_versions_are_counted_apart_up_to_a_bound() {
        let metrics = Metrics::default();
        for index in 0..40 {
            let version: Arc<str> = format!("v{index}").into();
            let risk_score = RiskScore::new(91.25).unwrap();
            metrics.record(|cells| cells.decided(&version, Decision::Decline, risk_score, Duration::ZERO));
        }
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.of(Metric::RiskScore).count(), VERSION_LIMIT + 1);
        assert_eq!(snapshot.count(Metric::RiskScore, &["v15"]), 1);
        assert_eq!(snapshot.count(Metric::RiskScore, &[OTHER_VERSION]), 24);
        assert_eq!(snapshot.histogram(Metric::RiskScore).sum(), 40 * 91_250_000);
    }

    #[test]
    fn what_others_count_is_read_at_the_snapshot() {
        let metrics = Metrics::default();
        assert_eq!(metrics.snapshot().of(Metric::QueueDepth).count(), 0);
        metrics.register(|readings| {
            readings.set(Metric::QueueDepth, 7.0);
            readings.set(Metric::HistoryEvicted, 3.0);
        });
        let snapshot = metrics.snapshot();
        assert!(matches!(snapshot.of(Metric::QueueDepth).next().unwrap().value, Value::Gauge(7.0)));
        assert_eq!(snapshot.count(Metric::HistoryEvicted, &[]), 3);
    }
}
