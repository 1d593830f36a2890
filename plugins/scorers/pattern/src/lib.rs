//! `pattern`: right where what a regular expression finds in the answer is a target. Verdicts agree with Inspect's `pattern`
//! for every pattern without lookaround and back references.

use schemars::JsonSchema;
use scorer_text::pattern::{Case, Pattern};
use scorer_text::subject::{beginning, targets};
use serde::Deserialize;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

#[cfg(test)]
mod tests;

struct Matched;

export_scorer!(Matched);

/// Parameters of `pattern`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// A regular expression in Python's syntax, without lookaround and back references. Its first match in the answer counts:
    /// what its groups found, or all of it where it has no group.
    pattern: String,
    /// Whether upper and lower case are the same, to the pattern and to the comparison.
    #[serde(default = "yes")]
    ignore_case: bool,
    /// Whether all groups must be targets; usually one is enough.
    #[serde(default)]
    match_all: bool,
}

fn yes() -> bool {
    true
}

impl Scorer for Matched {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let case = if params.ignore_case {
            Case::Ignored
        } else {
            Case::Minded
        };
        let pattern = Pattern::new("pattern", &params.pattern, case)?;
        let targets = targets(&subject.sample)?;
        let score = match pattern.first(&subject.answer) {
            None => Score::boolean("correct", false)
                .explanation("the pattern matches nothing in the answer"),
            Some(groups) => {
                let found: Vec<&str> = groups.into_iter().flatten().collect();
                compare(&found, &Wanted::new(targets, case), params.match_all)
            }
        };
        Ok(Judgement::of(score))
    }
}

struct Wanted {
    targets: Vec<String>,
    case: Case,
}

impl Wanted {
    fn new(targets: &[String], case: Case) -> Wanted {
        let targets = targets.iter().map(|target| cased(target, case)).collect();
        Wanted { targets, case }
    }

    fn has(&self, text: &str) -> bool {
        self.targets.contains(&cased(text, self.case))
    }
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Ignored => text.to_lowercase(),
        Case::Minded => text.to_owned(),
    }
}

/// An empty text is never right, even where it is a target: nothing was found.
fn compare(found: &[&str], wanted: &Wanted, all: bool) -> Score {
    let hit = match all {
        true => {
            !found.is_empty()
                && found.iter().all(|text| wanted.has(text))
                && wanted.targets.iter().any(|target| !target.is_empty())
        }
        false => found
            .iter()
            .find(|text| wanted.has(text))
            .is_some_and(|text| !text.is_empty()),
    };
    let score = Score::boolean("correct", hit);
    match found {
        [] => score.explanation("no group of the pattern took part in its match"),
        found => score.extracted(beginning(&found.join(", "))),
    }
}
