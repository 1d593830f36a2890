//! A foreign request as xhost sends it. The body is said once more in an experiment's words, the provider plugin makes its
//! own body of them, and the two are compared value by value. Where they say the same, the plugin's bytes are the request:
//! an experiment that asks so finds the answer. Where they do not, the request stays as it was, written compactly, which
//! is what the official SDKs send.
//!
//! What is taken for the same although its JSON differs, and nothing else: `stream: false`, the documented default of both
//! APIs, which says how an answer travels; and Anthropic's shorthand for a content of one text.

use super::body::{Fields, Shorthand, compact, difference};
use super::draft::{Draft, nothing};
use super::{Address, Api, Found, Left, Why, anthropic, openai};
use crate::plan::{Library, PlanError};
use crate::plugin::bindings::provider::{HttpRequest, Profile};
use crate::plugin::types::{Message, Part, Prompt, Role, Sampling};
use crate::plugin::{Engine, Kind, Provider};
use crate::request::{self, Draw, Endpoint, Request};
use crate::secret;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Addresses whose endpoints are kept: a file names a few.
const KNOWN: usize = 64;

/// What the user says where files do not.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The provider that all requests went to.
    pub provider: Option<Api>,
    /// Its address, whatever files say.
    pub base_url: Option<String>,
    /// The endpoint's name, as experiments have it in `model.endpoint`.
    pub endpoint: Option<String>,
    /// The provider's parameters, as experiments have them.
    pub params: Map<String, Value>,
    /// Only requests to this model.
    pub model: Option<String>,
}

/// Writes requests.
pub struct Desk {
    plugins: Library,
    wishes: Wishes,
    known: HashMap<(Api, Option<String>), Arc<Known>>,
}

struct Known {
    provider: Provider,
    profile: Profile,
    endpoint: Endpoint,
}

/// A request, written.
pub(super) struct Written {
    /// As draw 1.
    pub request: Request,
    /// Who reads its answer.
    pub provider: Provider,
    /// The wire format.
    pub api: String,
    /// Whether an experiment can ask it.
    pub spelling: Spelling,
}

/// Whose bytes a request is.
pub(super) enum Spelling {
    /// The provider plugin's; with `model` of an experiment that asks so.
    Ours(Value),
    /// The file's; and the first place where the plugin's differ.
    Theirs(String),
}

type Refusal = (Why, String);

/// Why a request cannot be written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The request is left out.
    Left(Left),
    /// What the user said is wrong, and would be for every request.
    Wishes(PlanError),
}

impl Desk {
    /// A desk with the built-in providers.
    #[must_use]
    pub fn new(engine: &Engine, wishes: Wishes) -> Desk {
        Desk {
            plugins: Library::empty(engine),
            wishes,
            known: HashMap::new(),
        }
    }

    /// What it takes to write a request.
    pub(super) async fn pen(&mut self, found: &Found) -> Result<Pen, Unwritten> {
        let left = |(why, detail)| {
            let place = found.place.clone();
            Unwritten::Left(Left { place, why, detail })
        };
        let (api, text, model) = self.body(found).map_err(left)?;
        let base_url = self.base_url(&found.address).map_err(left)?;
        let known = match self.known(api, base_url).await {
            Err(PlanError::Endpoint(error)) if self.wishes.base_url.is_none() => {
                return Err(left((Why::NoAddress, error.to_string())));
            }
            known => known.map_err(Unwritten::Wishes)?,
        };
        let body = Fields::of(&text).unwrap_or_default();
        let params = self.params(api, found, &body).map_err(left)?;
        Ok(Pen {
            api,
            known,
            params,
            text,
            model,
        })
    }

    /// The API that is spoken, the body, compact, and the model.
    fn body(&self, found: &Found) -> Result<(Api, String, String), Refusal> {
        let damaged = |what: String| (Why::Damaged, format!("its request {what}"));
        let text = compact(&found.request).map_err(damaged)?;
        let body = Fields::of(&text).ok_or_else(|| damaged("is no object".into()))?;
        let model = body.string("model").unwrap_or_default();
        if self
            .wishes
            .model
            .as_ref()
            .is_some_and(|wanted| *wanted != model)
        {
            return Err((Why::OtherModel, model));
        }
        let response = Fields::of(&found.response).unwrap_or_default();
        if let Some(error) = response.some("error") {
            return Err((Why::Failed, error.into()));
        }
        let api = self.api(found, &response, &body)?;
        if let Some(what) = openai::unlike(&body) {
            return Err((Why::OtherForm, what.into()));
        }
        Ok((api, text, model))
    }

