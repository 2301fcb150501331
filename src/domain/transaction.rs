//! A card transaction, and the check that makes one out of unchecked fields, reporting every fault at once.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::domain::{Amount, Place, Timestamp, TimestampForm};

/// The caller's name for a transaction and the key of idempotency: 1–128 ASCII graphic characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(Box<str>);

impl TransactionId {
    /// Checks the rule.
    ///
    /// # Errors
    /// A sentence that says the rule.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err("must be 1 to 128 ASCII characters without spaces or control characters")
        }
    }

    /// The id as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A transaction that keeps every rule of the contract. Texts hold no control characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// The idempotency key.
    pub id: TransactionId,
    /// How much, taken as given: who mixes currencies converts first.
    pub amount: Amount,
    /// Who is paid, 1–256 characters.
    pub merchant: Box<str>,
    /// Where, 1–256 characters of free text, `City, CC`, or `lat,long`.
    pub location: Box<str>,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Whose history is used: a customer, card or account, 1–128 characters.
    pub user_id: Option<Box<str>>,
    /// The merchant's category, 1–64 characters.
    pub merchant_category: Option<Box<str>>,
    /// The channel (`pos`, `online`, …), 1–64 characters.
    pub channel: Option<Box<str>>,
    /// Three upper-case letters.
    pub currency: Option<[u8; 3]>,
    /// The point given as `latitude` and `longitude`.
    pub coordinates: Option<Place>,
}

impl Transaction {
    /// Where the transaction took place: the coordinates, or a location of the form `lat,long`.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.coordinates.or_else(|| Place::parse(&self.location))
    }
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, as it is named in JSON.
    pub field: &'static str,
    /// What the field must be; never the rejected value.
    pub problem: &'static str,
}

/// A timestamp as it was written, not yet read.
#[derive(Debug, Clone, PartialEq)]
pub enum WrittenTimestamp<'a> {
    /// ISO 8601 text.
    Text(Cow<'a, str>),
    /// The text of a JSON number.
    Number(&'a str),
    /// Jackson's array.
    Parts(Vec<i64>),
}

impl WrittenTimestamp<'_> {
    pub(super) fn form(&self) -> TimestampForm<'_> {
        match self {
            Self::Text(text) => TimestampForm::Text(text),
            Self::Number(text) => TimestampForm::Number(text),
            Self::Parts(parts) => TimestampForm::Parts(parts),
        }
    }
}

/// The fields of a transaction as they were sent, of the right type but not yet checked. `None` is an absent field
/// or a `null`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft<'a> {
    /// See [`Transaction::id`].
    pub transaction_id: Option<Cow<'a, str>>,
    /// The decimal's text.
    pub amount: Option<Cow<'a, str>>,
    /// See [`Transaction::merchant`].
    pub merchant: Option<Cow<'a, str>>,
    /// See [`Transaction::location`].
    pub location: Option<Cow<'a, str>>,
    /// See [`Transaction::timestamp`].
    pub timestamp: Option<WrittenTimestamp<'a>>,
    /// See [`Transaction::user_id`].
    pub user_id: Option<Cow<'a, str>>,
    /// See [`Transaction::merchant_category`].
    pub merchant_category: Option<Cow<'a, str>>,
    /// See [`Transaction::channel`].
    pub channel: Option<Cow<'a, str>>,
    /// See [`Transaction::currency`].
    pub currency: Option<Cow<'a, str>>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
}

const REQUIRED: &str = "is required";

impl Draft<'_> {
    /// Checks every rule; local timestamps are read in `zone`. `latest` bounds the timestamp (24 h ahead of the
    /// caller's clock); offline work has no such bound and passes `None`.
    ///
    /// # Errors
    /// Every fault, in the order of the contract's fields.
    pub fn check(&self, zone: &TimeZone, latest: Option<Timestamp>) -> Result<Transaction, Vec<Fault>> {
        let mut faults = Vec::new();
        let id = required(&mut faults, "transaction_id", self.transaction_id.as_deref(), TransactionId::parse);
        let amount = required(&mut faults, "amount", self.amount.as_deref(), Amount::parse);
        let merchant = required(&mut faults, "merchant", self.merchant.as_deref(), text::<256>);
        let location = required(&mut faults, "location", self.location.as_deref(), text::<256>);
        let timestamp = required(&mut faults, "timestamp", self.timestamp.as_ref(), |written| {
            let timestamp = Timestamp::parse(written.form(), zone)?;
            if latest.is_some_and(|latest| timestamp > latest) {
                return Err("must be at most 24 hours ahead of the server's clock");
            }
            Ok(timestamp)
        });
        let user_id = optional(&mut faults, "user_id", self.user_id.as_deref(), text::<128>);
        let merchant_category =
            optional(&mut faults, "merchant_category", self.merchant_category.as_deref(), text::<64>);
        let channel = optional(&mut faults, "channel", self.channel.as_deref(), text::<64>);
        let currency = optional(&mut faults, "currency", self.currency.as_deref(), currency_code);
        let coordinates = self.coordinates(&mut faults);
        match (id, amount, merchant, location, timestamp) {
            (Some(id), Some(amount), Some(merchant), Some(location), Some(timestamp)) if faults.is_empty() => {
                Ok(Transaction {
                    id,
                    amount,
                    merchant,
                    location,
                    timestamp,
                    user_id,
                    merchant_category,
                    channel,
                    currency,
                    coordinates,
                })
            }
            _ => Err(faults),
        }
    }

    fn coordinates(&self, faults: &mut Vec<Fault>) -> Option<Place> {
        let (latitude, longitude) = (self.latitude, self.longitude);
        let mut check = |field, own: Option<f64>, other: Option<f64>, in_range: fn(f64) -> bool, problems: [_; 2]| {
            let [alone, out_of_range] = problems;
            match own {
                None if other.is_some() => faults.push(Fault { field, problem: alone }),
                Some(degrees) if !in_range(degrees) => faults.push(Fault { field, problem: out_of_range }),
                _ => {}
            }
        };
        let problems = ["is required when longitude is given", "must be between -90 and 90 degrees"];
        check("latitude", latitude, longitude, |degrees| Place::new(degrees, 0.0).is_some(), problems);
        let problems = ["is required when latitude is given", "must be between -180 and 180 degrees"];
        check("longitude", longitude, latitude, |degrees| Place::new(0.0, degrees).is_some(), problems);
        Place::new(latitude?, longitude?)
    }
}

