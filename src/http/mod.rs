//! The HTTP edge.

pub mod connection;
pub mod error;
pub mod server;
pub mod wire;
