//! The calls of the contract. Each runs on a worker thread, in a fresh instance that is gone when the call returns, so a
//! guest carries nothing from one call to the next. What comes back is checked here against what `wit/` promises and the
//! types cannot say.

use super::bindings::types::{Completion, Exchange, Prompt, Refusal, Sample};
use super::bindings::{prompt_builder, provider, scorer};
use super::failure::{Breach, Failure, FailureKind, classify};
use super::load::{Exports, Loaded, Plugin};
use super::sandbox::{self, Sandbox};
use std::collections::HashSet;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a guest's random numbers follow from: the same trial sees the same ones in every run.
#[derive(Clone, Copy, Debug)]
pub struct CallSeed(pub [u8; 32]);

/// The parameters of a plugin as the experiment sets them: a JSON object as text.
pub type Params = Arc<String>;

pub(super) type Fresh<'a> = (&'a mut Store<Sandbox>, &'a Instance);

impl Plugin {
    /// The JSON Schema of the plugin's parameters.
    ///
    /// # Errors
    /// Where the call fails, or what comes back is not JSON.
    pub async fn schema(&self) -> Result<serde_json::Value, Failure> {
        let text = self
            .call(
                CallSeed([0; 32]),
                0,
                |loaded, (store, instance)| match &loaded.exports {
                    Exports::PromptBuilder(indices) => {
                        indices.load(&mut *store, instance)?.call_schema(store)
                    }
                    Exports::Scorer(indices) => {
                        indices.load(&mut *store, instance)?.call_schema(store)
                    }
                    Exports::Provider(indices, _) => {
                        indices.load(&mut *store, instance)?.call_schema(store)
                    }
                },
            )
            .await?;
        serde_json::from_str(&text)
            .map_err(|e| self.breach(&format!("its schema is not JSON: {e}")))
    }

    /// The next step of a trial.
    ///
    /// # Errors
    /// Where the plugin is no prompt builder, refuses, or fails.
    pub async fn next(
        &self,
        seed: CallSeed,
        params: Params,
        sample: Arc<Sample>,
        asked: Arc<Vec<Exchange>>,
    ) -> Result<prompt_builder::Step, Failure> {
        let weight = params.len() + weigh_sample(&sample) + weigh_exchanges(&asked);
        let step = self
            .call(seed, weight, move |loaded, (store, instance)| {
                let Exports::PromptBuilder(indices) = &loaded.exports else {
                    return Err(wrong_kind());
                };
                indices
                    .load(&mut *store, instance)?
                    .call_next(store, &params, &sample, &asked)
            })
            .await?;
        match self.accepted(step)? {
            prompt_builder::Step::Ask(prompts) if prompts.is_empty() => {
                Err(self.breach("it asks for nothing"))
            }
            prompt_builder::Step::Ask(prompts) => {
                prompts
                    .iter()
                    .try_for_each(check_prompt)
                    .map_err(|what| self.breach(&what))?;
                Ok(prompt_builder::Step::Ask(prompts))
            }
            done @ prompt_builder::Step::Done(_) => Ok(done),
        }
    }

    /// The next step of judging.
    ///
    /// # Errors
    /// Where the plugin is no scorer, refuses, or fails.
    pub async fn judge(
        &self,
        seed: CallSeed,
        params: Params,
        subject: Arc<scorer::Subject>,
        asked: Arc<Vec<Exchange>>,
    ) -> Result<scorer::Step, Failure> {
        let own = weigh_exchanges(&subject.exchanges)
            + weigh_sample(&subject.sample)
            + subject.answer.len();
        let weight = params.len() + own + weigh_exchanges(&asked);
        let step = self
            .call(seed, weight, move |loaded, (store, instance)| {
                let Exports::Scorer(indices) = &loaded.exports else {
                    return Err(wrong_kind());
                };
                indices
                    .load(&mut *store, instance)?
                    .call_judge(store, &params, &subject, &asked)
            })
            .await?;
        match self.accepted(step)? {
            scorer::Step::Ask(questions) if questions.is_empty() => {
                Err(self.breach("it asks for nothing"))
            }
            scorer::Step::Ask(questions) => {
                let prompts = questions.iter().map(|question| &question.prompt);
                prompts
                    .into_iter()
                    .try_for_each(check_prompt)
                    .map_err(|what| self.breach(&what))?;
                Ok(scorer::Step::Ask(questions))
            }
            scorer::Step::Done(scores) => {
                check_scores(&scores).map_err(|what| self.breach(&what))?;
                Ok(scorer::Step::Done(scores))
            }
        }
    }

