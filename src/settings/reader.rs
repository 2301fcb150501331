//! From texts to checked values: one method for each kind of value, and the list of everything that was wrong.
//!
//! A value that does not fit leaves a fault and stands in as the nearest valid one, so that reading goes on and every
//! fault is reported at once. Secrets are never echoed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::layers::{Fault, SECRETS, Written, variable_of};

/// Values echoed in a message are cut after this many characters.
const ECHO_LIMIT: usize = 60;

#[derive(Debug)]
pub(super) struct Reader {
    values: BTreeMap<String, Written>,
    faults: Vec<Fault>,
    read: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(values: BTreeMap<String, Written>, faults: Vec<Fault>) -> Self {
        Self { values, faults, read: Vec::new() }
    }

    /// Reads a text with `parse`; `accepted` completes "must be …".
    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        stand_in: T,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        self.read.push(key);
        // A missing value has its fault already, from the layers.
        let Some(written) = self.values.get(key) else { return stand_in };
        // Bytes that were not UTF-8 must not pass as something else: of a secret they would leave little.
        let readable = !written.text.contains(char::REPLACEMENT_CHARACTER);
        if let Some(value) = readable.then(|| parse(written.text.trim())).flatten() {
            return value;
        }
        let problem = if SECRETS.contains(&key) {
            format!("must be {accepted}")
        } else {
            let echo: String = written.text.chars().take(ECHO_LIMIT).collect();
            format!("must be {accepted}, not {echo:?}")
        };
        self.fault(key, problem);
        stand_in
    }

    pub(super) fn text(&mut self, key: &'static str) -> String {
        self.parse(key, "a text", String::new(), |text| Some(text.to_owned()))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        self.parse(key, "true or false", false, |text| text.to_ascii_lowercase().parse().ok())
    }

    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<usize>) -> usize {
        let accepted = format!("an integer from {} to {}", range.start(), range.end());
        self.parse(key, &accepted, *range.start(), |text| text.parse().ok().filter(|value| range.contains(value)))
    }

    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> f64 {
        let accepted = format!("a number from {:?} to {:?}", range.start(), range.end());
        self.parse(key, &accepted, *range.start(), |text| text.parse().ok().filter(|value| range.contains(value)))
    }

    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Duration {
        let [from, to] = [range.start(), range.end()].map(|limit| humantime::format_duration(*limit).to_string());
        let accepted = format!("a duration from {from} to {to} with its unit, such as 20ms or 1s");
        self.parse(key, &accepted, *range.start(), |text| {
            humantime::parse_duration(text).ok().filter(|value| range.contains(value))
        })
    }

    /// A number of bytes; `if_empty` is what the empty text stands for, where it is accepted.
    pub(super) fn bytes(&mut self, key: &'static str, range: RangeInclusive<u64>, if_empty: Option<u64>) -> usize {
        let accepted =
            format!("a size from {} to {}, such as 64MiB", format_bytes(*range.start()), format_bytes(*range.end()));
        let bytes = self.parse(key, &accepted, *range.start(), |text| match if_empty {
            Some(bytes) if text.is_empty() => Some(bytes),
            _ => parse_bytes(text).filter(|value| range.contains(value)),
        });
        // A machine with smaller addresses than the size cannot have that much memory.
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Notes a fault of a key.
    pub(super) fn fault(&mut self, key: &str, problem: String) {
        let source = self.values.get(key).and_then(|written| written.source.clone());
        let source = source.unwrap_or_else(|| "default.toml".to_owned());
        self.faults.push(Fault { key: key.to_owned(), source, problem });
    }

    /// Notes a fault of the first key unless `holds`; silent where one of the keys is at fault already.
    pub(super) fn cross_check(&mut self, keys: [&str; 2], holds: bool, problem: &str) {
        let at_fault = |key: &str| self.faults.iter().any(|fault| fault.key == key);
        if !holds && !keys.into_iter().any(at_fault) {
            self.fault(keys[0], problem.to_owned());
        }
    }

    /// A key that must be set: names the variable that sets it.
    pub(super) fn demand(&mut self, key: &str, holds: bool, why: &str) {
        if !holds && !self.faults.iter().any(|fault| fault.key == key) {
            self.fault(key, format!("{why}: set {}", variable_of(key)));
        }
    }

    /// What was set and where, defaults left out, secrets hidden.
    pub(super) fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (key, Written { text, source }) in &self.values {
            let Some(source) = source else { continue };
            let text = if SECRETS.contains(&key.as_str()) { "[secret]" } else { text };
            parts.push(format!("{key} = {text} (from {source})"));
        }
        if parts.is_empty() { "all defaults".to_owned() } else { parts.join("; ") }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    #[cfg(test)]
    pub(super) fn unread(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).filter(|key| !self.read.contains(key)).collect()
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse_bytes(text: &str) -> Option<u64> {
    let (digits, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
    digits.trim_end().parse::<u64>().ok()?.checked_mul(unit)
}

fn format_bytes(bytes: u64) -> String {
    let (name, unit) = UNITS.into_iter().find(|(_, unit)| bytes.is_multiple_of(*unit)).unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("16B", 16), ("2KiB", 2048), ("64MiB", 64 << 20), ("3 GiB", 3 << 30)]
        {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1MB", "64mib", "99999999999GiB", "+ 1"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        assert_eq!(format_bytes(16 << 10), "16KiB");
    }
}
