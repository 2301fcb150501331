//! The scoring threads and the one bounded queue that feeds them.
//!
//! A thread takes one job, then whatever already waits, up to `max_batch` rows, and runs them as one inference: no job
//! ever waits for a batch to fill. Chunks of `/batch` travel on a second lane that gets one turn in eight while both
//! lanes have work, and every turn when only it has. Each lane has room for `queue_rows` rows; who finds none is
//! refused. A job whose caller has gone, or whose deadline has passed, is dropped before inference and counted.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::domain::{Decision, HistoryStatus, Probability, RiskScore};
use crate::model::LoadedModel;
use crate::scoring::explain::{Effect, Trials};

/// The shape of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Scoring threads, at least 1.
    pub threads: usize,
    /// Rows that may wait in each lane.
    pub queue_rows: usize,
    /// Rows of one inference.
    pub max_batch: usize,
}

/// The two lanes of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Single predictions.
    Single,
    /// Chunks of batches.
    Chunk,
}

/// One row to score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOptions {
    /// Decides which calibration map is used.
    pub history: HistoryStatus,
    /// Whether an approval is explained too.
    pub explain: bool,
}

/// Rows to score together, all by one model.
#[derive(Debug)]
pub struct Work {
    /// The model.
    pub model: Arc<LoadedModel>,
    /// The feature vectors, one after another.
    pub rows: Vec<f32>,
    /// What goes with each row.
    pub options: Vec<RowOptions>,
    /// After this the work is dropped.
    pub deadline: Instant,
}

/// A scored row.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRow {
    /// The model's output.
    pub probability: Probability,
    /// Its place on the fixed scale.
    pub risk_score: RiskScore,
    /// The red flags that fit, most important first.
    pub effects: Vec<Effect>,
}

/// Scored rows in the order of the work, and where the time went.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One for each row.
    pub rows: Vec<ScoredRow>,
    /// Waiting in the queue.
    pub queue: Duration,
    /// Inference.
    pub model: Duration,
    /// The second inference, for red flags.
    pub explain: Duration,
}

/// Why work was not scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The deadline passed before it began.
    #[error("the deadline passed in the queue")]
    DeadlineExceeded,
    /// Inference failed, or the pool has stopped.
    #[error("{0}")]
    Failed(String),
}

/// Counters and gauges of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStats {
    /// Rows admitted and not yet begun.
    pub queued_rows: u64,
    /// Jobs dropped because the caller had gone, since the start.
    pub dropped_gone: u64,
    /// Jobs dropped because their deadline had passed, since the start.
    pub dropped_late: u64,
    /// Rows scored, since the start.
    pub rows_scored: u64,
    /// Inferences, since the start.
    pub inferences: u64,
    /// How long work has been waiting without any thread finishing something; zero when none waits.
    pub stalled_for: Duration,
}

/// Room in the queue for some rows, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    lane: Lane,
    rows: usize,
}

impl Permit {
    /// Splits off room for `rows`; what is left stays here.
    #[must_use]
    pub fn split(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        self.rows -= rows;
        Self { shared: Arc::clone(&self.shared), lane: self.lane, rows }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.taken(self.lane).fetch_sub(self.rows, Ordering::AcqRel);
    }
}

struct Job {
    work: Work,
    queued_at: Instant,
    answer: oneshot::Sender<Result<Scored, PoolError>>,
    permit: Permit,
}

#[derive(Default)]
struct Lanes {
    singles: VecDeque<Job>,
    chunks: VecDeque<Job>,
    /// Turns that singles have had in a row while chunks waited.
    single_turns: u32,
    closed: bool,
    /// Jobs taken and not yet finished.
    running: usize,
    /// Since when work has been waiting without anything finishing.
    waiting_since: Option<Instant>,
}

struct Shared {
    lanes: Mutex<Lanes>,
    work_waits: Condvar,
    settings: PoolSettings,
    taken: [AtomicUsize; 2],
    dropped_gone: AtomicU64,
    dropped_late: AtomicU64,
    rows_scored: AtomicU64,
    inferences: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Of this many turns while both lanes have work, one is a chunk's.
const CHUNK_TURN: u32 = 8;

impl Shared {
    fn taken(&self, lane: Lane) -> &AtomicUsize {
        let [single, chunk] = &self.taken;
        match lane {
            Lane::Single => single,
            Lane::Chunk => chunk,
        }
    }