    fn accepted<T>(&self, result: Result<T, Refusal>) -> Result<T, Failure> {
        result.map_err(|refusal| {
            let (kind, message) = match refusal {
                Refusal::BadParams(text) => (
                    FailureKind::BadParams,
                    format!("refuses its parameters: {text}"),
                ),
                Refusal::BadInput(text) => (FailureKind::Refusal, format!("refuses: {text}")),
                Refusal::Unsupported(text) => (
                    FailureKind::Refusal,
                    format!("does not support this: {text}"),
                ),
            };
            self.failure(kind, &message)
        })
    }

    pub(super) fn breach(&self, what: &str) -> Failure {
        self.failure(FailureKind::Trap, &format!("broke the contract: {what}"))
    }

    fn failure(&self, kind: FailureKind, message: &str) -> Failure {
        Failure {
            kind,
            plugin_kind: self.kind().text(),
            plugin: self.name().into(),
            version: self.digest().to_string()[..12].into(),
            message: crate::text::plain(message),
        }
    }

    /// One call in one instance. The instance, whatever it did, is gone afterwards.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        seed: CallSeed,
        input_bytes: usize,
        function: impl FnOnce(&Loaded, Fresh<'_>) -> wasmtime::Result<R> + Send + 'static,
    ) -> Result<R, Failure> {
        let (loaded, observer) = (Arc::clone(&self.shared), self.observer.clone());
        let work = move || -> Result<R, (FailureKind, String)> {
            let host =
                |e: wasmtime::Error| (FailureKind::Host, format!("could not be called: {e:#}"));
            let mut store = sandbox::store(
                loaded.engine.wasmtime(),
                seed.0,
                input_bytes,
                loaded.borders,
            )
            .map_err(host)?;
            let budget = store.get_fuel().unwrap_or(0);
            let result = loaded.pre.instantiate(&mut store);
            let result = result.and_then(|instance| function(&loaded, (&mut store, &instance)));
            if let Some(observer) = observer {
                observer.look(&store, budget);
            }
            result.map_err(|e| classify(&e, &store.data().stderr()))
        };
        match self.shared.engine.run(work).await {
            Some(result) => result.map_err(|(kind, message)| self.failure(kind, &message)),
            None => Err(self.failure(
                FailureKind::Host,
                "could not be called: the host's own code panicked",
            )),
        }
    }
}

/// A provider plugin with its parameters: what `trial` and `lane` speak to.
#[derive(Clone)]
pub struct Provider {
    /// The plugin.
    pub plugin: Plugin,
    /// Its parameters.
    pub params: Params,
}

impl Provider {
    /// What the host must know to speak for the plugin.
    ///
    /// # Errors
    /// Where the plugin refuses its parameters, or fails.
    pub async fn describe(&self) -> Result<provider::Profile, Failure> {
        let params = Arc::clone(&self.params);
        let result = self
            .call(params.len(), move |guest, store| {
                guest.call_describe(store, &params)
            })
            .await?;
        let profile = self.plugin.accepted(result)?;
        check_profile(&profile).map_err(|what| self.plugin.breach(&what))?;
        Ok(profile)
    }

    /// The request for one completion.
    ///
    /// # Errors
    /// Where the plugin refuses, or fails.
    pub async fn encode(
        &self,
        model: Arc<str>,
        prompt: Arc<Prompt>,
    ) -> Result<provider::HttpRequest, Failure> {
        let params = Arc::clone(&self.params);
        let weight = params.len() + weigh_prompt(&prompt);
        let result = self
            .call(weight, move |guest, store| {
                guest.call_encode(store, &params, &model, &prompt)
            })
            .await?;
        self.plugin.accepted(result)
    }

    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// Where the plugin fails. What it finds wrong with the body is the inner error.
    pub async fn decode(
        &self,
        body: Arc<String>,
    ) -> Result<Result<Completion, provider::Fault>, Failure> {
        let params = Arc::clone(&self.params);
        let decoded = self
            .call(body.len(), move |guest, store| {
                guest.call_decode(store, &params, &body)
            })
            .await?;
        if let Ok(Completion {
            extra: Some(extra), ..
        }) = &decoded
        {
            check_object("the `extra` of its completion", extra)
                .map_err(|what| self.plugin.breach(&what))?;
        }
        Ok(decoded)
    }

