//! From the model's probability to the risk score: monotone and piecewise linear.
//!
//! Invariant: the first point is (0, 0), the last (1, 100), both coordinates rise strictly, so every probability has
//! exactly one risk score and a riskier probability never gets a lower one.

use serde::{Deserialize, Serialize};

use crate::domain::{Probability, RiskScore};

/// One point of a calibration map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationPoint {
    /// The model's probability, `0.0..=1.0`.
    pub probability: f64,
    /// The risk score it stands for, `0.0..=100.0`.
    pub risk_score: f64,
    /// The share of genuine transactions of the validation span that score at least this high, `0.0..=1.0`.
    pub false_positive_rate: f64,
}

/// A checked calibration map.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationMap(Vec<CalibrationPoint>);

impl CalibrationMap {
    /// Checks the invariant.
    ///
    /// # Errors
    /// A sentence that says which point breaks which rule.
    pub fn new(points: Vec<CalibrationPoint>) -> Result<Self, String> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err("has no points; it needs at least (0, 0) and (1, 100)".to_owned());
        };
        if (first.probability, first.risk_score) != (0.0, 0.0) {
            return Err("must start with probability 0 at risk score 0".to_owned());
        }
        if (last.probability, last.risk_score) != (1.0, 100.0) {
            return Err("must end with probability 1 at risk score 100".to_owned());
        }
        for (index, (low, high)) in points.iter().zip(points.iter().skip(1)).enumerate() {
            let rises = low.probability < high.probability && low.risk_score < high.risk_score;
            if !rises {
                return Err(format!("must rise strictly in both coordinates; points {index} and {} do not", index + 1));
            }
        }
        for threshold in [RiskScore::REVIEW_THRESHOLD, RiskScore::DECLINE_THRESHOLD] {
            if !points.iter().any(|point| point.risk_score == threshold) {
                return Err(format!("must have a point at risk score {threshold}, the threshold of a decision"));
            }
        }
        Ok(Self(points))
    }

    /// The risk score of a probability.
    #[must_use]
    pub fn risk_score(&self, probability: Probability) -> RiskScore {
        let probability = f64::from(probability.value());
        let above = self.0.partition_point(|point| point.probability <= probability);
        let score = match (above.checked_sub(1).and_then(|below| self.0.get(below)), self.0.get(above)) {
            (Some(low), Some(high)) => {
                let share = (probability - low.probability) / (high.probability - low.probability);
                share.mul_add(high.risk_score - low.risk_score, low.risk_score)
            }
            _ => 100.0,
        };
        RiskScore::new(score.clamp(0.0, 100.0)).expect("a clamped number of finite points is a risk score")
    }

    /// The points, rising.
    #[must_use]
    pub fn points(&self) -> &[CalibrationPoint] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(probability: f64, risk_score: f64) -> CalibrationPoint {
        CalibrationPoint { probability, risk_score, false_positive_rate: 0.0 }
    }

    fn map() -> CalibrationMap {
        CalibrationMap::new(vec![point(0.0, 0.0), point(0.25, 50.0), point(0.5, 80.0), point(1.0, 100.0)]).unwrap()
    }

    #[test]
    fn goes_through_its_points() {
        for (probability, score) in [(0.0, 0.0), (0.125, 25.0), (0.25, 50.0), (0.5, 80.0), (0.75, 90.0), (1.0, 100.0)] {
            assert_eq!(map().risk_score(Probability::new(probability).unwrap()).value(), score);
        }
    }

    #[test]
    fn a_broken_map_is_refused_with_the_rule() {
        for (points, rule) in [
            (vec![], "no points"),
            (vec![point(0.1, 0.0), point(1.0, 100.0)], "start"),
            (vec![point(0.0, 0.0), point(1.0, 99.0)], "end"),
            (vec![point(0.0, 0.0), point(0.5, 50.0), point(0.5, 80.0), point(1.0, 100.0)], "points 1 and 2"),
            (vec![point(0.0, 0.0), point(f64::NAN, 50.0), point(1.0, 100.0)], "points 0 and 1"),
            (vec![point(0.0, 0.0), point(0.5, 80.0), point(1.0, 100.0)], "risk score 50"),
        ] {
            assert!(CalibrationMap::new(points).unwrap_err().contains(rule), "{rule}");
        }
    }

    proptest! {
        #[test]
        fn never_ranks_a_riskier_probability_lower(a in 0.0f32..=1.0, b in 0.0f32..=1.0) {
            let score = |value| map().risk_score(Probability::new(value).unwrap()).value();
            prop_assert!((a <= b) == (score(a) <= score(b)) || score(a) == score(b));
        }
    }
}
