//! Whether the process can score: told by a known row scored now and then, and by work that waits while nothing ends.
//!
//! Busy is not ill: a full queue, a deadline missed or a store that does not answer never makes the process unhealthy,
//! else a flood would have every task killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::scoring::Scorer;

/// How often a known row is scored.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a check may wait for its turn.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);
/// Work that waits this long while no scoring thread finishes anything means that the threads hang.
pub const STALL_LIMIT: Duration = Duration::from_secs(10);

/// What is known of the process's ability to score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether a model is live.
    pub model_live: bool,
    /// Whether the scoring threads get on with their work.
    pub threads_progress: bool,
    /// Whether the known row was scored, the last time there was room for it.
    pub known_row_scored: bool,
}

impl Health {
    /// Whether the process can score.
    #[must_use]
    pub fn can_score(self) -> bool {
        self.model_live && self.threads_progress && self.known_row_scored
    }
}

/// Scores the known row on a timer until `stop`.
///
/// # Errors
/// Never; the signature is that of every task.
pub async fn run(scorer: Arc<Scorer>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        // Until a model is live there is nothing to check.
        if scorer.model().is_some() {
            let outcome = scorer.check(Instant::now() + CHECK_PATIENCE).await;
            if let Err(cause) = &outcome {
                tracing::error!(cause, "the known row could not be scored");
            }
            // `Ok(false)` is too busy to tell; the last answer stands.
            if outcome != Ok(false) {
                scorer.set_known_row_scored(outcome.is_ok());
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
}
