//! The connections at work: one task a lane, and whoever counts what they bring back.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use crate::offline::replay::connection::{Connection, Reply, Route, Target};
use crate::offline::replay::feed::{Job, Pace, Sent, feed};
use crate::offline::replay::labels::Step;

/// Requests that wait on one lane at most; beyond, the feed waits too, and the latency counts it.
const LANE_CAPACITY: usize = 1024;

/// How transactions are sent.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How fast.
    pub pace: Pace,
    /// How many a request to `/batch` holds; `None`: one by one to `/predict`.
    pub batch: Option<usize>,
    /// How many connections, at least one.
    pub connections: usize,
}

/// A request that was sent and what came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The transactions that it carried.
    pub sent: Vec<Sent>,
    /// How many labels it carried.
    pub labels: usize,
    /// The answer, or the lack of one.
    pub reply: Reply,
    /// From when it was due (or begun, where it was never due) to the last byte of its answer, retries included.
    pub latency: Duration,
}

/// Sends every row with the labels before it and gives each outcome to `count`. Ends when all are answered, and early when a row cannot be read,
/// `count` fails, or a request got no answer in any of its attempts. Gives back what is left of the rows.
pub async fn drive<R>(
    mut rows: R,
    manner: Manner,
    target: &Target,
    mut count: impl FnMut(&Outcome) -> anyhow::Result<()>,
) -> (R, anyhow::Result<()>)
where
    R: Iterator<Item = anyhow::Result<Step>> + Send + 'static,
{
    let (outcomes, mut arriving) = channel(LANE_CAPACITY);
    // Ends them all when it is dropped, whatever they wait for.
    let mut workers = JoinSet::new();
    let work = |_| {
        let (lane, jobs) = channel(LANE_CAPACITY);
        workers.spawn(work_off(jobs, Connection::new(target.clone()), outcomes.clone()));
        lane
    };
    let lanes: Vec<Sender<Job>> = (0..manner.connections).map(work).collect();
    drop(outcomes);
    let feeding = tokio::task::spawn_blocking(move || {
        let fed = feed(&mut rows, manner.pace, manner.batch, &lanes);
        (rows, fed)
    });
    let mut counted = Ok(());
    while counted.is_ok()
        && let Some(outcome) = arriving.recv().await
    {
        counted = count(&outcome).and_then(|()| outcome.reply.answer.map(drop).context("gave up"));
    }
    drop(workers);
    let (rows, fed) = feeding.await.expect("the feed is not cancelled, and nothing in it panics");
    (rows, counted.and(fed))
}

/// Sends the jobs of one lane in their order, each after the answer to the one before.
async fn work_off(mut jobs: Receiver<Job>, mut connection: Connection, outcomes: Sender<Outcome>) {
    while let Some(Job { sent, labels, body, due }) = jobs.recv().await {
        let due = due.unwrap_or_else(Instant::now);
        let route = if labels > 0 { Route::Feedback } else { Route::Transactions };
        let reply = connection.post(route, &body).await;
        if outcomes.send(Outcome { sent, labels, reply, latency: due.elapsed() }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::offline::replay::feed::tests::row;

    /// A service that answers `answers` requests in all and then hangs up on everyone.
    async fn service(answers: usize) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(Semaphore::new(answers));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let left = Arc::clone(&left);
                tokio::spawn(async move {
                    loop {
                        let mut request = Vec::new();
                        while !request.ends_with(b"}") {
                            if stream.read_buf(&mut request).await.unwrap() == 0 {
                                return;
                            }
                        }
                        let Ok(permit) = left.try_acquire() else { return };
                        permit.forget();
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                    }
                });
            }
        });
        Target::new(&url, "/predict", None, 0).unwrap()
    }

    const MANNER: Manner = Manner { pace: Pace::Full, batch: None, connections: 3 };

    #[tokio::test]
    async fn every_row_comes_back_once_and_a_users_in_order() {
        let rows = (0..200).map(|number| row(number, number % 7));
        let mut arrived = vec![Vec::new(); 7];
        let (_, ended) = drive(rows, MANNER, &service(200).await, |outcome| {
            let number: usize = outcome.sent[0].transaction_id[3..].parse().unwrap();
            arrived[number % 7].push(number);
            Ok(())
        })
        .await;
        ended.unwrap();
        assert_eq!(arrived.iter().map(Vec::len).sum::<usize>(), 200);
        assert!(arrived.iter().all(|numbers| numbers.is_sorted()));
    }

    #[tokio::test]
    async fn it_ends_early_when_the_service_is_gone_or_the_count_fails() {
        let endless = || (0..).map(|number| row(number, number));
        let (_, ended) = drive(endless(), MANNER, &service(5).await, |_| Ok(())).await;
        assert!(ended.unwrap_err().to_string().contains("gave up"));

        let (_, ended) = drive(endless(), MANNER, &service(5).await, |_| anyhow::bail!("disk full")).await;
        assert_eq!(ended.unwrap_err().to_string(), "disk full");
    }
}
