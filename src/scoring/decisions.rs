//! The memory of decisions: one answer for one transaction, however often and however simultaneously it is sent.
//!
//! A transaction is claimed before it is scored. Whoever comes second waits for the first; a claim that ends without
//! a decision is forgotten at once, so that a retry starts afresh. Bounded in bytes and in time: the oldest decisions
//! go first, and what goes before its time is counted. Lives in this process only.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::domain::{Transaction, TransactionId};
use crate::scoring::Decided;

/// How much is remembered, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionsSettings {
    /// How long a decision is remembered.
    pub ttl: Duration,
    /// The bound of all remembered decisions, in bytes.
    pub limit_bytes: usize,
}

/// The content of a transaction, hashed: the first 128 bits of the SHA-256 of its parsed fields, so that the same
/// transaction in other bytes (`12.5`, `"12.50"`) is the same content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a transaction; every field but the id counts.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let mut hash = Sha256::new();
        hash.update(transaction.amount.units().to_le_bytes());
        hash.update(transaction.timestamp.millis().to_le_bytes());
        let texts = [
            Some(&transaction.merchant),
            Some(&transaction.location),
            transaction.user_id.as_ref(),
            transaction.merchant_category.as_ref(),
            transaction.channel.as_ref(),
        ];
        for text in texts {
            // The length comes first, so that no two lists of texts run together into the same bytes.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(length.to_le_bytes());
            hash.update(text.map_or("", |text| text));
        }
        hash.update(transaction.currency.unwrap_or_default());
        let coordinates = transaction.coordinates.map_or([f64::NAN; 2], |place| [place.latitude(), place.longitude()]);
        coordinates.iter().for_each(|degrees| hash.update(degrees.to_le_bytes()));
        let digest: [u8; 32] = hash.finalize().into();
        let (first, _) = digest.split_first_chunk().expect("32 bytes hold 16");
        Self(*first)
    }
}

/// What a claim found.
#[derive(Debug)]
pub enum Claim {
    /// The transaction is the caller's to score.
    Mine(ClaimGuard),
    /// It was decided before.
    Replay(Arc<Decided>),
    /// Its id was decided before with other content.
    Reused,
}

/// What the memory holds and has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionsStats {
    /// Decisions and claims held.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Decisions given up to the bound before their time, since the start.
    pub evicted: u64,
}

/// The memory. Sharded by id; a lock is held for a few lookups, never across a wait.
#[derive(Debug)]
pub struct Decisions {
    shards: Vec<Mutex<Shard>>,
    settings: DecisionsSettings,
    hasher: IdHasher,
    evicted: AtomicU64,
}

/// An id, hashed to 128 bits.
pub(super) type IdHash = u128;

/// Hashes ids with keys of this process's own, so that nobody can aim at a collision.
#[derive(Debug, Default)]
pub(super) struct IdHasher([RandomState; 2]);

impl IdHasher {
    pub(super) fn hash(&self, id: &TransactionId) -> IdHash {
        let [high, low] = self.0.each_ref().map(|hasher| hasher.hash_one(id));
        (u128::from(high) << 64) | u128::from(low)
    }
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<IdHash, Entry>,
    /// Decided ids, oldest first. Time to live is the same for all, so this is also the order of expiry.
    decided: VecDeque<(IdHash, Instant)>,
    bytes: usize,
}

#[derive(Debug)]
enum Entry {
    /// Claimed; the token, made by the first who waits, is cancelled when the claim ends.
    Pending {
        waiters: Option<CancellationToken>,
    },
    Done {
        fingerprint: Fingerprint,
        decided: Arc<Decided>,
        expires_at: Instant,
    },
}

impl Decisions {
    const SHARDS: usize = 16;
    /// What an entry costs besides its decision: table slot, queue slot, allocations.
    const OVERHEAD_BYTES: usize = 160;

