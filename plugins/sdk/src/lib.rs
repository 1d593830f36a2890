//! Write plugins for xhost in Rust: implement one trait, export it with one macro, build for `wasm32-wasip2`.
//!
//! | feature    | trait             | macro                      | what the plugin does                        |
//! |------------|-------------------|----------------------------|---------------------------------------------|
//! | `scorer`   | [`Scorer`]        | [`export_scorer!`]         | judges a trial's answer                     |
//! | `prompt`   | [`PromptBuilder`] | [`export_prompt_builder!`] | turns a sample into what the model is asked |
//! | `provider` | [`Provider`]      | [`export_provider!`]       | speaks a model API as data                  |
//! | `batch`    | [`Batch`]         | [`export_batch_provider!`] | the same, and the API's batches             |
//!
//! A plugin turns on exactly one of these features, and `template` where its parameters hold templates. Its functions are pure, so `cargo test` runs them natively, with no host and no
//! WebAssembly. The types are those of the contract in `wit/`, as plain structs, with conveniences added.
#![cfg_attr(
    feature = "scorer",
    doc = r#"
```
use xhost_plugin::{Exchange, Judgement, NoParams, Refusal, Score, Scorer, Subject, export_scorer};

struct Polite;

export_scorer!(Polite);

impl Scorer for Polite {
    type Params = NoParams;

    fn judge(_: NoParams, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let polite = subject.answer.contains("please");
        Ok(Judgement::of(Score::boolean("polite", polite).explanation("looks for `please`")))
    }
}
```"#
)]

#[expect(
    unsafe_code,
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    reason = "generated; `unsafe` stands nowhere else"
)]
mod bindings;

mod params;

mod sample;

mod message;

mod prompt;

mod completion;

mod refusal;

pub mod log;

#[cfg(feature = "template")]
pub mod template;

#[cfg(feature = "prompt")]
mod prompt_builder;

#[cfg(feature = "scorer")]
mod scorer;

#[cfg(feature = "provider")]
mod provider;

#[cfg(feature = "batch")]
mod batch;

#[cfg(feature = "provider")]
mod body;

#[cfg(feature = "provider")]
mod fault;

#[cfg(feature = "provider")]
mod media;

#[cfg(feature = "batch")]
pub use batch::{
    Batch, BatchCounts, BatchPage, BatchResults, BatchState, Envelope, LineAnswer, LineOutcome,
    ListedBatch, Multipart, RawFields, RequestLine, Submission, SubmitStep, Upload, join_lines,
};
pub use bindings::types::{
    Completion, Exchange, Media, Message, Part, Prompt, Refusal, Role, Sample, Sampling,
    StopReason, Tool, ToolCall, ToolResult, Usage,
};
#[cfg(feature = "provider")]
pub use body::Body;
#[cfg(feature = "provider")]
pub use fault::{lasting, retry_after_ms};
pub use params::NoParams;
#[cfg(feature = "prompt")]
pub use prompt_builder::{PromptBuilder, Step};
#[cfg(feature = "provider")]
pub use provider::{
    Allowance, Auth, BatchLimits, Dimension, Fault, FaultKind, Header, HttpRequest, HttpResponse,
    Method, Profile, Provider, header_value,
};
#[cfg(feature = "scorer")]
pub use scorer::{Judgement, Question, Score, Scorer, Subject, Value};

pub use schemars;
pub use serde;
pub use serde_json;

/// What the macros need and nobody calls.
#[doc(hidden)]
pub mod glue {
    pub use crate::params::{read, schema};

    #[cfg(feature = "batch")]
    pub use crate::batch::glue as batch;
    #[cfg(feature = "prompt")]
    pub use crate::{bindings::prompt as prompt_bindings, prompt_builder::glue as prompt};
    #[cfg(feature = "provider")]
    pub use crate::{bindings::provider as provider_bindings, provider::glue as provider};
    #[cfg(feature = "scorer")]
    pub use crate::{bindings::scorer as scorer_bindings, scorer::glue as scorer};
}
