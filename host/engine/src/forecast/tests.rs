//! The arithmetic of a forecast; `tests/spend.rs` and `tests/prices.rs` see it whole.

use super::range::tokens_of_bytes;
use super::{Range, Scale, choice, cost, memory, total};
use crate::experiment::Mode;
use crate::prices::{Money, Table, Travel};

fn alike<T: Copy>(value: T) -> Range<T> {
    Range {
        low: value,
        expected: value,
        high: value,
    }
}

#[test]
fn one_unknown_price_makes_the_whole_unknown_and_not_smaller() {
    let known = Some(alike(Money(5)));
    assert_eq!(total([known, known].into_iter()), Some(alike(Money(10))));
    assert_eq!(total([known, None].into_iter()), None);
    assert_eq!(total([].into_iter()), Some(alike(Money(0))));
}

#[test]
fn many_short_requests_do_not_cost_what_one_long_one_does() {
    let price = Table::embedded()
        .price("gemini/gemini-2.5-pro")
        .expect("it is known");
    // 1,000 requests of 1,000 tokens: a million in all, and none above 200,000.
    let many = cost(&price, 1_000, alike(1_000_000), alike(0), Travel::Live);
    assert_eq!(many.expected.dollars(), "1.25");
    let one = cost(&price, 1, alike(1_000_000), alike(0), Travel::Live);
    assert_eq!(one.expected.dollars(), "2.5");
    assert_eq!(
        cost(&price, 0, alike(0), alike(0), Travel::Live).expected,
        Money(0)
    );
}

#[test]
fn what_was_seen_of_some_trials_is_scaled_to_all() {
    let scale = Scale {
        known: 256,
        all: 26_380,
    };
    assert_eq!(scale.up(128), 13_190);
    assert_eq!(Scale { known: 0, all: 10 }.up(5), 0);
}

#[test]
fn an_estimate_holds_what_was_measured_between_its_ends() {
    // Bytes and tokens by o200k_base: English prose, code, digits.
    for (bytes, tokens) in [(4_150, 1_000), (2_780, 1_000), (2_000, 1_000)] {
        let range = tokens_of_bytes(bytes);
        assert!(range.low <= tokens && tokens <= range.high, "{bytes}");
    }
}

#[test]
fn memory_follows_the_calls_in_flight_and_their_bodies() {
    assert!(memory(500, 2_000) > memory(100, 2_000));
    assert!(memory(500, 100_000) > memory(500, 2_000));
    assert!(memory(500, 2_000) < 150 << 20);
}

#[test]
fn the_reason_for_a_lane_says_what_it_was() {
    let check = |modes: &[Mode], missing, batches, lane, why: &str| {
        let choice = choice(modes, missing, batches);
        assert_eq!(choice.lane, lane, "{}", choice.why);
        assert!(choice.why.contains(why), "{}", choice.why);
    };
    check(&[Mode::Auto], 999, true, Travel::Live, "fewer than 1000");
    check(&[Mode::Auto], 1_000, false, Travel::Live, "no batches");
    check(&[Mode::Auto], 1_000, true, Travel::Batch, "mode: auto");
    check(&[Mode::Live], 1_000, true, Travel::Live, "not asked for");
    check(
        &[Mode::Live, Mode::Batch],
        5,
        true,
        Travel::Batch,
        "mode: batch",
    );
}
