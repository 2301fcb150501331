//! Histories in this process: sharded, bounded in bytes, the least recently used user evicted first.
//!
//! Invariant: after every visit each shard counts at most its share of the bound, where every allocation counts with
//! its whole capacity. A user's visit takes one short lock and never waits for anything else.

use async_trait::async_trait;
use hashbrown::HashTable;
use parking_lot::Mutex;

use crate::domain::{UserHistory, UserKey};
use crate::history::{Event, HistoryError, HistoryStats, HistoryStore, Visit, windows};

/// As many shards as keep 16 cores out of each other's way, while a shard is large enough to hold many users.
const MAX_SHARDS: usize = 64;
const MIN_SHARD_BYTES: usize = 1 << 20;

/// What the allocator of glibc adds to a block: a header of 8 bytes, and rounding up to 16.
const BLOCK_HEADER: usize = 8;
const BLOCK_ROUNDING: usize = 16;

/// The end of a chain of users.
const NOBODY: u32 = u32::MAX;

/// A [`HistoryStore`] in memory.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
}

impl MemoryStore {
    /// An empty store that will count at most `limit_bytes` (`usize::MAX`: no bound). A user with 70 events takes
    /// about 2 KB; a bound too small for a single user remembers nobody.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        let shards = (limit_bytes / MIN_SHARD_BYTES).clamp(1, MAX_SHARDS);
        Self { shards: (0..shards).map(|_| Mutex::new(Shard::new(limit_bytes / shards))).collect() }
    }

    /// What was known of the visit's user before it; then, when `record`, the visit is recorded.
    pub fn visit(&self, visit: &Visit, record: bool) -> UserHistory {
        // Keys are evenly spread. The tables inside a shard use the first half of the key, so this takes the other.
        let [.., a, b] = visit.user.0;
        let shard = usize::from(u16::from_be_bytes([a, b])) % self.shards.len();
        self.shards[shard].lock().visit(visit, record)
    }
}

#[async_trait]
impl HistoryStore for MemoryStore {
    async fn observe(&self, visits: &[Visit], record: bool) -> Result<Vec<UserHistory>, HistoryError> {
        Ok(visits.iter().map(|visit| self.visit(visit, record)).collect())
    }

    fn stats(&self) -> HistoryStats {
        self.shards.iter().fold(HistoryStats::default(), |sum, shard| {
            let shard = shard.lock();
            HistoryStats {
                users: sum.users + shard.index.len() as u64,
                events: sum.events + shard.events,
                bytes: sum.bytes + shard.bytes() as u64,
                evicted_users: sum.evicted_users + shard.evicted_users,
                dropped_events: sum.dropped_events + shard.dropped_events,
            }
        })
    }
}

/// One user: the events, and the neighbours in the order of use. A vacant place has no events, and `older` is the next
/// vacant one.
#[derive(Debug)]
struct User {
    key: UserKey,
    events: Vec<Event>,
    newer: u32,
    older: u32,
}

/// A part of the users, under one lock.
#[derive(Debug)]
struct Shard {
    limit_bytes: usize,
    /// Positions in `users`, found by key.
    index: HashTable<u32>,
    users: Vec<User>,
    /// The ends of the chain in the order of use, and the first vacant place.
    newest: u32,
    oldest: u32,
    vacant: u32,
    events: u64,
    /// What the lists of events take from the allocator.
    event_bytes: usize,
    evicted_users: u64,
    dropped_events: u64,
}

