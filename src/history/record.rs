//! What is kept of one user and of one merchant: pure values, the same in every store.
//!
//! A record answers what was known before a transaction, and takes in transactions and labels, each idempotent by
//! transaction id. Labels live in event time too: they count from when they became known.

use crate::domain::history::{LABEL_WINDOWS_MS, MERCHANT_WINDOWS_MS};
use crate::domain::{MerchantHistory, MerchantKey, Timestamp, TransactionId, Turnover, UserHistory, UserKey};
use crate::history::event::hash_of;
use crate::history::{Entry, Event, Timeline, windows};

/// What became known of one transaction, as a store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Whose transaction, where it names a user.
    pub user: Option<UserKey>,
    /// Where it was made.
    pub merchant: MerchantKey,
    /// The hash of the transaction's id.
    pub transaction: u32,
    /// When it became known.
    pub labelled_at: Timestamp,
    /// What is true.
    pub is_fraud: bool,
}

impl Label {
    /// The label of this transaction.
    #[must_use]
    pub fn new(
        user: Option<UserKey>,
        merchant: MerchantKey,
        transaction: &TransactionId,
        labelled_at: Timestamp,
        is_fraud: bool,
    ) -> Self {
        Self { user, merchant, transaction: hash_of(transaction), labelled_at, is_fraud }
    }
}

/// What is kept of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// Sorted; see [`windows::record`].
    events: Vec<Event>,
    /// Most users never have a label.
    labels: Option<Box<Timeline>>,
}

impl UserRecord {
    /// What was known before `event`.
    #[must_use]
    pub fn before(&self, event: &Event) -> UserHistory {
        let frauds = self.labels.as_ref().map(|labels| frauds(labels, event)).unwrap_or_default();
        UserHistory { frauds, ..windows::summarise(&self.events, event) }
    }

    /// Records a transaction; returns how many were dropped that a longer list would have kept. The list grows by a
    /// sixteenth, so that a user's unused room stays small.
    pub fn record(&mut self, event: Event) -> u64 {
        let len = self.events.len();
        let step = (len / 16).max(4);
        if len == self.events.capacity() {
            self.events.reserve_exact(step);
        }
        let dropped = windows::record(&mut self.events, event);
        if self.events.capacity() > self.events.len() + 2 * step {
            self.events.shrink_to(self.events.len() + step);
        }
        dropped
    }

    /// Records a label. A genuine one matters only where it corrects a fraud.
    pub fn label(&mut self, label: &Label) {
        if self.labels.is_some() || label.is_fraud {
            take(self.labels.get_or_insert_default(), label);
        }
    }

    /// How many transactions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no transaction is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The sizes of everything allocated.
    pub(super) fn blocks(&self) -> [usize; 4] {
        let [recent, folded] = self.labels.as_ref().map_or([0; 2], |labels| labels.capacities());
        let labels = self.labels.as_ref().map_or(0, |_| size_of::<Timeline>());
        [self.events.capacity() * Event::BYTES, labels, recent, folded]
    }
}

/// What is kept of one merchant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MerchantRecord {
    turnover: Timeline,
    labels: Option<Box<Timeline>>,
}

impl MerchantRecord {
    /// What was known before `event`.
    #[must_use]
    pub fn before(&self, event: &Event) -> MerchantHistory {
        MerchantHistory {
            windows: self.turnover.sums(event.millis(), event.id(), &MERCHANT_WINDOWS_MS),
            frauds: self.labels.as_ref().map(|labels| frauds(labels, event)).unwrap_or_default(),
        }
    }

    /// Records a transaction. Of several with one id the greatest counts, among the newest
    /// [`timeline::RECENT`](crate::history::timeline::RECENT); a repetition of an older one cannot be told and counts
    /// again. One that comes a week later than the longest window reaches is not kept.
    pub fn record(&mut self, event: Event) {
        let entry = event.entry();
        match self.turnover.held(entry.id()) {
            Some(held) if held >= entry => return,
            Some(held) => self.turnover.remove(held.id()),
            None => {}
        }
        self.turnover.insert(entry, &MERCHANT_WINDOWS_MS);
    }

    /// Records a label. A genuine one matters only where it corrects a fraud.
    pub fn label(&mut self, label: &Label) {
        if self.labels.is_some() || label.is_fraud {
            take(self.labels.get_or_insert_default(), label);
        }
    }

    /// The sizes of everything allocated.
    pub(super) fn blocks(&self) -> [usize; 5] {
        let [turnover, turnover_folded] = self.turnover.capacities();
        let [recent, folded] = self.labels.as_ref().map_or([0; 2], |labels| labels.capacities());
        let labels = self.labels.as_ref().map_or(0, |_| size_of::<Timeline>());
        [turnover, turnover_folded, labels, recent, folded]
    }
}

/// How many frauds became known in each window up to `event`, that transaction's own label excluded: one counts 1, one
/// that was withdrawn 0.
fn frauds(labels: &Timeline, event: &Event) -> [u32; LABEL_WINDOWS_MS.len()] {
    let count = |sum: Turnover| u32::try_from(sum.sum).unwrap_or(u32::MAX);
    labels.sums(event.millis(), event.id(), &LABEL_WINDOWS_MS).map(count)
}

/// Of the labels of one transaction the one with the latest instant counts, of the same instant the one that came last;
/// what says the same again, at whatever instant, changes nothing. A genuine label is kept only in the place of a
/// fraud, so that the fraud, sent again, does not come back; one that came before any is forgotten.
fn take(labels: &mut Timeline, label: &Label) {
    match labels.held(label.transaction) {
        Some(held) if held.value() == u64::from(label.is_fraud) => return,
        Some(held) if held.millis() > label.labelled_at.millis() => return,
        Some(_) => labels.remove(label.transaction),
        None if !label.is_fraud => return,
        None => {}
    }
    // One that is too old for every window says nothing any more.
    labels.insert(Entry::new(label.labelled_at, label.transaction, i64::from(label.is_fraud)), &LABEL_WINDOWS_MS);
}
