//! The plugins that experiments name, made ready before any plan: built, fetched where they are not kept yet, and held
//! against `xhost.lock`. A pinned plugin that is kept needs no network. The only way by which a run reaches a registry.

use super::{Exit, Failure, places};
use crate::authoring::Source;
use crate::experiment::{Component, Experiment, PluginWord, short_name};
use crate::http::{Http, Settings};
use crate::pins::{self, Lock, Mode, Pin, PinError, Place, Settled};
use crate::plugin::PluginDigest;
use crate::registry::{
    Address, Expected, Fetched, ImageName, Outside, Plain, RemoteError, Shelf, fetch_file,
    fetch_image,
};
use crate::secret::{NamedBy, registry_login};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How plugins are pinned and fetched.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Pinning {
    /// Take what plugins are by now, instead of what xhost.lock pins: all, or those of this name; repeatable
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    update: Vec<String>,
    /// Take only plugins that xhost.lock pins, and write nothing
    #[arg(long, conflicts_with = "update")]
    locked: bool,
    /// Registry or host to fetch plugins from without encryption, as this machine's own is; repeatable
    #[arg(long, value_name = "HOST")]
    insecure: Vec<String>,
}

impl Pinning {
    /// A run that goes on takes what it began with.
    pub(super) fn forget_updates(&mut self) {
        self.update.clear();
    }

    fn mode(&self) -> Mode {
        match (self.locked, self.update.as_slice()) {
            (true, _) => Mode::Locked,
            (false, []) => Mode::Add,
            (false, names) if names.iter().any(String::is_empty) => Mode::Update(Vec::new()),
            (false, names) => Mode::Update(names.to_vec()),
        }
    }
}

/// Makes every plugin of the experiments ready, and writes the lock files that changed.
pub(super) async fn gather(
    experiments: &mut [Experiment],
    pinning: &Pinning,
) -> Result<(), Failure> {
    let mut gathering = Gathering {
        mode: pinning.mode(),
        plain: Plain::and(&pinning.insecure),
        http: Http::new(Settings::new(Duration::from_secs(10))),
        locks: BTreeMap::new(),
        names: BTreeSet::new(),
    };
    for experiment in experiments {
        for word in words(experiment) {
            if let Some(component) = gathering.component(experiment, &word).await? {
                experiment.components.insert(word, component);
            }
        }
    }
    gathering.finish()
}

/// Every word that names a plugin, each once.
fn words(experiment: &Experiment) -> BTreeSet<PluginWord> {
    let read = |word: &String| PluginWord::read(word, &experiment.folder);
    let mut words: BTreeSet<PluginWord> = experiment.plugins.iter().cloned().collect();
    for cell in &experiment.cells {
        let settings = &cell.settings;
        words.insert(read(&settings.prompt.plugin));
        words.extend(settings.scorers.iter().map(|scorer| read(&scorer.plugin)));
        let models = settings.models.values().chain([&settings.model]);
        words.extend(models.map(|model| read(&model.provider)));
    }
    words
}

struct Gathering {
    mode: Mode,
    plain: Plain,
    http: Http,
    locks: BTreeMap<PathBuf, Open>,
    /// Every name and short name so far: what `--update` may name.
    names: BTreeSet<String>,
}

/// A lock file, and what happened to it.
#[derive(Default)]
struct Open {
    lock: Lock,
    /// Something is to be written.
    changed: bool,
    /// A plugin from elsewhere has its only pin here.
    needed: bool,
}

impl Gathering {
    async fn component(
        &mut self,
        experiment: &Experiment,
        word: &PluginWord,
    ) -> Result<Option<Component>, Failure> {
        let folder = match &experiment.file {
            Some(_) => experiment.folder.clone(),
            None => PathBuf::from("."),
        };
        let path = folder.join(pins::FILE);
        if !self.locks.contains_key(&path) && !matches!(word, PluginWord::Name(_)) {
            let lock = Lock::read(&path).map_err(Failure::wrong)?;
            let open = Open {
                lock,
                ..Open::default()
            };
            self.locks.insert(path.clone(), open);
        }
        match word {
            PluginWord::Name(_) => Ok(None),
            PluginWord::File(file) => self.file(&path, &folder, file).map(Some),
            PluginWord::Url(text) => self.url(&path, text).await.map(Some),
            PluginWord::Image(text) => self.image(&path, text).await.map(Some),
        }
    }

