//! Transactions in the request form of `POST /predict` and `POST /batch`.
//!
//! The texts written here are the canonical ones: the amount with four places as a string, the timestamp in UTC.

use serde::Serialize;

use crate::domain::amount::UNITS_PER_ONE;
use crate::domain::{Amount, Transaction};

#[derive(Serialize)]
struct Body<'a> {
    transaction_id: &'a str,
    amount: String,
    merchant: &'a str,
    location: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
}

/// Appends one transaction as a JSON object.
pub fn write(transaction: &Transaction, out: &mut Vec<u8>) {
    let body = Body {
        transaction_id: transaction.id.as_str(),
        amount: decimal(transaction.amount),
        merchant: &transaction.merchant,
        location: &transaction.location,
        timestamp: transaction.timestamp.to_string(),
        user_id: transaction.user_id.as_deref(),
        merchant_category: transaction.merchant_category.as_deref(),
        channel: transaction.channel.as_deref(),
        currency: transaction.currency.as_ref().and_then(|code| str::from_utf8(code).ok()),
        latitude: transaction.coordinates.map(|place| place.latitude()),
        longitude: transaction.coordinates.map(|place| place.longitude()),
    };
    serde_json::to_writer(out, &body).expect("texts and finite numbers always serialize into memory");
}

/// `129.9000`: every place that is kept, so that nothing is rounded on the way.
fn decimal(amount: Amount) -> String {
    format!("{}.{:04}", amount.units() / UNITS_PER_ONE, amount.units() % UNITS_PER_ONE)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::{Draft, WrittenTimestamp};

    #[test]
    fn a_transaction_is_written_so_that_reading_it_gives_the_same() {
        let full = Draft {
            transaction_id: Some("tx-1".into()),
            amount: Some("129.9".into()),
            merchant: Some("Caf\u{e9} \"Zur Post\"".into()),
            location: Some("Berlin, DE".into()),
            timestamp: Some(WrittenTimestamp::Text("2026-04-23T12:15:30.123+02:00".into())),
            user_id: Some("u-1".into()),
            merchant_category: Some("food".into()),
            channel: Some("pos".into()),
            currency: Some("eur".into()),
            latitude: Some(52.5),
            longitude: Some(13.25),
        };
        let mut body = Vec::new();
        write(&full.check(&TimeZone::UTC, None).unwrap(), &mut body);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"transaction_id":"tx-1","amount":"129.9000","merchant":"Café \"Zur Post\"","location":"Berlin, DE","timestamp":"2026-04-23T10:15:30.123Z","user_id":"u-1","merchant_category":"food","channel":"pos","currency":"EUR","latitude":52.5,"longitude":13.25}"#
        );
        let bare = Draft {
            user_id: None,
            merchant_category: None,
            channel: None,
            currency: None,
            latitude: None,
            longitude: None,
            ..full
        };
        let mut body = Vec::new();
        write(&bare.check(&TimeZone::UTC, None).unwrap(), &mut body);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"transaction_id":"tx-1","amount":"129.9000","merchant":"Café \"Zur Post\"","location":"Berlin, DE","timestamp":"2026-04-23T10:15:30.123Z"}"#
        );
    }
}
