//! That no credential is carried away. The value of a credential variable of this environment stops the export; what only
//! looks like a credential is told, with the first place where it stands.

use super::BundleError;
use crate::secret::{self, Secret};
use aho_corasick::AhoCorasick;

/// How well-known credentials begin, and the query that carries one.
const BEGINNINGS: [&str; 10] = [
    "sk-",
    "sk_",
    "AIza",
    "ghp_",
    "github_pat_",
    "gsk_",
    "xai-",
    "hf_",
    "?key=",
    "&key=",
];

/// Credentials are longer than words.
const LENGTH: usize = 20;

/// Looks through what is exported.
pub(super) struct Scan {
    live: Vec<(String, Secret)>,
    known: Option<AhoCorasick>,
    looks: Option<AhoCorasick>,
    suspicious: u64,
    first: Option<String>,
}

impl Scan {
    /// A scan for the credentials of this environment.
    pub(super) fn of_the_environment() -> Scan {
        Scan::over(secret::all_in_the_environment())
    }

    pub(super) fn over(live: Vec<(String, Secret)>) -> Scan {
        let values = live.iter().map(|(_, secret)| secret.expose());
        Scan {
            known: AhoCorasick::new(values).ok().filter(|_| !live.is_empty()),
            live,
            looks: AhoCorasick::new(BEGINNINGS).ok(),
            suspicious: 0,
            first: None,
        }
    }

    /// Looks through some bytes.
    pub(super) fn check(
        &mut self,
        bytes: &[u8],
        place: impl Fn() -> String,
    ) -> Result<(), BundleError> {
        if let Some(found) = self.known.as_ref().and_then(|known| known.find(bytes)) {
            let (variable, _) = &self.live[found.pattern().as_usize()];
            return Err(BundleError::Credential {
                place: place(),
                variable: variable.clone(),
            });
        }
        let looks = self.looks.iter().flat_map(|looks| looks.find_iter(bytes));
        let found = looks.filter(|found| is_long(bytes, found.start(), found.end()));
        let count = found.count() as u64;
        if count > 0 {
            self.suspicious += count;
            self.first.get_or_insert_with(place);
        }
        Ok(())
    }

    /// What the user should look at.
    pub(super) fn warning(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!(
            "{} texts look like credentials, the first in {first}: look at them before you give the bundle away",
            self.suspicious
        ))
    }
}

/// Whether a word begins here, and is as long as a credential.
fn is_long(bytes: &[u8], start: usize, end: usize) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let begins = start == 0 || !word(&bytes[start - 1]);
    begins && bytes[end..].iter().take_while(|byte| word(byte)).count() >= LENGTH
}

#[cfg(test)]
mod tests {
    use super::Scan;
    use crate::secret::Secret;

    #[test]
    fn a_live_credential_is_an_error_and_what_looks_like_one_a_warning() {
        let live = vec![(
            "SOME_KEY".to_owned(),
            Secret::of("value-of-a-key".to_owned()),
        )];
        let mut scan = Scan::over(live);
        let place = || "a place".to_owned();
        scan.check(b"a task-force of risk-free words; sk-short", place)
            .expect("nothing");
        assert_eq!(scan.warning(), None);
        scan.check(b"curl 'https://x?key=AIzaSyA1234567890abcdefghij'", place)
            .expect("it only looks so");
        assert!(scan.warning().is_some_and(|text| text.contains("a place")));
        let error = scan
            .check(b"... value-of-a-key ...", place)
            .expect_err("it is live");
        assert!(error.to_string().contains("SOME_KEY"));
        assert!(!error.to_string().contains("value-of-a-key"));
    }
}
