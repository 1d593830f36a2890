//! The two APIs that the gateway speaks: their paths, the headers that mean something to a model, and how each tells an
//! error, as OpenAI's page "Error codes" and Anthropic's page "Errors" have it.

use axum::http::HeaderMap;
use serde_json::{Value, json};

/// Which API a program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal { status, message }
    }
}

impl Dialect {
    pub(super) fn all() -> [Dialect; 2] {
        [Dialect::OpenAi, Dialect::Anthropic]
    }

    /// The provider plugin.
    #[must_use]
    pub fn provider(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
        }
    }

    /// The provider of this name.
    #[must_use]
    pub fn of_provider(name: &str) -> Option<Dialect> {
        Dialect::all()
            .into_iter()
            .find(|dialect| dialect.provider() == name)
    }

    /// The path that is answered.
    pub(super) fn path(self) -> &'static str {
        match self {
            Dialect::OpenAi => "/v1/chat/completions",
            Dialect::Anthropic => "/v1/messages",
        }
    }

    /// The same below the provider's base URL.
    pub(super) fn path_below(self) -> &'static str {
        match self {
            Dialect::OpenAi => "/chat/completions",
            Dialect::Anthropic => "/v1/messages",
        }
    }

    /// Whose words a refusal is in.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Dialect {
        match path.starts_with(Dialect::Anthropic.path())
            || headers.contains_key("anthropic-version")
        {
            true => Dialect::Anthropic,
            false => Dialect::OpenAi,
        }
    }

    /// The headers that go to the provider, and into the digest. No other one does: what is left are credentials, and what
    /// a program says of itself.
    pub(super) fn passed(self, headers: &HeaderMap) -> Vec<(String, String)> {
        let names: &[&str] = match self {
            Dialect::OpenAi => &["openai-beta"],
            Dialect::Anthropic => &["anthropic-beta", "anthropic-version"],
        };
        let text = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        };
        names.iter().filter_map(text).collect()
    }

    /// A refusal in the provider's words.
    pub(super) fn error(self, refusal: &Refusal) -> Value {
        let Refusal { status, message } = refusal;
        let kind = match (self, status) {
            (Dialect::OpenAi, 400 | 404 | 405 | 413) => "invalid_request_error",
            (Dialect::OpenAi, 401) => "authentication_error",
            (Dialect::OpenAi, 429) => "rate_limit_error",
            (Dialect::OpenAi, _) => "server_error",
            (Dialect::Anthropic, 400 | 405) => "invalid_request_error",
            (Dialect::Anthropic, 401) => "authentication_error",
            (Dialect::Anthropic, 404) => "not_found_error",
            (Dialect::Anthropic, 413) => "request_too_large",
            (Dialect::Anthropic, 429) => "rate_limit_error",
            (Dialect::Anthropic, 503) => "overloaded_error",
            (Dialect::Anthropic, _) => "api_error",
        };
        match self {
            Dialect::OpenAi => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
            }
            Dialect::Anthropic => {
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
        }
    }
}
