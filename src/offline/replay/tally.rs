//! What came back, counted: statuses, decisions, latencies, and how the decisions compare with the labels.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{Decision, HistoryStatus};
use crate::offline::ranking::Ranking;
use crate::offline::replay::feed::Sent;
use crate::offline::replay::lanes::Outcome;

/// The decision on one transaction, as far as it is counted.
#[derive(Debug, Deserialize)]
pub struct Decided {
    decision: Decision,
    fraud_probability: f64,
    history: HistoryStatus,
    #[serde(default)]
    replayed: bool,
}

/// An item of a batch's results: a decision or an error.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Decided(Decided),
    Failed { error: Problem },
}

/// What every error names, as an answer of its own and within a batch.
#[derive(Deserialize)]
struct Problem {
    code: String,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

/// Longer latencies count as this one: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;

/// How decisions compare with labels, positive meaning stopped (declined, or declined and reviewed).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Frauds that were stopped.
    pub true_positives: u64,
    /// Genuine transactions that were stopped.
    pub false_positives: u64,
    /// Frauds that were let through.
    pub false_negatives: u64,
    /// Genuine transactions that were let through.
    pub true_negatives: u64,
}

impl Confusion {
    fn add(&mut self, stopped: bool, is_fraud: bool) {
        *match (stopped, is_fraud) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
    }

    /// The share of what was stopped that is fraud; `None` when nothing was.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.false_positives)
    }

    /// The share of the frauds that was stopped; `None` without a fraud.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.false_negatives)
    }

    /// The share of the genuine transactions that was stopped; `None` without one.
    #[must_use]
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.true_negatives)
    }
}

fn share(part: u64, rest: u64) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}

/// Everything counted of a replay's measured part.
#[derive(Debug)]
pub struct Tally {
    /// Transactions sent.
    pub transactions: u64,
    /// Of these, those without a decision.
    pub lost: u64,
    /// Labels sent.
    pub labels: u64,
    /// Of these, those that were not taken in.
    pub labels_lost: u64,
    /// Attempts that were refused with the advice to come again.
    pub refused: u64,
    /// Attempts whose connection could not be made or broke.
    pub broken: u64,
    /// Transactions answered from memory.
    pub replayed: u64,
    /// Requests by their last status; 0 where none came.
    pub statuses: BTreeMap<u16, u64>,
    /// Lost transactions by the code of their error.
    pub errors: BTreeMap<String, u64>,
    /// Transactions by decision, in the order of [`Decision::ALL`].
    pub decisions: [u64; Decision::ALL.len()],
    /// Transactions by how much of their user's history was known.
    pub histories: BTreeMap<&'static str, u64>,
    /// Latencies of requests that were answered with 200, in microseconds.
    pub latencies: Histogram<u64>,
    /// Declines against labels.
    pub declined: Confusion,
    /// Declines and reviews against labels.
    pub reviewed: Confusion,
    /// Probabilities with their labels.
    pub ranking: Ranking,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            transactions: 0,
            lost: 0,
            labels: 0,
            labels_lost: 0,
            refused: 0,
            broken: 0,
            replayed: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            decisions: [0; Decision::ALL.len()],
            histories: BTreeMap::new(),
            latencies: Histogram::new_with_max(LONGEST_US, 3).expect("three digits up to an hour fit a histogram"),
            declined: Confusion::default(),
            reviewed: Confusion::default(),
            ranking: Ranking::default(),
        }
    }
}

