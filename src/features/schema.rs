//! The registry of features, and the selection of them that one model takes, in its order.
//!
//! Names are a contract with every model ever trained: they may be added, never renamed, and never change meaning.

use std::collections::HashMap;

use jiff::tz::TimeZone;

/// A number made of one window of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statistic {
    Count,
    Sum,
    Mean,
    /// The amount over the mean.
    Ratio,
    /// The amount less the mean, over the population standard deviation.
    ZScore,
}

/// What a feature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Amount,
    LogAmount,
    Hour,
    DayOfWeek,
    Night,
    Weekend,
    Category,
    User(UserFeature),
    Merchant(MerchantFeature),
}

/// What a feature of the user's history is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserFeature {
    /// Over the user window of this index.
    Window(usize, Statistic),
    /// Over the longest window, in the transaction's own category.
    CategoryWindow(Statistic),
    SecondsSinceLast,
    FirstTimeAtMerchant,
    DistanceKm,
    SpeedKmh,
    /// Over the window of labels of this index.
    Labels(usize, LabelStatistic),
}

/// What a feature of the merchant's history is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MerchantFeature {
    /// Over the merchant window of this index; a count, a mean or a ratio.
    Count(usize),
    Mean(usize),
    Ratio(usize),
    /// Over the window of labels of this index.
    Labels(usize, LabelStatistic),
}

/// A number made of one window of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelStatistic {
    /// How many frauds became known.
    Frauds,
    /// The same as a share of the transactions recorded in the window, at most 1.
    FraudShare,
}

use Feature::{Merchant, User};
use LabelStatistic::{FraudShare, Frauds};
use Statistic::{Count, Mean, Ratio, Sum, ZScore};
use UserFeature::{CategoryWindow, Window};

/// Every feature, in the order of training files.
const REGISTRY: [(&str, Feature); 65] = [
    ("amount", Feature::Amount),
    ("log_amount", Feature::LogAmount),
    ("hour", Feature::Hour),
    ("day_of_week", Feature::DayOfWeek),
    ("night", Feature::Night),
    ("weekend", Feature::Weekend),
    ("category", Feature::Category),
    ("user_count_10m", User(Window(0, Count))),
    ("user_sum_10m", User(Window(0, Sum))),
    ("user_mean_10m", User(Window(0, Mean))),
    ("user_ratio_10m", User(Window(0, Ratio))),
    ("user_zscore_10m", User(Window(0, ZScore))),
    ("user_count_1h", User(Window(1, Count))),
    ("user_sum_1h", User(Window(1, Sum))),
    ("user_mean_1h", User(Window(1, Mean))),
    ("user_ratio_1h", User(Window(1, Ratio))),
    ("user_zscore_1h", User(Window(1, ZScore))),
    ("user_count_24h", User(Window(2, Count))),
    ("user_sum_24h", User(Window(2, Sum))),
    ("user_mean_24h", User(Window(2, Mean))),
    ("user_ratio_24h", User(Window(2, Ratio))),
    ("user_zscore_24h", User(Window(2, ZScore))),
    ("user_count_7d", User(Window(3, Count))),
    ("user_sum_7d", User(Window(3, Sum))),
    ("user_mean_7d", User(Window(3, Mean))),
    ("user_ratio_7d", User(Window(3, Ratio))),
    ("user_zscore_7d", User(Window(3, ZScore))),
    ("user_count_30d", User(Window(4, Count))),
    ("user_sum_30d", User(Window(4, Sum))),
    ("user_mean_30d", User(Window(4, Mean))),
    ("user_ratio_30d", User(Window(4, Ratio))),
    ("user_zscore_30d", User(Window(4, ZScore))),
    ("user_category_count_30d", User(CategoryWindow(Count))),
    ("user_category_sum_30d", User(CategoryWindow(Sum))),
    ("user_category_mean_30d", User(CategoryWindow(Mean))),
    ("user_category_ratio_30d", User(CategoryWindow(Ratio))),
    ("user_category_zscore_30d", User(CategoryWindow(ZScore))),
    ("user_seconds_since_last", User(UserFeature::SecondsSinceLast)),
    ("user_first_time_at_merchant", User(UserFeature::FirstTimeAtMerchant)),
    ("user_distance_km", User(UserFeature::DistanceKm)),
    ("user_speed_kmh", User(UserFeature::SpeedKmh)),
    ("user_frauds_1d", User(UserFeature::Labels(0, Frauds))),
    ("user_fraud_share_1d", User(UserFeature::Labels(0, FraudShare))),
    ("user_frauds_7d", User(UserFeature::Labels(1, Frauds))),
    ("user_fraud_share_7d", User(UserFeature::Labels(1, FraudShare))),
    ("user_frauds_30d", User(UserFeature::Labels(2, Frauds))),
    ("user_fraud_share_30d", User(UserFeature::Labels(2, FraudShare))),
    ("merchant_count_1h", Merchant(MerchantFeature::Count(0))),
    ("merchant_mean_1h", Merchant(MerchantFeature::Mean(0))),
    ("merchant_ratio_1h", Merchant(MerchantFeature::Ratio(0))),
    ("merchant_count_24h", Merchant(MerchantFeature::Count(1))),
    ("merchant_mean_24h", Merchant(MerchantFeature::Mean(1))),
    ("merchant_ratio_24h", Merchant(MerchantFeature::Ratio(1))),
    ("merchant_count_7d", Merchant(MerchantFeature::Count(2))),
    ("merchant_mean_7d", Merchant(MerchantFeature::Mean(2))),
    ("merchant_ratio_7d", Merchant(MerchantFeature::Ratio(2))),
    ("merchant_count_30d", Merchant(MerchantFeature::Count(3))),
    ("merchant_mean_30d", Merchant(MerchantFeature::Mean(3))),
    ("merchant_ratio_30d", Merchant(MerchantFeature::Ratio(3))),
    ("merchant_frauds_1d", Merchant(MerchantFeature::Labels(0, Frauds))),
    ("merchant_fraud_share_1d", Merchant(MerchantFeature::Labels(0, FraudShare))),
    ("merchant_frauds_7d", Merchant(MerchantFeature::Labels(1, Frauds))),
    ("merchant_fraud_share_7d", Merchant(MerchantFeature::Labels(1, FraudShare))),
    ("merchant_frauds_30d", Merchant(MerchantFeature::Labels(2, Frauds))),
    ("merchant_fraud_share_30d", Merchant(MerchantFeature::Labels(2, FraudShare))),
];

