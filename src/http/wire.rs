//! What travels over the wire: bodies in, answers out.
//!
//! Nothing here knows of axum, of a socket or of a status: requests are parsed from bytes, answers are plain values
//! that serialize, so that offline work and tests read exactly what the service reads.

pub mod request;
pub mod response;

pub use request::{BatchItemFault, FieldFault, WireFault, parse_batch, parse_transaction};
pub use response::{
    BatchDecision, BatchFailure, BatchResponse, BatchResult, BatchSummary, HealthResponse, ItemError, ModelResponse,
    PredictResponse, Problem, ReadyResponse,
};
