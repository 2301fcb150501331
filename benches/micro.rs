//! The steps of one prediction that need neither a model nor a socket: parse, hash, observe history, extract, record.
//!
//! The budget for observing and extracting with a million users is 5 µs, for a user with 70 events 2 KiB; the fill
//! prints what it took. `MICRO_USERS=1000000` measures with so many users (2 GB); without it there are 100,000.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fraud_detection::domain::{
    Amount, HistoryStatus, MerchantKey, Place, Probability, RiskScore, Timestamp, Transaction, TransactionId, UserKey,
};
use fraud_detection::features::{FeatureSchema, all_names};
use fraud_detection::history::{HistoryStore as _, KeyHasher, MemoryStore, Visit};
use fraud_detection::http::wire::parse_transaction;
use fraud_detection::observability::{self, RequestLine, Route, ScoringEvent, prometheus};
use fraud_detection::scoring::{Assessment, Decided, Stages};
use fraud_detection::settings::Settings;
use jiff::tz::TimeZone;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Events a user has in the time history is kept for.
const EVENTS: u32 = 70;
const KEPT_MS: i64 = 37 * 86_400_000;
const BEGIN_MS: i64 = 1_700_000_000_000;

const BODY: &[u8] = br#"{"transaction_id": "t01082573", "user_id": "u00152", "merchant": "Herzog Ltd",
    "merchant_category": "misc_pos", "amount": 40.31, "location": "Walkersville, WV", "latitude": 39.6846,
    "longitude": -80.1264, "timestamp": "2020-05-01T00:00:30Z"}"#;

fn keys() -> KeyHasher {
    KeyHasher::new(b"bench")
}

fn schema() -> FeatureSchema {
    let names: Vec<_> = all_names().collect();
    let categories = ["grocery", "travel", "misc_pos"].map(String::from).to_vec();
    FeatureSchema::new(&names, categories, TimeZone::UTC).expect("these are the registry's own names")
}

/// Endless transactions of many users, each user at the same pace, in the order of time.
struct Traffic {
    users: Vec<Box<str>>,
    random: ChaCha8Rng,
    made: u64,
}

impl Traffic {
    fn new(users: u32) -> Self {
        let users = (0..users).map(|user| format!("user-{user}").into()).collect();
        Self { users, random: ChaCha8Rng::seed_from_u64(1), made: 0 }
    }

    /// The next transaction, of any user.
    fn next(&mut self) -> Transaction {
        let user = self.random.random_range(0..self.users.len());
        self.transaction(user)
    }

    fn transaction(&mut self, user: usize) -> Transaction {
        self.made += 1;
        let pace = KEPT_MS as f64 / (self.users.len() as f64 * f64::from(EVENTS));
        let random = &mut self.random;
        Transaction {
            id: TransactionId::parse(&format!("tx-{}", self.made)).expect("it is short"),
            amount: Amount::from_units(random.random_range(0..2_000_000)).expect("it is in range"),
            merchant: format!("Merchant {}", random.random_range(0..700)).into(),
            location: "Walkersville, WV".into(),
            timestamp: Timestamp::from_millis(BEGIN_MS + (self.made as f64 * pace) as i64).expect("it is in range"),
            user_id: Some(self.users[user].clone()),
            merchant_category: Some(["grocery", "travel", "misc_pos"][random.random_range(0..3)].into()),
            channel: None,
            currency: None,
            coordinates: Place::new(random.random_range(-90.0..90.0), random.random_range(-180.0..180.0)),
        }
    }

    /// A store in which every user has reached the steady state.
    #[expect(clippy::print_stdout, reason = "a figure of the benchmark")]
    fn fill(&mut self) -> MemoryStore {
        let store = MemoryStore::new(usize::MAX);
        let keys = keys();
        for _ in 0..EVENTS {
            for user in 0..self.users.len() {
                let transaction = self.transaction(user);
                store.visit(&Visit::new(&keys, &transaction), true);
            }
        }
        let (stats, resident) = (store.stats(), resident_bytes());
        println!(
            "history: {} users with {EVENTS} events each, {} bytes a user counted, of {} merchants too; the process holds \
             {} MiB",
            stats.users,
            stats.bytes / stats.users,
            stats.merchants,
            resident >> 20
        );
        store
    }
}

