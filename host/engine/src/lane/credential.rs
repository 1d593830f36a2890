//! The credential of a lane: where it joins a request, and that it is seen nowhere else.

use super::Lane;
use crate::http::Outgoing;
use crate::plugin::bindings::provider::Auth;
use crate::request::Request;
use crate::secret::Secret;
use crate::stop::StopReason;

impl Lane {
    /// The only place where a credential joins a request: after the digest, for this lane's own address.
    pub(super) fn outgoing(&self, request: &Request) -> Result<Outgoing, StopReason> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(request.headers.iter().cloned());
        match (self.secret(), self.endpoint.auth()) {
            (Some(secret), Auth::Bearer) => headers.push((
                "authorization".into(),
                format!("Bearer {}", secret.expose()),
            )),
            (Some(secret), Auth::Header(name)) => {
                headers.push((name.clone(), secret.expose().to_owned()));
            }
            (None, _) if self.endpoint.key_required() => return Err(self.missing_key()),
            (_, Auth::None) | (None, _) => {}
        }
        let url = format!("{}{}", self.endpoint.origin(), request.target);
        let (method, body) = (request.method, request.body.clone());
        Ok(Outgoing {
            method,
            url,
            headers,
            body,
            timeout: self.settings().timeout,
        })
    }

    fn secret(&self) -> Option<&Secret> {
        let read = || {
            self.endpoint
                .key_variable()
                .and_then(Secret::from_environment)
        };
        self.secret.get_or_init(read).as_ref()
    }

    fn missing_key(&self) -> StopReason {
        let variable = self
            .endpoint
            .key_variable()
            .unwrap_or(&self.profile.key_variable);
        StopReason::MissingKey(format!(
            "no credential for {}: set the environment variable {variable}, or name another one as \
             `model.key_variable`, or try the run without a provider: `--rehearse`",
            self.endpoint.origin(),
        ))
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.secret()
            .map_or_else(|| text.to_owned(), |secret| secret.redact(text))
    }

    pub(super) fn key_source(&self) -> String {
        match (self.endpoint.key_variable(), self.secret()) {
            (Some(variable), Some(_)) => format!("the environment variable {variable}"),
            (Some(variable), None) => format!("the environment variable {variable}, which is not set"),
            (None, _) => "nowhere: an address given as `model.base_url`, or a provider that is not part of xhost, needs \
                          `model.key_variable` too"
                .into(),
        }
    }
}