/// The names of all features, in the order of training files.
pub fn all_names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
}

/// Why a selection of features was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// This build has no such feature.
    #[error("unknown feature {0:?}: this build cannot compute it; use names that `featurize` writes to schema.json")]
    UnknownFeature(String),
    /// One column would be given twice.
    #[error("feature {0:?} is named twice")]
    DuplicateFeature(String),
    /// One category would have two codes.
    #[error("category {0:?} is listed twice")]
    DuplicateCategory(String),
}

/// The features one model takes, in its order, with what their values depend on: the codes of the categories and the
/// zone in which hours and days are counted.
#[derive(Debug, Clone)]
pub struct FeatureSchema {
    /// Indices into the registry.
    columns: Vec<usize>,
    categories: HashMap<Box<str>, u32>,
    zone: TimeZone,
}

impl FeatureSchema {
    /// The features of these names, in this order. A category's code is its index in `categories`; all other
    /// categories share the code after the last.
    ///
    /// # Errors
    /// [`SchemaError`] for an unknown name, or a name or category given twice.
    pub fn new<S: AsRef<str>>(names: &[S], categories: Vec<String>, zone: TimeZone) -> Result<Self, SchemaError> {
        let mut columns = Vec::with_capacity(names.len());
        for name in names.iter().map(S::as_ref) {
            let index = REGISTRY.iter().position(|(known, _)| *known == name);
            let index = index.ok_or_else(|| SchemaError::UnknownFeature(name.into()))?;
            if columns.contains(&index) {
                return Err(SchemaError::DuplicateFeature(name.into()));
            }
            columns.push(index);
        }
        let mut codes = HashMap::with_capacity(categories.len());
        for (code, category) in (0..).zip(categories) {
            if codes.insert(category.as_str().into(), code).is_some() {
                return Err(SchemaError::DuplicateCategory(category));
            }
        }
        Ok(Self { columns, categories: codes, zone })
    }

    /// How many values a row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether no feature was selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The names of a row's values, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|&column| REGISTRY[column].0)
    }

    /// Where in a row the feature of this name is.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|own| own == name)
    }

    pub(crate) fn features(&self) -> impl Iterator<Item = Feature> {
        self.columns.iter().map(|&column| REGISTRY[column].1)
    }

    /// The code of a category: its index in the list, or the one after the last.
    pub(crate) fn category_code(&self, category: &str) -> u32 {
        self.categories.get(category).copied().unwrap_or(self.categories.len() as u32)
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_keeps_the_order_it_was_given() {
        let schema = FeatureSchema::new(&["user_sum_1h", "amount"], vec![], TimeZone::UTC).unwrap();
        assert_eq!(schema.names().collect::<Vec<_>>(), ["user_sum_1h", "amount"]);
        assert_eq!((schema.len(), schema.position("amount"), schema.position("hour")), (2, Some(1), None));
    }

    #[test]
    fn faulty_selections_are_refused() {
        let new = |names: &[&str], categories: &[&str]| {
            FeatureSchema::new(names, categories.iter().map(ToString::to_string).collect(), TimeZone::UTC).err()
        };
        assert_eq!(new(&["amount", "velocity"], &[]), Some(SchemaError::UnknownFeature("velocity".into())));
        assert_eq!(new(&["hour", "amount", "hour"], &[]), Some(SchemaError::DuplicateFeature("hour".into())));
        assert_eq!(new(&["category"], &["a", "b", "a"]), Some(SchemaError::DuplicateCategory("a".into())));
        assert_eq!(new(&[], &[]), None);
    }

    #[test]
    fn names_in_the_registry_are_unique() {
        let all: Vec<_> = all_names().collect();
        assert_eq!(FeatureSchema::new(&all, vec![], TimeZone::UTC).map(|schema| schema.len()), Ok(REGISTRY.len()));
    }
}
