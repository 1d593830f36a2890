//! Rate limits from headers. Mistral's servers name a limit's window in its header and say neither when it began nor when it
//! ends: `x-ratelimit-remaining-req-10-second`, `x-ratelimit-remaining-tokens-minute`. A bucket that fills evenly over the
//! window is as much as can be known.
//!
//! The month's tokens are no pace: they are looked at when a call is refused.

use xhost_plugin::{Allowance, Dimension, Header, header_value};

/// The windows that pace: their names, and milliseconds.
const WINDOWS: [(&str, u64); 3] = [("second", 1_000), ("10-second", 10_000), ("minute", 60_000)];

/// What is counted, and its names; the last one is that of older servers.
const COUNTED: [(Dimension, &str, &str); 3] = [
    (Dimension::Requests, "x-ratelimit", "-req"),
    (Dimension::Tokens, "x-ratelimit", "-tokens"),
    (Dimension::Tokens, "x-ratelimitbysize", ""),
];

const MONTH: [&str; 2] = [
    "x-ratelimit-remaining-tokens-month",
    "x-ratelimitbysize-remaining-month",
];

/// Seconds until older servers' limit is full again.
const RESET: &str = "ratelimit-reset";

fn header((_, prefix, counted): (Dimension, &str, &str), what: &str, window: &str) -> String {
    format!("{prefix}-{what}{counted}-{window}")
}

/// The headers that are read.
pub fn headers() -> Vec<String> {
    let mut names = vec!["retry-after".into(), "retry-after-ms".into(), RESET.into()];
    names.extend(MONTH.map(str::to_owned));
    for counted in COUNTED {
        for (window, _) in WINDOWS {
            names.extend(["limit", "remaining"].map(|what| header(counted, what, window)));
        }
    }
    names
}

/// The limits that an answer's headers state: of each dimension the one that lets the least through. A pace that keeps it
/// keeps the others.
pub fn allowances(headers: &[Header]) -> Vec<Allowance> {
    let mut tightest: Vec<(f64, Allowance)> = Vec::new();
    for (speed, allowance) in all(headers) {
        let same = |known: &&mut (f64, Allowance)| known.1.dimension == allowance.dimension;
        match tightest.iter_mut().find(same) {
            None => tightest.push((speed, allowance)),
            Some(known) if speed < known.0 => *known = (speed, allowance),
            Some(_) => {}
        }
    }
    tightest
        .into_iter()
        .map(|(_, allowance)| allowance)
        .collect()
}

/// Each with what it lets through in a millisecond.
fn all(headers: &[Header]) -> Vec<(f64, Allowance)> {
    let windows = |counted| {
        let read = move |(name, ms)| allowance(headers, counted, name, ms);
        WINDOWS.into_iter().filter_map(read)
    };
    COUNTED.into_iter().flat_map(windows).collect()
}

fn allowance(
    headers: &[Header],
    counted: (Dimension, &str, &str),
    window: &str,
    window_ms: u64,
) -> Option<(f64, Allowance)> {
    let value = |what: &str| header_value(headers, &header(counted, what, window));
    let limit: u64 = value("limit")?.parse().ok().filter(|&limit| limit > 0)?;
    let remaining = value("remaining")?.parse::<i64>().ok()?;
    let remaining = remaining.max(0).unsigned_abs();
    let used = u128::from(limit.saturating_sub(remaining));
    let reset_ms = (used * u128::from(window_ms)).div_ceil(u128::from(limit));
    let allowance = Allowance {
        dimension: counted.0,
        limit,
        remaining,
        reset_ms: u64::try_from(reset_ms).ok()?,
    };
    Some((limit as f64 / window_ms as f64, allowance))
}

/// Whether the account may not use this model at all: a limit of nothing, which no waiting changes.
pub fn has_none(headers: &[Header]) -> bool {
    let windows = |counted| {
        WINDOWS
            .into_iter()
            .map(move |(name, _)| header(counted, "limit", name))
    };
    let limits = COUNTED.into_iter().flat_map(windows);
    limits
        .into_iter()
        .any(|name| header_value(headers, &name) == Some("0"))
}

