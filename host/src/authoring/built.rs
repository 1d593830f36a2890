//! Components of bare `.py` and `.js` files, built once and kept by content: the file's bytes, the SDK around them, and
//! the contract. The folder is its owner's alone. A component is held against its digest whenever it is read; whether it is
//! still the file that was written is told by the file system, so that a run which has its compiled code need not read it.

use super::build::{BuildError, build};
use super::embedded::{JS_SDK, PYTHON_SDK, WIT};
use super::source::{Script, Source, SourceError};
use crate::machine::private_folder;
use crate::plugin::PluginDigest;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Changes when the way of building does.
const RECIPE: &str = "xhost built v1: componentize-py 0.25.1, jco 1.35.0 qjs";

/// Where an author's things are.
#[derive(Clone, Debug, Default)]
pub struct Workshop {
    /// Components of bare files; `None` where there is no home to keep them in.
    pub built: Option<PathBuf>,
    /// Compilers that xhost looks for first.
    pub tools: Option<PathBuf>,
    /// Cargo's folder: its path is kept out of components.
    pub cargo_home: Option<PathBuf>,
}

/// A bare file's component.
#[derive(Debug)]
pub struct Built {
    /// Where it is.
    pub file: PathBuf,
    /// What it was when it was built. Whoever reads the file holds it against this.
    pub digest: PluginDigest,
}

impl Workshop {
    /// The component of a bare file, built unless its like was built before. `said` is called before a build, which
    /// takes seconds. The component's file has the script's name.
    ///
    /// # Errors
    /// Where the file is no plugin, or cannot be built.
    pub fn component(&self, file: &Path, said: impl FnOnce(&str)) -> Result<Built, ScriptError> {
        let source = Source::find(file)?;
        let Source::Script(script) = &source else {
            return Err(SourceError::Extension(file.into()).into());
        };
        let built = self
            .built
            .as_deref()
            .filter(|folder| private_folder(folder));
        let built = built.ok_or(ScriptError::NoCache)?;
        let folder = built.join(key(script));
        let component = folder.join(format!("{}.wasm", script.stem()));
        if let Some(digest) = known(&component) {
            return Ok(Built {
                file: component,
                digest,
            });
        }
        said(&format!(
            "building {} (once: the component is kept)",
            file.display()
        ));
        let failed = |cause| ScriptError::Keep {
            path: folder.clone(),
            cause,
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        let fresh = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
        build(
            &source,
            self.tools.as_deref(),
            self.cargo_home.as_deref(),
            fresh.path(),
        )?;
        let bytes = fs::read(fresh.path()).map_err(failed)?;
        let digest = PluginDigest::of(&bytes);
        fresh
            .persist(&component)
            .map_err(|error| failed(error.error))?;
        // The seal goes last: a component without one is not used.
        seal(&component, &digest).map_err(failed)?;
        Ok(Built {
            file: component,
            digest,
        })
    }
}

/// A bare file gives no component.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is no plugin.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nowhere to keep it.
    #[error(
        "there is no folder of your own to keep built plugins in: set HOME or XDG_CACHE_HOME (its folder xhost/built must be \
         yours, with mode 0700), or build the file with `xhost plugin build FILE` and give the .wasm"
    )]
    NoCache,
    /// The disk refuses.
    #[error("cannot keep the built plugin in {path}: {cause}", path = path.display())]
    Keep {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        cause: std::io::Error,
    },
}

/// Everything that a component follows from.
fn key(script: &Script) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(RECIPE);
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(format!("{:?}", script.language).as_bytes());
    // Tracebacks name the file.
    add(script.stem().as_bytes());
    add(script.text.as_bytes());
    for (name, text) in WIT.iter().chain(PYTHON_SDK).chain(JS_SDK) {
        add(name.as_bytes());
        add(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The digest of a component that was built before, if it still is what was built: the same file, untouched, or else the
/// same bytes.
fn known(component: &Path) -> Option<PluginDigest> {
    let sealed = fs::read_to_string(seal_file(component)).ok()?;
    let (digest, stamp) = sealed.trim_end().split_once(' ')?;
    let digest = PluginDigest::from_hex(digest)?;
    if stamp == self::stamp(component).ok()? {
        return Some(digest);
    }
    let bytes = crate::plugin::read(component).ok()?;
    if PluginDigest::of(&bytes) != digest {
        return None;
    }
    // A cache that was copied, say. Where it cannot be sealed again, it is read each time.
    seal(component, &digest).ok();
    Some(digest)
}

fn seal(component: &Path, digest: &PluginDigest) -> std::io::Result<()> {
    let folder = component.parent().unwrap_or(Path::new("."));
    let mut seal = tempfile::NamedTempFile::new_in(folder)?;
    write!(seal, "{digest} {}", stamp(component)?)?;
    seal.persist(seal_file(component))?;
    Ok(())
}

/// Which file it is, and when it last changed: no program writes to a file without the system's clock going along.
fn stamp(file: &Path) -> std::io::Result<String> {
    let of = fs::symlink_metadata(file)?;
    Ok(format!(
        "{}:{} {} bytes, changed {}.{:09}",
        of.dev(),
        of.ino(),
        of.len(),
        of.ctime(),
        of.ctime_nsec()
    ))
}

fn seal_file(component: &Path) -> PathBuf {
    component.with_extension("seal")
}
