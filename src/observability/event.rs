//! One record for each request: filled on the way, emitted once, as log lines and as counts.
//!
//! A [`ScoringEvent`] is a guard. It is emitted by [`ScoringEvent::finish`], or, when the caller hung up and the request
//! was dropped, when its last handle is dropped: with status 499. Whatever becomes of a request, it leaves one record.
//!
//! What can be put into a record is what a line may hold: there is no way to hand it a merchant, a place, an amount or a
//! user id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Observability;
use super::clock::Stamp;
use super::line::{ERROR, INFO, Line, WARN};
use super::logging::cut;
use super::metrics::Route;
use super::recorder::{Cells, InFlight};
use super::writer::LogPermit;
use crate::domain::{Decision, HistoryStatus, TransactionId};
use crate::scoring::{Assessment, Learned};
use parking_lot::Mutex;

/// The status of a request whose caller hung up before the answer.
const CLOSED_STATUS: u16 = 499;
/// Its error code.
const CLOSED_CODE: &str = "client_closed_request";

/// What is known of a request before its body is read.
#[derive(Debug, Clone)]
pub struct RequestLine {
    /// Such as `POST`; one of the known methods, see [`known_method`].
    pub method: &'static str,
    /// The route, never the path itself: anything can stand in a path.
    pub route: Route,
    /// 1–128 characters of `[A-Za-z0-9._:-]`.
    pub request_id: Arc<str>,
    /// See [`super::trace::trace_id`].
    pub trace_id: Option<Box<str>>,
    /// When its first byte was seen.
    pub started: Instant,
}

/// The method as a fixed word; `OTHER` for one that is none of HTTP's.
#[must_use]
pub fn known_method(method: &str) -> &'static str {
    const METHODS: [&str; 9] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// The record of one request. Clones are the same record: a middleware keeps one, a handler fills another.
#[derive(Debug, Clone)]
pub struct ScoringEvent(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    observability: Observability,
    request: RequestLine,
    /// `None` once emitted.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    /// `None` for probes: they must not wait for a stalled stdout.
    room: Option<LogPermit>,
    /// Given back when the record is emitted.
    _in_flight: InFlight,
    caller: Option<Box<str>>,
    dry_run: bool,
    /// The number of transactions of a batch or of feedback; `None` for any other request.
    rows: Option<usize>,
    /// One for a prediction, one for each item of a batch or of feedback.
    outcomes: Vec<Outcome>,
    /// Why the whole request failed.
    failure: Option<Failure>,
    /// What the whole request was about, where it failed after that was known.
    transaction_id: Option<TransactionId>,
}

/// What became of one transaction.
#[derive(Debug)]
pub(super) enum Outcome {
    Decided(Assessment),
    Learned(Learned),
    Failed(Option<TransactionId>, Failure),
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) cause: Option<Box<str>>,
}

impl Failure {
    fn new(code: &'static str, cause: Option<&str>) -> Self {
        Self { code, cause: cause.map(|cause| cut(cause.to_owned()).into()) }
    }
}

impl ScoringEvent {
    /// Begins the record of a request for whose line there is room.
    #[must_use]
    pub fn begin(observability: &Observability, room: LogPermit, request: RequestLine) -> Self {
        Self::new(observability, Some(room), request)
    }

    /// Begins the record of a probe: it takes no room, and leaves a line only if it fails and there is room for an
    /// event.
    #[must_use]
    pub fn begin_probe(observability: &Observability, request: RequestLine) -> Self {
        Self::new(observability, None, request)
    }

    fn new(observability: &Observability, room: Option<LogPermit>, request: RequestLine) -> Self {
        let state = State {
            room,
            _in_flight: observability.metrics().enter(),
            caller: None,
            dry_run: false,
            rows: None,
            outcomes: Vec::new(),
            failure: None,
            transaction_id: None,
        };
        Self(Arc::new(Guard { observability: observability.clone(), request, state: Mutex::new(Some(state)) }))
    }