/// Whether the month's tokens are used up.
pub fn month_is_over(headers: &[Header]) -> bool {
    let left = |name: &&str| header_value(headers, name)?.parse::<i64>().ok();
    MONTH
        .iter()
        .any(|name| left(name).is_some_and(|left| left <= 0))
}

/// How long older servers ask to wait.
pub fn until_reset(headers: &[Header]) -> Option<u64> {
    let seconds: f64 = header_value(headers, RESET)?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1_000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(values: &[(&str, &str)]) -> Vec<Header> {
        let header = |&(name, value): &(&str, &str)| Header::new(name, value);
        values.iter().map(header).collect()
    }

    fn of(values: &[(&str, &str)]) -> Vec<(Dimension, u64, u64, u64)> {
        let allowances = allowances(&headers_of(values)).into_iter();
        allowances
            .map(|of| (of.dimension, of.limit, of.remaining, of.reset_ms))
            .collect()
    }

    /// Recorded in February and October 2026.
    #[test]
    fn a_window_that_is_named_in_the_header_gives_the_time_until_it_is_full() {
        let check = |values: &[(&str, &str)], expect: &[_]| assert_eq!(of(values), expect);
        check(
            &[
                ("x-ratelimit-limit-req-minute", "720"),
                ("x-ratelimit-remaining-req-minute", "717"),
                ("x-ratelimit-limit-tokens-minute", "5000000"),
                ("x-ratelimit-remaining-tokens-minute", "4999911"),
                ("x-ratelimit-tokens-query-cost", "52"),
            ],
            &[
                (Dimension::Requests, 720, 717, 250),
                (Dimension::Tokens, 5_000_000, 4_999_911, 2),
            ],
        );
        check(
            &[
                ("x-ratelimitbysize-limit-minute", "500000"),
                ("x-ratelimitbysize-remaining-minute", "-5"),
            ],
            &[(Dimension::Tokens, 500_000, 0, 60_000)],
        );
        check(
            &[
                ("x-ratelimit-limit-req-minute", "0"),
                ("x-ratelimit-remaining-req-minute", "0"),
                ("x-ratelimit-limit-tokens-minute", "many"),
                ("x-ratelimit-remaining-tokens-minute", "1"),
                ("x-ratelimit-limit-req-second", "6"),
            ],
            &[],
        );
    }

    #[test]
    fn of_several_windows_the_one_that_lets_the_least_through_sets_the_pace() {
        let minute = [
            ("x-ratelimit-limit-req-minute", "4"),
            ("x-ratelimit-remaining-req-minute", "0"),
        ];
        let ten = [
            ("x-ratelimit-limit-req-10-second", "2"),
            ("x-ratelimit-remaining-req-10-second", "1"),
        ];
        assert_eq!(
            of(&[minute, ten].concat()),
            [(Dimension::Requests, 4, 0, 60_000)]
        );
        assert_eq!(of(&ten), [(Dimension::Requests, 2, 1, 5_000)]);
        let second = [
            ("x-ratelimit-limit-req-second", "1"),
            ("x-ratelimit-remaining-req-second", "0"),
        ];
        let wide = [
            ("x-ratelimit-limit-req-minute", "600"),
            ("x-ratelimit-remaining-req-minute", "599"),
        ];
        assert_eq!(
            of(&[wide, second].concat()),
            [(Dimension::Requests, 1, 0, 1_000)]
        );
    }

    #[test]
    fn every_header_that_is_read_is_asked_for() {
        let names = headers();
        for name in [
            "retry-after",
            "ratelimit-reset",
            "x-ratelimit-limit-req-10-second",
            "x-ratelimit-remaining-tokens-minute",
            "x-ratelimitbysize-limit-minute",
            "x-ratelimit-remaining-tokens-month",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