pub(super) fn required<T: ?Sized, U>(
    faults: &mut Vec<Fault>,
    field: &'static str,
    value: Option<&T>,
    parse: impl FnOnce(&T) -> Result<U, &'static str>,
) -> Option<U> {
    let parsed = value.ok_or(REQUIRED).and_then(parse);
    parsed.map_err(|problem| faults.push(Fault { field, problem })).ok()
}

/// An empty optional string is the same as an absent one.
pub(super) fn optional<U>(
    faults: &mut Vec<Fault>,
    field: &'static str,
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<U, &'static str>,
) -> Option<U> {
    let value = value.filter(|value| !value.is_empty())?;
    parse(value).map_err(|problem| faults.push(Fault { field, problem })).ok()
}

/// Text of 1 to `MAX` characters without control characters.
pub(super) fn text<const MAX: usize>(value: &str) -> Result<Box<str>, &'static str> {
    const {
        assert!(MAX == 256 || MAX == 128 || MAX == 64, "give the new limit its own sentence below");
    }
    let too_long = match MAX {
        64 => "must be 1 to 64 characters",
        128 => "must be 1 to 128 characters",
        _ => "must be 1 to 256 characters",
    };
    // At least one byte a character, at most four: most texts need no count.
    if value.is_empty() || value.len() > 4 * MAX || (value.len() > MAX && value.chars().count() > MAX) {
        return Err(too_long);
    }
    if value.chars().any(char::is_control) {
        return Err("must not hold control characters");
    }
    Ok(value.into())
}

fn currency_code(value: &str) -> Result<[u8; 3], &'static str> {
    let code: [u8; 3] = value.as_bytes().try_into().map_err(|_| "must be three letters, such as EUR")?;
    if code.iter().all(u8::is_ascii_alphabetic) {
        Ok(code.map(|letter| letter.to_ascii_uppercase()))
    } else {
        Err("must be three letters, such as EUR")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft<'static> {
        Draft {
            transaction_id: Some("tx-1".into()),
            amount: Some("12.5".into()),
            merchant: Some("Corner shop".into()),
            location: Some("Berlin, DE".into()),
            timestamp: Some(WrittenTimestamp::Number("1776939330")),
            ..Draft::default()
        }
    }

    fn faults(draft: &Draft<'_>) -> Vec<&'static str> {
        draft.check(&TimeZone::UTC, None).err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn required_fields_suffice_and_empty_optional_strings_are_absent() {
        let empty = Some(Cow::Borrowed(""));
        let drafted = Draft { user_id: empty.clone(), channel: empty.clone(), currency: empty, ..draft() };
        let transaction = drafted.check(&TimeZone::UTC, None).unwrap();
        assert_eq!((transaction.user_id, transaction.channel, transaction.currency), (None, None, None));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let all = Draft {
            user_id: Some("a\u{7}".into()),
            currency: Some("EURO".into()),
            latitude: Some(91.0),
            longitude: Some(f64::NAN),
            ..Draft::default()
        };
        assert_eq!(
            faults(&all),
            [
                "transaction_id",
                "amount",
                "merchant",
                "location",
                "timestamp",
                "user_id",
                "currency",
                "latitude",
                "longitude"
            ]
        );
        assert_eq!(faults(&Draft { latitude: Some(1.0), ..draft() }), ["longitude"]);
        assert_eq!(faults(&Draft { latitude: Some(91.0), ..draft() }), ["latitude", "longitude"]);
        assert_eq!(faults(&Draft { longitude: Some(1.0), ..draft() }), ["latitude"]);
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let merchant = |text: String| Draft { merchant: Some(text.into()), ..draft() };
        assert!(faults(&merchant("ü".repeat(256))).is_empty());
        assert_eq!(faults(&merchant("ü".repeat(257))), ["merchant"]);
        assert_eq!(faults(&merchant("x".repeat(2000))), ["merchant"]);
        assert_eq!(faults(&merchant(String::new())), ["merchant"]);
    }

    #[test]
    fn the_future_is_bounded_only_where_a_bound_is_given() {
        let at = Timestamp::from_millis(1_776_939_330_000).unwrap();
        let before = Timestamp::from_millis(at.millis() - 1).unwrap();
        assert!(draft().check(&TimeZone::UTC, Some(at)).is_ok());
        assert!(draft().check(&TimeZone::UTC, Some(before)).is_err());
    }

    #[test]
    fn a_location_that_is_a_point_is_the_place() {
        let at = |location: &'static str| {
            Draft { location: Some(location.into()), ..draft() }.check(&TimeZone::UTC, None).unwrap().place()
        };
        assert_eq!(at("52.5,13.4"), Place::new(52.5, 13.4));
        assert_eq!(at("Berlin, DE"), None);
    }
}
