//! How often a call is asked again, how long is waited, and how it ends.

use super::*;
use crate::plugin::bindings::provider::Fault;

fn unreachable() -> Trouble {
    let (origin, cause) = ("http://h".into(), "refused".into());
    Trouble::Transport(TransportError::Unreachable { origin, cause })
}

fn timeout() -> Trouble {
    let (origin, seconds) = ("http://h".into(), 600);
    Trouble::Transport(TransportError::Timeout { origin, seconds })
}

fn broken() -> Trouble {
    let (origin, cause) = ("http://h".into(), "reset".into());
    Trouble::Transport(TransportError::Broken { origin, cause })
}

fn redirect() -> Trouble {
    Trouble::Transport(TransportError::Redirect {
        origin: "http://h".into(),
        status: 302,
        location: None,
    })
}

fn too_large() -> Trouble {
    let origin = "http://h".into();
    Trouble::Transport(TransportError::TooLarge { origin })
}

fn fault(kind: FaultKind, retry_after_ms: Option<u64>) -> Trouble {
    Trouble::Fault(Fault {
        kind,
        message: "the words".into(),
        retry_after_ms,
    })
}

/// What is decided of this trouble until it is no retry: how often it is asked again, and how it ends.
fn decide(retries: u32, ever_answered: bool, trouble: &Trouble) -> (u32, String) {
    let mut patience = Patience::new(retries);
    let mut again = 0;
    loop {
        match patience.decide(trouble, ever_answered) {
            Verdict::Retry { .. } | Verdict::SlowDown(_) => again += 1,
            Verdict::Fail(failure) => return (again, format!("fails: {}", failure.cause.text())),
            Verdict::Stop(reason) => return (again, format!("stops: {reason}")),
        }
    }
}

#[test]
fn patience_ends_as_the_trouble_deserves() {
    use FaultKind::{Denied, Exhausted, Malformed, Overloaded, RateLimited, Rejected};
    let nobody = "stops: cannot connect to http://h: refused; check `model.base_url` and whether the server runs";
    for (retries, ever_answered, trouble, again, end) in [
        (
            6,
            true,
            fault(RateLimited, None),
            200,
            "fails: rate-limited",
        ),
        (
            0,
            true,
            fault(RateLimited, Some(5)),
            200,
            "fails: rate-limited",
        ),
        (6, true, fault(Overloaded, None), 6, "fails: overloaded"),
        (0, true, fault(Overloaded, None), 0, "fails: overloaded"),
        (
            2,
            true,
            fault(Overloaded, Some(9_000)),
            2,
            "fails: overloaded",
        ),
        (6, true, fault(Rejected, None), 0, "fails: rejected"),
        (6, true, fault(Rejected, Some(1)), 0, "fails: rejected"),
        (6, true, fault(Malformed, None), 0, "fails: malformed"),
        (
            6,
            true,
            fault(Exhausted, None),
            0,
            "stops: the words; add credit or raise the limit in the provider's console",
        ),
        (6, true, fault(Denied, None), 0, "stops: the words"),
        (6, false, unreachable(), 3, nobody),
        (1, false, unreachable(), 1, nobody),
        (0, false, unreachable(), 0, nobody),
        (6, true, unreachable(), 6, "fails: unreachable"),
        (6, false, timeout(), 6, "fails: timeout"),
        (6, true, broken(), 6, "fails: overloaded"),
        (6, true, redirect(), 0, "fails: malformed"),
        (6, true, too_large(), 0, "fails: malformed"),
    ] {
        let found = decide(retries, ever_answered, &trouble);
        assert_eq!(
            found,
            (again, end.to_owned()),
            "{retries} retries, {trouble:?}"
        );
    }
}

