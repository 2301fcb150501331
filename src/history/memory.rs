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
    #[must_use]
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
