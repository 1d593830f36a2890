//! Bodies of the Messages API as prompts. Anthropic's API documentation, page "Create a Message".

use super::body::{Fields, items};
use super::draft::{Draft, numbers};
use super::openai::media;
use crate::plugin::types::{Message, Part, Role, Tool, ToolCall, ToolResult};

/// What an experiment would say; none where the conversation has no place in a prompt.
pub(super) fn draft(body: &Fields<'_>) -> Option<Draft> {
    let turns = items(body.get("messages")?)?;
    let turns: Option<Vec<Message>> = turns.iter().map(|turn| message(turn.get())).collect();
    let mut draft = Draft::new(body.string("model")?, turns?);
    for (key, value) in &body.0 {
        let text = value.get();
        let taken = match key.as_str() {
            "model" | "messages" => true,
            "system" => match content(text, Role::System) {
                Some(parts) => {
                    let role = Role::System;
                    draft.messages.insert(0, Message { role, parts });
                    true
                }
                None => false,
            },
            "max_tokens" => {
                draft.sampling.max_tokens = text.parse().ok();
                draft.sampling.max_tokens.is_some()
            }
            "stop_sequences" => match serde_json::from_str::<Vec<String>>(text) {
                Ok(stop) if !stop.is_empty() => {
                    draft.sampling.stop = stop;
                    true
                }
                _ => false,
            },
            "tools" => match tools(text) {
                Some(tools) if !tools.is_empty() => {
                    draft.tools = tools;
                    true
                }
                _ => false,
            },
            "output_config" => {
                draft.sampling.response_schema = schema(text);
                draft.sampling.response_schema.is_some()
            }
            // This API knows no seed.
            "seed" => false,
            key => numbers(&mut draft.sampling, key, text),
        };
        if !taken {
            draft.extra.push((key.clone(), text.to_owned()));
        }
    }
    Some(draft)
}

fn message(text: &str) -> Option<Message> {
    let turn = Fields::of(text)?;
    let role = match turn.string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return None,
    };
    let parts = content(turn.get("content")?, role)?;
    let results = |part: &Part| matches!(part, Part::ToolResult(_));
    let role = match parts.iter().all(results) && !parts.is_empty() {
        true => Role::Tool,
        false => role,
    };
    Some(Message { role, parts })
}

fn content(text: &str, role: Role) -> Option<Vec<Part>> {
    if let Ok(text) = serde_json::from_str(text) {
        return Some(vec![Part::Text(text)]);
    }
    let blocks = items(text)?;
    let blocks = blocks.iter().map(|block| part(block.get(), role));
    blocks.collect()
}

fn part(text: &str, role: Role) -> Option<Part> {
    let block = Fields::of(text)?;
    match (block.string("type")?.as_str(), role) {
        ("text", _) => block.string("text").map(Part::Text),
        ("image" | "document", Role::User) => {
            let source = Fields::of(block.get("source")?)?;
            media(&source.string("media_type")?, &source.string("data")?)
        }
        ("tool_use", Role::Assistant) => Some(Part::ToolCall(ToolCall {
            id: block.string("id")?,
            name: block.string("name")?,
            arguments: block.get("input")?.into(),
        })),
        ("tool_result", Role::User) => Some(Part::ToolResult(ToolResult {
            call_id: block.string("tool_use_id")?,
            text: block.string("content")?,
            is_error: block.get("is_error") == Some("true"),
        })),
        _ => None,
    }
}

fn tools(text: &str) -> Option<Vec<Tool>> {
    let tool = |text: &str| {
        let tool = Fields::of(text)?;
        Some(Tool {
            name: tool.string("name")?,
            description: tool.string("description").unwrap_or_default(),
            parameters: tool.get("input_schema")?.into(),
        })
    };
    items(text)?.iter().map(|one| tool(one.get())).collect()
}

fn schema(text: &str) -> Option<String> {
    let format = Fields::of(Fields::of(text)?.get("format")?)?;
    format.get("schema").map(Into::into)
}

/// A turn's content, and the system prompt, may be written as one string or as a list of one text: the documentation calls
/// the one shorthand for the other.
pub(super) fn shorthand(place: &str, ours: &str, theirs: &str) -> bool {
    let mut names = place.split('/').skip(1);
    let place = (names.next(), names.next(), names.next(), names.next());
    let can_be_short = matches!(
        place,
        (Some("system"), None, ..) | (Some("messages"), Some(_), Some("content"), None)
    );
    can_be_short && (is_short_for(ours, theirs) || is_short_for(theirs, ours))
}

fn is_short_for(string: &str, blocks: &str) -> bool {
    let Some(blocks) = items(blocks).filter(|_| string.starts_with('"')) else {
        return false;
    };
    let [only] = blocks.as_slice() else {
        return false;
    };
    let block = Fields::of(only.get()).filter(|block| block.are(&["type", "text"]));
    block.is_some_and(|block| {
        block.get("type") == Some("\"text\"") && block.get("text") == Some(string)
    })
}

/// From this day on there was another version than `2023-06-01` that an SDK could have sent; midnight, UTC.
const NEXT_VERSION_MS: u64 = 1_792_540_800_000;

/// The version that the request was certainly sent with: before the next one came there was no other, and the next one
/// takes no temperature and no top_p. None where it could have been either.
pub(super) fn version(body: &Fields<'_>, asked_ms: Option<u64>) -> Option<&'static str> {
    let sampled = ["temperature", "top_p"]
        .iter()
        .any(|key| body.some(key).is_some());
    let early = asked_ms.is_some_and(|at| at < NEXT_VERSION_MS);
    (sampled || early).then_some("2023-06-01")
}

/// Whether a body looks like an answer of this API.
pub(super) fn is_answer(response: &Fields<'_>) -> bool {
    response.string("type").as_deref() == Some("message")
}

#[cfg(test)]
mod tests {
    use super::{Fields, NEXT_VERSION_MS, shorthand, version};

    #[test]
    fn a_version_is_told_only_where_it_cannot_have_been_another() {
        for (body, asked_ms, expected) in [
            (r#"{"temperature":0.0}"#, None, Some("2023-06-01")),
            (r#"{"temperature":null}"#, None, None),
            (r#"{"top_p":1}"#, Some(NEXT_VERSION_MS), Some("2023-06-01")),
            ("{}", Some(NEXT_VERSION_MS - 1), Some("2023-06-01")),
            ("{}", Some(NEXT_VERSION_MS), None),
        ] {
            let body = Fields::of(body).expect("an object");
            assert_eq!(version(&body, asked_ms), expected);
        }
    }

    #[test]
    fn one_text_may_be_written_short_where_the_documentation_says_so_and_nowhere_else() {
        let long = r#"[{"type":"text","text":"a"}]"#;
        for (place, theirs, same) in [
            ("/messages/0/content", long, true),
            ("/system", long, true),
            ("/messages/0/content/0/content", long, false),
            ("/other", long, false),
            ("/system", r#"[{"type":"text","text":"b"}]"#, false),
            (
                "/system",
                r#"[{"type":"text","text":"a","cache_control":null}]"#,
                false,
            ),
            (
                "/system",
                r#"[{"type":"text","text":"a"},{"type":"text","text":""}]"#,
                false,
            ),
            ("/system", "[]", false),
        ] {
            assert_eq!(shorthand(place, "\"a\"", theirs), same, "{place} {theirs}");
            assert_eq!(shorthand(place, theirs, "\"a\""), same, "{place} {theirs}");
        }
    }
}
