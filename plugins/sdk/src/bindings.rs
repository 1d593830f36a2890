//! Rust types of the contract in `wit/`, generated: one world for what all kinds share, and one for each kind that is
//! turned on, which takes its shared types from the first.
//!
//! Lowering values to a component's memory takes `unsafe`, so `forbid(unsafe_code)` is out of reach. All of it is
//! generated, by this file's macros and by the `export_…!` macros; what is written by hand is under `deny`.

mod shared {
    wit_bindgen::generate!({
        inline: "package xhost:sdk; world shared { import xhost:plugin/types@0.1.0; import xhost:plugin/log@0.1.0; }",
        path: "../../wit",
        world: "xhost:sdk/shared",
        additional_derives: [PartialEq],
        generate_all,
        generate_unused_types: true,
    });
}

pub use shared::xhost::plugin::{log, types};

#[cfg(feature = "prompt")]
#[expect(missing_docs, reason = "generated")]
pub mod prompt {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "xhost:plugin/prompt-plugin",
        with: {
            "xhost:plugin/types@0.1.0": crate::bindings::types,
            "xhost:plugin/log@0.1.0": crate::bindings::log,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_prompt_builder_bindings",
        default_bindings_module: "xhost_plugin::glue::prompt_bindings",
    });
}

#[cfg(feature = "scorer")]
#[expect(missing_docs, reason = "generated")]
pub mod scorer {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "xhost:plugin/scorer-plugin",
        with: {
            "xhost:plugin/types@0.1.0": crate::bindings::types,
            "xhost:plugin/log@0.1.0": crate::bindings::log,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_scorer_bindings",
        default_bindings_module: "xhost_plugin::glue::scorer_bindings",
    });
}

/// A component with `batch` exports that interface too; the types of `provider` are the same under either name.
#[cfg(feature = "batch")]
#[expect(missing_docs, reason = "generated")]
pub mod provider {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "xhost:plugin/batch-provider-plugin",
        with: {
            "xhost:plugin/types@0.1.0": crate::bindings::types,
            "xhost:plugin/log@0.1.0": crate::bindings::log,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_provider_bindings",
        default_bindings_module: "xhost_plugin::glue::provider_bindings",
    });
}

#[cfg(all(feature = "provider", not(feature = "batch")))]
#[expect(missing_docs, reason = "generated")]
pub mod provider {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "xhost:plugin/provider-plugin",
        with: {
            "xhost:plugin/types@0.1.0": crate::bindings::types,
            "xhost:plugin/log@0.1.0": crate::bindings::log,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_provider_bindings",
        default_bindings_module: "xhost_plugin::glue::provider_bindings",
    });
}
