//! Proving to a registry who asks: `Basic`, or a token from where the registry says. The password goes to the registry, and
//! to the server of its tokens only where the two belong together: else a registry could have it sent to anybody.

use super::answer::{DOCUMENT, PIECE, host_of, take};
use super::error::RemoteError;
use super::session::Session;
use crate::http::Outgoing;
use crate::secret::{Login, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use url::Url;

/// The server of Docker Hub's tokens.
const DOCKER_HUB: (&str, &str) = ("index.docker.io", "auth.docker.io");

/// The header that answers the registry's challenges; `None` where there is nothing to answer with.
pub(super) async fn answer(
    session: &Session<'_>,
    challenges: &[String],
) -> Result<Option<Secret>, RemoteError> {
    let parsed: Vec<_> = challenges
        .iter()
        .filter_map(|text| http_auth::parse_challenges(text).ok())
        .flatten()
        .collect();
    let of = |scheme: &str| {
        parsed
            .iter()
            .find(|one| one.scheme.eq_ignore_ascii_case(scheme))
    };
    if let Some(bearer) = of("bearer") {
        let param = |name: &str| {
            let mut params = bearer.params.iter();
            let found = params.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
        return match realm {
            Some(realm) => token(session, realm, param("service")).await.map(Some),
            None => Ok(None),
        };
    }
    Ok(of("basic").and_then(|_| basic(session.login.as_ref())))
}

fn basic(login: Option<&Login>) -> Option<Secret> {
    let Some(Login::Password { user, password }) = login else {
        return None;
    };
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    Some(Secret::of(format!("Basic {pair}")))
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

/// A token for this repository, with the password where it may go, else as anybody.
async fn token(
    session: &Session<'_>,
    realm: Url,
    service: Option<String>,
) -> Result<Secret, RemoteError> {
    let plain = session.outside.plain;
    if !plain.may_lead(&session.base, &realm) {
        let why = "a token is fetched over https only";
        return Err(session.astray(&session.base, &realm, why));
    }
    let credential = basic(session.login.as_ref());
    if credential.is_some() && !belongs(&session.base, &realm) {
        return Err(RemoteError::Denied {
            name: session.name.to_string(),
            host: session.host(),
            said: String::new(),
            advice: format!(
                "it wants your password sent to {}, which is another's: fetch a token there yourself, and set \
                 XHOST_REGISTRY_TOKEN",
                host_of(realm.as_str())
            ),
        });
    }
    let mut url = realm;
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", &service);
        }
        query.append_pair("scope", &session.scope());
    }
    let credential =
        credential.map(|secret| ("authorization".to_owned(), secret.expose().to_owned()));
    let request = Outgoing {
        method: "GET",
        url: url.to_string(),
        headers: credential.into_iter().collect(),
        body: Bytes::new(),
        timeout: PIECE,
    };
    let name = session.name.to_string();
    let answer = take(session.outside.transport, request, &name, DOCUMENT, None).await?;
    if answer.status != 200 {
        return Err(session.refused(&answer, "token"));
    }
    let token: Result<Token, _> = serde_json::from_slice(&answer.body);
    let token = token.ok().filter(|token| is_header(&token.token));
    token
        .map(|token| Secret::of(format!("Bearer {}", token.token)))
        .ok_or_else(|| RemoteError::Layout {
            what: format!("{} gave no token", host_of(url.as_str())),
            name,
        })
}

fn is_header(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the realm is the registry's own: the same host, one that the registry's host stands below, or Docker Hub's.
fn belongs(registry: &Url, realm: &Url) -> bool {
    let (Some(registry), Some(realm)) = (registry.host_str(), realm.host_str()) else {
        return false;
    };
    let below = realm.contains('.') && registry.ends_with(&format!(".{realm}"));
    registry == realm || below || (registry, realm) == DOCKER_HUB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_to_no_other_s_server_of_tokens() {
        for (registry, realm, expected) in [
            ("https://ghcr.io/", "https://ghcr.io/token", true),
            (
                "https://registry.gitlab.com/",
                "https://gitlab.com/jwt/auth",
                true,
            ),
            (
                "https://index.docker.io/",
                "https://auth.docker.io/token",
                true,
            ),
            ("https://ghcr.io/", "https://auth.docker.io/token", false),
            ("https://gitlab.com/", "https://registry.gitlab.com/", false),
            ("https://evilgitlab.com/", "https://gitlab.com/", false),
            ("https://ghcr.io/", "https://io/", false),
        ] {
            let url = |text| Url::parse(text).expect("a URL");
            assert_eq!(
                belongs(&url(registry), &url(realm)),
                expected,
                "{registry} {realm}"
            );
        }
    }
}
