//! `second-thoughts`: an xhost prompt builder that asks a question and then whether the model is sure.

use schemars::JsonSchema;
use serde::Deserialize;
use xhost_plugin::{
    Exchange, Message, Prompt, PromptBuilder, Refusal, Sample, Step, export_prompt_builder,
};

struct SecondThoughts;

export_prompt_builder!(SecondThoughts);

/// What an experiment may set. The host checks it against the schema that is derived from this, comments included.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// How often the model is asked again.
    rounds: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params { rounds: 1 }
    }
}

impl PromptBuilder for SecondThoughts {
    type Params = Params;

    fn next(params: Params, sample: Sample, asked: Vec<Exchange>) -> Result<Step, Refusal> {
        if asked.len() > params.rounds {
            return Ok(Step::done());
        }
        let question = Prompt::user(sample.input);
        Ok(Step::ask(asked.iter().fold(
            question,
            |prompt, exchange| {
                prompt
                    .message(exchange.completion.message())
                    .message(Message::user("Are you sure? Answer the question again."))
            },
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_asked_again_and_then_no_more() {
        let next = |asked: usize| {
            let exchange = Exchange::new(Prompt::user("2 + 2?"), "4");
            let asked = vec![exchange; asked];
            SecondThoughts::next(Params { rounds: 1 }, Sample::new("1", "2 + 2?"), asked)
        };
        let turns = |step| match step {
            Ok(Step::Ask(prompts)) => prompts[0].messages.len(),
            other => panic!("a question, not {other:?}"),
        };
        assert_eq!(turns(next(0)), 1);
        assert_eq!(turns(next(1)), 3);
        assert_eq!(next(2), Ok(Step::done()));
    }
}