    fn api(&self, found: &Found, response: &Fields<'_>, body: &Fields<'_>) -> Result<Api, Refusal> {
        let looks = |api: &Api| match api {
            Api::OpenAi => openai::is_answer(response),
            Api::Anthropic => anthropic::is_answer(response),
        };
        let said = self.wishes.provider.or(found.api);
        let api = said.or_else(|| [Api::OpenAi, Api::Anthropic].into_iter().find(looks));
        let api = api.filter(|_| body.get("messages").is_some());
        api.ok_or_else(|| {
            let what = "only chat completions (`openai`) and messages (`anthropic`) are understood";
            (Why::OtherApi, what.into())
        })
    }

    async fn known(&mut self, api: Api, base_url: Option<String>) -> Result<Arc<Known>, PlanError> {
        let name = (api, base_url);
        if let Some(known) = self.known.get(&name) {
            return Ok(Arc::clone(known));
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let known = Arc::new(self.look_up(api, name.1.clone()).await?);
        self.known.insert(name, Arc::clone(&known));
        Ok(known)
    }

    /// The user's, else the file's; none for the provider's own.
    fn base_url(&self, said: &Address) -> Result<Option<String>, Refusal> {
        match (&self.wishes.base_url, said) {
            (Some(wish), _) => Ok(Some(wish.clone())),
            (None, Address::At(url)) => Ok(Some(url.clone())),
            (None, Address::Own) => Ok(None),
            (None, Address::Of(who)) => {
                let what = format!("it was asked of `{who}`: say where that is with --base-url");
                Err((Why::NoAddress, what))
            }
        }
    }

    async fn look_up(&mut self, api: Api, base_url: Option<String>) -> Result<Known, PlanError> {
        let name = api.provider();
        let plugin = self.plugins.get(name, Kind::Provider, "--provider")?;
        let params = Arc::new(Value::Object(self.wishes.params.clone()).to_string());
        self.plugins.check(&plugin, &params, "--params").await?;
        let provider = Provider { plugin, params };
        let profile = provider.describe().await;
        let profile = profile.map_err(|failure| PlanError::Refused {
            place: "--params".into(),
            failure,
        })?;
        // As a run on this machine would: an answer that no run here asks for is of no use.
        let variable = profile.base_url_variable.as_deref();
        let endpoint = Endpoint::new(
            &profile,
            &request::Wishes {
                base_url,
                key_variable: None,
                name: self.wishes.endpoint.clone(),
                environment: variable.and_then(secret::base_url_from_environment),
                built_in: true,
            },
        )?;
        Ok(Known {
            provider,
            profile,
            endpoint,
        })
    }

    /// The user's parameters, and those that the file's headers stand for.
    fn params(
        &self,
        api: Api,
        found: &Found,
        body: &Fields<'_>,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut params = self.wishes.params.clone();
        match api {
            Api::OpenAi => {
                for (name, value) in &found.headers {
                    let headers = params.entry("headers").or_insert_with(|| json!({}));
                    if let Some(headers) = headers.as_object_mut() {
                        headers.insert(name.clone(), value.as_str().into());
                    }
                }
            }
            Api::Anthropic => {
                for (name, value) in &found.headers {
                    match name.as_str() {
                        "anthropic-version" => params.insert("api_version".into(), json!(value)),
                        "anthropic-beta" => {
                            let names = value.split(',').map(str::trim);
                            params.insert("beta".into(), names.collect())
                        }
                        _ => return Err((Why::NotSendable, format!("it has the header `{name}`"))),
                    };
                }
                if !params.contains_key("api_version") {
                    let version = anthropic::version(body, found.asked_ms);
                    let version = version.ok_or_else(|| (Why::NoVersion, VERSION_ADVICE.into()))?;
                    params.insert("api_version".into(), version.into());
                }
            }
        }
        Ok(params)
    }
}

const VERSION_ADVICE: &str = "the file does not say with which `anthropic-version`, which is a part of the request: say \
    `--params '{\"api_version\": \"2026-10-21\"}'`, or the older `2023-06-01`, as the SDK that sent it has it";

/// Writes one request.
pub(super) struct Pen {
    api: Api,
    known: Arc<Known>,
    params: Map<String, Value>,
    /// The body, compact.
    text: String,
    model: String,
}

impl Pen {
    /// The request.
    pub(super) async fn write(&self) -> Result<Written, Refusal> {
        let damaged = || (Why::Damaged, "its request is no object".to_owned());
        let body = &Fields::of(&self.text).ok_or_else(damaged)?;
        let draft = match self.api {
            Api::OpenAi => openai::draft(body),
            Api::Anthropic => anthropic::draft(body),
        };
        let mut place = "/messages".to_owned();
        if let Some(mut draft) = draft.filter(|draft| !draft.messages.is_empty()) {
            draft
                .extra
                .retain(|(key, text)| key != "stream" || text != "false");
            let mut params = self.params.clone();
            for (key, value) in &draft.params {
                params.entry(key.clone()).or_insert_with(|| value.clone());
            }
            let provider = self.provider(&params);
            match self.as_ours(&provider, body, &mut draft).await {
                Ok(plain) => {
                    let asked = self.experiment(&draft, &params);
                    return self.written(plain, provider, Spelling::Ours(asked));
                }
                Err(Some(differs)) => place = differs,
                // The plugin refuses it.
                Err(None) => place = String::new(),
            }
        }
        let provider = self.provider(&self.params);
        let mut plain = self.frame(&provider).await?;
        plain.body = Some(self.text.clone());
        self.written(plain, provider, Spelling::Theirs(place))
    }

