//! Money as a fixed-point decimal of four places.
//!
//! Invariant: `0 <= amount <= 1e12`. Sums of amounts are exact, because they are integers; a float appears only
//! where a feature is made.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};

/// How many units make one of the currency: amounts are kept in ten-thousandths.
pub const UNITS_PER_ONE: i64 = 10_000;

/// Decimal places kept; further ones are rounded half to even.
const PLACES: i64 = 4;

/// The largest amount accepted, in ten-thousandths (1e12 of the currency).
const MAX_UNITS: i64 = 1_000_000_000_000 * UNITS_PER_ONE;

/// The longest text read as an amount, in bytes: far above what Jackson writes for any amount in range.
const MAX_TEXT: usize = 64;

/// An amount in ten-thousandths of the transaction's currency, `0..=1e16` (so at most 1e12 of the currency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    /// From ten-thousandths; `None` outside `0..=1e16`.
    #[must_use]
    pub fn from_units(units: i64) -> Option<Self> {
        (0..=MAX_UNITS).contains(&units).then_some(Self(units))
    }

    /// Reads a decimal number as JSON and Java write it: `129.90`, `1.299E+2`. More than four places are rounded
    /// half to even.
    ///
    /// # Errors
    /// A sentence that says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const NOT_A_NUMBER: &str = "must be a decimal number such as 129.90, as a JSON number or a string";
        const OUT_OF_RANGE: &str = "must be at least 0 and at most 1000000000000";
        // The parser below also takes underscores, which no JSON writer sends.
        if text.len() > MAX_TEXT || !text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
            return Err(NOT_A_NUMBER);
        }
        let decimal: BigDecimal = text.parse().map_err(|_| NOT_A_NUMBER)?;
        if decimal.is_zero() {
            return Ok(Self(0));
        }
        if decimal < BigDecimal::zero() {
            return Err(OUT_OF_RANGE);
        }
        // The magnitude is looked at before any rescaling: `1e999999999` must not make a number of that many digits.
        let (_, scale) = decimal.as_bigint_and_exponent();
        let magnitude = i64::try_from(decimal.digits()).unwrap_or(i64::MAX).saturating_sub(scale);
        if magnitude > 13 {
            return Err(OUT_OF_RANGE);
        }
        if magnitude < -PLACES {
            return Ok(Self(0));
        }
        let (units, _): (BigInt, i64) =
            decimal.with_scale_round(PLACES, RoundingMode::HalfEven).into_bigint_and_exponent();
        units.to_i64().and_then(Self::from_units).ok_or(OUT_OF_RANGE)
    }

    /// The amount in ten-thousandths.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }

    /// The amount in the currency's own unit, for features and sentences.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNITS_PER_ONE as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_jackson_writes() {
        for (text, units) in [
            ("129.90", Some(1_299_000)),
            ("1.299E+2", Some(1_299_000)),
            ("1299e-1", Some(1_299_000)),
            ("0", Some(0)),
            ("0E+3", Some(0)),
            ("0E-10", Some(0)),
            ("-0.0", Some(0)),
            ("1e12", Some(MAX_UNITS)),
            ("1000000000000.00", Some(MAX_UNITS)),
            ("1000000000000.0001", None),
            ("0.00005", Some(0)),
            ("0.00015", Some(2)),
            ("1e-400", Some(0)),
            ("1e999999999", None),
            ("-1", None),
            ("-0.0001", None),
            ("", None),
            ("1_000", None),
            ("1,5", None),
            ("NaN", None),
            ("0x10", None),
            (" 1", None),
            ("1e99999999999999999999", None),
            ("00000000000000000000000000000000000000000000000000000000000012.5", Some(125_000)),
        ] {
            assert_eq!(Amount::parse(text).ok().map(Amount::units), units, "{text}");
        }
    }
}
