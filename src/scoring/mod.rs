//! The middle of the service: from a transaction to a decision.
//!
//! [`Scorer::assess`] is the whole way: admission → claim → history → features → queue → model → red flags → decision.
//! The order is the promise: a refused request leaves no trace, a decision is remembered before it is answered, and
//! every wait ends at the caller's deadline. Nothing here knows of HTTP, of logs of requests or of settings files.

pub mod decisions;
pub mod explain;
pub mod feedback;
pub mod health;
pub mod pool;

mod batch;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::domain::{
    Decision, History, HistoryStatus, MerchantKey, Probability, RedFlag, RiskScore, Transaction, TransactionId, UserKey,
};
use crate::history::{HistoryStats, HistoryStore, KeyHasher, Visit};
use crate::model::{LoadedModel, ModelRegistry};
pub use batch::BatchAssessment;
use decisions::{Claim, Decisions, DecisionsSettings, DecisionsStats, Fingerprint};
pub use feedback::{Change, FeedbackError, Learned, Verdict};
use feedback::{Labels, LabelsSettings, LabelsStats};
pub use health::Health;
use pool::{Lane, Pool, PoolError, PoolSettings, PoolStats, RowOptions, ScoredRow, Work};

/// How one request wants to be assessed.
#[derive(Debug, Clone, Copy)]
pub struct AssessOptions {
    /// Score against history, but record nothing, remember nothing, and never answer from memory.
    pub dry_run: bool,
    /// Look for red flags of an approval too.
    pub explain: bool,
    /// No wait goes past this.
    pub deadline: Instant,
}

/// A decision, as it is answered, remembered and logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The transaction's id.
    pub transaction_id: TransactionId,
    /// What to do.
    pub decision: Decision,
    /// How risky.
    pub risk_score: RiskScore,
    /// The model's own output.
    pub probability: Probability,
    /// Why, most important first; at least one for every decision but approve.
    pub red_flags: Vec<RedFlag>,
    /// One sentence with the transaction's own numbers.
    pub reasoning: String,
    /// The version that scored it.
    pub model_version: Arc<str>,
    /// How much history it was made with.
    pub history: HistoryStatus,
    /// The user's key, for the log and for feedback.
    pub user: Option<UserKey>,
    /// The merchant's key, for feedback.
    pub merchant: MerchantKey,
}

/// Where the time went. A replayed answer has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Reading and recording history.
    pub history: Duration,
    /// Extracting features.
    pub features: Duration,
    /// Waiting for a scoring thread.
    pub queue: Duration,
    /// Inference.
    pub model: Duration,
    /// The second inference, for red flags.
    pub explain: Duration,
}

/// A decision and how it came about.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The decision.
    pub decided: Arc<Decided>,
    /// Whether it was answered from the memory of decisions.
    pub replayed: bool,
    /// Where the time went.
    pub stages: Stages,
}

/// Why a transaction was not assessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssessError {
    /// The queue is full; nothing was done.
    #[error("the scoring queue is full")]
    Overloaded,
    /// No model is live yet.
    #[error("no model is live yet")]
    NotReady,
    /// The deadline passed.
    #[error("the deadline passed before a decision")]
    DeadlineExceeded,
    /// The id was decided before with other content.
    #[error("the transaction id was used before with other content")]
    TransactionIdReused,
    /// A fault of ours; the text is for the log only.
    #[error("{0}")]
    Internal(String),
}

impl From<PoolError> for AssessError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::DeadlineExceeded => Self::DeadlineExceeded,
            PoolError::Failed(cause) => Self::Internal(cause),
        }
    }
}

/// The shape of the scorer.
#[derive(Debug, Clone)]
pub struct ScorerSettings {
    /// The scoring threads and their queue.
    pub pool: PoolSettings,
    /// The memory of decisions.
    pub decisions: DecisionsSettings,
    /// The memory of labels.
    pub labels: LabelsSettings,
    /// The longest wait for the history store.
    pub history_timeout: Duration,
    /// The key under which user ids are hashed.
    pub privacy_key: Vec<u8>,
}

/// What the scorer holds and has done; for the metrics page and for `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScorerStats {
    /// The queue and its threads.
    pub pool: PoolStats,
    /// The memory of decisions.
    pub decisions: DecisionsStats,
    /// The memory of labels.
    pub labels: LabelsStats,
    /// The history store.
    pub history: HistoryStats,
}

/// Assesses transactions. Shared by all requests.
#[derive(Debug)]
pub struct Scorer {
    pool: Pool,
    models: Arc<ModelRegistry>,
    history: Arc<dyn HistoryStore>,
    decisions: Arc<Decisions>,
    labels: Labels,
    keys: KeyHasher,
    history_timeout: Duration,
    known_row_scored: AtomicBool,
}

