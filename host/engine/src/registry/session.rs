//! Talking to one registry about one repository: paths of the distribution protocol, and a credential that leaves for
//! this registry's origin alone. What is redirected travels without one.

use super::answer::{Answer, Bound, DOCUMENT, PIECE, astray, host_of, redirect, take};
use super::challenge;
use super::error::RemoteError;
use super::name::ImageName;
use super::{Outside, Told};
use crate::http::Outgoing;
use crate::secret::{Login, Secret};
use bytes::Bytes;
use std::time::Duration;
use url::Url;

/// Blobs are often elsewhere, and elsewhere is often one more step.
const HOPS: usize = 3;

/// What one is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

pub(super) struct Session<'a> {
    pub(super) outside: &'a Outside<'a>,
    pub(super) name: &'a ImageName,
    pub(super) base: Url,
    pub(super) login: Option<Login>,
    access: Access,
    /// The header that the registry's challenge asked for, or the user's own token.
    authorization: Option<Secret>,
}

/// What is asked.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) bound: Bound,
}

impl Ask {
    pub(super) fn new(method: &'static str, url: Url) -> Ask {
        Ask {
            method,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            bound: DOCUMENT,
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl<'a> Session<'a> {
    pub(super) fn open(
        outside: &'a Outside<'a>,
        name: &'a ImageName,
        access: Access,
    ) -> Result<Session<'a>, RemoteError> {
        let base = outside.plain.base(name.server());
        let base = base.ok_or_else(|| RemoteError::Name {
            name: name.to_string(),
            what: "its registry is no host".into(),
        })?;
        let login = (outside.login)(name.registry());
        let authorization = match &login {
            Some(Login::Token(token)) => Some(Secret::of(format!("Bearer {}", token.expose()))),
            Some(Login::Password { .. }) | None => None,
        };
        Ok(Session {
            outside,
            name,
            base,
            login,
            access,
            authorization,
        })
    }

    /// `/v2/REPOSITORY/KIND/WHAT`. The parts are of letters that the reference's grammar or a digest allows.
    pub(super) fn url(&self, kind: &str, what: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/{kind}/{what}", self.name.repository()));
        url
    }

    /// The scope that a token must have.
    pub(super) fn scope(&self) -> String {
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        format!("repository:{}:{actions}", self.name.repository())
    }

    /// Asks, once more with a credential where the registry wants one.
    pub(super) async fn ask(
        &mut self,
        ask: &Ask,
        watched: Option<(Told<'_>, u64)>,
    ) -> Result<Answer, RemoteError> {
        let answer = self.once(ask, watched).await?;
        let own = ask.url.origin() == self.base.origin();
        if answer.status != 401 || !own || matches!(self.login, Some(Login::Token(_))) {
            return Ok(answer);
        }
        let challenges: Vec<String> = answer
            .headers("www-authenticate")
            .map(str::to_owned)
            .collect();
        match challenge::answer(self, &challenges).await? {
            Some(authorization) => {
                self.authorization = Some(authorization);
                self.once(ask, watched).await
            }
            None => Ok(answer),
        }
    }

    /// As [`Session::ask`], and follows redirects: for what is held against a digest.
    pub(super) async fn fetch(
        &mut self,
        mut ask: Ask,
        watched: Option<(Told<'_>, u64)>,
    ) -> Result<Answer, RemoteError> {
        for _ in 0..HOPS {
            let error = match self.ask(&ask, watched).await {
                Err(error) => error,
                answer => return answer,
            };
            let Some(to) = redirect(&error) else {
                return Err(error);
            };
            if !self.outside.plain.may_lead(&ask.url, &to) {
                return Err(self.astray(
                    &ask.url,
                    &to,
                    "it is not encrypted, or leads into this machine",
                ));
            }
            ask.url = to;
        }
        Err(self.astray(&self.base, &ask.url, "there were redirects enough"))
    }

    async fn once(
        &self,
        ask: &Ask,
        watched: Option<(Told<'_>, u64)>,
    ) -> Result<Answer, RemoteError> {
        let mut headers = ask.headers.clone();
        // The only place where a credential joins a request: for the registry's own origin.
        if let Some(secret) = &self.authorization
            && ask.url.origin() == self.base.origin()
        {
            headers.push(("authorization".into(), secret.expose().into()));
        }
        let request = Outgoing {
            method: ask.method,
            url: ask.url.to_string(),
            headers,
            body: ask.body.clone(),
            timeout: if ask.body.is_empty() {
                PIECE
            } else {
                ask.bound.time
            },
        };
        let name = self.name.to_string();
        take(self.outside.transport, request, &name, ask.bound, watched).await
    }

    /// The error that an answer is, where it is none of the expected.
    pub(super) fn refused(&self, answer: &Answer, what: &str) -> RemoteError {
        let (name, host) = (self.name.to_string(), self.host());
        let said = self.redact(&answer.said());
        match answer.status {
            401 | 403 => RemoteError::Denied {
                advice: self.advice(),
                name,
                host,
                said,
            },
            404 => RemoteError::Missing {
                name,
                host,
                what: what.into(),
                said,
            },
            status => RemoteError::Status {
                name,
                host,
                status,
                said,
            },
        }
    }

    fn advice(&self) -> String {
        let host = self.name.registry();
        match &self.login {
            Some(_) => format!("the credential for {host} is not enough"),
            None => format!(
                "run `docker login {host}`, or set XHOST_REGISTRY={host} with XHOST_REGISTRY_USER and \
                 XHOST_REGISTRY_PASSWORD, or with XHOST_REGISTRY_TOKEN"
            ),
        }
    }

    pub(super) fn host(&self) -> String {
        host_of(self.base.as_str())
    }

    pub(super) fn astray(&self, from: &Url, to: &Url, why: &'static str) -> RemoteError {
        astray(&self.name.to_string(), from, to, why)
    }

    fn redact(&self, text: &str) -> String {
        let text = match &self.login {
            Some(Login::Password { password, .. }) => password.redact(text),
            Some(Login::Token(token)) => token.redact(text),
            None => text.to_owned(),
        };
        match &self.authorization {
            Some(secret) => secret.redact(&text),
            None => text,
        }
    }
}

/// A component's bound: as many bytes as it is said to have, ten minutes.
pub(super) fn component(bytes: u64) -> Bound {
    Bound {
        what: "component",
        bytes,
        time: Duration::from_secs(600),
    }
}
