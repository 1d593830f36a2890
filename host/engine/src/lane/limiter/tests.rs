//! What each kind of answer does to a lane that has just begun.

use super::*;

const CALL: Expected = Expected {
    input: 1_000,
    output: 100,
    most_output: Some(500),
    bytes: 4_000,
};

/// A limiter past its first call, and the time.
fn begun(limits: PaceLimits, start: Start) -> (Limiter, Instant) {
    let (mut limiter, now) = (Limiter::new(limits, start), Instant::now());
    let first = limiter.depart(now, &CALL);
    limiter.back();
    limiter.settle(now, &first, ANSWERED, 1_000, &mut Vec::new());
    (limiter, now)
}

const ANSWERED: Outcome = Outcome::Answered {
    input: 1_000,
    output: 100,
};

fn leave(limiter: &mut Limiter, now: Instant) -> Vec<Departure> {
    let mut left = Vec::new();
    while limiter.turn(now, &CALL) == Turn::Now {
        left.push(limiter.depart(now, &CALL));
    }
    left
}

fn settle(
    limiter: &mut Limiter,
    now: Instant,
    call: &Departure,
    outcome: Outcome,
) -> Vec<LimitChange> {
    let mut changes = Vec::new();
    limiter.back();
    limiter.settle(now, call, outcome, 1_000, &mut changes);
    changes
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_call_goes_alone_but_not_for_ever() {
    let (mut limiter, now) = (
        Limiter::new(PaceLimits::default(), Start::Gentle),
        Instant::now(),
    );
    assert_eq!(limiter.turn(now, &CALL), Turn::Now);
    let first = limiter.depart(now, &CALL);
    assert_eq!(limiter.turn(now, &CALL), Turn::At(now + 10 * SECOND));
    settle(&mut limiter, now + SECOND, &first, Outcome::Ill);
    let again = leave(&mut limiter, now + SECOND);
    assert_eq!(again.len(), 1, "nothing was learned, so one goes again");
    let (mut limiter, now) = (
        Limiter::new(PaceLimits::default(), Start::Gentle),
        Instant::now(),
    );
    assert_eq!(leave(&mut limiter, now).len(), 1);
    let others = leave(&mut limiter, now + 12 * SECOND);
    assert!(!others.is_empty(), "a slow answer does not hold everybody");
}

#[test]
fn traffic_grows_by_half_in_two_seconds_where_others_must_be_protected() {
    for (start, in_first_second) in [(Start::Gentle, 20..=45), (Start::Abrupt, 900..=2_000)] {
        let limits = PaceLimits {
            requests_per_minute: Some(60_000),
            ..PaceLimits::default()
        };
        let (mut limiter, now) = begun(limits, start);
        let mut left = 0;
        for ms in 0..1_000 {
            left += leave(&mut limiter, now + Duration::from_millis(ms)).len();
        }
        assert!(in_first_second.contains(&left), "{start:?}: {left}");
    }
}

#[test]
fn what_was_reserved_and_not_used_comes_back() {
    let limits = PaceLimits {
        tokens_per_minute: Some(90_000),
        ..PaceLimits::default()
    };
    let (mut limiter, now) = begun(limits, Start::Abrupt);
    let calls = leave(&mut limiter, now + SECOND);
    assert_eq!(calls.len(), 1, "1,500 are reserved of 1,470 a second");
    let Turn::At(before) = limiter.turn(now + SECOND, &CALL) else {
        panic!("it must wait")
    };
    let used = Outcome::Answered {
        input: 700,
        output: 100,
    };
    settle(&mut limiter, now + SECOND, &calls[0], used);
    let Turn::At(after) = limiter.turn(now + SECOND, &CALL) else {
        panic!("it must wait still")
    };
    let sooner = before.saturating_duration_since(after).as_secs_f64();
    assert!(
        (0.47..0.48).contains(&sooner),
        "700 of 1,470 a second: {sooner}"
    );
}

#[test]
fn a_refusal_closes_the_gate_and_one_probe_opens_it() {
    let (mut limiter, now) = begun(PaceLimits::default(), Start::Abrupt);
    let calls = leave(&mut limiter, now);
    assert_eq!(calls.len(), 20);
    let later = now + Duration::from_millis(100);
    let refused = Outcome::Refused(5 * SECOND);
    let changes = settle(&mut limiter, later, &calls[0], refused);
    let expected = LimitChange::Refused {
        wait_ms: 5_000,
        pace: 0.85,
    };
    assert_eq!(changes, [expected]);
    let known = settle(&mut limiter, later, &calls[1], Outcome::Refused(7 * SECOND));
    assert!(known.is_empty(), "the same episode: {known:?}");
    for call in &calls[2..] {
        settle(&mut limiter, later, call, ANSWERED);
    }
    assert_eq!(limiter.turn(later, &CALL), Turn::At(later + 7 * SECOND));
    let opens = later + 7 * SECOND;
    let probe = leave(&mut limiter, opens);
    assert_eq!(probe.len(), 1);
    let again = settle(&mut limiter, opens + SECOND, &probe[0], refused);
    assert!(again.is_empty(), "one cut in an episode: {again:?}");
    let opens = opens + 6 * SECOND;
    let probe = leave(&mut limiter, opens);
    assert_eq!(probe.len(), 1);
    let opened = settle(&mut limiter, opens + SECOND, &probe[0], ANSWERED);
    assert_eq!(opened, [LimitChange::Opened]);
    assert!(leave(&mut limiter, opens + SECOND).len() > 5);
}

/// Calls that leave within these seconds, each answered at once.
fn traffic(limiter: &mut Limiter, from: Instant, seconds: u64) -> usize {
    let mut left = 0;
    for ms in (0..1_000 * seconds).step_by(10) {
        let now = from + Duration::from_millis(ms);
        for call in leave(limiter, now) {
            settle(limiter, now, &call, ANSWERED);
            left += 1;
        }
    }
    left
}

#[test]
fn traffic_that_grew_too_fast_is_halved_and_takes_a_quarter_of_an_hour_to_come_back() {
    let limits = PaceLimits {
        requests_per_minute: Some(6_000),
        ..PaceLimits::default()
    };
    let (mut limiter, start) = begun(limits, Start::Abrupt);
    assert!((970..=1_080).contains(&traffic(&mut limiter, start, 10)));
    let now = start + 10 * SECOND;
    let call = limiter.depart(now, &CALL);
    let changes = settle(&mut limiter, now, &call, Outcome::TooSudden(3 * SECOND));
    let expected = LimitChange::Refused {
        wait_ms: 3_000,
        pace: 0.5,
    };
    assert_eq!(changes, [expected]);
    assert_eq!(limiter.turn(now, &CALL), Turn::At(now + 3 * SECOND));
    let after = |seconds: u64| now + 3 * SECOND + Duration::from_secs(seconds);
    // The traffic was 108 a second, for the bucket was full at first; where it is again, the ramp alone decides.
    let mut told = Vec::new();
    for (at, expected) in [
        (0, 47..=60),
        (450, 67..=75),
        (890, 100..=108),
        (1_000, 96..=101),
    ] {
        traffic(&mut limiter, after(at), 2);
        let a_second = traffic(&mut limiter, after(at + 2), 10) / 10;
        told.push(a_second);
        assert!(expected.contains(&a_second), "at {at}: {told:?}");
    }
    assert_eq!(limiter.factor, 1.0, "the limits are as they were");
}

#[test]
fn an_ill_service_halves_the_calls_in_flight_once_and_leaves_the_pace() {
    let (mut limiter, now) = begun(PaceLimits::default(), Start::Abrupt);
    let calls = leave(&mut limiter, now);
    let later = now + SECOND;
    let changes: Vec<_> = calls
        .iter()
        .flat_map(|call| settle(&mut limiter, later, call, Outcome::Ill))
        .collect();
    assert_eq!(changes, [LimitChange::Narrowed { concurrency: 10 }]);
    assert_eq!(leave(&mut limiter, later).len(), 10);
    assert_eq!(limiter.factor, 1.0);
}

#[test]
fn a_limit_of_the_day_is_used_as_fast_as_others_allow_and_then_parks_the_lane() {
    let (mut limiter, now) = begun(PaceLimits::default(), Start::Abrupt);
    let calls = leave(&mut limiter, now);
    let mut changes = Vec::new();
    let day = |remaining, reset_ms| Allowance {
        dimension: Dimension::Requests,
        limit: 86_400,
        remaining,
        reset_ms,
    };
    limiter.read(now, &calls[19], &[day(86_399, 1_003)], &mut changes);
    let expected = LimitChange::Learned {
        dimension: "requests",
        limit: 86_400,
        window_seconds: 86_400,
    };
    assert_eq!(changes, [expected]);
    assert!(leave(&mut limiter, now).len() > 1_000);
    let later = now + SECOND;
    let last = limiter.depart(later, &CALL);
    limiter.read(later, &last, &[day(0, 86_400_400)], &mut changes);
    let Turn::At(next) = limiter.turn(later, &CALL) else {
        panic!("nothing is left")
    };
    assert!(next > later + Duration::from_millis(900), "one a second");
}

#[test]
fn numbers_from_a_plugin_that_means_harm_neither_stop_the_lane_nor_let_it_loose() {
    let (mut limiter, now) = begun(
        PaceLimits {
            requests_per_minute: Some(600),
            ..PaceLimits::default()
        },
        Start::Abrupt,
    );
    let call = limiter.depart(now, &CALL);
    let odd = [0, 1, 1_000, u64::MAX];
    let numbers = odd
        .iter()
        .flat_map(|limit| odd.iter().map(move |remaining| (*limit, *remaining)))
        .flat_map(|(limit, remaining)| odd.iter().map(move |reset| (limit, remaining, *reset)));
    for (limit, remaining, reset_ms) in numbers {
        let told = DIMENSIONS.map(|dimension| Allowance {
            dimension,
            limit,
            remaining,
            reset_ms,
        });
        limiter.read(now, &call, &told, &mut Vec::new());
        if let Turn::At(at) = limiter.turn(now, &CALL) {
            assert!(at <= now + Duration::from_secs(86_400));
        }
        assert!(
            leave(&mut limiter, now).len() <= 10,
            "the user's limit holds"
        );
    }
}
