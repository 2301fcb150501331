//! Files of transactions for the offline commands: CSV or NDJSON, labelled or not, read one row at a time.
//!
//! Both formats keep the rules of `POST /predict`, but for its limit on the future. Everything downstream depends on
//! that: a row that was read is a valid [`Transaction`]. Messages name file and line and say what to do; they never
//! repeat a rejected value.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::domain::Transaction;

mod csv;
mod ndjson;

/// The name of standard input.
const STDIN: &str = "-";

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated, the columns named by a header.
    Csv,
    /// One JSON object a line, as `POST /predict` takes it, with an optional `is_fraud`.
    Ndjson,
}

/// Which transactions an offline command reads.
#[derive(Debug, Clone, clap::Args)]
pub struct InputArgs {
    /// Transactions, oldest first: a CSV (.csv) or NDJSON (.ndjson, .jsonl) file, or - for standard input.
    ///
    /// NDJSON holds one object a line as POST /predict takes it, with an optional is_fraud (true, false, 1, 0). CSV
    /// names the same fields in its header, in any order; other columns are ignored and an empty cell is an absent
    /// field. transaction_id, amount and timestamp are needed; a file without the column merchant or location is read
    /// as if every row said "unknown" there. A timestamp of digits alone is an epoch number: seconds below 1e11, else
    /// milliseconds.
    pub file: PathBuf,

    /// The form of FILE, where its name does not tell.
    #[arg(long)]
    pub format: Option<Format>,

    /// The time zone (IANA) of local timestamps, and in which hours and days are counted.
    #[arg(long, default_value = "UTC", value_parser = parse_zone)]
    pub zone: Zone,
}

/// A time zone and its IANA name.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// As it was given.
    pub name: String,
    /// The rules.
    pub rules: TimeZone,
}

fn parse_zone(name: &str) -> Result<Zone, String> {
    let rules = TimeZone::get(name).map_err(|_| "no such time zone; give an IANA name such as Europe/Berlin")?;
    Ok(Zone { name: name.to_owned(), rules })
}

/// One row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The line it began on, counted from 1.
    pub line: u64,
    /// What happened.
    pub transaction: Transaction,
    /// The label, where the row has one.
    pub is_fraud: Option<bool>,
}

/// Why a file could not be read, or one of its rows.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The name does not tell the form.
    #[error(
        "cannot tell the form of {0}: say --format csv or --format ndjson (Parquet must be converted to one of them)"
    )]
    UnknownFormat(String),
    /// The file cannot be opened.
    #[error("cannot open {file}: {cause}")]
    Open {
        /// The file.
        file: String,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The file broke off, or is not text.
    #[error("cannot read {file} after line {line}: {cause}")]
    Read {
        /// The file.
        file: String,
        /// The last line that was read.
        line: u64,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The header of a CSV file does not fit.
    #[error("{file}: {problem}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// One row breaks the rules; reading can go on after it.
    #[error("{file}, line {line}: {problem}; correct or remove this row")]
    Row {
        /// The file.
        file: String,
        /// The row's first line, counted from 1.
        line: u64,
        /// Every broken rule.
        problem: String,
    },
}

/// What is wrong with a row, before the file's name is added.
enum Fault {
    /// This row only.
    Row { line: u64, problem: String },
    /// Nothing more can be read.
    Read { line: u64, cause: std::io::Error },
}

/// The rows of a file. After a fault of one row, [`InputError::Row`], the next one follows; any other fault is the
/// last item.
#[derive(Debug)]
pub struct Transactions {
    file: String,
    zone: TimeZone,
    rows: Rows,
    broken: bool,
}

#[derive(Debug)]
enum Rows {
    Csv(Box<csv::Rows>),
    Ndjson(ndjson::Rows),
}

impl Transactions {
    /// Opens the file.
    ///
    /// # Errors
    /// [`InputError`] when its form is not known, it cannot be opened, or it has a header that does not fit.
    pub fn open(args: &InputArgs) -> Result<Self, InputError> {
        let file = name_of(&args.file);
        let format =
            args.format.or_else(|| format_of(&args.file)).ok_or_else(|| InputError::UnknownFormat(file.clone()))?;
        let source: Box<dyn Read + Send> = if args.file == Path::new(STDIN) {
            Box::new(std::io::stdin())
        } else {
            match File::open(&args.file) {
                Ok(opened) => Box::new(opened),
                Err(cause) => return Err(InputError::Open { file, cause }),
            }
        };
        let rows = match format {
            Format::Csv => match csv::Rows::new(source) {
                Ok(rows) => Rows::Csv(Box::new(rows)),
                Err(problem) => return Err(InputError::Header { file, problem }),
            },
            Format::Ndjson => Rows::Ndjson(ndjson::Rows::new(source)),
        };
        Ok(Self { file, zone: args.zone.rules.clone(), rows, broken: false })
    }
}

impl Iterator for Transactions {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let row = match &mut self.rows {
            Rows::Csv(rows) => rows.next(&self.zone),
            Rows::Ndjson(rows) => rows.next(&self.zone),
        }?;
        Some(row.map_err(|fault| {
            let file = self.file.clone();
            match fault {
                Fault::Row { line, problem } => InputError::Row { file, line, problem },
                Fault::Read { line, cause } => {
                    self.broken = true;
                    InputError::Read { file, line, cause }
                }
            }
        }))
    }
}

