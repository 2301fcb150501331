//! What is remembered of users and merchants, in event time: the store that scoring asks, and the pure records that
//! every store shares.
//!
//! There is no clock here: instants are those of the transactions, so a file of five years ago replays as it happened.
//! A store holds hashes of users, transaction ids and merchants, never the texts.

pub mod entry;
pub mod event;
pub mod key;
pub mod memory;
pub mod record;
mod shard;
pub mod store;
pub mod timeline;
pub mod windows;

pub use entry::Entry;
pub use event::Event;
pub use key::KeyHasher;
pub use memory::MemoryStore;
pub use record::Label;
pub use store::{HistoryError, HistoryStats, HistoryStore, Visit};
pub use timeline::Timeline;

#[cfg(test)]
pub mod testing;