    /// A file of this machine: a component, or a script that is built into one.
    fn file(&mut self, path: &Path, folder: &Path, file: &Path) -> Result<Component, Failure> {
        let digest_of = |file: &Path| {
            let bytes = crate::plugin::read(file).map_err(Failure::wrong)?;
            Ok::<_, Failure>(PluginDigest::of(&bytes))
        };
        let (component, digest, source) = match Source::is_script(file) {
            false => (file.to_owned(), digest_of(file)?, None),
            true => {
                let built = places::workshop()
                    .component(file, |said| eprintln!("{said}"))
                    .map_err(Failure::wrong)?;
                let source = digest_of(file)?.to_string();
                (built.file, built.digest, Some(source))
            }
        };
        let name = relative(file, folder);
        let short = file.file_stem().unwrap_or_default().to_string_lossy();
        let pin = Pin {
            blake3: digest.to_string(),
            manifest: None,
            source,
        };
        self.settle(path, (&name, &short), &pin, Place::Here)?;
        Ok(Component {
            name: short.clone().into_owned(),
            file: component,
            digest: *digest.as_bytes(),
        })
    }

    async fn url(&mut self, path: &Path, text: &str) -> Result<Component, Failure> {
        let address = Address::parse(text)?;
        let short = short_name(text);
        let shelf = shelf()?;
        if let Some(pin) = self.pinned(path, text, short)
            && let Some(kept) = shelf.component(&pin.blake3)
            && matches(address.expected.as_ref(), &pin, &kept.sha256)
        {
            self.remember(text, short);
            return component(short, kept.file, &pin.blake3);
        }
        self.refuse_unpinned(path, text)?;
        eprintln!("fetching {text}");
        let fetched = fetch_file(&self.outside(), &address).await?;
        self.take(path, (text, short), &shelf, &fetched)
    }

    async fn image(&mut self, path: &Path, text: &str) -> Result<Component, Failure> {
        let image = ImageName::parse(text)?;
        let (name, short) = (image.to_string(), short_name(text));
        let shelf = shelf()?;
        let pinned = self.pinned(path, &name, short);
        if let Some(pin) = &pinned
            && let Some(manifest) = &pin.manifest
            && image.digest().is_none_or(|written| written == manifest)
            && let Some(kept) = shelf.artifact(manifest, &pin.blake3)
        {
            self.remember(&name, short);
            return component(short, kept.file, &pin.blake3);
        }
        self.refuse_unpinned(path, &name)?;
        eprintln!("fetching {name}");
        // A tag that moved is told before anything is fetched from behind it.
        let known = |digest: &str| match &pinned {
            Some(pin) if pin.manifest.as_deref() != Some(digest) => {
                let found = Pin {
                    manifest: Some(digest.to_owned()),
                    ..pin.clone()
                };
                let names = (name.as_str(), short);
                Err(Failure::wrong(pins::changed(names, pin, &found)))
            }
            _ => Ok(()),
        };
        let fetched = fetch_image::<Failure>(&self.outside(), &image, known).await?;
        self.take(path, (&name, short), &shelf, &fetched)
    }

    /// What was fetched is pinned, then kept.
    fn take(
        &mut self,
        path: &Path,
        names: (&str, &str),
        shelf: &Shelf,
        fetched: &Fetched,
    ) -> Result<Component, Failure> {
        let digest = fetched.digest().to_string();
        let pin = Pin {
            blake3: digest.clone(),
            manifest: fetched.manifest_digest(),
            source: None,
        };
        self.settle(path, names, &pin, Place::Elsewhere)?;
        let kept = shelf.keep(fetched).map_err(|cause| {
            let message = format!("cannot keep {}: {cause}", names.0);
            Failure::new(Exit::Disk, message)
        })?;
        component(names.1, kept.file, &digest)
    }

    /// The pin that holds: none, where the user wants what is there now.
    fn pinned(&self, path: &Path, name: &str, short: &str) -> Option<Pin> {
        let pin = self.locks.get(path)?.lock.get(name)?;
        (!self.mode.renews(name, short)).then(|| pin.clone())
    }

