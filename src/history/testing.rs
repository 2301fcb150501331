//! Strategies that make valid transactions, for the property tests of this module and of `features`.

use proptest::prelude::*;

use crate::domain::{Amount, Place, Timestamp, Transaction, TransactionId};

/// Any valid transaction, far from and close to every limit of the contract.
pub fn transaction() -> impl Strategy<Value = Transaction> {
    let amount = prop_oneof![0..=10_000_000_000_000_000_i64, 0..5_000_000_i64, Just(0), Just(10_000_000_000_000_000)];
    let text = |max: usize| prop::collection::vec(any::<char>().prop_filter("control", |c| !c.is_control()), 1..=max);
    let boxed = move |max| text(max).prop_map(|chars| chars.into_iter().collect::<Box<str>>());
    let location = prop_oneof![
        boxed(20),
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| format!("{latitude},{longitude}").into()),
    ];
    let place = (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| Place::new(latitude, longitude));
    let place = prop_oneof![Just(None), place, Just(Place::new(90.0, 180.0)), Just(Place::new(-90.0, -180.0))];
    (
        "[!-~]{1,128}",
        amount,
        boxed(30),
        location,
        0..1_i64 << 42,
        (prop::option::of(boxed(12)), prop::option::of(boxed(12)), prop::option::of(boxed(6))),
        prop::option::of("[A-Z]{3}"),
        place,
    )
        .prop_map(|(id, units, merchant, location, millis, texts, currency, coordinates)| Transaction {
            id: TransactionId::parse(&id).unwrap(),
            amount: Amount::from_units(units).unwrap(),
            merchant,
            location,
            timestamp: Timestamp::from_millis(millis).unwrap(),
            user_id: texts.0,
            merchant_category: texts.1,
            channel: texts.2,
            currency: currency.and_then(|code| code.into_bytes().try_into().ok()),
            coordinates,
        })
}
