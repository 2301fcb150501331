//! The HTTP edge.

pub mod wire;
