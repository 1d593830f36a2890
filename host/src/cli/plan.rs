//! `xhost plan`: what a run would ask, take and cost.

use super::chosen::Chosen;
use super::opening::{self, Reached};
use super::{Exit, Failure, places, prices};
use crate::experiment::Experiment;
use crate::forecast::{Effort, Forecast, Sources, forecast, render};
use crate::lane::Lane;
use crate::plan::{Lanes, Network, Plan};
use crate::plugin::Engine;
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  xhost plan                                  the experiment xhost.yaml of this folder
  xhost plan a.yaml model.name=x,y epochs=3   with overrides, as `xhost run` takes them
  xhost plan a.yaml --json | jq '.[0].cost_live.expected'";

/// Show what a run would ask, take and cost, and ask nothing
///
/// Every first prompt is built. What is asked in later turns and of judges depends on answers: it is estimated from some
/// trials, with made-up answers where none are in the store.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let experiments = arguments.chosen.experiments().await?;
    let ahead = Ahead::look(&arguments.chosen, &experiments).await?;
    if arguments.json {
        // Not by way of a JSON value: it would write amounts as what a double makes of them.
        let text = serde_json::to_string_pretty(&ahead.forecasts);
        println!("{}", text.map_err(|e| Failure::new(Exit::Internal, e))?);
        return Ok(Exit::Done);
    }
    let texts: Vec<String> = ahead.forecasts.iter().map(render).collect();
    print!("{}", texts.join("\n"));
    Ok(Exit::Done)
}

/// A look ahead at experiments.
pub(super) struct Ahead {
    pub(super) forecasts: Vec<Forecast>,
    pub(super) lanes: Vec<Arc<Lane>>,
}

impl Ahead {
    /// Builds every first prompt.
    pub(super) async fn look(
        chosen: &Chosen,
        experiments: &[Experiment],
    ) -> Result<Ahead, Failure> {
        let engine =
            Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
        let mut lanes = Lanes::new(Network::Real, experiments, chosen.concurrency());
        let store = store(&chosen.store()).await?;
        let table = prices::table()?;
        let mut forecasts = Vec::with_capacity(experiments.len());
        for experiment in experiments {
            let plan = Plan::new(experiment, &engine, &mut lanes)
                .await
                .map_err(Failure::wrong)?;
            let concurrency = lanes.ceiling().limit();
            let sources = Sources {
                store: store.as_ref(),
                table: &table,
                concurrency,
            };
            forecasts.push(
                forecast(&plan, &sources, Effort::All)
                    .await
                    .map_err(Failure::wrong)?,
            );
        }
        Ok(Ahead {
            forecasts,
            lanes: lanes.iter().cloned().collect(),
        })
    }
}

/// The store, if it is there and no run has it for itself: a look must neither make one nor wait for one.
async fn store(path: &Path) -> Result<Option<Arc<Store>>, Failure> {
    if !opening::is_there(path)? {
        return Ok(None);
    }
    Ok(match opening::reach(path, "xhost plan").await? {
        Reached::Own(store) => Some(Arc::new(Store::Own(store))),
        Reached::Shared(served) => Some(Arc::new(Store::Served(*served))),
        Reached::Busy(words) => {
            eprintln!("warning: {words}: what is in it is not counted");
            None
        }
    })
}
