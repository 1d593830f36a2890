//! `plain-chat`: an xhost provider for an API that speaks like OpenAI's chat completions.
//!
//! It says as data what to send and what came back. The host opens the sockets, adds the credential, waits and retries.

use serde_json::{Value, json};
use xhost_plugin::{
    Allowance, Auth, Body, Completion, Fault, FaultKind, Header, HttpRequest, HttpResponse,
    Message, NoParams, Part, Profile, Prompt, Provider, Refusal, StopReason, Usage,
    export_provider, retry_after_ms,
};

struct PlainChat;

export_provider!(PlainChat);

impl Provider for PlainChat {
    type Params = NoParams;

    fn describe(_: NoParams) -> Result<Profile, Refusal> {
        Ok(Profile {
            api: "plain-chat.chat".into(),
            base_url: "https://api.example.com/v1".into(),
            base_url_variable: None,
            auth: Auth::Bearer,
            key_variable: "EXAMPLE_API_KEY".into(),
            response_headers: vec!["retry-after".into()],
            batch: None,
        })
    }

    fn encode(_: NoParams, model: String, prompt: Prompt) -> Result<HttpRequest, Refusal> {
        let messages: Result<Vec<Value>, Refusal> = prompt.messages.iter().map(message).collect();
        let sampling = prompt.sampling;
        // Only what the experiment sets is sent.
        let body = Body::default()
            .with("model", &model)
            .with("messages", &messages?)
            .with_some("max_tokens", sampling.max_tokens.as_ref())
            .with_some("temperature", sampling.temperature.as_ref())
            .with_some("top_p", sampling.top_p.as_ref())
            .with_some("stop", Some(&sampling.stop).filter(|stop| !stop.is_empty()))
            .with_some("seed", sampling.seed.as_ref())
            .merge(sampling.extra.as_deref().unwrap_or("{}"))
            .map_err(|error| Refusal::bad_params(format!("`sampling.extra`: {error}")))?;
        Ok(HttpRequest::post("/chat/completions", &body))
    }

    fn decode(_: NoParams, body: Value) -> Result<Completion, Fault> {
        let choice = &body["choices"][0];
        let Some(message) = choice["message"].as_object() else {
            return Err(Fault::malformed("the answer has no message"));
        };
        let count = |name: &str| body["usage"][name].as_u64().unwrap_or(0);
        let said = message.get("content").and_then(Value::as_str);
        let mut completion = Completion::new(said.unwrap_or(""));
        completion.stop_reason = match choice["finish_reason"].as_str() {
            Some("stop") => StopReason::End,
            Some("length") => StopReason::MaxTokens,
            Some("content_filter") => StopReason::Filtered,
            _ => StopReason::Other,
        };
        completion.usage = Usage {
            input: count("prompt_tokens"),
            output: count("completion_tokens"),
            ..Usage::default()
        };
        completion.model = body["model"].as_str().unwrap_or("").to_owned();
        Ok(completion)
    }

    fn diagnose(_: NoParams, response: HttpResponse) -> Fault {
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        let kind = match response.status {
            401 | 403 => FaultKind::Denied,
            429 => FaultKind::RateLimited,
            500.. => FaultKind::Overloaded,
            _ => FaultKind::Rejected,
        };
        let words = body["error"]["message"].as_str();
        Fault::new(kind, words.unwrap_or("an error without an explanation"))
            .retry_after(retry_after_ms(&response.headers))
    }

    fn allowances(_: Vec<Header>) -> Vec<Allowance> {
        Vec::new()
    }
}

/// A turn of the conversation; this API takes nothing but text.
fn message(message: &Message) -> Result<Value, Refusal> {
    if message
        .parts
        .iter()
        .any(|part| !matches!(part, Part::Text(_)))
    {
        return Err(Refusal::unsupported("plain-chat takes text alone"));
    }
    Ok(json!({ "role": message.role.as_str(), "content": message.text() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_what_is_set_and_nothing_else() {
        let mut prompt = Prompt::user("2 + 2?");
        prompt.sampling.max_tokens = Some(16);
        let request = PlainChat::encode(NoParams {}, "small".into(), prompt).expect("a request");
        let expected =
            r#"{"model":"small","messages":[{"role":"user","content":"2 + 2?"}],"max_tokens":16}"#;
        assert_eq!(request.body.as_deref(), Some(expected));
    }

    #[test]
    fn an_error_is_explained() {
        let response = HttpResponse {
            status: 429,
            headers: Vec::new(),
            body: r#"{"error": {"message": "slow down"}}"#.into(),
        };
        let expected = Fault::new(FaultKind::RateLimited, "slow down");
        assert_eq!(PlainChat::diagnose(NoParams {}, response), expected);
    }
}
