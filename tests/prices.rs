//! What `xhost plan` says that calls cost, against litellm itself (`litellm.cost_per_token`), to the last digit.

use crate::support::{Place, repository};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use xhost::prices::{Money, Table, Travel};
use xhost::record::Usage;

/// The provider, the model's name there, and what litellm's table writes before it.
const MODELS: [(&str, &str, &str); 16] = [
    ("openai", "gpt-4o-mini", ""),
    ("openai", "gpt-4o", ""),
    ("openai", "gpt-4.1", ""),
    ("openai", "gpt-4.1-mini", ""),
    ("openai", "gpt-6-luna", ""),
    ("anthropic", "claude-sonnet-4-5", ""),
    ("anthropic", "claude-haiku-4-5", ""),
    ("anthropic", "claude-sonnet-5-5", ""),
    ("anthropic", "claude-sonnet-5", ""),
    ("anthropic", "claude-haiku-4-5-20251001", ""),
    ("mistral", "mistral-small-latest", "mistral/"),
    ("mistral", "mistral-large-latest", "mistral/"),
    ("mistral", "magistral-medium-latest", "mistral/"),
    ("gemini", "gemini-2.5-flash", "gemini/"),
    ("gemini", "gemini-2.5-pro", "gemini/"),
    ("gemini", "gemini-3.5-flash", "gemini/"),
];

const PROVIDERS: [&str; 4] = ["openai", "anthropic", "mistral", "gemini"];

#[derive(Deserialize)]
struct Plan {
    models: Vec<Model>,
}

/// The text of an amount, and not what a double makes of it.
#[derive(Deserialize)]
struct Model {
    model: String,
    missing: u64,
    tokens_in: HashMap<String, u64>,
    tokens_out: HashMap<String, u64>,
    cost_live: HashMap<String, Box<RawValue>>,
}

/// What litellm says of each line; `None` where it is not installed.
fn litellm(lines: &[Value]) -> Option<Vec<String>> {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!("NOT RUN: $XHOST_PYTHON names no Python with litellm");
        return None;
    };
    let has_it = Command::new(&python)
        .args([
            "-c",
            "import importlib.util, sys; sys.exit(importlib.util.find_spec('litellm') is None)",
        ])
        .status()
        .expect("Python starts");
    if !has_it.success() {
        eprintln!("NOT RUN: $XHOST_PYTHON has no litellm");
        return None;
    }
    let mut child = Command::new(python)
        .arg(repository().join("tests/clients/litellm_cost.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    Some(
        String::from_utf8(output.stdout)
            .expect("text")
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

/// With the twelve digits that litellm's side has.
fn digits(money: Money) -> String {
    format!(
        "{}.{:012}",
        money.0 / 1_000_000_000_000,
        money.0 % 1_000_000_000_000
    )
}

#[test]
fn what_a_plan_costs_is_what_litellm_says_to_the_last_digit_for_models_of_every_provider() {
    let place = Place::new();
    place.write(
        "row.jsonl",
        "{\"id\": \"a\", \"input\": \"What is seven times eight?\", \"target\": \"56\"}\n",
    );
    for provider in PROVIDERS {
        let models: Vec<&str> = MODELS
            .iter()
            .filter(|(of, _, _)| *of == provider)
            .map(|(_, name, _)| *name)
            .collect();
        let text = format!(
            "name: {provider}\ndataset: row.jsonl\nprompt: '{{{{ input }}}}'\nscorers: [numeric]\nmodel: {{provider: {provider}, name: \
             x, sampling: {{max_tokens: 700}}}}\nsweep: {{model.name: {}}}\n",
            json!(models)
        );
        place.write(&format!("{provider}.yaml"), &text);
    }
    let output = place
        .xhost()
        .arg("plan")
        .args(PROVIDERS.map(|provider| format!("{provider}.yaml")))
        .arg("--json")
        .output()
        .expect("xhost starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let plans: Vec<Plan> = serde_json::from_slice(&output.stdout).expect("JSON");
    let models: Vec<Model> = plans.into_iter().flat_map(|plan| plan.models).collect();
    assert_eq!(models.len(), MODELS.len());
    let mut asked = Vec::new();
    let mut ours = Vec::new();
    for model in models {
        assert_eq!(model.missing, 1);
        let known = |of: &&(&str, &str, &str)| of.1 == model.model;
        let prefix = MODELS.iter().find(known).expect("it was asked about").2;
        for part in ["low", "expected", "high"] {
            asked.push(json!([
                format!("{prefix}{}", model.model),
                model.tokens_in[part],
                model.tokens_out[part],
                0,
                0
            ]));
            let dollars = model.cost_live[part].get();
            ours.push(digits(
                Money::from_written(dollars).unwrap_or_else(|_| panic!("{dollars}")),
            ));
        }
    }
    let Some(theirs) = litellm(&asked) else {
        return;
    };
    assert_eq!(ours, theirs);
}

#[test]
fn answers_cost_what_litellm_says_with_caches_and_tiers_too() {
    let table = Table::embedded();
    let (mut asked, mut ours) = (Vec::new(), Vec::new());
    for (_, name, prefix) in MODELS {
        let name = format!("{prefix}{name}");
        let price = table.price(&name).expect("it is known");
        for (input, output) in [(1, 1), (1_000, 500), (123_457, 8_191), (300_001, 7)] {
            for (cache_read, cache_write) in [(0, 0), (input / 3, 0)] {
                asked.push(json!([name, input, output, cache_read, cache_write]));
                let usage = Usage {
                    input,
                    output,
                    cache_read,
                    cache_write,
                    reasoning: 0,
                };
                ours.push(digits(price.cost(&usage, Travel::Live)));
            }
        }
    }
    let Some(theirs) = litellm(&asked) else {
        return;
    };
    assert_eq!(ours, theirs);
}
