//! Numbers that Inspect reads where Python's `float` does not: signs and digits of every script, `2½`, `3²`, `Ⅻ`, `十二`, and
//! signs between groups of digits.

use scorer_text::chars::{is_space, strip};
use scorer_text::numerals::{digit, numeric};

/// The finite number that a text is.
pub fn number(text: &str) -> Option<f64> {
    // Most words of an answer are no numbers, and what is to come is slow.
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (text, negative) = without_sign(strip(text));
    let sign = if negative { -1.0 } else { 1.0 };
    let value = match single(text) {
        Some(value) => sign * value,
        None => {
            let (base, exponent) = split_exponent(text)?;
            let base = sign * with_fraction(base)?;
            match exponent {
                Some(exponent) => power(base, exponent)?,
                None => base,
            }
        }
    };
    value.is_finite().then_some(value)
}

/// Any number of signs, each minus turning the others around.
fn without_sign(text: &str) -> (&str, bool) {
    let mut negative = false;
    let mut rest = text.trim_start_matches(is_space);
    loop {
        let Some(c) = rest.chars().next() else {
            return (rest, negative);
        };
        match c {
            '-' | '−' | '﹣' | '－' | '负' | '負' => negative = !negative,
            '+' | '＋' | '﹢' | '正' => {}
            _ => return (rest, negative),
        }
        rest = rest[c.len_utf8()..].trim_start_matches(is_space);
    }
}

fn single(text: &str) -> Option<f64> {
    let mut chars = text.chars();
    let only = chars.next().filter(|_| chars.next().is_none())?;
    numeric(only)
}

/// The text before an exponent in superscripts, and the exponent. Superscripts alone are no exponent.
fn split_exponent(text: &str) -> Option<(&str, Option<f64>)> {
    let is_superscript = |c| superscript(c).is_some();
    let trimmed = text.trim_end_matches(is_between);
    let mut base = trimmed.trim_end_matches(is_superscript);
    if trimmed.is_empty() || base.len() == trimmed.len() {
        return Some((strip(text), None));
    }
    let digits = &trimmed[base.len()..];
    let mut exponent: f64 = digits
        .chars()
        .filter_map(superscript)
        .fold(0.0, |sum, digit| sum * 10.0 + f64::from(digit));
    if let Some(before) = base.strip_suffix(['⁻', '⁺']) {
        exponent = if base.ends_with('⁻') {
            -exponent
        } else {
            exponent
        };
        base = before;
    }
    match base.trim_end_matches(is_space) {
        "" => Some((strip(text), None)),
        base => Some((base, Some(exponent))),
    }
}

fn superscript(c: char) -> Option<u32> {
    matches!(c, '⁰' | '¹' | '²' | '³' | '⁴'..='⁹')
        .then(|| digit(c))
        .flatten()
}

/// Nothing is divided by zero, and nothing grows beyond every number.
fn power(base: f64, exponent: f64) -> Option<f64> {
    let value = base.powf(exponent);
    value.is_finite().then_some(value)
}

/// A number, and perhaps one fraction such as `½` that is added to it.
fn with_fraction(text: &str) -> Option<f64> {
    let fraction = |c: char| numeric(c).filter(|value| 0.0 < *value && *value < 1.0);
    let mut fractions = text
        .char_indices()
        .filter_map(|(at, c)| Some((at, c, fraction(c)?)));
    let Some((at, c, value)) = fractions.next() else {
        return core(text);
    };
    let (head, tail) = (strip(&text[..at]), &text[at + c.len_utf8()..]);
    if fractions.next().is_some() || !tail.chars().all(is_between) {
        return None;
    }
    match head {
        "" => Some(value),
        head => Some(core(head)? + value),
    }
}

fn core(text: &str) -> Option<f64> {
    let text = strip(text);
    if text.chars().any(is_chinese)
        && let Some(value) = chinese(text)
    {
        return Some(value);
    }
    digits(text).or_else(|| single(text))
}

