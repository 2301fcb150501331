//! The life of the process as one shared value: starting, ready, draining; and the order to stop.
//!
//! Signals become a phase here; nothing else in the program listens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// Where the process is in its life. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The listener answers, scoring does not.
    Starting,
    /// Scoring.
    Ready,
    /// Told to stop: still scoring, but `/ready` is 503 and connections are asked to close.
    Draining,
}

/// A handle on the phase, cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    phase: Arc<AtomicU8>,
    told_to_stop: CancellationToken,
}

impl Lifecycle {
    /// The present phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// From starting to ready; no effect once draining.
    pub fn become_ready(&self) {
        self.phase.fetch_max(1, Ordering::AcqRel);
    }

    /// To draining, from any phase; wakes whoever waits in [`Lifecycle::told_to_stop`].
    pub fn drain(&self) {
        self.phase.fetch_max(2, Ordering::AcqRel);
        self.told_to_stop.cancel();
    }

    /// Resolves once draining has begun.
    pub async fn told_to_stop(&self) {
        self.told_to_stop.cancelled().await;
    }
}

/// Resolves at the first `SIGTERM` or `SIGINT`, with the signal's name.
///
/// # Errors
/// When the process cannot listen for signals.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_only_moves_forward() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        lifecycle.become_ready();
        assert_eq!(lifecycle.phase(), Phase::Ready);
        lifecycle.drain();
        lifecycle.become_ready();
        assert_eq!(lifecycle.phase(), Phase::Draining);
    }
}