    /// What would be refused anyway is not fetched.
    fn refuse_unpinned(&self, path: &Path, name: &str) -> Result<(), Failure> {
        let known = self
            .locks
            .get(path)
            .is_some_and(|open| open.lock.get(name).is_some());
        match self.mode == Mode::Locked && !known {
            true => Err(Failure::wrong(PinError::Unpinned { name: name.into() })),
            false => Ok(()),
        }
    }

    fn settle(
        &mut self,
        path: &Path,
        (name, short): (&str, &str),
        pin: &Pin,
        place: Place,
    ) -> Result<(), Failure> {
        self.remember(name, short);
        let open = self.locks.entry(path.to_owned()).or_default();
        let before = open.lock.get(name).cloned();
        let settled = open.lock.settle(&self.mode, (name, short), pin, place);
        let settled = settled.map_err(Failure::wrong)?;
        if settled == Settled::Changed
            && let Some(before) = before
        {
            eprintln!(
                "warning: {name} is another one than {} had ({} then, {} now): it is pinned anew",
                path.display(),
                &before.blake3[..12],
                &pin.blake3[..12]
            );
        }
        open.changed |= settled != Settled::Same;
        // A digest in the word itself pins as well.
        let written = name.contains("@sha256:") || name.contains('#');
        open.needed |= settled != Settled::Same && place == Place::Elsewhere && !written;
        Ok(())
    }

    fn remember(&mut self, name: &str, short: &str) {
        self.names.extend([name.to_owned(), short.to_owned()]);
    }

    fn outside(&self) -> Outside<'_> {
        Outside {
            transport: &self.http,
            plain: &self.plain,
            login: &|registry| registry_login(registry, NamedBy::Experiment),
            told: &|_, _| {},
        }
    }

    /// Refuses what `--update` names and nobody uses, and writes.
    fn finish(self) -> Result<(), Failure> {
        if let Mode::Update(names) = &self.mode
            && let Some(unknown) = names.iter().find(|name| !self.names.contains(*name))
        {
            let known: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
            return Err(Failure::wrong(format!(
                "`--update={unknown}`: no plugin of these experiments has that name; pinned are {}",
                if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                }
            )));
        }
        for (path, open) in self.locks.iter().filter(|(_, open)| open.changed) {
            match open.lock.write(path) {
                Ok(()) => {}
                Err(error) if open.needed => {
                    let message = format!(
                        "{error}: the plugins from elsewhere cannot be pinned; write their digests into the experiment, \
                         NAME:TAG@sha256:…, or make the folder writable"
                    );
                    return Err(Failure::new(Exit::Disk, message));
                }
                Err(error) => eprintln!("warning: {error}: plugins are not pinned there"),
            }
        }
        Ok(())
    }
}

fn component(name: &str, file: PathBuf, blake3: &str) -> Result<Component, Failure> {
    let digest = blake3::Hash::from_hex(blake3).map_err(Failure::wrong)?;
    Ok(Component {
        name: name.into(),
        file,
        digest: *digest.as_bytes(),
    })
}

/// Whether what is kept is what the URL says.
fn matches(expected: Option<&Expected>, pin: &Pin, sha256: &str) -> bool {
    match expected {
        Some(Expected::Blake3(hex)) => *hex == pin.blake3,
        Some(Expected::Sha256(hex)) => sha256.strip_prefix("sha256:") == Some(hex),
        None => false,
    }
}

fn shelf() -> Result<Shelf, Failure> {
    let folder = places::fetched().ok_or_else(|| {
        Failure::wrong(
            "there is no folder of your own to keep plugins in: set HOME or XDG_CACHE_HOME",
        )
    })?;
    Shelf::open(&folder)
        .map_err(|cause| Failure::new(Exit::Disk, format!("{}: {cause}", folder.display())))
}

/// A file's name in the lock: relative to its folder where it lies below, with nothing that means nothing.
fn relative(file: &Path, folder: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let below = absolute(file)
        .zip(absolute(folder))
        .and_then(|(file, folder)| Some(file.strip_prefix(folder).ok()?.to_owned()));
    let name = below.unwrap_or_else(|| file.to_owned());
    let parts = name.components();
    let parts = parts.filter(|part| *part != std::path::Component::CurDir);
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Failure {
        let exit = match &error {
            RemoteError::Transport { .. } | RemoteError::Slow { .. } => Exit::Unreachable,
            RemoteError::Denied { .. } => Exit::Credential,
            _ => Exit::Wrong,
        };
        Failure::new(exit, error)
    }
}
