//! Transactions to send.

use serde_json::{Value, json};

/// A valid transaction of no user, with this id.
pub(crate) fn plain(id: &str) -> Value {
    json!({
        "transaction_id": id,
        "amount": 129.90,
        "merchant": "Corner shop",
        "location": "Berlin, DE",
        "timestamp": "2026-04-23T10:15:30Z",
    })
}

/// The same of a user.
pub(crate) fn of_user(id: &str, user: &str) -> Value {
    with(plain(id), "user_id", json!(user))
}

/// The same with one member set.
pub(crate) fn with(mut transaction: Value, field: &str, value: Value) -> Value {
    transaction[field] = value;
    transaction
}

/// An id that no other test uses.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("unique-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
