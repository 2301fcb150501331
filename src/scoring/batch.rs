//! Many transactions in one request: admitted whole or refused, scored by one model, answered in the order sent.
//!
//! Claims are taken in the order of ids, so that two batches that share ids never wait for each other; history is read
//! and recorded in the order sent; rows travel in chunks on the lane that never starves single predictions.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::{History, Transaction};
use crate::history::Visit;
use crate::model::LoadedModel;
use crate::scoring::decisions::{Claim, ClaimGuard, Fingerprint};
use crate::scoring::pool::{Lane, Permit, RowOptions, Work};
use crate::scoring::{AssessError, AssessOptions, Assessment, Scorer, Stages, decide, unknown};

/// The outcome of a batch.
#[derive(Debug)]
pub struct BatchAssessment {
    /// The version that scored it.
    pub model_version: Arc<str>,
    /// One for each transaction, in the order sent.
    pub results: Vec<Result<Assessment, AssessError>>,
}

/// What becomes of one item before scoring.
enum Item {
    /// To be scored; dry runs have no claim.
    Score(Option<ClaimGuard>),
    /// The same transaction stands earlier in this batch.
    Repeats(usize),
    /// Settled without scoring.
    Settled(Result<Assessment, AssessError>),
}

/// An item on its way to the pool.
struct Subject {
    index: usize,
    claim: Option<ClaimGuard>,
    visit: Visit,
    history: History,
}

