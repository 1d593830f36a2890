//! Logs of Inspect (inspect.aisi.org.uk), both forms: `.eval`, a zip of one member for each sample, and `.json`, one
//! document. A log holds the call of a model as it was made, the arguments of the provider's SDK, if it was told to
//! (`log_model_api`); only such a call is a request that somebody sent, and nothing is made up where it is not there.

/// `.eval`.
mod archive;

/// `.json`.
mod document;

/// One sample's calls.
mod sample;

/// A call as it was sent.
mod call;

use super::{Address, Api, Sink};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest sample that is taken, unpacked: it is in memory as a whole.
const SAMPLE_BYTES: usize = 256 << 20;

/// Reads a log.
pub(super) fn read(path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let file = File::open(path)?;
    let mut beginning = [0; 2];
    let is_zip = (&file).read_exact(&mut beginning).is_ok() && &beginning == b"PK";
    match is_zip {
        true => archive::read(&file, path, sink),
        false => document::read(path, sink),
    }
}

/// What a log says of all its calls.
#[derive(Default)]
struct Header {
    /// The address of each model that has one of its own.
    addresses: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Eval {
    model: String,
    #[serde(default)]
    model_base_url: Option<String>,
    #[serde(default)]
    model_roles: Option<Value>,
}

impl Header {
    /// From the log's `eval`.
    fn of(eval: &str) -> serde_json::Result<Header> {
        let eval: Eval = serde_json::from_str(eval)?;
        let mut header = Header::default();
        for role in eval.model_roles.iter().flat_map(values) {
            for config in values(role).chain([role]) {
                let text = |key: &str| config.get(key)?.as_str().map(str::to_owned);
                if let (Some(model), Some(url)) = (text("model"), text("base_url")) {
                    header.addresses.insert(model, url);
                }
            }
        }
        if let Some(url) = eval.model_base_url {
            header.addresses.insert(eval.model, url);
        }
        Ok(header)
    }

    /// Whom a model was asked of.
    fn server(&self, model: &str) -> (Option<Api>, Address) {
        let (service, name) = model.split_once('/').unwrap_or((model, ""));
        let through = ["azure/", "bedrock/", "vertex/"];
        let own = Api::of(service).filter(|_| !through.iter().any(|host| name.starts_with(host)));
        match (self.addresses.get(model), own) {
            (Some(url), api) => (api, Address::At(url.clone())),
            (None, Some(api)) => (Some(api), Address::Own),
            (None, None) => (None, Address::Of(model.into())),
        }
    }
}

/// The items of a list, the values of an object.
fn values(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "an error that is told has no other use"
)]
fn invalid(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests;
