//! CSV: the columns are found by the header, each cell is a field of the transaction's draft.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Read};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use jiff::tz::TimeZone;

use super::{Fault, Row};
use crate::domain::{Draft, WrittenTimestamp};

/// The columns that are read, in the order of [`Columns`].
const NAMES: [&str; 12] = [
    "transaction_id",
    "amount",
    "merchant",
    "location",
    "timestamp",
    "user_id",
    "merchant_category",
    "channel",
    "currency",
    "latitude",
    "longitude",
    "is_fraud",
];
const NEEDED: [&str; 3] = ["transaction_id", "amount", "timestamp"];

/// What a file without the column says there in every row.
const UNKNOWN: &str = "unknown";

/// Where each of [`NAMES`] stands in a record.
type Columns = [Option<usize>; NAMES.len()];

pub(super) struct Rows {
    reader: Reader<Box<dyn Read + Send>>,
    columns: Columns,
    record: StringRecord,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Rows {
    /// Reads the header; a sentence when it does not fit.
    pub(super) fn new(source: Box<dyn Read + Send>) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().trim(Trim::Headers).buffer_capacity(1 << 16).from_reader(source);
        let header = reader.headers().map_err(|error| format!("the header cannot be read: {error}"))?;
        let mut columns = Columns::default();
        for (column, name) in columns.iter_mut().zip(NAMES) {
            let mut found = header.iter().enumerate().filter(|(_, title)| *title == name).map(|(index, _)| index);
            *column = found.next();
            if found.next().is_some() {
                return Err(format!("the header names {name} twice; remove one of the columns"));
            }
            if column.is_none() && NEEDED.contains(&name) {
                return Err(format!(
                    "the header has no column {name}; the first line must name the columns, separated by commas, \
                     among them {}",
                    NEEDED.join(", ")
                ));
            }
        }
        Ok(Self { reader, columns, record: StringRecord::new() })
    }

    pub(super) fn next(&mut self, zone: &TimeZone) -> Option<Result<Row, Fault>> {
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                Some(read(&self.record, &self.columns, zone, line))
            }
            Err(error) => Some(Err(self.fault(error))),
        }
    }

    fn fault(&self, error: csv::Error) -> Fault {
        let line_of = |position: Option<csv::Position>| position.map_or(0, |position| position.line());
        match error.into_kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Fault::Row {
                line: line_of(pos),
                problem: format!("has {len} cells where the header has {expected_len}; quote cells that hold commas"),
            },
            csv::ErrorKind::Utf8 { pos, .. } => {
                Fault::Row { line: line_of(pos), problem: "must be UTF-8 text".to_owned() }
            }
            csv::ErrorKind::Io(cause) => Fault::Read { line: self.reader.position().line(), cause },
            other => Fault::Read {
                line: self.reader.position().line(),
                cause: Error::new(ErrorKind::InvalidData, format!("{other:?}")),
            },
        }
    }
}

fn read(record: &StringRecord, columns: &Columns, zone: &TimeZone, line: u64) -> Result<Row, Fault> {
    let mut problems: Vec<String> = Vec::new();
    let [id, amount, merchant, location, timestamp, user_id, category, channel, currency, latitude, longitude, label] =
        columns.map(|column| column.map(|index| record.get(index).unwrap_or_default()));
    let mut degrees = |name: &str, cell: Option<&str>| {
        given(cell).map(|text| {
            text.trim().parse().unwrap_or_else(|_| {
                problems.push(format!("{name} must be a number"));
                // In range: the other coordinate is still checked, and not told to be alone.
                0.0
            })
        })
    };
    let (latitude, longitude) = (degrees("latitude", latitude), degrees("longitude", longitude));
    let is_fraud = given(label).and_then(|text| {
        let read = parse_label(text.trim());
        if read.is_none() {
            problems.push("is_fraud must be 0, 1, true or false, or empty".to_owned());
        }
        read
    });
    let draft = Draft {
        transaction_id: given(id).map(Cow::Borrowed),
        amount: given(amount).map(|text| Cow::Borrowed(text.trim())),
        merchant: given(merchant.or(Some(UNKNOWN))).map(Cow::Borrowed),
        location: given(location.or(Some(UNKNOWN))).map(Cow::Borrowed),
        timestamp: given(timestamp).map(|text| written_timestamp(text.trim())),
        user_id: given(user_id).map(Cow::Borrowed),
        merchant_category: given(category).map(Cow::Borrowed),
        channel: given(channel).map(Cow::Borrowed),
        currency: given(currency).map(Cow::Borrowed),
        latitude,
        longitude,
    };
    match draft.check(zone, None) {
        Ok(transaction) if problems.is_empty() => Ok(Row { line, transaction, is_fraud }),
        checked => {
            let faults = checked.err().unwrap_or_default();
            problems.splice(0..0, faults.iter().map(|fault| format!("{} {}", fault.field, fault.problem)));
            Err(Fault::Row { line, problem: problems.join("; ") })
        }
    }
}

/// An empty cell is an absent field.
fn given(cell: Option<&str>) -> Option<&str> {
    cell.filter(|cell| !cell.is_empty())
}

fn written_timestamp(text: &str) -> WrittenTimestamp<'_> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        WrittenTimestamp::Number(text)
    } else {
        WrittenTimestamp::Text(Cow::Borrowed(text))
    }
}

fn parse_label(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
