//! A hostile scorer. `params.attack` says what it tries; `../README.md` says what the host must answer.
//!
//! The attacks are in four files: `exhaust` uses things up, `end` stops in the middle, `reach` grasps at what lies
//! outside, `lie` gives results that the contract forbids. None of them carries anything from call to call on purpose
//! but `counter`, which counts its calls and must never get past 1.

mod end;
mod exhaust;
mod lie;
mod reach;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value as Json;

use exports::xhost::plugin::scorer::{Guest, Score, Step, Subject, Value};
use xhost::plugin::types::{Exchange, Refusal};

// The macro's own output holds `unsafe` code; it is the canonical ABI.
#[expect(unsafe_code, reason = "generated glue")]
mod bindings {
    wit_bindgen::generate!({ world: "scorer-plugin", path: "../../../wit" });

    export!(Hostile with_types_in self);

    /// The exported scorer.
    pub struct Hostile;
}

use bindings::{Hostile, exports, xhost};

/// How often this instance was called.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Hostile {
    fn schema() -> String {
        r#"{"type":"object","required":["attack"],"properties":{"attack":{"type":"string"}}}"#
            .to_owned()
    }

    fn judge(params: String, subject: Subject, asked: Vec<Exchange>) -> Result<Step, Refusal> {
        let attack = attack(&params)?;
        Ok(Step::Done(vec![match attack.as_str() {
            "none" => number(1.0),
            "counter" => number(f64::from(CALLS.fetch_add(1, Ordering::Relaxed) + 1)),

            "loop" => exhaust::time(),
            "memory" => exhaust::memory(),
            "grow" => exhaust::grow(),
            "recursion" => number(exhaust::stack(1) as f64),
            "log-flood" => exhaust::log_lines(),
            "log-line" => exhaust::log_line(),
            "stderr-flood" => exhaust::stderr(),
            "stdout-flood" => exhaust::stdout(),
            "sleep" => exhaust::patience(),
            "sleep-for-ever" => exhaust::eternity(),
            "pollables" => exhaust::pollables(),
            "streams" => exhaust::streams(),
            "networks" => exhaust::networks(),
            "poll-list" => exhaust::poll_list(),
            "clock-flood" => exhaust::clock(),
            "random-flood" => exhaust::random(),
            "random-huge" => exhaust::random_at_once(),
            "write-huge" => exhaust::write_at_once(),
            "write-zeroes" => exhaust::zeroes(),
            "huge-string" => exhaust::string(),
            "huge-list" => return Ok(exhaust::list()),
            "many-scores" => return Ok(exhaust::scores()),
            "new-names" => exhaust::new_names(&subject.sample.id),
            "endless-ask" => return Ok(exhaust::questions(asked.len())),
            "huge-asks" => return Ok(exhaust::huge_questions(asked.len())),

            "trap" => end::trap(),
            "panic" => end::panic(),
            "panic-at-length" => end::panic_at_length(),
            "partial-output" => end::in_the_middle_of_a_line(),
            "ask-then-trap" => return Ok(end::after_an_answer(asked.len())),
            "exit" => end::exit(0),
            "exit-failure" => end::exit(3),
            "refuse" => return Err(end::refuse()),

            "files" => reach::file(),
            "write-file" => reach::new_file(),
            "working-folder" => reach::working_folder(),
            "environment" => reach::environment(),
            "stdin" => reach::stdin(),
            "terminals" => reach::terminals(),
            "clock" => reach::clock(),
            "random" => reach::random(),
            "insecure-random" => reach::insecure_random(),
            "sockets" => reach::socket(),
            "udp" => reach::datagrams(),
            "dns" => reach::name_lookup(),

            "nan" => number(f64::NAN),
            "infinity" => number(f64::INFINITY),
            "nan-bits" => lie::bits_of_nothing(),
            "huge-number" => number(f64::MAX),
            "tiny-number" => number(-5e-324),
            "nan-sampling" => return Ok(lie::sampling_of_nothing()),
            "bad-json" => lie::extra("{\"half\": "),
            "extra-not-object" => lie::extra("[1, 2]"),
            "deep-json" => lie::deep_extra(),
            "deep-ask" => return Ok(lie::deep_ask()),
            "escapes" => lie::escapes(),
            "handles" => reach::handles(),
            "duplicate-names" => return Ok(lie::twins()),
            "no-scores" => return Ok(Step::Done(Vec::new())),
            "empty-ask" => return Ok(Step::Ask(Vec::new())),
            "unknown-judge" => return Ok(lie::unknown_judge()),

            other => {
                return Err(Refusal::BadParams(format!(
                    "there is no attack `{other}`; the README has the list"
                )));
            }
        }]))
    }
}

fn attack(params: &str) -> Result<String, Refusal> {
    let params: Json =
        serde_json::from_str(params).map_err(|error| Refusal::BadParams(error.to_string()))?;
    match params["attack"].as_str() {
        Some(attack) => Ok(attack.to_owned()),
        None => Err(Refusal::BadParams("`attack` must be a string".to_owned())),
    }
}

fn number(number: f64) -> Score {
    score(Value::Number(number))
}

fn label(label: impl Into<String>) -> Score {
    score(Value::Label(label.into()))
}

fn score(value: Value) -> Score {
    Score {
        name: "score".to_owned(),
        value,
        extracted: None,
        explanation: None,
        extra: None,
    }
}
