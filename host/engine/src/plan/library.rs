//! Which plugin a word means: a name is one given on the command line or under `plugins:`, else a built-in one; a file, a
//! URL or an artifact is the component that stands for it. Each is loaded once. Fetches nothing.

use super::PlanError;
use super::schema::Schema;
use crate::experiment::{Component, Experiment, PluginWord};
use crate::plugin::{Engine, Kind, LoadError, Params, Plugin, builtin};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The plugins of one experiment.
pub struct Library {
    engine: Engine,
    folder: PathBuf,
    components: BTreeMap<PluginWord, Component>,
    given: BTreeMap<String, Plugin>,
    loaded: BTreeMap<String, Plugin>,
    used: BTreeSet<String>,
    schemas: BTreeMap<[u8; 32], Schema>,
}

impl Library {
    /// No plugin but the built-in ones.
    #[must_use]
    pub fn empty(engine: &Engine) -> Library {
        Library {
            engine: engine.clone(),
            folder: PathBuf::new(),
            components: BTreeMap::new(),
            given: BTreeMap::new(),
            loaded: BTreeMap::new(),
            used: BTreeSet::new(),
            schemas: BTreeMap::new(),
        }
    }

    /// Loads the plugins that the experiment gives, all at once: compiling one takes seconds.
    ///
    /// # Errors
    /// Where one is no plugin, or two have the same name.
    pub fn new(engine: &Engine, experiment: &Experiment) -> Result<Library, PlanError> {
        let mut library = Library {
            folder: experiment.folder.clone(),
            components: experiment.components.clone(),
            ..Library::empty(engine)
        };
        let loaded: Vec<_> = std::thread::scope(|scope| {
            let library = &library;
            let load = |word| scope.spawn(move || library.load(word));
            let loading: Vec<_> = experiment.plugins.iter().map(load).collect();
            loading.into_iter().map(|thread| thread.join()).collect()
        });
        for (result, word) in loaded.into_iter().zip(&experiment.plugins) {
            let gone =
                |_| PlanError::Settings(format!("loading {} failed in the host", shown(word)));
            library.give(result.map_err(gone)??, word)?;
        }
        Ok(library)
    }

    fn give(&mut self, plugin: Plugin, word: &PluginWord) -> Result<(), PlanError> {
        let name = plugin.name().to_owned();
        let digest = plugin.digest();
        let earlier = self.given.insert(name.clone(), plugin);
        if earlier.is_some_and(|earlier| earlier.digest() != digest) {
            return Err(PlanError::Settings(format!(
                "two plugins are named `{name}`: rename the file {}, or name it where it is used, such as \
                 `scorers: [{{plugin: {}, name: other}}]`",
                shown(word),
                shown(word)
            )));
        }
        Ok(())
    }

    /// The plugin that a setting names, of the kind that `place` needs.
    ///
    /// # Errors
    /// Where there is none, or it is of another kind.
    pub fn get(&mut self, word: &str, kind: Kind, place: &str) -> Result<Plugin, PlanError> {
        self.used.insert(word.to_owned());
        if let Some(plugin) = self.given.get(word) {
            return Ok(plugin.clone().expect(kind, place)?);
        }
        if let Some(plugin) = self.loaded.get(word) {
            return Ok(plugin.clone().expect(kind, place)?);
        }
        let plugin = self.load(&PluginWord::read(word, &self.folder))?;
        self.used.insert(plugin.name().to_owned());
        self.loaded.insert(word.to_owned(), plugin.clone());
        Ok(plugin.expect(kind, place)?)
    }

    fn load(&self, word: &PluginWord) -> Result<Plugin, LoadError> {
        if let Some(component) = self.components.get(word) {
            return Plugin::from_component(&self.engine, component);
        }
        match word {
            PluginWord::Name(name) => builtin::load(&self.engine, name),
            PluginWord::File(path) => Plugin::from_file(&self.engine, path),
            PluginWord::Url(text) | PluginWord::Image(text) => {
                Err(LoadError::NotHere { word: text.clone() })
            }
        }
    }

    /// Holds parameters against the plugin's schema; `place` is where they stand, such as `scorers.0.params`.
    ///
    /// # Errors
    /// Where they do not fit, or the plugin has no usable schema.
    pub async fn check(
        &mut self,
        plugin: &Plugin,
        params: &Params,
        place: &str,
    ) -> Result<(), PlanError> {
        let identity = *plugin.digest().as_bytes();
        let schema = match self.schemas.entry(identity) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Schema::of(plugin, place).await?),
        };
        schema.check(params, plugin, place)
    }

    /// Scorers that were given and that a config does not name: `xhost run --plugin scorer.wasm` means to use them.
    #[must_use]
    pub fn further_scorers(&self, named: &[&str]) -> Vec<String> {
        let further = |(name, plugin): &(&String, &Plugin)| {
            plugin.kind() == Kind::Scorer && !named.contains(&name.as_str())
        };
        self.given
            .iter()
            .filter(further)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// A plugin that was given and does nothing is a mistake.
    ///
    /// # Errors
    /// Names the first such plugin and how to use it.
    pub fn refuse_unused(&self) -> Result<(), PlanError> {
        let Some((name, plugin)) = self
            .given
            .iter()
            .find(|(name, _)| !self.used.contains(*name))
        else {
            return Ok(());
        };
        let how = match plugin.kind() {
            Kind::PromptBuilder => {
                format!("`prompt: {{plugin: {name}}}` in the experiment, or `prompt.plugin={name}`")
            }
            Kind::Scorer => format!("`scorers: [{name}]` in the experiment"),
            Kind::Provider => {
                format!("`model: {name}/MODEL` in the experiment, or `--model {name}/MODEL`")
            }
        };
        Err(PlanError::Settings(format!(
            "the {} `{name}` was given, but nothing uses it: write {how}",
            plugin.kind()
        )))
    }
}

fn shown(word: &PluginWord) -> String {
    match word {
        PluginWord::File(path) => path.display().to_string(),
        PluginWord::Name(text) | PluginWord::Url(text) | PluginWord::Image(text) => text.clone(),
    }
}
