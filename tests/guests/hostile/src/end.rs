//! Attacks that end the call before it has a result, and the one ending that is allowed: a refusal.

use crate::bindings::xhost::plugin::log::{Level, log};
use crate::bindings::xhost::plugin::types::Refusal;

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

/// Status 0, which must not be taken for success.
pub fn exit() -> ! {
    std::process::exit(0)
}

pub fn refuse() -> Refusal {
    Refusal::BadInput("the guest refuses on purpose".to_owned())
}
