//! From a fault in the tree to the error a user sees: names the file and position or the argument, and what was meant.

use super::arguments::Argument;
use super::error::{ExperimentError, Spot};
use super::fault::{Excerpt, Fault, Problem};
use super::near::nearest;
use super::tree::{Origin, quoted};

/// Keys of the file that are not settings of a config.
pub(super) const ROOT_KEYS: [&str; 4] = ["name", "plugins", "sweep", "rehearse"];

/// Keys that people look for one level off. Each is checked by a test against the structs.
pub(super) const MISPLACED: [&str; 26] = [
    "dataset.fields",
    "dataset.format",
    "dataset.ids",
    "dataset.limit",
    "dataset.path",
    "dataset.range",
    "dataset.shuffle",
    "limits.concurrency",
    "limits.connect_timeout",
    "limits.input_tokens_per_minute",
    "limits.output_tokens_per_minute",
    "limits.requests_per_minute",
    "limits.retries",
    "limits.timeout",
    "limits.tokens_per_minute",
    "model.base_url",
    "model.endpoint",
    "model.key_variable",
    "model.provider",
    "model.sampling.extra",
    "model.sampling.max_tokens",
    "model.sampling.response_schema",
    "model.sampling.seed",
    "model.sampling.stop",
    "model.sampling.temperature",
    "model.sampling.top_p",
];

/// What was read: the file's text and the arguments, kept to show where an error is.
pub(super) struct Sources<'a> {
    /// The file as it was given.
    pub(super) file: Option<String>,
    pub(super) text: &'a str,
    pub(super) arguments: &'a [Argument],
}

impl Sources<'_> {
    pub(super) fn report(&self, fault: Fault) -> ExperimentError {
        let spot = Box::new(match fault.excerpt {
            Excerpt::Shown => self.spot(fault.origin),
            Excerpt::Hidden => self.spot(fault.origin).without_excerpt(),
        });
        let key = fault.path.join(".");
        match fault.problem {
            Problem::UnknownKey { known } => {
                let known = known_at(&fault.path, known);
                let near = self.meant(&fault.path, fault.origin, &known);
                ExperimentError::UnknownKey {
                    spot,
                    key,
                    near,
                    known,
                }
            }
            Problem::UnknownWord { word, known } => {
                let near = nearest(&word, known.iter().copied());
                let near = near.map_or_else(
                    || ".".to_owned(),
                    |near| format!("; did you mean `{near}`?"),
                );
                let known = known.join(", ");
                let message = format!(
                    "`{key}` is {}{near} It takes one of: {known}",
                    quoted(&word)
                );
                ExperimentError::Value { spot, message }
            }
            Problem::Missing { key: missing } => {
                let key = if key.is_empty() {
                    missing.to_owned()
                } else {
                    format!("{key}.{missing}")
                };
                let remedy = remedy(&key).to_owned();
                ExperimentError::MissingKey { spot, key, remedy }
            }
            Problem::Misfit(what) => {
                let subject = if key.is_empty() {
                    "the experiment".to_owned()
                } else {
                    format!("`{key}`")
                };
                let message = format!("{subject} {what}");
                ExperimentError::Value { spot, message }
            }
        }
    }

    pub(super) fn spot(&self, origin: Option<Origin>) -> Spot {
        let file = self.file.as_deref().unwrap_or("the command line");
        match origin {
            Some(Origin::Argument(index)) => Spot::new(&self.arguments[index].shown(), "", None),
            Some(Origin::File(place)) => Spot::new(file, self.text, Some(place)),
            None => Spot::new(file, self.text, None),
        }
    }

    /// The nearest known path. For an argument it goes on as the argument did.
    fn meant(&self, path: &[String], origin: Option<Origin>, known: &[String]) -> Option<String> {
        let (last, above) = path.split_last()?;
        if let Some(nested) = nested(last, known) {
            return Some(nested);
        }
        let Some(near) = nearest(last, known.iter().map(String::as_str)) else {
            let misplaced = |full: &&&str| full.rsplit('.').next() == Some(last.as_str());
            return MISPLACED
                .iter()
                .find(misplaced)
                .map(|full| (*full).to_owned());
        };
        let mut meant: Vec<&str> = above.iter().map(String::as_str).collect();
        meant.push(near);
        if let Some(Origin::Argument(index)) = origin {
            let rest = self.arguments[index].path.iter().skip(path.len());
            meant.extend(rest.map(String::as_str));
        }
        Some(meant.join("."))
    }
}

/// Dots are for overrides and sweeps; in the file itself `a.b: 1` is written as maps.
fn nested(key: &str, known: &[String]) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    let dotted = parts.len() > 1 && known.iter().any(|known| known == parts[0]);
    let inner = || parts[1..].iter().rev();
    dotted.then(|| {
        let value = inner().fold("...".to_owned(), |value, part| {
            format!("{{{part}: {value}}}")
        });
        format!("{}: {value}", parts[0])
    })
}

fn known_at(path: &[String], known: &[&str]) -> Vec<String> {
    let root = if path.len() == 1 {
        ROOT_KEYS.as_slice()
    } else {
        &[]
    };
    root.iter()
        .chain(known)
        .map(|key| (*key).to_owned())
        .collect()
}

fn remedy(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap_or(key) {
        "dataset" => "write `dataset: data/test.jsonl` or pass --dataset FILE",
        "prompt" => "write `prompt: \"{{ input }}\"` or pass --prompt TEXT",
        "model" => "write `model: openai/gpt-4o-mini` or pass --model PROVIDER/NAME",
        "path" => "write `path: data/test.jsonl`",
        "plugin" => "write `plugin:` with the plugin's name",
        "provider" => "write `provider: openai`, or `model: PROVIDER/NAME` in short",
        "name" => "write `name:` with the model's name at the provider",
        "replies" => "write `replies: replies.jsonl`",
        "seed" => "write `seed: 42`",
        _ => "write it",
    }
}
