//! What is stored: a provider's answer, its bytes as they came.

use crate::ResponseDigest;
use bytes::Bytes;

/// An answer that was paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The provider's bytes.
    pub body: Bytes,
    /// The HTTP status, a 2xx.
    pub status: u16,
    /// The wire format, such as `openai.chat`.
    pub api: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The headers that the provider plugin reads.
    pub headers: Vec<(String, String)>,
    /// When it came, in milliseconds since 1970-01-01 UTC.
    pub created_ms: u64,
    /// How long the call took, in milliseconds.
    pub latency_ms: u32,
}

impl Answer {
    /// The answer's name.
    #[must_use]
    pub fn digest(&self) -> ResponseDigest {
        ResponseDigest::from_bytes(*blake3::hash(&self.body).as_bytes())
    }
}
