//! `numeric`: right where the answer's number is a target's. Reads the last number of the answer, or the first, or the one
//! after a marker; without a tolerance the numbers are compared as decimals, digit by digit.

mod decimal;
#[cfg(test)]
mod tests;

use decimal::{Decimal, numbers};
use schemars::JsonSchema;
use serde::Deserialize;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Numeric;

export_scorer!(Numeric);

/// Parameters of `numeric`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// Only what stands after the last occurrence of this text counts, such as `####` or `Answer:`. An answer without it
    /// has no number.
    marker: Option<String>,
    /// Which number counts; after a marker the first, else the last.
    take: Option<Take>,
    /// How far from a target a number may be and still be right.
    tolerance: f64,
    /// The same as a share of the target: 0.01 allows one per cent.
    relative_tolerance: f64,
}

/// Which of several numbers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Take {
    /// The first.
    First,
    /// The last.
    Last,
}

impl Scorer for Numeric {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        check(&params)?;
        let targets = targets(&subject)?;
        let Some(found) = read(&params, &subject.answer) else {
            let score = Score::boolean("correct", false).explanation("no number in the answer");
            return Ok(Judgement::of(score));
        };
        let correct = targets.iter().any(|target| near(&params, &found, target));
        Ok(Judgement::of(
            Score::boolean("correct", correct).extracted(found.to_string()),
        ))
    }
}

fn check(params: &Params) -> Result<(), Refusal> {
    for (name, value) in [
        ("tolerance", params.tolerance),
        ("relative_tolerance", params.relative_tolerance),
    ] {
        if !value.is_finite() || value < 0.0 {
            let message = format!("`{name}` is {value}; write 0 or more");
            return Err(Refusal::BadParams(message));
        }
    }
    if params.marker.as_deref() == Some("") {
        return Err(Refusal::BadParams(
            "`marker` is empty; write a text, or leave it out".into(),
        ));
    }
    Ok(())
}

/// The number of each target: its last one.
fn targets(subject: &Subject) -> Result<Vec<Decimal>, Refusal> {
    let targets: Vec<Decimal> = subject
        .sample
        .targets
        .iter()
        .filter_map(|target| numbers(target).last())
        .collect();
    if targets.is_empty() {
        let message = match subject.sample.targets.first() {
            Some(target) => format!("the target `{target}` has no number"),
            None => "the sample has no target; `dataset.fields.target` says where it is".to_owned(),
        };
        return Err(Refusal::BadInput(message));
    }
    Ok(targets)
}

fn read(params: &Params, answer: &str) -> Option<Decimal> {
    let (text, usual) = match &params.marker {
        Some(marker) => {
            let start = answer.rfind(marker.as_str())? + marker.len();
            (&answer[start..], Take::First)
        }
        None => (answer, Take::Last),
    };
    match params.take.unwrap_or(usual) {
        Take::First => numbers(text).next(),
        Take::Last => numbers(text).last(),
    }
}

fn near(params: &Params, found: &Decimal, target: &Decimal) -> bool {
    if found == target {
        return true;
    }
    let (found, target) = (found.to_f64(), target.to_f64());
    let allowed = params
        .tolerance
        .max(params.relative_tolerance * target.abs());
    // 18 - 16.2 is a little more than 1.8 in binary: what the decimals say must hold.
    let rounding = 4.0 * f64::EPSILON * found.abs().max(target.abs());
    allowed > 0.0 && (found - target).abs() <= allowed + rounding
}
