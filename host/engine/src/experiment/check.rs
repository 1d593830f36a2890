//! What types cannot say about one config: names that must be there, be well-formed, or differ.
//!
//! Called once a cell, after typing.

use std::collections::HashMap;

use super::fault::{Excerpt, Fault, Problem};
use super::tree::{Node, quoted};
use super::values::{NAME_RULE, is_name};
use super::written::{Model, Written};

/// Checks `written`, which was read from `tree`.
///
/// # Errors
/// The first of these in the order of the struct.
pub(super) fn check(written: &Written, tree: &Node) -> Result<(), Fault> {
    let checker = Checker { tree };
    checker.dataset(&written.dataset.path)?;
    checker.filled(&["prompt", "plugin"], &written.prompt.plugin)?;
    checker.model(&["model"], &written.model)?;
    for (name, model) in &written.models {
        if !is_name(name) {
            let problem = format!("is a bad name; {NAME_RULE}");
            return Err(checker.fault(&["models", name], problem));
        }
        checker.model(&["models", name], model)?;
    }
    checker.scorers(written)
}

struct Checker<'t> {
    tree: &'t Node,
}

impl Checker<'_> {
    fn dataset(&self, paths: &[String]) -> Result<(), Fault> {
        let empty = paths.is_empty() || paths.iter().any(String::is_empty);
        self.refuse(
            empty,
            &["dataset", "path"],
            "is empty; write a file's name, such as `data/test.jsonl`",
        )
    }

    fn model(&self, path: &[&str], model: &Model) -> Result<(), Fault> {
        self.filled(&[path, &["provider"]].concat(), &model.provider)?;
        self.filled(&[path, &["name"]].concat(), &model.name)?;
        match model.key_variable.as_deref() {
            Some(variable) if !is_variable(variable) => Err(Fault {
                excerpt: Excerpt::Hidden,
                ..self.fault(&[path, &["key_variable"]].concat(), NO_VARIABLE.to_owned())
            }),
            _ => Ok(()),
        }
    }

    fn scorers(&self, written: &Written) -> Result<(), Fault> {
        let mut labels = HashMap::new();
        for (index, scorer) in written.scorers.iter().enumerate() {
            let position = index.to_string();
            self.filled(&["scorers", &position, "plugin"], &scorer.plugin)?;
            if let Some(first) = labels.insert(scorer.label(), index) {
                let label = quoted(scorer.label());
                let problem = format!(
                    "is called {label}, as is `scorers.{first}`; give one of them another `name`"
                );
                return Err(self.fault(&["scorers", &position], problem));
            }
        }
        Ok(())
    }

    fn filled(&self, path: &[&str], text: &str) -> Result<(), Fault> {
        self.refuse(text.is_empty(), path, "is an empty text; write a name")
    }

    fn refuse(&self, wrong: bool, path: &[&str], problem: &str) -> Result<(), Fault> {
        match wrong {
            true => Err(self.fault(path, problem.to_owned())),
            false => Ok(()),
        }
    }

    fn fault(&self, path: &[&str], problem: String) -> Fault {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let origin = self.tree.origin_of(&path);
        Fault::at(path, origin, Problem::Misfit(problem))
    }
}

/// Says nothing of the value: whoever pastes a credential here must not find it in a log.
const NO_VARIABLE: &str = "is no name of an environment variable; write letters, digits and `_`, such as \
                           `OPENAI_API_KEY`, and put the credential itself into that variable";

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(fits)
}
