//! What a trial would ask after its first answers: later turns, and judges. Answers come from the store; where it has none,
//! a made-up one stands in, and from there on what would be asked is a guess. Nothing is sent.

use super::pen::{Draft, Pen};
use super::{Trial, text_of};
use crate::lane::{CallFailure, Lane};
use crate::plugin::bindings::{prompt_builder, scorer};
use crate::plugin::types::{Completion, Exchange, Part, Prompt, Sampling, StopReason, Usage};
use crate::store::Store;
use std::sync::Arc;

/// Later turns than this are not followed: what made-up answers lead to is a guess anyway.
const TURNS: usize = 8;

/// Where answers come from.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Real ones.
    pub(crate) store: Option<&'a Store>,
    /// What stands in for others.
    pub(crate) stand_in: &'a str,
}

/// What a trial would ask further, as far as it is not answered in the store.
#[derive(Default)]
pub(crate) struct Further {
    /// By its prompt builder, once it has its first answers.
    pub(crate) turns: Vec<Draft>,
    /// By its scorers.
    pub(crate) judges: Vec<Draft>,
}

/// Looks ahead.
///
/// # Errors
/// Where parameters are refused.
pub(crate) async fn further(trial: &Trial, known: Known<'_>) -> Result<Further, CallFailure> {
    let mut desk = Desk {
        pen: Pen::new(trial),
        trial,
        known,
    };
    let mut further = Further::default();
    let ended = desk.converse(&mut further.turns).await;
    // A plugin that cannot go on from a made-up answer says nothing about real ones.
    let Some((answer, exchanges)) = decided(ended)? else {
        return Ok(further);
    };
    let subject = Arc::new(scorer::Subject {
        sample: (*trial.sample).clone(),
        answer,
        exchanges,
    });
    for number in 0..trial.config.scorers.len() {
        let judged = desk.judge(number, &subject, &mut further.judges).await;
        decided(judged)?;
    }
    Ok(further)
}

fn decided<T>(result: Result<T, CallFailure>) -> Result<Option<T>, CallFailure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(stopped @ CallFailure::Stopped(_)) => Err(stopped),
        Err(CallFailure::Trial(_) | CallFailure::Deferred) => Ok(None),
    }
}

struct Desk<'a> {
    pen: Pen<'a>,
    trial: &'a Trial,
    known: Known<'a>,
}

impl Desk<'_> {
    /// The prompt builder's turns; its later questions that have no answer go into `later`.
    async fn converse(
        &mut self,
        later: &mut Vec<Draft>,
    ) -> Result<(String, Vec<Exchange>), CallFailure> {
        let config = &self.trial.config;
        let mut exchanges = Arc::new(Vec::new());
        for turn in 0..TURNS {
            let (params, sample) = (
                Arc::clone(&config.prompt.params),
                Arc::clone(&self.trial.sample),
            );
            let step =
                config
                    .prompt
                    .plugin
                    .next(self.pen.seed, params, sample, Arc::clone(&exchanges));
            let step = step
                .await
                .map_err(|failure| self.pen.plugin_failure(failure));
            let prompts = match step? {
                prompt_builder::Step::Ask(prompts) => prompts,
                prompt_builder::Step::Done(answer) => {
                    let last = || exchanges.last().map_or_else(String::new, text_of);
                    let answer = answer.unwrap_or_else(last);
                    return Ok((answer, Arc::unwrap_or_clone(exchanges)));
                }
            };
            for prompt in prompts {
                let (exchange, open) = self.ask(&config.lane, &config.sampling, prompt).await?;
                Arc::make_mut(&mut exchanges).push(exchange);
                later.extend(open.filter(|_| turn > 0));
            }
        }
        let answer = exchanges.last().map_or_else(String::new, text_of);
        Ok((answer, Arc::unwrap_or_clone(exchanges)))
    }

    /// One scorer's questions; those that have no answer go into `open`.
    async fn judge(
        &mut self,
        number: usize,
        subject: &Arc<scorer::Subject>,
        open: &mut Vec<Draft>,
    ) -> Result<(), CallFailure> {
        let used = &self.trial.config.scorers[number].plugin;
        let mut asked = Arc::new(Vec::new());
        for _ in 0..TURNS {
            let step = used.plugin.judge(
                self.pen.seed,
                Arc::clone(&used.params),
                Arc::clone(subject),
                Arc::clone(&asked),
            );
            let step = step
                .await
                .map_err(|failure| self.pen.plugin_failure(failure));
            let scorer::Step::Ask(questions) = step? else {
                return Ok(());
            };
            for question in questions {
                let Some(judge) = self.trial.config.judges.get(&question.model) else {
                    return Ok(());
                };
                let answered = self.ask(&judge.lane, &judge.sampling, question.prompt);
                let (exchange, draft) = answered.await?;
                Arc::make_mut(&mut asked).push(exchange);
                open.extend(draft);
            }
        }
        Ok(())
    }

    /// A question with an answer, and its draft where that is made up.
    async fn ask(
        &mut self,
        lane: &Arc<Lane>,
        sampling: &Sampling,
        prompt: Prompt,
    ) -> Result<(Exchange, Option<Draft>), CallFailure> {
        let prompt = Arc::new(self.pen.complete(prompt, sampling));
        let (request, digest) = self.pen.encode(lane, &prompt).await?;
        let stored = self.known.store.and_then(|store| store.get(&digest).ok()?);
        let body = stored.and_then(|answer| String::from_utf8(answer.body.into()).ok());
        let completion = match body {
            Some(body) => lane.provider.decode(Arc::new(body)).await?.ok(),
            None => None,
        };
        let max_tokens = prompt.sampling.max_tokens;
        let prompt = Arc::unwrap_or_clone(prompt);
        if let Some(completion) = completion {
            return Ok((Exchange { prompt, completion }, None));
        }
        let draft = Draft {
            lane: Arc::clone(lane),
            request,
            digest,
            max_tokens,
        };
        let completion = self.made_up(lane);
        Ok((Exchange { prompt, completion }, Some(draft)))
    }

    fn made_up(&self, lane: &Lane) -> Completion {
        Completion {
            parts: vec![Part::Text(self.known.stand_in.to_owned())],
            stop_reason: StopReason::End,
            usage: Usage {
                input: 0,
                output: 0,
                cache_read: 0,
                cache_write: 0,
                reasoning: 0,
            },
            model: lane.model.to_string(),
            extra: None,
        }
    }
}
