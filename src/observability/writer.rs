//! The log's way to stdout: a bounded buffer and the one thread that writes.
//!
//! # What is promised
//!
//! - A line whose room was reserved is never lost and writing it never waits: the wait is in [`Logs::reserve`], before
//!   any work is done. Room comes back when stdout has taken the line.
//! - Lines that belong to no request (events, panics) have a small room of their own. They never wait either: when that
//!   room is full they are left out and counted, and a line says how many once stdout moves again. So a stalled stdout
//!   blocks no async worker, and probes stay green.
//! - A stalled stdout (a pipe nobody reads, a full disk) is waited for, with pauses, forever. One whose reader has gone
//!   (`EPIPE`) can never take what it was given: those lines are dropped and counted as lost, once each, and the service
//!   goes on; a new reader of a named pipe gets what comes after.
//! - Lines are written whole, many in one `write`, in the order in which they came.
//!
//! Memory is bounded by the two rooms in lines. While lines keep coming the thread wakes at most every
//! [`LINGER`]: an idle service writes at once, a busy one in large pieces.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use tokio::sync::Semaphore;

/// Bytes of one `write`: what a Linux pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;
/// Emptied chunks kept for reuse.
const SPARE_CHUNKS: usize = 4;
/// Lines of events that may wait.
pub const EVENT_LINES: usize = 1024;
/// The pause between two writes while fewer than `CHUNK_BYTES` wait.
pub const LINGER: Duration = Duration::from_millis(1);
/// The pauses before a stalled stdout is tried again.
const RETRY_PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(50);

/// Whose room a line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Request,
    Event,
    /// The writer's own lines take none.
    Writer,
}

const EVENTS_DROPPED: usize = 0;
const REQUESTS_REFUSED: usize = 1;

/// Lines on their way, at most [`CHUNK_BYTES`] unless one line is longer.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// How many lines of each owner.
    lines: [usize; 3],
}

impl Chunk {
    fn count(&self) -> u64 {
        self.lines.iter().sum::<usize>() as u64
    }
}

/// What the writing thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Writing, or about to look.
    No,
    /// For any line.
    ForALine,
    /// For a full chunk, or for [`LINGER`].
    ForAChunk,
}

#[derive(Debug)]
struct Queue {
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    waiting: Waiting,
    /// Lines put in since the start.
    accepted: u64,
    /// Lines taken by stdout or lost since the start.
    settled: u64,
    /// Someone waits for `settled` to reach `accepted`.
    flushing: bool,
    closed: bool,
}

struct Shared {
    room: Semaphore,
    event_room: Semaphore,
    capacity: u32,
    queue: Mutex<Queue>,
    /// A line came, or the thread should hurry.
    filled: Condvar,
    /// `settled` moved, or the thread ended.
    settled: Condvar,
    written: AtomicU64,
    lost: AtomicU64,
    dropped_events: AtomicU64,
    /// Events dropped and requests refused that no note has told of yet.
    untold: [AtomicU64; 2],
    notes: Box<dyn Fn(Note) -> Vec<u8> + Send + Sync>,
}

/// What the writer itself has to say, once stdout moves again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// So many requests were refused because no room for their lines came free in time; they have no line.
    RequestsRefused(u64),
    /// So many events were left out.
    EventsDropped(u64),
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Lines that stdout took.
    pub written: u64,
    /// Lines whose reader had gone.
    pub lost: u64,
    /// Events left out while stdout was stalled.
    pub dropped_events: u64,
}

/// The log. Clones are the same log.
#[derive(Clone)]
pub struct Logs(Arc<Shared>);

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Room for some lines. What is left of it when it is dropped is given back.
#[derive(Debug)]
pub struct LogPermit {
    logs: Logs,
    lines: u32,
}

/// Whoever holds it can wait for the last lines; dropped, it waits a second for them and ends the thread.
#[derive(Debug)]
pub struct LogGuard(Logs);

