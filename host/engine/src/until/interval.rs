//! An interval for a mean that may be looked at after every observation. A fixed interval that is looked at again and again
//! until it is narrow misses the truth far more often than it says; this one holds at all times at once.
//!
//! It is the beta-binomial mixture confidence sequence: Robbins (1970), in the form of Howard, Ramdas, McAuliffe & Sekhon
//! (2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences"), with the uniform mixture. For a mean p the
//! wealth of one who bets against p is the mixture of all likelihood ratios,
//! `B(1 + S, 1 + n - S) / (p^S (1 - p)^(n - S))`; by Ville's inequality it exceeds 1 / alpha ever with probability alpha at
//! most, and the interval is where it does not. For values between 0 and 1 that are not only 0 and 1 it holds as well, because
//! a^x b^(1 - x) is at most x a + (1 - x) b.
//!
//! Logarithms are libm's, so every machine decides alike.

use libm::{lgamma, log};

/// How often the truth may be missed, at any time.
pub const ALPHA: f64 = 0.05;

/// Steps of a bisection: half the interval of doubles near 1.
const HALVINGS: usize = 50;

/// Observations of a mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sequence {
    n: f64,
    sum: f64,
}

impl Sequence {
    /// Takes a value between 0 and 1.
    pub fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value.clamp(0.0, 1.0);
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n as u64
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.n == 0.0 {
            0.5
        } else {
            self.sum / self.n
        }
    }

    /// Whether the interval holds this mean.
    #[must_use]
    pub fn holds(&self, mean: f64) -> bool {
        self.log_wealth(mean) < log(1.0 / ALPHA)
    }

    /// The interval, at the level of 95 % at all times at once.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        let mean = self.mean();
        (self.edge(mean, 0.0), self.edge(mean, 1.0))
    }

    /// Half of the interval's width.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        let (low, high) = self.interval();
        (high - low) / 2.0
    }

    /// The wealth is smallest at the mean, and grows towards both ends.
    fn edge(&self, mut inside: f64, mut outside: f64) -> f64 {
        if self.holds(outside) {
            return outside;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            if self.holds(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        // The wider of the two.
        outside
    }

    fn log_wealth(&self, mean: f64) -> f64 {
        let (ones, zeros) = (self.sum, self.n - self.sum);
        let mixture = lgamma(ones + 1.0) + lgamma(zeros + 1.0) - lgamma(self.n + 2.0);
        mixture - times_log(ones, mean) - times_log(zeros, 1.0 - mean)
    }
}

/// `count * log(of)`, where nothing times whatever is nothing.
fn times_log(count: f64, of: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count * log(of) }
}
