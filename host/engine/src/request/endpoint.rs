//! Where requests of a config go, and which credential may go with them. A credential goes only where it was issued for:
//! the provider's own address, the address that the provider's environment variable names, or the address of an
//! experiment that names the credential's variable itself. An experiment that merely says `base_url` gets none, so that
//! a file from somebody else cannot send a key away; and a provider plugin from somebody else gets none that the
//! experiment does not name, so that it cannot have any variable sent to an address of its choice.

use crate::plugin::bindings::provider::{Auth, Profile};
use crate::text::plain;
use url::Url;

/// A server, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: Url,
    name: String,
    auth: Auth,
    key_variable: Option<String>,
    key_required: bool,
    simulator: Option<std::net::SocketAddr>,
}

/// The experiment's address is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the base URL {origin} {what}")]
pub struct EndpointError {
    /// Who gave it; and the URL, unless it comes from the environment, where anything may stand.
    pub origin: String,
    /// What is wrong with it.
    pub what: String,
}

/// What the experiment says about the address.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// `model.base_url`.
    pub base_url: Option<String>,
    /// `model.key_variable`.
    pub key_variable: Option<String>,
    /// `model.endpoint`.
    pub name: Option<String>,
    /// The value of the provider's own variable for the address.
    pub environment: Option<String>,
    /// Whether the provider plugin is part of xhost.
    pub built_in: bool,
}

impl Endpoint {
    /// Decides the address and the credential's variable.
    ///
    /// # Errors
    /// Where the address is no plain http or https URL.
    pub fn new(profile: &Profile, wishes: &Wishes) -> Result<Endpoint, EndpointError> {
        let variable = profile.base_url_variable.as_deref().unwrap_or("");
        let (text, origin) = match (&wishes.base_url, &wishes.environment) {
            (Some(url), _) => (
                url.as_str(),
                format!("`{}`, from `model.base_url`,", shown(url)),
            ),
            (None, Some(url)) => (
                url.as_str(),
                format!("in the environment variable {variable}"),
            ),
            (None, None) => (
                profile.base_url.as_str(),
                format!("`{}`, the provider plugin's own,", shown(&profile.base_url)),
            ),
        };
        let url = parse(text).map_err(|what| EndpointError { origin, what })?;
        check_profile(profile)?;
        let trusted = [
            Some(profile.base_url.as_str()),
            wishes.environment.as_deref(),
        ];
        let same_origin =
            |other: &str| parse(other).is_ok_and(|other| other.origin() == url.origin());
        let is_trusted = wishes.built_in && trusted.into_iter().flatten().any(same_origin);
        let key_variable = wishes
            .key_variable
            .clone()
            .or_else(|| is_trusted.then(|| profile.key_variable.clone()));
        let name = wishes
            .name
            .clone()
            .unwrap_or_else(|| url.origin().ascii_serialization());
        let own_address = parse(&profile.base_url).is_ok_and(|own| own.origin() == url.origin());
        let key_required = wishes.key_variable.is_some() || own_address && wishes.built_in;
        Ok(Endpoint {
            url,
            name,
            auth: profile.auth.clone(),
            key_variable,
            key_required,
            simulator: None,
        })
    }

    /// The endpoint as a run recorded it: enough for digests, and with no address that exists and no credential.
    ///
    /// # Errors
    /// Where the path is none, or the profile is refused as ever.
    pub fn recorded(profile: &Profile, name: &str, path: &str) -> Result<Endpoint, EndpointError> {
        let url = parse(&format!("http://replay.invalid{path}"));
        let refuse = |what| EndpointError {
            origin: "of the record".into(),
            what,
        };
        let url = url.map_err(refuse)?;
        if url.path().trim_end_matches('/') != path {
            return Err(refuse(format!("has the path `{}`", plain(path))));
        }
        check_profile(profile)?;
        Ok(Endpoint {
            url,
            name: name.to_owned(),
            auth: profile.auth.clone(),
            key_variable: None,
            key_required: false,
            simulator: None,
        })
    }

    /// The same endpoint, its requests going to a simulator on this machine: same digests, no credential.
    #[must_use]
    pub fn simulated_at(self, simulator: std::net::SocketAddr) -> Endpoint {
        Endpoint {
            simulator: Some(simulator),
            ..self
        }
    }

    /// Whether this is a rehearsal.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some()
    }

    /// The server's host name, also in a rehearsal.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// What stands for the server in the digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where requests go: `scheme://host:port`.
    #[must_use]
    pub fn origin(&self) -> String {
        if let Some(simulator) = self.simulator {
            return format!("http://{simulator}");
        }
        self.url.origin().ascii_serialization()
    }

    /// Whether requests stay on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.simulator.is_some()
            || match self.url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    }

    /// The base URL's path, without a `/` at its end.
    #[must_use]
    pub fn base_path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Where the credential goes.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        match self.simulator {
            Some(_) => &Auth::None,
            None => &self.auth,
        }
    }

    /// The environment variable whose value may be sent there.
    #[must_use]
    pub fn key_variable(&self) -> Option<&str> {
        if matches!(self.auth(), Auth::None) {
            None
        } else {
            self.key_variable.as_deref()
        }
    }

    /// Whether a call without a credential is bound to fail.
    #[must_use]
    pub fn key_required(&self) -> bool {
        self.key_required && !matches!(self.auth(), Auth::None)
    }

    /// Whether the credential goes into this header, or would if this were no rehearsal: a plugin is refused in both or in
    /// neither.
    #[must_use]
    pub fn is_credential_header(&self, name: &str) -> bool {
        matches!(&self.auth, Auth::Header(header) if header.eq_ignore_ascii_case(name))
    }
}

/// What a provider plugin says about the credential must be a header and a variable, and no header of the host's.
fn check_profile(profile: &Profile) -> Result<(), EndpointError> {
    let refuse = |what: &str| {
        Err(EndpointError {
            origin: "of the provider plugin".into(),
            what: what.into(),
        })
    };
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !word(&profile.key_variable) && !matches!(profile.auth, Auth::None) {
        return refuse("comes with a credential's variable that is no name of one");
    }
    match &profile.auth {
        Auth::Header(name) if !word(name) => {
            refuse("comes with a credential's header that is no name of one")
        }
        Auth::Header(name)
            if super::FRAMING_HEADERS.contains(&name.to_ascii_lowercase().as_str()) =>
        {
            refuse("comes with a credential's header that frames the message")
        }
        Auth::Header(_) | Auth::Bearer | Auth::None => Ok(()),
    }
}

/// The URL without what may be a credential.
fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return plain(text);
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !has_user && url.query().is_none() && url.fragment().is_none() {
        return plain(text);
    }
    // These fail for URLs that cannot have a user, and so have none.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    plain(url.as_str())
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|e| format!("is not a URL ({e}); write it as `https://host/v1`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither http nor https".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a credential; name its environment variable as `model.key_variable` instead"
                .into(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, which a base URL cannot have".into());
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters".into());
    }
    if url.path().contains("//") {
        return Err("has `//` in its path".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
