//! `featurize`: a file of transactions to the features a model is trained on, by the code that serves.
//!
//! Histories are replayed in the order of the file and in event time, through [`MemoryStore`] and [`FeatureSchema`]:
//! what a row is given here is, bit for bit, what the service would have given its model had the rows arrived in this
//! order and each fraud's label so long after it. Memory grows with users and merchants, not with the rows.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::domain::Timestamp;
use crate::features::{FeatureSchema, all_names};
use crate::history::{HistoryStore, KeyHasher, Label, MemoryStore, Visit};
use crate::offline::input::{InputArgs, Row, Transactions, count_lines};
use crate::offline::npy::{Kind, NpyWriter};
use crate::offline::progress::Progress;

/// Rows between two movements of the progress bar.
const STEP: u64 = 4096;

/// Makes training features, replaying the history of every user and merchant.
///
/// Writes features.npy (float32, a row per transaction, a column per feature), is_fraud.npy (int8: 1, 0, or -1 where
/// the row has no label), timestamp_ms.npy (int64), and at the end schema.json, which names the columns.
#[derive(Debug, Clone, clap::Args)]
pub struct FeaturizeArgs {
    /// What to read. Rows must be sorted by timestamp: histories are replayed in the order of the file.
    #[command(flatten)]
    pub input: InputArgs,

    /// The folder to write to; made if need be.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,

    /// The merchant categories that have a code of their own, in the order of their codes; all others share one.
    /// Without it the file is read twice and every category in it gets a code, the most frequent first.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    pub categories: Option<Vec<String>>,

    /// A bound on the memory for histories, in MiB, such as a service has; beyond it the least recently used users are
    /// forgotten. Unbounded unless given.
    #[arg(long, value_name = "MIB")]
    pub history_memory: Option<usize>,

    /// How long after a fraud it becomes known, as in 7d or 12h: features made of labels see it from then on. 0s makes
    /// every label known at once, which no service will ever see.
    #[arg(long, default_value = "7d", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub label_delay: Duration,
}

/// What `schema.json` says of the arrays beside it.
#[derive(Debug, Serialize)]
struct Schema<'a> {
    /// The version of the program that made them.
    binary_version: &'a str,
    rows: u64,
    frauds: u64,
    unlabelled: u64,
    /// The columns of `features.npy`.
    features: Vec<&'a str>,
    /// The code of a category is its place here.
    categories: &'a [String],
    zone: &'a str,
    /// How long after a fraud it became known.
    label_delay_ms: i64,
    from: Option<String>,
    to: Option<String>,
    /// What histories lost to their bounds.
    evicted_users: u64,
    evicted_merchants: u64,
    dropped_events: u64,
}

/// Runs the command.
///
/// # Errors
/// The first row that cannot be read or is out of order; a file that cannot be written.
pub fn run(args: &FeaturizeArgs) -> Result<()> {
    fs::create_dir_all(&args.output).with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    let schema_path = args.output.join("schema.json");
    if schema_path.exists() {
        // It says that the arrays are whole; while they are being written they are not.
        fs::remove_file(&schema_path).with_context(|| format!("cannot remove {}", schema_path.display()))?;
    }
    let categories = match &args.categories {
        Some(categories) => categories.clone(),
        None => categories_of(&args.input)?,
    };
    let names: Vec<&str> = all_names().collect();
    let features = FeatureSchema::new(&names, categories.clone(), args.input.zone.rules.clone())?;
    let limit_bytes = args.history_memory.map_or(usize::MAX, |mib| mib.saturating_mul(1 << 20));
    let mut replay = Replay::new(features, limit_bytes, args.label_delay);
    let mut arrays = Arrays::create(args, names.len())?;
    let mut order = Order::default();
    each_row("featurizing", &args.input, |row| {
        order.check(&row)?;
        let values = replay.features_of(&row);
        arrays.push(values, &row)
    })?;
    let (rows, frauds, unlabelled) = (arrays.rows, arrays.frauds, arrays.unlabelled);
    arrays.finish()?;

    let stats = replay.store.stats();
    let schema = Schema {
        binary_version: env!("CARGO_PKG_VERSION"),
        rows,
        frauds,
        unlabelled,
        features: names,
        categories: &categories,
        zone: &args.input.zone.name,
        label_delay_ms: millis(args.label_delay),
        from: order.first.map(|at| at.to_string()),
        to: order.last.map(|at| at.to_string()),
        evicted_users: stats.evicted_users,
        evicted_merchants: stats.evicted_merchants,
        dropped_events: stats.dropped_events,
    };
    let text = serde_json::to_string_pretty(&schema).context("the schema is plain data")? + "\n";
    fs::write(&schema_path, text).with_context(|| format!("cannot write {}", schema_path.display()))
}

