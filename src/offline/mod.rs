//! The command line's own work, beside the service: it may use everything and nothing uses it.

pub mod featurize;
pub mod healthcheck;
pub mod input;
pub mod npy;
pub mod progress;
pub mod ranking;
pub mod replay;
pub mod score;
pub mod simulate;
pub mod verify_model;
