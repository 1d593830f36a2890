//! Lines for the person who debugs the plugin. They never reach a digest, a score or another plugin; a call may write
//! 64 KiB in all. Natively, as in tests, they go to standard error.

use crate::bindings::log::Level;

/// Of use only while the plugin is being written.
pub fn debug(line: impl AsRef<str>) {
    write(Level::Debug, line.as_ref());
}

/// Worth a look when something seems off.
pub fn info(line: impl AsRef<str>) {
    write(Level::Info, line.as_ref());
}

/// The plugin went on, but its author should know.
pub fn warn(line: impl AsRef<str>) {
    write(Level::Warn, line.as_ref());
}

/// The plugin could not do what was asked; its result says so too.
pub fn error(line: impl AsRef<str>) {
    write(Level::Error, line.as_ref());
}

#[cfg(target_family = "wasm")]
fn write(level: Level, line: &str) {
    crate::bindings::log::log(level, line);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, line: &str) {
    eprintln!("{level:?}: {line}");
}
