//! What a caller sees: the service over a real socket. One module for each part of the contract.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod answers;
mod batch;
mod client;
mod documents;
mod errors;
mod feedback;
mod forms;
mod idempotency;
mod keys;
mod life;
mod limits;
mod mutations;
mod records;
mod service;
mod stores;
mod transactions;
