//! The scorer with the shipped model: order, claims, traces, deadlines.

use jiff::tz::TimeZone;

use super::*;
use crate::domain::{Draft, Feedback, Timestamp, WrittenTimestamp};
use crate::history::{HistoryError, Label, MemoryStore};
use crate::model::testing;

/// A store that never answers.
#[derive(Debug)]
struct SilentStore;

#[async_trait::async_trait]
impl HistoryStore for SilentStore {
    async fn observe(&self, _: &[Visit], _: bool) -> Result<Vec<History>, HistoryError> {
        std::future::pending().await
    }

    async fn record_labels(&self, _: &[Label]) -> Result<(), HistoryError> {
        std::future::pending().await
    }

    fn stats(&self) -> HistoryStats {
        HistoryStats::default()
    }
}

fn scorer_with(history: Arc<dyn HistoryStore>, queue_rows: usize) -> Scorer {
    let models = Arc::new(ModelRegistry::default());
    let loaded = LoadedModel::load(&testing::runtime(), &testing::shipped_files(), &testing::options(2)).unwrap();
    models.make_live(loaded);
    let settings = ScorerSettings {
        pool: PoolSettings { threads: 2, queue_rows, max_batch: 8 },
        decisions: DecisionsSettings { ttl: Duration::from_secs(60), limit_bytes: 1 << 20 },
        labels: LabelsSettings { limit_bytes: 1 << 20 },
        history_timeout: Duration::from_millis(20),
        privacy_key: b"a key for tests".to_vec(),
    };
    Scorer::start(&settings, models, history).unwrap()
}

fn scorer() -> Scorer {
    scorer_with(Arc::new(MemoryStore::new(16 << 20)), 1000)
}

fn options() -> AssessOptions {
    AssessOptions { dry_run: false, explain: false, deadline: Instant::now() + Duration::from_secs(30) }
}

fn dry_run() -> AssessOptions {
    AssessOptions { dry_run: true, ..options() }
}

/// The `n`th transaction of a user, a minute after the one before.
fn transaction(user: &str, n: usize, amount: &str) -> Transaction {
    let timestamp = (1_776_939_330 + 60 * n).to_string();
    let draft = Draft {
        transaction_id: Some(format!("{user}-{n}").into()),
        amount: Some(amount.into()),
        merchant: Some("Corner shop".into()),
        location: Some("52.5,13.4".into()),
        timestamp: Some(WrittenTimestamp::Number(&timestamp)),
        user_id: Some(user.into()),
        ..Draft::default()
    };
    draft.check(&TimeZone::UTC, None).unwrap()
}

fn amount(n: usize) -> String {
    (10 + 37 * n % 900).to_string()
}

#[tokio::test]
async fn a_retry_gets_the_same_answer_and_counts_once_in_history() {
    let scorer = scorer();
    let first = scorer.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    let again = scorer.assess(transaction("ann", 0, "10.00"), options()).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.decided, again.decided);
    assert_eq!(scorer.stats().history.events, 1);
    let reused = scorer.assess(transaction("ann", 0, "11"), options()).await;
    assert_eq!(reused.unwrap_err(), AssessError::TransactionIdReused);
}

#[tokio::test]
async fn a_dry_run_sees_history_and_leaves_none() {
    let scorer = scorer();
    let alone = scorer.assess(transaction("ann", 0, "10"), dry_run()).await.unwrap();
    assert_eq!(alone.decided.history, HistoryStatus::Full);
    assert_eq!((scorer.stats().history.events, scorer.stats().decisions.entries), (0, 0));
    scorer.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    let again = scorer.assess(transaction("ann", 0, "99"), dry_run()).await.unwrap();
    assert!(!again.replayed);
    assert_eq!(scorer.stats().history.events, 1);
}

#[tokio::test]
async fn a_refused_request_leaves_no_trace() {
    let scorer = scorer_with(Arc::new(MemoryStore::new(16 << 20)), 1);
    let room = scorer.pool.admit(Lane::Single, 1);
    let refused = scorer.assess(transaction("ann", 0, "10"), options()).await;
    assert_eq!(refused.unwrap_err(), AssessError::Overloaded);
    assert_eq!((scorer.stats().history.events, scorer.stats().decisions.entries), (0, 0));
    drop(room);
    assert!(scorer.assess(transaction("ann", 0, "10"), options()).await.is_ok());
}

