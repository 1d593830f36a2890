//! A component that is ready to be called: read once, hashed, inspected, compiled and linked. Its identity is the blake3
//! of its bytes; its name is a label.

use super::absent;
use super::bindings::{batch, prompt_builder, provider, scorer};
use super::builtin;
use super::compiled;
use super::engine::Engine;
use super::fit;
use super::inspect::{Kind, LoadError, Role, SIZE_LIMIT, scan, validate};
use super::observe::Observer;
use super::sandbox::{Borders, Sandbox};
use crate::experiment::Component as Known;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre};

/// The blake3 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginDigest(blake3::Hash);

impl PluginDigest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> PluginDigest {
        PluginDigest(blake3::hash(bytes))
    }

    /// A digest as it is written.
    pub fn from_hex(hex: &str) -> Option<PluginDigest> {
        blake3::Hash::from_hex(hex).ok().map(PluginDigest)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_hex().as_str())
    }
}

impl fmt::Debug for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginDigest({self})")
    }
}

/// A plugin, ready. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(super) shared: Arc<Loaded>,
    pub(super) observer: Option<Observer>,
}

pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) digest: PluginDigest,
    /// Where its bytes are.
    file: Option<PathBuf>,
    pub(super) pre: InstancePre<Sandbox>,
    pub(super) exports: Exports,
    pub(super) borders: Borders,
}

impl Loaded {
    fn shared(self) -> Plugin {
        Plugin {
            shared: Arc::new(self),
            observer: None,
        }
    }
}

/// Where the functions of the plugin's kind are.
pub(super) enum Exports {
    PromptBuilder(prompt_builder::GuestIndices),
    Scorer(scorer::GuestIndices),
    Provider(
        Box<provider::GuestIndices>,
        Option<Box<batch::GuestIndices>>,
    ),
}

impl Plugin {
    /// Reads a component's file. Its name is the file's stem.
    ///
    /// # Errors
    /// Where the file cannot be read, or is no plugin.
    pub fn from_file(engine: &Engine, path: &Path) -> Result<Plugin, LoadError> {
        let bytes = read(path)?;
        let name = path.file_stem().map_or_else(
            || path.display().to_string(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        let mut plugin = Plugin::made(engine, &name, &bytes, PluginDigest::of(&bytes))?;
        plugin.file = std::path::absolute(path).ok();
        Ok(plugin.shared())
    }

    /// The component that stands for a word, and no other than that. Its file is only read where its code is not kept.
    ///
    /// # Errors
    /// As [`Plugin::from_file`], and where the file is another one by now.
    pub fn from_component(engine: &Engine, component: &Known) -> Result<Plugin, LoadError> {
        let Known { name, file, digest } = component;
        let digest = PluginDigest(blake3::Hash::from_bytes(*digest));
        let mut plugin = match Plugin::compiled_earlier(engine, name, digest)? {
            Some(plugin) => plugin,
            None => Plugin::made(engine, name, &read_known(file, &digest)?, digest)?,
        };
        plugin.file = std::path::absolute(file).ok();
        Ok(plugin.shared())
    }

    /// Takes a component's bytes.
    ///
    /// # Errors
    /// Where they are no plugin.
    pub fn from_bytes(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        Plugin::made(engine, name, bytes, PluginDigest::of(bytes)).map(Loaded::shared)
    }

    /// `digest` is that of the bytes.
    fn made(
        engine: &Engine,
        name: &str,
        bytes: &[u8],
        digest: PluginDigest,
    ) -> Result<Loaded, LoadError> {
        if let Some(loaded) = Plugin::compiled_earlier(engine, name, digest)? {
            return Ok(loaded);
        }
        let role = scan(name, bytes)?.role;
        let component = compile(engine, name, &digest, role, bytes)?;
        Plugin::linked(engine, name, digest, &component, role)
    }

    fn compiled_earlier(
        engine: &Engine,
        name: &str,
        digest: PluginDigest,
    ) -> Result<Option<Loaded>, LoadError> {
        let earlier = compiled::earlier(engine, &digest);
        earlier
            .map(|(component, role)| Plugin::linked(engine, name, digest, &component, role))
            .transpose()
    }

    fn linked(
        engine: &Engine,
        name: &str,
        digest: PluginDigest,
        component: &Component,
        role: Role,
    ) -> Result<Loaded, LoadError> {
        let (pre, exports) = link(engine, name, component, role)?;
        Ok(Loaded {
            engine: engine.clone(),
            name: name.into(),
            digest,
            file: None,
            pre,
            exports,
            borders: match role.composed {
                true => Borders::Inside,
                false => Borders::Outside,
            },
        })
    }

    /// The component's bytes, read again: they are not kept in memory. `None` where they came from elsewhere than a file
    /// or this program.
    ///
    /// # Errors
    /// Where the file cannot be read, or is another one by now.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, LoadError> {
        let Loaded {
            name, digest, file, ..
        } = &*self.shared;
        let Some(file) = file else {
            let own = builtin::bytes(name).filter(|bytes| PluginDigest::of(bytes) == *digest);
            return Ok(own.map(<[u8]>::to_vec));
        };
        read_known(file, digest).map(Some)
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The plugin's identity.
    #[must_use]
    pub fn digest(&self) -> PluginDigest {
        self.shared.digest
    }

    /// What the plugin does.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.shared.exports {
            Exports::PromptBuilder(_) => Kind::PromptBuilder,
            Exports::Scorer(_) => Kind::Scorer,
            Exports::Provider(..) => Kind::Provider,
        }
    }

