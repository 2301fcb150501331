//! Merchant categories: how often people pay in each, how much, when, and whether online.
//!
//! A table and nothing else. Amounts are in euros; hours are UTC, the one clock of the simulated world.

/// The shape of a day: for each hour how likely it is, as a weight.
pub type Hours = [u8; 24];

const SHOPPING: Hours = [0, 0, 0, 0, 0, 0, 1, 3, 6, 8, 10, 11, 10, 9, 9, 10, 11, 12, 11, 8, 4, 2, 1, 0];
const MEALS: Hours = [2, 1, 1, 0, 0, 0, 1, 2, 3, 2, 3, 6, 11, 10, 5, 3, 3, 5, 9, 11, 10, 7, 5, 3];
const MOVING: Hours = [1, 0, 0, 0, 1, 3, 8, 11, 10, 7, 5, 5, 6, 6, 6, 7, 9, 11, 10, 7, 5, 4, 4, 3];
const LEISURE: Hours = [3, 2, 1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 9, 11, 11, 10, 9, 7];
const ONLINE: Hours = [3, 1, 0, 0, 0, 0, 1, 4, 5, 6, 7, 7, 8, 7, 6, 6, 7, 7, 8, 10, 11, 11, 9, 6];

/// How amounts of a category end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Any cent.
    Cents,
    /// `.99` as often as not, as prices do.
    Price,
    /// Whole tens, as cash machines give.
    Tens,
}

/// What is known of a category.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    /// The name sent as `merchant_category`.
    pub name: &'static str,
    /// How often it is paid in, as a weight among all categories.
    pub weight: f64,
    /// The median honest amount, in euros.
    pub median: f64,
    /// The standard deviation of the amount's logarithm.
    pub sigma: f64,
    /// The share of payments made online, `0.0..=1.0`.
    pub online: f64,
    /// When people pay here.
    pub hours: &'static Hours,
    /// How amounts end.
    pub ending: Ending,
}

/// A merchant category.
#[expect(missing_docs, reason = "each says what it is; the table below says the rest")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Grocery,
    Coffee,
    FastFood,
    Restaurant,
    Transport,
    Fuel,
    Pharmacy,
    HealthBeauty,
    Clothing,
    HomeGarden,
    Electronics,
    Luxury,
    Entertainment,
    Travel,
    Marketplace,
    DigitalGoods,
    Charity,
    Utilities,
    MoneyTransfer,
    Cash,
}

impl Category {
    /// Every category, in the order of [`Category::index`].
    pub const ALL: [Self; 20] = [
        Self::Grocery,
        Self::Coffee,
        Self::FastFood,
        Self::Restaurant,
        Self::Transport,
        Self::Fuel,
        Self::Pharmacy,
        Self::HealthBeauty,
        Self::Clothing,
        Self::HomeGarden,
        Self::Electronics,
        Self::Luxury,
        Self::Entertainment,
        Self::Travel,
        Self::Marketplace,
        Self::DigitalGoods,
        Self::Charity,
        Self::Utilities,
        Self::MoneyTransfer,
        Self::Cash,
    ];

    /// The position in [`Category::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// What is known of it.
    #[must_use]
    pub fn traits(self) -> Traits {
        use Ending::{Cents, Price, Tens};
        let (name, weight, median, sigma, online, hours, ending) = match self {
            Self::Grocery => ("grocery", 24.0, 27.0, 0.80, 0.03, &SHOPPING, Cents),
            Self::Coffee => ("coffee", 8.0, 4.6, 0.40, 0.00, &MOVING, Cents),
            Self::FastFood => ("fast_food", 8.0, 10.5, 0.45, 0.15, &MEALS, Cents),
            Self::Restaurant => ("restaurant", 8.0, 34.0, 0.65, 0.05, &MEALS, Cents),
            Self::Transport => ("transport", 10.0, 3.4, 0.70, 0.20, &MOVING, Cents),
            Self::Fuel => ("fuel", 5.0, 52.0, 0.40, 0.00, &MOVING, Cents),
            Self::Pharmacy => ("pharmacy", 3.5, 15.0, 0.75, 0.10, &SHOPPING, Cents),
            Self::HealthBeauty => ("health_beauty", 3.0, 29.0, 0.75, 0.20, &SHOPPING, Price),
            Self::Clothing => ("clothing", 4.0, 47.0, 0.75, 0.45, &SHOPPING, Price),
            Self::HomeGarden => ("home_garden", 3.0, 43.0, 0.95, 0.30, &SHOPPING, Price),
            Self::Electronics => ("electronics", 1.6, 79.0, 1.10, 0.55, &SHOPPING, Price),
            Self::Luxury => ("luxury", 0.3, 210.0, 0.90, 0.25, &SHOPPING, Price),
            Self::Entertainment => ("entertainment", 3.5, 24.0, 0.70, 0.35, &LEISURE, Cents),
            Self::Travel => ("travel", 1.0, 160.0, 0.95, 0.75, &ONLINE, Cents),
            Self::Marketplace => ("marketplace", 6.5, 32.0, 0.95, 1.00, &ONLINE, Price),
            Self::DigitalGoods => ("digital_goods", 4.5, 6.2, 0.90, 1.00, &LEISURE, Price),
            Self::Charity => ("charity", 0.5, 12.0, 0.90, 0.80, &ONLINE, Cents),
            Self::Utilities => ("utilities", 1.2, 62.0, 0.55, 1.00, &ONLINE, Cents),
            Self::MoneyTransfer => ("money_transfer", 1.4, 60.0, 1.15, 1.00, &ONLINE, Cents),
            Self::Cash => ("cash", 2.6, 80.0, 0.65, 0.00, &LEISURE, Tens),
        };
        Traits { name, weight, median, sigma, online, hours, ending }
    }

    /// Whether it has shops, or terminals, that a card can be held to.
    #[must_use]
    pub fn has_shops(self) -> bool {
        self.traits().online < 1.0
    }

    /// Whether it can be paid online.
    #[must_use]
    pub fn is_online(self) -> bool {
        self.traits().online > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_indices_are_positions() {
        let mut names: Vec<&str> = Category::ALL.iter().map(|category| category.traits().name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Category::ALL.len());
        assert!(Category::ALL.iter().enumerate().all(|(position, category)| category.index() == position));
    }
}
