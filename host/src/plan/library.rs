//! Which plugin a name means: one given on the command line or under `plugins:` by the stem of its file, else a built-in
//! one. Each is loaded once.

use super::PlanError;
use super::schema::Schema;
use crate::plugin::{Engine, Kind, Params, Plugin, builtin};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The plugins of one experiment.
pub struct Library {
    engine: Engine,
    given: BTreeMap<String, Plugin>,
    loaded: BTreeMap<String, Plugin>,
    used: BTreeSet<String>,
    schemas: BTreeMap<[u8; 32], Schema>,
}

impl Library {
    /// Loads the given files, all at once: compiling one takes seconds.
    ///
    /// # Errors
    /// Where one is no plugin, or two have the same name.
    pub fn new(engine: &Engine, files: &[PathBuf]) -> Result<Library, PlanError> {
        let loaded: Vec<_> = std::thread::scope(|scope| {
            let loading: Vec<_> = files
                .iter()
                .map(|file| scope.spawn(|| Plugin::from_file(engine, file)))
                .collect();
            loading.into_iter().map(|thread| thread.join()).collect()
        });
        let mut given = BTreeMap::new();
        for (result, file) in loaded.into_iter().zip(files) {
            let gone =
                |_| PlanError::Settings(format!("loading {} failed in the host", file.display()));
            let plugin = result.map_err(gone)??;
            let name = plugin.name().to_owned();
            let digest = plugin.digest();
            let earlier = given.insert(name.clone(), plugin);
            if earlier.is_some_and(|earlier| earlier.digest() != digest) {
                let message = format!(
                    "two plugins are named `{name}`: rename the file {}",
                    file.display()
                );
                return Err(PlanError::Settings(message));
            }
        }
        Ok(Library {
            engine: engine.clone(),
            given,
            loaded: BTreeMap::new(),
            used: BTreeSet::new(),
            schemas: BTreeMap::new(),
        })
    }

    /// The plugin of this name, of the kind that `place` needs.
    ///
    /// # Errors
    /// Where there is none, or it is of another kind.
    pub fn get(&mut self, name: &str, kind: Kind, place: &str) -> Result<Plugin, PlanError> {
        self.used.insert(name.to_owned());
        if let Some(plugin) = self.given.get(name) {
            return Ok(plugin.clone().expect(kind, place)?);
        }
        if !self.loaded.contains_key(name) {
            let plugin = builtin::load(&self.engine, name)?;
            self.loaded.insert(name.to_owned(), plugin);
        }
        match self.loaded.get(name) {
            Some(plugin) => Ok(plugin.clone().expect(kind, place)?),
            None => Err(PlanError::Settings(format!("the plugin `{name}` is gone"))),
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

    /// Scorers that were given and that no config names: `xhost run --plugin scorer.wasm` means to use them.
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
