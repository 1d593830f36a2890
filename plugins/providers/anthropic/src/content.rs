//! From messages to what the API calls messages.

use provider_text::request::misplaced;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use xhost_plugin::{Media, Message, Part, Refusal, Role, ToolCall};

/// The system messages at the start, which have a key of their own, and the rest.
pub fn split(messages: &[Message]) -> (&[Message], &[Message]) {
    let start = messages
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    messages.split_at(start)
}

/// The value of `system`; `None` where there are no rules.
pub fn system(messages: &[Message]) -> Result<Option<Content>, Refusal> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let blocks = parts
        .map(|part| block(part, Role::System))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((!blocks.is_empty()).then(|| Content::of(blocks.into_iter().flatten().collect())))
}

/// All other messages. Tool results that follow upon each other are one turn of the user's: the API wants the results of
/// one turn together.
pub fn messages(messages: &[Message]) -> Result<Vec<Turn>, Refusal> {
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    let mut previous = None;
    for message in messages {
        let blocks = message
            .parts
            .iter()
            .map(|part| block(part, message.role))
            .collect::<Result<Vec<_>, _>>()?;
        let blocks = blocks.into_iter().flatten().collect();
        match (turns.last_mut(), message.role, previous) {
            (Some(turn), Role::Tool, Some(Role::Tool)) => turn.content.append(blocks),
            (_, role, _) => turns.push(Turn {
                role: role_name(role),
                content: Content::of(blocks),
            }),
        }
        previous = Some(message.role);
    }
    Ok(turns)
}

/// One turn of the conversation.
#[derive(Serialize)]
pub struct Turn {
    role: &'static str,
    content: Content,
}

/// What is said in a turn.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(String),
    /// Anything else.
    Blocks(Vec<Block>),
}

impl Content {
    fn of(blocks: Vec<Block>) -> Content {
        match <[Block; 1]>::try_from(blocks) {
            Ok([Block::Text { text }]) => Content::Text(text),
            Ok([block]) => Content::Blocks(vec![block]),
            Err(blocks) => Content::Blocks(blocks),
        }
    }

    /// Only for tool results, which are blocks and never one text.
    fn append(&mut self, more: Vec<Block>) {
        if let Content::Blocks(blocks) = self {
            blocks.extend(more);
        }
    }
}

/// A piece of a turn.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Plain text.
    Text { text: String },
    /// An image in base64.
    Image { source: Value },
    /// A PDF in base64.
    Document { source: Value },
    /// The model's wish.
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    /// The tool's answer.
    ToolResult {
        tool_use_id: String,
        content: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

/// `None` for reasoning: the API takes it back only with the signature that came with it, which the contract has no place
/// for, and does without.
fn block(part: &Part, role: Role) -> Result<Option<Block>, Refusal> {
    match (part, role) {
        (Part::Text(text), Role::System | Role::User | Role::Assistant) => {
            Ok(Some(Block::Text { text: text.clone() }))
        }
        (Part::Media(media), Role::User) => media_block(media).map(Some),
        (Part::ToolCall(call), Role::Assistant) => tool_use(call).map(Some),
        (Part::ToolResult(result), Role::Tool) => Ok(Some(Block::ToolResult {
            tool_use_id: result.call_id.clone(),
            content: result.text.clone(),
            is_error: result.is_error,
        })),
        (Part::Reasoning(_), Role::Assistant) => Ok(None),
        (part, role) => Err(misplaced(part, role.as_str())),
    }
}

fn tool_use(call: &ToolCall) -> Result<Block, Refusal> {
    let input: Result<Box<RawValue>, _> = serde_json::from_str(&call.arguments);
    match input {
        Ok(input) if input.get().starts_with('{') => Ok(Block::ToolUse {
            id: call.id.clone(),
            name: call.name.clone(),
            input,
        }),
        _ => Err(Refusal::bad_input(format!(
            "the arguments of the call of `{}` are no object",
            call.name
        ))),
    }
}

fn media_block(media: &Media) -> Result<Block, Refusal> {
    let source = || json!({"type": "base64", "media_type": media.mime, "data": media.base64()});
    match media.mime.as_str() {
        mime if mime.starts_with("image/") => Ok(Block::Image { source: source() }),
        "application/pdf" => Ok(Block::Document { source: source() }),
        mime => Err(Refusal::unsupported(format!(
            "the API takes images and application/pdf, not {mime}"
        ))),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        // Rules in the midst of a conversation; models that do not know them say so.
        Role::System => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}
