//! `model-graded`: what a judge model makes of the answer. Asks it one question, then reads the grade from its reply. Grades
//! agree with those of Inspect's `model_graded_qa`; the wording of the question is our own.

mod grade;
mod question;
#[cfg(test)]
mod tests;

use grade::{Grade, grade};
use schemars::JsonSchema;
use scorer_text::subject::end;
use serde::Deserialize;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct ModelGraded;

export_scorer!(ModelGraded);

/// Parameters of `model-graded`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// The judge, by its name under `models` in the experiment. How it is sampled stands there too.
    model: String,
    /// What the judge is asked, a template. It may use `question`, `answer`, `criterion` (the targets, one to a line),
    /// `instructions`, and every field of the row.
    template: Option<String>,
    /// How the judge is to grade, and how to write the grade.
    instructions: Option<String>,
    /// A regular expression that finds the grade in the judge's reply: its first group, or all of it, is C, P or I. Left out,
    /// it is what follows the last `GRADE:`.
    grade_pattern: Option<String>,
    /// Whether the judge may call an answer partly right, which counts 0.5. The score is then the number `grade`, else the
    /// boolean `correct`.
    partial_credit: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            model: "judge".to_owned(),
            template: None,
            instructions: None,
            grade_pattern: None,
            partial_credit: false,
        }
    }
}

impl Scorer for ModelGraded {
    type Params = Params;

    fn judge(params: Params, subject: Subject, asked: Vec<Exchange>) -> Result<Judgement, Refusal> {
        match asked.first() {
            None => {
                grade::check(&params)?;
                let prompt = question::prompt(&params, &subject)?;
                Ok(Judgement::ask(params.model, prompt))
            }
            Some(exchange) => {
                let reply = exchange.text();
                let grade = grade(&params, &reply)?;
                Ok(Judgement::of(score(&params, grade, &reply)?))
            }
        }
    }
}

fn score(params: &Params, grade: Grade, reply: &str) -> Result<Score, Refusal> {
    let score = match (params.partial_credit, grade) {
        (true, grade) => Score::number("grade", grade.worth()),
        (false, Grade::Correct) => Score::boolean("correct", true),
        (false, Grade::Incorrect) => Score::boolean("correct", false),
        (false, Grade::Partial) => {
            let message = "the judge gave `P`, which counts only with `partial_credit: true`";
            return Err(Refusal::bad_input(format!(
                "{message}; its reply ends: {}",
                end(reply)
            )));
        }
    };
    Ok(score.extracted(grade.letter()).explanation(end(reply)))
}