impl Shard {
    fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            index: HashTable::new(),
            users: Vec::new(),
            newest: NOBODY,
            oldest: NOBODY,
            vacant: NOBODY,
            events: 0,
            event_bytes: 0,
            evicted_users: 0,
            dropped_events: 0,
        }
    }

    fn visit(&mut self, visit: &Visit, record: bool) -> UserHistory {
        let known = self.index.find(table_hash(&visit.user), |&at| self.users[at as usize].key == visit.user).copied();
        let events = known.map_or(&[][..], |at| &self.users[at as usize].events);
        let history = windows::summarise(events, &visit.event);
        if record {
            let at = match known {
                Some(at) => {
                    self.unlink(at);
                    at
                }
                None => self.admit(visit.user),
            };
            self.link_newest(at);
            self.record(at, visit.event);
            while self.bytes() > self.limit_bytes && self.oldest != NOBODY {
                self.evict(self.oldest);
            }
        }
        history
    }

    /// Records an event of the user at `at`. The list grows by a sixteenth, so that a user's unused room stays small.
    fn record(&mut self, at: u32, event: Event) {
        let events = &mut self.users[at as usize].events;
        let (len, bytes) = (events.len(), block_bytes(events.capacity()));
        let step = (len / 16).max(4);
        if len == events.capacity() {
            events.reserve_exact(step);
        }
        self.dropped_events += windows::record(events, event);
        if events.capacity() > events.len() + 2 * step {
            events.shrink_to(events.len() + step);
        }
        self.events = self.events + events.len() as u64 - len as u64;
        self.event_bytes = self.event_bytes + block_bytes(events.capacity()) - bytes;
    }

    /// Finds a place for a new user, not yet in the order of use.
    fn admit(&mut self, key: UserKey) -> u32 {
        let user = User { key, events: Vec::new(), newer: NOBODY, older: NOBODY };
        let at = if self.vacant == NOBODY {
            // Doubling would at once take from the bound what many users' events need.
            if self.users.len() == self.users.capacity() {
                self.users.reserve_exact((self.users.len() / 8).max(16));
            }
            self.users.push(user);
            u32::try_from(self.users.len() - 1).expect("2^32 users take more memory than a machine has")
        } else {
            let at = self.vacant;
            self.vacant = self.users[at as usize].older;
            self.users[at as usize] = user;
            at
        };
        self.index.insert_unique(table_hash(&key), at, |&at| table_hash(&self.users[at as usize].key));
        at
    }

    fn evict(&mut self, at: u32) {
        self.unlink(at);
        let user = &mut self.users[at as usize];
        let events = std::mem::take(&mut user.events);
        user.older = self.vacant;
        self.vacant = at;
        if let Ok(entry) = self.index.find_entry(table_hash(&user.key), |&found| found == at) {
            entry.remove();
        }
        self.events -= events.len() as u64;
        self.event_bytes -= block_bytes(events.capacity());
        self.evicted_users += 1;
    }

    fn unlink(&mut self, at: u32) {
        let User { newer, older, .. } = self.users[at as usize];
        match newer {
            NOBODY => self.newest = older,
            newer => self.users[newer as usize].older = older,
        }
        match older {
            NOBODY => self.oldest = newer,
            older => self.users[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        match older {
            NOBODY => self.oldest = at,
            older => self.users[older as usize].newer = at,
        }
        let user = &mut self.users[at as usize];
        (user.newer, user.older) = (NOBODY, older);
    }

    /// Everything this shard has taken from the allocator, unused capacity included.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.users.capacity() * size_of::<User>() + self.index.allocation_size() + self.event_bytes
    }
}