impl Scorer {
    /// Assesses a batch. An item's failure is its own; items that repeat an earlier one of the batch are replayed.
    ///
    /// # Errors
    /// [`AssessError`] when the whole batch is refused, or when its deadline passed before anything was decided.
    pub async fn assess_batch(
        &self,
        transactions: Vec<Transaction>,
        options: AssessOptions,
    ) -> Result<BatchAssessment, AssessError> {
        let model = self.models.live().ok_or(AssessError::NotReady)?;
        let permit = self.pool.admit(Lane::Chunk, transactions.len()).ok_or(AssessError::Overloaded)?;
        let items = self.claim_all(&transactions, options).await;
        let mut results: Vec<Option<Result<Assessment, AssessError>>> = Vec::with_capacity(items.len());
        let mut repeats = Vec::new();
        let mut to_score = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            results.push(match item {
                Item::Settled(outcome) => Some(outcome),
                Item::Repeats(first) => {
                    repeats.push((index, first));
                    None
                }
                Item::Score(claim) => {
                    to_score.push((index, claim));
                    None
                }
            });
        }
        let scored = self.score_all(&model, permit, &transactions, to_score, options).await;
        for (index, outcome) in scored {
            if let Some(result) = results.get_mut(index) {
                *result = Some(outcome);
            }
        }
        for (index, first) in repeats {
            let replayed = match results.get(first) {
                Some(Some(Ok(assessment))) => {
                    Ok(Assessment { replayed: true, stages: Stages::default(), ..assessment.clone() })
                }
                Some(Some(Err(error))) => Err(error.clone()),
                _ => Err(unanswered()),
            };
            if let Some(result) = results.get_mut(index) {
                *result = Some(replayed);
            }
        }
        let results: Vec<_> = results.into_iter().map(|result| result.unwrap_or_else(|| Err(unanswered()))).collect();
        if !results.is_empty() && results.iter().all(|result| matches!(result, Err(AssessError::DeadlineExceeded))) {
            return Err(AssessError::DeadlineExceeded);
        }
        Ok(BatchAssessment { model_version: Arc::clone(model.version()), results })
    }

    async fn claim_all(&self, transactions: &[Transaction], options: AssessOptions) -> Vec<Item> {
        if options.dry_run {
            return transactions.iter().map(|_| Item::Score(None)).collect();
        }
        let mut order: Vec<usize> = (0..transactions.len()).collect();
        // Stable, so that of equal ids the first sent comes first.
        order.sort_by_key(|&index| transactions.get(index).map(|transaction| &transaction.id));
        let mut items: Vec<(usize, Item)> = Vec::with_capacity(order.len());
        let mut previous: Option<(usize, Fingerprint)> = None;
        for index in order {
            let Some(transaction) = transactions.get(index) else { continue };
            let fingerprint = Fingerprint::of(transaction);
            let same_id = previous
                .filter(|(first, _)| transactions.get(*first).is_some_and(|earlier| earlier.id == transaction.id));
            let item = match same_id {
                Some((first, known)) if known == fingerprint => Item::Repeats(first),
                Some(_) => Item::Settled(Err(AssessError::TransactionIdReused)),
                None => {
                    previous = Some((index, fingerprint));
                    match self.claim(transaction, options.deadline).await {
                        Ok(Claim::Mine(guard)) => Item::Score(Some(guard)),
                        Ok(Claim::Replay(decided)) => {
                            Item::Settled(Ok(Assessment { decided, replayed: true, stages: Stages::default() }))
                        }
                        Ok(Claim::Reused) => Item::Settled(Err(AssessError::TransactionIdReused)),
                        Err(error) => Item::Settled(Err(error)),
                    }
                }
            };
            items.push((index, item));
        }
        items.sort_by_key(|(index, _)| *index);
        items.into_iter().map(|(_, item)| item).collect()
    }

    async fn score_all(
        &self,
        model: &Arc<LoadedModel>,
        mut permit: Permit,
        transactions: &[Transaction],
        to_score: Vec<(usize, Option<ClaimGuard>)>,
        options: AssessOptions,
    ) -> Vec<(usize, Result<Assessment, AssessError>)> {
        let begun_at = Instant::now();
        let subjects = self.histories(transactions, to_score, options).await;
        let history = begun_at.elapsed();
        let mut waiting = Vec::new();
        let mut subjects = subjects.into_iter();
        loop {
            let chunk: Vec<Subject> = subjects.by_ref().take(self.pool.settings().max_batch).collect();
            if chunk.is_empty() {
                break;
            }
            let extracting_at = Instant::now();
            let mut rows = Vec::with_capacity(chunk.len() * model.schema().len());
            for subject in &chunk {
                if let Some(transaction) = transactions.get(subject.index) {
                    model.schema().extract(transaction, &subject.history, &mut rows);
                }
            }
            let features = extracting_at.elapsed();
            let row_options = chunk
                .iter()
                .map(|subject| RowOptions { history: subject.history.status(), explain: options.explain })
                .collect();
            let work = Work { model: Arc::clone(model), rows, options: row_options, deadline: options.deadline };
            let answer = self.pool.submit(permit.split(chunk.len()), work);
            waiting.push((chunk, features, answer));
        }
        let mut results = Vec::with_capacity(transactions.len());
        for (chunk, features, answer) in waiting {
            let outcome = match tokio::time::timeout_at(options.deadline.into(), answer).await {
                Err(_) => Err(AssessError::DeadlineExceeded),
                Ok(Err(_)) => Err(unanswered()),
                Ok(Ok(outcome)) => outcome.map_err(AssessError::from),
            };
            match outcome {
                Err(error) => results.extend(chunk.into_iter().map(|subject| (subject.index, Err(error.clone())))),
                Ok(scored) => {
                    let stages =
                        Stages { history, features, queue: scored.queue, model: scored.model, explain: scored.explain };
                    for (subject, row) in chunk.into_iter().zip(scored.rows) {
                        let Some(transaction) = transactions.get(subject.index) else { continue };
                        let status = subject.history.status();
                        let decided = Arc::new(decide(transaction.id.clone(), row, model, status, &subject.visit));
                        if let Some(claim) = subject.claim {
                            claim.complete(Arc::clone(&decided));
                        }
                        results.push((subject.index, Ok(Assessment { decided, replayed: false, stages })));
                    }
                }
            }
        }
        results
    }

    /// Reads and records the histories of every item in one call, in the order sent.
    async fn histories(
        &self,
        transactions: &[Transaction],
        to_score: Vec<(usize, Option<ClaimGuard>)>,
        options: AssessOptions,
    ) -> Vec<Subject> {
        let visit = |(index, _): &(usize, _)| transactions.get(*index).map(|known| Visit::new(&self.keys, known));
        let visits: Vec<Visit> = to_score.iter().filter_map(visit).collect();
        if visits.is_empty() {
            return Vec::new();
        }
        let observed = self.observe(&visits, options).await;
        let histories = observed.unwrap_or_else(|| visits.iter().map(unknown).collect());
        let items = to_score.into_iter().zip(visits).zip(histories);
        items.map(|(((index, claim), visit), history)| Subject { index, claim, visit, history }).collect()
    }
}

fn unanswered() -> AssessError {
    AssessError::Internal("the scoring thread gave up on the work".to_owned())
}
