//! `replay`: sends a file of transactions to a running service on schedule, and tells how fast and how well it decided.
//!
//! An open loop: the schedule does not wait for answers, and latency counts from when a request was due, so a service
//! that stalls cannot hide it. One user's transactions go over one connection, in order, because history depends on
//! the order. Labels can be sent too, each when it becomes known in the time of the file.

pub mod connection;
pub mod feed;
pub mod files;
pub mod labels;
pub mod lanes;
pub mod report;
pub mod request;
pub mod tally;

use std::iter::Peekable;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::domain::{Timestamp, TimestampForm};
use crate::offline::input::{InputArgs, Transactions, count_lines};
use crate::offline::progress::{Progress, grouped};
use connection::{Connection, Target};
use feed::Pace;
use files::{Labels, Output, read_labels};
use labels::{Step, Steps};
use lanes::{Manner, drive};
use tally::Tally;

/// Sends a file of transactions to a running service and measures its answers.
///
/// A label in the file (is_fraud), or in a file of labels, lets it also say how good the decisions were. Sending a
/// transaction twice is safe: the service answers as it did before, and the report counts it as replayed.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// What to send.
    #[command(flatten)]
    pub input: InputArgs,

    /// The service, with its base path if it has one.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Transactions a second, whatever the service does; 0 sends as fast as it answers.
    #[arg(long, default_value_t = 0.0)]
    pub rate: f64,

    /// Connections; each user's transactions stay on one, in order.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,

    /// Send batches of so many to /batch, instead of one transaction at a time to /predict.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: Option<u16>,

    /// Labels as NDJSON: {"transaction_id": …, "is_fraud": …} a line.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,

    /// Send the labels too, each to /feedback when it becomes known: so long after its transaction, as in 7d. With the
    /// same delay and one connection the service sees what featurize shows the training; with more, another user's
    /// transaction at the same merchant may overtake a label. Labels due after the last transaction are not sent.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub label_delay: Option<Duration>,

    /// An API key with the scope score, and feedback where labels are sent.
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Stop after so many transactions.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,

    /// Send so many first, as fast as they are answered and without measuring them, so that users have a history.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub warm_up: u64,

    /// Likewise everything before the first transaction at or after this instant, such as 2026-04-08T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub measure_from: Option<Timestamp>,

    /// How often a request is tried again after a 503 with Retry-After or a broken connection.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    pub retries: u32,

    /// Write every measured answer with its label to this file, as NDJSON in the order they came in.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(TimestampForm::Text(text), &jiff::tz::TimeZone::UTC)
}

/// Replays the file and prints the report.
///
/// # Errors
/// When the file cannot be read, the service cannot be reached, or a transaction got no decision.
pub fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let possible = args.rate == 0.0 || (0.001..=1e6).contains(&args.rate);
    ensure!(possible, "--rate must be 0, or from 0.001 to 1000000 transactions a second");
    // One thread for the network is plenty beside a service, and leaves it the others.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Lost { transactions, labels } = runtime.block_on(replay(args))?;
    ensure!(transactions == 0, "{} transactions got no decision", grouped(transactions));
    ensure!(labels == 0, "{} labels were not taken in", grouped(labels));
    Ok(())
}

/// What the service did not take, in the warm-up and in the measured part.
struct Lost {
    transactions: u64,
    labels: u64,
}

/// Sends the warm-up and then the measured part, prints the report, and returns what was lost of both.
async fn replay(args: &ReplayArgs) -> anyhow::Result<Lost> {
    let route = if args.batch.is_some() { "/batch" } else { "/predict" };
    let target = Target::new(&args.url, route, args.api_key.as_deref(), args.retries)?;
    let labels = args.labels.as_deref().map(read_labels).transpose()?.unwrap_or_default();
    let mut rows = rows(args, labels)?;
    let mut output = args.output.as_deref().map(Output::create).transpose()?;
    Connection::new(target.clone()).open().await.context("is the service running?")?;
    let manner = |pace| Manner { pace, batch: args.batch.map(usize::from), connections: usize::from(args.connections) };

    let mut warm_up = Tally::default();
    if args.warm_up > 0 || args.measure_from.is_some() {
        let mut progress = Progress::begin("warming up", args.measure_from.is_none().then_some(args.warm_up));
        let warm = WarmUp { rows, left: args.warm_up, until: args.measure_from };
        let (left, warmed) = drive(warm, manner(Pace::Full), &target, |outcome| {
            progress.advance(outcome.sent.len() as u64);
            warm_up.add(outcome, |_, _, _| Ok(()))
        })
        .await;
        warmed.context("while warming up")?;
        progress.finish();
        rows = left.rows;
    }

    let mut tally = Tally::default();
    let mut progress = Progress::begin("sending", measured(args, warm_up.transactions));
    let pace = if args.rate > 0.0 { Pace::PerSecond(args.rate) } else { Pace::Full };
    let began = Instant::now();
    let (_, sent) = drive(rows, manner(pace), &target, |outcome| {
        progress.advance(outcome.sent.len() as u64);
        tally.add(outcome, |sent, status, answer| match &mut output {
            Some(output) => output.write(sent, status, outcome.latency, answer),
            None => Ok(()),
        })
    })
    .await;
    let elapsed = began.elapsed();
    progress.finish();
    if let Some(output) = output {
        output.finish()?;
    }
    let lost = Lost { transactions: warm_up.lost + tally.lost, labels: warm_up.labels_lost + tally.labels_lost };
    print(&report::report(tally, elapsed));
    sent.map(|()| lost)
}

/// How many transactions are left to measure, where the file tells.
fn measured(args: &ReplayArgs, warmed_up: u64) -> Option<u64> {
    let lines = count_lines(&args.input.file);
    let all = lines.map_or(args.limit, |lines| Some(lines.min(args.limit.unwrap_or(lines))));
    all.map(|all| all.saturating_sub(warmed_up))
}

type Rows = Peekable<Box<dyn Iterator<Item = anyhow::Result<Step>> + Send>>;

/// The rows of the file, labelled, each with the labels to send before it.
fn rows(args: &ReplayArgs, labels: Labels) -> anyhow::Result<Rows> {
    let limit = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let rows = Transactions::open(&args.input)?.take(limit).map(move |row| {
        let mut row = row?;
        if let Some(is_fraud) = labels.get(row.transaction.id.as_str()) {
            row.is_fraud = Some(*is_fraud);
        }
        Ok(row)
    });
    let delay_ms = args.label_delay.map(|delay| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
    let steps: Box<dyn Iterator<Item = anyhow::Result<Step>> + Send> = Box::new(Steps::new(rows, delay_ms));
    Ok(steps.peekable())
}

/// The first rows, so many of them and all before an instant; the others stay behind.
struct WarmUp {
    rows: Rows,
    left: u64,
    until: Option<Timestamp>,
}

impl Iterator for WarmUp {
    type Item = anyhow::Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        let (left, until) = (self.left, self.until);
        let belongs = |step: &Step| left > 0 || until.is_some_and(|until| step.row.transaction.timestamp < until);
        let step = self.rows.next_if(|step| step.as_ref().map_or(true, belongs))?;
        self.left = left.saturating_sub(1);
        Some(step)
    }
}

#[expect(clippy::print_stdout, reason = "the report is what the command is for")]
fn print(report: &str) {
    print!("{report}");
}
