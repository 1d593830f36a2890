//! Batches as the providers have them: lines that wait, are answered after a while in an order of the server's own, and end
//! in every way that is known. What a line would cost is counted as a call's is. The words are the dialects' own, see
//! `openai_batches` and `anthropic_batches`.

use super::stats::body_digest;
use super::{Dialect, Refusal, Shared};
use axum::body::Bytes;
use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How a batch ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// All lines are answered.
    #[default]
    Completed,
    /// Its time is over when half is done.
    Expired,
    /// Somebody cancels it when half is done.
    Cancelled,
    /// Validation refuses it.
    Failed,
    /// It has no results at all.
    NoOutput,
    /// Every line is refused.
    ErrorsOnly,
    /// Every third line is refused.
    Partly,
    /// All lines are answered, and where there is no file, the server names one whose name is empty.
    EmptyNames,
    /// A line names a request that nobody sent.
    Unknown,
    /// Every line is there twice.
    Duplicate,
    /// Every third line is not there.
    Missing,
    /// Every third line is cut in the middle.
    Broken,
    /// The connection breaks in the middle of the results, the first time.
    CutStream,
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<End, String> {
        Ok(match text {
            "completed" => End::Completed,
            "expired" => End::Expired,
            "cancelled" => End::Cancelled,
            "failed" => End::Failed,
            "no-output" => End::NoOutput,
            "errors-only" => End::ErrorsOnly,
            "partly" => End::Partly,
            "empty-names" => End::EmptyNames,
            "unknown" => End::Unknown,
            "duplicate" => End::Duplicate,
            "missing" => End::Missing,
            "broken" => End::Broken,
            "cut-stream" => End::CutStream,
            _ => {
                return Err("write completed, expired, cancelled, failed, no-output, errors-only, partly, empty-names, \
                            unknown, duplicate, missing, broken or cut-stream"
                    .into());
            }
        })
    }
}

/// How batches go.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// How long one takes.
    pub delay: Duration,
    /// How the first ones end; later ones are completed.
    pub ends: Vec<End>,
    /// The most tokens that wait for one model.
    pub enqueued_tokens: Option<u64>,
}

/// All files and batches of a simulator.
pub(super) struct Batches {
    options: BatchOptions,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub files: HashMap<String, File>,
    /// In the order of their making.
    pub batches: Vec<Batch>,
    numbers: u64,
}

#[derive(Clone)]
pub(super) struct File {
    pub id: String,
    pub name: String,
    pub purpose: String,
    pub bytes: Bytes,
    pub created: u64,
    /// Whether the next reading breaks off.
    pub cut: bool,
}

pub(super) struct Batch {
    pub id: String,
    pub dialect: Dialect,
    pub created: SystemTime,
    began: Instant,
    /// What was sent to make it.
    pub asked: Value,
    pub lines: Vec<Line>,
    pub model: String,
    tokens: u64,
    end: End,
    /// Why validation refuses it: code, line, words.
    pub invalid: Option<(String, Option<usize>, String)>,
    pub cancelled: Option<SystemTime>,
    pub done: Option<Done>,
}

impl Batch {
    /// Whether a file that is none is named all the same.
    pub(super) fn writes_empty_names(&self) -> bool {
        self.end == End::EmptyNames
    }
}

/// One request of a batch.
pub(super) struct Line {
    pub custom_id: String,
    pub body: Box<RawValue>,
}

/// What a batch came to.
#[derive(Clone, Default)]
pub(super) struct Done {
    pub at: u64,
    pub output: Option<String>,
    pub errors: Option<String>,
    pub answered: u64,
    pub failed: u64,
    pub unfinished: u64,
    pub was_cut_short: Option<End>,
}

