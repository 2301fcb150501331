//! The brute-force oracle of what is kept of a user and what it says, for the property tests of this module.

use std::collections::HashMap;

use crate::domain::{Transaction, TransactionId, UserHistory, testing};
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
