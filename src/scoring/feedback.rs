//! What later turned out to be true: labels for the histories of user and merchant, and for the count of right and
//! wrong decisions.
//!
//! Histories take every label in idempotently. The memory of labels here exists for the count: a label counts once, and
//! a correction takes back what it corrects. It is bounded; a label repeated after it was forgotten counts again. Lives
//! in this process only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::domain::{Decision, Feedback, MerchantKey, Timestamp, TransactionId, UserKey};
use crate::history::{HistoryError, Label};
use crate::scoring::Scorer;
use crate::scoring::decisions::{IdHash, IdHasher};

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsSettings {
    /// The bound of all remembered labels, in bytes.
    pub limit_bytes: usize,
}

/// What the memory holds and has lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelsStats {
    /// Labels held.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Labels given up to the bound, since the start.
    pub evicted: u64,
}

/// Which decision a label speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The version that decided.
    pub model_version: Arc<str>,
    /// What it decided.
    pub decision: Decision,
}

/// What a label changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing was known of the transaction.
    Recorded,
    /// The opposite was known.
    Corrected,
    /// The same was known, or something newer.
    Unchanged,
}

impl Change {
    /// Every change.
    pub const ALL: [Self; 3] = [Self::Recorded, Self::Corrected, Self::Unchanged];

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Corrected => "corrected",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What became of one feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The transaction's id.
    pub transaction_id: TransactionId,
    /// What was said of it.
    pub is_fraud: bool,
    /// What that changed.
    pub change: Change,
    /// The decision that is counted as right or wrong by it, where it changed something and that is known.
    pub counts: Option<Verdict>,
    /// The decision that the label it corrects was counted for, to be taken back.
    pub takes_back: Option<Verdict>,
    /// The user's key, for the log.
    pub user: Option<UserKey>,
}

/// Why nothing was learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedbackError {
    /// Nobody remembers the transaction, and the feedback does not name its merchant.
    #[error("the transaction is not remembered, and its merchant is not named")]
    UnknownTransaction,
    /// The store of histories did not answer; the text is for the log.
    #[error("{0}")]
    HistoryUnavailable(String),
    /// The deadline passed.
    #[error("the deadline passed before the labels were recorded")]
    DeadlineExceeded,
}

impl From<HistoryError> for FeedbackError {
    fn from(error: HistoryError) -> Self {
        Self::HistoryUnavailable(error.to_string())
    }
}

/// Whose transaction a label is about, and which decision it speaks of.
#[derive(Debug, Clone)]
struct Subject {
    user: Option<UserKey>,
    merchant: MerchantKey,
    verdict: Option<Verdict>,
}

impl Scorer {
    /// Learns what turned out to be true, in the order given. What a feedback does not say is taken from the remembered
    /// decision, else from an earlier feedback on the same transaction.
    ///
    /// # Errors
    /// An item's own error is in its place. The whole fails when the histories could not be reached in time; then some
    /// of it may have been learned, and repeating it all is safe.
    pub async fn learn(
        &self,
        feedback: Vec<Feedback>,
        deadline: Instant,
    ) -> Result<Vec<Result<Learned, FeedbackError>>, FeedbackError> {
        let subjects: Vec<Option<Subject>> = feedback.iter().map(|item| self.subject(item)).collect();
        let known = feedback.iter().zip(&subjects).filter_map(|(item, subject)| Some((item, subject.as_ref()?)));
        let labels: Vec<Label> = known
            .map(|(Feedback { transaction_id, labelled_at, is_fraud, .. }, subject)| {
                Label::new(subject.user, subject.merchant, transaction_id, *labelled_at, *is_fraud)
            })
            .collect();
        if !labels.is_empty() {
            let recorded = self.history.record_labels(&labels);
            tokio::time::timeout_at(deadline.into(), recorded).await.map_err(|_| FeedbackError::DeadlineExceeded)??;
        }
        let learned = feedback.into_iter().zip(subjects).map(|(item, subject)| {
            let subject = subject.ok_or(FeedbackError::UnknownTransaction)?;
            let (user, verdict) = (subject.user, subject.verdict.clone());
            let (change, before) = self.labels.take(&item, subject);
            let counts = verdict.filter(|_| change != Change::Unchanged);
            let takes_back = before.and_then(|before| before.verdict);
            let (transaction_id, is_fraud) = (item.transaction_id, item.is_fraud);
            Ok(Learned { transaction_id, is_fraud, change, counts, takes_back, user })
        });
        Ok(learned.collect())
    }

