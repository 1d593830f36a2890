//! What a call costs, beside a built-in plugin of the same kind: calls a second, the time of the first, an instance's
//! memory. Every call is one in a run: a fresh instance, with all its limits.

use super::case::{Case, Given};
use super::verdict;
use crate::plugin::bindings::scorer;
use crate::plugin::types::{Message, Part, Prompt, Role, Sample, Sampling};
use crate::plugin::{CallSeed, Engine, Kind, LoadError, Plugin, builtin};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// From the component's bytes to a plugin that can be called; compiled already.
    pub load: Duration,
    /// The first call, in a process that has called nothing yet.
    pub first: Duration,
    /// One call after another.
    pub calls_per_second: f64,
    /// As many at once as there are workers.
    pub calls_per_second_together: f64,
    /// The most bytes of linear memory that an instance had.
    pub memory: usize,
    /// Instructions of one call.
    pub fuel: u64,
}

/// The built-in plugin that one of this kind is measured against.
pub struct Yardstick {
    /// Its name.
    pub name: &'static str,
    /// Its component.
    pub bytes: &'static [u8],
}

impl Yardstick {
    /// The simplest of its kind.
    #[must_use]
    pub fn of(kind: Kind) -> Yardstick {
        let name = match kind {
            Kind::Scorer => "exact",
            Kind::PromptBuilder => "template",
            Kind::Provider => "openai",
        };
        Yardstick {
            name,
            bytes: builtin::bytes(name).unwrap_or_default(),
        }
    }
}

/// Measures a plugin for about twice `time`, on this case or, where there is none, on one that every plugin of the kind
/// can be given.
///
/// # Errors
/// Where it does not load.
pub async fn bench(
    engine: &Engine,
    name: &str,
    bytes: &[u8],
    case: Option<&Case>,
    time: Duration,
) -> Result<Bench, LoadError> {
    // Compiled, so that what follows loads as a second run does.
    let kind = Plugin::from_bytes(engine, name, bytes)?.kind();
    let started = Instant::now();
    let plugin = Plugin::from_bytes(engine, name, bytes)?;
    let load = started.elapsed();
    let usual = usual(kind);
    let case = case.unwrap_or(&usual);
    let (observed, observer) = plugin.observed();
    let started = Instant::now();
    verdict::of(&observed, case, CallSeed([0; 32])).await;
    let first = started.elapsed();
    let trace = observer.last();
    let calls_per_second = rate(&plugin, case, 1, time).await;
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let calls_per_second_together = rate(&plugin, case, workers, time).await;
    Ok(Bench {
        load,
        first,
        calls_per_second,
        calls_per_second_together,
        memory: trace.memory,
        fuel: trace.fuel,
    })
}

async fn rate(plugin: &Plugin, case: &Case, together: usize, time: Duration) -> f64 {
    let (started, mut calls) = (Instant::now(), 0_u32);
    while started.elapsed() < time {
        let some = (0..together).map(|_| verdict::of(plugin, case, CallSeed([0; 32])));
        calls += u32::try_from(futures_util::future::join_all(some).await.len()).unwrap_or(1);
    }
    f64::from(calls) / started.elapsed().as_secs_f64()
}

/// A short question, its answer, and what is right.
fn usual(kind: Kind) -> Case {
    let sample = Sample {
        id: "1".into(),
        input: "What is 2 + 2?".into(),
        targets: vec!["4".into()],
        fields: json!({ "question": "What is 2 + 2?" }).to_string(),
    };
    let given = match kind {
        Kind::Scorer => Given::Subject(Arc::new(scorer::Subject {
            sample,
            answer: "The answer is 4.".into(),
            exchanges: Vec::new(),
        })),
        Kind::PromptBuilder => Given::Sample(Arc::new(sample)),
        Kind::Provider => Given::Encode {
            model: "model".into(),
            prompt: Arc::new(prompt()),
        },
    };
    Case {
        name: "usual".into(),
        line: 1,
        written: Map::new(),
        params: Arc::new("{}".into()),
        given,
        replies: Vec::new(),
        expect: None::<Value>,
    }
}

fn prompt() -> Prompt {
    Prompt {
        messages: vec![Message {
            role: Role::User,
            parts: vec![Part::Text("What is 2 + 2?".into())],
        }],
        tools: Vec::new(),
        sampling: Sampling {
            max_tokens: Some(16),
            temperature: None,
            top_p: None,
            stop: Vec::new(),
            seed: None,
            response_schema: None,
            extra: None,
        },
    }
}
