//! Histories that misbehave on purpose.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use async_trait::async_trait;
use fraud_detection::domain::History;
use fraud_detection::history::{HistoryError, HistoryStats, HistoryStore, Label, MemoryStore, Visit};
use tokio::sync::Semaphore;

/// Holds every decision on a user at a gate, and lets through what names none.
#[derive(Debug)]
pub(crate) struct Gated {
    store: MemoryStore,
    entered: Mutex<Sender<()>>,
    entrances: Mutex<Receiver<()>>,
    gate: Semaphore,
    pub(crate) calls: AtomicUsize,
}

impl Gated {
    pub(crate) fn closed() -> Self {
        let (entered, entrances) = channel();
        Self {
            store: MemoryStore::new(1 << 20),
            entered: Mutex::new(entered),
            entrances: Mutex::new(entrances),
            gate: Semaphore::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    /// Waits until a call stands at the gate.
    pub(crate) fn wait_for_a_call(&self) {
        self.entrances.lock().unwrap().recv_timeout(Duration::from_secs(20)).expect("no call came");
    }

    /// Lets every call through from now on.
    pub(crate) fn open(&self) {
        self.gate.add_permits(1000);
    }
}

#[async_trait]
impl HistoryStore for Gated {
    async fn observe(&self, visits: &[Visit], record: bool) -> Result<Vec<History>, HistoryError> {
        if visits.iter().any(|visit| visit.user.is_some()) {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.entered.lock().unwrap().send(()).unwrap();
            self.gate.acquire().await.unwrap().forget();
        }
        self.store.observe(visits, record).await
    }

    async fn record_labels(&self, labels: &[Label]) -> Result<(), HistoryError> {
        self.store.record_labels(labels).await
    }

    fn stats(&self) -> HistoryStats {
        self.store.stats()
    }
}

/// Answers nothing.
#[derive(Debug)]
pub(crate) struct Down;

#[async_trait]
impl HistoryStore for Down {
    async fn observe(&self, _: &[Visit], _: bool) -> Result<Vec<History>, HistoryError> {
        Err(HistoryError::Unavailable("a secret of the store".to_owned()))
    }

    async fn record_labels(&self, _: &[Label]) -> Result<(), HistoryError> {
        Err(HistoryError::Unavailable("a secret of the store".to_owned()))
    }

    fn stats(&self) -> HistoryStats {
        HistoryStats::default()
    }
}

/// Panics at the first call.
#[derive(Debug)]
pub(crate) struct PanicsOnce {
    store: MemoryStore,
    panicked: AtomicBool,
}

impl PanicsOnce {
    pub(crate) fn new() -> Self {
        Self { store: MemoryStore::new(1 << 20), panicked: AtomicBool::new(false) }
    }
}

#[async_trait]
impl HistoryStore for PanicsOnce {
    async fn observe(&self, visits: &[Visit], record: bool) -> Result<Vec<History>, HistoryError> {
        assert!(self.panicked.swap(true, Ordering::SeqCst), "a secret of the store");
        self.store.observe(visits, record).await
    }

    async fn record_labels(&self, labels: &[Label]) -> Result<(), HistoryError> {
        self.store.record_labels(labels).await
    }

    fn stats(&self) -> HistoryStats {
        self.store.stats()
    }
}
