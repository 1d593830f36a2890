//! One trial, from the sample to its scores: build a prompt, ask, build the next one from the answers, judge. Everything
//! that is waited for is waited for here; no plugin is alive meanwhile. A failed trial is data. `Err` means that the trial
//! was not decided, because the run or its model ended first.

/// Prompts as requests.
mod pen;

/// What would be asked.
mod ahead;

pub(crate) use ahead::{Known, further};
pub(crate) use pen::{Draft, opening};

use crate::answers::{Answered, Answers, Origin, Question as Asked};
use crate::batch::Outbox;
use crate::cache::Terms;
use crate::event::Origins;
use crate::lane::{Asker, CallFailure, Lane, Urgency};
use crate::plan::{Config, ScorerUse};
use crate::plugin::bindings::{prompt_builder, scorer};
use crate::plugin::types::{Exchange, Part, Prompt, Sample, Sampling};
use crate::plugin::{weigh_completion, weigh_prompt};
use crate::record::{self, Cause, TrialFailure, Usage, Verdict};
use crate::recorded::RecordedTrial;
use crate::stop::StopReason;
use futures_util::future::join_all;
use pen::Pen;
use std::sync::Arc;

/// The most that one trial may ask, judges included: a plugin that asks for ever spends the user's money.
const MOST_ASKED: usize = crate::request::REPEATS as usize;

/// The most bytes that one trial may ask and be answered: they are held until it ends, and thousands are under way.
const MOST_BYTES: usize = 64 << 20;

/// One trial to be made.
pub struct Trial {
    /// The config.
    pub config: Arc<Config>,
    /// The row.
    pub sample: Arc<Sample>,
    /// The repeat, from 1.
    pub epoch: u32,
    /// Its place in the results.
    pub ordinal: u64,
    /// When the run was begun, in milliseconds since 1970-01-01 UTC: what is older may be too old.
    pub run_started_ms: u64,
}

/// What a trial came to.
pub struct Outcome {
    /// For the results.
    pub record: record::Trial,
    /// For the events.
    pub origins: Origins,
}

/// Makes a trial. None where an answer comes with a batch: then it is to be made again. With `outbox`, requests without an
/// answer go there, where that takes them.
///
/// # Errors
/// The reason why it was not decided.
pub async fn run(
    trial: &Trial,
    answers: &Answers,
    asker: &Asker,
    outbox: Option<Outbox<'_>>,
) -> Result<Option<Outcome>, StopReason> {
    let mut desk = Desk::new(trial, answers, asker, outbox)?;
    let mut scores = Vec::new();
    let (answer, failure) = match converse(trial, &mut desk).await {
        Ok(Conversation { answer, exchanges }) => {
            let subject = scorer::Subject {
                sample: (*trial.sample).clone(),
                answer: answer.clone(),
                exchanges,
            };
            let judged = judge_all(trial, Arc::new(subject), &mut desk, &mut scores).await;
            match judged {
                Ok(failure) => (Some(answer), failure),
                Err(NotJudged::Deferred) => return Ok(None),
                Err(NotJudged::Stopped(reason)) => return Err(reason),
            }
        }
        Err(CallFailure::Trial(failure)) => (None, Some(failure)),
        Err(CallFailure::Stopped(reason)) => return Err(reason),
        Err(CallFailure::Deferred) => return Ok(None),
    };
    let Desk {
        requests,
        usage,
        origins,
        ..
    } = desk;
    let (config, sample) = (Arc::clone(&trial.config.axes), trial.sample.id.clone());
    let record = record::Trial {
        config,
        sample,
        epoch: trial.epoch,
        answer,
        scores,
        requests,
        usage,
        failure,
    };
    Ok(Some(Outcome { record, origins }))
}

struct Conversation {
    answer: String,
    exchanges: Vec<Exchange>,
}

/// The prompt builder's turns, until it is done.
async fn converse(trial: &Trial, desk: &mut Desk<'_>) -> Result<Conversation, CallFailure> {
    let Config { prompt, .. } = &*trial.config;
    let mut exchanges = Arc::new(Vec::new());
    loop {
        let (params, sample) = (Arc::clone(&prompt.params), Arc::clone(&trial.sample));
        let step = prompt
            .plugin
            .next(desk.pen.seed, params, sample, Arc::clone(&exchanges))
            .await;
        match step.map_err(|failure| desk.pen.plugin_failure(failure))? {
            prompt_builder::Step::Ask(prompts) => {
                let lane = &trial.config.lane;
                let questions = prompts
                    .into_iter()
                    .map(|prompt| (lane, &trial.config.sampling, prompt));
                let answered = desk.ask(questions.collect()).await?;
                Arc::make_mut(&mut exchanges).extend(answered);
            }
            prompt_builder::Step::Done(answer) => {
                let answer =
                    answer.unwrap_or_else(|| exchanges.last().map_or_else(String::new, text_of));
                return Ok(Conversation {
                    answer,
                    exchanges: Arc::unwrap_or_clone(exchanges),
                });
            }
        }
    }
}

