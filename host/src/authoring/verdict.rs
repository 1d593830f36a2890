//! What a plugin said, as JSON for a person: what is not set is left out, JSON in texts is shown as JSON, and a message of
//! one text is its text.

use super::case::{Case, Given};
use crate::plugin::bindings::{prompt_builder, provider, scorer};
use crate::plugin::types::{
    Completion, Exchange, Message, Part, Prompt, Role, Sample, Sampling, StopReason, Usage,
};
use crate::plugin::{CallSeed, Failure, FailureKind, Plugin, Provider};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What the plugin says to a case.
pub(super) async fn of(plugin: &Plugin, case: &Case, seed: CallSeed) -> Value {
    let said = match &case.given {
        Given::Subject(subject) => judge(plugin, case, subject, seed).await,
        Given::Sample(sample) => converse(plugin, case, sample, seed).await,
        Given::Describe | Given::Encode { .. } | Given::Decode { .. } | Given::Diagnose { .. } => {
            provider_call(plugin, case).await
        }
    };
    said.unwrap_or_else(|failure| failed(&failure))
}

async fn converse(
    plugin: &Plugin,
    case: &Case,
    sample: &Arc<Sample>,
    seed: CallSeed,
) -> Result<Value, Failure> {
    let mut asked = Arc::new(Vec::new());
    let mut replies = case.replies.iter();
    loop {
        let params = Arc::clone(&case.params);
        let next = plugin.next(seed, params, Arc::clone(sample), Arc::clone(&asked));
        match next.await? {
            prompt_builder::Step::Done(answer) => {
                let last = || case.replies[..asked.len()].last().cloned();
                return Ok(json!({ "answer": answer.or_else(last) }));
            }
            prompt_builder::Step::Ask(prompts) => {
                if !answer(&mut asked, &prompts, &mut replies) {
                    let prompts: Vec<_> = prompts.iter().map(prompt).collect();
                    return Ok(json!({ "asks": prompts }));
                }
            }
        }
    }
}

async fn judge(
    plugin: &Plugin,
    case: &Case,
    subject: &Arc<scorer::Subject>,
    seed: CallSeed,
) -> Result<Value, Failure> {
    let mut asked = Arc::new(Vec::new());
    let mut replies = case.replies.iter();
    loop {
        let params = Arc::clone(&case.params);
        let step = plugin.judge(seed, params, Arc::clone(subject), Arc::clone(&asked));
        match step.await? {
            scorer::Step::Done(scores) => {
                let scores: Map<String, Value> = scores.into_iter().map(score).collect();
                return Ok(json!({ "scores": scores }));
            }
            scorer::Step::Ask(questions) => {
                let prompts: Vec<Prompt> = questions
                    .iter()
                    .map(|question| question.prompt.clone())
                    .collect();
                if !answer(&mut asked, &prompts, &mut replies) {
                    let asks = questions
                        .iter()
                        .map(|question| json!({ "model": question.model, "prompt": prompt(&question.prompt) }));
                    return Ok(json!({ "asks": asks.collect::<Vec<_>>() }));
                }
            }
        }
    }
}

/// Answers all prompts with the next replies, if there are as many.
fn answer<'a>(
    asked: &mut Arc<Vec<Exchange>>,
    prompts: &[Prompt],
    replies: &mut impl ExactSizeIterator<Item = &'a String>,
) -> bool {
    if replies.len() < prompts.len() {
        return false;
    }
    let exchanges = prompts.iter().zip(replies).map(|(prompt, reply)| Exchange {
        prompt: prompt.clone(),
        completion: Completion {
            parts: vec![Part::Text(reply.clone())],
            stop_reason: StopReason::End,
            usage: Usage {
                input: 0,
                output: 0,
                cache_read: 0,
                cache_write: 0,
                reasoning: 0,
            },
            model: "case".into(),
            extra: None,
        },
    });
    Arc::make_mut(asked).extend(exchanges);
    true
}

async fn provider_call(plugin: &Plugin, case: &Case) -> Result<Value, Failure> {
    let provider = Provider {
        plugin: plugin.clone(),
        params: Arc::clone(&case.params),
    };
    Ok(match &case.given {
        Given::Encode { model, prompt } => {
            let request = provider
                .encode(Arc::clone(model), Arc::clone(prompt))
                .await?;
            json!({ "request": self::request(&request) })
        }
        Given::Decode { body } => match provider.decode(Arc::clone(body)).await? {
            Ok(decoded) => json!({ "completion": completion(&decoded) }),
            Err(found) => json!({ "fault": fault(&found) }),
        },
        Given::Diagnose { response } => {
            json!({ "fault": fault(&provider.diagnose(response.clone()).await?) })
        }
        Given::Describe | Given::Subject(_) | Given::Sample(_) => {
            json!({ "profile": profile(&provider.describe().await?) })
        }
    })
}

fn failed(failure: &Failure) -> Value {
    match failure.kind {
        FailureKind::Refusal | FailureKind::BadParams => json!({ "refused": failure.message }),
        FailureKind::Trap | FailureKind::Limit | FailureKind::Host => {
            json!({ "failed": failure.message })
        }
    }
}

