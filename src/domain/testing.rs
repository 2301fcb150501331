//! For property tests above: valid transactions, and by brute force what is known before one.

use proptest::prelude::*;

use crate::domain::{
    Amount, LastPlace, Place, Timestamp, Transaction, TransactionId, Turnover, UserHistory, WindowSummary,
};

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

/// A user's transaction among others with few distinct instants, ids, merchants, categories and places, so that
/// duplicates, ties and late arrivals are common. Ids come from `ids`, instants from `instants` steps of `step_ms`.
pub fn crowded(ids: u32, instants: i64, step_ms: i64) -> impl Strategy<Value = Transaction> {
    let amount = prop_oneof![1..50_000_000_i64, Just(0), Just(10_000_000_000_000_000)];
    let place = prop::option::of((-3..=3_i32, -3..=3_i32));
    (0..ids, 0..instants, amount, 0..4_u8, prop::option::of(0..3_u8), place).prop_map(
        move |(id, instant, units, merchant, category, place)| Transaction {
            amount: Amount::from_units(units).unwrap(),
            merchant: format!("merchant {merchant}").into(),
            merchant_category: category.map(|category| format!("category {category}").into()),
            coordinates: place.and_then(|(latitude, longitude)| Place::new(latitude.into(), longitude.into())),
            ..plain(id, 1_700_000_000_000 + instant * step_ms)
        },
    )
}

/// The transaction `t<id>` at an instant, with nothing optional.
pub fn plain(id: u32, millis: i64) -> Transaction {
    Transaction {
        id: TransactionId::parse(&format!("t{id}")).unwrap(),
        amount: Amount::from_units(10_000).unwrap(),
        merchant: "merchant".into(),
        location: "somewhere".into(),
        timestamp: Timestamp::from_millis(millis).unwrap(),
        user_id: None,
        merchant_category: None,
        channel: None,
        currency: None,
        coordinates: None,
    }
}

/// What the `kept` transactions of a user, newest first, say before another, by the definition of each number;
/// `place_of` tells where history believes a transaction took place.
pub fn history_before(
    kept: &[&Transaction],
    before: &Transaction,
    place_of: impl Fn(&Transaction) -> Option<Place>,
) -> UserHistory {
    let visible: Vec<&Transaction> =
        kept.iter().copied().filter(|t| t.timestamp <= before.timestamp && t.id != before.id).collect();
    let window = |length_ms: i64, chosen: &dyn Fn(&Transaction) -> bool| {
        let inside = |t: &&&Transaction| t.timestamp.millis() > before.timestamp.millis() - length_ms && chosen(t);
        let units = || visible.iter().filter(inside).map(|t| i128::from(t.amount.units()));
        WindowSummary {
            count: units().count() as u32,
            sum: units().sum(),
            sum_of_squares: units().map(|units| units * units).sum(),
        }
    };
    let same_category =
        |t: &Transaction| t.merchant_category.is_some() && t.merchant_category == before.merchant_category;
    UserHistory {
        windows: [10 * 60, 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600].map(|s: i64| window(s * 1000, &|_| true)),
        category_window: window(30 * 86_400_000, &same_category),
        last_at: visible.first().map(|t| t.timestamp),
        last_place: visible.iter().find_map(|t| place_of(t).map(|place| LastPlace { place, at: t.timestamp })),
        merchant_seen: visible.iter().any(|t| t.merchant == before.merchant),
        frauds: [0; 3],
    }
}

/// What `recorded` transactions of any user, each once, say of a transaction's merchant before it.
pub fn merchant_before(recorded: &[&Transaction], before: &Transaction) -> [Turnover; 4] {
    [1, 24, 7 * 24, 30 * 24].map(|hours: i64| {
        let age = |t: &Transaction| before.timestamp.millis() - t.timestamp.millis();
        let inside = |t: &&&Transaction| {
            t.merchant == before.merchant && t.id != before.id && (0..hours * 3_600_000).contains(&age(t))
        };
        let units = || recorded.iter().filter(inside).map(|t| t.amount.units() as u64);
        Turnover { count: units().count() as u32, sum: units().sum() }
    })
}