#[test]
fn a_wait_that_is_asked_for_is_taken_within_bounds() {
    use FaultKind::{Overloaded, RateLimited};
    let first_backoff = 500..1_000;
    for (kind, asked, wait_ms) in [
        (RateLimited, None, first_backoff.clone()),
        (RateLimited, Some(0), first_backoff.clone()),
        (RateLimited, Some(19), first_backoff.clone()),
        (RateLimited, Some(20), 20..21),
        (RateLimited, Some(5_000), 5_000..5_001),
        (RateLimited, Some(1_000_000_000_000), 3_600_000..3_600_001),
        (RateLimited, Some(u64::MAX), 3_600_000..3_600_001),
        (Overloaded, None, first_backoff.clone()),
        (Overloaded, Some(1), first_backoff.clone()),
        (Overloaded, Some(5_000), 5_000..5_001),
        (Overloaded, Some(u64::MAX), 3_600_000..3_600_001),
    ] {
        let verdict = Patience::new(6).decide(&fault(kind, asked), true);
        let Verdict::Retry { wait, .. } = verdict else {
            panic!("{kind:?} {asked:?}: {verdict:?}")
        };
        assert!(
            wait_ms.contains(&(wait.as_millis() as u64)),
            "{kind:?} {asked:?}: {wait:?}"
        );
    }
}

#[test]
fn only_a_limit_on_speed_closes_the_gate_and_only_an_ill_service_narrows_the_window() {
    use FaultKind::{Denied, Malformed, Overloaded, RateLimited, Rejected};
    for (trouble, expected) in [
        (
            fault(RateLimited, Some(5_000)),
            Outcome::Refused(Duration::from_secs(5)),
        ),
        (fault(Overloaded, Some(5_000)), Outcome::Ill),
        (timeout(), Outcome::Ill),
        (broken(), Outcome::Ill),
        (unreachable(), Outcome::Ill),
        (fault(Rejected, None), Outcome::Other),
        (fault(Malformed, None), Outcome::Other),
        (fault(Denied, None), Outcome::Other),
        (redirect(), Outcome::Other),
    ] {
        let outcome = Patience::new(6).decide(&trouble, true).outcome();
        assert_eq!(outcome, expected, "{trouble:?}");
    }
}

#[test]
fn waits_double_up_to_half_a_minute_with_as_much_again_by_chance() {
    let mut patience = Patience::new(20);
    let mut least = 0.5;
    for attempt in 0..20 {
        let verdict = patience.decide(&timeout(), true);
        let Verdict::Retry {
            wait,
            cause: Cause::Timeout,
        } = verdict
        else {
            panic!("{verdict:?}")
        };
        let seconds = wait.as_secs_f64();
        assert!(
            (least..=2.0 * least).contains(&seconds),
            "attempt {attempt}: {seconds} s, at least {least} s"
        );
        least = f64::min(2.0 * least, 30.0);
    }
}

#[test]
fn being_too_fast_uses_up_no_retry() {
    let mut patience = Patience::new(1);
    for _ in 0..200 {
        let verdict = patience.decide(&fault(FaultKind::RateLimited, Some(100)), true);
        assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    }
    let ill = fault(FaultKind::Overloaded, None);
    assert!(matches!(patience.decide(&ill, true), Verdict::Retry { .. }));
    assert!(matches!(patience.decide(&ill, true), Verdict::Fail(_)));
}

#[test]
fn traffic_that_grew_too_fast_is_told_apart_by_the_providers_code() {
    for (message, sudden) in [
        ("http://h (HTTP 429): Slow down (slow_down)", true),
        ("http://h (HTTP 429): Too fast (ramp_limit_exceeded)", true),
        (
            "http://h (HTTP 429): Rate limit reached (rate_limit_exceeded)",
            false,
        ),
        (
            "http://h (HTTP 429): (slow_down) is what it is not (requests)",
            false,
        ),
    ] {
        let trouble = Trouble::Fault(Fault {
            kind: FaultKind::RateLimited,
            message: message.into(),
            retry_after_ms: Some(3_000),
        });
        let wait = Duration::from_secs(3);
        let expected = if sudden {
            Outcome::TooSudden(wait)
        } else {
            Outcome::Refused(wait)
        };
        let verdict = Patience::new(6).decide(&trouble, true);
        assert_eq!(verdict.outcome(), expected, "{message}");
    }
}
