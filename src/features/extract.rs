//! The value of each feature.
//!
//! Computed in float64 and rounded to float32 at the very end. With amounts in `0..=1e12` no quotient below leaves the
//! range of float32: where they are not zero, a user's mean and deviation are at least 1e-7, a merchant's mean is at
//! least 1e-14.

use crate::domain::history::{LABEL_WINDOWS_MS, MERCHANT_WINDOWS_MS, USER_WINDOWS_MS};
use crate::domain::{History, MerchantHistory, Transaction, UserHistory, WindowSummary};
use crate::features::FeatureSchema;
use crate::features::schema::{Feature, LabelStatistic, MerchantFeature, Statistic, UserFeature};

/// The user's and the merchant's windows as long as the first window of labels; the others follow.
const USER_LABELS_FROM: usize = 2;
const MERCHANT_LABELS_FROM: usize = 1;
const _: () = {
    let mut index = 0;
    while index < LABEL_WINDOWS_MS.len() {
        assert!(USER_WINDOWS_MS[USER_LABELS_FROM + index] == LABEL_WINDOWS_MS[index]);
        assert!(MERCHANT_WINDOWS_MS[MERCHANT_LABELS_FROM + index] == LABEL_WINDOWS_MS[index]);
        index += 1;
    }
};

impl FeatureSchema {
    /// Appends the transaction's row to `row`: exactly [`len`](Self::len) values, each finite or NaN. Every `user_…`
    /// value is NaN unless the user's history was read, every `merchant_…` value unless the merchant's was.
    pub fn extract(&self, transaction: &Transaction, history: &History, row: &mut Vec<f32>) {
        let local = transaction.timestamp.in_zone(self.zone());
        let amount = transaction.amount.to_f64();
        let value = |feature| match feature {
            Feature::Amount => Some(amount),
            Feature::LogAmount => Some(amount.ln_1p()),
            Feature::Hour => Some(f64::from(local.hour())),
            Feature::DayOfWeek => Some(f64::from(local.weekday().to_monday_zero_offset())),
            Feature::Night => Some(f64::from(u8::from(local.hour() >= 22 || local.hour() < 6))),
            Feature::Weekend => Some(f64::from(u8::from(local.weekday().to_monday_zero_offset() >= 5))),
            Feature::Category => {
                transaction.merchant_category.as_deref().map(|category| f64::from(self.category_code(category)))
            }
            Feature::User(feature) => history.user().and_then(|user| user_value(feature, transaction, user)),
            Feature::Merchant(feature) => {
                history.merchant().and_then(|merchant| merchant_value(feature, amount, merchant))
            }
        };
        row.extend(self.features().map(|feature| value(feature).map_or(f32::NAN, |value| value as f32)));
    }
}

/// The value of a feature that a user's history decides; `None` where it says nothing.
fn user_value(feature: UserFeature, transaction: &Transaction, user: &UserHistory) -> Option<f64> {
    let amount = transaction.amount.to_f64();
    match feature {
        UserFeature::Window(index, statistic) => window_value(statistic, amount, &user.windows[index]),
        UserFeature::CategoryWindow(statistic) => {
            transaction.merchant_category.as_ref()?;
            window_value(statistic, amount, &user.category_window)
        }
        UserFeature::SecondsSinceLast => {
            let last_at = user.last_at?;
            Some(seconds_between(last_at.millis(), transaction.timestamp.millis()))
        }
        UserFeature::FirstTimeAtMerchant => Some(f64::from(u8::from(!user.merchant_seen))),
        UserFeature::DistanceKm => Some(user.last_place?.place.distance_km(transaction.place()?)),
        UserFeature::SpeedKmh => {
            let last = user.last_place?;
            let elapsed = seconds_between(last.at.millis(), transaction.timestamp.millis());
            // Two transactions of the same second are measured as if one second lay between them.
            Some(last.place.distance_km(transaction.place()?) / (elapsed.max(1.0) / 3600.0))
        }
        UserFeature::Labels(index, statistic) => {
            label_value(statistic, user.frauds[index], user.windows[USER_LABELS_FROM + index].count)
        }
    }
}

/// The value of a feature that a merchant's history decides; `None` where it says nothing.
fn merchant_value(feature: MerchantFeature, amount: f64, merchant: &MerchantHistory) -> Option<f64> {
    match feature {
        MerchantFeature::Count(index) => Some(f64::from(merchant.windows[index].count)),
        MerchantFeature::Mean(index) => merchant.windows[index].mean(),
        MerchantFeature::Ratio(index) => {
            merchant.windows[index].mean().filter(|&mean| mean > 0.0).map(|mean| amount / mean)
        }
        MerchantFeature::Labels(index, statistic) => {
            label_value(statistic, merchant.frauds[index], merchant.windows[MERCHANT_LABELS_FROM + index].count)
        }
    }
}

