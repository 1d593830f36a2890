//! How a trial's prompts become requests: what the prompt leaves open is filled in, and equal requests are numbered.

use super::Trial;
use crate::lane::{CallFailure, Lane};
use crate::plugin::bindings::prompt_builder;
use crate::plugin::types::{Prompt, Sampling};
use crate::plugin::{CallSeed, Failure, FailureKind};
use crate::record::{Cause, TrialFailure};
use crate::request::{Draw, Request};
use crate::stop::StopReason;
use std::collections::HashMap;
use std::sync::Arc;
use xhost_store::Digest;

/// A request that a trial would send.
pub(crate) struct Draft {
    /// Who is asked.
    pub(crate) lane: Arc<Lane>,
    /// What is sent.
    pub(crate) request: Request,
    /// Its name.
    pub(crate) digest: Digest,
    /// The most tokens of the answer, where anybody says.
    pub(crate) max_tokens: Option<u32>,
}

/// What a trial asks first, without asking it.
///
/// # Errors
/// Where a plugin fails.
pub(crate) async fn opening(trial: &Trial) -> Result<Vec<Draft>, CallFailure> {
    let mut pen = Pen::new(trial);
    let used = &trial.config.prompt;
    let (params, sample) = (Arc::clone(&used.params), Arc::clone(&trial.sample));
    let step = used
        .plugin
        .next(pen.seed, params, sample, Arc::default())
        .await;
    let prompts = match step.map_err(|failure| pen.plugin_failure(failure))? {
        prompt_builder::Step::Ask(prompts) => prompts,
        prompt_builder::Step::Done(_) => return Ok(Vec::new()),
    };
    let mut drafts = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let prompt = Arc::new(pen.complete(prompt, &trial.config.sampling));
        let lane = Arc::clone(&trial.config.lane);
        let (request, digest) = pen.encode(&lane, &prompt).await?;
        let max_tokens = prompt.sampling.max_tokens;
        drafts.push(Draft {
            lane,
            request,
            digest,
            max_tokens,
        });
    }
    Ok(drafts)
}

/// Writes the requests of one trial.
pub(super) struct Pen<'a> {
    trial: &'a Trial,
    /// What a guest's random numbers follow from.
    pub(super) seed: CallSeed,
    draws: HashMap<Digest, u32>,
}

impl<'a> Pen<'a> {
    pub(super) fn new(trial: &'a Trial) -> Pen<'a> {
        let seed = CallSeed(seed(&trial.sample.id, trial.epoch));
        Pen {
            trial,
            seed,
            draws: HashMap::new(),
        }
    }

    /// A prompt with what the experiment says where it says nothing.
    pub(super) fn complete(&self, prompt: Prompt, experiment: &Sampling) -> Prompt {
        Prompt {
            sampling: filled(prompt.sampling, experiment),
            ..prompt
        }
    }

    /// The request, and its name.
    pub(super) async fn encode(
        &mut self,
        lane: &Lane,
        prompt: &Arc<Prompt>,
    ) -> Result<(Request, Digest), CallFailure> {
        let plain = lane
            .provider
            .encode(Arc::clone(&lane.model), Arc::clone(prompt))
            .await;
        let plain = plain.map_err(|failure| self.plugin_failure(failure))?;
        let draw = Draw {
            epoch: self.trial.epoch,
            repeat: 0,
        };
        let request = Request::new(plain, &lane.endpoint, draw, &self.trial.config.salt).map_err(
            |error| {
                let name = lane.provider.plugin.name();
                let version = &lane.provider.plugin.digest().to_string()[..12];
                let message = format!("provider `{name}` ({version}) broke the contract: {error}");
                CallFailure::Trial(TrialFailure::new(Cause::PluginTrap, message))
            },
        )?;
        let first = request.digest();
        let repeat = self
            .draws
            .entry(first)
            .and_modify(|count| *count += 1)
            .or_insert(0);
        if *repeat == 0 {
            return Ok((request, first));
        }
        let request = request.repeated(*repeat);
        let digest = request.digest();
        Ok((request, digest))
    }

    /// Parameters that a plugin refuses concern every trial: the run ends before more is paid for.
    pub(super) fn plugin_failure(&self, failure: Failure) -> CallFailure {
        match failure.kind {
            FailureKind::BadParams => {
                CallFailure::Stopped(StopReason::Experiment(failure.to_string()))
            }
            FailureKind::Refusal | FailureKind::Trap | FailureKind::Limit | FailureKind::Host => {
                failure.into()
            }
        }
    }
}

/// What the prompt leaves open is the experiment's to say; what neither says is left to the model.
fn filled(prompt: Sampling, experiment: &Sampling) -> Sampling {
    let Sampling {
        max_tokens,
        temperature,
        top_p,
        stop,
        seed,
        response_schema,
        extra,
    } = prompt;
    Sampling {
        max_tokens: max_tokens.or(experiment.max_tokens),
        temperature: temperature.or(experiment.temperature),
        top_p: top_p.or(experiment.top_p),
        stop: if stop.is_empty() {
            experiment.stop.clone()
        } else {
            stop
        },
        seed: seed.or(experiment.seed),
        response_schema: response_schema.or_else(|| experiment.response_schema.clone()),
        extra: extra.or_else(|| experiment.extra.clone()),
    }
}

/// What a guest's random numbers follow from.
fn seed(sample: &str, epoch: u32) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost trial seed v1");
    hasher
        .update(&(sample.len() as u64).to_le_bytes())
        .update(sample.as_bytes())
        .update(&epoch.to_le_bytes());
    *hasher.finalize().as_bytes()
}
