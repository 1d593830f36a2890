//! Which calls fail, and how long they take. Both follow from the seed, the request and the attempt, so a call that is
//! sent again can succeed, and two runs with one seed are alike.

use std::time::Duration;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooFast,
    Broken,
    Overloaded,
}

/// Which calls fail.
pub(super) struct Faults {
    rate: f64,
    seed: u64,
}

/// How long a call takes: a mean, and calls that differ from it as real ones do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    mean: Duration,
}

impl Faults {
    pub(super) fn new(rate: f64, seed: u64) -> Faults {
        Faults { rate, seed }
    }

    /// What everything by chance follows from.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn decide(&self, digest: u128, attempt: u64) -> Option<Fault> {
        let chance = draw(&[
            &self.seed.to_le_bytes(),
            &digest.to_le_bytes(),
            &attempt.to_le_bytes(),
        ]);
        (chance < self.rate).then(|| match (chance / self.rate * 4.0) as u32 {
            0 | 1 => Fault::TooFast,
            2 => Fault::Broken,
            _ => Fault::Overloaded,
        })
    }
}

impl Latency {
    /// Calls that take so long in the mean.
    #[must_use]
    pub fn mean(mean: Duration) -> Latency {
        Latency { mean }
    }

    /// Between half and nearly twice the mean, longer ones rarer: the exponential of an even draw, its mean taken out.
    pub(super) fn of(&self, digest: u128, attempt: u64) -> Duration {
        let even = draw(&[b"latency", &digest.to_le_bytes(), &attempt.to_le_bytes()]);
        let spread = 1.3_f64;
        let mean_of_exponential = (spread.exp() - 1.0) / spread;
        self.mean
            .mul_f64((even * spread).exp() / mean_of_exponential)
    }
}

/// A number from 0 to 1 that follows from these bytes.
fn draw(parts: &[&[u8]]) -> f64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let bytes = hasher.finalize();
    let number = u32::from_le_bytes(std::array::from_fn(|index| bytes.as_bytes()[index]));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_faults_and_the_mean_delay_are_what_was_asked_for() {
        let faults = Faults::new(0.1, 7);
        let failed = (0..10_000)
            .filter(|digest| faults.decide(*digest, 0).is_some())
            .count();
        assert!((900..1_100).contains(&failed), "{failed}");
        let latency = Latency::mean(Duration::from_millis(100));
        let sum: Duration = (0..10_000).map(|digest| latency.of(digest, 0)).sum();
        assert!((98..103).contains(&(sum / 10_000).as_millis()), "{sum:?}");
    }
}
