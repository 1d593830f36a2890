//! The calls of the contract's batch half, as `calls` makes the others. Lines cross in portions: a fresh instance for each
//! would cost more than the line.

use super::bindings::batch;
use super::bindings::provider::{Fault, HttpRequest, HttpResponse};
use super::bindings::types::{Completion, Usage};
use super::calls::{CallSeed, Fresh, Provider, wrong_kind};
use super::failure::Failure;
use super::load::{Exports, Loaded};
use super::sandbox::Sandbox;
use std::sync::Arc;
use wasmtime::Store;

/// Files of results that one batch may have. Providers have two; each of these is a request.
const RESULTS: usize = 64;

/// An id stands in the journal, in events and on terminals.
fn is_id(id: &str) -> bool {
    id.len() <= 256 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Provider {
    /// How the lines of a batch for this model are framed.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn frame(&self, model: &Arc<str>) -> Result<batch::Envelope, Failure> {
        let (params, model) = (Arc::clone(&self.params), Arc::clone(model));
        self.batch_call(params.len(), move |guest, store| {
            guest.call_frame(store, &params, &model)
        })
        .await
    }

    /// A line for each request.
    ///
    /// # Errors
    /// Where the plugin fails, or gives other than one line for each.
    pub async fn lines(
        &self,
        model: &Arc<str>,
        requests: Vec<batch::RequestLine>,
    ) -> Result<Vec<String>, Failure> {
        let (params, model) = (Arc::clone(&self.params), Arc::clone(model));
        let (count, weight) = (
            requests.len(),
            requests
                .iter()
                .map(|request| request.body.len())
                .sum::<usize>(),
        );
        let lines = self
            .batch_call(weight, move |guest, store| {
                guest.call_lines(store, &params, &model, &requests)
            })
            .await?;
        if lines.len() != count {
            return Err(self
                .plugin
                .breach("it gives other than one line for each request"));
        }
        if lines.iter().any(|line| line.contains('\n')) {
            return Err(self.plugin.breach("its line has a line feed in it"));
        }
        Ok(lines)
    }

    /// The next act of a submission.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn submit(
        &self,
        submission: batch::Submission,
        responses: Vec<HttpResponse>,
    ) -> Result<batch::SubmitStep, Failure> {
        let params = Arc::clone(&self.params);
        let weight = responses.iter().map(|response| response.body.len()).sum();
        let step = self
            .batch_call(weight, move |guest, store| {
                guest.call_submit(store, &params, &submission, &responses)
            })
            .await?;
        match step {
            batch::SubmitStep::Submitted(id) if !is_id(&id) => {
                Err(self.plugin.breach("its id of a batch is not visible ASCII"))
            }
            step => Ok(step),
        }
    }

    /// How to ask where a batch stands.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn poll(&self, id: &str) -> Result<HttpRequest, Failure> {
        let (params, id) = (Arc::clone(&self.params), id.to_owned());
        self.batch_call(id.len(), move |guest, store| {
            guest.call_poll(store, &params, &id)
        })
        .await
    }

    /// Reads where a batch stands.
    ///
    /// # Errors
    /// Where the plugin fails, or names more results than there can be.
    pub async fn read_poll(
        &self,
        id: &str,
        response: HttpResponse,
    ) -> Result<batch::State, Failure> {
        let (params, id) = (Arc::clone(&self.params), id.to_owned());
        let state = self
            .batch_call(response.body.len(), move |guest, store| {
                guest.call_read_poll(store, &params, &id, &response)
            })
            .await?;
        match state {
            batch::State::Ended(results) if results.len() > RESULTS => {
                let what = format!("a batch of it ended with more than {RESULTS} results");
                Err(self.plugin.breach(&what))
            }
            state => Ok(state),
        }
    }

    /// Reads result lines, or a document, and then each answer in them as `decode` does: all in one instance, because a
    /// fresh one for each would cost more than the answer. An answer that cannot be decoded is a failed one.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn read_lines(
        &self,
        lines: Vec<String>,
    ) -> Result<Vec<Result<Line, Fault>>, Failure> {
        let params = Arc::clone(&self.params);
        // Each byte is read twice.
        let weight = 2 * lines.iter().map(String::len).sum::<usize>();
        let call = move |loaded: &Loaded, (store, instance): Fresh<'_>| {
            let Exports::Provider(own, Some(indices)) = &loaded.exports else {
                return Err(wrong_kind());
            };
            let answers = indices.load(&mut *store, instance)?.call_read_lines(
                &mut *store,
                &params,
                &lines,
            )?;
            let guest = own.load(&mut *store, instance)?;
            let mut is_whole = true;
            let mut decode = |body: &String| {
                let result = is_whole.then(|| guest.call_decode(&mut *store, &params, body))?;
                is_whole = result.is_ok();
                result.ok()
            };
            let lines = answers
                .into_iter()
                .map(|answer| answer.map(|answer| decoded(answer, &mut decode)));
            Ok(lines.collect())
        };
        self.plugin.call(CallSeed([0; 32]), weight, call).await
    }

    /// How to list batches.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn list_page(&self, cursor: Option<String>) -> Result<HttpRequest, Failure> {
        let params = Arc::clone(&self.params);
        self.batch_call(params.len(), move |guest, store| {
            guest.call_list_page(store, &params, cursor.as_deref())
        })
        .await
    }

    /// Reads a page of the list.
    ///
    /// # Errors
    /// Where the plugin fails. What it finds wrong with the page is the inner error.
    pub async fn read_page(
        &self,
        response: HttpResponse,
    ) -> Result<Result<batch::Page, Fault>, Failure> {
        let params = Arc::clone(&self.params);
        self.batch_call(response.body.len(), move |guest, store| {
            guest.call_read_page(store, &params, &response)
        })
        .await
    }

    /// How to cancel a batch.
    ///
    /// # Errors
    /// Where the plugin fails.
    pub async fn cancel(&self, id: &str) -> Result<HttpRequest, Failure> {
        let (params, id) = (Arc::clone(&self.params), id.to_owned());
        self.batch_call(id.len(), move |guest, store| {
            guest.call_cancel(store, &params, &id)
        })
        .await
    }

    async fn batch_call<R: Send + 'static>(
        &self,
        input_bytes: usize,
        function: impl FnOnce(&batch::Guest, &mut Store<Sandbox>) -> wasmtime::Result<R>
        + Send
        + 'static,
    ) -> Result<R, Failure> {
        let call = move |loaded: &Loaded, (store, instance): Fresh<'_>| {
            let Exports::Provider(_, Some(indices)) = &loaded.exports else {
                return Err(wrong_kind());
            };
            let guest = indices.load(&mut *store, instance)?;
            function(&guest, store)
        };
        self.plugin.call(CallSeed([0; 32]), input_bytes, call).await
    }
}

