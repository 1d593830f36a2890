//! What travels inside this program, so that a new project builds from it alone: the contract, the SDKs, the templates.
//! A test compares these lists with the folders.

/// A file: its name within its folder, and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../", $folder, "/", $name)))),+]
    };
}

pub(super) const WIT: &[File] = files!["wit":
    "log.wit",
    "prompt-builder.wit",
    "provider.wit",
    "scorer.wit",
    "types.wit",
    "world.wit",
];

pub(super) const RUST_SDK: &[File] = files!["plugins/sdk":
    "Cargo.toml",
    "src/batch.rs",
    "src/bindings.rs",
    "src/bindings/batch.rs",
    "src/bindings/prompt.rs",
    "src/bindings/provider.rs",
    "src/bindings/scorer.rs",
    "src/bindings/shared.rs",
    "src/body.rs",
    "src/completion.rs",
    "src/fault.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/media.rs",
    "src/message.rs",
    "src/params.rs",
    "src/prompt.rs",
    "src/prompt_builder.rs",
    "src/provider.rs",
    "src/refusal.rs",
    "src/sample.rs",
    "src/scorer.rs",
    "src/template.rs",
];

pub(super) const PYTHON_SDK: &[File] = files!["plugins/sdk-python":
    "componentize_py_types.py",
    "wit_world/__init__.py",
    "wit_world/exports/__init__.py",
    "wit_world/exports/batch.py",
    "wit_world/exports/prompt_builder.py",
    "wit_world/exports/provider.py",
    "wit_world/exports/scorer.py",
    "wit_world/imports/__init__.py",
    "wit_world/imports/log.py",
    "wit_world/imports/types.py",
    "xhost_plugin.py",
];

pub(super) const JS_SDK: &[File] = files!["plugins/sdk-js":
    "author.d.ts",
    "xhost-plugin.d.ts",
    "xhost-plugin.js",
];

pub(super) const TEMPLATES: &[File] = files!["plugins/templates":
    "cases/prompt.jsonl",
    "cases/provider.jsonl",
    "cases/scorer.jsonl",
    "js/README.md",
    "js/jsconfig.json",
    "js/package.json",
    "js/prompt.js",
    "js/prompt.test.js",
    "js/provider.js",
    "js/provider.test.js",
    "js/scorer.js",
    "js/scorer.test.js",
    "python/README.md",
    "python/prompt.py",
    "python/provider.py",
    "python/pyproject.toml",
    "python/scorer.py",
    "python/test_prompt.py",
    "python/test_provider.py",
    "python/test_scorer.py",
    "rust/Cargo.lock",
    "rust/Cargo.toml",
    "rust/README.md",
    "rust/prompt.rs",
    "rust/provider.rs",
    "rust/scorer.rs",
];

/// The text of a template.
pub(super) fn template(name: &str) -> &'static str {
    text(TEMPLATES, name)
}

/// The text of a file in one of the lists, empty for a name that is not in it.
pub(super) fn text(files: &[File], name: &str) -> &'static str {
    files
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, text)| text)
}