#[tokio::test]
async fn a_retry_after_a_failure_is_scored_as_if_it_came_first() {
    let (failing, calm) = (scorer(), scorer());
    let late = AssessOptions { deadline: Instant::now(), ..options() };
    let failed = failing.assess(transaction("ann", 0, "10"), late).await;
    assert_eq!(failed.unwrap_err(), AssessError::DeadlineExceeded);
    let retried = failing.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    let first = calm.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    assert!(!retried.replayed);
    assert_eq!(retried.decided, first.decided);
}

#[tokio::test]
async fn a_store_that_does_not_answer_costs_its_timeout_and_is_told() {
    let scorer = scorer_with(Arc::new(SilentStore), 1000);
    let assessed = scorer.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    assert_eq!(assessed.decided.history, HistoryStatus::Unavailable);
    assert!(assessed.decided.reasoning.contains("without the user's history"), "{}", assessed.decided.reasoning);
    let batch = scorer.assess_batch(vec![transaction("bob", 0, "10")], options()).await.unwrap();
    let [Ok(item)] = batch.results.as_slice() else { panic!("{batch:?}") };
    assert_eq!(item.decided.history, HistoryStatus::Unavailable);
}

#[tokio::test]
async fn a_batch_answers_in_the_order_sent_as_if_sent_one_by_one() {
    let (batched, single) = (scorer(), scorer());
    let stream: Vec<Transaction> = (0..60).map(|n| transaction(["ann", "bob", "cem"][n % 3], n, &amount(n))).collect();
    let batch = batched.assess_batch(stream.clone(), options()).await.unwrap();
    assert_eq!(batch.results.len(), stream.len());
    for (transaction, result) in stream.into_iter().zip(batch.results) {
        let alone = single.assess(transaction, options()).await.unwrap();
        assert_eq!(result.unwrap().decided, alone.decided);
    }
}

