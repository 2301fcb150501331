//! Every metric: name, kind, unit, dimensions and meaning, one line each, and the closed lists of dimension values.
//!
//! The names are those of the CloudWatch namespace `FraudDetection`; the Prometheus page derives its own from them. A
//! total over a dimension is the sum of its series and is never kept twice. Counting itself is `recorder`'s part.

/// What one unit of a value is. The words are CloudWatch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A number on a scale of its own.
    None,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// How values add up over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// What was counted since the start of the process, less what was taken back; may fall below 0 where what is taken
    /// back was counted elsewhere.
    Balance,
    /// What is true at this moment.
    Gauge,
    /// A distribution of observations.
    Histogram {
        /// The smallest step that is kept, in the metric's unit.
        tick: f64,
        /// Upper bounds of the buckets on the Prometheus page, in the metric's unit.
        bounds: &'static [f64],
    },
}

/// What a metric's series differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The version of the model, such as `v1.0`.
    ModelVersion,
    /// One of [`Route::ALL`].
    Route,
    /// `2xx` and so on.
    StatusClass,
    /// `approve`, `review` or `decline`.
    Decision,
    /// One of [`REASONS`].
    Reason,
}

impl Dimension {
    /// The name of the dimension in CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ModelVersion => "ModelVersion",
            Self::Route => "Route",
            Self::StatusClass => "StatusClass",
            Self::Decision => "Decision",
            Self::Reason => "Reason",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Which metric.
    pub metric: Metric,
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// How its values add up.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Unit,
    /// What its series differ in; empty: there is one.
    pub dimensions: &'static [Dimension],
    /// A sentence.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($name:ident: $kind:expr, $unit:ident, [$($dimension:ident),*], $help:literal;)+) => {
        /// Every metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(#[doc = $help] $name,)+
        }

        /// Every metric's definition, in the order of [`Metric`].
        pub const DEFINITIONS: &[Definition] = &[
            $(Definition {
                metric: Metric::$name,
                name: stringify!($name),
                kind: $kind,
                unit: Unit::$unit,
                dimensions: &[$(Dimension::$dimension),*],
                help: $help,
            },)+
        ];
    };
}

const FLAG: Kind = Kind::Histogram { tick: 1.0, bounds: &[0.0, 1.0] };
const RISK: Kind =
    Kind::Histogram { tick: 1e-6, bounds: &[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0] };
const SECONDS: Kind = Kind::Histogram {
    tick: 1e-9,
    bounds: &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0],
};
const MILLISECONDS: Kind =
    Kind::Histogram { tick: 1e-6, bounds: &[0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0] };
const ROWS: Kind = Kind::Histogram { tick: 1.0, bounds: &[1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0] };

