//! Credentials. The only file that reads the environment for one. A credential is added to a request after its digest,
//! goes to the origin it was issued for and nowhere else, and is taken out of every text that is shown or stored.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the file that reads the environment"
)]

/// What `docker login` left.
mod docker;

use std::fmt;
use std::path::PathBuf;

/// A credential. It cannot be printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Reads a credential from an environment variable. `None` where it is unset or empty.
    #[must_use]
    pub fn from_environment(variable: &str) -> Option<Secret> {
        std::env::var(variable)
            .ok()
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .map(Secret)
    }

    /// A credential that came from a credential: a token, a header.
    pub fn of(value: String) -> Secret {
        Secret(value)
    }

    /// The credential itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with every occurrence of the credential replaced. Providers like to quote it in their errors.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "[credential]")
    }
}

/// Every credential of this environment, by the names that variables with credentials have, and the variable of each: what
/// must not be carried away. Short values are left out: they stand in every text.
pub fn all_in_the_environment() -> Vec<(String, Secret)> {
    let is_credential = |name: &str| {
        let name = name.to_ascii_uppercase();
        let ends = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
        ends.iter().any(|end| name.ends_with(end))
    };
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let value = value.trim();
        let counts = is_credential(&name) && value.len() >= 8;
        counts.then(|| (name, Secret(value.to_owned())))
    });
    let mut all: Vec<_> = variables.collect();
    all.sort_by(|(first, _), (second, _)| first.cmp(second));
    all
}

/// How one logs in to a registry.
#[derive(Clone, Debug)]
pub enum Login {
    /// As a user.
    Password {
        /// Who.
        user: String,
        /// The password, or a token that stands for one.
        password: Secret,
    },
    /// With a token that the registry takes as it is.
    Token(Secret),
}

/// Whose words name a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The user's own: `xhost plugin push` and `pull`.
    User,
    /// An experiment's, which may be somebody else's.
    Experiment,
}

/// The login for a registry. The variables are for the one that `XHOST_REGISTRY` names; where it is not set, for the one
/// that the user names, and for none that an experiment names. Then what `docker login` left for this very registry.
#[must_use]
pub fn registry_login(registry: &str, named_by: NamedBy) -> Option<Login> {
    let meant = match plain_variable("XHOST_REGISTRY") {
        Some(named) => named == registry,
        None => named_by == NamedBy::User,
    };
    let own = meant.then(login_from_environment).flatten();
    own.or_else(|| docker::login(&docker_config()?, registry))
}

fn login_from_environment() -> Option<Login> {
    if let Some(token) = Secret::from_environment("XHOST_REGISTRY_TOKEN") {
        return Some(Login::Token(token));
    }
    Some(Login::Password {
        user: plain_variable("XHOST_REGISTRY_USER")?,
        password: Secret::from_environment("XHOST_REGISTRY_PASSWORD")?,
    })
}

/// `config.json` of Docker, where it looks for it.
fn docker_config() -> Option<PathBuf> {
    let named = plain_variable("DOCKER_CONFIG").map(PathBuf::from);
    let at_home = || Some(etcetera::home_dir().ok()?.join(".docker"));
    Some(named.or_else(at_home)?.join("config.json"))
}

fn plain_variable(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
impl Secret {
    pub(crate) fn for_test(value: &str) -> Secret {
        Secret(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Reads a base URL from an environment variable: no secret, but it decides where one goes.
#[must_use]
pub fn base_url_from_environment(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// The token that programs must send to the gateway of `xhost serve`, where the user chose one.
pub fn serve_token_from_environment() -> Option<String> {
    std::env::var("XHOST_SERVE_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty())
}

/// Cargo's own folder, where the environment names one: its path is kept out of what is built.
#[must_use]
pub fn cargo_home_from_environment() -> Option<PathBuf> {
    std::env::var("CARGO_HOME")
        .ok()
        .filter(|folder| !folder.is_empty())
        .map(Into::into)
}

/// A switch for tests of crashes. Builds for users do not have it.
#[cfg(debug_assertions)]
pub(crate) fn test_variable(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_neither_printed_nor_left_in_a_text() {
        let secret = Secret("sk-12345".into());
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(
            secret.redact("Incorrect API key: sk-12345."),
            "Incorrect API key: [credential]."
        );
    }
}
