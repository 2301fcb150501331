//! The timestamp of a log line: RFC 3339, UTC, milliseconds.
//!
//! Every line has one, and calendars are dear: each thread keeps the text of the second it wrote last.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// `2026-04-23T10:15:30.123Z`
const LENGTH: usize = 24;
const MILLISECONDS_AT: usize = 20;

/// An instant as its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; LENGTH]);

impl Stamp {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        // A clock before 1970 is not set at all: any text is as wrong as another.
        Self::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
    }

    /// The instant so many milliseconds after 1970.
    #[must_use]
    pub fn at(milliseconds: u64) -> Self {
        thread_local! {
            static LAST: Cell<(u64, Stamp)> = const { Cell::new((u64::MAX, Stamp([0; LENGTH]))) };
        }
        let (second, rest) = (milliseconds / 1000, milliseconds % 1000);
        let mut stamp = match LAST.get() {
            (last, stamp) if last == second => stamp,
            _ => {
                let stamp = Self::at_second(second);
                LAST.set((second, stamp));
                stamp
            }
        };
        for (offset, unit) in [100, 10, 1].into_iter().enumerate() {
            // A remainder of 10 is one digit.
            stamp.0[MILLISECONDS_AT + offset] = b'0' + (rest / unit % 10) as u8;
        }
        stamp
    }

    fn at_second(second: u64) -> Self {
        let instant = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        let text = format!("{:.3}", instant.unwrap_or(Timestamp::MAX));
        let mut bytes = [b'0'; LENGTH];
        bytes.iter_mut().zip(text.bytes()).for_each(|(byte, written)| *byte = written);
        Self(bytes)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and punctuation are ASCII")
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_utc_with_milliseconds_whatever_was_written_before() {
        for (milliseconds, text) in [
            (1_776_939_330_123, "2026-04-23T10:15:30.123Z"),
            (1_776_939_330_007, "2026-04-23T10:15:30.007Z"),
            (1_776_939_331_000, "2026-04-23T10:15:31.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (1_776_939_330_999, "2026-04-23T10:15:30.999Z"),
            (253_402_207_200_000, "9999-12-30T22:00:00.000Z"),
        ] {
            assert_eq!(Stamp::at(milliseconds).as_str(), text);
        }
        let now: Timestamp = Stamp::now().as_str().parse().unwrap();
        assert!((Timestamp::now() - now).get_milliseconds() < 60_000);
    }
}
