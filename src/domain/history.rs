//! What is known of a user and of a merchant before a transaction, as numbers that features are made of.
//!
//! Sums are in ten-thousandths and exact; instants are event time, never the clock.

use crate::domain::amount::UNITS_PER_ONE;
use crate::domain::{Place, Timestamp};

/// The user windows' lengths in milliseconds, shortest first: 10 min, 1 h, 24 h, 7 d, 30 d.
pub const USER_WINDOWS_MS: [i64; 5] = [600_000, 3_600_000, 86_400_000, 604_800_000, 2_592_000_000];

/// The merchant windows' lengths in milliseconds, shortest first: 1 h, 24 h, 7 d, 30 d.
pub const MERCHANT_WINDOWS_MS: [i64; 4] = [3_600_000, 86_400_000, 604_800_000, 2_592_000_000];

/// The lengths of the windows of labels in milliseconds, shortest first: 1 d, 7 d, 30 d.
pub const LABEL_WINDOWS_MS: [i64; 3] = [86_400_000, 604_800_000, 2_592_000_000];

/// A keyed hash of a `user_id`: 128 bits, the only form in which a user is stored or logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub [u8; 16]);

/// A keyed hash of a merchant's name: 128 bits, the only form in which a merchant is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MerchantKey(pub [u8; 16]);

impl std::fmt::Display for UserKey {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The transactions of one window `(t - w, t]`: their count, and the exact sums of their amounts in ten-thousandths
/// and of the squares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowSummary {
    /// How many transactions.
    pub count: u32,
    /// The sum of the amounts, in ten-thousandths.
    pub sum: i128,
    /// The sum of the squared amounts, in ten-thousandths squared.
    pub sum_of_squares: i128,
}

impl WindowSummary {
    /// Counts one more transaction of this amount in ten-thousandths. A million of the largest amount are summed
    /// exactly; beyond that the sums stand still instead of wrapping.
    pub fn add(&mut self, units: i64) {
        let units = i128::from(units);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(units);
        self.sum_of_squares = self.sum_of_squares.saturating_add(units * units);
    }

    /// The sum of the amounts, in the currency's own unit.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.sum as f64 / UNITS_PER_ONE as f64
    }

    /// The mean amount, in the currency's own unit; `None` for an empty window.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total() / f64::from(self.count))
    }

    /// The population standard deviation of the amounts, in the currency's own unit; `None` for less than two
    /// transactions. Zero exactly when all amounts are equal: the variance is taken as the integer
    /// `n * sum_of_squares - sum^2`, which no rounding makes negative or nearly zero.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let count = i128::from(self.count);
        // Both products fit for 1,000 transactions of the largest amount; `None` is for summaries beyond that.
        let spread = count.checked_mul(self.sum_of_squares)?.checked_sub(self.sum.checked_mul(self.sum)?)?;
        Some((spread as f64).sqrt() / f64::from(self.count) / UNITS_PER_ONE as f64)
    }
}

/// Where the user last was before the transaction, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastPlace {
    /// The place of the newest earlier transaction that had one.
    pub place: Place,
    /// When that transaction happened.
    pub at: Timestamp,
}

/// What is known of a user before one transaction, that transaction excluded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UserHistory {
    /// One summary for each of [`USER_WINDOWS_MS`].
    pub windows: [WindowSummary; USER_WINDOWS_MS.len()],
    /// The longest window, only the transactions in this transaction's merchant category.
    pub category_window: WindowSummary,
    /// When the newest earlier transaction happened.
    pub last_at: Option<Timestamp>,
    /// Where the user last was.
    pub last_place: Option<LastPlace>,
    /// Whether the user has been at this merchant before, as far as history reaches.
    pub merchant_seen: bool,
    /// How many of the user's transactions became known as frauds, in each of [`LABEL_WINDOWS_MS`].
    pub frauds: [u32; LABEL_WINDOWS_MS.len()],
}

/// The transactions at a merchant in one window: their count, and the sum of their amounts in ten-thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turnover {
    /// How many transactions.
    pub count: u32,
    /// The sum of the amounts, in ten-thousandths.
    pub sum: u64,
}

impl Turnover {
    /// The mean amount, in the currency's own unit; `None` for an empty window.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / UNITS_PER_ONE as f64 / f64::from(self.count))
    }
}

/// What is known of a merchant before one transaction, that transaction excluded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MerchantHistory {
    /// One sum for each of [`MERCHANT_WINDOWS_MS`].
    pub windows: [Turnover; MERCHANT_WINDOWS_MS.len()],
    /// How many of the merchant's transactions became known as frauds, in each of [`LABEL_WINDOWS_MS`].
    pub frauds: [u32; LABEL_WINDOWS_MS.len()],
}

/// How much history a decision was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryStatus {
    /// The user's history was read (it may be empty).
    Full,
    /// The transaction names no user.
    None,
    /// The store did not answer in time.
    Unavailable,
}

impl HistoryStatus {
    /// The word used in JSON, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::None => "none",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Everything known before one transaction. What is known of the user is present exactly when `status` is
/// [`HistoryStatus::Full`], what is known of the merchant whenever the store answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    status: HistoryStatus,
    user: Option<UserHistory>,
    merchant: Option<MerchantHistory>,
}

impl History {
    /// The store did not answer.
    pub const UNAVAILABLE: Self = Self { status: HistoryStatus::Unavailable, user: None, merchant: None };
    /// The store did not answer, and the transaction names no user.
    pub const NO_USER: Self = Self { status: HistoryStatus::None, user: None, merchant: None };

    /// The store answered; `user` is `None` where the transaction names no user.
    #[must_use]
    pub fn known(user: Option<UserHistory>, merchant: MerchantHistory) -> Self {
        let status = if user.is_some() { HistoryStatus::Full } else { HistoryStatus::None };
        Self { status, user, merchant: Some(merchant) }
    }

    /// How much is known of the user.
    #[must_use]
    pub fn status(&self) -> HistoryStatus {
        self.status
    }

    /// The user's history, where it is known.
    #[must_use]
    pub fn user(&self) -> Option<&UserHistory> {
        self.user.as_ref()
    }

    /// The merchant's history, where it is known.
    #[must_use]
    pub fn merchant(&self) -> Option<&MerchantHistory> {
        self.merchant.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(units: &[i64]) -> WindowSummary {
        let mut summary = WindowSummary::default();
        units.iter().for_each(|&units| summary.add(units));
        summary
    }

    #[test]
    fn means_and_deviations_are_exact_where_floats_would_not_be() {
        const LARGEST: i64 = 10_000_000_000_000_000;
        for (units, mean, deviation) in [
            (vec![], None, None),
            (vec![50_000], Some(5.0), None),
            (vec![0, 0], Some(0.0), Some(0.0)),
            (vec![20_000, 40_000, 40_000, 40_000, 50_000, 50_000, 70_000, 90_000], Some(5.0), Some(2.0)),
            (vec![LARGEST; 1000], Some(1e12), Some(0.0)),
            // One ten-thousandth apart at the upper end: the squares differ in their 33rd digit.
            (vec![LARGEST, LARGEST - 2], Some(1e12), Some(1e-4)),
        ] {
            let summary = summary(&units);
            assert_eq!((summary.mean(), summary.deviation()), (mean, deviation), "{units:?}");
        }
    }

    #[test]
    fn a_summary_too_large_for_its_sums_has_no_deviation_and_does_not_panic() {
        let huge = WindowSummary { count: u32::MAX, sum: i128::MAX, sum_of_squares: i128::MAX };
        assert_eq!(huge.deviation(), None);
    }
}
