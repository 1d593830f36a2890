//! `multiple-choice`: a question and its lettered choices, shuffled where the experiment asks for it.
//!
//! A shuffle is this plugin's own affair. The letter that the model gives is mapped back before it becomes the trial's
//! answer, so that a scorer compares it with the target's letter and need not know.

mod answer;
mod params;
mod shuffle;
#[cfg(test)]
mod tests;

use params::Params;
use serde_json::Value;
use shuffle::Order;
use xhost_plugin::template::Template;
use xhost_plugin::{Exchange, Prompt, PromptBuilder, Refusal, Sample, Step, export_prompt_builder};

struct MultipleChoice;

export_prompt_builder!(MultipleChoice);

impl PromptBuilder for MultipleChoice {
    type Params = Params;

    fn next(params: Params, sample: Sample, asked: Vec<Exchange>) -> Result<Step, Refusal> {
        let choices = choices(&params, &sample)?;
        let order = params
            .shuffle
            .seed()
            .map(|seed| Order::new(seed, &sample.id, choices.len()));
        match (asked.last(), order) {
            (None, order) => Ok(Step::ask(prompt(
                &params,
                &sample,
                &arranged(choices, order.as_ref()),
            )?)),
            (Some(_), None) => Ok(Step::done()),
            (Some(exchange), Some(order)) => {
                Ok(mapped_back(&exchange.text(), &order, params.multiple))
            }
        }
    }
}

/// Letters are A to Z.
const MOST: usize = 26;

fn choices(params: &Params, sample: &Sample) -> Result<Vec<String>, Refusal> {
    let field = &params.choices_field;
    let Value::Array(values) = sample.required(field)? else {
        return Err(Refusal::bad_input(format!(
            "the field `{field}` is not a list of choices"
        )));
    };
    if !(2..=MOST).contains(&values.len()) {
        let count = values.len();
        return Err(Refusal::bad_input(format!(
            "the field `{field}` has {count} choices; there may be 2 to {MOST}"
        )));
    }
    values.into_iter().map(|value| text(value, field)).collect()
}

fn text(value: Value, field: &str) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Refusal::bad_input(format!(
            "the field `{field}` holds {value}, which is no text"
        ))),
    }
}

fn arranged(choices: Vec<String>, order: Option<&Order>) -> Vec<String> {
    match order {
        Some(order) => order
            .shown()
            .iter()
            .map(|&original| choices[original].clone())
            .collect(),
        None => choices,
    }
}

fn prompt(params: &Params, sample: &Sample, choices: &[String]) -> Result<Prompt, Refusal> {
    let letters: Vec<_> = (0..choices.len()).map(letter).collect();
    let lines: Vec<_> = letters
        .iter()
        .zip(choices)
        .map(|(letter, choice)| format!("{letter}) {choice}"))
        .collect();
    let mut scope = sample.scope();
    scope.insert("question".into(), sample.input.clone().into());
    scope.insert("choices".into(), lines.join("\n").into());
    scope.insert("letters".into(), letters.join(", ").into());
    let prompt = Prompt::user(Template::new("template", params.template())?.render(&scope)?);
    match &params.system {
        Some(system) => Ok(prompt.system(Template::new("system", system)?.render(&scope)?)),
        None => Ok(prompt),
    }
}

/// Text without a letter in it goes on as it is, and is scored as no answer.
fn mapped_back(text: &str, order: &Order, multiple: bool) -> Step {
    let shown = answer::letters(text, order.shown().len(), multiple);
    let mut original: Vec<_> = shown
        .into_iter()
        .map(|position| order.shown()[position])
        .collect();
    original.sort_unstable();
    match original.as_slice() {
        [] => Step::done(),
        letters => {
            let letters = letters
                .iter()
                .map(|&index| letter(index))
                .collect::<Vec<_>>()
                .join(",");
            Step::answer(format!("ANSWER: {letters}"))
        }
    }
}

fn letter(index: usize) -> String {
    char::from(b'A' + index as u8).to_string()
}
