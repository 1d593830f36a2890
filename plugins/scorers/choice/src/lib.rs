//! `choice`: right where the letters that the answer gives are the target's. Verdicts agree with Inspect's `choice` after its
//! `multiple_choice`, or with its `answer("letter")`.

mod read;
#[cfg(test)]
mod tests;

use read::{bare, letter, letters};
use schemars::JsonSchema;
use scorer_text::subject::targets;
use serde::Deserialize;
use std::collections::BTreeSet;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Choice;

export_scorer!(Choice);

/// Parameters of `choice`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// How the answer is read.
    read: Read,
    /// Whether several letters may be right, as in `ANSWER: A, C`. Left out, they may where the target has several.
    multiple: Option<bool>,
    /// The field of the row with the list of choices, which says how many letters there are. Rows without it have 26.
    choices_field: String,
    /// Whether an answer without `ANSWER:` counts that is nothing but its letters, such as `B` or `(b).`
    bare: bool,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Read {
    /// All that stands after the last `ANSWER:` must be letters of choices.
    Letters,
    /// The one letter right after the last `ANSWER:`, whatever stands behind it.
    Letter,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            read: Read::Letters,
            multiple: None,
            choices_field: "choices".to_owned(),
            bare: true,
        }
    }
}

impl Scorer for Choice {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let labels = Labels {
            count: count(&params, &subject),
        };
        let targets = targets(&subject.sample)?;
        match params.read {
            Read::Letters => judge_letters(&params, &labels, &subject.answer, targets),
            Read::Letter => Ok(judge_letter(&params, &labels, &subject.answer, targets)),
        }
    }
}

fn judge_letters(
    params: &Params,
    labels: &Labels,
    answer: &str,
    targets: &[String],
) -> Result<Judgement, Refusal> {
    let wanted = wanted(targets, labels)?;
    let multiple = params.multiple.unwrap_or(wanted.len() > 1);
    let mut given = letters(answer, labels, multiple);
    if given.is_empty() && params.bare {
        given = bare(answer, labels, multiple);
    }
    // Compared as lists: a target that names a letter twice is a mistake in the dataset, and nobody's answer.
    let correct = wanted.iter().eq(given.iter());
    let shown: Vec<String> = given.iter().map(|place| labels.of(*place)).collect();
    Ok(Judgement::of(score(correct, &shown.join(", "))))
}

fn judge_letter(params: &Params, labels: &Labels, answer: &str, targets: &[String]) -> Judgement {
    let given = letter(answer).map(String::from).or_else(|| {
        let places = if params.bare {
            bare(answer, labels, false)
        } else {
            BTreeSet::new()
        };
        places.first().map(|place| labels.of(*place))
    });
    let given = given.unwrap_or_default();
    let correct = !given.is_empty()
        && targets
            .iter()
            .any(|target| target.to_lowercase() == given.to_lowercase());
    Judgement::of(score(correct, &given))
}

fn score(correct: bool, given: &str) -> Score {
    let score = Score::boolean("correct", correct);
    match given {
        "" => score.explanation("the answer gives no letter of a choice"),
        given => score.extracted(given),
    }
}

/// The names of the choices: A to Z, then 1, 2 and so on.
struct Labels {
    count: usize,
}

impl Labels {
    fn of(&self, place: usize) -> String {
        match u8::try_from(place) {
            Ok(place) if place < LETTERS as u8 => char::from(b'A' + place).to_string(),
            _ => (place + 1 - LETTERS).to_string(),
        }
    }

    /// The place of a name in upper case.
    fn place(&self, name: &str) -> Option<usize> {
        let place = match name.as_bytes() {
            [letter @ b'A'..=b'Z'] => usize::from(letter - b'A'),
            [b'1'..=b'9', ..] => name.parse::<usize>().ok()?.checked_add(LETTERS - 1)?,
            _ => return None,
        };
        (place < self.count).then_some(place)
    }
}

const LETTERS: usize = 26;

fn count(params: &Params, subject: &Subject) -> usize {
    match subject.sample.field(&params.choices_field) {
        Some(serde_json::Value::Array(choices)) => choices.len(),
        _ => LETTERS,
    }
}

/// The places that the targets name, in order: each letter, and each number, of each target.
fn wanted(targets: &[String], labels: &Labels) -> Result<Vec<usize>, Refusal> {
    let mut places = Vec::new();
    for token in targets
        .iter()
        .flat_map(|target| target.split([',', ' ', '\t', '\n']))
    {
        let names = match token.bytes().all(|byte| byte.is_ascii_digit()) {
            true => vec![token.to_owned()],
            false => token.to_uppercase().chars().map(String::from).collect(),
        };
        for name in names.iter().filter(|name| !name.is_empty()) {
            places.push(labels.place(name).ok_or_else(|| unknown(name, labels))?);
        }
    }
    places.sort_unstable();
    match places.is_empty() {
        true => Err(Refusal::bad_input("the target names no letter")),
        false => Ok(places),
    }
}

fn unknown(name: &str, labels: &Labels) -> Refusal {
    let last = labels.of(labels.count.saturating_sub(1));
    Refusal::bad_input(format!(
        "the target names `{name}`, which is none of the choices A to {last}"
    ))
}
