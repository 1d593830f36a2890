//! Bodies of the chat completions API as prompts. OpenAI's API reference, page "Create chat completion".

use super::body::{Fields, items};
use super::draft::{Draft, numbers};
use crate::plugin::types::{Media, Message, Part, Role, Tool, ToolCall, ToolResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What an experiment would say; none where the conversation has no place in a prompt.
pub(super) fn draft(body: &Fields<'_>) -> Option<Draft> {
    let mut reader = Reader::default();
    let messages = items(body.get("messages")?)?;
    let messages: Option<Vec<Message>> = messages
        .iter()
        .map(|message| reader.message(message.get()))
        .collect();
    let mut draft = Draft::new(body.string("model")?, messages?);
    for (key, value) in &body.0 {
        let text = value.get();
        let taken = match key.as_str() {
            "model" | "messages" => true,
            "tools" => tools(text).map(|tools| draft.tools = tools).is_some(),
            "max_completion_tokens" | "max_tokens" if draft.sampling.max_tokens.is_none() => {
                draft.sampling.max_tokens = text.parse().ok();
                if key == "max_tokens" {
                    draft
                        .params
                        .insert("max_tokens_key".into(), "max_tokens".into());
                }
                draft.sampling.max_tokens.is_some()
            }
            "stop" => match serde_json::from_str(text) {
                Ok(stop) => {
                    draft.sampling.stop = stop;
                    true
                }
                Err(_) => false,
            },
            "response_format" => {
                draft.sampling.response_schema = schema(text);
                draft.sampling.response_schema.is_some()
            }
            key => numbers(&mut draft.sampling, key, text),
        };
        if !taken {
            draft.extra.push((key.clone(), text.to_owned()));
        }
    }
    if reader.developer {
        draft
            .params
            .insert("system_role".into(), "developer".into());
    }
    if let Some(field) = reader.reasoning {
        draft
            .params
            .insert("give_back_reasoning".into(), field.into());
    }
    Some(draft)
}

/// What differs from server to server, noticed on the way.
#[derive(Default)]
struct Reader {
    developer: bool,
    reasoning: Option<&'static str>,
}

impl Reader {
    fn message(&mut self, text: &str) -> Option<Message> {
        let message = Fields::of(text)?;
        let (role, parts) = match message.string("role")?.as_str() {
            "system" => (Role::System, content(message.get("content")?)?),
            "developer" => {
                self.developer = true;
                (Role::System, content(message.get("content")?)?)
            }
            "user" => (Role::User, content(message.get("content")?)?),
            "assistant" => (Role::Assistant, self.assistant(&message)?),
            "tool" => (Role::Tool, vec![result(&message)?]),
            _ => return None,
        };
        Some(Message { role, parts })
    }

    fn assistant(&mut self, message: &Fields<'_>) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        for field in ["reasoning_content", "reasoning"] {
            if let Some(text) = message.string(field) {
                self.reasoning = Some(field);
                parts.push(Part::Reasoning(text));
            }
        }
        if let Some(text) = message.some("content") {
            parts.extend(content(text)?);
        }
        if let Some(calls) = message.some("tool_calls") {
            for call in items(calls)? {
                let call = Fields::of(call.get())?;
                let function = Fields::of(call.get("function")?)?;
                parts.push(Part::ToolCall(ToolCall {
                    id: call.string("id")?,
                    name: function.string("name")?,
                    arguments: function.string("arguments")?,
                }));
            }
        }
        Some(parts)
    }
}

fn result(message: &Fields<'_>) -> Option<Part> {
    Some(Part::ToolResult(ToolResult {
        call_id: message.string("tool_call_id")?,
        text: message.string("content")?,
        is_error: false,
    }))
}

fn content(text: &str) -> Option<Vec<Part>> {
    if let Ok(text) = serde_json::from_str(text) {
        return Some(vec![Part::Text(text)]);
    }
    items(text)?.iter().map(|part| piece(part.get())).collect()
}

fn piece(text: &str) -> Option<Part> {
    let part = Fields::of(text)?;
    let within = |name: &str| Fields::of(part.get(name)?);
    match part.string("type")?.as_str() {
        "text" => part.string("text").map(Part::Text),
        "image_url" => data_url(&within("image_url")?.string("url")?),
        "file" => data_url(&within("file")?.string("file_data")?),
        "input_audio" => {
            let audio = within("input_audio")?;
            let mime = match audio.string("format")?.as_str() {
                "wav" => "audio/wav",
                "mp3" => "audio/mpeg",
                _ => return None,
            };
            media(mime, &audio.string("data")?)
        }
        _ => None,
    }
}

fn data_url(url: &str) -> Option<Part> {
    let (mime, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    media(mime, data)
}

pub(super) fn media(mime: &str, base64: &str) -> Option<Part> {
    Some(Part::Media(Media {
        mime: mime.into(),
        data: STANDARD.decode(base64).ok()?,
    }))
}

fn tools(text: &str) -> Option<Vec<Tool>> {
    let declared = items(text)?;
    let tool = |text: &str| {
        let function = Fields::of(Fields::of(text)?.get("function")?)?;
        Some(Tool {
            name: function.string("name")?,
            description: function.string("description").unwrap_or_default(),
            parameters: function.get("parameters")?.into(),
        })
    };
    declared.iter().map(|one| tool(one.get())).collect()
}

/// Only what the plugin writes itself; any other name or strictness is for `sampling.extra`.
fn schema(text: &str) -> Option<String> {
    let format = Fields::of(text)?;
    let named = Fields::of(format.get("json_schema")?)?;
    let ours = named.string("name")? == "answer" && named.get("strict") == Some("true");
    named.get("schema").filter(|_| ours).map(Into::into)
}

/// A request that was answered piece by piece, or that asks for several answers, has no answer of the one form that is
/// kept: why.
pub(super) fn unlike(body: &Fields<'_>) -> Option<&'static str> {
    let asks = |key: &str, plain: &str| body.some(key).is_some_and(|text| text != plain);
    match () {
        () if asks("n", "1") => Some("it asks for several answers at once (`n`)"),
        () if asks("stream", "false") => Some("it asks for a stream"),
        () => None,
    }
}

/// Whether a body looks like an answer of this API.
pub(super) fn is_answer(response: &Fields<'_>) -> bool {
    response.string("object").as_deref() == Some("chat.completion")
        || response.get("choices").is_some()
}
