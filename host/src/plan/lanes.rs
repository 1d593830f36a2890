//! Which model at which address. A lane belongs to an account and a model, so one is made for each in the whole process,
//! whatever the number of configs and experiments.

use super::PlanError;
use super::library::Library;
use crate::experiment;
use crate::http::{Http, Settings as HttpSettings, Transport};
use crate::lane::{Lane, Settings};
use crate::plugin::{Kind, Params, Provider};
use crate::request::{Endpoint, Wishes};
use crate::secret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How calls travel.
#[derive(Clone)]
pub enum Network {
    /// To the providers.
    Real,
    /// To a simulator on this machine, whatever the address; without credentials.
    Rehearsal(SocketAddr),
    /// To a test.
    Scripted(Arc<dyn Transport>),
}

/// The lanes of a process.
pub struct Lanes {
    network: Network,
    concurrency: Option<usize>,
    known: Vec<(Identity, Arc<Lane>)>,
}

/// What makes two models the same account and model.
#[derive(PartialEq)]
struct Identity {
    plugin: [u8; 32],
    params: Params,
    model: String,
    base_url: Option<String>,
    key_variable: Option<String>,
    endpoint: Option<String>,
}

impl Lanes {
    /// No lane yet. `concurrency` overrides what experiments say.
    #[must_use]
    pub fn new(network: Network, concurrency: Option<usize>) -> Lanes {
        Lanes { network, concurrency, known: Vec::new() }
    }

    /// The lane for a model as written.
    ///
    /// # Errors
    /// Where the provider refuses its parameters, or the address is none, or two configs set different limits for it.
    pub async fn lane(
        &mut self,
        model: &experiment::Model,
        params: Params,
        limits: &experiment::Limits,
        library: &mut Library,
        place: &str,
    ) -> Result<Arc<Lane>, PlanError> {
        let plugin = library.get(&model.provider, Kind::Provider, &format!("{place}.provider"))?;
        let identity = Identity {
            plugin: *plugin.digest().as_bytes(),
            params: Arc::clone(&params),
            model: model.name.clone(),
            base_url: model.base_url.clone(),
            key_variable: model.key_variable.clone(),
            endpoint: model.endpoint.clone(),
        };
        let settings = settings(limits, self.concurrency);
        if let Some((_, lane)) = self.known.iter().find(|(known, _)| *known == identity) {
            return same_limits(lane, &settings, &model.name).map(|()| Arc::clone(lane));
        }
        let provider = Provider { plugin, params };
        let profile = provider.describe().await;
        let profile = profile.map_err(|failure| PlanError::Refused { place: place.into(), failure })?;
        let endpoint = self.endpoint(model, &profile)?;
        let transport = self.transport(&settings, limits)?;
        let name = Arc::from(model.name.as_str());
        let lane = Arc::new(Lane::new(provider, profile, endpoint, name, settings, transport));
        self.known.push((identity, Arc::clone(&lane)));
        Ok(lane)
    }

    /// All lanes so far.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.known.iter().map(|(_, lane)| lane)
    }

    fn endpoint(
        &self,
        model: &experiment::Model,
        profile: &crate::plugin::bindings::provider::Profile,
    ) -> Result<Endpoint, PlanError> {
        let variable = profile.base_url_variable.as_deref();
        let wishes = Wishes {
            base_url: model.base_url.clone(),
            key_variable: model.key_variable.clone(),
            name: model.endpoint.clone(),
            environment: variable.and_then(secret::base_url_from_environment),
        };
        let endpoint = Endpoint::new(profile, &wishes)?;
        Ok(match self.network {
            Network::Rehearsal(simulator) => endpoint.simulated_at(simulator),
            Network::Real | Network::Scripted(_) => endpoint,
        })
    }

    fn transport(&self, settings: &Settings, limits: &experiment::Limits) -> Result<Arc<dyn Transport>, PlanError> {
        if let Network::Scripted(transport) = &self.network {
            return Ok(Arc::clone(transport));
        }
        let connect_timeout = limits.connect_timeout.map_or(Duration::from_secs(10), |span| span.0);
        let http = Http::new(HttpSettings { concurrency: settings.concurrency, connect_timeout });
        http.map(|http| Arc::new(http) as Arc<dyn Transport>).map_err(PlanError::Settings)
    }
}

/// The limits that hold where the experiment says nothing.
fn settings(limits: &experiment::Limits, concurrency: Option<usize>) -> Settings {
    let experiment::Limits { concurrency: written, requests_per_minute, tokens_per_minute, retries, timeout, connect_timeout: _ } =
        limits;
    Settings {
        concurrency: concurrency.or(written.map(|limit| limit as usize)).unwrap_or(20),
        requests_per_minute: *requests_per_minute,
        tokens_per_minute: *tokens_per_minute,
        retries: retries.unwrap_or(6),
        timeout: timeout.map_or(Duration::from_secs(600), |span| span.0),
    }
}

fn same_limits(lane: &Lane, settings: &Settings, model: &str) -> Result<(), PlanError> {
    if lane.settings() == settings {
        return Ok(());
    }
    Err(PlanError::Settings(format!(
        "two configs set different `limits` for the model `{model}`: limits belong to the account, so set them alike"
    )))
}
