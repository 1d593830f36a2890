//! The walk through an experiment's trials: each one's first prompt is built and encoded, and nothing is sent. What a trial
//! asks after its first answer, and what its judges are asked, is not known before.

use super::distinct::{Asked, Distinct};
use crate::dataset::{Dataset, DatasetError, Sample};
use crate::lane::{CallFailure, Lane};
use crate::plan::{Block, Plan, guest_sample};
use crate::stop::StopReason;
use crate::trial::{self, Draft, Trial};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Prompts that are built at once: enough for all processors.
const AT_ONCE: usize = 64;

/// How far the walk goes.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// Through every trial.
    All,
    /// Through so many trials, spread over the first rows, or until this instant.
    Some(u64, Instant),
}

/// The walk came to an end that it should not have.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// A row cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Parameters that a plugin refuses.
    #[error(transparent)]
    Stopped(#[from] StopReason),
    /// A temporary file cannot be written or read.
    #[error(
        "cannot count distinct requests in a temporary file: {0}; set TMPDIR to a folder with more room"
    )]
    Temporary(#[from] io::Error),
}

/// What the walk found.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) distinct: Distinct,
    /// Trials whose first prompt was built.
    pub(super) trials: u64,
    /// Trials whose prompt plugin failed: they ask nothing.
    pub(super) failed: u64,
    /// The largest body.
    pub(super) largest: u64,
}

pub(super) async fn walk(plan: &Plan, effort: Effort) -> Result<Walked, ForecastError> {
    let mut walked = Walked::default();
    let blocks = plan.blocks.len().max(1) as u64;
    for block in &plan.blocks {
        let most = match effort {
            Effort::All => u64::MAX,
            Effort::Some(trials, _) => (trials / blocks / block.stride.max(1)).max(1),
        };
        walked.block(block, most, effort).await?;
    }
    Ok(walked)
}

impl Walked {
    async fn block(
        &mut self,
        block: &Block,
        most: u64,
        effort: Effort,
    ) -> Result<(), ForecastError> {
        let mut rows = rows(&block.dataset);
        let mut under_way = FuturesUnordered::new();
        let mut number = 0;
        while let Some(row) = rows.recv().await {
            let sample = Arc::new(guest_sample(row?));
            for (config, _) in &block.members {
                for epoch in 1..=config.epochs {
                    let trial = Trial {
                        config: Arc::clone(config),
                        sample: Arc::clone(&sample),
                        epoch,
                        // Nor is what a run recorded.
                        ordinal: 0,
                        // What is too old is not looked at here.
                        run_started_ms: 0,
                    };
                    under_way.push(async move { trial::opening(&trial).await });
                    while under_way.len() >= AT_ONCE {
                        let drafts = under_way.next().await;
                        drafts.map_or(Ok(()), |drafts| self.take(drafts))?;
                    }
                }
            }
            number += 1;
            let late = matches!(effort, Effort::Some(_, until) if Instant::now() >= until);
            if number >= most || late {
                break;
            }
        }
        while let Some(drafts) = under_way.next().await {
            self.take(drafts)?;
        }
        Ok(())
    }

    fn take(&mut self, drafts: Result<Vec<Draft>, CallFailure>) -> Result<(), ForecastError> {
        self.trials += 1;
        let drafts = match drafts {
            Ok(drafts) => drafts,
            Err(CallFailure::Stopped(reason)) => return Err(reason.into()),
            Err(CallFailure::Trial(_) | CallFailure::Deferred) => {
                self.failed += 1;
                return Ok(());
            }
        };
        for Draft {
            lane,
            request,
            digest,
            max_tokens,
        } in drafts
        {
            let bytes = request.body.len() as u64;
            self.largest = self.largest.max(bytes);
            let lane = self.place(&lane);
            self.distinct.add(Asked {
                digest: *digest.as_bytes(),
                lane,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                cap: max_tokens.unwrap_or(0),
            })?;
        }
        Ok(())
    }

    fn place(&mut self, lane: &Arc<Lane>) -> u16 {
        let known = self.lanes.iter().position(|known| Arc::ptr_eq(known, lane));
        let place = known.unwrap_or_else(|| {
            self.lanes.push(Arc::clone(lane));
            self.lanes.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }
}

fn rows(dataset: &Dataset) -> mpsc::Receiver<Result<Sample, DatasetError>> {
    let (sender, receiver) = mpsc::channel(AT_ONCE);
    let rows = dataset.rows();
    tokio::task::spawn_blocking(move || {
        for row in rows {
            if sender.blocking_send(row).is_err() {
                return;
            }
        }
    });
    receiver
}
