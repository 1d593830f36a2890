//! Which plugins the experiments of a folder use: `xhost.lock`, as Cargo and uv keep one. A plugin from elsewhere that is
//! another one by now is refused until the user says `--update`; a file on this machine is its author's to change, so it is
//! told and pinned anew, and `--locked` refuses that too.
//!
//! Pure but for reading and writing the file. Called by the command line, before plans are made.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE: &str = "xhost.lock";

const VERSION: u32 = 1;

/// A folder's experiments name a handful of plugins.
const LENGTH: u64 = 1 << 20;

const HEAD: &str = "\
# Written by xhost: the plugins that this folder's experiments use. Keep it with them; `--update` takes newer plugins.
";

/// The pins of a folder, by the plugins' names as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pins: BTreeMap<String, Pin>,
}

/// What a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The component's blake3, in hex.
    pub blake3: String,
    /// Its manifest's digest, `sha256:…`, where it comes from a registry.
    pub manifest: Option<String>,
    /// The blake3 of the file that it is built from, where it is built here.
    pub source: Option<String>,
}

/// What may be done to the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// New plugins are pinned, and none is replaced.
    Add,
    /// Nothing is written.
    Locked,
    /// These are replaced, by their names or their short ones; all, where none is named.
    Update(Vec<String>),
}

/// Where a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a registry or at a URL.
    Elsewhere,
    /// On this machine.
    Here,
}

/// What became of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is as it was.
    Same,
    /// There was none.
    New,
    /// The user wanted another.
    Updated,
    /// A file on this machine changed.
    Changed,
}

/// A plugin is not the pinned one, or not pinned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It changed under its name.
    #[error(
        "{name} is another plugin than {FILE} pins:\n  pinned {pinned}\n  found  {found}\nif the new one is meant, say so: \
         `--update={short}` for it alone, `--update` for all{keep}"
    )]
    Changed {
        /// Its name.
        name: String,
        /// Its short name.
        short: String,
        /// The digest that is pinned.
        pinned: String,
        /// The digest that is there.
        found: String,
        /// How to keep the old one, after a semicolon, or nothing.
        keep: String,
    },
    /// Nothing may be written.
    #[error(
        "{name} is not pinned, and `--locked` writes nothing: run once without it, and keep {FILE} with the experiment"
    )]
    Unpinned {
        /// Its name.
        name: String,
    },
    /// It changed, on this machine, and nothing may be written.
    #[error(
        "{name} is another plugin than {FILE} pins, and `--locked` holds to it:\n  pinned {pinned}\n  found  {found}"
    )]
    Locked {
        /// Its name.
        name: String,
        /// The digest that is pinned.
        pinned: String,
        /// The digest that is there.
        found: String,
    },
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
    /// It is not what xhost writes.
    #[error("{path} is no lock file of this xhost: {what}; mend it, or take it away to pin everything anew", path = path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    plugin: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    blake3: String,
    manifest: Option<String>,
    source: Option<String>,
}

impl Pin {
    /// The digest that tells two apart for a person: the one that their reference has.
    fn shown(&self, other: &Pin) -> (String, String) {
        let pair = |mine: &Option<String>, theirs: &Option<String>| {
            let (mine, theirs) = (mine.as_ref()?, theirs.as_ref()?);
            (mine != theirs).then(|| (mine.clone(), theirs.clone()))
        };
        let blake = |hex: &String| format!("blake3:{hex}");
        pair(&self.manifest, &other.manifest)
            .unwrap_or_else(|| (blake(&self.blake3), blake(&other.blake3)))
    }
}

impl Mode {
    /// Whether the pin of this name is to be replaced.
    #[must_use]
    pub fn renews(&self, name: &str, short: &str) -> bool {
        match self {
            Mode::Add | Mode::Locked => false,
            Mode::Update(names) => {
                names.is_empty() || names.iter().any(|wanted| wanted == name || wanted == short)
            }
        }
    }
}