impl Tally {
    /// Counts one request. `each` gets every transaction of it with the JSON of its own decision or error, if there is
    /// any.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn add<E>(
        &mut self,
        outcome: &Outcome,
        mut each: impl FnMut(&Sent, u16, Option<&RawValue>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.refused += outcome.reply.refused;
        self.broken += outcome.reply.broken;
        if outcome.labels > 0 {
            self.labels += outcome.labels as u64;
            self.labels_lost += labels_lost(outcome);
            return Ok(());
        }
        let status = outcome.reply.answer.as_ref().map_or(0, |answer| answer.status.as_u16());
        *self.statuses.entry(status).or_default() += 1;
        let Ok(answer) = &outcome.reply.answer else {
            return outcome.sent.iter().try_for_each(|sent| {
                self.count(sent, Err("no_answer".to_owned()));
                each(sent, status, None)
            });
        };
        if answer.status == StatusCode::OK {
            self.latencies.saturating_record(outcome.latency.as_micros().try_into().unwrap_or(u64::MAX));
        }
        let whole: Option<&RawValue> = serde_json::from_slice(&answer.body).ok();
        let items = match serde_json::from_slice::<Batch<'_>>(&answer.body) {
            Ok(batch) if batch.results.len() == outcome.sent.len() => batch.results,
            _ => Vec::new(),
        };
        for (number, sent) in outcome.sent.iter().enumerate() {
            let own = items.get(number).copied().or(whole);
            let mut decided = read(answer.status, own);
            if let Ok(decided) = &mut decided {
                decided.replayed |= answer.replayed;
            }
            self.count(sent, decided);
            each(sent, status, own)?;
        }
        Ok(())
    }

    /// Counts one transaction, with its decision or the code of its error.
    fn count(&mut self, sent: &Sent, decided: Result<Decided, String>) {
        self.transactions += 1;
        match decided {
            Err(code) => {
                self.lost += 1;
                *self.errors.entry(code).or_default() += 1;
            }
            Ok(Decided { decision, fraud_probability, history, replayed }) => {
                self.replayed += u64::from(replayed);
                self.decisions[decision as usize] += 1;
                *self.histories.entry(history.as_str()).or_default() += 1;
                if let Some(is_fraud) = sent.is_fraud {
                    self.declined.add(decision == Decision::Decline, is_fraud);
                    self.reviewed.add(decision != Decision::Approve, is_fraud);
                    self.ranking.add(fraud_probability, is_fraud);
                }
            }
        }
    }
}

/// How many labels of a request were not taken in.
fn labels_lost(outcome: &Outcome) -> u64 {
    #[derive(Deserialize)]
    struct Results {
        summary: Summary,
    }
    #[derive(Deserialize)]
    struct Summary {
        errors: u64,
    }
    let taken_in = outcome.reply.answer.as_ref().ok().filter(|answer| answer.status == StatusCode::ACCEPTED);
    let results = taken_in.and_then(|answer| serde_json::from_slice::<Results>(&answer.body).ok());
    results.map_or(outcome.labels as u64, |results| results.summary.errors)
}

