//! How well scores set frauds apart from the rest: average precision and recall at an alert rate.
//!
//! Transactions of equal score are one step: no figure here depends on the order in which answers came in.

/// Scores with their labels; any number of them.
#[derive(Debug, Default)]
pub struct Ranking {
    scored: Vec<(f64, bool)>,
}

impl Ranking {
    /// Adds one transaction: its score (finite, higher is riskier) and whether it was a fraud.
    pub fn add(&mut self, score: f64, is_fraud: bool) {
        self.scored.push((score, is_fraud));
    }

    /// Orders what was added, riskiest first.
    #[must_use]
    pub fn ranked(mut self) -> Ranked {
        self.scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let frauds = self.scored.iter().filter(|(_, is_fraud)| *is_fraud).count();
        Ranked { scored: self.scored, frauds }
    }
}

/// Scores with their labels, riskiest first.
#[derive(Debug)]
pub struct Ranked {
    scored: Vec<(f64, bool)>,
    frauds: usize,
}

impl Ranked {
    /// How many transactions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.scored.len()
    }

    /// How many of them are frauds.
    #[must_use]
    pub fn frauds(&self) -> usize {
        self.frauds
    }

    /// The sum over thresholds of the gain in recall times the precision there, `0.0..=1.0`; `None` without a fraud.
    /// As scikit-learn's `average_precision_score` defines it: no interpolation, equal scores in one step.
    #[must_use]
    pub fn average_precision(&self) -> Option<f64> {
        let mut found = 0;
        let mut alerts = 0;
        let mut sum = 0.0;
        for (count, frauds) in self.steps() {
            alerts += count;
            found += frauds;
            sum += frauds as f64 * found as f64 / alerts as f64;
        }
        (self.frauds > 0).then(|| sum / self.frauds as f64)
    }

    /// The share of the frauds that are among the riskiest `rate` of all (rounded to whole transactions), `0.0..=1.0`;
    /// `None` without a fraud. Where equal scores straddle the limit, the share expected of a fair draw among them.
    #[must_use]
    pub fn recall_at(&self, rate: f64) -> Option<f64> {
        let mut room = (rate * self.scored.len() as f64).round();
        let mut found = 0.0;
        for (count, frauds) in self.steps() {
            let taken = room.min(count as f64);
            found += frauds as f64 * taken / count as f64;
            room -= taken;
        }
        (self.frauds > 0).then(|| found / self.frauds as f64)
    }

    /// Count and frauds of each run of equal scores, riskiest first.
    fn steps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.scored
            .chunk_by(|(a, _), (b, _)| a == b)
            .map(|step| (step.len(), step.iter().filter(|(_, is_fraud)| *is_fraud).count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(scored: &[(f64, u8)]) -> Ranked {
        let mut ranking = Ranking::default();
        scored.iter().for_each(|(score, label)| ranking.add(*score, *label == 1));
        ranking.ranked()
    }

    /// Expected values from scikit-learn 1.9, `average_precision_score(labels, scores)`.
    #[test]
    fn average_precision_is_scikit_learns() {
        for (scored, expected) in [
            (&[(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)][..], 0.833_333_333_333_333_3),
            (&[(0.9, 1), (0.8, 1), (0.1, 0)], 1.0),
            (&[(0.5, 1), (0.5, 0), (0.5, 0), (0.5, 0)], 0.25),
            (&[(0.7, 0), (0.7, 1), (0.7, 1), (0.2, 1), (0.2, 0), (0.1, 0)], 0.644_444_444_444_444_4),
            (&[(0.9, 0), (0.8, 0), (0.1, 1)], 0.333_333_333_333_333_3),
        ] {
            let got = ranked(scored).average_precision().unwrap();
            assert!((got - expected).abs() < 1e-12, "{scored:?}: {got}, not {expected}");
        }
    }

    #[test]
    fn recall_counts_the_riskiest_share() {
        let scored =
            [(0.9, 1), (0.8, 0), (0.7, 1), (0.6, 0), (0.5, 0), (0.4, 1), (0.3, 0), (0.2, 0), (0.1, 0), (0.0, 0)];
        for (rate, expected) in [(0.0, 0.0), (0.1, 1.0 / 3.0), (0.3, 2.0 / 3.0), (0.6, 1.0), (1.0, 1.0)] {
            let got = ranked(&scored).recall_at(rate).unwrap();
            assert!((got - expected).abs() < 1e-12, "{rate}: {got}, not {expected}");
        }
        // One alert among four equal scores, one of them a fraud.
        assert_eq!(ranked(&[(0.5, 0), (0.5, 1), (0.5, 0), (0.5, 0)]).recall_at(0.25), Some(0.25));
    }

    #[test]
    fn without_a_fraud_there_is_no_figure() {
        let none = ranked(&[(0.5, 0)]);
        assert_eq!((none.average_precision(), none.recall_at(0.5)), (None, None));
        assert_eq!((none.count(), none.frauds()), (1, 0));
    }
}
