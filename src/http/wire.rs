//! What travels over the wire: bodies in, answers out.
//!
//! Nothing here knows of axum, of a socket or of a status: requests are parsed from bytes, answers are plain values
//! that serialize, so that offline work and tests read exactly what the service reads.

pub mod batch;
pub mod feedback;
pub mod json;
pub mod response;
pub mod transaction;

pub use batch::parse_batch;
pub use feedback::{FeedbackItems, Instants, parse_feedback};
pub use json::{FieldFault, WireFault};
pub use response::{
    BatchDecision, BatchFailure, BatchResponse, BatchResult, BatchSummary, FeedbackResponse, FeedbackResult,
    FeedbackResults, FeedbackSummary, HealthResponse, ItemError, ModelResponse, PredictResponse, Problem,
    ReadyResponse,
};
pub use transaction::{BatchItemFault, parse_transaction};
