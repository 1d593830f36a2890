//! How many tokens a call will take, before it is known: from the bytes of its body, by a factor that is learned from what
//! the provider says afterwards. Pure; one for each model.

use crate::plugin::types::Usage;

/// The tokens of one call, as far as they can be known before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What is sent.
    pub input: u64,
    /// What will probably come back.
    pub output: u64,
    /// The most that can come back, where the request says so.
    pub most_output: Option<u64>,
    /// What the estimate was made from.
    pub bytes: usize,
}

/// What was learned of a model.
#[derive(Clone, Copy, Debug)]
pub struct Estimator {
    /// Tokens for each quarter of a body's bytes.
    factor: f64,
    output: Option<f64>,
    seen: u32,
}

/// Four bytes are about a token, and bodies have a frame around their text.
const FACTOR: f64 = 1.15;

/// No text of any language is outside; what claims to be is no usage to learn from.
const FACTORS: std::ops::RangeInclusive<f64> = 0.5..=4.0;

/// An answer's length where nothing is known of it.
const OUTPUT: f64 = 256.0;

/// How much of what is known a new answer replaces, once there are some.
const WEIGHT: f64 = 0.1;

impl Default for Estimator {
    fn default() -> Estimator {
        Estimator {
            factor: FACTOR,
            output: None,
            seen: 0,
        }
    }
}

impl Estimator {
    /// What a body of so many bytes will take.
    #[must_use]
    pub fn expect(&self, bytes: usize, most_output: Option<u64>) -> Expected {
        let input = (bytes as f64 / 4.0 * self.factor).ceil() as u64;
        let output = self.output.unwrap_or(OUTPUT).ceil() as u64;
        Expected {
            input: input.max(1),
            output: most_output.map_or(output, |most| output.min(most)),
            most_output,
            bytes,
        }
    }

    /// Learns from what a call took. Usage without input is none.
    pub fn learn(&mut self, expected: &Expected, usage: &Usage) {
        if expected.bytes == 0 || usage.input == 0 {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        let weight = WEIGHT.max(1.0 / f64::from(self.seen));
        let factor = usage.input as f64 * 4.0 / expected.bytes as f64;
        self.factor += weight * (factor.clamp(*FACTORS.start(), *FACTORS.end()) - self.factor);
        let output = self.output.get_or_insert(usage.output as f64);
        *output += weight * (usage.output as f64 - *output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            input,
            output,
            cache_read: 0,
            cache_write: 0,
            reasoning: 0,
        }
    }

    #[test]
    fn the_estimate_starts_from_bytes_and_becomes_what_the_provider_counts() {
        let mut estimator = Estimator::default();
        let first = estimator.expect(4_000, Some(100));
        assert_eq!((first.input, first.output), (1_150, 100));
        for _ in 0..50 {
            let expected = estimator.expect(4_000, None);
            estimator.learn(&expected, &usage(1_600, 40));
        }
        let learned = estimator.expect(8_000, None);
        assert!((3_190..=3_210).contains(&learned.input), "{learned:?}");
        assert_eq!(learned.output, 40);
    }

    #[test]
    fn absurd_usage_moves_it_within_bounds_and_none_moves_nothing() {
        let mut estimator = Estimator::default();
        let expected = estimator.expect(4_000, None);
        estimator.learn(&expected, &usage(0, 7));
        assert_eq!(estimator.expect(4_000, None), expected);
        for _ in 0..100 {
            estimator.learn(&expected, &usage(u64::MAX, 1));
        }
        assert_eq!(estimator.expect(4_000, None).input, 4_000);
    }
}
