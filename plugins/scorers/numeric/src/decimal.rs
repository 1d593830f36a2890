//! Numbers in running text, as decimals of any length. By hand and in one pass: a regular expression would have to be
//! compiled anew for every answer.

use std::fmt;

/// A decimal number. Equal numbers are equal values: 18, 18.0 and 1.8e1 are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// The power of ten of the last digit.
    exponent: i64,
}

/// The numbers in a text, in their order. `1,234` is one number, `1,23` is two; a minus after a digit, a letter or a closing
/// bracket is a subtraction and not a sign.
pub fn numbers(text: &str) -> impl Iterator<Item = Decimal> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            if starts_number(bytes, at) {
                let (number, end) = read(bytes, at);
                at = end;
                return Some(number);
            }
            at += 1;
        }
        None
    })
}

/// A digit, or a point before one that is not the end of a word.
fn starts_number(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'0'..=b'9' => true,
        b'.' => {
            digit(bytes, at + 1)
                && !at
                    .checked_sub(1)
                    .is_some_and(|before| bytes[before].is_ascii_alphanumeric())
        }
        _ => false,
    }
}

fn digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

/// Reads the number at `start`; returns it and where it ends.
fn read(bytes: &[u8], start: usize) -> (Decimal, usize) {
    let mut digits = String::new();
    let mut at = whole_part(bytes, start, &mut digits);
    let mut exponent = 0;
    if bytes.get(at) == Some(&b'.') && digit(bytes, at + 1) {
        at += 1;
        while digit(bytes, at) {
            digits.push(char::from(bytes[at]));
            exponent -= 1;
            at += 1;
        }
    }
    if let Some((power, end)) = power(bytes, at) {
        exponent += power;
        at = end;
    }
    (
        Decimal::new(is_negative(bytes, start), &digits, exponent),
        at,
    )
}

/// Digits, and groups of three after commas.
fn whole_part(bytes: &[u8], start: usize, digits: &mut String) -> usize {
    let mut at = start;
    while digit(bytes, at) {
        digits.push(char::from(bytes[at]));
        at += 1;
    }
    let group = |at: usize| {
        bytes.get(at) == Some(&b',')
            && (1..=3).all(|next| digit(bytes, at + next))
            && !digit(bytes, at + 4)
    };
    if (1..=3).contains(&digits.len()) {
        while group(at) {
            digits.extend(bytes[at + 1..at + 4].iter().copied().map(char::from));
            at += 4;
        }
    }
    at
}

/// `e5`, `E-3`: only where a digit follows, and only as far as any number goes.
fn power(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if !matches!(bytes.get(at), Some(b'e' | b'E')) {
        return None;
    }
    let (sign, mut end) = match bytes.get(at + 1) {
        Some(b'-') => (-1, at + 2),
        Some(b'+') => (1, at + 2),
        _ => (1, at + 1),
    };
    if !digit(bytes, end) {
        return None;
    }
    let mut power: i64 = 0;
    while digit(bytes, end) {
        power = (power * 10 + i64::from(bytes[end] - b'0')).min(1_000_000);
        end += 1;
    }
    Some((sign * power, end))
}

/// A minus (ASCII's or Unicode's), perhaps before a currency sign.
fn is_negative(bytes: &[u8], start: usize) -> bool {
    let mut before = &bytes[..start];
    for currency in ["$", "€", "£", "¥", " "] {
        if let Some(rest) = before
            .strip_suffix(currency.as_bytes())
            .filter(|_| currency != " ")
        {
            before = rest;
            break;
        }
    }
    let Some(before) = before
        .strip_suffix(b"-")
        .or_else(|| before.strip_suffix("−".as_bytes()))
    else {
        return false;
    };
    !before
        .last()
        .is_some_and(|last| last.is_ascii_alphanumeric() || matches!(last, b')' | b']' | b'-'))
}

impl Decimal {
    fn new(negative: bool, digits: &str, exponent: i64) -> Decimal {
        let kept = digits.trim_end_matches('0');
        let exponent = exponent + (digits.len() - kept.len()) as i64;
        let kept = kept.trim_start_matches('0');
        if kept.is_empty() {
            return Decimal {
                negative: false,
                digits: String::new(),
                exponent: 0,
            };
        }
        Decimal {
            negative,
            digits: kept.to_owned(),
            exponent,
        }
    }

    /// The nearest binary number.
    pub fn to_f64(&self) -> f64 {
        let digits = if self.digits.is_empty() {
            "0"
        } else {
            &self.digits
        };
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{digits}e{}", self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLAIN: i64 = 40;
        let Decimal {
            negative,
            digits,
            exponent,
        } = self;
        if *negative {
            f.write_str("-")?;
        }
        let length = digits.len() as i64;
        let point = length + exponent;
        match () {
            () if digits.is_empty() => f.write_str("0"),
            () if *exponent >= 0 && point <= PLAIN => {
                write!(f, "{digits}{}", "0".repeat(*exponent as usize))
            }
            () if *exponent < 0 && (1..=PLAIN).contains(&point) => {
                let (whole, fraction) = digits.split_at(point as usize);
                write!(f, "{whole}.{fraction}")
            }
            () if *exponent < 0 && (-PLAIN..1).contains(&point) => {
                write!(f, "0.{}{digits}", "0".repeat(-point as usize))
            }
            () => write!(f, "{digits}e{exponent}"),
        }
    }
}