/// The serving path without the service: one row after the other sees the histories that the earlier ones made.
#[derive(Debug)]
struct Replay {
    features: FeatureSchema,
    store: MemoryStore,
    due: DueLabels,
    keys: KeyHasher,
    values: Vec<f32>,
}

impl Replay {
    fn new(features: FeatureSchema, limit_bytes: usize, label_delay: Duration) -> Self {
        let due = DueLabels { delay_ms: millis(label_delay), waiting: VecDeque::new() };
        // Histories do not outlive the process, so there is nothing to keep from whoever reads them.
        let keys = KeyHasher::new(b"");
        Self { features, store: MemoryStore::new(limit_bytes), due, keys, values: Vec::new() }
    }

    fn features_of(&mut self, row: &Row) -> &[f32] {
        let visit = Visit::new(&self.keys, &row.transaction);
        self.due.record_until(row.transaction.timestamp, &self.store);
        let history = self.store.visit(&visit, true);
        self.due.push(&visit, row);
        self.values.clear();
        self.features.extract(&row.transaction, &history, &mut self.values);
        &self.values
    }
}

/// The frauds that nobody knows of yet, the next to become known first. A genuine transaction's label changes no
/// history, so it is not kept.
#[derive(Debug)]
struct DueLabels {
    delay_ms: i64,
    waiting: VecDeque<Label>,
}

impl DueLabels {
    /// Records what is known by `now`.
    fn record_until(&mut self, now: Timestamp, store: &MemoryStore) {
        while let Some(label) = self.waiting.pop_front_if(|label| label.labelled_at <= now) {
            store.label(&label);
        }
    }

