//! The lanes of the gateway: one for each model that is asked for. One that came to its end, as where a credential was
//! refused or a server was away, is made anew with the next call: a gateway outlives what ends a run.

use super::asked::Asked;
use super::dialect::{Dialect, Refusal};
use crate::experiment::Model;
use crate::lane::Lane;
use crate::plan::{Lanes, Library};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Models that are told apart; whoever asks for more does not mean models.
const MODELS: usize = 1_024;

/// Where a provider is, beside its own address.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// Its address.
    pub base_url: Option<String>,
    /// The environment variable with the credential that may go there.
    pub key_variable: Option<String>,
}

/// What makes a lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Line {
    dialect: Dialect,
    model: String,
    version: Option<String>,
}

/// All lanes.
pub struct Lines {
    lanes: Lanes,
    plugins: Library,
    upstreams: HashMap<Dialect, Upstream>,
    known: HashMap<Line, Arc<Lane>>,
}

impl Lines {
    /// No lane yet.
    #[must_use]
    pub fn new(lanes: Lanes, library: Library, upstreams: HashMap<Dialect, Upstream>) -> Lines {
        Lines {
            lanes,
            plugins: library,
            upstreams,
            known: HashMap::new(),
        }
    }

    /// The lane for a call.
    pub(super) async fn lane(&mut self, asked: &Asked) -> Result<Arc<Lane>, Refusal> {
        let line = Line {
            dialect: asked.dialect,
            model: asked.model.clone(),
            version: asked.version.clone().filter(|version| is_date(version)),
        };
        if let Some(lane) = self.known.get(&line) {
            if lane.stop.reason().is_none() {
                return Ok(Arc::clone(lane));
            }
            self.lanes.forget(lane);
            self.known.remove(&line);
        }
        if self.known.len() == MODELS {
            let words = format!(
                "more than {MODELS} different models were asked for: start `xhost serve` anew"
            );
            return Err(Refusal::new(429, words));
        }
        let upstream = self
            .upstreams
            .get(&line.dialect)
            .cloned()
            .unwrap_or_default();
        let model = Model {
            provider: line.dialect.provider().into(),
            name: line.model.clone(),
            base_url: upstream.base_url,
            key_variable: upstream.key_variable,
            endpoint: None,
            params: params(line.version.as_deref()),
            sampling: None,
        };
        let lane = self.lanes.of_model(&model, &mut self.plugins).await;
        let lane = lane.map_err(|error| Refusal::new(500, error.to_string()))?;
        self.known.insert(line, Arc::clone(&lane));
        Ok(lane)
    }
}

/// The version of the API decides how the credential travels, and how answers are read.
fn params(version: Option<&str>) -> Map<String, Value> {
    let version = version.map(|version| ("api_version".to_owned(), Value::from(version)));
    version.into_iter().collect()
}

fn is_date(version: &str) -> bool {
    version.len() == 10
        && version.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
