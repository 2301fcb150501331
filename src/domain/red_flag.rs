//! The stable codes that say why a transaction looks risky.

use serde::{Deserialize, Serialize};

/// Why a transaction looks risky. Codes are a contract: they may be added, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedFlag {
    /// The amount is far above this user's own mean.
    AmountFarAboveUsual,
    /// The amount is far above what this user spends in this merchant category.
    AmountUnusualForCategory,
    /// The amount is large whoever the user is.
    LargeAmount,
    /// The amount is tiny, as in the testing of stolen cards.
    TestingAmount,
    /// Several transactions within minutes, or seconds since the last.
    RapidSuccession,
    /// Unusually many transactions within a day.
    ManyTransactionsToday,
    /// Unusually much money within a day.
    HighSpendingToday,
    /// Unusually much activity over the last week or month.
    HighRecentActivity,
    /// The user has not been at this merchant before.
    NewMerchant,
    /// No flight is fast enough between the last place and this one.
    ImpossibleTravel,
    /// Far from where the user last was.
    FarFromLastPlace,
    /// The user was inactive for long before this transaction.
    DormantUser,
    /// Little or nothing is known of this user.
    LittleHistory,
    /// An hour of the day at which fraud is likelier.
    UnusualHour,
    /// A day of the week at which fraud is likelier.
    UnusualDay,
    /// A merchant category in which fraud is likelier.
    RiskyCategory,
    /// Frauds at this merchant have become known of late.
    RiskyMerchant,
    /// The merchant has unusually many transactions.
    MerchantSurge,
    /// The amount is far above what is usual at this merchant.
    UnusualForMerchant,
    /// Frauds of this user have become known of late.
    PastFraud,
    /// No single reason: the combination of values is unusual.
    UnusualCombination,
}

impl RedFlag {
    /// Every code.
    pub const ALL: [Self; 21] = [
        Self::AmountFarAboveUsual,
        Self::AmountUnusualForCategory,
        Self::LargeAmount,
        Self::TestingAmount,
        Self::RapidSuccession,
        Self::ManyTransactionsToday,
        Self::HighSpendingToday,
        Self::HighRecentActivity,
        Self::NewMerchant,
        Self::ImpossibleTravel,
        Self::FarFromLastPlace,
        Self::DormantUser,
        Self::LittleHistory,
        Self::UnusualHour,
        Self::UnusualDay,
        Self::RiskyCategory,
        Self::RiskyMerchant,
        Self::MerchantSurge,
        Self::UnusualForMerchant,
        Self::PastFraud,
        Self::UnusualCombination,
    ];

    /// The code as it stands in JSON, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AmountFarAboveUsual => "AMOUNT_FAR_ABOVE_USUAL",
            Self::AmountUnusualForCategory => "AMOUNT_UNUSUAL_FOR_CATEGORY",
            Self::LargeAmount => "LARGE_AMOUNT",
            Self::TestingAmount => "TESTING_AMOUNT",
            Self::RapidSuccession => "RAPID_SUCCESSION",
            Self::ManyTransactionsToday => "MANY_TRANSACTIONS_TODAY",
            Self::HighSpendingToday => "HIGH_SPENDING_TODAY",
            Self::HighRecentActivity => "HIGH_RECENT_ACTIVITY",
            Self::NewMerchant => "NEW_MERCHANT",
            Self::ImpossibleTravel => "IMPOSSIBLE_TRAVEL",
            Self::FarFromLastPlace => "FAR_FROM_LAST_PLACE",
            Self::DormantUser => "DORMANT_USER",
            Self::LittleHistory => "LITTLE_HISTORY",
            Self::UnusualHour => "UNUSUAL_HOUR",
            Self::UnusualDay => "UNUSUAL_DAY",
            Self::RiskyCategory => "RISKY_CATEGORY",
            Self::RiskyMerchant => "RISKY_MERCHANT",
            Self::MerchantSurge => "MERCHANT_SURGE",
            Self::UnusualForMerchant => "UNUSUAL_FOR_MERCHANT",
            Self::PastFraud => "PAST_FRAUD",
            Self::UnusualCombination => "UNUSUAL_COMBINATION",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_as_str_agree_on_distinct_codes() {
        let mut codes: Vec<&str> = RedFlag::ALL.iter().map(|flag| flag.as_str()).collect();
        for flag in RedFlag::ALL {
            assert_eq!(serde_json::to_value(flag).unwrap(), flag.as_str());
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), RedFlag::ALL.len());
    }
}