fn score(score: scorer::Score) -> (String, Value) {
    let value = match score.value {
        scorer::Value::Number(number) => json!(number),
        scorer::Value::Boolean(value) => json!(value),
        scorer::Value::Label(label) => json!(label),
    };
    let shown = json!({
        "value": value,
        "extracted": score.extracted,
        "explanation": score.explanation,
        "extra": score.extra.as_deref().map(parsed),
    });
    (score.name, without_nulls(shown))
}

fn prompt(prompt: &Prompt) -> Value {
    let tool = |tool: &crate::plugin::types::Tool| json!({ "name": tool.name, "description": tool.description, "parameters": parsed(&tool.parameters) });
    let mut shown = Map::new();
    let messages: Vec<Value> = prompt.messages.iter().map(message).collect();
    shown.insert("messages".into(), messages.into());
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt.tools.iter().map(tool).collect();
        shown.insert("tools".into(), tools.into());
    }
    let sampling = sampling(&prompt.sampling);
    if sampling.as_object().is_some_and(|set| !set.is_empty()) {
        shown.insert("sampling".into(), sampling);
    }
    Value::Object(shown)
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    match message.parts.as_slice() {
        [Part::Text(text)] => json!({ "role": role, "text": text }),
        parts => json!({ "role": role, "parts": parts.iter().map(part).collect::<Vec<_>>() }),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({ "text": text }),
        Part::Reasoning(text) => json!({ "reasoning": text }),
        Part::Media(media) => {
            json!({ "media": { "mime": media.mime, "bytes": media.data.len() } })
        }
        Part::ToolCall(call) => json!({ "tool_call": {
            "id": call.id, "name": call.name, "arguments": parsed(&call.arguments),
        } }),
        Part::ToolResult(result) => json!({ "tool_result": {
            "call_id": result.call_id, "text": result.text, "is_error": result.is_error,
        } }),
    }
}

fn sampling(sampling: &Sampling) -> Value {
    let stop = Some(&sampling.stop).filter(|stop| !stop.is_empty());
    without_nulls(json!({
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": stop,
        "seed": sampling.seed,
        "response_schema": sampling.response_schema.as_deref().map(parsed),
        "extra": sampling.extra.as_deref().map(parsed),
    }))
}

fn completion(completion: &Completion) -> Value {
    let stop_reason = match completion.stop_reason {
        StopReason::End => "end",
        StopReason::MaxTokens => "max-tokens",
        StopReason::StopSequence => "stop-sequence",
        StopReason::ToolCalls => "tool-calls",
        StopReason::Filtered => "filtered",
        StopReason::Other => "other",
    };
    let (text, parts) = match completion.parts.as_slice() {
        [Part::Text(text)] => (Some(text), None),
        parts => (None, Some(parts.iter().map(part).collect::<Vec<_>>())),
    };
    let usage = &completion.usage;
    let counts = [
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("reasoning", usage.reasoning),
    ];
    let counts: Map<String, Value> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    without_nulls(json!({
        "text": text,
        "parts": parts,
        "stop_reason": stop_reason,
        "usage": counts,
        "model": completion.model,
        "extra": completion.extra.as_deref().map(parsed),
    }))
}

fn request(request: &provider::HttpRequest) -> Value {
    let method = match request.method {
        provider::Method::Get => "get",
        provider::Method::Post => "post",
        provider::Method::Delete => "delete",
    };
    let query = Some(&request.query).filter(|query| !query.is_empty());
    without_nulls(json!({
        "method": method,
        "path": request.path,
        "query": query,
        "headers": headers(&request.headers),
        "body": request.body.as_deref().map(parsed),
    }))
}

fn headers(headers: &[provider::Header]) -> Option<Map<String, Value>> {
    let shown = |header: &provider::Header| (header.name.clone(), header.value.clone().into());
    Some(headers.iter().map(shown).collect()).filter(|headers: &Map<_, _>| !headers.is_empty())
}

fn fault(fault: &provider::Fault) -> Value {
    let kind = match fault.kind {
        provider::FaultKind::RateLimited => "rate-limited",
        provider::FaultKind::Overloaded => "overloaded",
        provider::FaultKind::Exhausted => "exhausted",
        provider::FaultKind::Denied => "denied",
        provider::FaultKind::Rejected => "rejected",
        provider::FaultKind::Malformed => "malformed",
    };
    without_nulls(json!({
        "kind": kind,
        "message": fault.message,
        "retry_after_ms": fault.retry_after_ms,
    }))
}

fn profile(profile: &provider::Profile) -> Value {
    let auth = match &profile.auth {
        provider::Auth::None => json!("none"),
        provider::Auth::Bearer => json!("bearer"),
        provider::Auth::Header(name) => json!({ "header": name }),
    };
    let batch = profile.batch.as_ref();
    without_nulls(json!({
        "api": profile.api,
        "base_url": profile.base_url,
        "base_url_variable": profile.base_url_variable,
        "auth": auth,
        "key_variable": profile.key_variable,
        "response_headers": profile.response_headers,
        "batch": batch.map(|limits| json!({ "requests": limits.requests, "bytes": limits.bytes })),
    }))
}

/// JSON in a text, as JSON; a text that is none stays one.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}
