//! The last look before a run begins: one line on what it will ask and cost, and whether it fits into memory. Bounded in
//! time: a run must not start later for it.

use super::{Exit, Failure, prices};
use crate::budget::{Account, Refusal};
use crate::forecast::{Effort, Sources, forecast, short};
use crate::governor::{self, Asked, Governor, Limits, Room};
use crate::lane::{Ceiling, Lane};
use crate::machine::{Memory, Tree, shown_bytes};
use crate::plan::Plan;
use crate::prices::Whereabouts;
use crate::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Trials whose first prompt is built for the short form.
const TRIALS: u64 = 256;

/// How long the short form may take, over all experiments.
const TIME: Duration = Duration::from_millis(150);

/// What is looked at.
pub(super) struct Start<'s> {
    pub(super) store: &'s Arc<Store>,
    pub(super) ceiling: &'s Arc<Ceiling>,
    pub(super) asked: Asked,
    pub(super) max_memory: Option<u64>,
    /// Whether a person reads along.
    pub(super) told: bool,
}

impl Start<'_> {
    /// Tells what each plan comes to, and begins to watch the memory.
    pub(super) async fn check(
        &self,
        plans: impl Iterator<Item = &Arc<Plan>>,
    ) -> Result<JoinHandle<()>, Failure> {
        let table = prices::table()?;
        let until = Instant::now() + TIME;
        let mut largest = 0;
        for plan in plans {
            let sources = Sources {
                store: Some(self.store),
                table: &table,
                concurrency: self.ceiling.limit(),
            };
            let ahead = forecast(plan, &sources, Effort::Some(TRIALS, until))
                .await
                .map_err(Failure::wrong)?;
            largest = largest.max(ahead.largest_body);
            if self.told {
                eprintln!("{}: {}", plan.name, short(&ahead));
            }
        }
        self.fit(largest)
    }

    fn fit(&self, largest: u64) -> Result<JoinHandle<()>, Failure> {
        let limits = Limits::new(&Memory::read(&Tree::real()), self.max_memory);
        match governor::room(&limits, self.ceiling.limit(), self.asked, largest) {
            Room::Fits => {}
            Room::With(calls) => {
                self.ceiling.set_limit(calls);
                if self.told {
                    eprintln!(
                        "{calls} calls in flight at most, so that the run fits into memory (`xhost doctor` says more)"
                    );
                }
            }
            Room::Not(why) => return Err(Failure::new(Exit::Room, why)),
        }
        let governor = Governor::new(self.ceiling.limit(), self.max_memory);
        let tell = |calls| eprintln!("memory is short: {calls} calls in flight at most");
        Ok(tokio::spawn(governor::watch(
            governor,
            Tree::real(),
            Arc::clone(self.ceiling),
            tell,
        )))
    }
}

/// Whether every model of a plan can be held within its budget.
pub(super) fn affordable(plan: &Plan, account: &Account) -> Result<(), Refusal> {
    let check = |lane: &Lane, most_output: Option<u32>| {
        let at = Whereabouts {
            endpoint: lane.endpoint.name(),
            host: lane.endpoint.host(),
            model: &lane.model,
        };
        account.check(at, most_output.map(u64::from))
    };
    for config in &plan.configs {
        // A prompt may set its own limit, which is looked at when it is there.
        check(&config.lane, config.sampling.max_tokens.or(Some(0)))?;
        for judge in config.judges.values() {
            check(&judge.lane, judge.sampling.max_tokens.or(Some(0)))?;
        }
    }
    Ok(())
}

/// A size such as `512MiB`, `2GiB` or `3g`; powers of two.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match lower[digits.len()..]
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong(text)),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong(text))?;
    let bytes = number
        .checked_mul(1 << shift)
        .filter(|&bytes| bytes >= 1 << 20);
    bytes.ok_or_else(|| wrong(text))
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is no size of {} or more: write 512MiB or 2GiB",
        shown_bytes(1 << 20)
    )
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_size_is_read_as_people_write_it() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("3g", 3 << 30),
            ("1048576", 1 << 20),
            ("1 TB", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "lots", "1", "-1g", "1.5g", "99999999999t", "2xb"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