/// Keys are hashes already: any eight bytes of one spread evenly.
fn table_hash(key: &UserKey) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What a list with room for this many events takes from the allocator.
fn block_bytes(capacity: usize) -> usize {
    match capacity * Event::BYTES {
        0 => 0,
        bytes => (bytes + BLOCK_HEADER).next_multiple_of(BLOCK_ROUNDING),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Transaction;
    use crate::domain::testing::{crowded, plain};
    use crate::history::testing::{history_before, kept};

    /// Spread like a real key: the store relies on it.
    fn user(n: u8) -> UserKey {
        crate::history::KeyHasher::new(b"test").user_key(&n.to_string())
    }

    fn visit(user_number: u8, transaction: &Transaction) -> Visit {
        Visit::new(user(user_number), transaction)
    }

    /// Whether anything is remembered of a user, without a trace of the question.
    fn is_known(store: &MemoryStore, user_number: u8) -> bool {
        store.visit(&visit(user_number, &plain(9999, (1 << 42) - 1)), false).last_at.is_some()
    }

    proptest! {
        /// Users do not see each other, only recorded visits are seen, and every answer is the oracle's.
        #[test]
        fn answers_as_the_oracle_does(
            stream in prop::collection::vec((0..3_u8, crowded(40, 60 * 4, 6 * 3_600_000), any::<bool>()), 0..80),
        ) {
            let store = MemoryStore::new(usize::MAX);
            let mut recorded: HashMap<u8, Vec<Transaction>> = HashMap::new();
            for (user, transaction, record) in stream {
                let own = recorded.entry(user).or_default();
                prop_assert_eq!(
                    store.visit(&visit(user, &transaction), record),
                    history_before(&kept(own), &transaction)
                );
                if record {
                    own.push(transaction);
                }
            }
            let stats = store.stats();
            recorded.retain(|_, own| !own.is_empty());
            prop_assert_eq!(stats.users, recorded.len() as u64);
            prop_assert_eq!(stats.events, recorded.values().map(|own| kept(own).len() as u64).sum::<u64>());
            prop_assert_eq!(stats.evicted_users, 0);
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
            let empty = store.stats().bytes;
            let mut by_use: Vec<u8> = Vec::new();
            for (user, id, record) in stream {
                store.visit(&visit(user, &plain(id, 1_700_000_000_000)), record);
                if record {
                    by_use.retain(|&other| other != user);
                    by_use.push(user);
                }
                let stats = store.stats();
                prop_assert!(stats.bytes <= (limit as u64).max(empty) || stats.users == 0);
                let first_known = by_use.len() - stats.users as usize;
                for (position, &user) in by_use.iter().enumerate() {
                    prop_assert_eq!(is_known(&store, user), position >= first_known);
                }
            }
        }
    }

    #[test]
    fn a_batch_is_observed_in_order() {
        let store = MemoryStore::new(usize::MAX);
        let visits = [0, 1, 2].map(|n| visit(0, &plain(n, 1_700_000_000_000 + i64::from(n))));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let counts = |record| {
            let histories = runtime.block_on(store.observe(&visits, record)).unwrap();
            histories.iter().map(|history| history.windows[0].count).collect::<Vec<_>>()
        };
        assert_eq!(counts(false), [0, 0, 0]);
        assert_eq!(counts(true), [0, 1, 2]);
        assert_eq!(counts(true), [0, 1, 2], "a retry does not see itself and is not recorded again");
        assert_eq!(store.stats().events, 3);
    }

    #[test]
    fn counts_what_a_user_drops() {
        let store = MemoryStore::new(usize::MAX);
        for n in 0..1500 {
            store.visit(&visit(0, &plain(n, 1_700_000_000_000)), true);
        }
        let stats = store.stats();
        assert_eq!((stats.users, stats.events, stats.dropped_events), (1, 1000, 500));
    }

    /// The budget: 2 KiB a user at 70 events in 30 days, overhead included.
    #[test]
    fn a_user_with_70_events_takes_at_most_2_kib() {
        const USERS: u64 = 2_000;
        let store = MemoryStore::new(usize::MAX);
        let keys = crate::history::KeyHasher::new(b"test");
        let users: Vec<UserKey> = (0..USERS).map(|n| keys.user_key(&n.to_string())).collect();
        for event in 0..70 {
            let event = Event::of(&plain(event, 1_700_000_000_000 + i64::from(event) * 37_000_000));
            for &user in &users {
                store.visit(&Visit { user, event }, true);
            }
        }
        let stats = store.stats();
        assert_eq!((stats.users, stats.events), (USERS, USERS * 70));
        assert!(stats.bytes <= USERS * 2048, "{} bytes a user", stats.bytes / USERS);
    }
}