impl Scorer {
    /// Starts the scoring threads; answers [`AssessError::NotReady`] until `models` has a live model.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        settings: &ScorerSettings,
        models: Arc<ModelRegistry>,
        history: Arc<dyn HistoryStore>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            pool: Pool::start(settings.pool)?,
            models,
            history,
            decisions: Arc::new(Decisions::new(settings.decisions)),
            labels: Labels::new(settings.labels),
            keys: KeyHasher::new(&settings.privacy_key),
            history_timeout: settings.history_timeout,
            known_row_scored: AtomicBool::new(true),
        })
    }

    /// Assesses one transaction.
    ///
    /// # Errors
    /// See [`AssessError`]. After an error nothing is remembered, and a retry never sees itself in its own history.
    pub async fn assess(&self, transaction: Transaction, options: AssessOptions) -> Result<Assessment, AssessError> {
        let model = self.models.live().ok_or(AssessError::NotReady)?;
        let permit = self.pool.admit(Lane::Single, 1).ok_or(AssessError::Overloaded)?;
        let claim = if options.dry_run {
            None
        } else {
            match self.claim(&transaction, options.deadline).await? {
                Claim::Mine(guard) => Some(guard),
                Claim::Replay(decided) => {
                    return Ok(Assessment { decided, replayed: true, stages: Stages::default() });
                }
                Claim::Reused => return Err(AssessError::TransactionIdReused),
            }
        };
        let begun_at = Instant::now();
        let visit = Visit::new(&self.keys, &transaction);
        let history = self.history_of(visit, options).await;
        let history_done_at = Instant::now();
        let mut row = Vec::with_capacity(model.schema().len());
        model.schema().extract(&transaction, &history, &mut row);
        let features = history_done_at.elapsed();

        let work = Work {
            model: Arc::clone(&model),
            rows: row,
            options: vec![RowOptions { history: history.status(), explain: options.explain }],
            deadline: options.deadline,
        };
        let scored = self.score(permit, work, options.deadline).await?;
        let stages = Stages {
            history: history_done_at - begun_at,
            features,
            queue: scored.queue,
            model: scored.model,
            explain: scored.explain,
        };
        let row = scored
            .rows
            .into_iter()
            .next()
            .ok_or_else(|| AssessError::Internal("the pool answered without a row".to_owned()))?;
        let decided = Arc::new(decide(transaction.id, row, &model, history.status(), &visit));
        if let Some(claim) = claim {
            claim.complete(Arc::clone(&decided));
        }
        Ok(Assessment { decided, replayed: false, stages })
    }

    /// The live model, if one has been loaded.
    #[must_use]
    pub fn model(&self) -> Option<Arc<LoadedModel>> {
        self.models.live()
    }

    /// What the scorer holds and has done.
    #[must_use]
    pub fn stats(&self) -> ScorerStats {
        ScorerStats {
            pool: self.pool.stats(),
            decisions: self.decisions.stats(),
            labels: self.labels.stats(),
            history: self.history.stats(),
        }
    }

    /// Scores a known row on a scoring thread, to see that scoring works. `Ok(false)` when the queue was full: too
    /// busy to tell is not ill.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub async fn check(&self, deadline: Instant) -> Result<bool, String> {
        let Some(model) = self.models.live() else { return Err("no model is live".to_owned()) };
        let Some(permit) = self.pool.admit(Lane::Single, 1) else { return Ok(false) };
        let work = Work {
            rows: model.known_row(),
            options: vec![RowOptions { history: HistoryStatus::Full, explain: false }],
            model,
            deadline,
        };
        match self.score(permit, work, deadline).await {
            Ok(_) => Ok(true),
            Err(AssessError::DeadlineExceeded) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the process can score.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            model_live: self.models.live().is_some(),
            threads_progress: self.pool.stats().stalled_for < health::STALL_LIMIT,
            known_row_scored: self.known_row_scored.load(Ordering::Relaxed),
        }
    }

    fn set_known_row_scored(&self, scored: bool) {
        self.known_row_scored.store(scored, Ordering::Relaxed);
    }

    async fn claim(&self, transaction: &Transaction, deadline: Instant) -> Result<Claim, AssessError> {
        let claim = self.decisions.claim(&transaction.id, Fingerprint::of(transaction));
        tokio::time::timeout_at(deadline.into(), claim).await.map_err(|_| AssessError::DeadlineExceeded)
    }

    async fn history_of(&self, visit: Visit, options: AssessOptions) -> History {
        match self.observe(&[visit], options).await.as_deref() {
            Some([history]) => *history,
            _ => unknown(&visit),
        }
    }

    /// Reads, and unless this is a dry run records, some visits; `None` when the store did not answer in time.
    async fn observe(&self, visits: &[Visit], options: AssessOptions) -> Option<Vec<History>> {
        let patience = (Instant::now() + self.history_timeout).min(options.deadline);
        let observed = tokio::time::timeout_at(patience.into(), self.history.observe(visits, !options.dry_run)).await;
        observed.ok()?.ok().filter(|histories| histories.len() == visits.len())
    }

    async fn score(&self, permit: pool::Permit, work: Work, deadline: Instant) -> Result<pool::Scored, AssessError> {
        let answer = self.pool.submit(permit, work);
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Err(_) => Err(AssessError::DeadlineExceeded),
            Ok(Err(_)) => Err(AssessError::Internal("the scoring thread gave up on the work".to_owned())),
            Ok(Ok(outcome)) => Ok(outcome?),
        }
    }
}

/// What is known when the store did not answer.
fn unknown(visit: &Visit) -> History {
    if visit.user.is_some() { History::UNAVAILABLE } else { History::NO_USER }
}

fn decide(
    transaction_id: TransactionId,
    row: ScoredRow,
    model: &LoadedModel,
    history: HistoryStatus,
    visit: &Visit,
) -> Decided {
    let (red_flags, reasoning) = explain::reasoning(row.risk_score, history, row.effects);
    Decided {
        transaction_id,
        decision: row.risk_score.decision(),
        risk_score: row.risk_score,
        probability: row.probability,
        red_flags,
        reasoning,
        model_version: Arc::clone(model.version()),
        history,
        user: visit.user,
        merchant: visit.merchant,
    }
}