    /// Does `fill` unless the record was emitted already.
    fn fill(&self, fill: impl FnOnce(&mut State)) {
        if let Some(state) = self.0.state.lock().as_mut() {
            fill(state);
        }
    }

    /// Whose API key was presented: its name.
    pub fn caller(&self, name: &str) {
        self.fill(|state| state.caller = Some(name.into()));
    }

    /// The request is a dry run: it is logged as one and counts in no business metric.
    pub fn dry_run(&self) {
        self.fill(|state| state.dry_run = true);
    }

    /// The request is a batch of so many transactions, or so many labels: each of them leaves a line, for which `room` was reserved.
    pub fn batch(&self, rows: usize, room: LogPermit) {
        self.fill(|state| {
            state.rows = Some(rows);
            state.outcomes.reserve_exact(rows);
            match &mut state.room {
                Some(own) => own.merge(room),
                None => state.room = Some(room),
            }
        });
    }

    /// What the request is about, for the line of one that fails.
    pub fn about(&self, transaction_id: &TransactionId) {
        self.fill(|state| state.transaction_id = Some(transaction_id.clone()));
    }

    /// A decision was made, or answered from memory.
    pub fn decided(&self, assessment: &Assessment) {
        self.fill(|state| state.outcomes.push(Outcome::Decided(assessment.clone())));
    }

    /// A label was taken in.
    pub fn learned(&self, learned: &Learned) {
        self.fill(|state| state.outcomes.push(Outcome::Learned(learned.clone())));
    }

    /// An item of a batch or of feedback failed. `cause` is for the log only.
    pub fn item_failed(&self, transaction_id: Option<&TransactionId>, code: &'static str, cause: Option<&str>) {
        let failure = Failure::new(code, cause);
        self.fill(|state| state.outcomes.push(Outcome::Failed(transaction_id.cloned(), failure)));
    }

    /// The whole request failed. `cause` is for the log only.
    pub fn failed(&self, code: &'static str, cause: Option<&str>) {
        let failure = Failure::new(code, cause);
        self.fill(|state| state.failure = Some(failure));
    }

    /// The request was answered: emits the record. Later calls do nothing.
    pub fn finish(&self, status: u16) {
        let state = self.0.state.lock().take();
        if let Some(state) = state {
            self.0.emit(state, status);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut state) = self.state.get_mut().take() {
            state.failure.get_or_insert_with(|| Failure::new(CLOSED_CODE, None));
            self.emit(state, CLOSED_STATUS);
        }
    }
}

impl Guard {
    fn emit(&self, mut state: State, status: u16) {
        let took = self.request.started.elapsed();
        self.observability.metrics().record(|cells| {
            cells.request(self.request.route, status);
            if self.request.route == Route::Predict && status < 300 {
                cells.predict_latency(took);
            }
            state.count(self.request.route, cells);
        });
        let Some(mut room) = state.room.take() else {
            if status >= 400 {
                self.observability.logs().write_event(&self.line(&state, status, took));
            }
            return;
        };
        let line = self.line(&state, status, took);
        let share = self.observability.0.approve_sample;
        for outcome in &state.outcomes {
            let line = line.of(outcome);
            let droppable = line.decision == Some(Decision::Approve.as_str()) && line.level == INFO;
            if !droppable || line.transaction_id.is_none_or(|id| is_sampled(id, share)) {
                room.write(&line);
            }
        }
        // The line of a prediction is that of its decision.
        if state.rows.is_some() || state.outcomes.is_empty() {
            room.write(&line);
        }
    }

