//! Money without rounding: whole numbers of a millionth of a millionth of a US dollar. Prices of a token go down to some
//! 1e-11 dollars, and sums of them must not depend on their order.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// Units in a dollar.
const DOLLAR: u64 = 1_000_000_000_000;

/// Digits after the point.
const DIGITS: usize = 12;

/// An amount in 1e-12 US dollars; 18 million dollars are the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub u64);

/// The text is no amount.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount of money: write `20usd`, `0.5usd` or `$3`")]
pub struct MoneyError(String);

impl Money {
    /// The sum; too much stays at the most.
    #[must_use]
    pub fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing.
    #[must_use]
    pub fn minus(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// So many times this.
    #[must_use]
    pub fn times(self, count: u64) -> Money {
        Money(self.0.saturating_mul(count))
    }

    /// An amount as a person writes it: `20usd`, `$3`, `0.5`.
    ///
    /// # Errors
    /// Where it is none, or not above nothing.
    pub fn from_written(text: &str) -> Result<Money, MoneyError> {
        let wrong = || MoneyError(text.chars().take(40).collect());
        let lower = text.trim().to_ascii_lowercase();
        let number = lower.strip_prefix('$').unwrap_or(&lower);
        let number = number.strip_suffix("usd").unwrap_or(number).trim();
        if number.contains(['e', '-', '+']) {
            return Err(wrong());
        }
        decimal(number)
            .filter(|money| money.0 > 0)
            .ok_or_else(wrong)
    }

    /// The dollars as a decimal number, every digit of it.
    #[must_use]
    pub fn dollars(self) -> String {
        let (whole, rest) = (self.0 / DOLLAR, self.0 % DOLLAR);
        let digits = format!("{rest:0width$}", width = DIGITS);
        match digits.trim_end_matches('0') {
            "" => whole.to_string(),
            digits => format!("{whole}.{digits}"),
        }
    }
}

/// Dollars, in digits that a person reads: cents, or four digits where it is less than a dollar.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = match self.0 {
            0 => 2,
            small if small < DOLLAR / 10_000 => 8,
            some if some < DOLLAR => 4,
            _ => 2,
        };
        let unit = 10_u64.pow(DIGITS as u32 - places);
        let rounded = u128::from(self.0) + u128::from(unit / 2);
        let (whole, rest) = (rounded / u128::from(DOLLAR), rounded % u128::from(DOLLAR));
        write!(
            f,
            "${whole}.{:0width$}",
            rest / u128::from(unit),
            width = places as usize
        )
    }
}

/// A JSON number of dollars with all its digits.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.dollars()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let number = Box::<RawValue>::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("no amount of dollars");
        decimal(number.get()).ok_or_else(wrong)
    }
}

/// A decimal number such as `1.5e-07`, rounded to the nearest unit; `None` where it is none, negative or too large.
pub(super) fn decimal(text: &str) -> Option<Money> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u128 = digits.parse().ok()?;
    let shift = exponent
        .checked_add(DIGITS as i32)?
        .checked_sub(fraction.len() as i32)?;
    let units = match u32::try_from(shift) {
        Ok(up) => number.checked_mul(10_u128.checked_pow(up)?)?,
        Err(_) => match 10_u128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => (number + divisor / 2) / divisor,
            None => 0,
        },
    };
    u64::try_from(units).ok().map(Money)
}
