//! What is remembered of users, in event time: the store that scoring asks, and the pure functions every store shares.
//!
//! There is no clock here: instants are those of the transactions, so a file of five years ago replays as it happened.
//! A store holds hashes of users, transaction ids and merchants, never the texts.

pub mod event;
pub mod key;
pub mod memory;
pub mod store;
pub mod windows;

pub use event::Event;
pub use key::KeyHasher;
pub use memory::MemoryStore;
pub use store::{HistoryError, HistoryStats, HistoryStore, Visit};

#[cfg(test)]
pub mod testing;
