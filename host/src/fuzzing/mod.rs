//! Entry points for fuzzers: for everything that reads foreign bytes, a function that takes any bytes, and fails by a panic
//! where a promise is broken. No part of the public interface: only tests and `tests/fuzz` see it.
//!
//! Whatever comes in, nothing may crash, hang or take more memory than its size explains; beside that, each function says
//! what else must hold.

use std::panic;
use std::sync::Once;

/// Values out of bytes.
mod draw;

/// Components, and what they return.
mod guests;

/// Rows, bundles, and other files.
mod files;

/// What providers send.
mod wire;

/// Inputs to begin with.
mod seeds;

pub use seeds::seeds;

#[cfg(test)]
mod tests;

/// One entry point.
pub type Target = fn(&[u8]);

/// All of them, under the names of their folders in `tests/fuzz`.
pub const TARGETS: [(&str, Target); 16] = [
    ("answer", wire::answer),
    ("batch_lines", wire::batch_lines),
    ("bundle", files::bundle),
    ("cases", files::cases),
    ("component", guests::component),
    ("dataset", files::dataset),
    ("experiment", files::experiment),
    ("frames", wire::frames),
    ("import", files::import),
    ("lock", files::lock),
    ("prices", files::prices),
    ("request", wire::request),
    ("results", files::results),
    ("schema", guests::schema),
    ("store", files::store),
    ("values", guests::values),
];

/// The entry point of this name.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    // The glue of libFuzzer ends the process at every panic, contained or not. What comes out of a target it ends in any case.
    static TOLD: Once = Once::new();
    TOLD.call_once(|| panic::set_hook(Box::new(|panicked| eprintln!("{panicked}"))));
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map_or_else(
        || panic!("there is no target {name}"),
        |(_, target)| *target,
    )
}
