//! The digest of a run: blake3 over its ordered trials, and of each trial over what it asked, was answered and was scored.
//! Made from trials as they end, and from the lines of `trials.jsonl` when a bundle is made or read.

use crate::record::Trial;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;
use xhost_store::{Digest, ResponseDigest};

/// The digest of a run, trial by trial.
pub struct RunDigest(blake3::Hasher);

impl Default for RunDigest {
    fn default() -> RunDigest {
        RunDigest(blake3::Hasher::new_derive_key("xhost run v1"))
    }
}

impl RunDigest {
    pub(super) fn add(&mut self, trial: &[u8; 32]) {
        self.0.update(trial);
    }

    /// The next trial, as its line.
    ///
    /// # Errors
    /// Where it is no line of a trial.
    pub fn add_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.add(&of_line(line)?);
        Ok(())
    }

    /// The digest so far.
    #[must_use]
    pub fn finish(&self) -> blake3::Hash {
        self.0.finalize()
    }
}

/// A scorer's label, the measure, the value as JSON.
type Scored<'a> = (&'a str, &'a str, String);

/// What the digest covers of a trial: its requests, its answers and its scores.
pub(super) fn of_trial(trial: &Trial) -> [u8; 32] {
    let requests = trial.requests.iter();
    let requests: Vec<_> = requests.map(|one| (one.digest, one.response)).collect();
    let scores = trial.scores.iter();
    let scores: Vec<Scored<'_>> = scores
        .map(|one| (&*one.scorer, one.name.as_str(), one.value.to_string()))
        .collect();
    let cause = trial.failure.as_ref().map_or("", |one| one.cause.text());
    covered(&requests, &scores, cause)
}

#[derive(Deserialize)]
struct Line {
    requests: Vec<Exchange>,
    scores: Vec<Verdict>,
    failure: Option<Failure>,
}

#[derive(Deserialize)]
struct Exchange {
    digest: String,
    response: String,
}

#[derive(Deserialize)]
struct Verdict {
    scorer: String,
    name: String,
    /// As it is written: a number that is read and written again may be another one.
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct Failure {
    cause: String,
}

/// The same from a trial's line.
pub(super) fn of_line(line: &[u8]) -> io::Result<[u8; 32]> {
    let line: Line = serde_json::from_slice(line)?;
    let pair = |one: &Exchange| Some((one.digest.parse().ok()?, one.response.parse().ok()?));
    let requests: Option<Vec<_>> = line.requests.iter().map(pair).collect();
    let requests = requests.ok_or_else(|| io::Error::other("a digest in it is none"))?;
    let scores = line.scores.iter();
    let scores: Vec<Scored<'_>> = scores
        .map(|one| {
            (
                one.scorer.as_str(),
                one.name.as_str(),
                one.value.get().to_owned(),
            )
        })
        .collect();
    let cause = line.failure.as_ref().map_or("", |one| one.cause.as_str());
    Ok(covered(&requests, &scores, cause))
}

fn covered(requests: &[(Digest, ResponseDigest)], scores: &[Scored<'_>], cause: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost trial v1");
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(&(requests.len() as u64).to_le_bytes());
    for (request, response) in requests {
        field(request.as_bytes());
        field(response.as_bytes());
    }
    field(&(scores.len() as u64).to_le_bytes());
    for (scorer, name, value) in scores {
        field(scorer.as_bytes());
        field(name.as_bytes());
        field(value.as_bytes());
    }
    field(cause.as_bytes());
    *hasher.finalize().as_bytes()
}