    /// Waits for work and takes one inference's worth of it; `None` when the pool is closed and empty.
    fn take(&self, batch: &mut Vec<Job>) -> Option<()> {
        let mut lanes = self.lanes.lock();
        loop {
            let chunks_turn =
                !lanes.chunks.is_empty() && (lanes.singles.is_empty() || lanes.single_turns + 1 >= CHUNK_TURN);
            if chunks_turn {
                lanes.single_turns = 0;
                batch.extend(lanes.chunks.pop_front());
            } else {
                lanes.single_turns = if lanes.chunks.is_empty() { 0 } else { lanes.single_turns + 1 };
                let mut rows = 0;
                while let Some(next) = lanes.singles.front() {
                    rows += next.work.options.len();
                    let fits = batch.first().is_none_or(|first| {
                        rows <= self.settings.max_batch && Arc::ptr_eq(&first.work.model, &next.work.model)
                    });
                    if !fits {
                        break;
                    }
                    batch.extend(lanes.singles.pop_front());
                }
            }
            if !batch.is_empty() {
                lanes.running += batch.len();
                return Some(());
            }
            if lanes.closed {
                return None;
            }
            self.work_waits.wait(&mut lanes);
        }
    }

    fn finished(&self, jobs: usize) {
        let mut lanes = self.lanes.lock();
        lanes.running -= jobs;
        let idle = lanes.running == 0 && lanes.singles.is_empty() && lanes.chunks.is_empty();
        lanes.waiting_since = if idle { None } else { Some(Instant::now()) };
    }
}

/// The pool. Dropping it stops its threads after the work that was admitted.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: PoolSettings) -> std::io::Result<Self> {
        let settings = PoolSettings {
            threads: settings.threads.max(1),
            queue_rows: settings.queue_rows.max(1),
            max_batch: settings.max_batch.max(1),
        };
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            work_waits: Condvar::new(),
            settings,
            taken: [AtomicUsize::new(0), AtomicUsize::new(0)],
            dropped_gone: AtomicU64::new(0),
            dropped_late: AtomicU64::new(0),
            rows_scored: AtomicU64::new(0),
            inferences: AtomicU64::new(0),
        });
        let mut pool = Self { shared: Arc::clone(&shared), threads: Vec::new() };
        for index in 0..settings.threads {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name(format!("scoring-{index}"))
                .spawn(move || ScoringThread::new(index, shared).run())?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Takes room for `rows` in a lane, or refuses at once.
    #[must_use]
    pub fn admit(&self, lane: Lane, rows: usize) -> Option<Permit> {
        let taken = self.shared.taken(lane);
        let limit = self.shared.settings.queue_rows;
        // A batch larger than the whole lane is admitted while the lane is empty, else it could never be.
        let room = |now: usize| (now == 0 || now + rows <= limit).then_some(now + rows);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Permit { shared: Arc::clone(&self.shared), lane, rows })
    }

    /// Queues admitted work. Dropping the receiver drops the work, if it has not begun.
    pub fn submit(&self, permit: Permit, work: Work) -> oneshot::Receiver<Result<Scored, PoolError>> {
        let (answer, receiver) = oneshot::channel();
        let now = Instant::now();
        let lane = permit.lane;
        let job = Job { work, queued_at: now, answer, permit };
        {
            let mut lanes = self.shared.lanes.lock();
            lanes.waiting_since.get_or_insert(now);
            match lane {
                Lane::Single => lanes.singles.push_back(job),
                Lane::Chunk => lanes.chunks.push_back(job),
            }
        }
        self.shared.work_waits.notify_one();
        receiver
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> PoolSettings {
        self.shared.settings
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let shared = &self.shared;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rows = |lane| shared.taken(lane).load(Ordering::Relaxed) as u64;
        let waiting_since = shared.lanes.lock().waiting_since;
        PoolStats {
            queued_rows: rows(Lane::Single) + rows(Lane::Chunk),
            dropped_gone: count(&shared.dropped_gone),
            dropped_late: count(&shared.dropped_late),
            rows_scored: count(&shared.rows_scored),
            inferences: count(&shared.inferences),
            stalled_for: waiting_since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lanes.lock().closed = true;
        self.shared.work_waits.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a scoring thread ended by a panic");
            }
        }
    }
}

/// One thread's state; its buffers are reused from batch to batch.
struct ScoringThread {
    index: usize,
    shared: Arc<Shared>,
    rows: Vec<f32>,
    probabilities: Vec<Probability>,
}

