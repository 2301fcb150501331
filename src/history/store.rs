//! The seam between scoring and whatever keeps the histories.
//!
//! A store must not know of models, settings or metrics: it takes visits, answers what was known before each, and
//! counts what it lost.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::domain::{History, MerchantKey, Transaction, UserKey};
use crate::history::{Event, KeyHasher, Label};

/// A transaction as a store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Whose transaction, where it names a user.
    pub user: Option<UserKey>,
    /// Where it is made.
    pub merchant: MerchantKey,
    /// What is kept of it.
    pub event: Event,
}

impl Visit {
    /// The visit that this transaction is, its user and its merchant hashed by `keys`.
    #[must_use]
    pub fn new(keys: &KeyHasher, transaction: &Transaction) -> Self {
        Self {
            user: transaction.user_id.as_deref().map(|user_id| keys.user_key(user_id)),
            merchant: keys.merchant_key(&transaction.merchant),
            event: Event::of(transaction),
        }
    }
}

/// Why a store could not answer. Scoring goes on without history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store is down, too slow, or answered nonsense; the text is for the log.
    #[error("the history store did not answer: {0}")]
    Unavailable(String),
}

/// What a store holds now, and what it has lost since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryStats {
    /// Users held.
    pub users: u64,
    /// Merchants held.
    pub merchants: u64,
    /// Events held, over all users.
    pub events: u64,
    /// Bytes held, all overhead included.
    pub bytes: u64,
    /// Users forgotten to stay within the bound in bytes, since the start.
    pub evicted_users: u64,
    /// Merchants forgotten to stay within the bound in bytes, since the start.
    pub evicted_merchants: u64,
    /// Events that did not fit a user's newest 1,000 or arrived more than a week late, since the start.
    pub dropped_events: u64,
}

/// The histories of all users and merchants.
#[async_trait]
pub trait HistoryStore: Send + Sync + Debug {
    /// For each visit in order: what was known of its user and its merchant before it; then, when `record`, the visit
    /// is recorded, so that the next one sees it. One call serves a batch. Each user and each merchant is read and
    /// changed at once; recording is idempotent by transaction id.
    ///
    /// # Errors
    /// [`HistoryError`] when the store did not answer; then some of the visits may have been recorded all the same.
    async fn observe(&self, visits: &[Visit], record: bool) -> Result<Vec<History>, HistoryError>;

    /// Records what became known of transactions, in order. Idempotent: of the labels of one transaction the latest
    /// counts, as often as each is sent.
    ///
    /// # Errors
    /// [`HistoryError`] when the store did not answer; then some may have been recorded all the same: send all again.
    async fn record_labels(&self, labels: &[Label]) -> Result<(), HistoryError>;

    /// What the store holds and has lost.
    fn stats(&self) -> HistoryStats;
}
