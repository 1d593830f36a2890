//! What may be asked without encryption: this machine itself, and hosts that the user named. Where a redirect may lead.

use std::net::IpAddr;
use url::{Host, Url};

/// Hosts that the user allows, each with its port or without.
#[derive(Clone, Debug, Default)]
pub struct Plain(Vec<String>);

impl Plain {
    /// This machine, and these hosts.
    #[must_use]
    pub fn and(hosts: &[String]) -> Plain {
        Plain(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// `https://`, or `http://` where that is allowed, of a registry's host and port.
    pub(super) fn base(&self, registry: &str) -> Option<Url> {
        let plain = Url::parse(&format!("http://{registry}/")).ok()?;
        if self.allows(&plain) {
            return Some(plain);
        }
        Url::parse(&format!("https://{registry}/")).ok()
    }

    /// Whether this may be asked, as its scheme says.
    pub(super) fn allows(&self, url: &Url) -> bool {
        if url.scheme() == "https" {
            return true;
        }
        let host = url.host_str().unwrap_or_default();
        let with_port = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => format!("{host}:80"),
        };
        is_loopback(url)
            || self
                .0
                .iter()
                .any(|known| known == host || *known == with_port)
    }

    /// Whether a redirect may lead there: never out of encryption, and to this machine only from itself.
    pub(super) fn may_lead(&self, from: &Url, to: &Url) -> bool {
        let open = !to.username().is_empty() || to.password().is_some();
        let known = matches!(to.scheme(), "https" | "http") && to.host_str().is_some();
        let weaker = to.scheme() == "http" && from.scheme() != "http";
        let inward = is_loopback(to) && !is_loopback(from);
        known && !open && !weaker && !inward && self.allows(to)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn without_encryption_only_this_machine_and_named_hosts_are_asked() {
        let plain = Plain::and(&["lab:5000".into(), "Store".into()]);
        for (registry, expected) in [
            ("ghcr.io", "https://ghcr.io/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("127.0.0.9:5000", "http://127.0.0.9:5000/"),
            ("lab:5000", "http://lab:5000/"),
            ("lab:5001", "https://lab:5001/"),
            ("lab", "https://lab/"),
            ("store:81", "http://store:81/"),
            ("localhost.evil.example", "https://localhost.evil.example/"),
        ] {
            let base = plain.base(registry).expect("a host");
            assert_eq!(base.as_str(), expected);
        }
        assert!(!plain.allows(&url("http://ghcr.io/")));
        assert!(plain.allows(&url("http://[::1]:5000/")));
    }

    #[test]
    fn a_redirect_leads_neither_out_of_encryption_nor_into_this_machine() {
        let plain = Plain::default();
        for (from, to, expected) in [
            ("https://r.io/", "https://cdn.io/blob", true),
            ("https://r.io/", "http://cdn.io/blob", false),
            ("https://r.io/", "https://127.0.0.1/blob", false),
            ("https://r.io/", "https://u:p@cdn.io/blob", false),
            ("https://r.io/", "file:///etc/passwd", false),
            ("http://127.0.0.1/", "http://localhost/blob", true),
            ("http://127.0.0.1/", "https://cdn.io/blob", true),
            ("http://127.0.0.1/", "http://cdn.io/blob", false),
        ] {
            assert_eq!(
                plain.may_lead(&url(from), &url(to)),
                expected,
                "{from} {to}"
            );
        }
    }
}
