//! Conveniences on a model's answers.

use crate::message::text_of;
use crate::{Completion, Exchange, Message, Part, Prompt, Role, StopReason, Usage};

impl Completion {
    /// An answer of one text; for tests.
    pub fn new(text: impl Into<String>) -> Completion {
        Completion {
            parts: vec![Part::Text(text.into())],
            stop_reason: StopReason::End,
            usage: Usage::default(),
            model: String::new(),
            extra: None,
        }
    }

    /// Its text parts, joined; neither reasoning nor tool calls.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }

    /// The answer as a message, to go on with the conversation.
    #[must_use]
    pub fn message(&self) -> Message {
        Message {
            role: Role::Assistant,
            parts: self.parts.clone(),
        }
    }
}

impl Exchange {
    /// A question and its answer; for tests.
    pub fn new(prompt: Prompt, answer: impl Into<String>) -> Exchange {
        Exchange {
            prompt,
            completion: Completion::new(answer),
        }
    }

    /// The text of the answer.
    #[must_use]
    pub fn text(&self) -> String {
        self.completion.text()
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the type is generated, and its variants have no default"
)]
impl Default for Usage {
    fn default() -> Usage {
        Usage {
            input: 0,
            output: 0,
            cache_read: 0,
            cache_write: 0,
            reasoning: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_was_said_not_what_was_thought() {
        let mut completion = Completion::new("4");
        completion.parts.insert(0, Part::Reasoning("2 + 2".into()));
        completion.parts.push(Part::text("2"));
        assert_eq!(completion.text(), "42");
        assert_eq!(completion.message().text(), "42");
    }
}