    /// The line of the request itself.
    fn line<'a>(&'a self, state: &'a State, status: u16, took: Duration) -> Line<'a> {
        let identity = self.observability.0.identity;
        Line {
            timestamp: Stamp::now(),
            level: match status {
                0..=399 => INFO,
                400..=499 | 503 | 504 => WARN,
                _ => ERROR,
            },
            message: if status < 400 { "request answered" } else { "request failed" },
            service: identity.service,
            version: identity.version,
            environment: identity.environment,
            request_id: &self.request.request_id,
            trace_id: self.request.trace_id.as_deref(),
            caller: state.caller.as_deref(),
            transaction_id: state.transaction_id.as_ref().map(TransactionId::as_str),
            user: None,
            decision: None,
            is_fraud: None,
            risk_score: None,
            red_flags: None,
            model_version: None,
            history: None,
            replayed: false,
            dry_run: state.dry_run,
            rows: state.rows,
            code: state.failure.as_ref().map(|failure| failure.code),
            cause: state.failure.as_ref().and_then(|failure| failure.cause.as_deref()),
            latency_ms: took.as_micros() as f64 / 1000.0,
            http_method: self.request.method,
            http_path: self.request.route.as_str(),
            http_status: status,
        }
    }
}

impl State {
    /// Counts what became of the request's transactions.
    fn count(&self, route: Route, cells: &mut Cells) {
        if let Some(rows) = self.rows.filter(|_| route == Route::Batch) {
            cells.batch_rows(rows);
        }
        if let Some(failure) = &self.failure {
            cells.rejected(failure.code);
        }
        for outcome in &self.outcomes {
            match outcome {
                Outcome::Failed(_, failure) => cells.rejected(failure.code),
                Outcome::Learned(Learned { is_fraud, counts, takes_back, .. }) => {
                    if let Some(verdict) = takes_back {
                        cells.label_taken_back(&verdict.model_version, verdict.decision, !is_fraud);
                    }
                    if let Some(verdict) = counts {
                        cells.labelled(&verdict.model_version, verdict.decision, *is_fraud);
                    }
                }
                Outcome::Decided(Assessment { replayed: true, .. }) => cells.replayed(),
                Outcome::Decided(Assessment { decided, stages, .. }) => {
                    cells.history_latency(stages.history);
                    if decided.history == HistoryStatus::Unavailable {
                        cells.history_unavailable();
                    }
                    if !self.dry_run {
                        cells.decided(&decided.model_version, decided.decision, decided.risk_score, stages.model);
                    }
                }
            }
        }
    }
}

