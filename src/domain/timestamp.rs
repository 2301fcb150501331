//! Instants of event time, in milliseconds since 1970 (UTC), and every written form they arrive in.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use jiff::civil;
use jiff::tz::TimeZone;

/// An instant in milliseconds since 1970-01-01T00:00:00Z, `0..2^42` (to the year 2109). Finer fractions are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The written forms of an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimestampForm<'a> {
    /// ISO 8601: with an offset or `Z`, or a local date-time.
    Text(&'a str),
    /// The text of an epoch number: seconds below 1e11 (fraction allowed), else milliseconds.
    Number(&'a str),
    /// Jackson's array: year, month, day, hour, minute, then second and fraction where they are not zero. The
    /// fraction is in milliseconds below 1000, else in nanoseconds.
    Parts(&'a [i64]),
}

const FORMS: &str = "must be an ISO 8601 date-time such as 2026-04-23T10:15:30Z, a local date-time, an epoch number, \
                     or an array of 5 to 7 whole numbers";
const OUT_OF_RANGE: &str = "must lie between the years 1970 and 2109";

/// From here on an epoch number counts milliseconds.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// The longest text read as an instant, in bytes; Java's `ZonedDateTime` with a zone's name stays below it.
const MAX_TEXT: usize = 96;

impl Timestamp {
    /// One past the last representable instant.
    const END_MS: i64 = 1 << 42;

    /// The last representable instant.
    pub const LAST: Self = Self(Self::END_MS - 1);

    /// From milliseconds since 1970 (UTC); `None` outside `0..2^42`.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (0..Self::END_MS).contains(&millis).then_some(Self(millis))
    }

    /// Milliseconds since 1970 (UTC).
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads any of the accepted forms; local ones are read in `zone`.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(form: TimestampForm<'_>, zone: &TimeZone) -> Result<Self, &'static str> {
        let millis = match form {
            TimestampForm::Text(text) => parse_text(text, zone)?,
            TimestampForm::Number(text) => parse_number(text)?,
            TimestampForm::Parts(parts) => in_zone(from_parts(parts)?, zone)?,
        };
        Self::from_millis(millis).ok_or(OUT_OF_RANGE)
    }

    /// The wall-clock date and time of this instant in `zone`.
    #[must_use]
    pub fn in_zone(self, zone: &TimeZone) -> civil::DateTime {
        // Every value in `0..2^42` is inside jiff's range, so the fallback is never taken.
        jiff::Timestamp::from_millisecond(self.0).map_or(civil::DateTime::MIN, |instant| zone.to_datetime(instant))
    }
}

impl std::fmt::Display for Timestamp {
    /// ISO 8601 in UTC with milliseconds: `2026-04-23T10:15:30.123Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0).map_err(|_| std::fmt::Error)?;
        write!(f, "{instant:.3}")
    }
}

fn parse_text(text: &str, zone: &TimeZone) -> Result<i64, &'static str> {
    // A bare date is no instant: the separator must be there.
    if text.len() > MAX_TEXT || !text.contains(['T', 't', ' ']) {
        return Err(FORMS);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    in_zone(text.parse::<civil::DateTime>().map_err(|_| FORMS)?, zone)
}

fn parse_number(text: &str) -> Result<i64, &'static str> {
    if text.len() > MAX_TEXT || text.contains('_') {
        return Err(FORMS);
    }
    let number: BigDecimal = text.parse().map_err(|_| FORMS)?;
    // The magnitude first: rescaling `1e999999999` would make a number of that many digits.
    let (_, scale) = number.as_bigint_and_exponent();
    let magnitude = i64::try_from(number.digits()).unwrap_or(i64::MAX).saturating_sub(scale);
    if magnitude > 15 {
        return Err(OUT_OF_RANGE);
    }
    if magnitude < -3 {
        return Ok(0);
    }
    let (thousandths, _) = number.with_scale_round(3, RoundingMode::Down).into_bigint_and_exponent();
    let thousandths = thousandths.to_i64().ok_or(OUT_OF_RANGE)?;
    let is_seconds = thousandths < FIRST_MILLISECONDS * 1000;
    Ok(if is_seconds { thousandths } else { thousandths / 1000 })
}

