//! `score`: a file of transactions in, the decisions on them out, by the code that serves and without a server.
//!
//! Histories build up in the order of the file, as if the rows had been posted one after the other to a service that
//! had just started; the memory for them is the service's own setting.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::app;
use crate::domain::Transaction;
use crate::http::error::ApiError;
use crate::http::wire::{ItemError, PredictResponse};
use crate::model::ModelRegistry;
use crate::offline::input::{InputArgs, InputError, Row, Transactions, count_lines};
use crate::offline::progress::{Progress, grouped};
use crate::scoring::{AssessError, AssessOptions, Assessment, Scorer};
use crate::settings::Settings;

/// Rows that are scored together.
const CHUNK: usize = 1000;

/// Nobody waits for an answer here: no deadline is ever met.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Scores a file with the model and the settings of the service.
///
/// Writes a JSON object for each row, in the order of the file: what POST /predict would answer, or {"line", "error"}
/// where the row breaks a rule. Fails at the end if there was any such row.
#[derive(Debug, Clone, clap::Args)]
pub struct ScoreArgs {
    /// What to score.
    #[command(flatten)]
    pub input: InputArgs,

    /// The file to write to; standard output unless given.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Name the red flags of approvals too.
    #[arg(long)]
    pub explain: bool,
}

/// Runs the command.
///
/// # Errors
/// When the settings, the model or the file cannot be read, or a row could not be scored.
pub fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let mut settings = Settings::load()?;
    settings.timestamps.zone = args.input.zone.rules.clone();
    settings.history.timeout = PATIENCE;
    let rows = Transactions::open(&args.input)?;
    let models = Arc::new(ModelRegistry::default());
    models.make_live(app::load_model(&settings)?);
    let scorer = app::start_scorer(&settings, models)?;
    let out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut progress = Progress::begin("scoring", count_lines(&args.input.file));
    let chunk = CHUNK.min(settings.scoring.queue_rows);
    let scored = runtime.block_on(score(rows, &scorer, args.explain, chunk, &mut BufWriter::new(out), |rows| {
        progress.advance(rows);
    }));
    progress.finish();
    let failed = scored?;
    ensure!(failed == 0, "{} rows could not be scored; their lines say why", grouped(failed));
    Ok(())
}

/// A row on its way: what was read of it, or why it cannot be scored.
enum Item {
    Read(Row),
    Broken { line: u64, error: ItemError },
}

/// What is written for a row that was not scored.
#[derive(Serialize)]
struct Failure<'a> {
    /// Where it stands in the file, counted from 1.
    line: u64,
    transaction_id: Option<&'a str>,
    error: ItemError,
}

/// Scores the rows, `chunk` at a time, and returns how many failed.
async fn score(
    rows: impl Iterator<Item = Result<Row, InputError>>,
    scorer: &Scorer,
    explain: bool,
    chunk: usize,
    out: &mut impl Write,
    mut done: impl FnMut(u64),
) -> anyhow::Result<u64> {
    let mut failed = 0;
    let mut items = Vec::with_capacity(chunk);
    let mut rows = rows.peekable();
    while let Some(row) = rows.next() {
        items.push(match row {
            Ok(row) => Item::Read(row),
            Err(InputError::Row { line, problem, .. }) => {
                Item::Broken { line, error: ItemError { code: "invalid_transaction", detail: problem, errors: vec![] } }
            }
            Err(error) => return Err(error.into()),
        });
        if items.len() == chunk || rows.peek().is_none() {
            failed += score_chunk(&items, scorer, explain, out).await?;
            done(items.len() as u64);
            items.clear();
        }
    }
    out.flush().context("cannot write the output")?;
    Ok(failed)
}

/// Scores some rows, writes a line for each, and returns how many failed.
async fn score_chunk(items: &[Item], scorer: &Scorer, explain: bool, out: &mut impl Write) -> anyhow::Result<u64> {
    let transactions: Vec<Transaction> = items
        .iter()
        .filter_map(|item| match item {
            Item::Read(row) => Some(row.transaction.clone()),
            Item::Broken { .. } => None,
        })
        .collect();
    let mut outcomes = Vec::new();
    if !transactions.is_empty() {
        let options = AssessOptions { dry_run: false, explain, deadline: Instant::now() + PATIENCE };
        outcomes = scorer.assess_batch(transactions, options).await.context("the rows cannot be scored")?.results;
    }
    let mut failed = 0;
    let mut outcomes = outcomes.into_iter();
    for item in items {
        failed += u64::from(!write_line(item, &mut outcomes, out).context("cannot write the output")?);
    }
    Ok(failed)
}

