//! What a provider implements whose API takes batches: it frames lines and reads them; the host moves the bytes.

pub use crate::bindings::provider::exports::xhost::plugin::batch::{
    Answer as LineAnswer, Completed, Counts as BatchCounts, Envelope, Listed as ListedBatch,
    Multipart, Outcome, Page as BatchPage, RequestLine, ResultFormat, Results as BatchResults,
    State as BatchState, Submission, SubmitStep, Upload,
};
use crate::{Fault, HttpRequest, HttpResponse, Provider};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How one request of a batch ended, its body not yet read.
#[derive(Clone, Debug, PartialEq)]
pub enum LineOutcome {
    /// The body that a live call would have got; [`Provider::decode`] has still to read it.
    Completed(Box<str>),
    /// With the provider's reason.
    Failed(Fault),
    /// The batch ran out of time before this request's turn.
    Expired,
    /// The batch was cancelled before this request's turn.
    Cancelled,
}

/// The same API's batch half. Export both with [`crate::export_batch_provider!`].
pub trait Batch: Provider {
    /// How the lines of a batch for this model are framed.
    fn frame(params: Self::Params, model: String) -> Envelope;

    /// One line, without a line feed in it; [`join_lines`] takes them out of a body.
    fn line(params: &Self::Params, model: &str, request: RequestLine) -> String;

    /// The next act of a submission; all answers so far are given.
    fn submit(
        params: Self::Params,
        submission: Submission,
        responses: Vec<HttpResponse>,
    ) -> SubmitStep;

    /// How to ask where a batch stands.
    fn poll(params: Self::Params, id: String) -> HttpRequest;

    /// Reads the answer to `poll`.
    fn read_poll(params: Self::Params, id: String, response: HttpResponse) -> BatchState;

    /// Reads one result line: the name of its request, and how that ended.
    ///
    /// # Errors
    /// What is wrong with the line.
    fn read_line(params: &Self::Params, line: &str) -> Result<(String, LineOutcome), Fault>;

    /// Reads a line or a document that may hold several results.
    fn read_all(params: &Self::Params, text: &str) -> Vec<Result<(String, LineOutcome), Fault>> {
        vec![Self::read_line(params, text)]
    }

    /// How to list batches, newest first.
    fn list_page(params: Self::Params, cursor: Option<String>) -> HttpRequest;

    /// Reads the answer to `list_page`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read_page(params: Self::Params, response: HttpResponse) -> Result<BatchPage, Fault>;

    /// How to cancel a batch.
    fn cancel(params: Self::Params, id: String) -> HttpRequest;
}

/// A JSON text in one line: in valid JSON a line break can only stand between two tokens.
#[must_use]
pub fn join_lines(json: &str) -> String {
    json.replace(['\r', '\n'], " ")
}

/// The members of a JSON object, as they are written there: one look at the text, whoever asks for how many.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct RawFields<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);

impl<'a> RawFields<'a> {
    /// Of this object.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn of(object: &'a str) -> Result<RawFields<'a>, serde_json::Error> {
        serde_json::from_str(object)
    }

    /// A member's text; `None` where it is missing or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let text = self.0.get(name).map(|value| value.get());
        text.filter(|text| *text != "null")
    }
}

impl BatchResults {
    /// Result lines.
    #[must_use]
    pub fn lines(request: HttpRequest) -> BatchResults {
        BatchResults {
            request,
            format: ResultFormat::Lines,
        }
    }

    /// A document with results.
    #[must_use]
    pub fn document(request: HttpRequest) -> BatchResults {
        BatchResults {
            request,
            format: ResultFormat::Document,
        }
    }
}

