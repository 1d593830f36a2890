//! Rate limits from headers. OpenAI's page "Rate limits", section "Rate limits in headers".
//!
//! `reset` is the time until the bucket is full again, whatever the window: OpenAI's windows are minutes, Groq's requests
//! are counted by the day, and the same three numbers say so.

use xhost_plugin::{Allowance, Dimension, Header, header_value};

const DIMENSIONS: &[(Dimension, &str)] = &[
    (Dimension::Requests, "requests"),
    (Dimension::Tokens, "tokens"),
];

/// The headers that are read.
pub fn headers() -> impl Iterator<Item = String> {
    let names = DIMENSIONS
        .iter()
        .flat_map(|(_, name)| ["limit", "remaining", "reset"].map(|what| header(what, name)));
    names.collect::<Vec<_>>().into_iter()
}

fn header(what: &str, dimension: &str) -> String {
    format!("x-ratelimit-{what}-{dimension}")
}

/// The limits that an answer's headers state.
pub fn allowances(headers: &[Header]) -> Vec<Allowance> {
    DIMENSIONS
        .iter()
        .filter_map(|&(dimension, name)| allowance(headers, dimension, name))
        .collect()
}

fn allowance(headers: &[Header], dimension: Dimension, name: &str) -> Option<Allowance> {
    let value = |what: &str| header_value(headers, &header(what, name));
    Some(Allowance {
        dimension,
        limit: value("limit")?.parse().ok().filter(|&limit| limit > 0)?,
        remaining: value("remaining")?
            .parse::<i64>()
            .ok()?
            .max(0)
            .unsigned_abs(),
        reset_ms: milliseconds(value("reset")?)?,
    })
}

/// A duration as Go writes it, such as `6m0s`, `7.66s` or `172.799999ms`, in whole milliseconds, rounded up. A number
/// without a unit is seconds.
fn milliseconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return whole(seconds * 1_000.0);
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let unit_end = rest[unit_at..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |length| unit_at + length);
        total += number * unit(&rest[unit_at..unit_end])?;
        rest = &rest[unit_end..];
    }
    whole(total).filter(|_| !text.is_empty())
}

fn unit(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-6),
        "us" | "µs" => Some(1e-3),
        "ms" => Some(1.0),
        "s" => Some(1e3),
        "m" => Some(60e3),
        "h" => Some(3_600e3),
        "d" => Some(86_400e3),
        _ => None,
    }
}

fn whole(ms: f64) -> Option<u64> {
    (ms.is_finite() && ms >= 0.0).then_some(ms.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_providers_write_them() {
        let check = |text: &str, expect| assert_eq!(milliseconds(text), expect, "{text}");
        check("12ms", Some(12));
        check("1s", Some(1_000));
        check("7.66s", Some(7_660));
        check("6m0s", Some(360_000));
        check("1h2m3.5s", Some(3_723_500));
        check("172.799999ms", Some(173));
        check("0s", Some(0));
        check("1d", Some(86_400_000));
        check("59.70s", Some(59_700));
        check("60", Some(60_000));
        for nonsense in [
            "", "s", "1", "-1", "1x", "1.2.3s", "1s2", "NaN", "inf", "soon", "é", "1é",
        ] {
            let expect = if nonsense == "1" { Some(1_000) } else { None };
            check(nonsense, expect);
        }
    }

    fn of(values: [&str; 6]) -> Vec<(Dimension, u64, u64, u64)> {
        let headers: Vec<_> = headers()
            .zip(values)
            .map(|(name, value)| Header::new(name, value))
            .collect();
        let allowances = allowances(&headers).into_iter();
        allowances
            .map(|of| (of.dimension, of.limit, of.remaining, of.reset_ms))
            .collect()
    }

    /// The refill rate follows from the numbers: 1 request in 12 ms is 5,000 a minute; 1 in 172.8 ms is 500,000 a day.
    #[test]
    fn windows_are_whatever_the_numbers_say() {
        let check = |values, expect: &[_]| assert_eq!(of(values), expect);
        check(
            ["5000", "4999", "12ms", "800000", "799986", "1ms"],
            &[
                (Dimension::Requests, 5_000, 4_999, 12),
                (Dimension::Tokens, 800_000, 799_986, 1),
            ],
        );
        check(
            ["500000", "499999", "172.799999ms", "6000", "-5", "1m0s"],
            &[
                (Dimension::Requests, 500_000, 499_999, 173),
                (Dimension::Tokens, 6_000, 0, 60_000),
            ],
        );
        check(["0", "0", "0s", "many", "1", "1s"], &[]);
        assert!(allowances(&[]).is_empty());
    }
}
