//! From a transaction and its history to the numbers a model takes: one implementation for serving and training.
//!
//! Pure: the same transaction and history give the same row, bit for bit, wherever it runs. Every value is a float32,
//! finite or NaN; NaN is "not known".

pub mod extract;
pub mod schema;

pub use schema::{FeatureSchema, SchemaError, all_names};