metrics! {
    FraudDetected: FLAG, Count, [ModelVersion], "1 for each decision that is a decline, 0 for each other";
    RiskScore: RISK, None, [ModelVersion], "Unrounded risk score of each decision, 0 to 100";
    ModelLatency: SECONDS, Seconds, [ModelVersion], "Time of the model's run that scored each decision";
    PredictLatency: MILLISECONDS, Milliseconds, [], "Time from the first byte of a /predict to its decision";
    Requests: Kind::Counter, Count, [Route, StatusClass], "Requests answered, 499 for callers who hung up";
    Decisions: Kind::Counter, Count, [Decision], "Decisions made";
    TruePositive: Kind::Balance, Count, [ModelVersion], "Declines labelled fraud by /feedback, less those corrected";
    FalsePositive: Kind::Balance, Count, [ModelVersion], "Declines labelled genuine, less those corrected";
    TrueNegative: Kind::Balance, Count, [ModelVersion], "Approvals and reviews labelled genuine, less those corrected";
    FalseNegative: Kind::Balance, Count, [ModelVersion], "Approvals and reviews labelled fraud, less those corrected";
    Rejected: Kind::Counter, Count, [Reason], "Requests and items of batches and feedback that failed, by error code";
    Replayed: Kind::Counter, Count, [], "Decisions answered from memory to a retry";
    BatchRows: ROWS, Count, [], "Transactions in each /batch";
    InFlight: Kind::Gauge, Count, [], "Requests being worked on";
    QueueDepth: Kind::Gauge, Count, [], "Rows waiting for a scoring thread";
    JobsDropped: Kind::Counter, Count, [], "Jobs dropped before inference: the caller had gone or the deadline had passed";
    HistoryUnavailable: Kind::Counter, Count, [], "Decisions made without history because the store did not answer";
    HistoryLatency: MILLISECONDS, Milliseconds, [], "Time to read and record the history of each decision";
    HistoryUsers: Kind::Gauge, Count, [], "Users whose history is held";
    HistoryMerchants: Kind::Gauge, Count, [], "Merchants whose history is held";
    HistoryMemory: Kind::Gauge, Bytes, [], "Memory held by histories";
    HistoryEvicted: Kind::Counter, Count, [], "Users and merchants forgotten to stay within history.memory_limit";
    HistoryEventsDropped: Kind::Counter, Count, [], "Events too old, or beyond a user's newest 1000";
    DecisionsEvicted: Kind::Counter, Count, [], "Remembered decisions forgotten before decisions.ttl";
    LabelsEvicted: Kind::Counter, Count, [], "Labels forgotten to stay within feedback.memory_limit";
    LogLinesWritten: Kind::Counter, Count, [], "Log lines that stdout took";
    LogLinesLost: Kind::Counter, Count, [], "Log lines that could not be delivered because the reader of stdout had gone";
    LogEventsDropped: Kind::Counter, Count, [], "Events outside requests left out of the log while stdout was stalled";
}

impl Metric {
    /// The metric's line of the table.
    #[must_use]
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }
}

/// The routes, as they are counted and logged. A path that is none of them is never taken over: anything can stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/predict`
    Predict,
    /// `/batch`
    Batch,
    /// `/feedback`
    Feedback,
    /// `/health`
    Health,
    /// `/ready`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/model`
    Model,
    /// `/openapi.json`
    OpenApi,
    /// `/docs` and what it loads
    Docs,
    /// Any other path
    Other,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 10] = [
        Self::Predict,
        Self::Batch,
        Self::Feedback,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::Model,
        Self::OpenApi,
        Self::Docs,
        Self::Other,
    ];

    /// The path without `http.base_path`; `other` for paths that are no route.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "/predict",
            Self::Batch => "/batch",
            Self::Feedback => "/feedback",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::Model => "/model",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
            Self::Other => "other",
        }
    }

    /// Whether load balancers and scrapers ask for it all the time: it leaves a line only when it fails.
    #[must_use]
    pub fn is_probe(self) -> bool {
        matches!(self, Self::Health | Self::Ready | Self::Metrics)
    }
}

/// The classes of statuses; one outside 100..=599 counts as `5xx`.
pub const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The error codes of the HTTP contract; a code that is none of them is counted as the last.
pub const REASONS: [&str; 20] = [
    "malformed_json",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "unsupported_media_type",
    "unknown_transaction",
    "body_timeout",
    "transaction_id_reused",
    "body_too_large",
    "invalid_transaction",
    "invalid_batch",
    "invalid_feedback",
    "overloaded",
    "not_ready",
    "history_unavailable",
    "deadline_exceeded",
    "client_closed_request",
    "internal",
    "other",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_everything() {
        for (index, definition) in DEFINITIONS.iter().enumerate() {
            assert_eq!(definition.metric as usize, index);
            assert_eq!(definition.metric.definition(), definition);
            assert!(definition.help.len() > 10 && !definition.help.ends_with('.'), "{}", definition.name);
            if let Kind::Histogram { bounds, .. } = definition.kind {
                assert!(bounds.is_sorted(), "{}", definition.name);
            }
        }
        let mut names: Vec<&str> = DEFINITIONS.iter().map(|definition| definition.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DEFINITIONS.len());
        for (index, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, index);
        }
    }
}