impl ScoringThread {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        Self { index, shared, rows: Vec::new(), probabilities: Vec::new() }
    }

    fn run(mut self) {
        let mut batch = Vec::new();
        while self.shared.take(&mut batch).is_some() {
            let jobs = batch.len();
            // A panic must cost its batch, not the thread: the callers see their answers dropped.
            if catch_unwind(AssertUnwindSafe(|| self.score(batch.drain(..)))).is_err() {
                tracing::error!(thread = self.index, jobs, "scoring a batch panicked");
                batch.clear();
            }
            self.shared.finished(jobs);
        }
    }

    /// Scores one inference's worth of jobs. What needs no red flags is answered before those are looked for.
    fn score(&mut self, jobs: impl Iterator<Item = Job>) {
        let begun_at = Instant::now();
        let jobs: Vec<Job> = jobs.filter_map(|job| self.still_wanted(job, begun_at)).collect();
        let Some(model) = jobs.first().map(|job| Arc::clone(&job.work.model)) else { return };
        self.rows.clear();
        self.probabilities.clear();
        for job in &jobs {
            self.rows.extend_from_slice(&job.work.rows);
        }
        let outcome = model.score(self.index, &self.rows, &mut self.probabilities);
        let model_time = begun_at.elapsed();
        self.shared.inferences.fetch_add(1, Ordering::Relaxed);
        self.shared.rows_scored.fetch_add(self.probabilities.len() as u64, Ordering::Relaxed);
        if let Err(error) = outcome {
            for job in jobs {
                job.respond(Err(PoolError::Failed(error.to_string())));
            }
            return;
        }
        let mut unexplained = Vec::new();
        let mut probabilities = self.probabilities.iter();
        for job in jobs {
            let rows: Vec<ScoredRow> = job
                .work
                .options
                .iter()
                .zip(&mut probabilities)
                .map(|(options, &probability)| ScoredRow {
                    probability,
                    risk_score: model.risk_score(probability, options.history),
                    effects: Vec::new(),
                })
                .collect();
            let scored = Scored {
                rows,
                queue: begun_at.saturating_duration_since(job.queued_at),
                model: model_time,
                explain: Duration::ZERO,
            };
            let wants_red_flags = scored.rows.iter().enumerate().any(|(index, row)| job.wants_red_flags(index, row));
            if wants_red_flags { unexplained.push((job, scored)) } else { job.respond(Ok(scored)) }
        }
        if !unexplained.is_empty() {
            self.explain(&model, unexplained);
        }
    }

    /// Looks for the red flags of all these jobs in one more inference, then answers them.
    fn explain(&mut self, model: &LoadedModel, jobs: Vec<(Job, Scored)>) {
        let begun_at = Instant::now();
        let mut trials = Trials::default();
        let mut subject = 0;
        for (job, scored) in &jobs {
            for (index, row) in job.work.rows.chunks_exact(model.schema().len()).enumerate() {
                if let Some(scored) = scored.rows.get(index)
                    && job.wants_red_flags(index, scored)
                {
                    trials.plan(model, subject, row, scored.probability);
                }
                subject += 1;
            }
        }
        self.probabilities.clear();
        let outcome = if trials.rows().is_empty() {
            Ok(())
        } else {
            model.score(self.index, trials.rows(), &mut self.probabilities)
        };
        let mut effects = trials.effects(&self.probabilities);
        let explain = begun_at.elapsed();
        let mut subject = 0;
        for (job, mut scored) in jobs {
            for row in &mut scored.rows {
                row.effects = effects.remove(&subject).unwrap_or_default();
                subject += 1;
            }
            scored.explain = explain;
            job.respond(match &outcome {
                Ok(()) => Ok(scored),
                Err(error) => Err(PoolError::Failed(error.to_string())),
            });
        }
    }

    fn still_wanted(&self, job: Job, now: Instant) -> Option<Job> {
        if job.answer.is_closed() {
            self.shared.dropped_gone.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if job.work.deadline <= now {
            self.shared.dropped_late.fetch_add(1, Ordering::Relaxed);
            job.respond(Err(PoolError::DeadlineExceeded));
            return None;
        }
        Some(job)
    }
}

impl Job {
    /// Gives the queue's room back, then answers, so that a caller who has its answer finds the room.
    fn respond(self, outcome: Result<Scored, PoolError>) {
        drop(self.permit);
        if self.answer.send(outcome).is_err() {
            tracing::debug!("the caller left while its row was scored");
        }
    }