    /// What a feedback is about: what it says, and for the rest what is remembered.
    fn subject(&self, item: &Feedback) -> Option<Subject> {
        let decided = self.decisions.recall(&item.transaction_id);
        let remembered = match &decided {
            Some(decided) => Some(Subject {
                user: decided.user,
                merchant: decided.merchant,
                verdict: Some(Verdict {
                    model_version: Arc::clone(&decided.model_version),
                    decision: decided.decision,
                }),
            }),
            None => self.labels.subject(&item.transaction_id),
        };
        let (user, merchant, verdict) = match remembered {
            Some(Subject { user, merchant, verdict }) => (user, Some(merchant), verdict),
            None => (None, None, None),
        };
        let user_id = item.user_id.as_deref();
        let said = item.model_version.as_deref().zip(item.decision);
        Some(Subject {
            user: user_id.map(|user_id| self.keys.user_key(user_id)).or(user),
            merchant: item.merchant.as_deref().map(|merchant| self.keys.merchant_key(merchant)).or(merchant)?,
            // What was decided here is known better here.
            verdict: verdict
                .or_else(|| said.map(|(version, decision)| Verdict { model_version: version.into(), decision })),
        })
    }
}

/// The memory of labels: the newest, within a bound.
#[derive(Debug)]
pub(super) struct Labels {
    hasher: IdHasher,
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    entries: HashMap<IdHash, Entry>,
    /// In the order of their first label.
    order: VecDeque<IdHash>,
    evicted: u64,
}

#[derive(Debug)]
struct Entry {
    is_fraud: bool,
    labelled_at: Timestamp,
    subject: Subject,
}

impl Labels {
    /// What a label takes: table slot with its spare room, queue slot, and a version's name that the caller gave.
    const ENTRY_BYTES: usize = 2 * (size_of::<IdHash>() + size_of::<Entry>()) + 2 * size_of::<IdHash>() + 80;

    pub(super) fn new(settings: LabelsSettings) -> Self {
        let limit = settings.limit_bytes / Self::ENTRY_BYTES;
        Self { hasher: IdHasher::default(), limit, held: Mutex::default() }
    }

    pub(super) fn stats(&self) -> LabelsStats {
        let held = self.held.lock();
        let entries = held.entries.len() as u64;
        LabelsStats { entries, bytes: entries * Self::ENTRY_BYTES as u64, evicted: held.evicted }
    }

    /// What an earlier label of this transaction was about.
    fn subject(&self, id: &TransactionId) -> Option<Subject> {
        self.held.lock().entries.get(&self.hasher.hash(id)).map(|entry| entry.subject.clone())
    }

    /// Takes a label in: of several on one transaction the latest counts, of one instant the one that came last. Returns
    /// what it changed, and what the label that it corrects was about.
    fn take(&self, item: &Feedback, subject: Subject) -> (Change, Option<Subject>) {
        let key = self.hasher.hash(&item.transaction_id);
        let entry = Entry { is_fraud: item.is_fraud, labelled_at: item.labelled_at, subject };
        let mut held = self.held.lock();
        match held.entries.get_mut(&key) {
            Some(known) if known.is_fraud == entry.is_fraud || known.labelled_at > entry.labelled_at => {
                (Change::Unchanged, None)
            }
            Some(known) => {
                let before = std::mem::replace(known, entry);
                (Change::Corrected, Some(before.subject))
            }
            None => {
                held.entries.insert(key, entry);
                held.order.push_back(key);
                while held.order.len() > self.limit {
                    let Some(oldest) = held.order.pop_front() else { break };
                    held.entries.remove(&oldest);
                    held.evicted += 1;
                }
                (Change::Recorded, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(id: &str, at: i64, is_fraud: bool) -> Feedback {
        Feedback {
            transaction_id: TransactionId::parse(id).unwrap(),
            is_fraud,
            labelled_at: Timestamp::from_millis(at).unwrap(),
            user_id: None,
            merchant: None,
            decision: None,
            model_version: None,
        }
    }

    fn take(labels: &Labels, id: &str, at: i64, is_fraud: bool) -> Change {
        let subject = Subject { user: None, merchant: MerchantKey([0; 16]), verdict: None };
        labels.take(&feedback(id, at, is_fraud), subject).0
    }

    #[test]
    fn the_latest_label_counts_and_a_repetition_changes_nothing() {
        let labels = Labels::new(LabelsSettings { limit_bytes: 1 << 20 });
        for (at, is_fraud, change) in [
            (5, true, Change::Recorded),
            (5, true, Change::Unchanged),
            (9, true, Change::Unchanged),
            (4, false, Change::Unchanged),
            (5, false, Change::Corrected),
            (4, true, Change::Unchanged),
            (7, true, Change::Corrected),
        ] {
            assert_eq!(take(&labels, "a", at, is_fraud), change, "{at} {is_fraud}");
        }
    }

    #[test]
    fn the_bound_holds_and_what_is_forgotten_is_counted() {
        let labels = Labels::new(LabelsSettings { limit_bytes: 100 * Labels::ENTRY_BYTES });
        for n in 0..250 {
            take(&labels, &format!("tx-{n}"), 1, true);
        }
        assert_eq!((labels.stats().entries, labels.stats().evicted), (100, 150));
        assert!(labels.subject(&feedback("tx-149", 1, true).transaction_id).is_none());
        assert!(labels.subject(&feedback("tx-150", 1, true).transaction_id).is_some());
    }
}