#[tokio::test]
async fn a_batch_tells_repeats_from_reuse_and_replays_what_was_decided_before() {
    let scorer = scorer();
    scorer.assess(transaction("ann", 0, "10"), options()).await.unwrap();
    let batch = vec![
        transaction("ann", 1, "20"),
        transaction("ann", 0, "10"),
        transaction("ann", 1, "20"),
        transaction("ann", 1, "21"),
        transaction("ann", 0, "11"),
    ];
    let results = scorer.assess_batch(batch, options()).await.unwrap().results;
    let told: Vec<_> =
        results.iter().map(|result| result.as_ref().map(|item| item.replayed).map_err(Clone::clone)).collect();
    let reused = Err(AssessError::TransactionIdReused);
    assert_eq!(told, [Ok(false), Ok(true), Ok(true), reused.clone(), reused]);
    assert_eq!(scorer.stats().history.events, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_ids_in_opposite_order_never_wait_for_each_other() {
    let scorer = Arc::new(scorer());
    let stream: Vec<Transaction> = (0..50).map(|n| transaction("ann", n, &amount(n))).collect();
    let mut reversed = stream.clone();
    reversed.reverse();
    let run = |batch| {
        let scorer = Arc::clone(&scorer);
        tokio::spawn(async move { scorer.assess_batch(batch, options()).await.unwrap().results })
    };
    let (first, second) = (run(stream), run(reversed));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    for (a, b) in first.into_iter().zip(second.into_iter().rev()) {
        assert_eq!(a.unwrap().decided, b.unwrap().decided);
    }
    assert_eq!(scorer.stats().history.events, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_users_at_once_get_the_answers_of_a_sequential_run() {
    let users = 24;
    let (crowded, calm) = (Arc::new(scorer()), scorer());
    let crowd: Vec<_> = (0..users)
        .map(|user| {
            let scorer = Arc::clone(&crowded);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for n in 0..20 {
                    let transaction = transaction(&format!("user{user}"), n, &amount(user * 7 + n));
                    answers.push(scorer.assess(transaction, options()).await.unwrap().decided);
                }
                answers
            })
        })
        .collect();
    for (user, answers) in crowd.into_iter().enumerate() {
        for (n, crowded) in answers.await.unwrap().into_iter().enumerate() {
            let transaction = transaction(&format!("user{user}"), n, &amount(user * 7 + n));
            assert_eq!(crowded, calm.assess(transaction, options()).await.unwrap().decided);
        }
    }
}

/// What is said of a user's `n`th transaction, so many days after it.
fn feedback(user: &str, n: usize, days: i64, is_fraud: bool) -> Feedback {
    let Transaction { id, timestamp, .. } = transaction(user, n, "1");
    Feedback {
        transaction_id: id,
        is_fraud,
        labelled_at: Timestamp::from_millis(timestamp.millis() + days * 86_400_000).unwrap(),
        user_id: None,
        merchant: None,
        decision: None,
        model_version: None,
    }
}

#[tokio::test]
async fn a_remembered_decision_says_what_feedback_leaves_out_and_histories_know_from_then_on() {
    let store = Arc::new(MemoryStore::new(16 << 20));
    let scorer = scorer_with(store.clone(), 1000);
    let decided = scorer.assess(transaction("ann", 0, "10"), options()).await.unwrap().decided;
    let learned = scorer.learn(vec![feedback("ann", 0, 7, true)], options().deadline).await.unwrap().remove(0).unwrap();
    let verdict = Verdict { model_version: Arc::clone(&decided.model_version), decision: decided.decision };
    assert_eq!((learned.change, learned.counts, learned.takes_back), (Change::Recorded, Some(verdict.clone()), None));
    assert_eq!(learned.user, decided.user);

    let day = 24 * 60;
    for (minutes, known) in [(7 * day - 1, [0; 3]), (7 * day, [1; 3]), (8 * day, [0, 1, 1]), (37 * day, [0; 3])] {
        let visit = Visit::new(&scorer.keys, &transaction("ann", minutes, "1"));
        let history = store.observe(&[visit], false).await.unwrap()[0];
        assert_eq!(history.user().unwrap().frauds, known, "{minutes} minutes later");
        assert_eq!(history.merchant().unwrap().frauds, known);
    }
    let corrected = scorer.learn(vec![feedback("ann", 0, 8, false)], options().deadline).await.unwrap().remove(0);
    let corrected = corrected.unwrap();
    assert_eq!((corrected.counts, corrected.takes_back), (Some(verdict.clone()), Some(verdict)));
    let visit = Visit::new(&scorer.keys, &transaction("ann", 8 * day, "1"));
    assert_eq!(store.observe(&[visit], false).await.unwrap()[0].user().unwrap().frauds, [0; 3]);
}

#[tokio::test]
async fn feedback_fails_whole_when_histories_do_not_answer_and_is_counted_when_repeated() {
    let scorer = scorer_with(Arc::new(SilentStore), 1000);
    let named = Feedback { merchant: Some("m".into()), ..feedback("ann", 0, 1, true) };
    let failed = scorer.learn(vec![named], Instant::now()).await;
    assert_eq!(failed.unwrap_err(), FeedbackError::DeadlineExceeded);
    assert_eq!(scorer.stats().labels.entries, 0, "nothing was counted");
    let unknown = scorer.learn(vec![feedback("ann", 0, 1, true)], Instant::now()).await.unwrap();
    assert_eq!(unknown, [Err(FeedbackError::UnknownTransaction)]);
}

#[tokio::test]
async fn without_a_model_nothing_is_assessed() {
    let settings = ScorerSettings {
        pool: PoolSettings { threads: 1, queue_rows: 1, max_batch: 1 },
        decisions: DecisionsSettings { ttl: Duration::from_secs(60), limit_bytes: 1 << 20 },
        labels: LabelsSettings { limit_bytes: 1 << 20 },
        history_timeout: Duration::from_millis(20),
        privacy_key: b"a key for tests".to_vec(),
    };
    let scorer = Scorer::start(&settings, Arc::default(), Arc::new(MemoryStore::new(1 << 20))).unwrap();
    assert_eq!(scorer.assess(transaction("ann", 0, "1"), options()).await.unwrap_err(), AssessError::NotReady);
    assert!(!scorer.health().can_score());
}

#[tokio::test]
async fn the_known_row_tells_that_scoring_works() {
    let scorer = scorer();
    assert_eq!(scorer.check(options().deadline).await, Ok(true));
    assert!(scorer.health().can_score());
}
