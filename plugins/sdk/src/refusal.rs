//! A plugin's no.

use crate::Refusal;

impl Refusal {
    /// The experiment's parameters make no sense: the run stops.
    pub fn bad_params(what: impl Into<String>) -> Refusal {
        Refusal::BadParams(what.into())
    }

    /// This sample or this answer cannot be dealt with: the trial fails.
    pub fn bad_input(what: impl Into<String>) -> Refusal {
        Refusal::BadInput(what.into())
    }

    /// The plugin does not do that: the trial fails.
    pub fn unsupported(what: impl Into<String>) -> Refusal {
        Refusal::Unsupported(what.into())
    }

    /// Its words.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Refusal::BadParams(message)
            | Refusal::BadInput(message)
            | Refusal::Unsupported(message) => message,
        }
    }
}
