//! The files beside the transactions: labels that are read, answers that are written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::offline::replay::feed::Sent;

/// Labels by transaction id.
pub type Labels = HashMap<Box<str>, bool>;

#[derive(Deserialize)]
struct Label {
    transaction_id: Box<str>,
    #[serde(deserialize_with = "truth")]
    is_fraud: bool,
}

/// `true`, `false`, `1` or `0`.
fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Truth {
        Word(bool),
        Digit(u8),
    }
    match Truth::deserialize(deserializer) {
        Ok(Truth::Word(word)) => Ok(word),
        Ok(Truth::Digit(digit @ (0 | 1))) => Ok(digit == 1),
        _ => Err(serde::de::Error::custom("is_fraud must be true, false, 1 or 0")),
    }
}

/// Reads labels, one JSON object a line; empty lines are passed over and of two labels for one id the later counts.
///
/// # Errors
/// The first line that is no label.
pub fn read_labels(path: &Path) -> anyhow::Result<Labels> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut labels = Labels::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        let label: Label = serde_json::from_str(&line).map_err(|_| {
            anyhow!("{}, line {number}: must be {{\"transaction_id\": …, \"is_fraud\": …}}", path.display())
        })?;
        labels.insert(label.transaction_id, label.is_fraud);
    }
    Ok(labels)
}

/// Answers as they come in, one JSON object a line.
#[derive(Debug)]
pub struct Output {
    file: BufWriter<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    transaction_id: &'a str,
    label: Option<bool>,
    /// 0 where no answer came.
    status: u16,
    latency_ms: f64,
    answer: Option<&'a RawValue>,
}

impl Output {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file) })
    }

    /// Writes one transaction with what was answered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        &mut self,
        sent: &Sent,
        status: u16,
        latency: Duration,
        answer: Option<&RawValue>,
    ) -> anyhow::Result<()> {
        let latency_ms = latency.as_micros() as f64 / 1000.0;
        let line = Line { transaction_id: &sent.transaction_id, label: sent.is_fraud, status, latency_ms, answer };
        serde_json::to_writer(&mut self.file, &line).context("cannot write --output")?;
        self.file.write_all(b"\n").context("cannot write --output")
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context("cannot write --output")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(text: &str) -> Result<Labels, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.ndjson");
        std::fs::write(&path, text).unwrap();
        read_labels(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_read_in_both_spellings_and_the_later_counts() {
        let text = "{\"transaction_id\":\"a\",\"is_fraud\":1}\n\n{\"transaction_id\":\"b\",\"is_fraud\":false,\"x\":2}\n\
                    {\"transaction_id\":\"a\",\"is_fraud\":false}";
        assert_eq!(labels_of(text), Ok(Labels::from([("a".into(), false), ("b".into(), false)])));
        for (text, line) in [
            ("{\"transaction_id\":\"a\"}", 1),
            ("{\"transaction_id\":\"a\",\"is_fraud\":2}", 1),
            ("{\"transaction_id\":\"a\",\"is_fraud\":true}\nno", 2),
        ] {
            assert!(labels_of(text).unwrap_err().contains(&format!("line {line}:")), "{text}");
        }
    }

    #[test]
    fn answers_are_written_a_line_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.ndjson");
        let mut output = Output::create(&path).unwrap();
        let answer = RawValue::from_string("{\"decision\":\"approve\"}".to_owned()).unwrap();
        let sent = |id: &str, is_fraud| Sent { transaction_id: id.into(), is_fraud };
        output.write(&sent("a", Some(false)), 200, Duration::from_micros(1_250), Some(&answer)).unwrap();
        output.write(&sent("b", None), 0, Duration::ZERO, None).unwrap();
        output.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"transaction_id\":\"a\",\"label\":false,\"status\":200,\"latency_ms\":1.25,\"answer\":{\"decision\":\"approve\"}}\n\
             {\"transaction_id\":\"b\",\"label\":null,\"status\":0,\"latency_ms\":0.0,\"answer\":null}\n"
        );
    }
}
