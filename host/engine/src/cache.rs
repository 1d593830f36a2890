//! Which stored answers a run uses. Pure: the time comes in as numbers. Nothing is ever deleted by it: an answer that is not
//! used stays where it is.

use std::time::Duration;

/// How a config treats the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What happens at a hit and at a miss.
    pub mode: Mode,
    /// Answers that were older than this when the run began are not used.
    pub max_age: Option<Duration>,
    /// Answers that ran into a limit of tokens are not used.
    pub skips_truncated: bool,
    /// Answers that the provider withheld or cut for their content are not used.
    pub skips_filtered: bool,
}

/// What happens at a hit and at a miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A stored answer is used, another one is asked for and stored.
    #[default]
    Use,
    /// Everything is asked for once in a run, and stored as the next draw: what was there stays.
    Refresh,
    /// Everything is asked for once in a run, and takes the place of what was there.
    Replace,
    /// Stored answers are used, and nothing is asked for.
    Only,
    /// Nothing is read from the store or written to it.
    Off,
}

/// A policy at the time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// What happens at a hit and at a miss.
    pub mode: Mode,
    /// Answers from before this are not used; milliseconds since 1970-01-01 UTC.
    oldest_ms: u64,
    skips_truncated: bool,
    skips_filtered: bool,
}

/// Why a model stopped, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Whole,
    /// It ran into a limit of tokens.
    Truncated,
    /// It was withheld or cut for its content.
    Filtered,
}

impl Policy {
    /// The policy for a run that was begun at this time. A run that goes on has the time at which it was first begun, so it
    /// does not ask again what it asked before it was interrupted.
    #[must_use]
    pub fn at(self, run_started_ms: u64) -> Terms {
        let Policy {
            mode,
            max_age,
            skips_truncated,
            skips_filtered,
        } = self;
        let oldest_ms = match (mode, max_age) {
            (Mode::Refresh | Mode::Replace, _) => run_started_ms,
            (Mode::Use | Mode::Only | Mode::Off, Some(age)) => {
                run_started_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
            }
            (Mode::Use | Mode::Only | Mode::Off, None) => 0,
        };
        Terms {
            mode,
            oldest_ms,
            skips_truncated,
            skips_filtered,
        }
    }
}

impl Terms {
    /// Why a stored answer is not used; none where it is.
    #[must_use]
    pub fn objection(&self, created_ms: u64, ending: Ending) -> Option<&'static str> {
        match ending {
            _ if created_ms < self.oldest_ms => Some("it is too old"),
            Ending::Truncated if self.skips_truncated => Some("it is truncated"),
            Ending::Filtered if self.skips_filtered => Some("it is filtered"),
            Ending::Whole | Ending::Truncated | Ending::Filtered => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Mode, Policy};
    use std::time::Duration;

    #[test]
    fn what_is_too_old_truncated_or_filtered_is_not_used_where_the_policy_says_so() {
        let policy = Policy {
            max_age: Some(Duration::from_secs(10)),
            skips_truncated: true,
            ..Policy::default()
        };
        let terms = policy.at(100_000);
        let objection = |created_ms, ending| terms.objection(created_ms, ending).is_some();
        assert!(!objection(90_000, Ending::Whole));
        assert!(objection(89_999, Ending::Whole));
        assert!(objection(90_000, Ending::Truncated));
        assert!(!objection(90_000, Ending::Filtered));
        let any = Policy::default().at(100_000);
        assert_eq!(any.objection(0, Ending::Filtered), None);
    }

    #[test]
    fn a_refresh_uses_what_its_own_run_asked_for_and_nothing_older() {
        for mode in [Mode::Refresh, Mode::Replace] {
            let policy = Policy {
                mode,
                ..Policy::default()
            };
            let terms = policy.at(100_000);
            assert_eq!(terms.objection(100_000, Ending::Whole), None);
            assert!(terms.objection(99_999, Ending::Whole).is_some());
        }
    }
}
