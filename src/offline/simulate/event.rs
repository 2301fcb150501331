//! One simulated payment, before it is given a row, and the kinds of fraud it can be part of.

use crate::offline::simulate::category::{Category, Ending};
use crate::offline::simulate::draw::Draw;

/// Milliseconds in a second, a minute, an hour and a day.
pub const SECOND_MS: f64 = 1000.0;
/// See [`SECOND_MS`].
pub const MINUTE_MS: f64 = 60.0 * SECOND_MS;
/// See [`SECOND_MS`].
pub const HOUR_MS: f64 = 60.0 * MINUTE_MS;
/// See [`SECOND_MS`].
pub const DAY_MS: i64 = 86_400_000;

/// A payment with one card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// The merchant's number in the world.
    pub merchant: u32,
    /// The amount in cents.
    pub cents: i64,
    /// What kind of fraud it is part of; `None` for an honest payment.
    pub fraud: Option<FraudKind>,
}

/// A kind of fraud; the folder's own documentation names the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FraudKind {
    /// Many tiny payments online to learn whether the card works, sometimes followed by a purchase.
    CardTesting,
    /// A lost or stolen card, spent near where it was taken until the holder notices.
    StolenCard,
    /// A few payments far above habit by somebody who has the holder's login.
    AccountTakeover,
    /// A copy of the card is used far away while the holder is at home.
    ImpossibleTravel,
    /// The card's number leaked at a merchant and is used weeks later, with others from the same leak.
    CompromisedMerchant,
    /// Weeks of payments just under what the holder usually spends.
    SlowDrain,
}

impl FraudKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::CardTesting,
        Self::StolenCard,
        Self::AccountTakeover,
        Self::ImpossibleTravel,
        Self::CompromisedMerchant,
        Self::SlowDrain,
    ];

    /// The word in the column `fraud_kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardTesting => "card_testing",
            Self::StolenCard => "stolen_card",
            Self::AccountTakeover => "account_takeover",
            Self::ImpossibleTravel => "impossible_travel",
            Self::CompromisedMerchant => "compromised_merchant",
            Self::SlowDrain => "slow_drain",
        }
    }
}

/// An amount in cents as this category charges it: at least 50 cents, at most 20,000 euros.
pub fn charged(euros: f64, category: Category, draw: &mut Draw) -> i64 {
    let euros = euros.clamp(0.5, 20_000.0);
    let cents = match category.traits().ending {
        Ending::Tens => (euros / 10.0).round().max(1.0) * 1000.0,
        Ending::Price if draw.chance(0.5) => euros.ceil() * 100.0 - 1.0,
        Ending::Price | Ending::Cents => (euros * 100.0).round(),
    };
    cents as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_end_as_the_category_charges() {
        let mut draw = Draw::new(1, 1);
        assert_eq!(charged(0.001, Category::Grocery, &mut draw), 50);
        assert_eq!(charged(12.344, Category::Grocery, &mut draw), 1234);
        assert_eq!(charged(1e9, Category::Grocery, &mut draw), 2_000_000);
        for (euros, cents) in [(1.0, 1000), (74.0, 7000), (76.0, 8000)] {
            assert_eq!(charged(euros, Category::Cash, &mut draw), cents);
        }
        let prices: Vec<i64> = (0..50).map(|_| charged(30.2, Category::Clothing, &mut draw)).collect();
        assert!(prices.contains(&3020) && prices.contains(&3099));
    }
}