    /// An empty memory.
    #[must_use]
    pub fn new(settings: DecisionsSettings) -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            settings,
            hasher: IdHasher::default(),
            evicted: AtomicU64::new(0),
        }
    }

    /// Claims a transaction, waiting while somebody else holds its claim. Who waits for several claims at once takes
    /// them in the order of their ids, else two could wait for each other.
    pub async fn claim(self: &Arc<Self>, id: &TransactionId, fingerprint: Fingerprint) -> Claim {
        let key = self.hasher.hash(id);
        loop {
            let waiting = {
                let mut shard = self.shard(key).lock();
                shard.expire(Instant::now());
                match shard.entries.get_mut(&key) {
                    None => {
                        shard.entries.insert(key, Entry::Pending { waiters: None });
                        return Claim::Mine(ClaimGuard { memory: Arc::clone(self), key, fingerprint, decided: None });
                    }
                    Some(Entry::Done { fingerprint: known, decided, .. }) if *known == fingerprint => {
                        return Claim::Replay(Arc::clone(decided));
                    }
                    Some(Entry::Done { .. }) => return Claim::Reused,
                    Some(Entry::Pending { waiters }) => waiters.get_or_insert_default().clone(),
                }
            };
            waiting.cancelled().await;
        }
    }

    /// The decision on a transaction, if it is remembered.
    #[must_use]
    pub fn recall(&self, id: &TransactionId) -> Option<Arc<Decided>> {
        let key = self.hasher.hash(id);
        let mut shard = self.shard(key).lock();
        shard.expire(Instant::now());
        match shard.entries.get(&key) {
            Some(Entry::Done { decided, .. }) => Some(Arc::clone(decided)),
            _ => None,
        }
    }

    /// What the memory holds and has lost.
    #[must_use]
    pub fn stats(&self) -> DecisionsStats {
        let (mut entries, mut bytes) = (0, 0);
        for shard in &self.shards {
            let shard = shard.lock();
            entries += shard.entries.len() as u64;
            bytes += shard.bytes as u64;
        }
        DecisionsStats { entries, bytes, evicted: self.evicted.load(Ordering::Relaxed) }
    }

    fn shard(&self, key: IdHash) -> &Mutex<Shard> {
        let index = (key % Self::SHARDS as u128) as usize;
        self.shards.get(index).expect("a remainder is below the number of shards")
    }

    /// Ends a claim: with a decision it is remembered, without one it is forgotten; waiters wake either way.
    fn end(&self, key: IdHash, fingerprint: Fingerprint, decided: Option<Arc<Decided>>) {
        let now = Instant::now();
        let mut shard = self.shard(key).lock();
        let before = match decided {
            Some(decided) => {
                let expires_at = now + self.settings.ttl;
                shard.bytes += Self::cost(&decided);
                shard.decided.push_back((key, expires_at));
                shard.entries.insert(key, Entry::Done { fingerprint, decided, expires_at })
            }
            None => shard.entries.remove(&key),
        };
        if let Some(Entry::Pending { waiters: Some(waiters) }) = before {
            waiters.cancel();
        }
        let limit = self.settings.limit_bytes / Self::SHARDS;
        while shard.bytes > limit {
            if !shard.forget_oldest() {
                break;
            }
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cost(decided: &Decided) -> usize {
        Self::OVERHEAD_BYTES
            + size_of::<Entry>()
            + size_of::<Decided>()
            + decided.transaction_id.as_str().len()
            + decided.reasoning.capacity()
            + size_of_val(decided.red_flags.as_slice())
    }
}

impl Shard {
    fn expire(&mut self, now: Instant) {
        while self.decided.front().is_some_and(|(_, expires_at)| *expires_at <= now) {
            self.forget_oldest();
        }
    }

    /// Whether there was one to forget.
    fn forget_oldest(&mut self) -> bool {
        let Some((key, expiry)) = self.decided.pop_front() else { return false };
        // The id may have expired and been decided anew since; then a younger record stands for it.
        if matches!(self.entries.get(&key), Some(Entry::Done { expires_at, .. }) if *expires_at == expiry)
            && let Some(Entry::Done { decided, .. }) = self.entries.remove(&key)
        {
            self.bytes = self.bytes.saturating_sub(Decisions::cost(&decided));
        }
        true
    }
}

/// The right, and the duty, to decide one transaction. Dropped without a decision, the claim is forgotten.
#[derive(Debug)]
pub struct ClaimGuard {
    memory: Arc<Decisions>,
    key: IdHash,
    fingerprint: Fingerprint,
    decided: Option<Arc<Decided>>,
}

impl ClaimGuard {
    /// Remembers the decision.
    pub fn complete(mut self, decided: Arc<Decided>) {
        self.decided = Some(decided);
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        self.memory.end(self.key, self.fingerprint, self.decided.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Decision, HistoryStatus, MerchantKey, Probability, RiskScore};

    fn memory(ttl: Duration, limit_bytes: usize) -> Arc<Decisions> {
        Arc::new(Decisions::new(DecisionsSettings { ttl, limit_bytes }))
    }

    fn id(text: &str) -> TransactionId {
        TransactionId::parse(text).unwrap()
    }

    fn decided(text: &str) -> Arc<Decided> {
        Arc::new(Decided {
            transaction_id: id(text),
            decision: Decision::Approve,
            risk_score: RiskScore::new(1.0).unwrap(),
            probability: Probability::new(0.1).unwrap(),
            red_flags: vec![],
            reasoning: "calm".to_owned(),
            model_version: "v1".into(),
            history: HistoryStatus::None,
            user: None,
            merchant: MerchantKey([0; 16]),
        })
    }

    const A: Fingerprint = Fingerprint([1; 16]);
    const B: Fingerprint = Fingerprint([2; 16]);

    async fn decide(memory: &Arc<Decisions>, text: &str) {
        let Claim::Mine(guard) = memory.claim(&id(text), A).await else { panic!("{text} is not free") };
        guard.complete(decided(text));
    }

    #[tokio::test]
    async fn the_same_content_replays_and_other_content_is_refused() {
        let memory = memory(Duration::from_secs(60), 1 << 20);
        decide(&memory, "a").await;
        assert!(matches!(memory.claim(&id("a"), A).await, Claim::Replay(found) if found.reasoning == "calm"));
        assert!(matches!(memory.claim(&id("a"), B).await, Claim::Reused));
        assert!(memory.recall(&id("a")).is_some_and(|found| found.reasoning == "calm"));
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_takes_over_if_it_fails() {
        let memory = memory(Duration::from_secs(60), 1 << 20);
        let Claim::Mine(first) = memory.claim(&id("a"), A).await else { panic!() };
        assert!(memory.recall(&id("a")).is_none());
        let waiting = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { memory.claim(&id("a"), A).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert!(matches!(waiting.await.unwrap(), Claim::Mine(_)));
    }

    #[tokio::test]
    async fn only_completed_decisions_are_remembered_and_not_past_their_time() {
        let memory = memory(Duration::ZERO, 1 << 20);
        decide(&memory, "a").await;
        assert!(matches!(memory.claim(&id("a"), B).await, Claim::Mine(_)));
        assert_eq!(memory.stats().bytes, 0);
    }

    #[tokio::test]
    async fn the_bound_in_bytes_holds_and_what_goes_early_is_counted() {
        let limit = 64 << 10;
        let memory = memory(Duration::from_secs(60), limit);
        for index in 0..1000 {
            decide(&memory, &format!("tx-{index}")).await;
        }
        let stats = memory.stats();
        assert!(stats.bytes <= limit as u64, "{stats:?}");
        assert_eq!(stats.entries + stats.evicted, 1000);
        assert!(stats.evicted > 0);
    }
}
