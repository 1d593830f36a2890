//! Why a trial would have to pay: it is made with what the store has, up to the first request that has no answer there, and
//! the stored request that is nearest to that one shows what differs. Asks nobody and writes nothing.

use crate::answers::Answers;
use crate::dataset::DatasetError;
use crate::difference::{Difference, differences};
use crate::lane::Asker;
use crate::plan::{Plan, guest_sample};
use crate::stop::{Stop, StopReason};
use crate::store::Store;
use crate::trial::{self, Trial};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use xhost_store::{Digest, ReadError, StoredRequest};

/// Differences that are shown.
const MOST: usize = 8;

/// A field beside the body counts as much as this many bytes of it.
const FIELD: usize = 8;

/// Which trials.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The sample's id.
    pub sample: String,
    /// The epoch, from 1.
    pub epoch: u32,
    /// Swept settings and their values, as text; of configs that have them all.
    pub config: Vec<(String, String)>,
}

/// What the store says about a trial.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "store", rename_all = "kebab-case")]
pub enum Verdict {
    /// It has every answer.
    Hit {
        /// The config.
        config: Map<String, Value>,
        /// The requests.
        requests: Vec<Digest>,
    },
    /// It lacks one.
    Miss {
        /// The config.
        config: Map<String, Value>,
        /// The request.
        digest: Digest,
        /// The nearest request that has an answer; none where the store has no request.
        nearest: Option<Nearest>,
        /// Requests that were compared.
        compared: u64,
    },
    /// It cannot be told: the trial ends otherwise.
    Unknown {
        /// The config.
        config: Map<String, Value>,
        /// Why.
        reason: String,
    },
}

/// A stored request, and where the other one differs from it.
#[derive(Debug, serde::Serialize)]
pub struct Nearest {
    /// Its digest.
    pub digest: Digest,
    /// The first fields that differ: `before` is what is stored.
    pub fields: Vec<Difference>,
}

/// The store or the rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// No trial is wanted.
    #[error("{0}")]
    Wanted(String),
    /// The rows cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ReadError),
}

/// Looks at the wanted trials, one for each config that fits.
///
/// # Errors
/// Where there is no such trial, or the store cannot be read.
pub async fn why(
    plan: &Plan,
    store: &Arc<Store>,
    wanted: &Wanted,
    now_ms: u64,
) -> Result<Vec<Verdict>, WhyError> {
    let mut verdicts = Vec::new();
    for block in &plan.blocks {
        let fits = |config: &crate::plan::Config| {
            wanted.epoch <= config.epochs && has(&config.axes, &wanted.config)
        };
        let mut members = block
            .members
            .iter()
            .filter(|(config, _)| fits(config))
            .peekable();
        if members.peek().is_none() {
            continue;
        }
        let Some(sample) = find(block.dataset.rows(), &wanted.sample)? else {
            continue;
        };
        let sample = Arc::new(guest_sample(sample));
        for (config, _) in members {
            let trial = Trial {
                config: Arc::clone(config),
                sample: Arc::clone(&sample),
                epoch: wanted.epoch,
                ordinal: 0,
                run_started_ms: now_ms,
            };
            verdicts.push(look(&trial, store).await?);
        }
    }
    if verdicts.is_empty() {
        let Wanted { sample, epoch, .. } = wanted;
        let sample = crate::text::plain(sample);
        return Err(WhyError::Wanted(format!(
            "no config has the sample `{sample}` and the epoch {epoch}: look at the ids in the dataset, at `epochs` and at --config"
        )));
    }
    Ok(verdicts)
}

fn has(axes: &Map<String, Value>, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(key, value)| match axes.get(key) {
        Some(Value::String(text)) => text == value,
        Some(other) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *other),
        None => false,
    })
}

fn find(
    mut rows: impl Iterator<Item = Result<crate::dataset::Sample, DatasetError>>,
    id: &str,
) -> Result<Option<crate::dataset::Sample>, DatasetError> {
    rows.find(|row| row.as_ref().map_or(true, |sample| sample.id == id))
        .transpose()
}