fn from_parts(parts: &[i64]) -> Result<civil::DateTime, &'static str> {
    if !(5..=7).contains(&parts.len()) {
        return Err(FORMS);
    }
    let part = |index: usize| parts.get(index).copied().unwrap_or(0);
    let small = |index: usize| i8::try_from(part(index)).map_err(|_| FORMS);
    let nanoseconds = match part(6) {
        milliseconds @ 0..1000 => milliseconds * 1_000_000,
        nanoseconds => nanoseconds,
    };
    civil::DateTime::new(
        i16::try_from(part(0)).map_err(|_| FORMS)?,
        small(1)?,
        small(2)?,
        small(3)?,
        small(4)?,
        small(5)?,
        i32::try_from(nanoseconds).map_err(|_| FORMS)?,
    )
    .map_err(|_| FORMS)
}

/// In a gap of the zone (spring) the instant after it, in a fold (autumn) the first of the two: RFC 5545's rule.
fn in_zone(local: civil::DateTime, zone: &TimeZone) -> Result<i64, &'static str> {
    zone.to_timestamp(local).map(jiff::Timestamp::as_millisecond).map_err(|_| OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_776_939_330_123;

    #[test]
    fn every_accepted_form_names_the_same_instant() {
        let utc = TimeZone::UTC;
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (form, zone) in [
            (TimestampForm::Text("2026-04-23T10:15:30.123Z"), &utc),
            (TimestampForm::Text("2026-04-23T12:15:30.123+02:00"), &utc),
            (TimestampForm::Text("2026-04-23T12:15:30.123+0200"), &utc),
            (TimestampForm::Text("2026-04-23T12:15:30.123456789+02:00[Europe/Berlin]"), &utc),
            (TimestampForm::Text("2026-04-23T10:15:30.123"), &utc),
            (TimestampForm::Text("2026-04-23T12:15:30.123"), &berlin),
            (TimestampForm::Number("1776939330.123"), &utc),
            (TimestampForm::Number("1776939330.123000000"), &utc),
            (TimestampForm::Number("1776939330123"), &utc),
            (TimestampForm::Number("1.776939330123E12"), &utc),
            (TimestampForm::Parts(&[2026, 4, 23, 10, 15, 30, 123_000_000]), &utc),
            (TimestampForm::Parts(&[2026, 4, 23, 10, 15, 30, 123]), &utc),
            (TimestampForm::Parts(&[2026, 4, 23, 12, 15, 30, 123]), &berlin),
        ] {
            assert_eq!(Timestamp::parse(form, zone).map(Timestamp::millis), Ok(AT), "{form:?}");
        }
        for form in [
            TimestampForm::Text("2026-04-23T10:15"),
            TimestampForm::Text("2026-04-23T10:15Z"),
            TimestampForm::Parts(&[2026, 4, 23, 10, 15]),
        ] {
            assert_eq!(Timestamp::parse(form, &utc).map(Timestamp::millis), Ok(AT - 30_123), "{form:?}");
        }
        assert_eq!(Timestamp(AT).to_string(), "2026-04-23T10:15:30.123Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for form in [
            TimestampForm::Text(""),
            TimestampForm::Text("2026-04-23"),
            TimestampForm::Text("yesterday at Tea time"),
            TimestampForm::Text("2026-13-23T10:15:30Z"),
            TimestampForm::Text("1969-12-31T23:59:59Z"),
            TimestampForm::Text("9999-12-31T23:59:59Z"),
            TimestampForm::Number("-1"),
            TimestampForm::Number("1e999999999"),
            TimestampForm::Number("1_776_939_330"),
            TimestampForm::Parts(&[2026, 4, 23, 10]),
            TimestampForm::Parts(&[2026, 4, 31, 10, 15]),
            TimestampForm::Parts(&[2026, 4, 23, 10, 15, 30, -1]),
            TimestampForm::Parts(&[2026, 4, 23, 10, 15, 30, i64::MAX]),
            TimestampForm::Parts(&[i64::MAX, 4, 23, 10, 15]),
            TimestampForm::Parts(&[2026, 4, 23, 10, 15, 30, 0, 0]),
        ] {
            assert!(Timestamp::parse(form, &TimeZone::UTC).is_err(), "{form:?}");
        }
    }
}