/// Why there are no verdicts.
enum NotJudged {
    Deferred,
    Stopped(StopReason),
}

/// Every scorer's verdicts. A scorer whose answers come with a batch does not keep the others from asking. A scorer that fails costs its own scores, not the others'; the first failure is told.
async fn judge_all(
    trial: &Trial,
    subject: Arc<scorer::Subject>,
    desk: &mut Desk<'_>,
    scores: &mut Vec<Verdict>,
) -> Result<Option<TrialFailure>, NotJudged> {
    let mut first = None;
    let mut deferred = false;
    for scorer in &trial.config.scorers {
        match judge(trial, scorer, Arc::clone(&subject), desk).await {
            Ok(verdicts) => scores.extend(verdicts),
            Err(CallFailure::Stopped(reason)) => return Err(NotJudged::Stopped(reason)),
            Err(CallFailure::Deferred) => deferred = true,
            Err(CallFailure::Trial(failure)) => {
                first.get_or_insert(TrialFailure {
                    scorer: Some(Arc::clone(&scorer.label)),
                    ..failure
                });
            }
        }
    }
    if deferred {
        return Err(NotJudged::Deferred);
    }
    Ok(first)
}

async fn judge(
    trial: &Trial,
    scorer: &ScorerUse,
    subject: Arc<scorer::Subject>,
    desk: &mut Desk<'_>,
) -> Result<Vec<Verdict>, CallFailure> {
    let mut asked = Arc::new(Vec::new());
    loop {
        let params = Arc::clone(&scorer.plugin.params);
        let step = scorer
            .plugin
            .plugin
            .judge(
                desk.pen.seed,
                params,
                Arc::clone(&subject),
                Arc::clone(&asked),
            )
            .await;
        match step.map_err(|failure| desk.pen.plugin_failure(failure))? {
            scorer::Step::Ask(questions) => {
                let mut known = Vec::with_capacity(questions.len());
                for question in questions {
                    let judge = trial
                        .config
                        .judges
                        .get(&question.model)
                        .ok_or_else(|| no_judge(scorer, &question))?;
                    known.push((&judge.lane, &judge.sampling, question.prompt));
                }
                let answered = desk.ask(known).await?;
                Arc::make_mut(&mut asked).extend(answered);
            }
            scorer::Step::Done(done) => {
                return Ok(done
                    .into_iter()
                    .map(|score| Verdict::new(Arc::clone(&scorer.label), score))
                    .collect());
            }
        }
    }
}

fn no_judge(scorer: &ScorerUse, question: &scorer::Question) -> CallFailure {
    let message = format!(
        "scorer `{}` asks the model `{}`, which the experiment does not declare: add it under `models:`",
        scorer.label, question.model
    );
    CallFailure::Stopped(StopReason::Experiment(message))
}

/// The text of a completion: what a model said, without its reasoning.
fn text_of(exchange: &Exchange) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Media(_) | Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => None,
    };
    exchange.completion.parts.iter().filter_map(text).collect()
}

/// All answers, or the first failure in the order of the questions: which one came back first must not matter.
fn in_order<T>(answered: Vec<Result<T, CallFailure>>) -> Result<Vec<T>, CallFailure> {
    if let Some(Err(stopped)) = answered
        .iter()
        .find(|result| matches!(result, Err(CallFailure::Stopped(_))))
    {
        return Err(stopped.clone());
    }
    // While one is open, it is not known which failure comes first.
    let is_open = |result: &Result<T, CallFailure>| matches!(result, Err(CallFailure::Deferred));
    if answered.iter().any(is_open) {
        return Err(CallFailure::Deferred);
    }
    answered.into_iter().collect()
}

