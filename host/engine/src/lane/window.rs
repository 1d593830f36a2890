//! How many calls of one lane may be in flight. Where limits are known, as many as the process allows. Where none are, a
//! number that is found: it grows while it is used and nothing is refused. Overload halves it, once in an episode. Pure.

use std::time::Instant;

/// Where the search begins.
const START: f64 = 20.0;

/// The window grows only while this share of it is in use: else its size proves nothing.
const IN_USE: f64 = 0.8;

/// The calls of one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Where no limit is known.
    search: Search,
    /// After overload.
    narrowed: Option<Narrowed>,
    in_flight: usize,
    last_halved: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Search {
    most: f64,
    refused_ever: bool,
    /// Calls that came back well since it last grew, and the most that were in flight meanwhile.
    round: f64,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Narrowed {
    most: f64,
    /// What it was before.
    wide: f64,
}

impl Default for Window {
    fn default() -> Window {
        let search = Search {
            most: START,
            refused_ever: false,
            round: 0.0,
            peak: 0,
        };
        Window {
            search,
            narrowed: None,
            in_flight: 0,
            last_halved: None,
        }
    }
}

impl Window {
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether one more may leave; `limits_known` says whether a pace holds them back already.
    pub(super) fn has_room(&self, limits_known: bool) -> bool {
        let most = if limits_known {
            f64::INFINITY
        } else {
            self.search.most
        };
        let most = self
            .narrowed
            .map_or(most, |narrowed| most.min(narrowed.most));
        (self.in_flight as f64) < most.max(1.0)
    }

    pub(super) fn leave(&mut self) {
        self.in_flight += 1;
        self.search.peak = self.search.peak.max(self.in_flight);
    }

    pub(super) fn back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A call came back well: after as many as the window holds, it grows.
    pub(super) fn well(&mut self, ceiling: usize) {
        if let Some(narrowed) = &mut self.narrowed {
            // As many more in a round as a tenth of what it was.
            narrowed.most += (narrowed.wide / 10.0).max(1.0) / narrowed.most.max(1.0);
            if narrowed.most >= narrowed.wide {
                self.narrowed = None;
            }
        }
        let search = &mut self.search;
        search.round += 1.0;
        if search.round < search.most {
            return;
        }
        if search.peak as f64 >= IN_USE * search.most {
            let step = if search.refused_ever { 0.05 } else { 0.5 };
            let grown = search.most + (search.most * step).max(1.0);
            search.most = grown.min(ceiling as f64);
        }
        (search.round, search.peak) = (0.0, self.in_flight);
    }

    /// The first refusal for speed of an episode.
    pub(super) fn refused(&mut self) {
        let search = &mut self.search;
        search.refused_ever = true;
        search.most = (0.8 * search.most.min(self.in_flight as f64 + 1.0)).max(1.0);
        (search.round, search.peak) = (0.0, self.in_flight);
    }

    /// A call that left at `left` found the service ill. The new limit, if this halved it.
    pub(super) fn ill(&mut self, now: Instant, left: Instant) -> Option<usize> {
        if self.last_halved.is_some_and(|halved| left <= halved) {
            return None;
        }
        self.last_halved = Some(now);
        let flying = self.in_flight as f64 + 1.0;
        let before = self
            .narrowed
            .map_or(flying, |narrowed| narrowed.most.min(flying));
        let wide = self
            .narrowed
            .map_or(flying, |narrowed| narrowed.wide.max(flying));
        let most = (before / 2.0).floor().max(1.0);
        self.narrowed = Some(Narrowed { most, wide });
        Some(most as usize)
    }
}