/// Writes the line of one row, with the next outcome if it was sent for scoring; returns whether it was scored.
fn write_line(
    item: &Item,
    outcomes: &mut impl Iterator<Item = Result<Assessment, AssessError>>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let failure = match item {
        Item::Broken { line, error } => Failure { line: *line, transaction_id: None, error: error.clone() },
        Item::Read(row) => match outcomes.next().context("the scorer answered for fewer rows")? {
            Ok(assessment) => {
                serde_json::to_writer(&mut *out, &PredictResponse::of(&assessment.decided))?;
                out.write_all(b"\n")?;
                return Ok(true);
            }
            Err(error) => Failure {
                line: row.line,
                transaction_id: Some(row.transaction.id.as_str()),
                error: ApiError::from(error).item(),
            },
        },
    };
    serde_json::to_writer(&mut *out, &failure)?;
    out.write_all(b"\n")?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::history::MemoryStore;
    use crate::model::LoadedModel;
    use crate::model::testing;
    use crate::scoring::ScorerSettings;
    use crate::scoring::decisions::DecisionsSettings;
    use crate::scoring::feedback::LabelsSettings;
    use crate::scoring::pool::PoolSettings;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ScoreArgs,
    }

    fn scorer() -> Scorer {
        let models = Arc::new(ModelRegistry::default());
        let loaded = LoadedModel::load(&testing::runtime(), &testing::shipped_files(), &testing::options(1));
        models.make_live(loaded.unwrap());
        let settings = ScorerSettings {
            pool: PoolSettings { threads: 1, queue_rows: 100, max_batch: 8 },
            decisions: DecisionsSettings { ttl: PATIENCE, limit_bytes: 1 << 20 },
            labels: LabelsSettings { limit_bytes: 1 << 20 },
            history_timeout: PATIENCE,
            privacy_key: b"a key for tests".to_vec(),
        };
        Scorer::start(&settings, models, Arc::new(MemoryStore::new(1 << 20))).unwrap()
    }

    /// Scores the text of an NDJSON file and returns the lines written and the count of failures.
    fn scored(text: &str, chunk: usize) -> (Vec<Value>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transactions.ndjson");
        std::fs::write(&file, text).unwrap();
        let args = Line::parse_from(["score".as_ref(), file.as_os_str()]).args;
        let rows = Transactions::open(&args.input).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut out = Vec::new();
        let mut done = 0;
        let failed = runtime.block_on(score(rows, &scorer(), false, chunk, &mut out, |rows| done += rows)).unwrap();
        let lines: Vec<Value> =
            out.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(done, lines.len() as u64);
        (lines, failed)
    }

    fn row(number: usize, amount: u32) -> String {
        format!(
            "{{\"transaction_id\":\"tx-{number}\",\"user_id\":\"u\",\"amount\":{amount},\"merchant\":\"m\",\"location\":\"l\",\
             \"timestamp\":\"2026-04-23T10:{number:02}:00Z\"}}\n"
        )
    }

    #[test]
    fn every_row_has_its_line_in_order_and_a_bad_one_says_why() {
        let text = format!("{}{}{{\"amount\":-1}}\n{}{}", row(0, 10), row(1, 20), row(1, 21), row(2, 30));
        let (lines, failed) = scored(&text, 2);
        let ids: Vec<Option<&str>> = lines.iter().map(|line| line["transaction_id"].as_str()).collect();
        assert_eq!(ids, [Some("tx-0"), Some("tx-1"), None, Some("tx-1"), Some("tx-2")]);
        let codes: Vec<&str> = lines.iter().filter_map(|line| line["error"]["code"].as_str()).collect();
        assert_eq!((codes, failed), (vec!["invalid_transaction", "transaction_id_reused"], 2));
        assert_eq!((&lines[2]["line"], &lines[3]["line"]), (&3.into(), &4.into()));
        assert_eq!(lines[0]["decision"], "approve");
        assert_eq!((&lines[0]["history"], &lines[0]["model_version"]), (&"full".into(), &"v1.0".into()));
    }

    #[test]
    fn the_size_of_a_chunk_changes_nothing() {
        let text: String = (0..40).map(|number| row(number, (number as u32 % 7) * 900)).collect();
        let (whole, _) = scored(&text, 40);
        let (chunked, _) = scored(&text, 7);
        assert_eq!(whole, chunked);
        assert!(whole.iter().any(|line| line["fraud_probability"] != whole[0]["fraud_probability"]));
    }

    #[test]
    fn an_empty_file_gives_an_empty_answer() {
        assert_eq!(scored("", 10), (vec![], 0));
    }
}
