//! Calls beside the questions: submitting a batch, asking where it stands, fetching what it came to. They carry the same
//! credential to the same address, are never answers, and take no turn of the lane's pace: providers count them apart.

use super::{Lane, Trouble};
use crate::http::{Download, FileBody, Incoming, Outgoing};
use crate::plugin::bindings::batch::Upload;
use crate::plugin::bindings::provider::{Header, HttpRequest, HttpResponse};
use crate::record::Cause;
use crate::request::{Draw, Request};
use crate::stop::StopReason;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// Uploads of hundreds of megabytes take their time.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(1_800);

/// The most of an error that is read.
const ERROR_LIMIT: usize = 64 << 10;

/// An errand that came to nothing.
#[derive(Debug)]
pub enum ErrandError {
    /// The provider or the connection; whoever asked decides whether to ask again.
    Trouble(Trouble),
    /// No errand of this lane can succeed.
    Stopped(StopReason),
}

impl ErrandError {
    /// The words for a person.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            ErrandError::Trouble(trouble) => trouble.message(),
            ErrandError::Stopped(reason) => reason.to_string(),
        }
    }
}

impl From<crate::plugin::Failure> for ErrandError {
    fn from(failure: crate::plugin::Failure) -> ErrandError {
        ErrandError::Stopped(StopReason::Experiment(failure.to_string()))
    }
}

/// Servers that speak OpenAI's chat API, and whose batches are another API or none.
const OTHER_BATCHES: [&str; 8] = [
    "api.together.xyz",
    "api.together.ai",
    "api.fireworks.ai",
    "api.x.ai",
    "api.deepseek.com",
    "openrouter.ai",
    "api.cerebras.ai",
    "api.deepinfra.com",
];

/// Providers whose batches the simulator does not have.
const NOT_SIMULATED: [&str; 2] = ["mistral", "gemini"];

impl Lane {
    /// Whether this lane's requests can travel in batches.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        self.why_no_batches().is_none()
    }

    /// Why they cannot.
    #[must_use]
    pub fn why_no_batches(&self) -> Option<String> {
        let (plugin, host) = (&self.provider.plugin, self.endpoint.host());
        let name = plugin.name();
        if self.profile.batch.is_none() || !plugin.takes_batches() {
            return Some(format!("the provider `{name}` takes no batches"));
        }
        if name == "openai" && OTHER_BATCHES.contains(&host) {
            return Some(format!("{host} takes no batches in OpenAI's form"));
        }
        if self.endpoint.is_simulated() && NOT_SIMULATED.contains(&name) {
            return Some(format!("the simulator has no batches of `{name}`"));
        }
        None
    }

    /// One exchange.
    ///
    /// # Errors
    /// As [`ErrandError`] says.
    pub async fn errand(&self, request: HttpRequest) -> Result<HttpResponse, ErrandError> {
        let outgoing = self.errand_request(request)?;
        let sent = self.road()?.send(outgoing).await;
        self.received(sent.map_err(|e| ErrandError::Trouble(Trouble::Transport(e)))?)
            .await
    }

    /// One exchange that carries a file of framed lines. `boundary` stands in none of them.
    ///
    /// # Errors
    /// As [`ErrandError`] says.
    pub async fn upload(
        &self,
        upload: Upload,
        lines: &Path,
        boundary: &str,
    ) -> Result<HttpResponse, ErrandError> {
        let Upload {
            request,
            content_type,
            multipart,
        } = upload;
        let mut outgoing = self.errand_request(request)?;
        if !content_type
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte))
        {
            let what = "its content type of an upload is not visible ASCII";
            return Err(self.breach(&what));
        }
        let (content_type, prefix, suffix) = match multipart {
            None => (content_type, String::new(), String::new()),
            Some(form) => {
                let (prefix, suffix) = super::form::around(&form, &content_type, boundary);
                let content_type = format!("multipart/form-data; boundary={boundary}");
                (content_type, prefix, suffix)
            }
        };
        outgoing.headers.retain(|(name, _)| name != "content-type");
        outgoing.headers.push(("content-type".into(), content_type));
        outgoing.timeout = outgoing.timeout.max(UPLOAD_TIMEOUT);
        let file = FileBody {
            prefix: Bytes::from(prefix),
            path: lines.into(),
            suffix: Bytes::from(suffix),
        };
        let sent = self.road()?.upload(outgoing, file).await;
        self.received(sent.map_err(|e| ErrandError::Trouble(Trouble::Transport(e)))?)
            .await
    }

    /// One exchange whose answer comes piece by piece.
    ///
    /// # Errors
    /// As [`ErrandError`] says.
    pub async fn download(&self, request: HttpRequest) -> Result<Download, ErrandError> {
        let outgoing = self.errand_request(request)?;
        let trouble = |e| ErrandError::Trouble(Trouble::Transport(e));
        let download = self.road()?.download(outgoing).await.map_err(trouble)?;
        if (200..300).contains(&download.status) {
            return Ok(download);
        }
        let (status, headers) = (download.status, download.headers.clone());
        let body = download.short(ERROR_LIMIT).await.map_err(trouble)?;
        let refused = Incoming {
            status,
            headers,
            body,
        };
        match self.received(refused).await {
            Err(error) => Err(error),
            Ok(_) => Err(trouble(crate::http::TransportError::Broken {
                origin: self.endpoint.origin(),
                cause: "its status is none".into(),
            })),
        }
    }

    /// Where nobody can be asked, no errand is run either.
    fn road(&self) -> Result<&dyn crate::http::Transport, ErrandError> {
        let offline = "a replay speaks to no provider, about batches either";
        self.transport
            .as_deref()
            .ok_or_else(|| ErrandError::Stopped(StopReason::Experiment(offline.into())))
    }

    fn errand_request(&self, request: HttpRequest) -> Result<Outgoing, ErrandError> {
        let draw = Draw {
            epoch: 0,
            repeat: 0,
        };
        let request = Request::new(request, &self.endpoint, draw, "");
        let request = request.map_err(|error| self.breach(&error))?;
        self.outgoing(&request).map_err(ErrandError::Stopped)
    }

    fn breach(&self, what: &dyn std::fmt::Display) -> ErrandError {
        let name = self.provider.plugin.name();
        let message = format!("provider `{name}` broke the contract: {what}");
        ErrandError::Stopped(StopReason::Experiment(message))
    }

    /// What is not 2xx is explained by the plugin.
    async fn received(&self, incoming: Incoming) -> Result<HttpResponse, ErrandError> {
        let headers = self.shown_headers(&incoming).into_iter();
        let response = HttpResponse {
            status: incoming.status,
            headers: headers
                .map(|(name, value)| Header { name, value })
                .collect(),
            body: self.redact(&String::from_utf8_lossy(&incoming.body)),
        };
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let status = response.status;
        let fault = self.provider.diagnose(response).await?;
        Err(ErrandError::Trouble(self.trouble(fault, Some(status))))
    }

    /// A provider's reason as the results tell it.
    #[must_use]
    pub fn explain(&self, fault: crate::plugin::bindings::provider::Fault) -> (Cause, String) {
        use crate::plugin::bindings::provider::FaultKind;
        let cause = match fault.kind {
            FaultKind::RateLimited => Cause::RateLimited,
            FaultKind::Overloaded => Cause::Overloaded,
            FaultKind::Exhausted | FaultKind::Denied | FaultKind::Rejected => Cause::Rejected,
            FaultKind::Malformed => Cause::Malformed,
        };
        (cause, self.trouble(fault, None).message())
    }
}