/// Where a trial asks its questions: it numbers equal ones, and keeps count of what was asked and what it cost.
struct Desk<'a> {
    pen: Pen<'a>,
    answers: &'a Answers,
    asker: &'a Asker,
    outbox: Option<Outbox<'a>>,
    terms: Terms,
    /// The trial, for the words of an error.
    name: String,
    requests: Vec<record::Exchange>,
    /// What was asked and answered, in bytes.
    held: usize,
    usage: Usage,
    origins: Origins,
    /// What the run recorded of this trial, where this is a replay.
    recorded: Option<RecordedTrial>,
}

type Question<'q> = (&'q Arc<Lane>, &'q Sampling, Prompt);

impl<'a> Desk<'a> {
    fn new(
        trial: &'a Trial,
        answers: &'a Answers,
        asker: &'a Asker,
        outbox: Option<Outbox<'a>>,
    ) -> Result<Desk<'a>, StopReason> {
        let terms = trial.config.cache.at(trial.run_started_ms);
        let name = named(trial);
        let usage = Usage::default();
        let origins = Origins::default();
        Ok(Desk {
            pen: Pen::new(trial),
            answers,
            asker,
            outbox,
            terms,
            name,
            requests: Vec::new(),
            held: 0,
            usage,
            origins,
            recorded: answers.recorded(trial.ordinal)?,
        })
    }

    /// All questions at once; the exchanges in their order.
    async fn ask(&mut self, questions: Vec<Question<'_>>) -> Result<Vec<Exchange>, CallFailure> {
        if self.requests.len() + questions.len() > MOST_ASKED {
            return Err(past(&format!("for more than {MOST_ASKED} answers")));
        }
        let asked = questions.iter().map(|(_, _, prompt)| weigh_prompt(prompt));
        self.held += asked.sum::<usize>();
        if self.held > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            return Err(past(&format!(
                "with more than {most} MiB, answers included"
            )));
        }
        let mut sent = Vec::with_capacity(questions.len());
        for (lane, sampling, prompt) in questions {
            let prompt = Arc::new(self.pen.complete(prompt, sampling));
            let (request, digest) = self.pen.encode(lane, &prompt).await?;
            sent.push((lane, prompt, request, digest));
        }
        let answers = self.answers;
        let askers: Vec<_> = sent
            .iter()
            .map(|(_, prompt, _, _)| self.asker_of(prompt))
            .collect();
        let calls = sent
            .iter()
            .zip(&askers)
            .map(|((lane, _, request, digest), asker)| {
                let question = Asked {
                    request,
                    digest: *digest,
                    lane,
                    terms: self.terms,
                    trial: &self.name,
                    recorded: self.recorded.as_ref(),
                };
                let outbox = self.outbox;
                async move { answers.answer(&question, asker, outbox).await }
            });
        let answered = in_order(join_all(calls).await)?;
        let exchanges = sent.into_iter().zip(answered);
        Ok(exchanges
            .map(|((_, prompt, _, _), (answered, origin))| self.note(prompt, &answered, origin))
            .collect())
    }

    /// Who has answers already goes before who begins: a trial that ends makes room.
    fn asker_of(&self, prompt: &Prompt) -> Asker {
        let urgency = if self.requests.is_empty() {
            Urgency::New
        } else {
            Urgency::UnderWay
        };
        Asker {
            urgency,
            most_output: prompt.sampling.max_tokens.map(u64::from),
            ..self.asker.clone()
        }
    }

    fn note(&mut self, prompt: Arc<Prompt>, answered: &Answered, origin: Origin) -> Exchange {
        match origin {
            Origin::Hit => self.origins.hits += 1,
            Origin::Shared => self.origins.shared += 1,
            Origin::Call => self.origins.calls += 1,
        }
        self.usage.add(&answered.completion.usage);
        self.held += weigh_completion(&answered.completion);
        self.requests.push(record::Exchange {
            digest: answered.request,
            response: answered.response,
        });
        Exchange {
            prompt: Arc::unwrap_or_clone(prompt),
            completion: answered.completion.clone(),
        }
    }
}

fn past(limit: &str) -> CallFailure {
    let message = format!("the trial's plugins ask {limit}");
    CallFailure::Trial(TrialFailure::new(Cause::PluginLimit, message))
}

/// The trial in the words of an error.
fn named(trial: &Trial) -> String {
    let (sample, epoch) = (crate::text::plain(&trial.sample.id), trial.epoch);
    match &*trial.config.axes {
        axes if axes.is_empty() => format!("sample `{sample}`, epoch {epoch}"),
        axes => {
            let config = serde_json::Value::Object(axes.clone());
            format!("sample `{sample}`, epoch {epoch}, config {config}")
        }
    }
}
