//! Simulated payments as rows of a file: CSV with a header, or NDJSON in the form of a request with its label.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::domain::Timestamp;
use crate::offline::simulate::stream::Payment;
use crate::offline::simulate::world::{CITIES, World};

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values with a header; what a transaction lacks is an empty cell.
    Csv,
    /// One JSON object a line; what a transaction lacks is left out.
    Ndjson,
}

/// The columns of a CSV file; `fraud_kind` follows where it is asked for.
const COLUMNS: [&str; 12] = [
    "transaction_id",
    "user_id",
    "merchant",
    "merchant_category",
    "amount",
    "location",
    "latitude",
    "longitude",
    "timestamp",
    "is_fraud",
    "channel",
    "currency",
];

/// A labelled transaction.
#[derive(Debug, Serialize)]
struct Row<'a> {
    transaction_id: String,
    user_id: String,
    merchant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_category: Option<&'a str>,
    /// In euros; cents divided by 100 are written with at most two places.
    amount: f64,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    timestamp: String,
    is_fraud: bool,
    channel: &'a str,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fraud_kind: Option<&'a str>,
}

impl Row<'_> {
    fn cells(&self) -> impl Iterator<Item = String> {
        let degrees = |degrees: Option<f64>| degrees.map(|degrees| degrees.to_string()).unwrap_or_default();
        [
            self.transaction_id.clone(),
            self.user_id.clone(),
            self.merchant.to_owned(),
            self.merchant_category.unwrap_or_default().to_owned(),
            self.amount.to_string(),
            self.location.to_owned(),
            degrees(self.latitude),
            degrees(self.longitude),
            self.timestamp.clone(),
            u8::from(self.is_fraud).to_string(),
            self.channel.to_owned(),
            self.currency.to_owned(),
        ]
        .into_iter()
    }
}

/// Writes rows in one form, numbering them.
pub struct RowWriter<W: Write> {
    sink: Sink<W>,
    seed: u64,
    with_kind: bool,
    written: u64,
}

enum Sink<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Ndjson(W),
}

impl<W: Write> std::fmt::Debug for RowWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<W: Write> RowWriter<W> {
    /// A writer for the simulation of `seed`, which becomes a part of the ids: two simulations share none.
    /// `with_kind` adds `fraud_kind`, empty for honest payments.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(output: W, format: Format, seed: u64, with_kind: bool) -> Result<Self> {
        let sink = match format {
            Format::Ndjson => Sink::Ndjson(output),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(output);
                writer.write_record(COLUMNS.into_iter().chain(with_kind.then_some("fraud_kind")))?;
                Sink::Csv(Box::new(writer))
            }
        };
        Ok(Self { sink, seed, with_kind, written: 0 })
    }

    /// Writes one payment.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, world: &World, payment: &Payment) -> Result<()> {
        self.written += 1;
        let Payment { card, event } = payment;
        let merchant = world.merchant(event.merchant);
        let timestamp = Timestamp::from_millis(event.at_ms).context("the simulation leaves the years 1970 to 2109")?;
        let row = Row {
            transaction_id: format!("s{}-{:09}", self.seed, self.written),
            user_id: format!("s{}-u{:06}", self.seed, card + 1),
            merchant: &merchant.name,
            merchant_category: merchant.sends_category.then_some(merchant.category.traits().name),
            amount: event.cents as f64 / 100.0,
            location: CITIES[merchant.city].name,
            latitude: merchant.place.map(crate::domain::Place::latitude),
            longitude: merchant.place.map(crate::domain::Place::longitude),
            timestamp: timestamp.to_string(),
            is_fraud: event.fraud.is_some(),
            channel: merchant.channel.as_str(),
            currency: "EUR",
            fraud_kind: event.fraud.filter(|_| self.with_kind).map(|kind| kind.as_str()),
        };
        match &mut self.sink {
            Sink::Csv(writer) => {
                let kind = self.with_kind.then(|| row.fraud_kind.unwrap_or_default().to_owned());
                writer.write_record(row.cells().chain(kind))?;
            }
            Sink::Ndjson(output) => {
                serde_json::to_writer(&mut *output, &row)?;
                output.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> Result<()> {
        match &mut self.sink {
            Sink::Csv(writer) => writer.flush()?,
            Sink::Ndjson(output) => output.flush()?,
        }
        Ok(())
    }
}
