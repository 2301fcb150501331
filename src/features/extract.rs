//! The value of each feature.
//!
//! Computed in float64 and rounded to float32 at the very end. With amounts in `0..=1e12` no quotient below leaves the
//! range of float32: a mean is at least 1e-7 and a deviation 1e-7 where they are not zero.

use crate::domain::{History, Transaction, UserHistory, WindowSummary};
use crate::features::FeatureSchema;
use crate::features::schema::{Feature, Statistic, UserFeature};

impl FeatureSchema {
    /// Appends the transaction's row to `row`: exactly [`len`](Self::len) values, each finite or NaN. Every `user_…`
    /// value is NaN unless the user's history was read.
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