    /// The plugin's own request, where it says the same. What it says otherwise is said outright, key by key, as an
    /// experiment can.
    async fn as_ours(
        &self,
        provider: &Provider,
        body: &Fields<'_>,
        draft: &mut Draft,
    ) -> Result<HttpRequest, Option<String>> {
        let shorthand: Shorthand = match self.api {
            Api::OpenAi => streams,
            Api::Anthropic => |place, ours, theirs| {
                streams(place, ours, theirs) || anthropic::shorthand(place, ours, theirs)
            },
        };
        loop {
            let prompt = Arc::new(draft.prompt());
            let plain = provider
                .encode(Arc::from(draft.model.as_str()), prompt)
                .await;
            let plain = plain.map_err(|_| None)?;
            let ours = plain.body.as_deref().unwrap_or("");
            let Some(place) = difference(ours, &self.text, shorthand) else {
                return Ok(plain);
            };
            let key = place.split('/').nth(1).unwrap_or("");
            let key = key.replace("~1", "/").replace("~0", "~");
            if !draft.say_outright(&key, body) {
                return Err(Some(place));
            }
        }
    }

    fn provider(&self, params: &Map<String, Value>) -> Provider {
        Provider {
            plugin: self.known.provider.plugin.clone(),
            params: Arc::new(Value::Object(params.clone()).to_string()),
        }
    }

    /// Path, headers and query of any request.
    async fn frame(&self, provider: &Provider) -> Result<HttpRequest, Refusal> {
        let prompt = Prompt {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(String::new())],
            }],
            tools: Vec::new(),
            sampling: Sampling {
                max_tokens: Some(1),
                ..nothing()
            },
        };
        let framed = provider
            .encode(Arc::from(self.model.as_str()), Arc::new(prompt))
            .await;
        framed.map_err(|failure| (Why::NotSendable, failure.to_string()))
    }

    fn written(
        &self,
        plain: HttpRequest,
        provider: Provider,
        spelling: Spelling,
    ) -> Result<Written, Refusal> {
        let draw = Draw {
            epoch: 1,
            repeat: 0,
        };
        let request = Request::new(plain, &self.known.endpoint, draw, "");
        Ok(Written {
            request: request.map_err(|error| (Why::NotSendable, error.to_string()))?,
            provider,
            api: self.known.profile.api.clone(),
            spelling,
        })
    }

    /// `model` of an experiment that asks so.
    fn experiment(&self, draft: &Draft, params: &Map<String, Value>) -> Value {
        let mut model = Map::new();
        model.insert("provider".into(), self.api.provider().into());
        model.insert("name".into(), draft.model.as_str().into());
        let own = self.known.profile.base_url.trim_end_matches('/');
        let endpoint = &self.known.endpoint;
        let base_url = format!("{}{}", endpoint.origin(), endpoint.base_path());
        if base_url != own {
            model.insert("base_url".into(), base_url.into());
        }
        if endpoint.name() != endpoint.origin() {
            model.insert("endpoint".into(), endpoint.name().into());
        }
        if !params.is_empty() {
            model.insert("params".into(), Value::Object(params.clone()));
        }
        let sampling = draft.written();
        if !sampling.is_empty() {
            model.insert("sampling".into(), Value::Object(sampling));
        }
        Value::Object(model)
    }
}

/// Not to stream is the default.
fn streams(place: &str, ours: &str, theirs: &str) -> bool {
    place == "/stream" && ours.is_empty() && theirs == "false"
}

#[cfg(test)]
mod tests;
