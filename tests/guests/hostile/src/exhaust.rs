//! Attacks that use something up: time, memory, stack, log, the host's patience, the user's money.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::bindings::exports::xhost::plugin::scorer::Question;
use crate::bindings::xhost::plugin::log::{Level, log};
use crate::bindings::xhost::plugin::types::{Message, Part, Prompt, Role, Sampling};
use crate::{Score, Step, Value, label, number, score};

/// 200 MB: far more than a call may hand over, and less than the memory that a guest may have.
const HUGE: usize = 200_000_000;

pub fn time() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns).wrapping_add(1);
    }
}

/// Keeps and touches every megabyte, so that none of it can be optimised away.
pub fn memory() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Asks for all of the address space, over and over: it fails each time, and each time the host does the work.
pub fn grow() -> ! {
    loop {
        black_box(machine::grow(1 << 16));
    }
}

/// Not a tail call: the sum waits for what is below.
#[expect(unconditional_recursion, reason = "that is the attack")]
pub fn stack(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    stack(depth + 1) + frame[0]
}

pub fn log_lines() -> ! {
    loop {
        log(Level::Debug, "flood");
    }
}

pub fn log_line() -> Score {
    log(Level::Info, &"x".repeat(HUGE / 2));
    number(1.0)
}

pub fn stderr() -> ! {
    loop {
        // Whether a closed stderr is an error does not matter here.
        let _ = std::io::stderr().write_all(&[b'e'; 1024]);
    }
}

pub fn stdout() -> ! {
    loop {
        let _ = std::io::stdout().write_all(&[b'o'; 1024]);
    }
}

pub fn patience() -> Score {
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(3600));
    label(format!("slept {} s", start.elapsed().as_secs()))
}

pub fn string() -> Score {
    score(Value::Label("x".repeat(HUGE)))
}

/// A million scores without names: 64 bytes each, and no text at all.
pub fn list() -> Step {
    let nameless = || Score {
        name: String::new(),
        ..number(0.0)
    };
    Step::Done(std::iter::repeat_with(nameless).take(1_000_000).collect())
}

/// Another question whenever one is answered; each would be paid for.
pub fn questions(asked: usize) -> Step {
    Step::Ask(vec![question("judge", &format!("question {asked}"))])
}

pub fn question(model: &str, text: &str) -> Question {
    Question {
        model: model.to_owned(),
        prompt: Prompt {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(text.to_owned())],
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
        },
    }
}

/// What only the wasm machine has. Elsewhere this crate is read by clippy but never run.
mod machine {
    #[cfg(target_arch = "wasm32")]
    pub fn grow(pages: usize) -> usize {
        core::arch::wasm32::memory_grow(0, pages)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn grow(_pages: usize) -> usize {
        usize::MAX
    }
}
