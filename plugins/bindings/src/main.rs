//! Writes the SDK's Rust bindings from the contract in `wit/`. They are committed, and not made by a macro, because whoever
//! builds a plugin would first build the macro, with all that reads and encodes WebAssembly: a third of the whole.
//!
//! `cargo run -p bindings` in `plugins` writes them; a test fails while they are not current.

use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// What all kinds share: the types, and the one function that plugins import.
const SHARED: &str = "package xhost:sdk; world shared { import xhost:plugin/types@0.1.0; import xhost:plugin/log@0.1.0; }";

/// The file of each kind, its world, and the name of the macro that exports it. A component with `batch` exports that
/// interface too, and the types of `provider` are the same under either name.
const KINDS: [(&str, &str, &str); 4] = [
    ("prompt", "xhost:plugin/prompt-plugin", "prompt_builder"),
    ("scorer", "xhost:plugin/scorer-plugin", "scorer"),
    ("provider", "xhost:plugin/provider-plugin", "provider"),
    ("batch", "xhost:plugin/batch-provider-plugin", "provider"),
];

fn main() -> std::io::Result<()> {
    for (file, text) in generated() {
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// Each file, and what should be in it.
fn generated() -> Vec<(PathBuf, String)> {
    let shared = Opts {
        generate_all: true,
        generate_unused_types: true,
        ..options()
    };
    let mut files = vec![(file("shared"), written("xhost:sdk/shared", shared))];
    for (name, world, exported) in KINDS {
        let taken = ["types", "log"].map(|interface| {
            let module = format!("crate::bindings::{interface}");
            (
                format!("xhost:plugin/{interface}@0.1.0"),
                WithOption::Path(module),
            )
        });
        let module = if exported == "prompt_builder" {
            "prompt"
        } else {
            exported
        };
        let options = Opts {
            with: taken.into(),
            pub_export_macro: true,
            export_macro_name: Some(format!("export_{exported}_bindings")),
            default_bindings_module: Some(format!("xhost_plugin::glue::{module}_bindings")),
            ..options()
        };
        files.push((file(name), written(world, options)));
    }
    files
}

fn options() -> Opts {
    Opts {
        format: true,
        additional_derive_attributes: vec!["PartialEq".into()],
        ..Opts::default()
    }
}

fn written(world: &str, options: Opts) -> String {
    let mut resolve = Resolve::default();
    let contract = folder().join("../../wit");
    let (mut package, _) = resolve.push_path(contract).expect("the contract parses");
    if world.starts_with("xhost:sdk/") {
        package = resolve.push_str("shared.wit", SHARED).expect("it parses");
    }
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("the world is there");
    let mut files = Files::default();
    let mut generator = options.build();
    generator
        .generate(&mut resolve, world, &mut files)
        .expect("it can be written");
    let (_, text) = files.iter().next().expect("there is a file");
    String::from_utf8(text.to_vec()).expect("it is text")
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("../sdk/src/bindings/{name}.rs"))
}

#[test]
fn the_bindings_are_those_of_the_contract() {
    for (file, text) in generated() {
        let committed = std::fs::read_to_string(&file).expect("it is committed");
        assert!(
            committed == text,
            "{} is not current: run `cargo run -p bindings` in plugins",
            file.display()
        );
    }
}