/// A result line, read.
pub struct Line {
    /// The name of its request.
    pub custom_id: String,
    /// How that ended.
    pub outcome: batch::Outcome,
    /// What an answer used; none where the plugin failed over it or one before it, which whoever uses it will see.
    pub usage: Option<Usage>,
}

fn decoded(
    answer: batch::Answer,
    decode: &mut impl FnMut(&String) -> Option<Result<Completion, Fault>>,
) -> Line {
    let batch::Answer { custom_id, outcome } = answer;
    let (outcome, usage) = match outcome {
        batch::Outcome::Completed(completed) => match decode(&completed.body) {
            Some(Ok(completion)) => {
                let model = match completed.model.is_empty() {
                    true => completion.model,
                    false => completed.model,
                };
                let completed = batch::Completed { model, ..completed };
                (batch::Outcome::Completed(completed), Some(completion.usage))
            }
            Some(Err(fault)) => (batch::Outcome::Failed(fault), None),
            None => (batch::Outcome::Completed(completed), None),
        },
        other => (other, None),
    };
    Line {
        custom_id,
        outcome,
        usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::types::StopReason;

    fn model_of(said_by_the_line: &str) -> String {
        let completed = batch::Completed {
            body: "{}".into(),
            model: said_by_the_line.into(),
        };
        let answer = batch::Answer {
            custom_id: "x".into(),
            outcome: batch::Outcome::Completed(completed),
        };
        let usage = Usage {
            input: 3,
            output: 5,
            cache_read: 0,
            cache_write: 0,
            reasoning: 0,
        };
        let completion = Completion {
            parts: Vec::new(),
            stop_reason: StopReason::End,
            usage,
            model: "said by the body".into(),
            extra: None,
        };
        let mut completion = Some(Ok(completion));
        let line = decoded(answer, &mut |_| completion.take());
        assert_eq!(line.usage.map(|usage| usage.output), Some(5));
        match line.outcome {
            batch::Outcome::Completed(completed) => completed.model,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_that_names_no_model_has_the_one_of_its_body() {
        assert_eq!(model_of(""), "said by the body");
        assert_eq!(model_of("said by the line"), "said by the line");
    }
}
