//! `template`: prompts from templates. A system message, few-shot examples, messages that the row brings along, the
//! user's turn, and follow-ups that are asked one after another.

mod conversation;
mod params;
#[cfg(test)]
mod tests;

use conversation::Conversation;
use params::Params;
use xhost_plugin::{Exchange, PromptBuilder, Refusal, Sample, Step, export_prompt_builder};

struct Template;

export_prompt_builder!(Template);

impl PromptBuilder for Template {
    type Params = Params;

    fn next(params: Params, sample: Sample, asked: Vec<Exchange>) -> Result<Step, Refusal> {
        // The first call compiled every template; nothing is left to be found out.
        if asked.len() > params.follow_ups.len() {
            return Ok(Step::done());
        }
        let conversation = Conversation::new(params)?;
        match conversation.prompt(&sample, &asked)? {
            Some(prompt) => Ok(Step::ask(prompt)),
            None => Ok(Step::done()),
        }
    }
}
