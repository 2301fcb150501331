//! NDJSON: each line is read exactly as the body of `POST /predict` is, and the label beside it.

use std::io::{BufRead, BufReader, Read};

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, Row};
use crate::http::wire::{WireFault, parse_transaction};

/// The longest line that is read: four times what the service takes as a body.
const MAX_LINE_BYTES: usize = 64 * 1024;

pub(super) struct Rows {
    source: BufReader<Box<dyn Read + Send>>,
    /// How many lines were read.
    line: u64,
    text: Vec<u8>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Rows {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source: BufReader::with_capacity(1 << 16, source), line: 0, text: Vec::new() }
    }

    pub(super) fn next(&mut self, zone: &TimeZone) -> Option<Result<Row, Fault>> {
        loop {
            self.text.clear();
            let read = (&mut self.source).take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut self.text);
            match read {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(cause) => return Some(Err(Fault::Read { line: self.line, cause })),
            }
            if self.text.len() > MAX_LINE_BYTES {
                return Some(Err(match self.source.skip_until(b'\n') {
                    Ok(_) => self.row_fault(format!("is longer than {MAX_LINE_BYTES} bytes")),
                    Err(cause) => Fault::Read { line: self.line, cause },
                }));
            }
            let line = self.text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line == 1).unwrap_or(&self.text);
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(parse(line, zone, self.line).map_err(|problem| self.row_fault(problem)));
            }
        }
    }

    fn row_fault(&self, problem: String) -> Fault {
        Fault::Row { line: self.line, problem }
    }
}

fn parse(line: &[u8], zone: &TimeZone, number: u64) -> Result<Row, String> {
    let transaction = parse_transaction(line, zone, None).map_err(|fault| match fault {
        WireFault::MalformedJson { column, .. } => format!("is not a JSON object: it makes no sense at byte {column}"),
        invalid @ WireFault::Invalid(_) => invalid.to_string(),
    })?;
    let own: Label<'_> = serde_json::from_slice(line).map_err(|_| "is_fraud or transaction is given more than once")?;
    let wrapped = || serde_json::from_str::<Label<'_>>(own.transaction?.get()).ok()?.is_fraud;
    let label = own.is_fraud.or_else(wrapped).map(RawValue::get);
    let is_fraud = match label {
        None | Some("null") => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) => return Err("is_fraud must be true, false, 1 or 0".to_owned()),
    };
    Ok(Row { line: number, transaction, is_fraud })
}

/// The one member that a request does not have, beside the wrapped transaction or in it.
#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow, default)]
    is_fraud: Option<&'a RawValue>,
    #[serde(borrow, default)]
    transaction: Option<&'a RawValue>,
}
