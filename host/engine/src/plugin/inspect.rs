//! A look at a component's bytes before anything compiles them: is it a component, is it within bounds that compile in
//! reasonable time, which kind of plugin is it, and for which version of the contract was it made?

/// What a component's structure unfolds into.
mod shape;

use serde::{Deserialize, Serialize};
use shape::Shape;
use std::path::PathBuf;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The contract's version that this host speaks.
pub const API_VERSION: &str = "0.1.0";

/// Changes with whatever this module refuses or finds: code that was compiled under other rules is compiled anew.
pub(super) const RULES: &str = "1";

/// A component over this size is refused before it is read whole.
pub const SIZE_LIMIT: u64 = 64 << 20;

/// CPython, the largest guest known, has 13,355 functions; 200,004 small ones take 43 s to compile.
const FUNCTIONS: u64 = 100_000;
const MODULES: u64 = 64;
const BODY_BYTES: usize = 1 << 20;

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Kind {
    /// Turns samples into prompts.
    PromptBuilder,
    /// Judges answers.
    Scorer,
    /// Speaks a model API.
    Provider,
}

impl Kind {
    /// The kind in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Kind::PromptBuilder => "prompt builder",
            Kind::Scorer => "scorer",
            Kind::Provider => "provider",
        }
    }

    fn of_interface(name: &str) -> Option<Kind> {
        match name {
            "prompt-builder" => Some(Kind::PromptBuilder),
            "scorer" => Some(Kind::Scorer),
            "provider" => Some(Kind::Provider),
            _ => None,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// A plugin cannot be loaded. Nothing of it ran.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the plugin {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// It is not what stood there a moment ago.
    #[error(
        "the plugin {path} is not what it was when it was looked at: try again; a file in xhost's own cache that stays so is damaged, and made anew once it is removed",
        path = path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Neither a file nor a plugin that is part of xhost.
    #[error(
        "there is no plugin `{name}`: no plugin given with --plugin (or under `plugins:`) has that name, and the built-in ones are {known}; a file is named with its ending"
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The built-in ones.
        known: String,
    },
    /// It is elsewhere, and nobody fetched it.
    #[error("the plugin {word} is not on this machine: `xhost plan` and `xhost run` fetch it")]
    NotHere {
        /// Its URL or reference.
        word: String,
    },
    /// The file is larger than any plugin needs to be.
    #[error("the plugin {name} has {bytes} bytes; the limit is {limit}", limit = SIZE_LIMIT)]
    Size {
        /// The plugin.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// Not a component.
    #[error("{name} is not a WebAssembly component: {what}")]
    NotAComponent {
        /// The plugin.
        name: String,
        /// What it is instead, and what to do.
        what: String,
    },
    /// Compiling it would take minutes.
    #[error("the plugin {name} has {count} {what}; the limit is {limit}")]
    Bounds {
        /// The plugin.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// How much of it.
        count: u64,
        /// How much is taken.
        limit: u64,
    },
    /// Its structure could become anything.
    #[error("the plugin {name} is put together as no plugin needs to be: {what}")]
    Composed {
        /// The plugin.
        name: String,
        /// What is in it, and what to do.
        what: &'static str,
    },
    /// It exports nothing of ours.
    #[error(
        "{name} is a component, but no xhost plugin: it exports none of xhost:plugin/prompt-builder, xhost:plugin/scorer, xhost:plugin/provider (at version {API_VERSION})"
    )]
    NoKind {
        /// The plugin.
        name: String,
    },
    /// It exports more than one kind.
    #[error(
        "{name} exports two kinds of plugin, {first} and {second}: build one component for each"
    )]
    TwoKinds {
        /// The plugin.
        name: String,
        /// One kind.
        first: Kind,
        /// Another.
        second: Kind,
    },
    /// Made for another version of the contract.
    #[error(
        "{name} was built for version {found} of xhost:plugin, and this xhost speaks version {API_VERSION}: {advice}"
    )]
    Version {
        /// The plugin.
        name: String,
        /// Its version.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// It is used as another kind than it is.
    #[error("`{name}` is a {found}, and {place} needs a {needed}")]
    WrongKind {
        /// The plugin.
        name: String,
        /// What it is.
        found: Kind,
        /// What was needed.
        needed: Kind,
        /// Where it was named.
        place: String,
    },
    /// It imports what no plugin gets, or its types differ from the contract's.
    #[error("the plugin {name} does not fit: {what}")]
    Link {
        /// The plugin.
        name: String,
        /// The import or the function, and what to do.
        what: String,
    },
    /// It cannot be compiled.
    #[error("the plugin {name} does not compile: {what}")]
    Compile {
        /// The plugin.
        name: String,
        /// The compiler's words.
        what: String,
    },
}

/// What the bytes of a component say about it.
#[derive(Debug)]
pub struct Inspected {
    /// What it is to the host.
    pub role: Role,
    /// What it imports, such as `wasi:io/streams@0.2.6`.
    pub imports: Vec<String>,
    /// Its functions, those of all its modules.
    pub functions: u64,
}

/// What a component is to the host. Kept with its compiled code, which is tied to its bytes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Role {
    /// The kind of plugin.
    pub kind: Kind,
    /// Whether a provider speaks batches.
    pub batch: bool,
    /// Whether it is put together of components that may hand each other text.
    pub composed: bool,
}