/// Makes a component of a type that implements [`Provider`] and [`Batch`]. Natively it only checks that the type does.
#[macro_export]
macro_rules! export_batch_provider {
    ($plugin:ty) => {
        const _: fn(&str, &[String]) -> Vec<Result<$crate::glue::batch::Answer, $crate::Fault>> =
            $crate::glue::batch::read_lines::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            $crate::provider_guest!($plugin, Component);

            impl $crate::glue::batch::Guest for Component {
                fn frame(params: String, model: String) -> $crate::Envelope {
                    <$plugin as $crate::Batch>::frame($crate::glue::batch::read::<$plugin>(&params), model)
                }

                fn lines(
                    params: String,
                    model: String,
                    requests: Vec<$crate::RequestLine>,
                ) -> Vec<String> {
                    $crate::glue::batch::lines::<$plugin>(&params, &model, requests)
                }

                fn submit(
                    params: String,
                    submission: $crate::Submission,
                    responses: Vec<$crate::HttpResponse>,
                ) -> $crate::SubmitStep {
                    let params = $crate::glue::batch::read::<$plugin>(&params);
                    <$plugin as $crate::Batch>::submit(params, submission, responses)
                }

                fn poll(params: String, id: String) -> $crate::HttpRequest {
                    <$plugin as $crate::Batch>::poll($crate::glue::batch::read::<$plugin>(&params), id)
                }

                fn read_poll(
                    params: String,
                    id: String,
                    response: $crate::HttpResponse,
                ) -> $crate::BatchState {
                    let params = $crate::glue::batch::read::<$plugin>(&params);
                    <$plugin as $crate::Batch>::read_poll(params, id, response)
                }

                fn read_lines(
                    params: String,
                    lines: Vec<String>,
                ) -> Vec<Result<$crate::glue::batch::Answer, $crate::Fault>> {
                    $crate::glue::batch::read_lines::<$plugin>(&params, &lines)
                }

                fn list_page(params: String, cursor: Option<String>) -> $crate::HttpRequest {
                    let params = $crate::glue::batch::read::<$plugin>(&params);
                    <$plugin as $crate::Batch>::list_page(params, cursor)
                }

                fn read_page(
                    params: String,
                    response: $crate::HttpResponse,
                ) -> Result<$crate::BatchPage, $crate::Fault> {
                    let params = $crate::glue::batch::read::<$plugin>(&params);
                    <$plugin as $crate::Batch>::read_page(params, response)
                }

                fn cancel(params: String, id: String) -> $crate::HttpRequest {
                    <$plugin as $crate::Batch>::cancel($crate::glue::batch::read::<$plugin>(&params), id)
                }
            }

            $crate::glue::provider_bindings::export_provider_bindings!(Component with_types_in $crate::glue::provider_bindings);
        };
    };
}

pub mod glue {
    //! The way from the contract's functions to the plugin's.

    use super::{Batch, Completed, LineOutcome, Outcome, RequestLine};
    pub use crate::bindings::provider::exports::xhost::plugin::batch::{Answer, Guest};
    use crate::{Fault, params};

    /// Parameters that `describe` has taken before.
    ///
    /// # Panics
    /// For others.
    pub fn read<P: Batch>(params: &str) -> P::Params {
        params::read(params)
            .unwrap_or_else(|error| panic!("parameters that were not checked: {error}"))
    }

    /// `lines`, its parameters read once.
    pub fn lines<P: Batch>(params: &str, model: &str, requests: Vec<RequestLine>) -> Vec<String> {
        let params = read::<P>(params);
        requests
            .into_iter()
            .map(|request| P::line(&params, model, request))
            .collect()
    }

    /// `read-lines`. What the answers say is not read here: the host has `decode` do that, for what they cost and for the
    /// model, and reading them twice is most of the work.
    pub fn read_lines<P: Batch>(params: &str, lines: &[String]) -> Vec<Result<Answer, Fault>> {
        let own = read::<P>(params);
        let read = |result: Result<(String, LineOutcome), Fault>| {
            let (custom_id, outcome) = result?;
            let outcome = match outcome {
                LineOutcome::Completed(body) => Outcome::Completed(Completed {
                    body: body.into(),
                    model: String::new(),
                }),
                LineOutcome::Failed(fault) => Outcome::Failed(fault),
                LineOutcome::Expired => Outcome::Expired,
                LineOutcome::Cancelled => Outcome::Cancelled,
            };
            Ok(Answer { custom_id, outcome })
        };
        let all = lines.iter().flat_map(|line| P::read_all(&own, line));
        all.map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_keeps_its_text_and_null_is_none() {
        let line = r#"{"a": {"n": 1e3,  "s":"x"}, "b": null}"#;
        let fields = RawFields::of(line).unwrap();
        assert_eq!(fields.get("a"), Some(r#"{"n": 1e3,  "s":"x"}"#));
        assert_eq!(fields.get("b"), None);
        assert_eq!(fields.get("c"), None);
        assert!(RawFields::of("[1]").is_err());
        assert_eq!(join_lines("{\n\"a\":\r\n1}"), "{ \"a\":  1}");
    }
}