async fn look(trial: &Trial, store: &Arc<Store>) -> Result<Verdict, WhyError> {
    let config = (*trial.config.axes).clone();
    let answers = Answers::looked_up(Arc::clone(store), Stop::default());
    let (events, mut inbox) = tokio::sync::mpsc::channel(1);
    let asker = Asker::new(trial.config.index, events);
    let made = {
        let told = async { while inbox.recv().await.is_some() {} };
        tokio::select! {
            made = trial::run(trial, &answers, &asker, None) => made,
            () = told => Err(StopReason::Internal("the events ended".into())),
        }
    };
    let outcome = match (made, answers.missed()) {
        (_, Some((digest, request))) => {
            let (nearest, compared) = nearest(store, &request)?;
            return Ok(Verdict::Miss {
                config,
                digest,
                nearest,
                compared,
            });
        }
        (Err(reason), None) => {
            let reason = reason.to_string();
            return Ok(Verdict::Unknown { config, reason });
        }
        (Ok(Some(outcome)), None) => outcome,
        (Ok(None), None) => {
            let reason = "an answer is to come with a batch".to_owned();
            return Ok(Verdict::Unknown { config, reason });
        }
    };
    let requests = outcome
        .record
        .requests
        .iter()
        .map(|one| one.digest)
        .collect();
    Ok(match outcome.record.failure {
        None => Verdict::Hit { config, requests },
        Some(failure) => Verdict::Unknown {
            config,
            reason: failure.message,
        },
    })
}

/// The nearest of all stored requests, and how many there are.
fn nearest(store: &Store, wanted: &StoredRequest) -> Result<(Option<Nearest>, u64), ReadError> {
    let mut best: Option<(usize, Digest, StoredRequest)> = None;
    let mut compared = 0;
    for stored in store.requests() {
        let (digest, request) = match stored {
            Ok(stored) => stored,
            // What is damaged is no hit either; `store verify` tells of it.
            Err(ReadError::Damaged { .. } | ReadError::Unsupported { .. }) => continue,
            Err(error) => return Err(error),
        };
        compared += 1;
        let distance = distance(&request, wanted);
        if best.as_ref().is_none_or(|(least, ..)| distance < *least) {
            best = Some((distance, digest, request));
        }
    }
    let nearest = best.map(|(_, digest, request)| Nearest {
        digest,
        fields: differences(&shown(&request), &shown(wanted), MOST),
    });
    Ok((nearest, compared))
}

fn distance(one: &StoredRequest, other: &StoredRequest) -> usize {
    let fields = [
        one.endpoint != other.endpoint,
        one.method != other.method,
        one.target != other.target,
        one.headers != other.headers,
        one.epoch != other.epoch,
        one.repeat != other.repeat,
        one.salt != other.salt,
    ];
    let others = fields.iter().filter(|differs| **differs).count();
    bytes_that_differ(&one.body, &other.body) + FIELD * others
}

/// What is left of the longer one without what both begin and end with.
fn bytes_that_differ(one: &[u8], other: &[u8]) -> usize {
    let same = |(first, second): &(&u8, &u8)| first == second;
    let start = one.iter().zip(other).take_while(same).count();
    let (one, other) = (&one[start..], &other[start..]);
    let end = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(same)
        .count();
    one.len().max(other.len()) - end
}

/// A request as a document, its parts named as DESIGN names them.
fn shown(request: &StoredRequest) -> Value {
    let StoredRequest {
        endpoint,
        method,
        target,
        headers,
        body,
        epoch,
        repeat,
        salt,
    } = request;
    let headers: Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let text = || Value::from(String::from_utf8_lossy(body).into_owned());
    let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
    json!({
        "endpoint": endpoint, "method": method, "target": target, "headers": headers,
        "draw": {"epoch": epoch, "repeat": repeat}, "salt": salt, "body": body,
    })
}

#[cfg(test)]
mod tests {
    use super::{bytes_that_differ, distance};
    use bytes::Bytes;
    use xhost_store::StoredRequest;

    fn request(body: &'static str, epoch: u32, salt: &str) -> StoredRequest {
        StoredRequest {
            endpoint: "https://a".into(),
            method: "POST".into(),
            target: "/v1".into(),
            headers: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            epoch,
            repeat: 0,
            salt: salt.into(),
        }
    }

    #[test]
    fn the_nearest_request_is_the_one_with_the_same_body_before_one_with_another_question() {
        let wanted = request("{\"temperature\":0,\"q\":\"What is the answer?\"}", 1, "");
        let other_salt = request("{\"temperature\":0,\"q\":\"What is the answer?\"}", 1, "s");
        let other_temperature = request("{\"temperature\":1,\"q\":\"What is the answer?\"}", 1, "");
        let other_question = request("{\"temperature\":0,\"q\":\"Who asks all of this?\"}", 1, "");
        assert_eq!(distance(&wanted, &wanted), 0);
        assert!(distance(&wanted, &other_temperature) < distance(&wanted, &other_question));
        assert!(distance(&wanted, &other_salt) < distance(&wanted, &other_question));
        assert_eq!(bytes_that_differ(b"aaa", b"aaaa"), 1);
        assert_eq!(bytes_that_differ(b"", b"xyz"), 3);
        assert_eq!(bytes_that_differ(b"abc", b"abc"), 0);
    }
}
