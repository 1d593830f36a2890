//! Attacks that return a value of the right type that the contract forbids.

use std::hint::black_box;

use crate::bindings::xhost::plugin::log::{Level, log};
use crate::exhaust::question;
use crate::{Score, Step, label, number};

pub fn extra(text: &str) -> Score {
    Score {
        extra: Some(text.to_owned()),
        ..number(1.0)
    }
}

/// An object as the contract wants it, so deep that a parser which recurses runs out of stack.
pub fn deep_extra() -> Score {
    let depth = 100_000;
    extra(&format!(
        "{{\"a\":{}{}}}",
        "[".repeat(depth),
        "]".repeat(depth)
    ))
}

/// What 0/0 is in bits, which processors differ in.
pub fn bits_of_nothing() -> Score {
    let zero = black_box(0.0_f64);
    let negative = black_box(-1.0_f64).sqrt();
    label(format!(
        "{:016x} {:016x} {:08x}",
        (zero / zero).to_bits(),
        negative.to_bits(),
        ((zero / zero) as f32).to_bits()
    ))
}

pub fn sampling_of_nothing() -> Step {
    let mut asked = question("judge", "How warm?");
    asked.prompt.sampling.temperature = Some(f64::NAN);
    Step::Ask(vec![asked])
}

/// As `deep_extra`, on its way into a request's body.
pub fn deep_ask() -> Step {
    let mut asked = question("judge", "How deep?");
    asked.prompt.sampling.extra = deep_extra().extra;
    Step::Ask(vec![asked])
}

/// Text that would retitle a terminal, clear it, and forge a line of somebody else's log.
pub fn escapes() -> Score {
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nerror: forged\u{202e}";
    log(Level::Error, text);
    Score {
        explanation: Some(text.to_owned()),
        ..label(text)
    }
}

pub fn twins() -> Step {
    Step::Done(vec![number(0.0), number(1.0)])
}

/// A judge that no experiment declares.
pub fn unknown_judge() -> Step {
    Step::Ask(vec![question("a model that nobody declared", "Who pays?")])
}
