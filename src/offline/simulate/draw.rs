//! Random draws that are the same on every machine.
//!
//! Invariant: only ChaCha's integers, IEEE arithmetic, square roots and the `libm` crate's own `exp` and `log` are
//! used. The standard library's `f64::exp` and `f64::ln` call the platform's libm, whose last bit differs.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers, told apart from every other by its seed and its stream number.
#[derive(Debug, Clone)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream `stream` of `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform in `0.0..1.0`, in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something that happens with this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number in `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The product keeps the upper half: below `bound`, and even to one part in 2⁶⁴ / bound.
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A whole number in `low..=high`.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high + 1 - low)
    }

    /// An index in `0..count` that favours the first ones, as shoppers favour well-known shops.
    pub fn favouring_first(&mut self, count: usize) -> usize {
        let unit = self.unit();
        ((unit * unit * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// An index, each with a probability proportional to its weight; weights are not negative and not all zero.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Standard normal, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * libm::log(square) / square).sqrt();
            }
        }
    }

    /// Log-normal with this median; `sigma` is the standard deviation of the logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Poisson with this mean, by Knuth's product of uniforms: meant for means below about 30.
    pub fn count(&mut self, mean: f64) -> usize {
        let limit = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// A well-mixed number for a few whole numbers: for facts that hold without being stored, such as whether a merchant
/// is breached in a given month. The finisher is that of SplitMix64.
#[must_use]
pub fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        let mut word = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 20_000;

    fn mean(mut next: impl FnMut() -> f64) -> f64 {
        (0..MANY).map(|_| next()).sum::<f64>() / MANY as f64
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        let mut draw = Draw::new(7, 0);
        for (what, got, want, tolerance) in [
            ("unit", mean(|| draw.unit()), 0.5, 0.01),
            ("chance", mean(|| f64::from(u8::from(draw.chance(0.2)))), 0.2, 0.01),
            ("whole", mean(|| draw.whole(2, 4) as f64), 3.0, 0.03),
            ("favouring first", mean(|| draw.favouring_first(300) as f64), 99.5, 2.0),
            ("weighted", mean(|| draw.weighted([1.0, 0.0, 3.0].into_iter()) as f64), 1.5, 0.03),
            ("normal", mean(|| draw.normal()), 0.0, 0.03),
            ("normal, squared", mean(|| draw.normal().powi(2)), 1.0, 0.05),
            ("log-normal", mean(|| draw.log_normal(1.0, 0.5)), 1.133, 0.03),
            ("exponential", mean(|| draw.exponential(3.0)), 3.0, 0.1),
            ("Poisson", mean(|| draw.count(2.5) as f64), 2.5, 0.05),
        ] {
            assert!((got - want).abs() < tolerance, "{what}: {got} is not near {want}");
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, stream| Draw::new(seed, stream).unit().to_bits();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
        assert_ne!(mixed(&[1, 2]), mixed(&[2, 1]));
    }

    #[test]
    fn indices_stay_in_bounds() {
        let mut draw = Draw::new(3, 3);
        assert!((0..MANY).all(|_| draw.below(3) < 3 && draw.favouring_first(2) < 2 && draw.whole(5, 5) == 5));
        assert_eq!(draw.below(0), 0);
    }
}