/// What a request of a batch came to.
pub(super) enum Outcome {
    Answered(Value),
    Refused(Refusal),
    /// The batch ended before its turn.
    Unfinished,
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl Batches {
    pub(super) fn new(options: BatchOptions) -> Batches {
        Batches {
            options,
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new batch over these lines.
    pub(super) fn begin(
        &self,
        dialect: Dialect,
        asked: Value,
        lines: Vec<Line>,
        invalid: Option<(String, Option<usize>, String)>,
    ) -> String {
        let mut state = self.state();
        let number = state.number();
        let id = match dialect {
            Dialect::OpenAi => format!("batch_sim{number:06}"),
            Dialect::Anthropic => format!("msgbatch_sim{number:06}"),
        };
        let model = lines
            .first()
            .and_then(|line| serde_json::from_str::<Value>(line.body.get()).ok())
            .and_then(|body| body["model"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let tokens = lines
            .iter()
            .map(|line| line.body.get().len() as u64 / 4 + 1)
            .sum();
        let waiting: u64 = state
            .batches
            .iter()
            .filter(|batch| batch.done.is_none() && batch.model == model)
            .map(|batch| batch.tokens)
            .sum();
        let over = self
            .options
            .enqueued_tokens
            .filter(|limit| waiting + tokens > *limit && dialect == Dialect::OpenAi);
        let invalid = invalid.or_else(|| {
            over.map(|limit| {
                let words = format!(
                    "Enqueued token limit reached for {model}. Limit: {limit} enqueued tokens."
                );
                ("token_limit_exceeded".to_owned(), None, words)
            })
        });
        let end = self.options.ends.get(state.batches.len());
        let end = end.copied().unwrap_or_default();
        let invalid = invalid.or_else(|| {
            let words = "This line is not parseable as valid JSON.".to_owned();
            (end == End::Failed && dialect == Dialect::OpenAi)
                .then(|| ("invalid_json_line".to_owned(), Some(1), words))
        });
        state.batches.push(Batch {
            id: id.clone(),
            dialect,
            created: SystemTime::now(),
            began: Instant::now(),
            asked,
            lines,
            model,
            tokens,
            end,
            invalid,
            cancelled: None,
            done: None,
        });
        id
    }

    /// What has happened to a batch until now.
    pub(super) fn settle(&self, shared: &Shared, id: &str) {
        let mut state = self.state();
        let Some(at) = state.batches.iter().position(|batch| batch.id == id) else {
            return;
        };
        let batch = &mut state.batches[at];
        let is_over = batch.began.elapsed() >= self.options.delay || batch.cancelled.is_some();
        if batch.done.is_some() || !is_over {
            return;
        }
        let end = match (batch.cancelled, batch.invalid.is_some()) {
            (Some(_), _) => End::Cancelled,
            (None, true) => End::Failed,
            (None, false) => batch.end,
        };
        let untouched = batch.cancelled.is_some() && batch.began.elapsed() < self.options.delay;
        let (lines, dialect) = (std::mem::take(&mut batch.lines), batch.dialect);
        let mut done = Done {
            at: seconds(SystemTime::now()),
            was_cut_short: matches!(end, End::Expired | End::Cancelled).then_some(end),
            ..Done::default()
        };
        let (mut output, mut errors) = (String::new(), String::new());
        for (index, line) in shuffled(shared, &lines).into_iter().enumerate() {
            let outcome = match end {
                End::Failed | End::NoOutput => break,
                End::Missing if index % 3 == 2 => continue,
                _ if untouched => Outcome::Unfinished,
                End::Expired | End::Cancelled if index >= lines.len() / 2 => Outcome::Unfinished,
                End::ErrorsOnly => refused(),
                End::Partly if index % 3 == 2 => refused(),
                End::Broken if index % 3 == 2 => {
                    output.push_str("{\"custom_id\": \"");
                    output.push_str(&line.custom_id[..line.custom_id.len().min(20)]);
                    output.push('\n');
                    continue;
                }
                _ => answer(shared, dialect, line),
            };
            done.answered += u64::from(matches!(outcome, Outcome::Answered(_)));
            done.failed += u64::from(matches!(outcome, Outcome::Refused(_)));
            done.unfinished += u64::from(matches!(outcome, Outcome::Unfinished));
            let (text, is_error) = match dialect {
                Dialect::OpenAi => super::openai_batches::line(&line.custom_id, &outcome, end),
                Dialect::Anthropic => (
                    super::anthropic_batches::line(&line.custom_id, &outcome, end),
                    false,
                ),
            };
            let file = if is_error { &mut errors } else { &mut output };
            file.push_str(&text);
            file.push('\n');
            if end == End::Duplicate {
                output.push_str(&text);
                output.push('\n');
            }
        }
        if end == End::Unknown {
            let stranger = Outcome::Refused(Refusal::invalid("Who is that?"));
            let id = "0".repeat(64);
            output.push_str(&match dialect {
                Dialect::OpenAi => super::openai_batches::line(&id, &stranger, end).0,
                Dialect::Anthropic => super::anthropic_batches::line(&id, &stranger, end),
            });
            output.push('\n');
        }
        done.output = state.keep("batch_output", output, end == End::CutStream);
        done.errors = state.keep("batch_error", errors, false);
        let batch = &mut state.batches[at];
        batch.lines = lines;
        batch.done = Some(done);
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Keeps a file of the server's own; none where there is nothing in it.
    fn keep(&mut self, purpose: &str, text: String, cut: bool) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let id = self.file(
            format!("{purpose}.jsonl"),
            purpose.into(),
            Bytes::from(text),
        );
        if let Some(file) = self.files.get_mut(&id) {
            file.cut = cut;
        }
        Some(id)
    }

    pub(super) fn file(&mut self, name: String, purpose: String, bytes: Bytes) -> String {
        let id = format!("file-sim{:06}", self.number());
        let file = File {
            id: id.clone(),
            name,
            purpose,
            bytes,
            created: seconds(SystemTime::now()),
            cut: false,
        };
        self.files.insert(id.clone(), file);
        id
    }
}

fn refused() -> Outcome {
    Outcome::Refused(Refusal::invalid("This request is not allowed."))
}

/// The order of results is the server's, and the same for the same seed.
fn shuffled<'a>(shared: &Shared, lines: &'a [Line]) -> Vec<&'a Line> {
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by_cached_key(|line| {
        body_digest(&shared.faults.seed().to_string(), line.custom_id.as_bytes())
    });
    order
}

/// As a live call is answered, but for limits and delays.
fn answer(shared: &Shared, dialect: Dialect, line: &Line) -> Outcome {
    let path = match dialect {
        Dialect::OpenAi => "/v1/chat/completions",
        Dialect::Anthropic => "/v1/messages",
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        "anthropic-version",
        axum::http::HeaderValue::from_static("2023-06-01"),
    );
    let body = line.body.get().as_bytes();
    let digest = body_digest(path, body);
    match super::batched(shared, dialect, &headers, body, digest) {
        Ok(value) => Outcome::Answered(value),
        Err(refusal) => Outcome::Refused(refusal),
    }
}

/// Every name once, and none empty or too long; the first that is wrong, from 1.
pub(super) fn wrong_name(lines: &[Line]) -> Option<(usize, &'static str)> {
    let mut seen = HashSet::new();
    lines.iter().enumerate().find_map(|(index, line)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let id = line.custom_id.as_str();
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Some((index + 1, "invalid"));
        }
        (!seen.insert(id)).then_some((index + 1, "duplicate"))
    })
}
