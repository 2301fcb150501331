//! The vocabulary of the service: plain types that can only be made valid.
//!
//! Nothing here knows of HTTP, of the runtime, of a clock or of the environment: time, zones and limits are
//! arguments. Everything above this module speaks in these words.

pub mod amount;
pub mod decision;
pub mod feedback;
pub mod history;
pub mod place;
pub mod red_flag;
pub mod timestamp;
pub mod transaction;

pub use amount::Amount;
pub use decision::{Decision, Probability, RiskScore};
pub use feedback::{Feedback, FeedbackDraft};
pub use history::{
    History, HistoryStatus, LastPlace, MerchantHistory, MerchantKey, Turnover, UserHistory, UserKey, WindowSummary,
};
pub use place::Place;
pub use red_flag::RedFlag;
pub use timestamp::{Timestamp, TimestampForm};
pub use transaction::{Draft, Fault, Transaction, TransactionId, WrittenTimestamp};

#[cfg(test)]
pub mod testing;