impl Lock {
    /// The pin of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Pin> {
        self.pins.get(name)
    }

    /// Holds what was found against the pin of its name, and pins it where it may.
    ///
    /// # Errors
    /// Where it may not.
    pub fn settle(
        &mut self,
        mode: &Mode,
        (name, short): (&str, &str),
        found: &Pin,
        place: Place,
    ) -> Result<Settled, PinError> {
        let settled = match self.pins.get(name) {
            Some(pinned) if pinned == found => return Ok(Settled::Same),
            Some(_) if mode.renews(name, short) => Settled::Updated,
            Some(pinned) if *mode == Mode::Locked => {
                let (pinned, found) = pinned.shown(found);
                let name = name.into();
                return Err(PinError::Locked {
                    name,
                    pinned,
                    found,
                });
            }
            Some(pinned) if place == Place::Elsewhere => {
                return Err(changed((name, short), pinned, found));
            }
            Some(_) => Settled::Changed,
            None if *mode == Mode::Locked => {
                return Err(PinError::Unpinned { name: name.into() });
            }
            None => Settled::New,
        };
        self.pins.insert(name.into(), found.clone());
        Ok(settled)
    }

    /// Reads a lock file; there is none where there is none.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn read(path: &Path) -> Result<Lock, LockError> {
        let failed = |cause| LockError::Io {
            path: path.into(),
            cause,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(LENGTH)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Lock::parse(&text).map_err(|what| LockError::Text {
            path: path.into(),
            what,
        })
    }

    /// A lock as it is written.
    ///
    /// # Errors
    /// In words, where the text is none.
    pub fn parse(text: &str) -> Result<Lock, String> {
        let Document { version, plugin } =
            toml::from_str(text).map_err(|e| crate::text::plain(e.message()))?;
        if version != VERSION {
            return Err(format!(
                "its version is {version}, and this xhost's is {VERSION}"
            ));
        }
        let mut lock = Lock::default();
        for named in plugin {
            let Named {
                name,
                blake3,
                manifest,
                source,
            } = named;
            let digest = |text: &str| is_digest(text).then_some(()).ok_or(());
            let sound = digest(&blake3)
                .and_then(|()| source.as_deref().map_or(Ok(()), digest))
                .and_then(|()| {
                    let hex = manifest.as_deref().map(|text| text.strip_prefix("sha256:"));
                    hex.map_or(Ok(()), |hex| digest(hex.unwrap_or("")))
                });
            sound.map_err(|()| format!("a digest of `{}` is none", crate::text::plain(&name)))?;
            let pin = Pin {
                blake3,
                manifest,
                source,
            };
            if lock.pins.insert(name.clone(), pin).is_some() {
                return Err(format!(
                    "`{}` stands in it twice",
                    crate::text::plain(&name)
                ));
            }
        }
        Ok(lock)
    }

    /// The file's text: sorted, and the same for the same pins.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}version = {VERSION}\n");
        for (name, pin) in &self.pins {
            let Pin {
                blake3,
                manifest,
                source,
            } = pin;
            let fields = [
                ("name", Some(name)),
                ("blake3", Some(blake3)),
                ("manifest", manifest.as_ref()),
                ("source", source.as_ref()),
            ];
            text.push_str("\n[[plugin]]\n");
            for (key, value) in fields {
                let Some(value) = value else { continue };
                // To write into a text cannot fail.
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        text
    }

    /// Writes the file: whole, or not at all.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let write = || {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let mut fresh = tempfile::Builder::new()
                .permissions(mode_644())
                .tempfile_in(folder)?;
            fresh.write_all(self.text().as_bytes())?;
            fresh.persist(path)?;
            Ok(())
        };
        write().map_err(|cause| LockError::Io {
            path: path.into(),
            cause,
        })
    }
}

/// As any file that one keeps beside an experiment: the user's mask takes away what others may not.
fn mode_644() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// The refusal of a plugin that is not the pinned one.
#[must_use]
pub fn changed((name, short): (&str, &str), pinned: &Pin, found: &Pin) -> PinError {
    let (old, new) = pinned.shown(found);
    let keep = match &pinned.manifest {
        Some(manifest) if *manifest == old => format!(
            "; if the pinned one is meant, write its digest into the experiment: `@{manifest}` after the tag"
        ),
        _ => String::new(),
    };
    PinError::Changed {
        name: name.into(),
        short: short.into(),
        pinned: old,
        found: new,
        keep,
    }
}

/// JSON's way of writing a text is TOML's, but for one character.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007f")
}

fn is_digest(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
