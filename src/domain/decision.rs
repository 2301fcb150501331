//! What the service answers: probability, risk score, decision.
//!
//! The risk score's scale does not move between models: 50 is the review threshold, 80 the decline threshold.

use serde::{Deserialize, Serialize};

/// The model's own output, `0.0..=1.0`, higher is riskier.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f32);

impl Probability {
    /// A probability; `None` when it is not a number in `0.0..=1.0`.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number itself.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }
}

/// How risky, `0.0..=100.0`, unrounded: decisions are made on this value, the integer shown is rounded down.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RiskScore(f64);

impl RiskScore {
    /// From here on a transaction is reviewed.
    pub const REVIEW_THRESHOLD: f64 = 50.0;
    /// From here on a transaction is declined.
    pub const DECLINE_THRESHOLD: f64 = 80.0;

    /// A risk score; `None` when it is not a number in `0.0..=100.0`.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=100.0).contains(&value).then_some(Self(value))
    }

    /// The unrounded score.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// The integer shown to callers, rounded down, so that 79.6 is 79 and a review.
    #[must_use]
    pub fn shown(self) -> u8 {
        // `0.0..=100.0` by construction.
        self.0.floor() as u8
    }

    /// The decision this score stands for.
    #[must_use]
    pub fn decision(self) -> Decision {
        if self.0 >= Self::DECLINE_THRESHOLD {
            Decision::Decline
        } else if self.0 >= Self::REVIEW_THRESHOLD {
            Decision::Review
        } else {
            Decision::Approve
        }
    }
}

/// What to do with the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Let it through: the risk score is below 50.
    Approve,
    /// A person should look: 50 up to, not including, 80.
    Review,
    /// Refuse it: 80 and above. `is_fraud` is true exactly here.
    Decline,
}

impl Decision {
    /// Every decision, mildest first.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Review, Self::Decline];

    /// The word used in JSON, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Review => "review",
            Self::Decline => "decline",
        }
    }

    /// Whether the transaction counts as fraud.
    #[must_use]
    pub fn is_fraud(self) -> bool {
        self == Self::Decline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_on_the_unrounded_value_and_shows_it_rounded_down() {
        for (value, shown, decision) in [
            (0.0, 0, Decision::Approve),
            (49.999, 49, Decision::Approve),
            (50.0, 50, Decision::Review),
            (79.6, 79, Decision::Review),
            (80.0, 80, Decision::Decline),
            (100.0, 100, Decision::Decline),
        ] {
            let score = RiskScore::new(value).unwrap();
            assert_eq!((score.shown(), score.decision()), (shown, decision));
        }
        for value in [f64::NAN, -0.1, 100.1] {
            assert_eq!(RiskScore::new(value), None);
        }
        assert_eq!(Probability::new(f32::NAN), None);
    }
}