/// Frauds may have become known in a window that holds fewer transactions: the share stops at 1. Without transactions
/// there is none.
fn label_value(statistic: LabelStatistic, frauds: u32, transactions: u32) -> Option<f64> {
    match statistic {
        LabelStatistic::Frauds => Some(f64::from(frauds)),
        LabelStatistic::FraudShare => {
            (transactions > 0).then(|| (f64::from(frauds) / f64::from(transactions)).min(1.0))
        }
    }
}

fn window_value(statistic: Statistic, amount: f64, window: &WindowSummary) -> Option<f64> {
    match statistic {
        Statistic::Count => Some(f64::from(window.count)),
        Statistic::Sum => Some(window.total()),
        Statistic::Mean => window.mean(),
        Statistic::Ratio => window.mean().filter(|&mean| mean > 0.0).map(|mean| amount / mean),
        Statistic::ZScore => {
            let deviation = window.deviation().filter(|&deviation| deviation > 0.0)?;
            Some((amount - window.mean()?) / deviation)
        }
    }
}

fn seconds_between(earlier_ms: i64, later_ms: i64) -> f64 {
    (later_ms - earlier_ms) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::{crowded, history_before, merchant_before, plain, transaction};
    use crate::domain::{LastPlace, Place, Timestamp, Turnover};
    use crate::features::all_names;

    const CATEGORIES: [&str; 2] = ["category 2", "category 0"];

    fn schema(zone: TimeZone) -> FeatureSchema {
        let names: Vec<_> = all_names().collect();
        FeatureSchema::new(&names, CATEGORIES.map(String::from).to_vec(), zone).unwrap()
    }

    fn row(schema: &FeatureSchema, transaction: &Transaction, history: &History) -> Vec<f32> {
        let mut row = Vec::new();
        schema.extract(transaction, history, &mut row);
        row
    }

    /// One feature in plain float64 from the transactions before, newest first, by what its name says; `frauds` are the
    /// instants at which frauds became known, of the user and of the merchant.
    fn by_definition(name: &str, scored: &Transaction, before: &[&Transaction], frauds: &[i64]) -> f64 {
        let at = scored.timestamp.millis();
        let amount = scored.amount.to_f64();
        let seconds = |earlier: &Transaction| (at - earlier.timestamp.millis()) as f64 / 1000.0;
        let last_with_place = before.iter().find(|t| t.place().is_some());
        let distance = || Some(last_with_place?.place()?.distance_km(scored.place()?));
        let window = |statistic: &str, days: f64, category: bool| {
            let inside = |t: &&&Transaction| {
                seconds(t) < days * 86_400.0 && (!category || t.merchant_category == scored.merchant_category)
            };
            let amounts: Vec<f64> = before.iter().filter(inside).map(|t| t.amount.to_f64()).collect();
            let (count, sum) = (amounts.len() as f64, amounts.iter().sum::<f64>());
            let mean = sum / count;
            let deviation = (amounts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
            match statistic {
                _ if category && scored.merchant_category.is_none() => f64::NAN,
                "count" => count,
                "sum" => sum,
                "mean" => mean,
                "ratio" if mean > 0.0 => amount / mean,
                "zscore" if count >= 2.0 && amounts.iter().any(|&x| x != amounts[0]) => (amount - mean) / deviation,
                _ => f64::NAN,
            }
        };
        let at_merchant = |statistic: &str, days: f64| {
            let inside = |t: &&&Transaction| seconds(t) < days * 86_400.0 && t.merchant == scored.merchant;
            let amounts: Vec<f64> = before.iter().filter(inside).map(|t| t.amount.to_f64()).collect();
            let mean = amounts.iter().sum::<f64>() / amounts.len() as f64;
            match statistic {
                "count" => amounts.len() as f64,
                "mean" => mean,
                "ratio" if mean > 0.0 => amount / mean,
                _ => f64::NAN,
            }
        };
        let known = |days: i64| frauds.iter().filter(|&&f| f <= at && f > at - days * 86_400_000).count() as f64;
        let share = |days: i64, count: f64| if count > 0.0 { (known(days) / count).min(1.0) } else { f64::NAN };
        let days = |text: &str| text.trim_end_matches('d').parse::<i64>().unwrap();
        let hour = at / 3_600_000 % 24;
        let day_of_week = (at / 86_400_000 + 3) % 7;
        match name.split('_').collect::<Vec<_>>()[..] {
            ["amount"] => amount,
            ["log", "amount"] => (1.0 + amount).ln(),
            ["hour"] => hour as f64,
            ["day", "of", "week"] => day_of_week as f64,
            ["night"] => f64::from([22, 23, 0, 1, 2, 3, 4, 5].contains(&hour)),
            ["weekend"] => f64::from([5, 6].contains(&day_of_week)),
            ["category"] => match scored.merchant_category.as_deref() {
                None => f64::NAN,
                Some("category 2") => 0.0,
                Some("category 0") => 1.0,
                Some(_) => 2.0,
            },
            ["user", "seconds", "since", "last"] => before.first().map_or(f64::NAN, |last| seconds(last)),
            ["user", "first", "time", "at", "merchant"] => {
                f64::from(before.iter().all(|t| t.merchant != scored.merchant))
            }
            ["user", "distance", "km"] => distance().unwrap_or(f64::NAN),
            ["user", "speed", "kmh"] => last_with_place
                .zip(distance())
                .map_or(f64::NAN, |(last, distance)| distance / seconds(last).max(1.0) * 3600.0),
            ["user" | "merchant", "frauds", length] => known(days(length)),
            ["user", "fraud", "share", length] => share(days(length), window("count", days(length) as f64, false)),
            ["merchant", "fraud", "share", length] => share(days(length), at_merchant("count", days(length) as f64)),
            ["merchant", statistic, "1h"] => at_merchant(statistic, 1.0 / 24.0),
            ["merchant", statistic, "24h"] => at_merchant(statistic, 1.0),
            ["merchant", statistic, length] => at_merchant(statistic, days(length) as f64),
            ["user", "category", statistic, "30d"] => window(statistic, 30.0, true),
            ["user", statistic, "10m"] => window(statistic, 1.0 / 144.0, false),
            ["user", statistic, "1h"] => window(statistic, 1.0 / 24.0, false),
            ["user", statistic, "24h"] => window(statistic, 1.0, false),
            ["user", statistic, "7d"] => window(statistic, 7.0, false),
            ["user", statistic, "30d"] => window(statistic, 30.0, false),
            _ => panic!("no definition of {name}"),
        }
    }

    proptest! {
        /// Every value is what its name says, within float32.
        #[test]
        fn agrees_with_the_definitions(
            mut stream in prop::collection::vec(crowded(60, 80, 9 * 60_000), 0..40),
            scored in crowded(1000, 80, 9 * 60_000),
            month in 0..2_i64,
            frauds in prop::collection::vec(-40 * 24..24_i64, 0..6),
        ) {
            let at = Timestamp::from_millis(scored.timestamp.millis() + month * 20 * 86_400_000).unwrap();
            let scored = Transaction { timestamp: at, ..scored };
            stream.sort_by_key(|t| std::cmp::Reverse(t.timestamp));
            let before: Vec<_> = stream.iter().filter(|t| t.timestamp <= at && t.id != scored.id).collect();
            let schema = schema(TimeZone::UTC);
            let frauds: Vec<i64> = frauds.into_iter().map(|hours| at.millis() + hours * 3_600_000).collect();
            let known = [1, 7, 30].map(|days| {
                frauds.iter().filter(|&&f| (0..days * 86_400_000).contains(&(at.millis() - f))).count() as u32
            });
            let user = UserHistory { frauds: known, ..history_before(&before, &scored, Transaction::place) };
            let merchant = MerchantHistory { frauds: known, windows: merchant_before(&before, &scored) };
            let row = row(&schema, &scored, &History::known(Some(user), merchant));
            for (name, value) in schema.names().zip(row) {
                let (value, expected) = (f64::from(value), by_definition(name, &scored, &before, &frauds));
                prop_assert!(
                    (value - expected).abs() <= expected.abs() * 1e-5 || (value.is_nan() && expected.is_nan()),
                    "{name}: {value} is not {expected}"
                );
            }
        }

        /// Any valid transaction, with any history or none, gives a row of the schema's length without infinities;
        /// what belongs to the user is NaN exactly when the history was not read.
        #[test]
        fn any_valid_transaction_gives_a_finite_row(
            scored in transaction(),
            stream in prop::collection::vec(transaction(), 0..5),
            later in 0..1000_i64,
        ) {
            let schema = schema(TimeZone::get("America/New_York").unwrap());
            let at = Timestamp::from_millis(scored.timestamp.millis().max(later) - later).unwrap();
            let stream: Vec<_> = stream.into_iter().map(|t| Transaction { timestamp: at, ..t }).collect();
            let before: Vec<_> = stream.iter().collect();
            let user = history_before(&before, &scored, Transaction::place);
            let merchant = MerchantHistory { windows: merchant_before(&before, &scored), frauds: [0, 1, 2] };
            let known = [None, Some(user)].map(|user| History::known(user, merchant));
            for history in [History::NO_USER, History::UNAVAILABLE].into_iter().chain(known) {
                let row = row(&schema, &scored, &history);
                prop_assert_eq!(row.len(), schema.len());
                for (name, value) in schema.names().zip(row) {
                    prop_assert!(!value.is_infinite(), "{name}: {value}");
                    if name.starts_with("user_") && history.user().is_none() {
                        prop_assert!(value.is_nan(), "{name}: {value}");
                    }
                    if name.starts_with("merchant_") && history.merchant().is_none() {
                        prop_assert!(value.is_nan(), "{name}: {value}");
                    }
                    if ["merchant_count_1h", "merchant_frauds_30d"].contains(&name) {
                        prop_assert_eq!(value.is_nan(), history.merchant().is_none());
                    }
                    if ["user_count_30d", "user_first_time_at_merchant"].contains(&name) {
                        prop_assert_eq!(value.is_nan(), history.user().is_none());
                    }
                }
            }
        }
    }

    #[test]
    fn the_clock_on_the_wall_is_that_of_the_zone() {
        let value = |zone: &str, at: &str, name: &str| {
            let schema = FeatureSchema::new(&[name], vec![], TimeZone::get(zone).unwrap()).unwrap();
            let at: jiff::Timestamp = at.parse().unwrap();
            row(&schema, &plain(0, at.as_millisecond()), &History::NO_USER)[0]
        };
        for (zone, at, hour, day_of_week, night, weekend) in [
            ("UTC", "2026-04-24T21:59:59Z", 21.0, 4.0, 0.0, 0.0),
            ("UTC", "2026-04-24T22:00:00Z", 22.0, 4.0, 1.0, 0.0),
            ("UTC", "2026-04-25T05:59:59Z", 5.0, 5.0, 1.0, 1.0),
            ("UTC", "2026-04-25T06:00:00Z", 6.0, 5.0, 0.0, 1.0),
            ("Europe/Berlin", "2026-04-24T22:00:00Z", 0.0, 5.0, 1.0, 1.0),
            ("Europe/Berlin", "2026-01-25T22:59:59Z", 23.0, 6.0, 1.0, 1.0),
            ("America/New_York", "2026-04-27T03:00:00Z", 23.0, 6.0, 1.0, 1.0),
        ] {
            let row = ["hour", "day_of_week", "night", "weekend"].map(|name| value(zone, at, name));
            assert_eq!(row, [hour, day_of_week, night, weekend], "{at} in {zone}");
        }
    }

    #[test]
    fn the_largest_amounts_after_the_smallest_stay_finite() {
        let mut user = UserHistory::default();
        user.windows.iter_mut().for_each(|window| {
            window.add(1);
            (1..1000).for_each(|_| window.add(0));
        });
        let at = Timestamp::from_millis(0).unwrap();
        user.last_place = Place::new(-90.0, 0.0).map(|place| LastPlace { place, at });
        let scored = Transaction {
            amount: crate::domain::Amount::from_units(10_000_000_000_000_000).unwrap(),
            location: "90,180".into(),
            ..plain(0, 0)
        };
        let smallest = Turnover { count: u32::MAX, sum: 1 };
        let merchant = MerchantHistory { windows: [smallest; 4], ..MerchantHistory::default() };
        let schema = schema(TimeZone::UTC);
        let row = row(&schema, &scored, &History::known(Some(user), merchant));
        let value = |name| row[schema.position(name).unwrap()];
        assert!(value("user_ratio_30d") > 1e18 && value("user_ratio_30d").is_finite());
        assert!(value("merchant_ratio_1h") > 1e25 && value("merchant_ratio_1h").is_finite());
        assert!(value("user_zscore_30d") > 1e16 && value("user_zscore_30d").is_finite());
        assert!(value("user_speed_kmh") > 7e7 && value("user_speed_kmh").is_finite());
    }
}
