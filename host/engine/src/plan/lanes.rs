//! Which model at which address. A lane belongs to an account and a model, so one is made for each in the whole process,
//! whatever the number of configs and experiments.

use super::PlanError;
use super::library::Library;
use crate::experiment;
use crate::experiment::Experiment;
use crate::http::{Http, Settings as HttpSettings, Transport};
use crate::lane::{Ceiling, Lane, PaceLimits, Road, Settings};
use crate::plugin::bindings::provider::Profile;
use crate::plugin::{Kind, Params, PluginDigest, Provider, builtin};
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
    road: Road,
    known: Vec<(Identity, Arc<Lane>)>,
}

/// Calls in flight at most where no experiment says how many. Each lane finds how many it needs.
const CONCURRENCY: usize = 1_000;

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
    /// No lane yet. The most calls in flight are what `concurrency` says, else the largest that an experiment sets: they
    /// count over the whole process.
    #[must_use]
    pub fn new(network: Network, experiments: &[Experiment], concurrency: Option<usize>) -> Lanes {
        let limits = || {
            experiments
                .iter()
                .flat_map(|one| &one.cells)
                .filter_map(|cell| cell.settings.limits.as_ref())
        };
        let written = limits().filter_map(|limits| limits.concurrency).max();
        let concurrency = concurrency
            .or(written.map(|limit| limit as usize))
            .unwrap_or(CONCURRENCY);
        let connect_timeout = limits()
            .filter_map(|limits| limits.connect_timeout)
            .map(|span| span.0)
            .min();
        let connect_timeout = connect_timeout.unwrap_or(Duration::from_secs(10));
        let transport = match &network {
            Network::Scripted(transport) => Arc::clone(transport),
            Network::Real | Network::Rehearsal(_) => {
                Arc::new(Http::new(HttpSettings::new(connect_timeout)))
            }
        };
        let road = Road {
            transport: Some(transport),
            ceiling: Ceiling::new(concurrency),
        };
        Lanes {
            network,
            road,
            known: Vec::new(),
        }
    }

    /// The most calls in flight, over all lanes. It can be moved while they run.
    #[must_use]
    pub fn ceiling(&self) -> &Arc<Ceiling> {
        &self.road.ceiling
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
        let plugin = library.get(
            &model.provider,
            Kind::Provider,
            &format!("{place}.provider"),
        )?;
        let identity = Identity {
            plugin: *plugin.digest().as_bytes(),
            params: Arc::clone(&params),
            model: model.name.clone(),
            base_url: model.base_url.clone(),
            key_variable: model.key_variable.clone(),
            endpoint: model.endpoint.clone(),
        };
        let settings = lane_settings(limits);
        if let Some((_, lane)) = self.known.iter().find(|(known, _)| *known == identity) {
            return same_limits(lane, &settings, &model.name).map(|()| Arc::clone(lane));
        }
        let params_place = format!("{place}.params");
        library.check(&plugin, &params, &params_place).await?;
        let provider = Provider { plugin, params };
        let profile = provider.describe().await;
        let profile = profile.map_err(|failure| PlanError::Refused {
            place: place.into(),
            failure,
        })?;
        let built_in =
            builtin::bytes(&model.provider).map(PluginDigest::of) == Some(provider.plugin.digest());
        let endpoint = self.endpoint(model, &profile, built_in)?;
        let name = Arc::from(model.name.as_str());
        let lane = Arc::new(Lane::new(
            provider,
            profile,
            endpoint,
            name,
            settings,
            self.road.clone(),
        ));
        self.known.push((identity, Arc::clone(&lane)));
        Ok(lane)
    }

    /// The lane for a model outside of any experiment.
    ///
    /// # Errors
    /// As [`Lanes::lane`].
    pub async fn of_model(
        &mut self,
        model: &experiment::Model,
        library: &mut Library,
    ) -> Result<Arc<Lane>, PlanError> {
        let params = serde_json::Value::Object(model.params.clone()).to_string();
        let limits = experiment::Limits::default();
        self.lane(model, Arc::new(params), &limits, library, "--model")
            .await
    }

    /// The next one for the same model is made anew.
    pub fn forget(&mut self, lane: &Arc<Lane>) {
        self.known.retain(|(_, known)| !Arc::ptr_eq(known, lane));
    }

    /// All lanes so far.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.known.iter().map(|(_, lane)| lane)
    }

    fn endpoint(
        &self,
        model: &experiment::Model,
        profile: &Profile,
        built_in: bool,
    ) -> Result<Endpoint, PlanError> {
        // A plugin's word decides which variable is read, so the variable must look like an address.
        let variable = profile
            .base_url_variable
            .as_deref()
            .filter(|name| name.ends_with("_URL"));
        let wishes = Wishes {
            base_url: model.base_url.clone(),
            key_variable: model.key_variable.clone(),
            name: model.endpoint.clone(),
            environment: variable.and_then(secret::base_url_from_environment),
            built_in,
        };
        let endpoint = Endpoint::new(profile, &wishes)?;
        Ok(match self.network {
            Network::Rehearsal(simulator) => endpoint.simulated_at(simulator),
            Network::Real | Network::Scripted(_) => endpoint,
        })
    }
}

/// The limits that hold where the experiment says nothing.
#[must_use]
pub fn lane_settings(limits: &experiment::Limits) -> Settings {
    let experiment::Limits {
        concurrency: _,
        requests_per_minute,
        tokens_per_minute,
        input_tokens_per_minute,
        output_tokens_per_minute,
        // The run's, not the lane's.
        budget: _,
        max_tokens_total: _,
        retries,
        timeout,
        connect_timeout: _,
    } = limits;
    Settings {
        pace: PaceLimits {
            requests_per_minute: *requests_per_minute,
            tokens_per_minute: *tokens_per_minute,
            input_tokens_per_minute: *input_tokens_per_minute,
            output_tokens_per_minute: *output_tokens_per_minute,
        },
        retries: retries.unwrap_or(6),
        timeout: timeout.map_or(Duration::from_secs(600), |span| span.0),
    }
}

fn same_limits(lane: &Lane, settings: &Settings, model: &str) -> Result<(), PlanError> {
    if lane.settings() == *settings {
        return Ok(());
    }
    Err(PlanError::Settings(format!(
        "two configs set different `limits` for the model `{model}`: limits belong to the account, so set them alike"
    )))
}
