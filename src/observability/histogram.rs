//! A histogram that keeps a count and an exact sum for each bucket.
//!
//! Observations are whole *ticks* (a nanosecond, a millionth of a risk score, a row), so sums are exact integers.
//! Buckets are log-linear, 64 to each doubling: within a bucket two values differ by at most 1/64, so a percentile read
//! as its bucket's mean is within 2 % of the true one. Below 128 ticks every value has a bucket of its own.

/// Sub-buckets of each doubling, as a power of two.
const PRECISION_BITS: u32 = 6;

/// Where a value is counted. Rises with the value, without gaps.
fn index_of(ticks: u64) -> usize {
    let shift = (u64::BITS - (ticks | 1).leading_zeros()).saturating_sub(PRECISION_BITS + 1);
    ((shift as usize) << PRECISION_BITS) + (ticks >> shift) as usize
}

/// What fell into one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many observations.
    pub count: u64,
    /// Their sum in ticks.
    pub sum: u64,
}

/// Counts and sums by bucket; grows up to the largest value seen, at most 3,776 buckets of 16 bytes.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Vec<Bucket>);

impl Histogram {
    /// Counts one observation.
    pub fn observe(&mut self, ticks: u64) {
        let index = index_of(ticks);
        if index >= self.0.len() {
            self.0.resize(index + 1, Bucket::default());
        }
        let bucket = &mut self.0[index];
        bucket.count += 1;
        // Reached after 584 years of latencies in one bucket.
        bucket.sum = bucket.sum.saturating_add(ticks);
    }

    /// Adds everything another one counted.
    pub fn merge(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), Bucket::default());
        }
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            own.count += others.count;
            own.sum = own.sum.saturating_add(others.sum);
        }
    }

    /// The buckets that hold something, lowest values first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.0.iter().copied().filter(|bucket| bucket.count > 0)
    }

    /// How many observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.count).sum()
    }

    /// The sum of all observations in ticks, exact.
    #[must_use]
    pub fn sum(&self) -> u128 {
        self.0.iter().map(|bucket| u128::from(bucket.sum)).sum()
    }

    /// The value in ticks below or at which a share of `0.0..=1.0` of the observations lies (nearest rank), within
    /// 2 %; `None` when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((share * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets()
            .find(|bucket| {
                seen += bucket.count;
                seen >= rank
            })
            .map(Bucket::mean)
    }
}

impl Bucket {
    /// The mean of the observations in ticks: what stands for each of them.
    #[must_use]
    pub fn mean(self) -> f64 {
        self.sum as f64 / self.count as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_rise_without_gaps_and_are_narrow() {
        let mut last = index_of(0);
        assert_eq!(last, 0);
        for ticks in 1..1_000_000_u64 {
            let index = index_of(ticks);
            assert!(index == last || index == last + 1, "{ticks}");
            assert!(ticks >= 128 || index == last + 1, "{ticks} shares its bucket");
            last = index;
        }
        assert_eq!(index_of(u64::MAX), 3775);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_two_percent_and_sums_exact(
            values in prop::collection::vec(prop_oneof![0..2000_u64, 0..100_000_000_u64, 0..600_000_000_000_u64], 1..400),
            split in 0..400_usize,
            share in 0.0..=1.0_f64,
        ) {
            let (mut histogram, mut other) = (Histogram::default(), Histogram::default());
            for (index, value) in values.iter().enumerate() {
                if index < split { &mut histogram } else { &mut other }.observe(*value);
            }
            histogram.merge(&other);
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert_eq!(histogram.sum(), values.iter().map(|value| u128::from(*value)).sum::<u128>());
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = ((share * sorted.len() as f64).ceil() as usize).max(1);
            let truth = sorted[rank - 1] as f64;
            let read = histogram.quantile(share).unwrap();
            prop_assert!((read - truth).abs() <= 0.02 * truth, "{} for {}", read, truth);
        }
    }
}