/// Whether the approval of this transaction belongs to the share that leaves a line. Depends on the id alone, the same
/// in every process and build, so that a replay has a line exactly if its decision had one.
fn is_sampled(transaction_id: &str, share: f64) -> bool {
    // FNV-1a, then the finaliser of SplitMix64: ids that differ in their last digit fall anywhere.
    let hash = transaction_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // The upper 53 bits, as many as a double holds: a number in 0.0..1.0.
    let place = ((hash ^ (hash >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    place < share
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{MerchantKey, Probability, RedFlag, RiskScore, UserKey};
    use crate::observability::line::FIELDS;
    use crate::observability::logging::FORBIDDEN_FIELDS;
    use crate::observability::recorder::Snapshot;
    use crate::observability::{Metric, start_on};
    use crate::scoring::{Decided, Stages};
    use crate::settings::Settings;

    fn assessment(id: &str, risk_score: f64) -> Assessment {
        let risk_score = RiskScore::new(risk_score).unwrap();
        Assessment {
            decided: Arc::new(Decided {
                transaction_id: TransactionId::parse(id).unwrap(),
                decision: risk_score.decision(),
                risk_score,
                probability: Probability::new(0.5).unwrap(),
                red_flags: vec![RedFlag::RapidSuccession, RedFlag::NewMerchant],
                reasoning: "the amount 1234.56 at Some Merchant".to_owned(),
                model_version: "v1.0".into(),
                history: HistoryStatus::Full,
                user: Some(UserKey([0xab; 16])),
                merchant: MerchantKey([0xcd; 16]),
            }),
            replayed: false,
            stages: Stages {
                history: Duration::from_micros(7),
                model: Duration::from_micros(300),
                ..Stages::default()
            },
        }
    }

    fn request(route: Route) -> RequestLine {
        RequestLine {
            method: "POST",
            route,
            request_id: "request-1".into(),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            started: Instant::now(),
        }
    }

    /// What `act` leaves in the log and in the counters.
    async fn told(approve_sample: &str, act: impl AsyncFnOnce(&Observability)) -> (Vec<Value>, Snapshot) {
        let settings = Settings::from_pairs([("FRAUD_LOG__APPROVE_SAMPLE", approve_sample)]).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let read = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        let (observability, guard) = start_on(writer, &settings).unwrap();
        act(&observability).await;
        let snapshot = observability.metrics().snapshot();
        let room = observability.logs().reserve(u32::MAX).await.lines();
        assert_eq!(room as usize, settings.log.buffer_lines, "all room comes back");
        drop((guard, observability));
        let text = read.join().unwrap().unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), snapshot)
    }

    async fn begin(observability: &Observability, route: Route) -> ScoringEvent {
        ScoringEvent::begin(observability, observability.logs().reserve(1).await, request(route))
    }

    #[tokio::test]
    async fn a_prediction_leaves_one_line_and_counts_once() {
        let (lines, snapshot) = told("1.0", async |observability| {
            let event = begin(observability, Route::Predict).await;
            event.caller("core-banking");
            event.decided(&assessment("tx-1", 91.75));
            event.clone().finish(200);
            event.finish(500);
            drop(event);
        })
        .await;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let mut line = line.clone();
        assert!(line["latency_ms"].as_f64().unwrap() < 60_000.0);
        for field in ["timestamp", "version", "latency_ms"] {
            line[field] = json!(0);
        }
        assert_eq!(
            line,
            json!({
                "timestamp": 0, "level": "INFO", "message": "transaction decided", "service": "fraud-detection",
                "version": 0, "environment": "development", "request_id": "request-1",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "caller": "core-banking", "transaction_id": "tx-1",
                "user": "abababababababababababababababab", "decision": "decline", "is_fraud": true, "risk_score": 91,
                "red_flags": ["RAPID_SUCCESSION", "NEW_MERCHANT"], "model_version": "v1.0", "history": "full",
                "latency_ms": 0, "http_method": "POST", "http_path": "/predict", "http_status": 200,
            })
        );
        for (metric, count) in [
            (Metric::Requests, 1),
            (Metric::Decisions, 1),
            (Metric::FraudDetected, 1),
            (Metric::RiskScore, 1),
            (Metric::ModelLatency, 1),
            (Metric::PredictLatency, 1),
            (Metric::HistoryLatency, 1),
            (Metric::Rejected, 0),
            (Metric::Replayed, 0),
            (Metric::BatchRows, 0),
        ] {
            assert_eq!(snapshot.count(metric, &[]), count, "{metric:?}");
        }
        assert_eq!(snapshot.histogram(Metric::RiskScore).sum(), 91_750_000);
        assert_eq!(snapshot.histogram(Metric::ModelLatency).sum(), 300_000);
    }

    #[tokio::test]
    async fn replays_and_dry_runs_are_logged_and_are_no_business() {
        let (lines, snapshot) = told("1.0", async |observability| {
            let event = begin(observability, Route::Predict).await;
            event.decided(&Assessment { replayed: true, ..assessment("tx-1", 10.0) });
            event.finish(200);
            let event = begin(observability, Route::Predict).await;
            event.dry_run();
            event.decided(&assessment("tx-2", 60.0));
            event.finish(200);
        })
        .await;
        assert_eq!((&lines[0]["replayed"], &lines[0]["dry_run"]), (&json!(true), &Value::Null));
        assert_eq!((&lines[1]["replayed"], &lines[1]["dry_run"]), (&Value::Null, &json!(true)));
        for metric in [Metric::Decisions, Metric::FraudDetected, Metric::RiskScore, Metric::ModelLatency] {
            assert_eq!(snapshot.count(metric, &[]), 0, "{metric:?}");
        }
        assert_eq!(snapshot.count(Metric::Replayed, &[]), 1);
        assert_eq!(snapshot.count(Metric::Requests, &["/predict", "2xx"]), 2);
    }

    #[tokio::test]
    async fn a_batch_leaves_a_line_for_each_item_and_one_for_itself() {
        let (lines, snapshot) = told("1.0", async |observability| {
            let event = begin(observability, Route::Batch).await;
            event.batch(3, observability.logs().reserve(3).await);
            event.decided(&assessment("tx-1", 10.0));
            event.item_failed(Some(&TransactionId::parse("tx-2").unwrap()), "transaction_id_reused", None);
            event.item_failed(None, "internal", Some("the model gave NaN"));
            event.finish(200);
        })
        .await;
        let told: Vec<Value> = lines
            .iter()
            .map(|line| json!([line["level"], line["transaction_id"], line["code"], line["rows"]]))
            .collect();
        assert_eq!(
            told,
            [
                json!(["INFO", "tx-1", null, null]),
                json!(["WARN", "tx-2", "transaction_id_reused", null]),
                json!(["ERROR", null, "internal", null]),
                json!(["INFO", null, null, 3]),
            ]
        );
        assert_eq!(lines[2]["cause"], "the model gave NaN");
        assert!(lines.iter().all(|line| line["request_id"] == "request-1" && line["http_path"] == "/batch"));
        assert_eq!(snapshot.count(Metric::Requests, &[]), 1);
        assert_eq!(snapshot.count(Metric::Decisions, &["approve"]), 1);
        assert_eq!(snapshot.count(Metric::Rejected, &["internal"]), 1);
        assert_eq!(snapshot.histogram(Metric::BatchRows).sum(), 3);
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_counts_as_one_whose_caller_hung_up() {
        let (lines, snapshot) = told("0.0", async |observability| {
            let event = begin(observability, Route::Predict).await;
            let clone = event.clone();
            drop(event);
            let in_flight = observability.metrics().snapshot();
            assert!(format!("{in_flight:?}").contains("Gauge(1.0)"));
            drop(clone);
            // Decided, but the answer found nobody: an approval that stays whatever the share.
            let event = begin(observability, Route::Predict).await;
            event.decided(&assessment("tx-1", 1.0));
            drop(event);
            // The handler panicked and the middleware answered for it.
            let event = begin(observability, Route::Predict).await;
            event.about(&TransactionId::parse("tx-3").unwrap());
            event.failed("internal", Some(&"long ".repeat(10_000)));
            event.finish(500);
        })
        .await;
        for line in &lines[..2] {
            assert_eq!((&line["http_status"], &line["code"]), (&json!(499), &json!("client_closed_request")));
            assert_eq!(line["level"], "WARN");
        }
        assert_eq!(lines[1]["decision"], "approve");
        assert_eq!((&lines[2]["level"], &lines[2]["transaction_id"]), (&json!("ERROR"), &json!("tx-3")));
        assert!(lines[2]["cause"].as_str().unwrap().len() < 5_000, "memory is bounded in lines");
        assert_eq!(lines.len(), 3);
        assert_eq!(snapshot.count(Metric::Requests, &["/predict", "4xx"]), 2);
        assert_eq!(snapshot.count(Metric::PredictLatency, &[]), 0);
        assert!(format!("{:?}", snapshot.of(Metric::InFlight).collect::<Vec<_>>()).contains("Gauge(0.0)"));
    }

    #[tokio::test]
    async fn probes_leave_a_line_only_when_they_fail_and_a_full_log_only_counts() {
        let (lines, snapshot) = told("1.0", async |observability| {
            let everything = observability.logs().reserve(u32::MAX).await;
            for status in [200, 200, 503] {
                ScoringEvent::begin_probe(observability, request(Route::Ready)).finish(status);
            }
            observability.refused_for_the_log(Route::Predict, 504, "deadline_exceeded");
            drop(everything);
        })
        .await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!((&lines[0]["http_path"], &lines[0]["http_status"]), (&json!("/ready"), &json!(503)));
        assert_eq!(lines[1]["requests"], 1);
        assert_eq!(snapshot.count(Metric::Requests, &["/ready"]), 3);
        assert_eq!(snapshot.count(Metric::Requests, &["/predict", "5xx"]), 1);
        assert_eq!(snapshot.count(Metric::Rejected, &["deadline_exceeded"]), 1);
    }

    #[tokio::test]
    async fn only_approvals_are_sampled_and_replays_agree() {
        let (lines, snapshot) = told("0.25", async |observability| {
            for round in [false, true] {
                for index in 0..2000 {
                    for (kind, risk_score) in [("a", 10.0), ("r", 60.0)] {
                        let event = begin(observability, Route::Predict).await;
                        let id = format!("{kind}-{index}");
                        event.decided(&Assessment { replayed: round, ..assessment(&id, risk_score) });
                        event.finish(200);
                    }
                }
            }
        })
        .await;
        let ids = |decision: &str, replayed: bool| -> Vec<&str> {
            let wanted = |line: &&Value| line["decision"] == decision && (line["replayed"] == true) == replayed;
            lines.iter().filter(wanted).map(|line| line["transaction_id"].as_str().unwrap()).collect()
        };
        assert_eq!(ids("review", false).len(), 2000);
        let approved = ids("approve", false);
        assert_eq!(approved, ids("approve", true));
        assert!((400..600).contains(&approved.len()), "{}", approved.len());
        assert_eq!(snapshot.count(Metric::Decisions, &[]), 4000, "what leaves no line still counts");
    }

    #[test]
    fn sampling_is_the_same_in_every_build() {
        for (id, place) in [("tx-1001", 0.932_290), ("tx-1002", 0.265_277), ("a", 0.010_753)] {
            assert!(!is_sampled(id, place - 1e-6) && is_sampled(id, place + 1e-6), "{id}");
        }
        assert!(is_sampled("x", 1.0) && !is_sampled("x", 0.0));
    }

    proptest! {
        #[test]
        fn shares_are_nested(id in "[!-~]{1,128}", low in 0.0..=1.0_f64, high in 0.0..=1.0_f64) {
            let (low, high) = if low < high { (low, high) } else { (high, low) };
            prop_assert!(!is_sampled(&id, low) || is_sampled(&id, high));
        }
    }

    #[test]
    fn lines_have_the_listed_fields_and_none_that_is_forbidden() {
        let observed = Settings::from_pairs([("PORT", "0")]).unwrap();
        let (observability, _guard) = start_on(io::sink(), &observed).unwrap();
        let guard =
            Guard { observability: observability.clone(), request: request(Route::Batch), state: Mutex::new(None) };
        let state = State {
            room: None,
            _in_flight: observability.metrics().enter(),
            caller: Some("c".into()),
            dry_run: true,
            rows: Some(1),
            outcomes: vec![Outcome::Decided(Assessment { replayed: true, ..assessment("tx", 99.0) })],
            failure: Some(Failure::new("internal", Some("cause"))),
            transaction_id: None,
        };
        let line = guard.line(&state, 200, Duration::from_nanos(1_234_567));
        let full = Line { rows: Some(1), ..line.of(&state.outcomes[0]) };
        let text = serde_json::to_string(&full).unwrap();
        let at = |field: &&str| text.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} in {text}"));
        assert!(FIELDS.iter().map(at).is_sorted(), "in the order of the list: {text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), FIELDS.len());
        assert_eq!(value["latency_ms"], json!(1.234));
        assert!(FIELDS.iter().all(|field| !FORBIDDEN_FIELDS.contains(field)));
        assert!(!text.contains("1234.56") && !text.contains("Some Merchant"), "{text}");
    }

    #[test]
    fn methods_are_fixed_words() {
        assert_eq!(["POST", "GET", "post", "EVIL\""].map(known_method), ["POST", "GET", "OTHER", "OTHER"]);
    }
}
