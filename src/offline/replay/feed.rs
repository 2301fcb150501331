//! The sending side: transactions become requests, each due at its time, on the lane of its user.
//!
//! A lane is a queue that one connection works off, so what one user did is sent in the order it was read. The feed
//! runs on a thread of its own: it reads files and sleeps until the next request is due, to within a tenth of a
//! millisecond, which an async timer cannot.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::mpsc::Sender;

use crate::offline::input::Row;
use crate::offline::replay::labels::{Label, Step, lane_key};
use crate::offline::replay::request;

/// The most labels of one request.
const MOST_LABELS: usize = 100;

/// A transaction that was sent, and what is known to be true of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub transaction_id: Box<str>,
    /// Whether it was a fraud, where that is known.
    pub is_fraud: Option<bool>,
}

/// One request: a transaction, a batch of them, or labels.
#[derive(Debug)]
pub struct Job {
    /// The transactions that it carries, in order; none in a request that carries labels.
    pub sent: Vec<Sent>,
    /// How many labels it carries.
    pub labels: usize,
    /// Its body.
    pub body: Bytes,
    /// When it should be on its way; `None`: as soon as its lane is free.
    pub due: Option<Instant>,
}

/// How fast transactions are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// One as soon as its lane has answered the one before.
    Full,
    /// So many a second, whatever the service does.
    PerSecond(f64),
}

impl Pace {
    /// When the transaction of this number, from 0, is due.
    fn due(self, began: Instant, number: u64) -> Option<Instant> {
        match self {
            Self::Full => None,
            Self::PerSecond(rate) => Some(began + Duration::from_secs_f64(number as f64 / rate)),
        }
    }
}

