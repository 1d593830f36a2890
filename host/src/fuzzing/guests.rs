//! Components as bytes, what a guest hands over as its result, and the schema that it says its parameters have.

use crate::plan;
use crate::plugin::bindings::scorer;
use crate::plugin::types::Sample;
use crate::plugin::{CallSeed, Engine, Failure, FailureKind, Plugin, inspect};
use std::sync::{Arc, LazyLock};

/// Compiles each time: what is kept would only grow.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(None).expect("an engine"));

/// A component, looked at and loaded, which compiles it. Nothing of it runs.
pub(super) fn component(bytes: &[u8]) {
    let looked = inspect::inspect("guest", bytes);
    let told = looked.is_ok();
    if let Ok(plugin) = Plugin::from_bytes(&ENGINE, "guest", bytes) {
        assert!(told, "what is refused is not loaded");
        assert_eq!(plugin.name(), "guest");
    }
}

/// A guest that returns whatever memory its parameters say.
static IMAGE: LazyLock<Plugin> = LazyLock::new(|| {
    let shell = include_str!("../../../tests/guests/wat/scorer.wat");
    let guest = include_str!("../../../tests/guests/wat/scorer/image.wat");
    let bytes = wat::parse_str(shell.replace(";; GUEST\n", guest)).expect("it is a component");
    Plugin::from_bytes(&ENGINE, "image", &bytes).expect("it is a plugin")
});

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime")
});

/// The memory of a guest's result, lifted and checked: what is taken is as `wit/` promises.
pub(super) fn values(bytes: &[u8]) {
    // It stands in the guest's parameters, two letters for each byte.
    let bytes = &bytes[..bytes.len().min(32 << 10)];
    let letters = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let params: String = letters.map(|half| char::from(b'a' + half)).collect();
    let subject = Arc::new(scorer::Subject {
        sample: Sample {
            id: String::new(),
            input: String::new(),
            targets: Vec::new(),
            fields: "{}".into(),
        },
        answer: String::new(),
        exchanges: Vec::new(),
    });
    let judged = IMAGE.judge(CallSeed([0; 32]), Arc::new(params), subject, Arc::default());
    match RUNTIME.block_on(judged) {
        Ok(scorer::Step::Ask(questions)) => {
            assert!(!questions.is_empty());
            let asked = questions.iter().map(|question| &question.prompt);
            for prompt in asked {
                assert!(!prompt.messages.is_empty());
                let numbers = [prompt.sampling.temperature, prompt.sampling.top_p];
                assert!(numbers.into_iter().flatten().all(f64::is_finite));
                is_object(prompt.sampling.extra.as_deref());
            }
        }
        Ok(scorer::Step::Done(scores)) => are_scores(&scores),
        Err(failure) => is_told(&failure),
    }
}

fn are_scores(scores: &[scorer::Score]) {
    assert!(!scores.is_empty());
    for score in scores {
        let same = |other: &&scorer::Score| other.name == score.name;
        assert_eq!(scores.iter().filter(same).count(), 1);
        assert!(!matches!(score.value, scorer::Value::Number(number) if !number.is_finite()));
        is_object(score.extra.as_deref());
    }
}

fn is_object(text: Option<&str>) {
    let object = |text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    assert!(text.map(object).is_none_or(|read| read.is_ok()));
}

/// The guest is to blame, by its name, and what it says steers no terminal.
fn is_told(failure: &Failure) {
    assert_ne!(failure.kind, FailureKind::Host, "{failure}");
    let told = failure.to_string();
    assert!(told.contains("scorer `image` ("), "{told}");
    assert!(!told.chars().any(char::is_control), "{told:?}");
    assert!(told.chars().count() < 2_200, "{}", told.len());
}

/// A schema, and parameters after a zero byte.
pub(super) fn schema(bytes: &[u8]) {
    let mut draw = super::draw::Draw(bytes);
    let (schema, params) = (draw.text(), draw.text());
    let Ok(schema) = serde_json::from_str(&schema) else {
        return;
    };
    let params = serde_json::from_str(&params).unwrap_or_default();
    // Refused, or not: what matters is that it ends.
    let _ = plan::fits_schema(&schema, &params);
}
