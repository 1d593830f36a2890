//! The Rust view of `wit/`, made by wasmtime's `bindgen!`. One world with every interface gives every plugin kind the
//! same types; which interfaces a component really exports is decided when it is loaded.

#![expect(
    missing_docs,
    reason = "the documentation stands in wit/, and bindgen does not carry all of it over"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package xhost:host;
        world every-kind {
            import xhost:plugin/log@0.1.0;
            export xhost:plugin/prompt-builder@0.1.0;
            export xhost:plugin/scorer@0.1.0;
            export xhost:plugin/provider@0.1.0;
            export xhost:plugin/batch@0.1.0;
        }
    ",
    imports: { default: trappable },
});

pub use self::xhost::plugin::{log, types};
pub use exports::xhost::plugin::{batch, prompt_builder, provider, scorer};