/// The resident set of this process, where the system tells.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn parse(criterion: &mut Criterion) {
    criterion.bench_function("parse a body into a transaction", |bencher| {
        bencher.iter(|| parse_transaction(black_box(BODY), &TimeZone::UTC, None));
    });
    let keys = keys();
    criterion.bench_function("hash a user_id", |bencher| bencher.iter(|| keys.user_key(black_box("4000001234567899"))));
}

fn history(criterion: &mut Criterion) {
    let users = std::env::var("MICRO_USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(100_000);
    // Fewer would run through the calendar: the fewer they are, the further apart are their transactions.
    let users = users.max(10_000);
    let mut traffic = Traffic::new(users);
    let store = traffic.fill();
    let features = schema();

    let keys = keys();
    let transaction = traffic.next();
    let known = store.visit(&Visit::new(&keys, &transaction), false);
    let mut row = Vec::with_capacity(features.len());
    criterion.bench_function("extract a row", |bencher| {
        bencher.iter(|| {
            row.clear();
            features.extract(black_box(&transaction), black_box(&known), &mut row);
        });
    });
    criterion.bench_function("hash user and merchant, pack the event", |bencher| {
        bencher.iter(|| Visit::new(&keys, black_box(&transaction)));
    });
    criterion.bench_function("observe and record the histories of user and merchant", |bencher| {
        bencher.iter_batched(
            || Visit::new(&keys, &traffic.next()),
            |visit| store.visit(&visit, true),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("observe, record and extract", |bencher| {
        bencher.iter_batched(
            || {
                let transaction = traffic.next();
                (Visit::new(&keys, &transaction), transaction)
            },
            |(visit, transaction)| {
                let history = store.visit(&visit, true);
                row.clear();
                features.extract(&transaction, &history, &mut row);
            },
            BatchSize::SmallInput,
        );
    });
}

fn record(criterion: &mut Criterion) {
    let settings = Settings::from_pairs([("PORT", "0")]).expect("these are valid");
    let (observability, _log) = observability::start_on(std::io::sink(), &settings).expect("a thread starts");
    let risk_score = RiskScore::new(12.5).expect("it is in range");
    let assessment = Assessment {
        decided: Arc::new(Decided {
            transaction_id: TransactionId::parse("t01082573").expect("it is short"),
            decision: risk_score.decision(),
            risk_score,
            probability: Probability::new(0.01).expect("it is in range"),
            red_flags: Vec::new(),
            reasoning: String::new(),
            model_version: "v1.0".into(),
            history: HistoryStatus::Full,
            user: Some(UserKey([7; 16])),
            merchant: MerchantKey([8; 16]),
        }),
        replayed: false,
        stages: Stages::default(),
    };
    let request_id: Arc<str> = "0123456789abcdef0123456789abcdef".into();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    criterion.bench_function("count a prediction and write its line", |bencher| {
        bencher.iter(|| {
            let room = runtime.block_on(observability.logs().reserve(1));
            let request = RequestLine {
                method: "POST",
                route: Route::Predict,
                request_id: Arc::clone(&request_id),
                trace_id: None,
                started: Instant::now(),
            };
            let event = ScoringEvent::begin(&observability, room, request);
            event.decided(black_box(&assessment));
            event.finish(200);
        });
    });
    criterion.bench_function("take a snapshot and encode it for Prometheus", |bencher| {
        bencher.iter(|| prometheus::encode(&observability.metrics().snapshot()));
    });
}

criterion_group!(micro, parse, history, record);
criterion_main!(micro);
