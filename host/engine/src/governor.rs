//! Keeps the run below the memory limit: before it begins, by what it is expected to hold; while it goes on, by what it and
//! its surroundings do hold and by pressure. It moves the most calls in flight, which the window follows, and stops nothing.

use crate::forecast;
use crate::lane::Ceiling;
use crate::machine::{Bound, Memory, Pressure, SAFE_PERCENT, Tree, percent_of, shown_bytes};
use std::sync::Arc;
use std::time::Duration;

/// How often usage is looked at: a thousand calls with bodies of 64 KiB come in about as long.
pub const LOOK: Duration = Duration::from_millis(250);

/// Below this share of the limit the window may grow again.
const CALM_PERCENT: u64 = 65;

/// Waiting for memory this share of the time, in percent, is too much whatever the usage.
const PRESSED: f64 = 10.0;

/// Looks between two steps down: what was narrowed must be seen first. Half a second.
const SETTLE: u32 = 2;

/// Calm looks before a step up: two seconds.
const PATIENCE: u32 = 8;

/// How much memory there is for this run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The surroundings' limit, in bytes, and how it is called.
    pub around: Option<(u64, String)>,
    /// What the surroundings hold without this process, in bytes.
    pub others: u64,
    /// The user's limit for this process, in bytes.
    pub own: Option<u64>,
}

impl Limits {
    /// What is there, and what the user allows.
    #[must_use]
    pub fn new(memory: &Memory, max_memory: Option<u64>) -> Limits {
        let name = match &memory.bound {
            Bound::Machine => "the machine's memory".to_owned(),
            Bound::Group { group, file } => format!("{file} of the control group {group}"),
        };
        Limits {
            around: memory.limit.map(|limit| (limit, name)),
            others: memory
                .used
                .unwrap_or(0)
                .saturating_sub(memory.own.unwrap_or(0)),
            own: max_memory,
        }
    }

    /// What this process may hold, in bytes; `None` where nobody says.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let safe = |limit: u64| percent_of(limit, SAFE_PERCENT);
        let around = self
            .around
            .as_ref()
            .map(|(limit, _)| safe(*limit).saturating_sub(self.others));
        [around, self.own.map(safe)].into_iter().flatten().min()
    }
}

/// Who said how many calls may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The user or an experiment.
    Written,
    /// Nobody: the number is this program's, and it may lower it.
    Default,
}

/// Whether a run fits.
#[derive(Debug, PartialEq, Eq)]
pub enum Room {
    /// It does.
    Fits,
    /// It does with so many calls in flight at most.
    With(usize),
    /// It does not; what to do.
    Not(String),
}

/// Whether a run with so many calls in flight, and bodies of at most so many bytes, fits.
#[must_use]
pub fn room(limits: &Limits, calls: usize, asked: Asked, largest_body: u64) -> Room {
    let needed = forecast::memory(calls, largest_body);
    let Some(room) = limits.room().filter(|&room| needed > room) else {
        return Room::Fits;
    };
    let fits = |calls: &usize| forecast::memory(*calls, largest_body) <= room;
    // The estimate grows with the calls, so the largest number that fits is found by halving.
    let (mut low, mut high) = (0, calls);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(&middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if asked == Asked::Default && low > 0 {
        return Room::With(low);
    }
    let named = match (&limits.around, limits.own) {
        (_, Some(own)) => format!("`--max-memory` of {}", shown_bytes(own)),
        (Some((limit, name)), None) => format!("{}, {name}", shown_bytes(*limit)),
        (None, None) => String::new(),
    };
    let advice = match low {
        0 => "end what else runs here, or ask for more memory".to_owned(),
        calls => format!(
            "lower `limits.concurrency` to {calls} (`--concurrency {calls}`), end what else runs here, or ask for more memory"
        ),
    };
    Room::Not(format!(
        "the run is expected to hold {} with {calls} calls in flight, and {} are left below {SAFE_PERCENT} % of {named} (others \
         hold {}): {advice}",
        shown_bytes(needed),
        shown_bytes(room),
        shown_bytes(limits.others),
    ))
}

/// What is held at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The surroundings' limit and usage, in bytes.
    pub around: Option<(u64, u64)>,
    /// What this process holds, in bytes.
    pub own: u64,
    /// Time in which tasks waited for memory, in percent of ten seconds; `None` where the kernel does not tell.
    pub pressure: Option<f64>,
}

impl Reading {
    /// Reads it.
    #[must_use]
    pub fn take(tree: &Tree) -> Reading {
        let memory = Memory::read(tree);
        Reading {
            around: memory.limit.zip(memory.used),
            own: memory.own.unwrap_or(0),
            pressure: Pressure::read(tree).map(|pressure| pressure.some_10),
        }
    }
}

/// Decides how many calls may be in flight.
#[derive(Debug)]
pub struct Governor {
    most: usize,
    calls: usize,
    max_memory: Option<u64>,
    settling: u32,
    calm: u32,
}

impl Governor {
    /// At most so many calls; `max_memory` in bytes is the user's limit for this process.
    #[must_use]
    pub fn new(most: usize, max_memory: Option<u64>) -> Governor {
        Governor {
            most,
            calls: most,
            max_memory,
            settling: 0,
            calm: 0,
        }
    }