    /// Reads an answer that is no success.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn diagnose(
        &self,
        response: provider::HttpResponse,
    ) -> Result<provider::Fault, Failure> {
        let params = Arc::clone(&self.params);
        self.call(response.body.len(), move |guest, store| {
            guest.call_diagnose(store, &params, &response)
        })
        .await
    }

    /// Reads the rate limits from an answer's headers.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn allowances(
        &self,
        headers: Vec<provider::Header>,
    ) -> Result<Vec<provider::Allowance>, Failure> {
        let weight = headers
            .iter()
            .map(|header| header.name.len() + header.value.len())
            .sum();
        self.call(weight, move |guest, store| {
            guest.call_allowances(store, &headers)
        })
        .await
    }

    async fn call<R: Send + 'static>(
        &self,
        input_bytes: usize,
        function: impl FnOnce(&provider::Guest, &mut Store<Sandbox>) -> wasmtime::Result<R>
        + Send
        + 'static,
    ) -> Result<R, Failure> {
        let call = move |loaded: &Loaded, (store, instance): Fresh<'_>| {
            let Exports::Provider(indices, _) = &loaded.exports else {
                return Err(wrong_kind());
            };
            let guest = indices.load(&mut *store, instance)?;
            function(&guest, store)
        };
        self.plugin.call(CallSeed([0; 32]), input_bytes, call).await
    }
}

/// Plugins are checked to be of the right kind before a run starts.
pub(super) fn wrong_kind() -> wasmtime::Error {
    Breach("it is of another kind".into()).into()
}

/// Its words go into every record and event, and its headers are looked for in every answer.
fn check_profile(profile: &provider::Profile) -> Result<(), String> {
    const MOST: usize = 100;
    if profile.api.chars().count() > MOST {
        return Err(format!("its `api` is longer than {MOST} characters"));
    }
    if profile.response_headers.len() > MOST {
        return Err(format!("it wants more than {MOST} headers of an answer"));
    }
    Ok(())
}

fn check_prompt(prompt: &Prompt) -> Result<(), String> {
    if prompt.messages.is_empty() {
        return Err("it asks with no message".into());
    }
    let numbers = [prompt.sampling.temperature, prompt.sampling.top_p];
    if numbers.iter().flatten().any(|number| !number.is_finite()) {
        return Err("its sampling has a number that is not finite".into());
    }
    let documents = [&prompt.sampling.response_schema, &prompt.sampling.extra];
    documents
        .into_iter()
        .flatten()
        .try_for_each(|text| check_object("its sampling", text))
}

fn check_scores(scores: &[scorer::Score]) -> Result<(), String> {
    if scores.is_empty() {
        return Err("it gives no score".into());
    }
    // A hundred thousand scores fit into one result: names are not compared each with each.
    let mut names = HashSet::new();
    for score in scores {
        if !names.insert(score.name.as_str()) {
            return Err(format!("it gives two scores the name `{}`", score.name));
        }
        if matches!(score.value, scorer::Value::Number(number) if !number.is_finite()) {
            return Err(format!("its score `{}` is not a finite number", score.name));
        }
        if let Some(extra) = &score.extra {
            check_object("the `extra` of its score", extra)?;
        }
    }
    Ok(())
}

/// A JSON object, not nested beyond what readers of results can take.
fn check_object(what: &str, text: &str) -> Result<(), String> {
    let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    parsed
        .map(drop)
        .map_err(|e| format!("{what} is not a JSON object: {e}"))
}

fn weigh_sample(sample: &Sample) -> usize {
    sample.input.len() + sample.fields.len()
}

fn weigh_exchanges(exchanges: &[Exchange]) -> usize {
    exchanges
        .iter()
        .map(|exchange| weigh_prompt(&exchange.prompt) + weigh_completion(&exchange.completion))
        .sum()
}

/// The bytes of what a model said.
pub(crate) fn weigh_completion(completion: &Completion) -> usize {
    completion.parts.iter().map(weigh_part).sum()
}

/// The bytes of what a model is told.
pub(crate) fn weigh_prompt(prompt: &Prompt) -> usize {
    prompt
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .map(weigh_part)
        .sum()
}

fn weigh_part(part: &super::types::Part) -> usize {
    use super::types::Part;
    match part {
        Part::Text(text) | Part::Reasoning(text) => text.len(),
        Part::Media(media) => media.data.len(),
        Part::ToolCall(call) => call.arguments.len(),
        Part::ToolResult(result) => result.text.len(),
    }
}
