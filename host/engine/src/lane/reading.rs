//! What the headers of an answer say about a limit's speed. `(limit - remaining) / reset` is the refill, but each of the
//! numbers is rounded: a reading is a range, and common windows are what decides within it. Pure.

use crate::plugin::bindings::provider::Allowance;

/// What one answer said of one dimension, the numbers checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) limit: f64,
    pub(super) remaining: f64,
    /// Seconds until the window is full.
    reset: f64,
    /// Seconds by which `reset` may be wrong.
    reset_error: f64,
    /// What `remaining` is rounded to.
    unit: f64,
}

/// The windows that providers use, in seconds, the likeliest first.
const WINDOWS: [f64; 6] = [60.0, 86_400.0, 3_600.0, 10.0, 1.0, 30.0];

/// A bucket that takes longer to fill than this, and fits no common window, is a window that ends at a fixed time.
const LONGEST_ODD_WINDOW: f64 = 600.0;

impl Reading {
    /// `None` for numbers that are none: a plugin may be wrong, or mean harm.
    pub(super) fn new(allowance: &Allowance) -> Option<Reading> {
        let &Allowance {
            dimension: _,
            limit,
            remaining,
            reset_ms,
        } = allowance;
        const MOST: u64 = 1 << 50;
        let sensible = (1..=MOST).contains(&limit) && reset_ms <= MOST;
        let whole_seconds = reset_ms.is_multiple_of(1_000);
        let thousands = limit >= 10_000 && remaining.is_multiple_of(1_000);
        let reset = reset_ms as f64 / 1_000.0;
        sensible.then_some(Reading {
            limit: limit as f64,
            remaining: remaining.min(limit) as f64,
            reset,
            reset_error: if whole_seconds {
                1.0
            } else {
                0.001 + 0.01 * reset
            },
            unit: if thousands { 1_000.0 } else { 1.0 },
        })
    }

    fn used(&self) -> f64 {
        self.limit - self.remaining
    }

    /// The refills a second that these numbers can come from, when at least so much was used.
    fn range(&self, least_used: f64) -> std::ops::RangeInclusive<f64> {
        let soonest = self.reset - self.reset_error;
        let most = if soonest > 0.0 {
            self.used() / soonest
        } else {
            f64::INFINITY
        };
        least_used / (self.reset + self.reset_error)..=most
    }

    /// The refill a second, `current` being what was believed before; `None` where the numbers tell nothing.
    pub(super) fn per_second(&self, current: Option<f64>) -> Option<f64> {
        if self.used() <= 0.0 || self.reset <= 0.0 {
            return None;
        }
        // What is left is rounded down, so of one call that was used nearly all may have flowed in again.
        let surely_used = self.used() - self.unit;
        let possible = self.range(surely_used);
        if let Some(current) = current.filter(|current| possible.contains(current)) {
            return Some(current);
        }
        // A first answer tells of its own call, which was used just now.
        let range = self.range(surely_used.max(0.5 * self.used().min(self.unit)));
        let nominal = self.used() / self.reset;
        let fits = WINDOWS
            .into_iter()
            .map(|window| self.limit / window)
            .filter(|rate| range.contains(rate));
        let common = if self.reset_error >= 1.0 {
            fits.into_iter().next()
        } else {
            let distance = |rate: &f64| (rate / nominal).ln().abs();
            fits.min_by(|a, b| distance(a).total_cmp(&distance(b)))
        };
        common.or_else(|| self.odd(nominal))
    }

    /// No common window fits. A bucket, if it would be full within minutes. Else what is left until the window ends is
    /// spread over that time.
    fn odd(&self, nominal: f64) -> Option<f64> {
        if self.limit / nominal <= LONGEST_ODD_WINDOW {
            let coarse = self.reset_error >= 1.0 && self.reset < 10.0;
            return (!coarse).then_some(nominal);
        }
        (self.remaining > 0.0).then(|| self.remaining / self.reset)
    }
}

/// The refill a second that an allowance tells of.
#[cfg(any(test, feature = "fuzzing"))]
pub fn refill(allowance: &Allowance, current: Option<f64>) -> Option<f64> {
    Reading::new(allowance)?.per_second(current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::provider::Dimension;

    fn read(limit: u64, remaining: u64, reset_ms: u64) -> Option<f64> {
        let allowance = Allowance {
            dimension: Dimension::Requests,
            limit,
            remaining,
            reset_ms,
        };
        Reading::new(&allowance)?.per_second(None)
    }

    #[test]
    fn the_refill_follows_from_the_numbers_whatever_the_window() {
        for (what, limit, remaining, reset_ms, per_minute) in [
            ("recorded at OpenAI", 5_000, 4_999, 12, 5_000.0),
            ("recorded at OpenAI, tokens", 800_000, 799_986, 1, 800_000.0),
            (
                "recorded at Groq: by the day",
                500_000,
                499_999,
                173,
                500_000.0 / 1_440.0,
            ),
            ("half empty", 600, 300, 30_000, 600.0),
            ("rounded to a whole second", 600, 599, 1_000, 600.0),
            ("an odd window of 45 s", 1_000, 100, 40_500, 1_333.0),
            ("six each second", 6, 4, 333, 360.0),
            ("sixty in ten seconds", 60, 30, 5_000, 360.0),
            ("the first call of a fixed minute", 600, 599, 59_900, 600.0),
            ("the middle of a fixed minute", 600, 300, 29_900, 602.0),
        ] {
            let found = read(limit, remaining, reset_ms).expect(what) * 60.0;
            assert!((found / per_minute - 1.0).abs() < 0.01, "{what}: {found}");
        }
    }

    #[test]
    fn numbers_that_tell_nothing_teach_nothing() {
        for (limit, remaining, reset_ms) in [
            (0, 0, 1_000),
            (600, 600, 0),
            (600, 600, 1_000),
            (600, 700, 1_000),
            (600, 599, 0),
            (u64::MAX, 0, 1),
            (1, 0, u64::MAX),
        ] {
            assert_eq!(
                read(limit, remaining, reset_ms),
                None,
                "{limit} {remaining} {reset_ms}"
            );
        }
    }

    #[test]
    fn what_is_believed_stays_until_a_reading_contradicts_it() {
        let reading = |remaining, reset_ms| {
            Reading::new(&Allowance {
                dimension: Dimension::Requests,
                limit: 600,
                remaining,
                reset_ms,
            })
        };
        let believed = |remaining, reset_ms, current| {
            reading(remaining, reset_ms).and_then(|reading| reading.per_second(Some(current)))
        };
        assert_eq!(believed(598, 150, 10.0), Some(10.0));
        assert_eq!(believed(300, 30_000, 5.0), Some(10.0));
    }
}