    /// How many calls may be in flight after this reading, where that changes.
    pub fn decide(&mut self, reading: Reading) -> Option<usize> {
        self.settling = self.settling.saturating_sub(1);
        let above = |percent| {
            let around = reading
                .around
                .is_some_and(|(limit, used)| used >= percent_of(limit, percent));
            around
                || self
                    .max_memory
                    .is_some_and(|limit| reading.own >= percent_of(limit, percent))
        };
        if above(SAFE_PERCENT) || reading.pressure.is_some_and(|share| share >= PRESSED) {
            self.calm = 0;
            return if self.settling == 0 {
                self.narrow()
            } else {
                None
            };
        }
        if above(CALM_PERCENT) || self.calls == self.most {
            self.calm = 0;
            return None;
        }
        self.calm += 1;
        if self.calm < PATIENCE {
            return None;
        }
        self.calm = 0;
        self.calls = (self.calls + self.calls.div_ceil(10)).min(self.most);
        Some(self.calls)
    }

    fn narrow(&mut self) -> Option<usize> {
        let narrower = (self.calls * 7 / 10).max(1);
        self.settling = SETTLE;
        (narrower < self.calls).then(|| {
            self.calls = narrower;
            narrower
        })
    }
}

/// Moves the ceiling as the governor decides, for as long as this is waited for. `tell` hears of each step down.
pub async fn watch(
    mut governor: Governor,
    tree: Tree,
    ceiling: Arc<Ceiling>,
    tell: impl Fn(usize),
) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let before = ceiling.limit();
        if let Some(calls) = governor.decide(Reading::take(&tree)) {
            ceiling.set_limit(calls);
            if calls < before {
                tell(calls);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Governor, Limits, Reading, Room, room};

    const MIB: u64 = 1 << 20;

    fn limits(limit: u64, others: u64) -> Limits {
        Limits {
            around: Some((limit * MIB, "memory.max of /job".into())),
            others: others * MIB,
            own: None,
        }
    }

    #[test]
    fn a_run_past_four_fifths_of_the_limit_is_refused_with_the_number_that_fits() {
        assert_eq!(
            room(&limits(200, 0), 500, Asked::Written, 2_000),
            Room::Fits
        );
        let Room::Not(told) = room(&limits(200, 40), 1_000, Asked::Written, 2_000) else {
            panic!("it fits")
        };
        assert!(
            told.contains("memory.max of /job") && told.contains("--concurrency 4"),
            "{told}"
        );
        // A number that nobody wrote is lowered instead.
        let Room::With(calls) = room(&limits(200, 40), 1_000, Asked::Default, 2_000) else {
            panic!("not lowered")
        };
        assert_eq!(
            room(&limits(200, 40), calls, Asked::Written, 2_000),
            Room::Fits
        );
        assert!(matches!(
            room(&limits(200, 40), calls + 1, Asked::Written, 2_000),
            Room::Not(_)
        ));
        // Nothing fits beside the others.
        let Room::Not(told) = room(&limits(200, 150), 1, Asked::Default, 2_000) else {
            panic!("it fits")
        };
        assert!(!told.contains("--concurrency"), "{told}");
    }

    #[test]
    fn the_users_own_limit_counts_where_it_is_smaller() {
        let own = Limits {
            own: Some(100 * MIB),
            ..limits(100_000, 0)
        };
        let Room::Not(told) = room(&own, 1_000, Asked::Written, 2_000) else {
            panic!("it fits")
        };
        assert!(told.contains("`--max-memory` of 100 MiB"), "{told}");
    }

    fn reading(used: u64, pressure: f64) -> Reading {
        Reading {
            around: Some((200 * MIB, used * MIB)),
            own: 50 * MIB,
            pressure: Some(pressure),
        }
    }

    #[test]
    fn the_window_narrows_before_the_limit_and_opens_again_slowly() {
        let mut governor = Governor::new(100, None);
        assert_eq!(governor.decide(reading(159, 0.0)), None);
        assert_eq!(governor.decide(reading(160, 0.0)), Some(70));
        // What was narrowed is given time to be seen.
        assert_eq!(governor.decide(reading(165, 0.0)), None);
        assert_eq!(governor.decide(reading(165, 0.0)), Some(49));
        // Between calm and danger nothing moves.
        for _ in 0..50 {
            assert_eq!(governor.decide(reading(140, 0.0)), None);
        }
        let grown: Vec<usize> = (0..400)
            .filter_map(|_| governor.decide(reading(100, 0.0)))
            .collect();
        assert!(grown.is_sorted() && grown.last() == Some(&100), "{grown:?}");
        assert_eq!(grown[0], 54);
    }

    #[test]
    fn pressure_narrows_though_usage_is_small_and_one_call_is_always_left() {
        let mut governor = Governor::new(20, None);
        let steps: Vec<usize> = (0..100)
            .filter_map(|_| governor.decide(reading(20, 30.0)))
            .collect();
        assert_eq!(steps.first(), Some(&14));
        assert_eq!(steps.last(), Some(&1));
    }

    #[test]
    fn the_users_limit_is_held_against_this_process_alone() {
        let mut governor = Governor::new(10, Some(60 * MIB));
        assert_eq!(governor.decide(reading(20, 0.0)), Some(7));
        let mut governor = Governor::new(10, Some(70 * MIB));
        assert_eq!(governor.decide(reading(20, 0.0)), None);
    }
}