    /// Takes in the label of a row, no older than the one before.
    fn push(&mut self, visit: &Visit, row: &Row) {
        let transaction = &row.transaction;
        let labelled_at = transaction.timestamp.millis().saturating_add(self.delay_ms);
        // What would become known after the end of the calendar never does.
        if let Some(labelled_at) = Timestamp::from_millis(labelled_at).filter(|_| row.is_fraud == Some(true)) {
            self.waiting.push_back(Label::new(visit.user, visit.merchant, &transaction.id, labelled_at, true));
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The files being written.
#[derive(Debug)]
struct Arrays {
    features: NpyWriter,
    is_fraud: NpyWriter,
    timestamp_ms: NpyWriter,
    rows: u64,
    frauds: u64,
    unlabelled: u64,
    bytes: Vec<u8>,
}

impl Arrays {
    fn create(args: &FeaturizeArgs, columns: usize) -> Result<Self> {
        let create = |name: &str, kind, columns| {
            let path = args.output.join(name);
            NpyWriter::create(&path, kind, columns).with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self {
            features: create("features.npy", Kind::Float32, Some(columns))?,
            is_fraud: create("is_fraud.npy", Kind::Int8, None)?,
            timestamp_ms: create("timestamp_ms.npy", Kind::Int64, None)?,
            rows: 0,
            frauds: 0,
            unlabelled: 0,
            bytes: Vec::new(),
        })
    }

    fn push(&mut self, values: &[f32], row: &Row) -> Result<()> {
        self.bytes.clear();
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.features.write(&self.bytes)?;
        self.is_fraud.write(&row.is_fraud.map_or(-1, i8::from).to_le_bytes())?;
        self.timestamp_ms.write(&row.transaction.timestamp.millis().to_le_bytes())?;
        self.rows += 1;
        self.frauds += u64::from(row.is_fraud == Some(true));
        self.unlabelled += u64::from(row.is_fraud.is_none());
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.features.finish(self.rows)?;
        self.is_fraud.finish(self.rows)?;
        self.timestamp_ms.finish(self.rows).context("cannot complete the arrays")
    }
}

/// Sees to it that no row is older than the one before.
#[derive(Debug, Default)]
struct Order {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Order {
    fn check(&mut self, row: &Row) -> Result<()> {
        let at = row.transaction.timestamp;
        if let Some(last) = self.last.filter(|&last| at < last) {
            bail!(
                "line {} is of {at}, but the row before it is of {last}: sort the file by timestamp, oldest first",
                row.line
            );
        }
        self.first.get_or_insert(at);
        self.last = Some(at);
        Ok(())
    }
}

/// Every category of the file, the most frequent first.
fn categories_of(input: &InputArgs) -> Result<Vec<String>> {
    // A file that cannot be read at all says so first.
    drop(Transactions::open(input)?);
    if count_lines(&input.file).is_none() {
        bail!("name the merchant categories with --categories: only a plain file can be read twice to find them");
    }
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    each_row("looking for categories", input, |row| {
        if let Some(category) = row.transaction.merchant_category {
            *counts.entry(category).or_default() += 1;
        }
        Ok(())
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(name, count), (other_name, other)| other.cmp(count).then_with(|| name.cmp(other_name)));
    Ok(counts.into_iter().map(|(name, _)| name.into()).collect())
}

/// Reads the file from its beginning and shows how far it has come.
fn each_row(what: &'static str, input: &InputArgs, mut take: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let mut progress = Progress::begin(what, count_lines(&input.file));
    let mut pending = 0;
    for row in Transactions::open(input)? {
        take(row?)?;
        pending += 1;
        if pending == STEP {
            progress.advance(std::mem::take(&mut pending));
        }
    }
    progress.advance(pending);
    progress.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    const FIXTURE: &str = "tests/fixtures/transactions.csv";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: FeaturizeArgs,
    }

    fn featurize(file: &Path, output: &Path, more: &[&str]) -> Result<serde_json::Value> {
        let words = ["featurize".as_ref(), file.as_os_str(), "--output".as_ref(), output.as_os_str()];
        let line = Line::try_parse_from(words.into_iter().chain(more.iter().map(AsRef::as_ref)))?;
        run(&line.args)?;
        Ok(serde_json::from_slice(&fs::read(output.join("schema.json"))?)?)
    }

    fn array<const N: usize, T>(folder: &Path, name: &str, value: impl Fn([u8; N]) -> T) -> Vec<T> {
        let bytes = fs::read(folder.join(name)).unwrap();
        bytes[128..].chunks_exact(N).map(|chunk| value(chunk.try_into().unwrap())).collect()
    }

    const DELAY_MS: i64 = 12 * 3_600_000;

    /// Training sees, to the bit, what the service would compute for the same transactions in the same order.
    #[test]
    fn training_and_serving_agree_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let schema =
            featurize(Path::new(FIXTURE), folder.path(), &["--categories", "travel,grocery", "--label-delay", "12h"])
                .unwrap();
        let trained = array(folder.path(), "features.npy", |bytes| f32::from_le_bytes(bytes).to_bits());
        let names: Vec<String> = serde_json::from_value(schema["features"].clone()).unwrap();
        assert_eq!((schema["rows"].as_u64(), trained.len()), (Some(200), 200 * names.len()));

        let categories = vec!["travel".into(), "grocery".into()];
        let features = FeatureSchema::new(&names, categories, jiff::tz::TimeZone::UTC).unwrap();
        // Another bound, which is not reached, and another key: neither may matter.
        let store: Box<dyn HistoryStore> = Box::new(MemoryStore::new(4 << 20));
        let keys = KeyHasher::new(b"the service's own");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let input = Line::parse_from(["", FIXTURE, "--output", "-"]).args.input;
        let mut served = Vec::new();
        let mut due: Vec<Label> = Vec::new();
        for row in Transactions::open(&input).unwrap() {
            let Row { transaction, is_fraud, .. } = row.unwrap();
            while due.first().is_some_and(|label| label.labelled_at <= transaction.timestamp) {
                runtime.block_on(store.record_labels(&[due.remove(0)])).unwrap();
            }
            let visit = Visit::new(&keys, &transaction);
            let history = runtime.block_on(store.observe(&[visit], true)).unwrap()[0];
            features.extract(&transaction, &history, &mut served);
            // Feedback comes for every transaction that was looked into, the genuine ones too.
            let at = Timestamp::from_millis(transaction.timestamp.millis() + DELAY_MS).unwrap();
            due.extend(is_fraud.map(|is_fraud| Label::new(visit.user, visit.merchant, &transaction.id, at, is_fraud)));
        }
        let served: Vec<u32> = served.into_iter().map(f32::to_bits).collect();
        assert_eq!(trained, served);
        // Nothing above would notice if every history were empty.
        for (name, least) in [
            ("user_count_30d", 10.0),
            ("merchant_count_7d", 10.0),
            ("user_frauds_7d", 0.0),
            ("merchant_frauds_7d", 0.0),
        ] {
            let values = trained.iter().skip(features.position(name).unwrap()).step_by(features.len());
            assert!(values.map(|&bits| f32::from_bits(bits)).any(|value| value > least), "{name}");
        }
    }

    #[test]
    fn labels_instants_and_summary_match_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let schema = featurize(Path::new(FIXTURE), folder.path(), &[]).unwrap();
        let labels = array(folder.path(), "is_fraud.npy", i8::from_le_bytes);
        let count = |label| Some(labels.iter().filter(|&&own| own == label).count() as u64);
        assert_eq!((labels.len(), schema["frauds"].as_u64()), (200, count(1)));
        assert_eq!(schema["unlabelled"].as_u64(), count(-1));
        let instants = array(folder.path(), "timestamp_ms.npy", i64::from_le_bytes);
        assert_eq!((instants.len(), instants.is_sorted()), (200, true));
        assert_eq!(schema["from"], Timestamp::from_millis(instants[0]).unwrap().to_string());
        let mut categories: Vec<String> = serde_json::from_value(schema["categories"].clone()).unwrap();
        categories.sort();
        assert_eq!(categories, ["dining", "fuel", "grocery", "travel"]);
    }

    #[test]
    fn a_failed_run_leaves_no_schema() {
        let folder = tempfile::tempdir().unwrap();
        featurize(Path::new(FIXTURE), folder.path(), &[]).unwrap();
        let file = folder.path().join("unsorted.csv");
        fs::write(&file, "transaction_id,amount,timestamp\na,1,2000\nb,1,1000\n").unwrap();
        let told = featurize(&file, folder.path(), &["--categories", "x"]).unwrap_err().to_string();
        assert_eq!(
            told,
            "line 3 is of 1970-01-01T00:16:40.000Z, but the row before it is of 1970-01-01T00:33:20.000Z: sort the \
             file by timestamp, oldest first"
        );
        assert!(!folder.path().join("schema.json").exists());
        let told = featurize(Path::new("no/such.csv"), folder.path(), &[]).unwrap_err().to_string();
        assert!(told.starts_with("cannot open no/such.csv"), "{told}");
    }
}
