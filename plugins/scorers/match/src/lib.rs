//! `match`: right where the answer begins or ends with a target, holds it, or is it; case and the punctuation around do not
//! count. With `numeric`, targets that are numbers are compared as numbers. Verdicts agree with Inspect's `match`.

mod numeric;
#[cfg(test)]
mod tests;
mod unicode;

use numeric::Number;
use schemars::JsonSchema;
use scorer_text::chars::{casefold, strip, strip_punctuation};
use scorer_text::subject::{beginning, end, targets};
use serde::Deserialize;
use std::borrow::Cow;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Match;

export_scorer!(Match);

/// Parameters of `match`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// Where in the answer the target must stand.
    location: Location,
    /// Whether upper and lower case are the same.
    ignore_case: bool,
    /// Whether a target that is a number is compared as one, to five significant digits: with the first number of the answer
    /// for `begin`, the last for `end`. `$`, `€`, `£`, `,`, `*` and `_` do not count; a percent sign does.
    numeric: bool,
}

/// A place in the answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Location {
    /// At its beginning.
    Begin,
    /// At its end.
    End,
    /// Anywhere.
    Any,
    /// It is the whole.
    Exact,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            location: Location::End,
            ignore_case: true,
            numeric: false,
        }
    }
}

/// What one target says.
struct Verdict<'a> {
    correct: bool,
    /// What was compared, where it is not the whole answer.
    read: Option<Cow<'a, str>>,
}

impl Scorer for Match {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let answer = Answer::new(&params, &subject.answer);
        let mut last = None;
        for target in targets(&subject.sample)? {
            let verdict = answer.compare(target);
            if verdict.correct {
                let score = Score::boolean("correct", true).extracted(answer.shown(&verdict));
                let explanation = format!("it matches the target `{}`", beginning(target));
                return Ok(Judgement::of(score.explanation(explanation)));
            }
            last = Some(verdict);
        }
        let shown = last
            .map(|verdict| answer.shown(&verdict))
            .unwrap_or_default();
        let score = Score::boolean("correct", false).extracted(shown);
        Ok(Judgement::of(score.explanation("it matches no target")))
    }
}

struct Answer<'a> {
    params: &'a Params,
    /// The answer without spaces around it.
    whole: &'a str,
    /// The same in one case, where case does not count.
    cased: Cow<'a, str>,
}

impl<'a> Answer<'a> {
    fn new(params: &'a Params, answer: &'a str) -> Answer<'a> {
        let whole = strip(answer);
        Answer {
            params,
            whole,
            cased: cased(params, whole),
        }
    }

    fn compare(&self, target: &str) -> Verdict<'_> {
        let target = cased(self.params, strip(target));
        if !self.params.numeric {
            return self.compare_text(&target);
        }
        let target = numeric::without_signs(&target);
        match Number::of(&target) {
            Some(number) => self.compare_number(&number),
            None => self.compare_text(&target),
        }
    }

    fn compare_text(&self, target: &str) -> Verdict<'_> {
        let (answer, target) = (strip_punctuation(&self.cased), strip_punctuation(target));
        let correct = match self.params.location {
            Location::Begin => answer.starts_with(target),
            Location::End => answer.ends_with(target),
            Location::Any => answer.contains(target),
            Location::Exact => answer == target,
        };
        Verdict {
            correct,
            read: None,
        }
    }

    fn compare_number(&self, target: &Number) -> Verdict<'_> {
        let answer = numeric::without_signs(&self.cased);
        let read = match self.params.location {
            Location::Begin => numeric::numbers(&answer).next(),
            Location::End => numeric::numbers_from_the_end(&answer).next(),
            Location::Any => numeric::numbers(&answer).find(|number| number == target),
            Location::Exact => Number::exact(&answer),
        };
        let correct = read.as_ref() == Some(target);
        Verdict {
            correct,
            read: read.map(|number| Cow::Owned(number.to_string())),
        }
    }

    fn shown(&self, verdict: &Verdict) -> String {
        match (&verdict.read, self.params.location) {
            (Some(read), _) => read.to_string(),
            (None, Location::End) => end(self.whole),
            (None, _) => beginning(self.whole),
        }
    }
}

fn cased<'t>(params: &Params, text: &'t str) -> Cow<'t, str> {
    match params.ignore_case {
        true => casefold(text),
        false => Cow::Borrowed(text),
    }
}