    /// Whether it is a provider that takes batches.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        matches!(self.shared.exports, Exports::Provider(_, Some(_)))
    }

    /// This plugin, if it is of the kind that `place` needs.
    ///
    /// # Errors
    /// [`LoadError::WrongKind`].
    pub fn expect(self, needed: Kind, place: &str) -> Result<Plugin, LoadError> {
        if self.kind() == needed {
            return Ok(self);
        }
        Err(LoadError::WrongKind {
            name: self.name().into(),
            found: self.kind(),
            needed,
            place: place.into(),
        })
    }
}

/// The bytes of a component's file, read once.
///
/// # Errors
/// Where it cannot be read, or is larger than any plugin.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |cause| LoadError::Read {
        path: path.into(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > SIZE_LIMIT {
        return Err(LoadError::Size {
            name: path.display().to_string(),
            bytes: size,
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(SIZE_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// The bytes of a component's file that was looked at before.
///
/// # Errors
/// As [`read`], and where it is another one by now.
pub fn read_known(path: &Path, digest: &PluginDigest) -> Result<Vec<u8>, LoadError> {
    let bytes = read(path)?;
    if PluginDigest::of(&bytes) == *digest {
        return Ok(bytes);
    }
    Err(LoadError::Changed { path: path.into() })
}

/// Validated first: the compiler's own words are about wasmtime's internals.
fn compile(
    engine: &Engine,
    name: &str,
    digest: &PluginDigest,
    role: Role,
    bytes: &[u8],
) -> Result<Component, LoadError> {
    validate(name, bytes)?;
    let compile = || compiled::component(engine, digest, role, bytes);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(compile))
        .map_err(|_| compile_error(name, "the compiler gave up on it"))?
        .map_err(|e| compile_error(name, &format!("{e:#}")))
}

fn compile_error(name: &str, what: &str) -> LoadError {
    LoadError::Compile {
        name: name.into(),
        what: what.into(),
    }
}

fn link(
    engine: &Engine,
    name: &str,
    component: &Component,
    role: Role,
) -> Result<(InstancePre<Sandbox>, Exports), LoadError> {
    let fails = |error: wasmtime::Error| LoadError::Link {
        name: name.into(),
        what: explain(&format!("{error:#}")),
    };
    let mut linker = engine.linker().clone();
    absent::define(engine.wasmtime(), &mut linker, component).map_err(fails)?;
    let pre = linker.instantiate_pre(component).map_err(fails)?;
    fit::check(engine.wasmtime(), component, role).map_err(|what| LoadError::Link {
        name: name.into(),
        what: format!("{what}; build it against this version's wit folder"),
    })?;
    let exports = match role.kind {
        Kind::PromptBuilder => prompt_builder::GuestIndices::new(&pre).map(Exports::PromptBuilder),
        Kind::Scorer => scorer::GuestIndices::new(&pre).map(Exports::Scorer),
        Kind::Provider => {
            let batch = role
                .batch
                .then(|| batch::GuestIndices::new(&pre).map(Box::new))
                .transpose()
                .map_err(fails)?;
            provider::GuestIndices::new(&pre)
                .map(|provider| Exports::Provider(Box::new(provider), batch))
        }
    };
    Ok((pre, exports.map_err(fails)?))
}

/// wasmtime names the import or the function; what to do about it is ours to say.
fn explain(text: &str) -> String {
    let advice = if text.contains("wasi:http") {
        "; plugins have no network: rebuild without it (componentize-js: `--disable http fetch-event`)"
    } else if text.contains("component model async") || text.contains("async") {
        "; plugins are synchronous: rebuild with your tool's option for that"
    } else if text.contains("wasi:") {
        "; plugins get only the WASI 0.2 interfaces of `wasi:cli/imports`"
    } else if text.contains("xhost:plugin") {
        "; build it against this version's wit folder"
    } else {
        ""
    };
    format!("{text}{advice}")
}
