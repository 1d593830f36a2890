//! What Python's `float` reads: signs, decimals of any script, powers of ten, and underscores between digits.

use crate::numerals::decimal;
use std::iter::Peekable;
use std::str::Chars;

/// The number that a text is, where it is finite.
#[must_use]
pub fn float(text: &str) -> Option<f64> {
    // Unicode's white space, and not the separators of ASCII that `str.strip` takes off too.
    let text = text.trim();
    let may_begin = |c| matches!(c, '+' | '-' | '.') || decimal(c).is_some();
    if !text.starts_with(may_begin) {
        return None;
    }
    let mut rest = text.chars().peekable();
    let plain = plain(&mut rest)?;
    let number: f64 = plain.parse().ok()?;
    (rest.next().is_none() && number.is_finite()).then_some(number)
}

/// The number in ASCII and without underscores.
fn plain(rest: &mut Peekable<Chars>) -> Option<String> {
    let mut out = String::new();
    sign(rest, &mut out);
    let mut some = digits(rest, &mut out)?;
    if rest.next_if_eq(&'.').is_some() {
        out.push('.');
        some |= digits(rest, &mut out)?;
    }
    if !some {
        return None;
    }
    if rest.next_if(|c| matches!(c, 'e' | 'E')).is_some() {
        out.push('e');
        sign(rest, &mut out);
        if !digits(rest, &mut out)? {
            return None;
        }
    }
    Some(out)
}

fn sign(rest: &mut Peekable<Chars>, out: &mut String) {
    out.extend(rest.next_if(|c| matches!(c, '+' | '-')));
}

/// Takes digits; whether there were any. `None` for an underscore that is not between two.
fn digits(rest: &mut Peekable<Chars>, out: &mut String) -> Option<bool> {
    let mut some = false;
    while let Some(digit) = rest.peek().copied().and_then(decimal) {
        rest.next();
        out.extend(char::from_digit(digit, 10));
        some = true;
        if rest.next_if_eq(&'_').is_some() {
            decimal(*rest.peek()?)?;
        }
    }
    Some(some)
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn numbers_are_those_of_python() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(float(text), expect, "{text}");
        check("12", Some(12.0));
        check(" -1_000.5e-1_0\n", Some(-1000.5e-10));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("+5", Some(5.0));
        check("١٢٫٥", None);
        check("١٢.٥", Some(12.5));
        check("1__0", None);
        check("_1", None);
        check("1_", None);
        check("1_.5", None);
        check(".", None);
        check("-", None);
        check("1e", None);
        check("1 2", None);
        check("--1", None);
        check("inf", None);
        check("nan", None);
        check("1e999", None);
        check("²", None);
        check("\u{a0}1\u{2003}\r", Some(1.0));
        check("1\u{1f}", None);
        check("", None);
    }
}
