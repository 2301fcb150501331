//! What turns out to be true, in the order of event time: each row with the labels that became due before it.

use std::collections::VecDeque;

use serde::Serialize;

use crate::domain::{Timestamp, Transaction};
use crate::offline::input::Row;

/// A row, and the labels to be sent before it.
#[derive(Debug)]
pub struct Step {
    /// Of earlier transactions, in the order in which they became known.
    pub labels: Vec<Label>,
    /// What happens next.
    pub row: Row,
}

/// A label in the request form of `POST /feedback`.
#[derive(Debug)]
pub struct Label {
    /// The transaction's user, else the transaction itself: what decides on its lane.
    pub lane_key: Box<str>,
    /// What is true.
    pub is_fraud: bool,
    /// The JSON object.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    transaction_id: &'a str,
    is_fraud: bool,
    labelled_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    merchant: &'a str,
    timestamp: String,
}

impl Label {
    fn new(transaction: &Transaction, labelled_at: Timestamp, is_fraud: bool) -> Self {
        let body = Body {
            transaction_id: transaction.id.as_str(),
            is_fraud,
            labelled_at: labelled_at.to_string(),
            user_id: transaction.user_id.as_deref(),
            merchant: &transaction.merchant,
            timestamp: transaction.timestamp.to_string(),
        };
        Self {
            lane_key: lane_key(transaction).into(),
            is_fraud,
            body: serde_json::to_vec(&body).expect("texts always serialize into memory"),
        }
    }
}

/// What decides on the lane of a transaction.
#[must_use]
pub fn lane_key(transaction: &Transaction) -> &str {
    transaction.user_id.as_deref().unwrap_or(transaction.id.as_str())
}

/// Rows with the labels that are due before each; those due after the last row are never sent.
#[derive(Debug)]
pub struct Steps<R> {
    rows: R,
    /// How long after its transaction a label is due; `None`: labels are not sent.
    delay_ms: Option<i64>,
    waiting: VecDeque<(Timestamp, Label)>,
}

impl<R> Steps<R> {
    /// The rows should be sorted by time: a label waits behind those of the rows before its own.
    pub fn new(rows: R, delay_ms: Option<i64>) -> Self {
        Self { rows, delay_ms, waiting: VecDeque::new() }
    }
}

impl<R: Iterator<Item = anyhow::Result<Row>>> Iterator for Steps<R> {
    type Item = anyhow::Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let at = row.transaction.timestamp;
        let due = std::iter::from_fn(|| self.waiting.pop_front_if(|(due_at, _)| *due_at <= at));
        let labels = due.map(|(_, label)| label).collect();
        let due_at = self.delay_ms.and_then(|delay_ms| Timestamp::from_millis(at.millis().saturating_add(delay_ms)));
        if let Some((due_at, is_fraud)) = due_at.zip(row.is_fraud) {
            self.waiting.push_back((due_at, Label::new(&row.transaction, due_at, is_fraud)));
        }
        Some(Ok(Step { labels, row }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::replay::feed::tests::row_at;

    #[test]
    fn a_label_comes_before_the_first_row_at_or_after_its_time() {
        let rows = [(0, 0), (1, 50), (2, 99), (3, 100), (4, 149), (5, 150)];
        let rows = rows.into_iter().map(|(number, at_ms)| Ok(row_at(number, 0, at_ms)));
        let steps: Vec<Step> = Steps::new(rows, Some(100)).map(Result::unwrap).collect();
        let told: Vec<Vec<String>> = steps
            .iter()
            .map(|step| step.labels.iter().map(|label| String::from_utf8(label.body.clone()).unwrap()).collect())
            .collect();
        let label = |number, labelled_at, at| {
            format!(
                r#"{{"transaction_id":"tx-{number}","is_fraud":false,"labelled_at":"1970-01-01T00:00:00.{labelled_at}Z","user_id":"u-0","merchant":"m","timestamp":"1970-01-01T00:00:00.{at}Z"}}"#
            )
        };
        assert_eq!(told, [vec![], vec![], vec![], vec![label(0, "100", "000")], vec![], vec![label(1, "150", "050")]]);
    }

    #[test]
    fn without_a_delay_no_label_is_sent() {
        let rows = (0..9).map(|number| Ok(row_at(number, 0, number as i64)));
        assert!(Steps::new(rows, None).all(|step| step.unwrap().labels.is_empty()));
    }
}