/// Sends every transaction to its lane, in requests of `batch` (1: single predictions), when it is due. A batch is due
/// with its last transaction; what is left at the end goes in smaller ones. A fraud's label goes before the next
/// transaction of its lane, in a request of its own; genuine ones, which change no history, go with it or when there
/// are a hundred. Ends early when the lanes are gone.
///
/// # Errors
/// The first row that cannot be read.
pub fn feed(
    steps: impl Iterator<Item = anyhow::Result<Step>>,
    pace: Pace,
    batch: Option<usize>,
    lanes: &[Sender<Job>],
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut waiting: Vec<Waiting> = lanes.iter().map(|_| Waiting::default()).collect();
    let mut due = None;
    for (number, step) in (0..).zip(steps) {
        let Step { labels, row } = step?;
        due = pace.due(began, number);
        if let Some(due) = due {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let mut jobs = Vec::new();
        for label in labels {
            let lane = lane_of(&label.lane_key, lanes.len());
            let known_at_once = label.is_fraud;
            waiting[lane].labels.push(label);
            if known_at_once || waiting[lane].labels.len() >= MOST_LABELS {
                // What was read before the label became known is sent before it.
                jobs.extend(waiting[lane].transactions(batch.is_some(), due).map(|job| (lane, job)));
                jobs.extend(waiting[lane].labels().map(|job| (lane, job)));
            }
        }
        let lane = lane_of(lane_key(&row.transaction), lanes.len());
        waiting[lane].rows.push(row);
        if waiting[lane].rows.len() >= batch.unwrap_or(1) {
            jobs.extend(waiting[lane].transactions(batch.is_some(), due).map(|job| (lane, job)));
        }
        for (lane, job) in jobs {
            if lanes[lane].blocking_send(job).is_err() {
                return Ok(());
            }
        }
    }
    for (lane, mut waiting) in lanes.iter().zip(waiting) {
        let jobs = [waiting.transactions(batch.is_some(), due), waiting.labels()];
        for job in jobs.into_iter().flatten() {
            if lane.blocking_send(job).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What was read for one lane and is not yet sent.
#[derive(Debug, Default)]
struct Waiting {
    rows: Vec<Row>,
    labels: Vec<Label>,
}

impl Waiting {
    fn transactions(&mut self, as_batch: bool, due: Option<Instant>) -> Option<Job> {
        let rows = std::mem::take(&mut self.rows);
        (!rows.is_empty()).then(|| job(&rows, as_batch, due))
    }

    fn labels(&mut self) -> Option<Job> {
        let labels = std::mem::take(&mut self.labels);
        let bodies: Vec<&[u8]> = labels.iter().map(|label| label.body.as_slice()).collect();
        let body = [b"[".as_slice(), &bodies.join(b",".as_slice()), b"]"].concat();
        (!labels.is_empty()).then(|| Job { sent: Vec::new(), labels: labels.len(), body: body.into(), due: None })
    }
}

/// The lane of a user, or of a transaction that names none: the same in every run.
fn lane_of(key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % lanes as u64) as usize
}

fn job(rows: &[Row], as_batch: bool, due: Option<Instant>) -> Job {
    let mut body = Vec::with_capacity(320 * rows.len());
    if as_batch {
        body.extend_from_slice(br#"{"transactions":["#);
    }
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        request::write(&row.transaction, &mut body);
    }
    if as_batch {
        body.extend_from_slice(b"]}");
    }
    let sent =
        rows.iter().map(|row| Sent { transaction_id: row.transaction.id.as_str().into(), is_fraud: row.is_fraud });
    Job { sent: sent.collect(), labels: 0, body: body.into(), due }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::tz::TimeZone;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::domain::{Draft, WrittenTimestamp};
    use crate::offline::replay::labels::Steps;

    /// Transaction `number` of a user, without labels of others.
    pub(in crate::offline::replay) fn row(number: usize, user: usize) -> anyhow::Result<Step> {
        Ok(Step { labels: Vec::new(), row: row_at(number, user, 1_776_939_330_000) })
    }

    /// Transaction `number` of a user at an instant; the third is a fraud.
    pub(in crate::offline::replay) fn row_at(number: usize, user: usize, at_ms: i64) -> Row {
        let at = crate::domain::Timestamp::from_millis(at_ms).unwrap();
        let draft = Draft {
            transaction_id: Some(format!("tx-{number}").into()),
            amount: Some("1".into()),
            merchant: Some("m".into()),
            location: Some("l".into()),
            timestamp: Some(WrittenTimestamp::Text(at.to_string().into())),
            user_id: Some(format!("u-{user}").into()),
            ..Draft::default()
        };
        let transaction = draft.check(&TimeZone::UTC, None).unwrap();
        Row { line: number as u64, transaction, is_fraud: Some(number == 3) }
    }

    fn received(mut lane: Receiver<Job>) -> Vec<Job> {
        std::iter::from_fn(|| lane.try_recv().ok()).collect()
    }

    /// Feeds 40 transactions of 7 users to 3 lanes.
    fn fed(pace: Pace, batch: Option<usize>) -> Vec<Vec<Job>> {
        let (lanes, ends): (Vec<_>, Vec<_>) = (0..3).map(|_| channel(64)).unzip();
        feed((0..40).map(|number| row(number, number % 7)), pace, batch, &lanes).unwrap();
        ends.into_iter().map(received).collect()
    }

    #[test]
    fn a_user_stays_on_one_lane_and_in_order() {
        for batch in [None, Some(1), Some(4)] {
            let lanes = fed(Pace::Full, batch);
            let numbers: Vec<Vec<usize>> = lanes
                .iter()
                .map(|jobs| jobs.iter().flat_map(|job| &job.sent).map(|sent| sent.transaction_id[3..].parse().unwrap()))
                .map(Iterator::collect)
                .collect();
            assert_eq!(numbers.iter().map(Vec::len).sum::<usize>(), 40);
            for (lane, numbers) in numbers.iter().enumerate() {
                assert!(numbers.is_sorted(), "lane {lane}: {numbers:?}");
            }
            for user in 0..7 {
                let lanes = numbers.iter().filter(|numbers| numbers.iter().any(|number| number % 7 == user)).count();
                assert_eq!(lanes, 1, "user {user}");
            }
        }
    }

    #[test]
    fn a_batch_holds_so_many_and_the_last_what_is_left() {
        for jobs in fed(Pace::Full, Some(4)) {
            let (last, full) = jobs.split_last().unwrap();
            assert!(full.iter().all(|job| job.sent.len() == 4) && (1..=4).contains(&last.sent.len()));
            for job in &jobs {
                let body: serde_json::Value = serde_json::from_slice(&job.body).unwrap();
                let ids: Vec<_> =
                    body["transactions"].as_array().unwrap().iter().map(|item| &item["transaction_id"]).collect();
                assert_eq!(ids, job.sent.iter().map(|sent| &*sent.transaction_id).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn each_is_due_at_its_time_and_never_sent_before() {
        let began = Instant::now();
        let mut jobs: Vec<Job> = fed(Pace::PerSecond(2_000.0), None).into_iter().flatten().collect();
        let took = began.elapsed();
        jobs.sort_by_key(|job| job.due);
        let due: Vec<Duration> = jobs.iter().map(|job| job.due.unwrap() - jobs[0].due.unwrap()).collect();
        assert_eq!(due[39].as_micros(), 19_500);
        assert!(took >= due[39], "the last is due after {:?} and was sent after {took:?}", due[39]);
        assert!(fed(Pace::Full, None).iter().flatten().all(|job| job.due.is_none()));
    }

    #[test]
    fn a_frauds_label_overtakes_no_transaction_and_is_overtaken_by_none() {
        // Five transactions of one user, ten milliseconds apart, the fourth a fraud that is known before the seventh.
        let rows = (0..9).map(|number| Ok(row_at(number, 0, 10 * number as i64)));
        let (lane, end) = channel(64);
        feed(Steps::new(rows, Some(25)), Pace::Full, Some(4), &[lane]).unwrap();
        let told: Vec<(Vec<String>, usize)> = received(end)
            .iter()
            .map(|job| (job.sent.iter().map(|sent| sent.transaction_id[3..].to_owned()).collect(), job.labels))
            .collect();
        let sent = |numbers: &[&str]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = [
            (sent(&["0", "1", "2", "3"]), 0),
            (sent(&["4", "5"]), 0),
            (vec![], 4),
            (sent(&["6", "7", "8"]), 0),
            (vec![], 2),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn it_ends_at_a_bad_row_and_when_the_lanes_are_gone() {
        let (lane, end) = channel(64);
        let rows = [row(0, 0), Err(anyhow::anyhow!("line 2: no amount")), row(1, 0)];
        assert!(feed(rows.into_iter(), Pace::Full, None, &[lane]).is_err());
        assert_eq!(received(end).len(), 1);

        let (lane, end) = channel(1);
        drop(end);
        assert!(feed((0..1_000_000).map(|number| row(number, 0)), Pace::Full, None, &[lane]).is_ok());
    }
}
