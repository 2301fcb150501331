//! Histories in this process: sharded, bounded in bytes, the least recently used user or merchant evicted first.
//!
//! A transaction takes two short locks, its user's and its merchant's, one after the other, and never waits for
//! anything else.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::domain::History;
use crate::history::record::{Label, MerchantRecord, UserRecord};
use crate::history::shard::{Key, Record, Shard};
use crate::history::{HistoryError, HistoryStats, HistoryStore, Visit};

/// As many shards as keep 16 cores out of each other's way, while a shard is large enough to hold many records.
const MAX_SHARDS: usize = 64;
const MIN_SHARD_BYTES: usize = 1 << 20;

/// Merchants may take an eighth of the bound: there are fewer of them than users, and the busiest takes 12 KB.
const MERCHANTS_PART: usize = 8;

/// A [`HistoryStore`] in memory.
#[derive(Debug)]
pub struct MemoryStore {
    users: Shards<UserRecord>,
    merchants: Shards<MerchantRecord>,
    dropped_events: AtomicU64,
}

impl MemoryStore {
    /// An empty store that will count at most `limit_bytes` (`usize::MAX`: no bound). A user with 70 events takes
    /// about 2 KB, a merchant up to 12 KB; a bound too small for a single one remembers nobody.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        let merchants = limit_bytes / MERCHANTS_PART;
        Self {
            users: Shards::new(limit_bytes - merchants),
            merchants: Shards::new(merchants),
            dropped_events: AtomicU64::new(0),
        }
    }

    /// What was known of the visit's user and merchant before it; then, when `record`, the visit is recorded.
    pub fn visit(&self, visit: &Visit, record: bool) -> History {
        let Visit { user, merchant, event } = visit;
        if !record {
            let user = user.map(|user| self.users.read(&user.0, |user| user.before(event)));
            return History::known(user, self.merchants.read(&merchant.0, |merchant| merchant.before(event)));
        }
        let user = user.map(|user| {
            self.users.update(user.0, |user| {
                let before = user.before(event);
                let dropped = user.record(*event);
                if dropped > 0 {
                    self.dropped_events.fetch_add(dropped, Ordering::Relaxed);
                }
                before
            })
        });
        let merchant = self.merchants.update(merchant.0, |merchant| {
            let before = merchant.before(event);
            merchant.record(*event);
            before
        });
        History::known(user, merchant)
    }

    /// Records what became known of a transaction.
    pub fn label(&self, label: &Label) {
        // A genuine label corrects at most: it makes no record of its own.
        if let Some(user) = label.user.filter(|user| label.is_fraud || self.users.holds(&user.0)) {
            self.users.update(user.0, |user| user.label(label));
        }
        if label.is_fraud || self.merchants.holds(&label.merchant.0) {
            self.merchants.update(label.merchant.0, |merchant| merchant.label(label));
        }
    }
}

#[async_trait]
impl HistoryStore for MemoryStore {
    async fn observe(&self, visits: &[Visit], record: bool) -> Result<Vec<History>, HistoryError> {
        Ok(visits.iter().map(|visit| self.visit(visit, record)).collect())
    }

    async fn record_labels(&self, labels: &[Label]) -> Result<(), HistoryError> {
        labels.iter().for_each(|label| self.label(label));
        Ok(())
    }

    fn stats(&self) -> HistoryStats {
        let (users, merchants) = (self.users.totals(), self.merchants.totals());
        HistoryStats {
            users: users.records,
            merchants: merchants.records,
            events: users.events,
            bytes: users.bytes + merchants.bytes,
            evicted_users: users.evicted,
            evicted_merchants: merchants.evicted,
            dropped_events: self.dropped_events.load(Ordering::Relaxed),
        }
    }
}

/// All records of one kind.
#[derive(Debug)]
struct Shards<R>(Box<[Mutex<Shard<R>>]>);

/// What the shards of one kind hold and have lost.
#[derive(Debug, Default)]
struct Totals {
    records: u64,
    events: u64,
    bytes: u64,
    evicted: u64,
}

