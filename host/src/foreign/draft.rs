//! A body from elsewhere as what an experiment would say: the model, the prompt, the sampling, and what only
//! `sampling.extra` can say. Whether a provider plugin makes the same body of it is for `writing` to find out; here nothing
//! is judged, and what has no place is left for the comparison to find.

use super::body::Fields;
use crate::plugin::types::{Message, Prompt, Sampling, Tool};
use serde_json::{Map, Value};

/// What an experiment would say.
pub(super) struct Draft {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<Tool>,
    pub(super) sampling: Sampling,
    /// Keys of the body, with their texts, that only `sampling.extra` can set; in the body's order.
    pub(super) extra: Vec<(String, String)>,
    /// Parameters of the provider that the body's spelling calls for.
    pub(super) params: Map<String, Value>,
}

impl Draft {
    pub(super) fn new(model: String, messages: Vec<Message>) -> Draft {
        Draft {
            model,
            messages,
            tools: Vec::new(),
            sampling: nothing(),
            extra: Vec::new(),
            params: Map::new(),
        }
    }

    /// The prompt that the provider plugin gets.
    pub(super) fn prompt(&self) -> Prompt {
        let extra = self.extra.iter().map(|(key, text)| {
            let key = Value::from(key.as_str());
            format!("{key}:{text}")
        });
        let extra = extra.collect::<Vec<_>>().join(",");
        Prompt {
            messages: self.messages.clone(),
            tools: self.tools.clone(),
            sampling: Sampling {
                extra: (!extra.is_empty()).then(|| format!("{{{extra}}}")),
                ..self.sampling.clone()
            },
        }
    }

    /// Has a key of the body said by `sampling.extra`, which is possible for all but the conversation and the model.
    pub(super) fn say_outright(&mut self, key: &str, body: &Fields<'_>) -> bool {
        let known = self.extra.iter().any(|(name, _)| name == key);
        let Some(text) = body.get(key).filter(|_| !known) else {
            return false;
        };
        match key {
            "model" | "messages" => return false,
            "system" => self
                .messages
                .retain(|one| one.role != crate::plugin::types::Role::System),
            "tools" => self.tools.clear(),
            "max_tokens" | "max_completion_tokens" => self.sampling.max_tokens = None,
            "temperature" => self.sampling.temperature = None,
            "top_p" => self.sampling.top_p = None,
            "stop" | "stop_sequences" => self.sampling.stop.clear(),
            "seed" => self.sampling.seed = None,
            "response_format" | "output_config" => self.sampling.response_schema = None,
            _ => {}
        }
        self.extra.push((key.into(), text.into()));
        let place = |(key, _): &(String, String)| body.0.iter().position(|(name, _)| name == key);
        self.extra.sort_by_key(place);
        true
    }

    /// `model.sampling` of an experiment that finds the answer.
    pub(super) fn written(&self) -> Map<String, Value> {
        let Sampling {
            max_tokens,
            temperature,
            top_p,
            stop,
            seed,
            response_schema,
            extra: _,
        } = &self.sampling;
        let parsed = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
        let mut extra = Map::new();
        for (key, text) in &self.extra {
            extra.insert(key.clone(), parsed(text));
        }
        let said = [
            ("max_tokens", max_tokens.map(Value::from)),
            ("temperature", temperature.map(Value::from)),
            ("top_p", top_p.map(Value::from)),
            ("stop", (!stop.is_empty()).then(|| stop.clone().into())),
            ("seed", seed.map(Value::from)),
            ("response_schema", response_schema.as_ref().map(parsed)),
            ("extra", (!extra.is_empty()).then_some(Value::Object(extra))),
        ];
        let said = said.into_iter();
        said.filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }
}

/// Sampling that says nothing.
pub(super) fn nothing() -> Sampling {
    Sampling {
        max_tokens: None,
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: None,
        response_schema: None,
        extra: None,
    }
}

/// Takes what an experiment has a word for; a number that is another one than JSON says here becomes none, and is found
/// by the comparison.
pub(super) fn numbers(sampling: &mut Sampling, key: &str, text: &str) -> bool {
    match key {
        "temperature" => sampling.temperature = text.parse().ok(),
        "top_p" => sampling.top_p = text.parse().ok(),
        "seed" => sampling.seed = text.parse().ok(),
        _ => return false,
    }
    true
}
