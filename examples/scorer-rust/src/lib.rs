//! `word-count`: an xhost scorer that counts an answer's words and says whether their number is within limits.
//!
//! It is written against the WIT files alone, as anybody's plugin may be. It never looks at the targets.

use serde::Deserialize;

use exports::xhost::plugin::scorer::{Guest, Score, Step, Subject, Value};
use xhost::plugin::log::{Level, log};
use xhost::plugin::types::{Exchange, Refusal};

wit_bindgen::generate!({ world: "scorer-plugin", path: "../../wit" });

struct WordCount;

export!(WordCount);

/// How many words an answer may have. A limit that is left out is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    minimum: usize,
    maximum: Option<usize>,
}

impl Guest for WordCount {
    fn schema() -> String {
        r#"{
            "type": "object",
            "properties": {
                "minimum": {"type": "integer", "minimum": 0},
                "maximum": {"type": "integer", "minimum": 0}
            },
            "additionalProperties": false
        }"#
        .to_owned()
    }

    fn judge(params: String, subject: Subject, _asked: Vec<Exchange>) -> Result<Step, Refusal> {
        let params = Params::read(&params)?;
        let words = subject.answer.split_whitespace().count();
        if words == 0 {
            log(Level::Warn, "the answer has no words");
        }
        Ok(Step::Done(vec![
            score("words", Value::Number(words as f64), None),
            score(
                "within",
                Value::Boolean(params.allow(words)),
                Some(format!("{words} counted, {}", params.limits())),
            ),
        ]))
    }
}

impl Params {
    fn read(text: &str) -> Result<Self, Refusal> {
        let params: Self = serde_json::from_str(text)
            .map_err(|error| Refusal::BadParams(format!("word-count: {error}")))?;
        match params.maximum {
            Some(maximum) if maximum < params.minimum => Err(Refusal::BadParams(format!(
                "word-count: `maximum` is {maximum}, less than `minimum`, {}",
                params.minimum
            ))),
            _ => Ok(params),
        }
    }

    fn allow(&self, words: usize) -> bool {
        words >= self.minimum && self.maximum.is_none_or(|maximum| words <= maximum)
    }

    fn limits(&self) -> String {
        match self.maximum {
            Some(maximum) => format!("{} to {maximum} allowed", self.minimum),
            None => format!("{} or more allowed", self.minimum),
        }
    }
}

fn score(name: &str, value: Value, explanation: Option<String>) -> Score {
    Score {
        name: name.to_owned(),
        value,
        extracted: None,
        explanation,
        extra: None,
    }
}