impl<R: Record> Shards<R> {
    fn new(limit_bytes: usize) -> Self {
        let shards = (limit_bytes / MIN_SHARD_BYTES).clamp(1, MAX_SHARDS);
        Self((0..shards).map(|_| Mutex::new(Shard::new(limit_bytes / shards))).collect())
    }

    /// Keys are evenly spread. The tables inside a shard use the first half of the key, so this takes the other.
    fn of(&self, key: &Key) -> &Mutex<Shard<R>> {
        let [.., a, b] = *key;
        &self.0[usize::from(u16::from_be_bytes([a, b])) % self.0.len()]
    }

    fn holds(&self, key: &Key) -> bool {
        self.of(key).lock().peek(key).is_some()
    }

    /// Reads the record of this key, an empty one where there is none, without a trace.
    fn read<T>(&self, key: &Key, read: impl FnOnce(&R) -> T) -> T {
        match self.of(key).lock().peek(key) {
            Some(record) => read(record),
            None => read(&R::default()),
        }
    }

    fn update<T>(&self, key: Key, change: impl FnOnce(&mut R) -> T) -> T {
        self.of(&key).lock().update(key, change)
    }

    fn totals(&self) -> Totals {
        self.0.iter().fold(Totals::default(), |sum, shard| {
            let shard = shard.lock();
            Totals {
                records: sum.records + shard.len() as u64,
                events: sum.events + shard.events(),
                bytes: sum.bytes + shard.bytes() as u64,
                evicted: sum.evicted + shard.evicted(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::{crowded, merchant_before, plain};
    use crate::domain::{MerchantHistory, Timestamp, Transaction, TransactionId, UserHistory, UserKey};
    use crate::history::testing::{frauds_before, history_before, kept};
    use crate::history::{Event, KeyHasher};

    const AT: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn keys() -> &'static KeyHasher {
        static KEYS: LazyLock<KeyHasher> = LazyLock::new(|| KeyHasher::new(b"test"));
        &KEYS
    }

    /// Spread like a real key: the store relies on it.
    fn user(n: u8) -> UserKey {
        static USERS: LazyLock<Vec<UserKey>> =
            LazyLock::new(|| (0..=u8::MAX).map(|n| keys().user_key(&n.to_string())).collect());
        USERS[usize::from(n)]
    }

    fn visit(user_number: u8, transaction: &Transaction) -> Visit {
        Visit { user: Some(user(user_number)), ..Visit::new(keys(), transaction) }
    }

    /// Whether anything is remembered of a user.
    fn is_known(store: &MemoryStore, user_number: u8) -> bool {
        store.users.holds(&user(user_number).0)
    }

    /// Something that reaches the store of one user; an id says where the transaction was made, as in life.
    #[derive(Debug, Clone)]
    enum Step {
        Visit { transaction: Transaction, record: bool },
        Label { id: u32, at: Timestamp, is_fraud: bool },
    }

    fn step() -> impl Strategy<Value = Step> {
        let visit = (crowded(40, 60 * 4, 6 * HOUR_MS), any::<bool>())
            .prop_map(|(transaction, record)| Step::Visit { transaction, record });
        // Within the time that labels are kept: 37 days.
        let label = (0..40_u32, 0..36 * 24_i64, any::<bool>()).prop_map(|(id, hours, is_fraud)| Step::Label {
            id,
            at: Timestamp::from_millis(AT + hours * HOUR_MS).unwrap(),
            is_fraud,
        });
        prop_oneof![3 => visit, 1 => label]
    }

    fn merchant_of(number: &str) -> String {
        format!("merchant {}", number.parse::<u32>().unwrap() % 4)
    }

    proptest! {
        /// Users and merchants do not see each other, only what was recorded is seen, and every answer is the oracle's.
        #[test]
        fn answers_as_the_oracle_does(stream in prop::collection::vec((0..3_u8, step()), 0..100)) {
            let store = MemoryStore::new(usize::MAX);
            let id_of = |user: u8, number: &str| TransactionId::parse(&format!("{user}-{number}")).unwrap();
            let mut recorded: HashMap<u8, Vec<Transaction>> = HashMap::new();
            let mut labels = Vec::new();
            for (user_number, step) in stream {
                match step {
                    Step::Visit { transaction, record } => {
                        let number = &transaction.id.as_str()[1..];
                        let (id, merchant) = (id_of(user_number, number), merchant_of(number).into());
                        let transaction = Transaction { id, merchant, ..transaction };
                        let history = store.visit(&visit(user_number, &transaction), record);

                        let own = kept(recorded.get(&user_number).map_or(&[], Vec::as_slice));
                        let of_user = |id: &str| id.starts_with(&format!("{user_number}-"));
                        let frauds = frauds_before(&labels, &of_user, &transaction);
                        let known = UserHistory { frauds, ..history_before(&own, &transaction) };
                        prop_assert_eq!(history.user(), Some(&known));

                        let mut everywhere: Vec<Transaction> = recorded.values().flatten().cloned().collect();
                        everywhere.retain(|t| t.merchant == transaction.merchant);
                        let at_merchant = |id: &str| merchant_of(&id[2..]) == *transaction.merchant;
                        let frauds = frauds_before(&labels, &at_merchant, &transaction);
                        let windows = merchant_before(&kept(&everywhere), &transaction);
                        prop_assert_eq!(history.merchant(), Some(&MerchantHistory { windows, frauds }));
                        if record {
                            recorded.entry(user_number).or_default().push(transaction);
                        }
                    }
                    Step::Label { id, at, is_fraud } => {
                        let number = id.to_string();
                        let (id, merchant) = (id_of(user_number, &number), keys().merchant_key(&merchant_of(&number)));
                        store.label(&Label::new(Some(user(user_number)), merchant, &id, at, is_fraud));
                        labels.push((id, at, is_fraud));
                    }
                }
            }
            let stats = store.stats();
            prop_assert_eq!(stats.events, recorded.values().map(|own| kept(own).len() as u64).sum::<u64>());
            prop_assert_eq!((stats.evicted_users, stats.evicted_merchants), (0, 0));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The bound holds after every visit, and those who remain are those who came last.
        #[test]
        fn evicts_whole_users_the_least_recently_used_first(
            limit in 0..10_000_usize,
            stream in prop::collection::vec((0..40_u8, 0..500_u32, any::<bool>()), 0..150),
        ) {
            let store = MemoryStore::new(limit);
            let mut by_use: Vec<u8> = Vec::new();
            for (user, id, record) in stream {
                store.visit(&visit(user, &plain(id, AT)), record);
                if record {
                    by_use.retain(|&other| other != user);
                    by_use.push(user);
                }
                let (users, merchants) = (store.users.totals(), store.merchants.totals());
                prop_assert!(users.bytes <= (limit - limit / 8) as u64 || users.records == 0);
                prop_assert!(merchants.bytes <= (limit / 8) as u64 || merchants.records == 0);
                let first_known = by_use.len() - users.records as usize;
                for (position, &user) in by_use.iter().enumerate() {
                    prop_assert_eq!(is_known(&store, user), position >= first_known);
                }
            }
        }
    }

    #[test]
    fn a_batch_is_observed_in_order() {
        let store = MemoryStore::new(usize::MAX);
        let mut visits = [0, 1, 2].map(|n| visit(0, &plain(n, AT + i64::from(n))));
        visits[1].user = None;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let counts = |record| {
            let histories = runtime.block_on(store.observe(&visits, record)).unwrap();
            let of = |history: &History| {
                (history.user().map(|user| user.windows[0].count), history.merchant().unwrap().windows[0].count)
            };
            histories.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(counts(false), [(Some(0), 0), (None, 0), (Some(0), 0)]);
        let recorded = [(Some(0), 0), (None, 1), (Some(1), 2)];
        assert_eq!(counts(true), recorded);
        assert_eq!(counts(true), recorded, "a retry does not see itself and is not recorded again");
        assert_eq!((store.stats().events, store.stats().merchants), (2, 1));
    }

    /// Labels by hour, and what is then known in the windows of a day and of a week.
    #[test]
    fn a_later_label_corrects_the_earlier_and_a_repetition_changes_nothing() {
        let (fraud, genuine) = (true, false);
        for (labels, known) in [
            (vec![(0, fraud)], [1, 1]),
            (vec![(0, genuine)], [0, 0]),
            (vec![(0, fraud), (1, genuine)], [0, 0]),
            (vec![(1, fraud), (1, genuine)], [0, 0]),
            (vec![(1, fraud), (0, genuine)], [1, 1]),
            (vec![(0, fraud), (1, genuine), (0, fraud)], [0, 0]),
            (vec![(0, fraud), (1, genuine), (2, fraud)], [1, 1]),
            // Known since it was first said, two days before the question.
            (vec![(-42, fraud), (0, fraud)], [0, 1]),
        ] {
            let store = MemoryStore::new(usize::MAX);
            let own = plain(7, AT - 100 * HOUR_MS);
            let Visit { user, merchant, .. } = visit(0, &own);
            for (hour, is_fraud) in &labels {
                let at = Timestamp::from_millis(AT + hour * HOUR_MS).unwrap();
                store.label(&Label::new(user, merchant, &own.id, at, *is_fraud));
            }
            let frauds = |id: u32| {
                let history = store.visit(&visit(0, &plain(id, AT + 6 * HOUR_MS)), false);
                assert_eq!(history.user().unwrap().frauds, history.merchant().unwrap().frauds);
                history.user().unwrap().frauds
            };
            assert_eq!(frauds(8)[..2], known, "{labels:?}");
            assert_eq!(frauds(7), [0; 3], "its own label is not seen");
        }
    }

    #[test]
    fn genuine_labels_take_no_room() {
        let store = MemoryStore::new(usize::MAX);
        for n in 0..100 {
            let Visit { user, merchant, .. } = visit(n, &plain(n.into(), AT));
            let at = Timestamp::from_millis(AT).unwrap();
            store.label(&Label::new(user, merchant, &plain(n.into(), AT).id, at, false));
        }
        assert_eq!((store.stats().users, store.stats().merchants), (0, 0));
    }

    #[test]
    fn counts_what_a_user_drops() {
        let store = MemoryStore::new(usize::MAX);
        for n in 0..1500 {
            store.visit(&visit(0, &plain(n, AT)), true);
        }
        let stats = store.stats();
        assert_eq!((stats.users, stats.events, stats.dropped_events), (1, 1000, 500));
    }

    /// The budget: 2 KiB a user at 70 events in 30 days, overhead included.
    #[test]
    fn a_user_with_70_events_takes_at_most_2_kib() {
        const USERS: u64 = 2_000;
        let store = MemoryStore::new(usize::MAX);
        let users: Vec<UserKey> = (0..USERS).map(|n| keys().user_key(&n.to_string())).collect();
        let merchant = keys().merchant_key("the only one");
        for event in 0..70 {
            let event = Event::of(&plain(event, AT + i64::from(event) * 37_000_000));
            for &user in &users {
                store.visit(&Visit { user: Some(user), merchant, event }, true);
            }
        }
        let users = store.users.totals();
        assert_eq!((users.records, users.events), (USERS, USERS * 70));
        assert!(users.bytes <= USERS * 2048, "{} bytes a user", users.bytes / USERS);
    }

    /// However busy it is, and if all of it were fraud.
    #[test]
    fn a_merchant_takes_at_most_12_kb() {
        let store = MemoryStore::new(usize::MAX);
        let empty = store.merchants.totals().bytes;
        let merchant = keys().merchant_key("busy");
        let mut largest = 0;
        for n in 0..40_000 {
            let transaction = plain(n, AT + i64::from(n) * 90_000);
            store.visit(&Visit { user: None, merchant, event: Event::of(&transaction) }, true);
            store.label(&Label::new(None, merchant, &transaction.id, transaction.timestamp, true));
            largest = largest.max(store.merchants.totals().bytes - empty);
        }
        assert!((9_000..=12_500).contains(&largest), "{largest} bytes");
    }
}
