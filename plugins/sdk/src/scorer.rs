//! What a scorer implements.

pub use crate::bindings::scorer::exports::xhost::plugin::scorer::{
    Question, Score, Step as Judgement, Subject, Value,
};
use crate::{Exchange, Prompt, Refusal, Sample};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Judges one trial's answer. Export it with [`crate::export_scorer!`].
pub trait Scorer {
    /// What the experiment may set. Derive `Deserialize` with `deny_unknown_fields`, so that a typing error is found.
    type Params: DeserializeOwned + JsonSchema;

    /// The verdict, or a question to a judge. Called first with nothing asked, then with the exchanges of all that was
    /// asked so far; a pure function of its arguments.
    ///
    /// # Errors
    /// The plugin's own no.
    fn judge(
        params: Self::Params,
        subject: Subject,
        asked: Vec<Exchange>,
    ) -> Result<Judgement, Refusal>;
}

impl Judgement {
    /// One score.
    #[must_use]
    pub fn of(score: Score) -> Judgement {
        Judgement::Done(vec![score])
    }

    /// Ask a model that the experiment declares under `models`, such as `judge`.
    pub fn ask(model: impl Into<String>, prompt: Prompt) -> Judgement {
        Judgement::Ask(vec![Question {
            model: model.into(),
            prompt,
        }])
    }
}

impl Subject {
    /// An answer to a row, with no exchanges; for tests.
    pub fn new(sample: Sample, answer: impl Into<String>) -> Subject {
        Subject {
            sample,
            answer: answer.into(),
            exchanges: Vec::new(),
        }
    }
}

impl Score {
    /// A measure by its name.
    pub fn new(name: impl Into<String>, value: Value) -> Score {
        Score {
            name: name.into(),
            value,
            extracted: None,
            explanation: None,
            extra: None,
        }
    }

    /// Right or wrong.
    pub fn boolean(name: impl Into<String>, value: bool) -> Score {
        Score::new(name, Value::Boolean(value))
    }

    /// A finite number.
    pub fn number(name: impl Into<String>, value: f64) -> Score {
        Score::new(name, Value::Number(value))
    }

    /// A class.
    pub fn label(name: impl Into<String>, value: impl Into<String>) -> Score {
        Score::new(name, Value::Label(value.into()))
    }

    /// The same with what was read as the answer.
    #[must_use]
    pub fn extracted(mut self, text: impl Into<String>) -> Score {
        self.extracted = Some(text.into());
        self
    }

    /// The same with the reason, for a person.
    #[must_use]
    pub fn explanation(mut self, text: impl Into<String>) -> Score {
        self.explanation = Some(text.into());
        self
    }

    /// The same with one more thing worth keeping.
    #[must_use]
    pub fn extra(mut self, name: &str, value: impl Into<serde_json::Value>) -> Score {
        let known = self
            .extra
            .as_deref()
            .map(serde_json::from_str::<serde_json::Map<_, _>>);
        let mut extra = known.and_then(Result::ok).unwrap_or_default();
        extra.insert(name.to_owned(), value.into());
        self.extra = Some(serde_json::Value::Object(extra).to_string());
        self
    }
}

/// Makes a component of a type that implements [`Scorer`]. Natively it only checks that the type does.
#[macro_export]
macro_rules! export_scorer {
    ($plugin:ty) => {
        const _: fn() -> String = $crate::glue::scorer::schema::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::glue::scorer::Guest for Component {
                fn schema() -> String {
                    $crate::glue::scorer::schema::<$plugin>()
                }

                fn judge(
                    params: String,
                    subject: $crate::Subject,
                    asked: Vec<$crate::Exchange>,
                ) -> Result<$crate::Judgement, $crate::Refusal> {
                    $crate::glue::scorer::judge::<$plugin>(&params, subject, asked)
                }
            }

    $crate::glue::scorer_bindings::export_scorer_bindings!(Component with_types_in $crate::glue::scorer_bindings);
        };
    };
}

pub mod glue {
    //! The way from the contract's function to the plugin's.

    use super::{Judgement, Scorer, Subject};
    pub use crate::bindings::scorer::exports::xhost::plugin::scorer::Guest;
    use crate::{Exchange, Refusal, params};

    /// The schema of the plugin's parameters.
    pub fn schema<S: Scorer>() -> String {
        params::schema::<S::Params>()
    }

    /// `judge`, its parameters read.
    pub fn judge<S: Scorer>(
        params: &str,
        subject: Subject,
        asked: Vec<Exchange>,
    ) -> Result<Judgement, Refusal> {
        S::judge(
            params::read(params).map_err(Refusal::BadParams)?,
            subject,
            asked,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_gather() {
        let score = Score::number("f1", 0.5)
            .extra("precision", 1)
            .extra("recall", 0.25);
        assert_eq!(
            score.extra.as_deref(),
            Some(r#"{"precision":1,"recall":0.25}"#)
        );
        assert_eq!(score.value, Value::Number(0.5));
    }
}
