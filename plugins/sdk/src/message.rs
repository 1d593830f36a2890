//! Conveniences on messages and their parts.

use crate::{Message, Part, Role};

impl Message {
    /// A message of one text.
    pub fn new(role: Role, text: impl Into<String>) -> Message {
        Message {
            role,
            parts: vec![Part::Text(text.into())],
        }
    }

    /// The rules.
    pub fn system(text: impl Into<String>) -> Message {
        Message::new(Role::System, text)
    }

    /// A question.
    pub fn user(text: impl Into<String>) -> Message {
        Message::new(Role::User, text)
    }

    /// An answer of the model.
    pub fn assistant(text: impl Into<String>) -> Message {
        Message::new(Role::Assistant, text)
    }

    /// Its text parts, joined; neither reasoning nor tool results.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}

impl Role {
    /// The role in the word that most APIs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

impl Part {
    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Part {
        Part::Text(text.into())
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Media(_) | Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => None,
        }
    }
}

/// Text parts follow upon each other without a gap: a model that says two says one text.
pub(crate) fn text_of(parts: &[Part]) -> String {
    parts.iter().filter_map(Part::as_text).collect()
}
