//! What a prompt builder implements.

pub use crate::bindings::prompt::exports::xhost::plugin::prompt_builder::Step;
use crate::{Exchange, Prompt, Refusal, Sample};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Turns a sample into what the model is asked. Export it with [`crate::export_prompt_builder!`].
pub trait PromptBuilder {
    /// What the experiment may set. Derive `Deserialize` with `deny_unknown_fields`, so that a typing error is found.
    type Params: DeserializeOwned + JsonSchema;

    /// What happens next. Called first with nothing asked, then with the exchanges of all that was asked so far; a pure
    /// function of its arguments.
    ///
    /// # Errors
    /// The plugin's own no.
    fn next(params: Self::Params, sample: Sample, asked: Vec<Exchange>) -> Result<Step, Refusal>;
}

impl Step {
    /// Ask this.
    #[must_use]
    pub fn ask(prompt: Prompt) -> Step {
        Step::Ask(vec![prompt])
    }

    /// The trial's answer is what the model said last.
    #[must_use]
    pub fn done() -> Step {
        Step::Done(None)
    }

    /// The trial's answer is this text.
    pub fn answer(text: impl Into<String>) -> Step {
        Step::Done(Some(text.into()))
    }
}

/// Makes a component of a type that implements [`PromptBuilder`]. Natively it only checks that the type does.
#[macro_export]
macro_rules! export_prompt_builder {
    ($plugin:ty) => {
        const _: fn() -> String = $crate::glue::prompt::schema::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::glue::prompt::Guest for Component {
                fn schema() -> String {
                    $crate::glue::prompt::schema::<$plugin>()
                }

                fn next(
                    params: String,
                    sample: $crate::Sample,
                    asked: Vec<$crate::Exchange>,
                ) -> Result<$crate::Step, $crate::Refusal> {
                    $crate::glue::prompt::next::<$plugin>(&params, sample, asked)
                }
            }

            $crate::glue::prompt_bindings::export_prompt_builder_bindings!(Component with_types_in $crate::glue::prompt_bindings);
        };
    };
}

pub mod glue {
    //! The way from the contract's function to the plugin's.

    use super::{PromptBuilder, Step};
    pub use crate::bindings::prompt::exports::xhost::plugin::prompt_builder::Guest;
    use crate::{Exchange, Refusal, Sample, params};

    /// The schema of the plugin's parameters.
    pub fn schema<P: PromptBuilder>() -> String {
        params::schema::<P::Params>()
    }

    /// `next`, its parameters read.
    pub fn next<P: PromptBuilder>(
        params: &str,
        sample: Sample,
        asked: Vec<Exchange>,
    ) -> Result<Step, Refusal> {
        P::next(
            params::read(params).map_err(Refusal::BadParams)?,
            sample,
            asked,
        )
    }
}
