//! Attacks that end the call before it has a result, and the one ending that is allowed: a refusal.

use crate::Step;
use crate::bindings::xhost::plugin::log::{Level, log};
use crate::bindings::xhost::plugin::types::Refusal;
use crate::exhaust::question;

/// Logs first: lines that were written before the trap must survive it.
pub fn trap() -> ! {
    log(Level::Info, "about to trap");
    // On wasm this is the `unreachable` instruction, with no message anywhere.
    std::process::abort()
}

/// Its message exists nowhere but on stderr.
pub fn panic() -> ! {
    panic!("the guest panics on purpose")
}

/// More than a person wants to see in a run, and all that an author needs.
pub fn panic_at_length() -> ! {
    let lines: Vec<String> = (1..=40)
        .map(|line| format!("reason {line} of 40"))
        .collect();
    panic!("the guest panics at length\n{}", lines.join("\n"))
}

/// Half a line each, which no line feed and no flush ends.
pub fn in_the_middle_of_a_line() -> ! {
    print!("half of an answer");
    eprint!("half of a word");
    std::process::abort()
}

/// What was asked is paid for, whatever becomes of it.
pub fn after_an_answer(asked: usize) -> Step {
    match asked {
        0 => Step::Ask(vec![question("judge", "Are you there?")]),
        _ => trap(),
    }
}

/// Status 0 must not be taken for success.
pub fn exit(status: i32) -> ! {
    std::process::exit(status)
}

pub fn refuse() -> Refusal {
    Refusal::BadInput("the guest refuses on purpose".to_owned())
}
