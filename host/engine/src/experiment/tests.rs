//! Tables of inputs and what they become, or the exact text that a user sees.

mod errors;
mod files;
mod forms;
mod overrides;
mod sweeps;

use super::{Experiment, ExperimentError, Parts};

/// What every experiment needs, for tests about something else.
const BASE: &str = "dataset: d.jsonl\nprompt: '{{ input }}'\nmodel: openai/m\n";

/// Reads `text` as the YAML file `x.yaml` with overrides.
fn read(text: &str, overrides: &[&str]) -> Result<Experiment, ExperimentError> {
    read_as("x.yaml", text, overrides)
}

/// Reads `text` as a file of that name.
fn read_as(name: &str, text: &str, overrides: &[&str]) -> Result<Experiment, ExperimentError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    Experiment::load(&file, &Parts::default(), &overrides)
}

/// The message, which begins with the file's name in place of its path.
fn message(name: &str, result: Result<Experiment, ExperimentError>) -> String {
    let text = result.expect_err("an error").to_string();
    match text.find(&format!("/{name}")) {
        Some(slash) => text[slash + 1..].to_owned(),
        None => text,
    }
}

/// The first cell's settings as compact JSON.
fn settings(experiment: &Experiment) -> String {
    serde_json::to_string(&experiment.cells[0].settings).unwrap()
}