impl Logs {
    /// Starts the thread that writes to `out`, with room for `lines` lines of requests. `notes` makes the line, newline
    /// included, of what the writer has to say.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        out: impl Write + Send + 'static,
        lines: usize,
        notes: impl Fn(Note) -> Vec<u8> + Send + Sync + 'static,
    ) -> io::Result<(Self, LogGuard)> {
        let capacity = u32::try_from(lines.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let logs = Self(Arc::new(Shared {
            room: Semaphore::new(capacity as usize),
            event_room: Semaphore::new(EVENT_LINES),
            capacity,
            queue: Mutex::new(Queue {
                chunks: VecDeque::new(),
                spare: Vec::new(),
                waiting: Waiting::No,
                accepted: 0,
                settled: 0,
                flushing: false,
                closed: false,
            }),
            filled: Condvar::new(),
            settled: Condvar::new(),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            untold: [AtomicU64::new(0), AtomicU64::new(0)],
            notes: Box::new(notes),
        }));
        let shared = Arc::clone(&logs.0);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || shared.run(out))?;
        Ok((logs.clone(), LogGuard(logs)))
    }

    /// Waits until there is room for so many lines (at most the whole room). Who asked first is served first; dropping
    /// the future gives up the place.
    pub async fn reserve(&self, lines: u32) -> LogPermit {
        let lines = lines.min(self.0.capacity);
        self.0.room.acquire_many(lines).await.expect("the room is never closed").forget();
        LogPermit { logs: self.clone(), lines }
    }

    /// Writes a line that belongs to no request if there is room for it, else counts it as dropped. Never waits.
    pub fn write_event(&self, record: &impl Serialize) {
        match self.0.event_room.try_acquire() {
            Ok(room) => {
                room.forget();
                self.0.put(record, Owner::Event);
            }
            Err(_) => {
                self.0.dropped_events.fetch_add(1, Ordering::Relaxed);
                self.0.untold[EVENTS_DROPPED].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts a request that was refused because no room came free in time.
    pub fn note_refused(&self) {
        self.0.untold[REQUESTS_REFUSED].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        LogStats {
            written: self.0.written.load(Ordering::Relaxed),
            lost: self.0.lost.load(Ordering::Relaxed),
            dropped_events: self.0.dropped_events.load(Ordering::Relaxed),
        }
    }
}

impl LogPermit {
    /// How many lines there is still room for.
    #[must_use]
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// Writes a line into the reserved room. Never waits. Beyond the room it counts as an event, see
    /// [`Logs::write_event`].
    pub fn write(&mut self, record: &impl Serialize) {
        if self.lines == 0 {
            return self.logs.write_event(record);
        }
        self.lines -= 1;
        self.logs.0.put(record, Owner::Request);
    }

    /// Adds the room of another permit to this one.
    pub fn merge(&mut self, mut other: Self) {
        self.lines += std::mem::take(&mut other.lines);
    }
}

impl Drop for LogPermit {
    fn drop(&mut self) {
        if self.lines > 0 {
            self.logs.0.room.add_permits(self.lines as usize);
        }
    }
}

impl LogGuard {
    /// Waits until stdout has taken every line that was written before, at most so long; returns how many it has not
    /// taken. Blocks the thread.
    pub fn flush(&self, timeout: Duration) -> u64 {
        let shared = &*self.0.0;
        let deadline = Instant::now() + timeout;
        let mut queue = shared.queue.lock();
        // What was counted after stdout took the last line has found nobody to tell it yet.
        if queue.settled == queue.accepted {
            shared.tell(&mut queue);
        }
        let target = queue.accepted;
        while queue.settled < target {
            queue.flushing = true;
            shared.filled.notify_one();
            if shared.settled.wait_until(&mut queue, deadline).timed_out() && queue.settled < target {
                return target - queue.settled;
            }
        }
        0
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // Nobody is left to be told of lines that stdout did not take.
        self.flush(Duration::from_secs(1));
        let shared = &*self.0.0;
        shared.queue.lock().closed = true;
        shared.filled.notify_one();
    }
}

impl Shared {
    /// Makes a record a line and puts it into the buffer.
    fn put(&self, record: &impl Serialize, owner: Owner) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        LINE.with(|line| {
            // Taken out and put back: should a record log while it is written, it finds an empty one.
            let mut bytes = line.take();
            bytes.clear();
            serde_json::to_writer(&mut bytes, record)
                .expect("records hold texts and numbers, and a Vec takes them all");
            bytes.push(b'\n');
            self.append(&mut self.queue.lock(), &bytes, owner);
            line.replace(bytes);
        });
    }

    fn append(&self, queue: &mut Queue, line: &[u8], owner: Owner) {
        if queue.closed {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return self.give_back(owner, 1);
        }
        let fits = |chunk: &Chunk| chunk.bytes.is_empty() || chunk.bytes.len() + line.len() <= CHUNK_BYTES;
        if !queue.chunks.back().is_some_and(fits) {
            let chunk = queue.spare.pop().unwrap_or_default();
            queue.chunks.push_back(chunk);
        }
        let chunk = queue.chunks.back_mut().expect("one was just made if there was none");
        chunk.bytes.extend_from_slice(line);
        chunk.lines[owner as usize] += 1;
        queue.accepted += 1;
        let wake = match queue.waiting {
            Waiting::No => false,
            Waiting::ForALine => true,
            Waiting::ForAChunk => queue.chunks.len() > 1,
        };
        if wake {
            queue.waiting = Waiting::No;
            self.filled.notify_one();
        }
    }

    fn give_back(&self, owner: Owner, lines: usize) {
        match owner {
            Owner::Request => self.room.add_permits(lines),
            Owner::Event => self.event_room.add_permits(lines),
            Owner::Writer => {}
        }
    }

    /// The thread.
    fn run(&self, mut out: impl Write) {
        let mut queue = self.queue.lock();
        loop {
            while queue.chunks.is_empty() && !queue.closed {
                queue.waiting = Waiting::ForALine;
                self.filled.wait(&mut queue);
            }
            queue.waiting = Waiting::No;
            let Some(chunk) = queue.chunks.pop_front() else { return };
            drop(queue);

            self.deliver(&mut out, &chunk.bytes, chunk.count());
            for owner in [Owner::Request, Owner::Event] {
                self.give_back(owner, chunk.lines[owner as usize]);
            }

            queue = self.queue.lock();
            queue.settled += chunk.count();
            self.tell(&mut queue);
            Self::recycle(&mut queue, chunk);
            if queue.flushing {
                queue.flushing = queue.settled < queue.accepted;
                self.settled.notify_all();
            }
            if queue.chunks.len() < 2 && !queue.flushing && !queue.closed {
                queue.waiting = Waiting::ForAChunk;
                self.filled.wait_for(&mut queue, LINGER);
            }
        }
    }

    /// Hands bytes to stdout, however long it takes.
    fn deliver(&self, out: &mut impl Write, bytes: &[u8], lines: u64) {
        let (mut at, mut taken, mut pause) = (0, 0, *RETRY_PAUSES.start());
        while at < bytes.len() {
            match out.write(&bytes[at..]) {
                Ok(count) if count > 0 => {
                    let ends = bytes[at..at + count].iter().filter(|byte| **byte == b'\n').count() as u64;
                    self.written.fetch_add(ends, Ordering::Relaxed);
                    taken += ends;
                    at += count;
                    pause = *RETRY_PAUSES.start();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.lost.fetch_add(lines - taken, Ordering::Relaxed);
                    return;
                }
                // A pipe that does not block, a full disk: it may take more later.
                Ok(_) | Err(_) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(*RETRY_PAUSES.end());
                }
            }
        }
    }

    /// Adds what the writer has to say, now that stdout moves.
    fn tell(&self, queue: &mut Queue) {
        for (untold, note) in self.untold.iter().zip([Note::EventsDropped, Note::RequestsRefused]) {
            match untold.swap(0, Ordering::Relaxed) {
                0 => {}
                count => self.append(queue, &(self.notes)(note(count)), Owner::Writer),
            }
        }
    }

    fn recycle(queue: &mut Queue, mut chunk: Chunk) {
        if queue.spare.len() < SPARE_CHUNKS && chunk.bytes.capacity() <= 2 * CHUNK_BYTES {
            chunk.bytes.clear();
            queue.spare.push(Chunk { bytes: chunk.bytes, ..Chunk::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::sync::mpsc;

    use super::*;

    fn note(note: Note) -> Vec<u8> {
        format!("{note:?}\n").into_bytes()
    }

    /// A stdout that takes bytes only while its gate is open, and tells of each write.
    struct Gate {
        open: Arc<(Mutex<bool>, Condvar)>,
        writes: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (open, opened) = &*self.open;
            opened.wait_while(&mut open.lock(), |open| !*open);
            self.writes.send(bytes.to_vec()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Open = Arc<(Mutex<bool>, Condvar)>;

    fn gated(lines: usize) -> (Logs, LogGuard, Open, mpsc::Receiver<Vec<u8>>) {
        let open = Open::default();
        let (writes, written) = mpsc::channel();
        let (logs, guard) = Logs::start(Gate { open: Arc::clone(&open), writes }, lines, note).unwrap();
        (logs, guard, open, written)
    }

    fn open(gate: &Open) {
        *gate.0.lock() = true;
        gate.1.notify_all();
    }

    fn lines(writes: &mpsc::Receiver<Vec<u8>>) -> Vec<String> {
        let bytes: Vec<u8> = writes.try_iter().flatten().collect();
        BufReader::new(&*bytes).lines().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn while_stdout_stalls_requests_wait_events_do_not_and_no_line_of_a_request_is_lost() {
        const ROOM: usize = 100;
        let (logs, guard, gate, written) = gated(ROOM);
        let mut whole = logs.reserve(1000).await;
        assert_eq!(whole.lines() as usize, ROOM, "more than everything is everything");
        for index in 0..ROOM {
            whole.write(&index);
        }
        assert!(tokio::time::timeout(Duration::from_millis(20), logs.reserve(1)).await.is_err(), "there is no room");
        for index in 0..EVENT_LINES + 7 {
            logs.write_event(&format!("event {index}"));
        }
        logs.note_refused();
        logs.note_refused();
        assert_eq!(logs.stats(), LogStats { written: 0, lost: 0, dropped_events: 7 });
        assert_eq!(guard.flush(Duration::from_millis(20)) as usize, ROOM + EVENT_LINES);

        let waiting = tokio::spawn({
            let logs = logs.clone();
            async move { logs.reserve(1).await.write(&"waited") }
        });
        open(&gate);
        waiting.await.unwrap();
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        // The notes were put in while the flush waited, perhaps behind its target.
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        let lines = lines(&written);
        let of_requests: Vec<&String> = lines.iter().filter(|line| line.parse::<usize>().is_ok()).collect();
        assert_eq!(of_requests.len(), ROOM);
        assert!(of_requests.iter().enumerate().all(|(index, line)| **line == index.to_string()), "in order");
        assert_eq!(lines.iter().filter(|line| line.starts_with("\"event ")).count(), EVENT_LINES);
        for line in ["\"waited\"", "EventsDropped(7)", "RequestsRefused(2)"] {
            assert_eq!(lines.iter().filter(|found| *found == line).count(), 1, "{line}");
        }
        assert_eq!(logs.stats().written as usize, lines.len());
        assert_eq!(logs.reserve(ROOM as u32).await.lines() as usize, ROOM, "all room came back");
    }

    #[tokio::test]
    async fn room_comes_back_from_permits_that_were_not_used_or_not_waited_for() {
        let (logs, _guard, gate, _written) = gated(10);
        let mut first = logs.reserve(6).await;
        first.merge(logs.reserve(4).await);
        assert_eq!(first.lines(), 10);
        assert!(tokio::time::timeout(Duration::from_millis(5), logs.reserve(10)).await.is_err());
        drop(first);
        drop(logs.reserve(10).await);
        // Beyond the room a line is an event: it neither waits nor takes another's room.
        let mut none = logs.reserve(0).await;
        none.write(&"unreserved");
        assert_eq!(logs.reserve(10).await.lines(), 10);
        open(&gate);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_reader_of_a_pipe_gets_every_line_whole_and_in_the_order_of_its_writer() {
        const WRITERS: usize = 8;
        const EACH: usize = 2_000;
        let (reader, writer) = io::pipe().unwrap();
        let (logs, guard) = Logs::start(writer, 64, note).unwrap();
        let read = std::thread::spawn(move || {
            let mut next = [0; WRITERS];
            for line in BufReader::with_capacity(512, reader).lines() {
                let line: (usize, usize, String) = serde_json::from_str(&line.unwrap()).unwrap();
                assert_eq!(line.1, next[line.0]);
                next[line.0] += 1;
            }
            next
        });
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let logs = logs.clone();
            writers.push(tokio::spawn(async move {
                for index in 0..EACH {
                    logs.reserve(1).await.write(&(writer, index, "x".repeat(300)));
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(guard.flush(Duration::from_secs(30)), 0);
        assert_eq!(logs.stats().written as usize, WRITERS * EACH);
        drop(guard);
        assert_eq!(read.join().unwrap(), [EACH; WRITERS]);
    }

    /// Takes a few bytes at a time, after refusing in every way that passes.
    struct Reluctant(usize, mpsc::Sender<Vec<u8>>);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 % 5 {
                0 => Err(io::ErrorKind::Interrupted.into()),
                1 => Err(io::ErrorKind::WouldBlock.into()),
                2 => Ok(0),
                3 => Err(io::ErrorKind::StorageFull.into()),
                _ => {
                    let count = bytes.len().min(17);
                    self.1.send(bytes[..count].to_vec()).unwrap();
                    Ok(count)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn short_interrupted_and_refused_writes_are_gone_on_with() {
        let (writes, written) = mpsc::channel();
        let (logs, guard) = Logs::start(Reluctant(0, writes), 50, note).unwrap();
        let mut permit = logs.reserve(50).await;
        for index in 0..50 {
            permit.write(&format!("line {index}"));
        }
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        let lines = lines(&written);
        assert!(lines.iter().enumerate().all(|(index, line)| *line == format!("\"line {index}\"")), "{lines:?}");
        assert_eq!((lines.len(), logs.stats().written), (50, 50));
    }

    #[tokio::test]
    async fn once_the_reader_has_gone_lines_are_counted_as_lost_and_nobody_waits() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (logs, guard) = Logs::start(writer, 4, note).unwrap();
        logs.reserve(1).await.write(&"read");
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        let mut line = [0; 7];
        reader.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"\"read\"\n");
        drop(reader);
        for index in 0..100 {
            logs.reserve(1).await.write(&index);
        }
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        assert_eq!(logs.stats(), LogStats { written: 1, lost: 100, dropped_events: 0 });
    }

    #[tokio::test]
    async fn lines_are_written_whole_and_many_at_once() {
        let (logs, guard, gate, written) = gated(2000);
        let mut permit = logs.reserve(2000).await;
        for index in 0..2000 {
            permit.write(&(index, "y".repeat(index % 500)));
        }
        permit.merge(logs.reserve(0).await);
        logs.write_event(&"z".repeat(3 * CHUNK_BYTES));
        open(&gate);
        assert_eq!(guard.flush(Duration::from_secs(10)), 0);
        let writes: Vec<Vec<u8>> = written.try_iter().collect();
        assert!(writes.iter().all(|write| write.ends_with(b"\n")));
        let longest = writes.iter().filter(|write| !write.contains(&b'z')).map(Vec::len).max().unwrap();
        assert!(longest <= CHUNK_BYTES && longest > CHUNK_BYTES / 2, "{longest}");
        assert!(writes.len() < 20, "{}", writes.len());
    }

    #[tokio::test]
    async fn after_the_guard_is_gone_lines_are_lost_and_counted_not_kept() {
        let (logs, guard, gate, written) = gated(4);
        open(&gate);
        logs.reserve(1).await.write(&"before");
        drop(guard);
        for _ in 0..50 {
            logs.reserve(4).await.write(&"after");
        }
        assert_eq!(lines(&written), ["\"before\""]);
        assert_eq!(logs.stats(), LogStats { written: 1, lost: 50, dropped_events: 0 });
    }
}