/// The decision in an answer, or the code of its error.
fn read(status: StatusCode, own: Option<&RawValue>) -> Result<Decided, String> {
    let unreadable = || "unreadable_answer".to_owned();
    let own = own.ok_or_else(unreadable)?.get();
    if status != StatusCode::OK {
        return Err(serde_json::from_str(own).map_or_else(|_| unreadable(), |problem: Problem| problem.code));
    }
    match serde_json::from_str(own) {
        Ok(Item::Decided(decided)) => Ok(decided),
        Ok(Item::Failed { error }) => Err(error.code),
        Err(_) => Err(unreadable()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::offline::replay::connection::{Answer, Reply};

    /// One answer to transactions with these labels, after 1.5 ms.
    pub(in crate::offline::replay) fn outcome(status: u16, body: &str, labels: &[Option<bool>]) -> Outcome {
        let sent = labels
            .iter()
            .enumerate()
            .map(|(number, is_fraud)| Sent { transaction_id: format!("tx-{number}").into(), is_fraud: *is_fraud });
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            replayed: false,
            body: body.to_owned().into(),
            retry_after: None,
        };
        let reply = Reply { answer: Ok(answer), refused: 0, broken: 0 };
        Outcome { sent: sent.collect(), labels: 0, reply, latency: Duration::from_micros(1_500) }
    }

    pub(in crate::offline::replay) fn decision(decision: &str, probability: f64) -> String {
        format!(r#"{{"decision":"{decision}","fraud_probability":{probability},"history":"full","risk_score":1}}"#)
    }

    fn ignore(_: &Sent, _: u16, _: Option<&RawValue>) -> Result<(), std::convert::Infallible> {
        Ok(())
    }

    #[test]
    fn decisions_are_held_against_labels() {
        let mut tally = Tally::default();
        for (decided, probability, is_fraud) in [
            ("decline", 0.9, Some(true)),
            ("decline", 0.8, Some(false)),
            ("review", 0.5, Some(true)),
            ("approve", 0.1, Some(true)),
            ("approve", 0.2, Some(false)),
            ("approve", 0.3, None),
        ] {
            tally.add(&outcome(200, &decision(decided, probability), &[is_fraud]), ignore).unwrap();
        }
        let confusion = |[true_positives, false_positives, false_negatives, true_negatives]: [u64; 4]| Confusion {
            true_positives,
            false_positives,
            false_negatives,
            true_negatives,
        };
        assert_eq!((tally.declined, tally.reviewed), (confusion([1, 1, 2, 1]), confusion([2, 1, 1, 1])));
        assert_eq!((tally.transactions, tally.lost, tally.decisions), (6, 0, [3, 1, 2]));
        assert_eq!(tally.ranking.ranked().count(), 5);
        assert_eq!(tally.declined.precision(), Some(0.5));
        assert_eq!(tally.declined.recall(), Some(1.0 / 3.0));
        assert_eq!(tally.declined.false_positive_rate(), Some(0.5));
        assert_eq!(Confusion::default().precision(), None);
    }

    #[test]
    fn latencies_keep_three_digits_from_microseconds_to_an_hour() {
        for (latency, recorded_us) in [
            (Duration::from_micros(7), 7),
            (Duration::from_millis(130), 130_000),
            (Duration::from_secs(59), 59_000_000),
            (Duration::from_secs(36_000), LONGEST_US),
        ] {
            let mut tally = Tally::default();
            let outcome = Outcome { latency, ..outcome(200, &decision("approve", 0.1), &[None]) };
            tally.add(&outcome, ignore).unwrap();
            let got = tally.latencies.max();
            assert!(got.abs_diff(recorded_us) <= recorded_us / 1000, "{latency:?}: {got}");
        }
    }

    #[test]
    fn a_batch_is_counted_item_by_item() {
        let body = format!(
            r#"{{"results":[{},{{"index":1,"transaction_id":"tx-1","error":{{"code":"transaction_id_reused","detail":"d"}}}},{}],"summary":{{}}}}"#,
            decision("decline", 0.9),
            decision("approve", 0.1).replace("{", r#"{"replayed":true,"#),
        );
        let mut tally = Tally::default();
        let mut seen = Vec::new();
        let each = |sent: &Sent, status: u16, own: Option<&RawValue>| {
            seen.push((sent.transaction_id.to_string(), status, own.is_some_and(|own| own.get().contains("error"))));
            Ok::<_, ()>(())
        };
        tally.add(&outcome(200, &body, &[Some(true), None, Some(false)]), each).unwrap();
        assert_eq!((tally.transactions, tally.lost, tally.replayed), (3, 1, 1));
        assert_eq!(tally.errors.keys().collect::<Vec<_>>(), ["transaction_id_reused"]);
        assert_eq!(
            seen,
            [("tx-0".to_owned(), 200, false), ("tx-1".to_owned(), 200, true), ("tx-2".to_owned(), 200, false)]
        );
    }

    #[test]
    fn labels_are_counted_apart() {
        let mut tally = Tally::default();
        for (status, body, lost) in [
            (202, r#"{"results":[],"summary":{"count":3,"errors":1}}"#, 1),
            (202, "<html>", 3),
            (503, r#"{"code":"history_unavailable"}"#, 3),
        ] {
            let before = tally.labels_lost;
            tally.add(&Outcome { labels: 3, ..outcome(status, body, &[]) }, ignore).unwrap();
            assert_eq!(tally.labels_lost - before, lost, "{status} {body}");
        }
        assert_eq!((tally.labels, tally.transactions, tally.statuses.len()), (9, 0, 0));
    }

    #[test]
    fn whatever_is_no_decision_is_lost_and_named() {
        for (status, body, transactions, code) in [
            (422, r#"{"code":"invalid_transaction"}"#, 1, "invalid_transaction"),
            (503, r#"{"code":"overloaded"}"#, 2, "overloaded"),
            (502, "<html>", 1, "unreadable_answer"),
            (200, "{}", 1, "unreadable_answer"),
            (200, "", 1, "unreadable_answer"),
            (200, r#"{"results":[]}"#, 2, "unreadable_answer"),
        ] {
            let mut tally = Tally::default();
            tally.add(&outcome(status, body, &vec![Some(true); transactions]), ignore).unwrap();
            assert_eq!(tally.errors, BTreeMap::from([(code.to_owned(), transactions as u64)]), "{status} {body}");
            assert_eq!(tally.lost, transactions as u64);
        }
        let mut tally = Tally::default();
        let reply = Reply { answer: Err(anyhow::anyhow!("gone")), refused: 1, broken: 2 };
        tally.add(&Outcome { reply, ..outcome(200, "", &[None]) }, ignore).unwrap();
        assert_eq!((tally.lost, tally.refused, tally.broken, tally.latencies.len()), (1, 1, 2, 0));
        assert_eq!(tally.statuses, BTreeMap::from([(0, 1)]));
    }
}