    fn wants_red_flags(&self, index: usize, scored: &ScoredRow) -> bool {
        let explain = self.work.options.get(index).is_some_and(|options| options.explain);
        explain || scored.risk_score.decision() != Decision::Approve
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    const SETTINGS: PoolSettings = PoolSettings { threads: 1, queue_rows: 100, max_batch: 4 };

    /// A pool whose threads have ended, so that a test takes work itself.
    fn idle(settings: PoolSettings) -> Pool {
        let mut pool = Pool::start(settings).unwrap();
        pool.shared.lanes.lock().closed = true;
        pool.shared.work_waits.notify_all();
        for thread in pool.threads.drain(..) {
            thread.join().unwrap();
        }
        pool
    }

    fn work(model: &Arc<LoadedModel>, rows: usize, deadline: Instant) -> Work {
        Work {
            model: Arc::clone(model),
            rows: model.known_row().repeat(rows),
            options: vec![RowOptions { history: HistoryStatus::Full, explain: false }; rows],
            deadline,
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn taken(pool: &Pool) -> Vec<(Lane, usize)> {
        let mut turns = Vec::new();
        let mut batch = Vec::new();
        while pool.shared.take(&mut batch).is_some() {
            let lane = batch.first().map(|job| job.permit.lane).unwrap();
            turns.push((lane, batch.drain(..).map(|job| job.work.options.len()).sum()));
        }
        turns
    }

    #[test]
    fn what_waits_runs_together_up_to_the_largest_batch_and_chunks_get_one_turn_in_eight() {
        let model = testing::shipped(1);
        let pool = idle(SETTINGS);
        let mut receivers = Vec::new();
        for _ in 0..42 {
            let permit = pool.admit(Lane::Single, 1).unwrap();
            receivers.push(pool.submit(permit, work(&model, 1, later())));
        }
        for _ in 0..3 {
            let permit = pool.admit(Lane::Chunk, 4).unwrap();
            receivers.push(pool.submit(permit, work(&model, 4, later())));
        }
        let mut expected = vec![(Lane::Single, 4); 7];
        expected.push((Lane::Chunk, 4));
        expected.extend([(Lane::Single, 4), (Lane::Single, 4), (Lane::Single, 4), (Lane::Single, 2)]);
        expected.extend([(Lane::Chunk, 4), (Lane::Chunk, 4)]);
        assert_eq!(taken(&pool), expected);
    }

    #[test]
    fn rows_of_two_models_never_run_together() {
        let models = [testing::shipped(1), testing::shipped(1)];
        let pool = idle(SETTINGS);
        let _receivers: Vec<_> = [0, 0, 1, 1, 0]
            .map(|which: usize| {
                let permit = pool.admit(Lane::Single, 1).unwrap();
                pool.submit(permit, work(models.get(which).unwrap(), 1, later()))
            })
            .into();
        assert_eq!(taken(&pool), [(Lane::Single, 2), (Lane::Single, 2), (Lane::Single, 1)]);
    }

    #[test]
    fn each_lane_has_its_own_room_which_comes_back() {
        let pool = idle(PoolSettings { queue_rows: 3, ..SETTINGS });
        let held: Vec<Permit> = (0..3).map(|_| pool.admit(Lane::Single, 1).unwrap()).collect();
        assert!(pool.admit(Lane::Single, 1).is_none());
        let mut batch = pool.admit(Lane::Chunk, 1000).expect("an empty lane takes a batch of any size");
        assert!(pool.admit(Lane::Chunk, 1).is_none());
        assert_eq!(pool.stats().queued_rows, 1003);
        drop(batch.split(998));
        assert_eq!(pool.stats().queued_rows, 5);
        drop((held, batch));
        assert_eq!(pool.stats().queued_rows, 0);
    }

    #[test]
    fn work_that_nobody_wants_any_more_is_dropped_before_inference_and_counted() {
        let model = testing::shipped(1);
        let pool = idle(SETTINGS);
        let submit = |deadline| {
            let permit = pool.admit(Lane::Single, 1).unwrap();
            pool.submit(permit, work(&model, 1, deadline))
        };
        drop(submit(later()));
        let mut late = submit(Instant::now());
        let mut wanted = submit(later());
        let mut thread = ScoringThread::new(0, Arc::clone(&pool.shared));
        let mut batch = Vec::new();
        pool.shared.take(&mut batch).unwrap();
        thread.score(batch.drain(..));
        assert_eq!(late.try_recv().unwrap(), Err(PoolError::DeadlineExceeded));
        assert_eq!(wanted.try_recv().unwrap().unwrap().rows.len(), 1);
        let stats = pool.stats();
        assert_eq!((stats.dropped_gone, stats.dropped_late), (1, 1));
        assert_eq!((stats.rows_scored, stats.inferences, stats.queued_rows), (1, 1, 0));
    }

    #[test]
    fn only_work_that_waits_counts_as_stalled() {
        let model = testing::shipped(1);
        let pool = idle(SETTINGS);
        assert_eq!(pool.stats().stalled_for, Duration::ZERO);
        let permit = pool.admit(Lane::Single, 1).unwrap();
        let _answer = pool.submit(permit, work(&model, 1, later()));
        assert!(pool.shared.lanes.lock().waiting_since.is_some());
        let mut batch = Vec::new();
        pool.shared.take(&mut batch).unwrap();
        pool.shared.finished(batch.len());
        assert_eq!(pool.stats().stalled_for, Duration::ZERO);
    }
}
