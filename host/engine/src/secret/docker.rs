//! What `docker login` left for a registry: in `auths` of Docker's `config.json`, or with the helper that it names. Asked for
//! by the registry's own name alone, so another registry's credential is never seen.

use super::{Login, Secret};
use docker_credential::{DockerCredential, get_credential_from_reader};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// No such file is larger.
const LENGTH: u64 = 1 << 20;

/// The login, if there is one. What a helper says when it fails is not shown: it may be the credential.
pub(super) fn login(config: &Path, registry: &str) -> Option<Login> {
    let file = BufReader::new(File::open(config).ok()?.take(LENGTH));
    match get_credential_from_reader(file, key(registry)).ok()? {
        DockerCredential::UsernamePassword(user, password) => Some(Login::Password {
            user,
            password: Secret::of(password),
        }),
        // A refresh token of Docker's own log-in, which only its client can use.
        DockerCredential::IdentityToken(_) => None,
    }
}

/// Docker keeps its own registry under an address of old.
fn key(registry: &str) -> &str {
    match registry {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_for_its_own_registry_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("config.json");
        let text = r#"{"auths": {"ghcr.io": {"auth": "bWU6czNjcmV0"}, "https://index.docker.io/v1/": {"auth": "aHViOnA="},
            "token.io": {"identitytoken": "t"}, "bad.io": {"auth": "%"}}}"#;
        std::fs::write(&config, text).expect("it is written");
        let found = |registry| match login(&config, registry) {
            Some(Login::Password { user, password }) => Some((user, password.expose().to_owned())),
            Some(Login::Token(_)) | None => None,
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(found("ghcr.io"), pair("me", "s3cret"));
        assert_eq!(found("docker.io"), pair("hub", "p"));
        for registry in ["cr.io", "ghcr.io.evil.example", "token.io", "bad.io", ""] {
            assert_eq!(found(registry), None, "{registry}");
        }
        assert!(login(&folder.path().join("none.json"), "ghcr.io").is_none());
    }
}
