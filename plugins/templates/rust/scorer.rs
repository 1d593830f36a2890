//! `my-plugin`: an xhost scorer that asks whether an answer says the target.

use schemars::JsonSchema;
use serde::Deserialize;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct MyPlugin;

export_scorer!(MyPlugin);

/// What an experiment may set. The host checks it against the schema that is derived from this, comments included.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// Whether upper and lower case are the same.
    ignore_case: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params { ignore_case: true }
    }
}

impl Scorer for MyPlugin {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let targets = &subject.sample.targets;
        if targets.is_empty() {
            return Err(Refusal::BadInput("the sample has no target".to_owned()));
        }
        let cased = |text: &str| match params.ignore_case {
            true => text.to_lowercase(),
            false => text.to_owned(),
        };
        let answer = cased(&subject.answer);
        let correct = targets.iter().any(|target| answer.contains(&cased(target)));
        Ok(Judgement::of(
            Score::boolean("correct", correct).extracted(subject.answer.trim()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_plugin::{Sample, Value};

    #[test]
    fn an_answer_that_says_the_target_is_correct() {
        let check = |answer: &str, ignore_case: bool, expect: bool| {
            let subject = Subject::new(Sample::new("1", "2 + 2?").target("Four"), answer);
            let judged = MyPlugin::judge(Params { ignore_case }, subject, Vec::new());
            let Ok(Judgement::Done(scores)) = judged else {
                panic!("a verdict for {answer}");
            };
            assert_eq!(scores[0].value, Value::Boolean(expect), "{answer}");
        };
        check("it is four", true, true);
        check("it is four", false, false);
        check("five", true, false);
    }
}