/// Signs and spaces that may stand between groups of digits.
fn is_between(c: char) -> bool {
    is_space(c) || matches!(c, ',' | '，' | '﹐' | '、' | '٬' | '\'' | '’' | 'ʼ' | '＇')
}

/// Digits of any script, with a decimal point and a power of ten.
fn digits(text: &str) -> Option<f64> {
    let mut plain = String::new();
    let (mut point, mut power) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            'e' | 'E' if !power && !plain.is_empty() => {
                power = true;
                plain.push('e');
                if rest
                    .next_if(|c| matches!(c, '-' | '−' | '﹣' | '－'))
                    .is_some()
                {
                    plain.push('-');
                } else {
                    rest.next_if(|c| matches!(c, '+' | '＋' | '﹢'));
                }
            }
            '.' | '٫' | '．' if !point => {
                point = true;
                plain.push('.');
            }
            c if is_between(c) => {}
            c => plain.extend(char::from_digit(any_digit(c)?, 10)),
        }
    }
    plain.parse().ok()
}

fn any_digit(c: char) -> Option<u32> {
    digit(c).or_else(|| chinese_digit(c))
}

fn chinese_digit(c: char) -> Option<u32> {
    Some(match c {
        '零' | '〇' | '○' => 0,
        '一' | '壹' | '幺' => 1,
        '二' | '贰' | '貳' | '两' | '兩' => 2,
        '三' | '叁' | '參' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' | '陸' => 6,
        '七' | '柒' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

/// What multiplies the digit before it.
fn small_unit(c: char) -> Option<f64> {
    Some(match c {
        '十' | '拾' => 10.0,
        '百' | '佰' => 100.0,
        '千' | '仟' => 1000.0,
        _ => return None,
    })
}

/// What multiplies all before it, as far as the large unit before.
fn large_unit(c: char) -> Option<f64> {
    Some(match c {
        '万' | '萬' => 1e4,
        '亿' | '億' => 1e8,
        '兆' => 1e12,
        _ => return None,
    })
}

fn tens(c: char) -> Option<f64> {
    Some(match c {
        '廿' => 20.0,
        '卅' => 30.0,
        '卌' => 40.0,
        _ => return None,
    })
}

fn is_unit(c: char) -> bool {
    small_unit(c)
        .or_else(|| large_unit(c))
        .or_else(|| tens(c))
        .is_some()
}

fn is_chinese(c: char) -> bool {
    chinese_digit(c).is_some() || is_unit(c) || matches!(c, '点' | '點' | '负' | '負')
}

/// A Chinese number: its digits one by one, or with units; after `点` its decimals.
fn chinese(text: &str) -> Option<f64> {
    let point = ['点', '點', '．', '.']
        .into_iter()
        .find_map(|point| text.split_once(point));
    let (whole, decimals) = point.unwrap_or((text, ""));
    let whole = if whole.chars().any(is_unit) {
        with_units(whole)?
    } else {
        one_by_one(whole)?
    };
    let mut place = 1.0;
    let mut value = whole;
    for c in decimals.chars().filter(|c| !is_space(*c)) {
        place /= 10.0;
        value += f64::from(any_digit(c)?) * place;
    }
    Some(value)
}

fn one_by_one(text: &str) -> Option<f64> {
    let mut plain = String::from("0");
    for c in text.chars().filter(|c| !is_space(*c)) {
        plain.extend(char::from_digit(any_digit(c)?, 10));
    }
    plain.parse().ok()
}

fn with_units(text: &str) -> Option<f64> {
    let (mut total, mut section, mut last) = (0.0, 0.0, 0.0);
    for c in text.chars().filter(|c| !is_space(*c)) {
        if let Some(value) = tens(c) {
            section += value;
        } else if let Some(unit) = small_unit(c) {
            section += if last == 0.0 { unit } else { last * unit };
            last = 0.0;
        } else if let Some(unit) = large_unit(c) {
            total += (section + last) * unit;
            (section, last) = (0.0, 0.0);
        } else if !matches!(c, '零' | '〇' | '○') {
            last = f64::from(any_digit(c)?);
        }
    }
    Some(total + section + last)
}
