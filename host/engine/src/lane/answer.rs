//! What came back over a lane: an answer that a provider plugin can read, or a failure that it explains.

use super::{CallFailure, Fresh, Lane, Trouble};
use crate::http::Incoming;
use crate::plugin::bindings::provider::{Fault, FaultKind, Header, HttpResponse};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};
use xhost_store::Answer;

impl Lane {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub(super) async fn read(
        &self,
        incoming: Incoming,
        headers: Vec<(String, String)>,
        latency_ms: u64,
    ) -> Result<Result<Fresh, Trouble>, CallFailure> {
        if !(200..300).contains(&incoming.status) {
            let body = self.redact(&String::from_utf8_lossy(&incoming.body));
            let plain = headers
                .into_iter()
                .map(|(name, value)| Header { name, value })
                .collect();
            let response = HttpResponse {
                status: incoming.status,
                headers: plain,
                body,
            };
            let fault = self.provider.diagnose(response).await?;
            return Ok(Err(self.trouble(fault, Some(incoming.status))));
        }
        let Ok(text) = std::str::from_utf8(&incoming.body) else {
            return Ok(Err(self.trouble(malformed("the answer is not UTF-8"), None)));
        };
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Ok(Err(self.trouble(
                malformed(&format!("the answer is not JSON: {error}")),
                None,
            )));
        }
        let completion = match self.provider.decode(Arc::new(text.to_owned())).await? {
            Ok(completion) => completion,
            Err(fault) => return Ok(Err(self.no_answer(fault))),
        };
        self.answered_once.store(true, Ordering::Relaxed);
        let answer = Answer {
            status: incoming.status,
            api: self.profile.api.clone(),
            // A name of megabytes would fit into no record.
            model: crate::text::plain(&completion.model),
            headers,
            created_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            latency_ms: u32::try_from(latency_ms).unwrap_or(u32::MAX),
            body: incoming.body,
        };
        Ok(Ok(Fresh {
            answer,
            completion,
            permit: None,
        }))
    }

    /// The headers that the plugin wants to see, the credential taken out.
    pub(super) fn shown_headers(&self, incoming: &Incoming) -> Vec<(String, String)> {
        let wanted = |name: &str| {
            self.profile
                .response_headers
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        let headers = incoming.headers.iter().filter(|(name, _)| wanted(name));
        headers
            .map(|(name, value)| (name.clone(), self.redact(value)))
            .collect()
    }

    pub(super) fn trouble(&self, fault: Fault, status: Option<u16>) -> Trouble {
        let Fault {
            kind,
            message,
            retry_after_ms,
        } = fault;
        let message = crate::text::plain(&self.redact(&message));
        let hint = match kind {
            FaultKind::Denied => format!(
                "; {} reads the credential from {}",
                self.endpoint.origin(),
                self.key_source()
            ),
            _ => String::new(),
        };
        let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let message = format!("{}{status}: {message}{hint}", self.endpoint.origin());
        Trouble::Fault(Fault {
            kind,
            message,
            retry_after_ms,
        })
    }

    /// An answer that the plugin says is none. It may be asked for again, but each time may be paid for: as often as for
    /// an overloaded server, and no oftener.
    fn no_answer(&self, fault: Fault) -> Trouble {
        let kind = match fault.kind {
            FaultKind::RateLimited => FaultKind::Overloaded,
            other => other,
        };
        self.trouble(Fault { kind, ..fault }, None)
    }
}

fn malformed(message: &str) -> Fault {
    Fault {
        kind: FaultKind::Malformed,
        message: message.into(),
        retry_after_ms: None,
    }
}
