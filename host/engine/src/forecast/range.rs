//! A number that is not known, and between which two it lies.

use serde::Serialize;

/// An estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Range<T> {
    /// Not less than this, most likely.
    pub low: T,
    /// About this.
    pub expected: T,
    /// Not more than this.
    pub high: T,
}

impl<T> Range<T> {
    /// Each of the three changed alike.
    pub fn map<U>(self, change: impl Fn(T) -> U) -> Range<U> {
        Range {
            low: change(self.low),
            expected: change(self.expected),
            high: change(self.high),
        }
    }

    /// Two estimates as one.
    pub fn with<U, V>(self, other: Range<U>, join: impl Fn(T, U) -> V) -> Range<V> {
        Range {
            low: join(self.low, other.low),
            expected: join(self.expected, other.expected),
            high: join(self.high, other.high),
        }
    }
}

/// Tokens of a request's bytes. Measured with o200k_base: a token is 4.2 bytes of English, 2.8 of code, 2 of digits; what
/// frames the text in JSON is counted and not paid for.
pub(super) fn tokens_of_bytes(bytes: u64) -> Range<u64> {
    Range {
        low: bytes / 6,
        expected: bytes / 4,
        high: bytes / 2,
    }
}