/// About how many rows a file holds, for a progress bar: its lines, counted in one fast pass. `None` for what can be
/// read only once, and for what cannot be read.
#[must_use]
pub fn count_lines(file: &Path) -> Option<u64> {
    let opened = File::open(file).ok().filter(|opened| opened.metadata().is_ok_and(|metadata| metadata.is_file()))?;
    let mut source = BufReader::with_capacity(1 << 18, opened);
    let mut lines = 0;
    loop {
        let block = source.fill_buf().ok()?;
        if block.is_empty() {
            return Some(lines);
        }
        lines += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let read = block.len();
        source.consume(read);
    }
}

fn name_of(file: &Path) -> String {
    if file == Path::new(STDIN) { "standard input".to_owned() } else { file.display().to_string() }
}

fn format_of(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Place;

    const FIXTURE: &str = "tests/fixtures/transactions.csv";

    fn args(file: &Path) -> InputArgs {
        InputArgs { file: file.to_owned(), format: None, zone: parse_zone("UTC").unwrap() }
    }

    /// The rows of a file with this name and content, faults as their text without the folder.
    fn read(name: &str, content: &[u8]) -> Result<Vec<Result<Row, String>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let text = |error: InputError| error.to_string().replace(&format!("{}/", folder.path().display()), "");
        let rows = Transactions::open(&args(&file)).map_err(text)?;
        Ok(rows.map(|row| row.map_err(text)).collect())
    }

    fn only(rows: Result<Vec<Result<Row, String>>, String>) -> Row {
        let mut rows = rows.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0).unwrap()
    }

    #[test]
    fn csv_columns_may_stand_in_any_order_with_others_between() {
        let row = only(read(
            "a.csv",
            "\u{feff}is_fraud, amount ,note,merchant,location,timestamp,transaction_id,user_id,merchant_category,\
             channel,currency,latitude,longitude\n\
             True,12.50,x,\"Müller, \"\"Söhne\"\"\",Berlin,2026-03-01T10:00:00Z,t1,u1,grocery,pos,eur,52.5,13.4\n"
                .as_bytes(),
        ));
        let transaction = row.transaction;
        assert_eq!((row.line, row.is_fraud, &*transaction.merchant), (2, Some(true), "Müller, \"Söhne\""));
        assert_eq!((transaction.amount.units(), transaction.coordinates), (125_000, Place::new(52.5, 13.4)));
        assert_eq!((transaction.user_id.as_deref(), transaction.currency), (Some("u1"), Some(*b"EUR")));
    }

    #[test]
    fn a_file_without_optional_columns_is_enough() {
        let row = only(read("a.csv", b"transaction_id,amount,timestamp\nt1,1,1776939330"));
        let transaction = row.transaction;
        assert_eq!((&*transaction.merchant, &*transaction.location, row.is_fraud), ("unknown", "unknown", None));
        assert_eq!((transaction.user_id, transaction.merchant_category), (None, None));
    }

    #[test]
    fn csv_timestamps_are_texts_or_epoch_numbers() {
        for text in [
            "2026-04-23T10:15:30Z",
            "2026-04-23 10:15:30",
            "2026-04-23T12:15:30+02:00",
            "1776939330",
            "1776939330.0",
            "1776939330000",
        ] {
            let row = only(read("a.csv", format!("transaction_id,amount,timestamp\nt1,1,{text}").as_bytes()));
            assert_eq!(row.transaction.timestamp.millis(), 1_776_939_330_000, "{text}");
        }
    }

    #[test]
    fn ndjson_is_the_form_of_a_request_with_a_label() {
        let request = r#""transaction_id":"t1","amount":"1.5","merchant":"m","location":"l","timestamp":1776939330"#;
        for (line, is_fraud) in [
            (format!("{{{request}}}"), None),
            (format!("\u{feff}{{{request},\"is_fraud\":null}}"), None),
            (format!("\n  {{{request},\"is_fraud\":true}}  \r\n\n"), Some(true)),
            (format!("{{\"is_fraud\":0,{request}}}"), Some(false)),
            (format!("{{\"transaction\":{{{request}}},\"is_fraud\":1}}"), Some(true)),
            (format!("{{\"transaction\":{{{request},\"is_fraud\":true}}}}"), Some(true)),
            (format!("{{{request},\"transaction\":7}}"), None),
        ] {
            assert_eq!(only(read("a.NDJSON", line.as_bytes())).is_fraud, is_fraud, "{line}");
        }
    }

    #[test]
    fn the_same_rows_are_read_from_both_forms() {
        let from_csv: Vec<Row> = Transactions::open(&args(Path::new(FIXTURE))).unwrap().map(Result::unwrap).collect();
        let lines = from_csv.iter().map(|row| {
            let t = &row.transaction;
            let mut object = serde_json::json!({
                "transaction_id": t.id.as_str(), "amount": t.amount.to_f64(), "merchant": t.merchant,
                "location": t.location, "timestamp": t.timestamp.millis(), "user_id": t.user_id,
                "merchant_category": t.merchant_category, "channel": t.channel, "is_fraud": row.is_fraud,
                "currency": t.currency.map(|code| code.map(char::from).iter().collect::<String>()),
            });
            if let Some(place) = t.coordinates {
                object["latitude"] = place.latitude().into();
                object["longitude"] = place.longitude().into();
            }
            object.to_string() + "\n"
        });
        let rows = read("a.jsonl", lines.collect::<String>().as_bytes()).unwrap();
        assert_eq!(rows.len(), 200);
        for (own, other) in from_csv.iter().zip(rows) {
            let other = other.unwrap();
            assert_eq!(
                (&own.transaction, own.is_fraud, own.line - 1),
                (&other.transaction, other.is_fraud, other.line)
            );
        }
    }

    #[test]
    fn a_faulty_row_is_told_whole_and_reading_goes_on() {
        const ROW: &str = "a.csv, line 2: ";
        let header = "transaction_id,amount,timestamp,merchant,latitude,longitude,is_fraud\n";
        let good = "t2,1,1776939330,m,,,\n";
        for (bad, problem) in [
            (
                "t 1,-1,soon,,north,500,maybe\n",
                "transaction_id must be 1 to 128 ASCII characters without spaces or control characters; amount must be \
                 at least 0 and at most 1000000000000; merchant is required; timestamp must be an ISO 8601 date-time \
                 such as 2026-04-23T10:15:30Z, a local date-time, an epoch number, or an array of 5 to 7 whole \
                 numbers; longitude must be between -180 and 180 degrees; latitude must be a number; is_fraud must be \
                 0, 1, true or false, or empty",
            ),
            ("t1,1,1776939330,m,1,,0\n", "longitude is required when latitude is given"),
            ("t1,1,1776939330,m,,0\n", "has 6 cells where the header has 7; quote cells that hold commas"),
        ] {
            let rows = read("a.csv", format!("{header}{bad}{good}").as_bytes()).unwrap();
            let told = rows[0].as_ref().unwrap_err();
            assert_eq!(*told, format!("{ROW}{problem}; correct or remove this row"));
            assert_eq!((rows.len(), rows[1].as_ref().unwrap().line), (2, 3));
        }
        let mut not_text = header.as_bytes().to_vec();
        not_text.extend(b"t1,1,1776939330,\xff,,,\n");
        not_text.extend(good.as_bytes());
        let rows = read("a.csv", &not_text).unwrap();
        assert!(rows[0].as_ref().is_err_and(|told| told.starts_with("a.csv, line 2: must be UTF-8")), "{rows:?}");
        assert!(rows[1].is_ok());
    }

    #[test]
    fn a_faulty_line_of_json_is_told_and_reading_goes_on() {
        let good = r#"{"transaction_id":"t1","amount":1,"merchant":"m","location":"l","timestamp":1776939330}"#;
        let long = format!("{{\"note\":\"{}\"}}", "x".repeat(70_000));
        for (bad, problem) in [
            ("{]", "is not a JSON object: it makes no sense at byte 2"),
            ("[1]", "body must be a JSON object"),
            (&good.replace("\"amount\":1", "\"amount\":true"), "amount must be a decimal number such as 129.90"),
            (&good.replace('}', ",\"is_fraud\":\"yes\"}"), "is_fraud must be true, false, 1 or 0"),
            (&good.replace('}', ",\"is_fraud\":0,\"is_fraud\":1}"), "is_fraud or transaction is given more than once"),
            (&long, "is longer than 65536 bytes"),
        ] {
            let rows = read("a.ndjson", format!("{bad}\n{good}\n").as_bytes()).unwrap();
            let told = rows[0].as_ref().unwrap_err();
            assert!(told.starts_with(&format!("a.ndjson, line 1: {problem}")), "{told}");
            assert_eq!((rows.len(), rows[1].as_ref().unwrap().line), (2, 2));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_what_to_do() {
        for (name, content, problem) in [
            ("a.parquet", "", "--format csv or --format ndjson (Parquet must be converted to one of them)"),
            ("a.csv", "", "a.csv: the header has no column transaction_id; the first line must name the columns"),
            ("a.csv", "transaction_id;amount;timestamp\n", "separated by commas"),
            ("a.csv", "transaction_id,amount,timestamp,amount\n", "a.csv: the header names amount twice"),
        ] {
            let told = read(name, content.as_bytes()).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
        let told = Transactions::open(&args(Path::new("no/such.csv"))).unwrap_err().to_string();
        assert!(told.starts_with("cannot open no/such.csv: "), "{told}");
        assert!(parse_zone("Mars/Olympus").is_err());
    }

    #[test]
    fn lines_are_counted_only_where_they_can_be_read_again() {
        assert_eq!(count_lines(Path::new(FIXTURE)), Some(201));
        assert_eq!(count_lines(Path::new(STDIN)), None);
        assert_eq!(count_lines(Path::new("tests")), None);
    }
}
