//! `fraud-detection simulate`: labelled card transactions of people and thieves who do not exist.
//!
//! Seeded, the same on every machine and streaming: the memory it takes does not depend on how many transactions it
//! writes. It makes the data on which the shipped model is trained and the demonstration runs; what it shows is that
//! the machinery works, not how much fraud of a real bank would be found.
//!
//! The structure follows the public literature: card holders with spending profiles and terminals at places, and
//! compromised cards and terminals, as in the simulator of Le Borgne, Siblini, Lebichot and Bontempi, *Reproducible
//! Machine Learning for Credit Card Fraud Detection: Practical Handbook* (2022); merchant categories with amounts and
//! hours of their own, as in Brandon Harris' Sparkov Data Generation; the kinds of fraud (lost and stolen cards,
//! counterfeit copies used elsewhere, card-not-present, account takeover) as told apart in Bolton and Hand,
//! *Statistical Fraud Detection: A Review* (Statistical Science 17, 2002); card testing as *carding* (OAT-001) in OWASP's
//! Automated Threats to Web Applications. The figures in the tables are our
//! own, chosen for variety, not measured at any bank.

pub mod category;
pub mod draw;
pub mod event;
pub mod fraud;
pub mod holder;
pub mod rows;
pub mod stream;
pub mod world;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::civil::Date;

use crate::offline::progress::Progress;
use crate::offline::simulate::event::DAY_MS;
use crate::offline::simulate::rows::{Format, RowWriter};
use crate::offline::simulate::stream::{Scale, Simulation};
use crate::offline::simulate::world::World;

/// What to simulate, and where to write it.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// The same seed gives the same transactions, on every machine; a longer run begins with the shorter one's
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many cards; together they pay about twice a day each
    #[arg(long, default_value_t = 1000)]
    pub cards: usize,
    /// How many merchants
    #[arg(long, default_value_t = 3000)]
    pub merchants: usize,
    /// How many days
    #[arg(long, default_value_t = 365)]
    pub days: u16,
    /// The first day (UTC)
    #[arg(long, default_value = "2025-01-01")]
    pub start: Date,
    /// Where to write; `-` is the standard output
    #[arg(long, short, default_value = "-")]
    pub output: PathBuf,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Adds a column that names the kind of each fraud: for reports, never for training
    #[arg(long)]
    pub fraud_kind: bool,
}

/// Runs the simulation and writes it.
///
/// # Errors
/// When the arguments are out of range or the output cannot be written.
pub fn run(args: &SimulateArgs) -> Result<()> {
    if args.output == Path::new("-") {
        return simulate(args, BufWriter::new(io::stdout().lock()));
    }
    let file = File::create(&args.output).with_context(|| format!("cannot write {}", args.output.display()))?;
    simulate(args, BufWriter::new(file))
}

fn simulate(args: &SimulateArgs, output: impl Write) -> Result<()> {
    let scale = scale(args)?;
    let mut rows = RowWriter::new(output, args.format, args.seed, args.fraud_kind)?;
    let mut progress = Progress::begin("simulating days", Some(u64::from(args.days)));
    let mut simulation = Simulation::new(scale);
    let mut day = scale.first_day;
    while let Some(payment) = simulation.next() {
        let reached = payment.event.at_ms.div_euclid(DAY_MS);
        progress.advance((reached - day).unsigned_abs());
        day = reached;
        rows.write(simulation.world(), &payment)?;
    }
    rows.finish()?;
    progress.advance((scale.first_day + scale.days - day).unsigned_abs());
    progress.finish();
    Ok(())
}

fn scale(args: &SimulateArgs) -> Result<Scale> {
    let fewest = World::fewest_merchants();
    ensure!(args.merchants >= fewest, "--merchants must be at least {fewest}: every kind of shop in every city");
    ensure!(args.cards >= 1, "--cards must be at least 1");
    ensure!((1970..2100).contains(&args.start.year()), "--start must lie in the years 1970 to 2099");
    let since_1970 = args.start.since(Date::constant(1970, 1, 1)).context("--start is out of range")?;
    Ok(Scale {
        seed: args.seed,
        cards: args.cards,
        merchants: args.merchants,
        first_day: i64::from(since_1970.get_days()),
        days: i64::from(args.days),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn args() -> SimulateArgs {
        SimulateArgs {
            seed: 42,
            cards: 60,
            merchants: 700,
            days: 45,
            start: Date::constant(2025, 1, 1),
            output: "-".into(),
            format: Format::Csv,
            fraud_kind: false,
        }
    }

    fn written(args: &SimulateArgs) -> String {
        let mut bytes = Vec::new();
        simulate(args, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The same bytes on every machine and in every later version: whoever changes the simulator on purpose changes
    /// this number and trains the shipped model again.
    #[test]
    fn the_output_never_changes_by_itself() {
        let digest = Sha256::digest(written(&args()).as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2c7903052cac5dac26d7a42ffdf21ce2144b0eda59653cd43c13ece2148ed9be");
    }

    #[test]
    fn both_forms_hold_the_same_transactions() {
        let csv = written(&SimulateArgs { fraud_kind: true, ..args() });
        let json = written(&SimulateArgs { fraud_kind: true, format: Format::Ndjson, ..args() });
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let columns = reader.headers().unwrap().clone();
        assert_eq!(columns.iter().take(3).collect::<Vec<_>>(), ["transaction_id", "user_id", "merchant"]);
        let mut rows = 0;
        for (record, line) in reader.records().map(Result::unwrap).zip(json.lines()) {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            for (column, cell) in columns.iter().zip(&record) {
                let value = match object.get(column) {
                    None => String::new(),
                    Some(serde_json::Value::Bool(flag)) => u8::from(*flag).to_string(),
                    Some(serde_json::Value::String(text)) => text.clone(),
                    Some(value) => value.as_f64().unwrap().to_string(),
                };
                assert_eq!(value, cell, "{column}");
            }
            rows += 1;
        }
        assert_eq!(rows, json.lines().count());
        assert!(rows > 2_000, "{rows}");
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(scale(&args()).unwrap().first_day, 20_089);
    }

    #[test]
    fn arguments_out_of_range_are_refused_in_a_sentence() {
        for (args, word) in [
            (SimulateArgs { merchants: 10, ..args() }, "--merchants"),
            (SimulateArgs { cards: 0, ..args() }, "--cards"),
            (SimulateArgs { start: Date::constant(1969, 12, 31), ..args() }, "--start"),
        ] {
            assert!(scale(&args).unwrap_err().to_string().contains(word));
        }
    }
}
