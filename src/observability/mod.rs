//! What the service tells of itself.

pub mod clock;
pub mod histogram;
pub mod logging;
pub mod metrics;
pub mod prometheus;
pub mod recorder;
pub mod trace;
pub mod writer;
