//! What the lines of the results are counted in, as they are written: those of this process, and those that an earlier one
//! made and that stand as they are.

use super::standing::Standing;
use crate::event::Origins;
use crate::plan::Plan;
use crate::results::{Line, Maker};
use crate::summary::Tally;
use crate::until::{Flow, Monitor};
use serde::Deserialize;
use xhost_store::Digest;

/// What lines of the results are counted in.
pub(super) struct Counts<'a> {
    pub plan: &'a Plan,
    pub tallies: &'a mut [Tally],
    pub monitor: Option<&'a mut Monitor>,
    /// None where the store notes no run.
    pub touched: Option<&'a mut Vec<Digest>>,
    pub standing: &'a mut Standing,
}

/// What an earlier process's line says of its requests.
#[derive(Deserialize)]
struct Asked {
    requests: Vec<AskedOne>,
}

#[derive(Deserialize)]
struct AskedOne {
    digest: String,
}

impl Counts<'_> {
    pub fn line(&mut self, line: &Line<'_>) -> Flow {
        let Some(place) = self.plan.place(line.ordinal) else {
            return Flow::On;
        };
        let tally = &mut self.tallies[place.config];
        tally.line(place.sample, line.bytes);
        if line.maker == Maker::Earlier {
            let asked = serde_json::from_slice::<Asked>(line.bytes);
            let asked = asked.map_or_else(|_| Vec::new(), |asked| asked.requests);
            let hits = asked.len() as u64;
            tally.origins(Origins {
                hits,
                ..Origins::default()
            });
            self.standing.recall(hits);
            if let Some(touched) = &mut self.touched {
                touched.extend(
                    asked
                        .iter()
                        .filter_map(|one| one.digest.parse::<Digest>().ok()),
                );
            }
        }
        let monitor = self.monitor.as_mut();
        monitor.map_or(Flow::On, |monitor| {
            monitor.line(line.ordinal, place.config, line.bytes)
        })
    }
}
