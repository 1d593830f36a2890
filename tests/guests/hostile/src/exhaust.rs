//! Attacks that use something up: time, memory, stack, log, the host's patience, the user's money.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use wasip2::cli::stderr::get_stderr;
use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::poll;
use wasip2::random::random::get_random_bytes;
use wasip2::sockets::instance_network::instance_network;

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

pub fn eternity() -> Score {
    monotonic_clock::subscribe_duration(u64::MAX).block();
    label("slept")
}

/// Never gives one back.
pub fn pollables() -> ! {
    keep(|| monotonic_clock::subscribe_duration(1))
}

pub fn streams() -> ! {
    keep(get_stdout)
}

pub fn networks() -> ! {
    keep(instance_network)
}

fn keep<T>(make: impl Fn() -> T) -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(make());
    }
}

/// Waits for one thing a million times at once.
pub fn poll_list() -> Score {
    let one = monotonic_clock::subscribe_duration(1);
    let ready = poll(&vec![&one; 1_000_000]);
    label(format!("{} are ready", ready.len()))
}

/// The cheapest call of the host that there is.
pub fn clock() -> ! {
    loop {
        black_box(monotonic_clock::now());
    }
}

/// The dearest.
pub fn random() -> ! {
    loop {
        black_box(get_random_bytes(64 << 10));
    }
}

pub fn random_at_once() -> Score {
    label(format!("{} bytes", get_random_bytes(1 << 30).len()))
}

/// Without asking how much is taken.
pub fn write_at_once() -> ! {
    let (stream, bytes) = (get_stdout(), vec![0; 8 << 20]);
    loop {
        let _ = stream.write(&bytes);
    }
}

/// Nothing of it is in the guest's memory.
pub fn zeroes() -> Score {
    let written = get_stderr().write_zeroes(u64::MAX);
    label(format!("wrote them: {written:?}"))
}

/// As many as a result can hold; each is looked at, and each has another name.
pub fn scores() -> Step {
    let named = |index: u32| Score {
        name: index.to_string(),
        ..number(1.0)
    };
    Step::Done((0..20_000).map(named).collect())
}

/// A measure and a label that no other trial has, and long ones.
pub fn new_names(sample: &str) -> Score {
    Score {
        name: format!("{sample}{}", "n".repeat(1 << 20)),
        ..label(format!("{sample}{}", "l".repeat(1 << 20)))
    }
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

/// The same with 7 MiB each, which the host holds until the trial ends.
pub fn huge_questions(asked: usize) -> Step {
    let text = format!("question {asked} {}", "x".repeat(7 << 20));
    Step::Ask(vec![question("judge", &text)])
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
