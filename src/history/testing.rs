//! The brute-force oracle of what is kept and what it says, for the property tests of this module.

use std::collections::HashMap;

use crate::domain::{Timestamp, Transaction, TransactionId, UserHistory, testing};
use crate::history::Event;

/// What is kept of the transactions recorded of one user, by the definition: of several with one id the latest (then
/// the dearest), not 37 days or more behind the newest, and of these the newest 1,000, ties broken by the id's hash.
pub fn kept(recorded: &[Transaction]) -> Vec<&Transaction> {
    let rank = |t: &Transaction| (t.timestamp, Event::of(t).id(), t.amount, Event::of(t));
    let mut by_id: HashMap<&TransactionId, &Transaction> = HashMap::new();
    for transaction in recorded {
        let held = by_id.entry(&transaction.id).or_insert(transaction);
        if rank(held) < rank(transaction) {
            *held = transaction;
        }
    }
    let mut kept: Vec<&Transaction> = by_id.into_values().collect();
    kept.sort_by_cached_key(|t| std::cmp::Reverse(rank(t)));
    let newest = recorded.iter().map(|t| t.timestamp.millis()).max().unwrap_or(0);
    kept.retain(|t| t.timestamp.millis() > newest - 37 * 86_400_000);
    kept.truncate(1000);
    kept
}

/// What `kept` transactions, newest first, say before another. Places are those of history's cells.
pub fn history_before(kept: &[&Transaction], before: &Transaction) -> UserHistory {
    testing::history_before(kept, before, |t| Event::of(t).place())
}

/// How many of the transactions with `chosen` ids were, by their `labels` in the order of arrival, known as frauds
/// before another, for each window: the latest label of an id counts, from when it was first said.
pub fn frauds_before(
    labels: &[(TransactionId, Timestamp, bool)],
    chosen: &dyn Fn(&str) -> bool,
    before: &Transaction,
) -> [u32; 3] {
    let mut known: HashMap<&TransactionId, (Timestamp, bool)> = HashMap::new();
    for (id, at, is_fraud) in labels.iter().filter(|(id, ..)| chosen(id.as_str()) && *id != before.id) {
        let changes = match known.get(id) {
            None => *is_fraud,
            Some((held_at, held)) => held != is_fraud && held_at <= at,
        };
        if changes {
            known.insert(id, (*at, *is_fraud));
        }
    }
    [1, 7, 30].map(|days: i64| {
        let age = |at: Timestamp| before.timestamp.millis() - at.millis();
        let counts = |(at, is_fraud): &&(Timestamp, bool)| *is_fraud && (0..days * 86_400_000).contains(&age(*at));
        known.values().filter(counts).count() as u32
    })
}
