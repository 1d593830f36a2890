//! `xhost doctor`: what this machine allows, and whether the experiments fit on it.

use super::chosen::Chosen;
use super::plan::Ahead;
use super::{Exit, Failure, places};
use crate::doctor::{Reached, Report, StorePlace, Verdict, Work, render};
use crate::forecast::Forecast;
use crate::http::{Http, Outgoing, Settings, Transport, TransportError};
use crate::lane::Lane;
use crate::machine::{Disk, Machine, Tree};
use crate::prices::Travel;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  xhost doctor                       this machine, and the xhost.yaml of this folder
  xhost doctor a.yaml b.yaml --reach and whether the providers of two experiments answer
  xhost doctor --json || exit        in a script: 8 where something must be mended first";

/// Look at this machine: the real memory limit, processors, disk, and a checklist with what to do
///
/// Asks no provider, unless --reach wants it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Try to reach the experiments' providers, without a credential
    #[arg(long)]
    reach: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments {
        chosen,
        reach,
        json,
    } = arguments;
    // The machine first: a look at experiments takes memory itself.
    let machine = Machine::read(&Tree::real());
    let (works, lanes) = match chosen.names_any() {
        false => (Vec::new(), Vec::new()),
        true => {
            let ahead = Ahead::look(&chosen, &chosen.experiments().await?).await?;
            (ahead.forecasts.iter().map(work).collect(), ahead.lanes)
        }
    };
    let reached = if reach {
        reach_all(&lanes).await
    } else {
        Vec::new()
    };
    let path = chosen.store();
    let store = StorePlace {
        disk: Disk::of(path.parent().unwrap_or(&path)),
        shared: path == places::store(),
        path: path.display().to_string(),
    };
    let report = Report::new(machine, store, works, reached);
    if json {
        println!("{:#}", json!(report));
    } else {
        print!("{}", render(&report));
    }
    Ok(if report.worst() == Verdict::Bad {
        Exit::Room
    } else {
        Exit::Done
    })
}

fn work(forecast: &Forecast) -> Work {
    Work {
        name: forecast.experiment.clone(),
        missing: forecast.missing,
        lane: match forecast.lane.lane {
            Travel::Live => "live",
            Travel::Batch => "batch",
        },
        memory: forecast.memory,
        disk: forecast.disk,
    }
}

/// Each address once. Any answer, also a refusal, means that it was reached.
async fn reach_all(lanes: &[Arc<Lane>]) -> Vec<Reached> {
    let mut origins: Vec<String> = lanes.iter().map(|lane| lane.endpoint.origin()).collect();
    origins.sort_unstable();
    origins.dedup();
    let timeout = Duration::from_secs(10);
    let http = Http::new(Settings::new(timeout));
    let mut reached = Vec::with_capacity(origins.len());
    for origin in origins {
        let plain = Outgoing {
            method: "GET",
            url: format!("{origin}/"),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            timeout,
        };
        let failure = match http.send(plain).await {
            // Whatever came back came from there.
            Ok(_) | Err(TransportError::Redirect { .. } | TransportError::TooLarge { .. }) => None,
            Err(error) => Some(crate::text::plain(&error.to_string())),
        };
        reached.push(Reached { origin, failure });
    }
    reached
}