/// Reads a component's structure without running or compiling anything.
///
/// # Errors
/// Every reason why this is no plugin of this version.
pub fn inspect(name: &str, bytes: &[u8]) -> Result<Inspected, LoadError> {
    let inspected = scan(name, bytes);
    match inspected {
        Err(
            LoadError::NotAComponent { .. } | LoadError::Bounds { .. } | LoadError::Composed { .. },
        ) => inspected,
        // What is damaged is told so, rather than what seems to be missing in it.
        _ => validate(name, bytes).and(inspected),
    }
}

/// Counts and names alone, in a pass that takes milliseconds where [`validate`] takes a tenth of a second.
pub(super) fn scan(name: &str, bytes: &[u8]) -> Result<Inspected, LoadError> {
    refuse_what_is_no_component(name, bytes)?;
    let mut scan = Scan::new(name);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| not_a_component(name, format!("it is damaged: {e}")))?;
        scan.payload(&payload)?;
    }
    scan.finish()
}

/// Every function of every module, against the features that guests get. Compiled code was validated when it was made.
pub(super) fn validate(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let features = WasmFeatures::default() - WasmFeatures::THREADS - WasmFeatures::MEMORY64;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map(drop)
        .map_err(|e| not_a_component(name, format!("it is not valid: {e}")))
}

fn refuse_what_is_no_component(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(not_a_component(
            name,
            "it is compiled code, which is never taken from a file; give the .wasm".into(),
        ));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(not_a_component(
            name,
            "it does not start as WebAssembly does".into(),
        ));
    }
    if Parser::is_core_wasm(bytes) {
        let what = "it is a core module; build it for wasm32-wasip2, or wrap it with `wasm-tools component new`";
        return Err(not_a_component(name, what.into()));
    }
    Ok(())
}

fn not_a_component(name: &str, what: String) -> LoadError {
    LoadError::NotAComponent {
        name: name.into(),
        what,
    }
}

/// What a pass over the payloads gathers.
struct Scan<'a> {
    name: &'a str,
    depth: u32,
    functions: u64,
    /// Functions by which components speak to each other and to the host: they are compiled, too.
    canonical: u64,
    modules: u64,
    kinds: Vec<Kind>,
    batch: bool,
    imports: Vec<String>,
    other_version: Option<String>,
    shape: Shape,
}

impl<'a> Scan<'a> {
    fn new(name: &'a str) -> Scan<'a> {
        Scan {
            name,
            depth: 0,
            functions: 0,
            canonical: 0,
            modules: 0,
            kinds: Vec::new(),
            batch: false,
            imports: Vec::new(),
            other_version: None,
            shape: Shape::default(),
        }
    }

    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        let shape = self.shape.payload(payload);
        shape.map_err(|refused| refused.of(self.name))?;
        match payload {
            Payload::Version { encoding, .. } => {
                self.depth += 1;
                if *encoding == Encoding::Module {
                    self.modules += 1;
                    self.bound("core modules", self.modules, MODULES)?;
                }
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                self.functions += u64::from(*count);
                self.bound_functions()?;
            }
            Payload::ComponentCanonicalSection(section) => {
                self.canonical += u64::from(section.count());
                self.bound_functions()?;
            }
            Payload::CodeSectionEntry(body) => {
                self.bound(
                    "bytes in one function",
                    body.range().len() as u64,
                    BODY_BYTES as u64,
                )?;
            }
            Payload::ComponentImportSection(imports) if self.depth == 1 => {
                for import in imports.clone() {
                    let import = import
                        .map_err(|e| not_a_component(self.name, format!("it is damaged: {e}")))?;
                    self.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                for export in exports.clone() {
                    let export = export
                        .map_err(|e| not_a_component(self.name, format!("it is damaged: {e}")))?;
                    self.export(export.name.name);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn bound_functions(&self) -> Result<(), LoadError> {
        self.bound("functions", self.functions + self.canonical, FUNCTIONS)
    }

    fn bound(&self, what: &'static str, count: u64, limit: u64) -> Result<(), LoadError> {
        if count <= limit {
            return Ok(());
        }
        Err(LoadError::Bounds {
            name: self.name.into(),
            what,
            count,
            limit,
        })
    }

    /// `xhost:plugin/scorer@0.1.0` and nothing like it. Other exports are the guest's own business.
    fn export(&mut self, export: &str) {
        let Some(rest) = export.strip_prefix("xhost:plugin/") else {
            return;
        };
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "none"));
        if version != API_VERSION {
            self.other_version = Some(version.into());
        } else if interface == "batch" {
            self.batch = true;
        } else if let Some(kind) = Kind::of_interface(interface) {
            self.kinds.push(kind);
        }
    }

    fn finish(self) -> Result<Inspected, LoadError> {
        let name = self.name.to_owned();
        match (self.kinds.as_slice(), self.other_version) {
            (&[kind], _) => Ok(Inspected {
                role: Role {
                    kind,
                    batch: self.batch,
                    composed: self.shape.parts() > 1,
                },
                imports: self.imports,
                functions: self.functions,
            }),
            (&[first, second, ..], _) => Err(LoadError::TwoKinds {
                name,
                first,
                second,
            }),
            (&[], Some(found)) => Err(LoadError::Version {
                advice: advice(&found),
                name,
                found,
            }),
            (&[], None) => Err(LoadError::NoKind { name }),
        }
    }
}

fn advice(found: &str) -> &'static str {
    let order = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse::<u64>().unwrap_or(0))
            .collect::<Vec<_>>()
    };
    if order(found) > order(API_VERSION) {
        "get a newer xhost, or build the plugin against this version's wit folder"
    } else {
        "build the plugin again against this version's wit folder"
    }
}
