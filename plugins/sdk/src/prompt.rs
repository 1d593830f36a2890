//! Conveniences on prompts.

use crate::{Message, Prompt, Sampling, Tool};

impl Prompt {
    /// A conversation, with the experiment's own sampling.
    #[must_use]
    pub fn new(messages: Vec<Message>) -> Prompt {
        Prompt {
            messages,
            tools: Vec::new(),
            sampling: Sampling::default(),
        }
    }

    /// One question.
    pub fn user(text: impl Into<String>) -> Prompt {
        Prompt::new(vec![Message::user(text)])
    }

    /// The same with these rules before everything else.
    #[must_use]
    pub fn system(mut self, text: impl Into<String>) -> Prompt {
        self.messages.insert(0, Message::system(text));
        self
    }

    /// The same with one more message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Prompt {
        self.messages.push(message);
        self
    }

    /// The same with one more tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Prompt {
        self.tools.push(tool);
        self
    }

    /// The same with this sampling, which wins over the experiment's field by field.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Prompt {
        self.sampling = sampling;
        self
    }
}

impl Default for Sampling {
    /// Nothing set: the experiment's own sampling, or the model's.
    fn default() -> Sampling {
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
}
