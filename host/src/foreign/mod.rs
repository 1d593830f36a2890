//! What people have from other tools, taken into the store: Inspect's logs, batch files, lines of request and response.
//! An answer is stored under the request that it answers, as xhost would send it, so that a run that asks the same finds it.
//!
//! ```text
//! files -> detect -> a reader for each form (inspect, batch, lines) -> found: request, response, draw
//!   -> writing: the request as an experiment would send it, else byte for byte as it was
//!   -> decode: an answer, or left out -> draws: the k-th equal request is draw k -> the store; and a report
//! ```
//!
//! What is the same request is decided here, and strictly: the body that the provider plugin's own `encode` makes must say
//! what the foreign body says, value by value. Nothing is dropped or added but what `writing` lists with its source.
//! Files are somebody else's: sizes, nesting and counts are bounded, nothing is written but answers.

/// JSON that stays what it is.
mod body;

/// A body as an experiment would say it.
mod draft;

/// OpenAI's bodies.
mod openai;

/// Anthropic's bodies.
mod anthropic;

/// A foreign request as xhost sends it.
mod writing;

/// What a file holds.
mod detect;

/// Lines with their places.
mod lines;

/// Lines of request and response.
mod pairs;

/// Documents that are read piece by piece.
mod metered;

/// Batch files, joined.
mod batch;

/// Inspect's logs.
mod inspect;

/// Equal requests, numbered.
mod draws;

/// What came of it.
mod report;

/// Into the store.
mod intake;

pub use detect::{BEGINNING, Kind, kind_of};
pub use intake::{Intake, IntakeError, Target};
pub use report::{Example, Examples, Report};
pub use writing::{Desk, Wishes};

use crate::request::Draw;
use serde::{Serialize, Serializer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest request or response that is taken, as text: what the HTTP client takes of an answer.
pub(crate) const BODY_BYTES: usize = 64 << 20;

/// An API whose bodies are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

impl Api {
    /// The provider plugin that speaks it.
    #[must_use]
    pub fn provider(self) -> &'static str {
        match self {
            Api::OpenAi => "openai",
            Api::Anthropic => "anthropic",
        }
    }

    /// The API of a provider plugin.
    #[must_use]
    pub fn of(provider: &str) -> Option<Api> {
        [Api::OpenAi, Api::Anthropic]
            .into_iter()
            .find(|api| api.provider() == provider)
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Where in it.
    pub at: At,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The file as a whole.
    File,
    /// A line, from 1.
    Line(u64),
    /// A sample's repeat in a log.
    Sample(Arc<str>, u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = crate::text::plain(&self.file.display().to_string());
        match &self.at {
            At::File => f.write_str(&file),
            At::Line(line) => write!(f, "{file}:{line}"),
            At::Sample(id, epoch) => {
                write!(
                    f,
                    "{file}: sample `{}`, epoch {epoch}",
                    crate::text::plain(id)
                )
            }
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why something is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It cannot be read as what it should be.
    Damaged,
    /// It is larger than anything that is taken.
    TooLarge,
    /// It holds no answer, but an error.
    Failed,
    /// The log does not hold the call as it was made.
    NoCall,
    /// It is another answer once more.
    FromCache,
    /// Something of the request was taken out of the log.
    Removed,
    /// A request without a result.
    NoResult,
    /// A result without a request.
    NoRequest,
    /// A name of a batch stands for two requests, or a request has two answers.
    Twice,
    /// It is of an API that is not understood.
    OtherApi,
    /// Which server answered is not known.
    NoAddress,
    /// Which version of the API was spoken is not known.
    NoVersion,
    /// The answer has not the form that is kept.
    OtherForm,
    /// It is what no experiment may send.
    NotSendable,
    /// The provider plugin reads no answer in it.
    NoAnswer,
    /// A trial asks not so many equal requests.
    TooMany,
    /// It was not wanted.
    OtherModel,
}

impl Why {
    /// Whether the file is not what it was once.
    #[must_use]
    pub fn is_damage(self) -> bool {
        self == Why::Damaged
    }

    /// For a person.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Why::Damaged => "cannot be read",
            Why::TooLarge => "is too large",
            Why::Failed => "failed",
            Why::NoCall => "is not in the log as it was sent",
            Why::FromCache => "was read from a cache: the same answer once more",
            Why::Removed => "had parts that are not in the log",
            Why::NoResult => "has no result",
            Why::NoRequest => "has no request",
            Why::Twice => "is there twice",
            Why::OtherApi => "is of another API",
            Why::NoAddress => "went to an unknown address",
            Why::NoVersion => "was sent with an unknown version",
            Why::OtherForm => "has an answer of another form",
            Why::NotSendable => "is nothing that xhost sends",
            Why::NoAnswer => "has an answer that is none",
            Why::TooMany => "is one of too many equal ones",
            Why::OtherModel => "went to another model",
        }
    }
}

impl Serialize for Why {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// What is not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it stands.
    pub place: Place,
    /// Why.
    pub why: Why,
    /// What there is to say beyond that; may be empty.
    pub detail: String,
}

/// A request and its answer, as a file has them.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where they stand.
    pub place: Place,
    /// Its place among the others of its files: equal requests are draws in this order.
    pub order: u64,
    /// The API, where the file says so.
    pub api: Option<Api>,
    /// The server's address.
    pub address: Address,
    /// Headers that mean something to the model, names in lower case; none where the file does not say.
    pub headers: Vec<(String, String)>,
    /// The request's body, JSON.
    pub request: String,
    /// The answer's body, JSON.
    pub response: String,
    /// Which draw it is, where the file says so.
    pub draw: Option<Told>,
    /// When it was asked, in milliseconds since 1970-01-01 UTC.
    pub asked_ms: Option<u64>,
    /// How long the call took.
    pub latency_ms: u32,
}

/// What a file says about where a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Nothing: to the provider's own address, as a run on this machine would.
    Own,
    /// To this base URL.
    At(String),
    /// To somebody whose address it does not say.
    Of(String),
}

/// What a file says about a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Which one it is.
    Draw(Draw),
    /// Its epoch, and the trial: equal requests of one trial are numbered in their order.
    Trial {
        /// The epoch, from 1.
        epoch: u32,
        /// Tells trials of a file apart; a trial's requests come one after the other.
        trial: u64,
    },
}

/// What a reader finds, one after the other.
#[derive(Clone, Debug)]
pub enum Item {
    /// A request and its answer.
    Found(Box<Found>),
    /// What it does not take.
    Left(Left),
}

/// Takes what a reader finds. An error ends the reading.
pub type Sink<'s> = &'s mut dyn FnMut(Item) -> io::Result<()>;

/// Files that belong together, and how they are read.
#[derive(Clone, Debug)]
pub enum Source {
    /// A log of Inspect.
    Inspect(PathBuf),
    /// Lines of request and response.
    Pairs(PathBuf),
    /// Files of batches: requests, and results.
    Batch {
        /// Files of requests.
        requests: Vec<PathBuf>,
        /// Files of results, errors among them.
        results: Vec<PathBuf>,
    },
}

impl Source {
    /// Reads all of it. What is wrong with a part is told as left out; an error is the disk's.
    ///
    /// # Errors
    /// Where a file cannot be read, or the sink refuses.
    pub fn read(&self, sink: Sink<'_>) -> io::Result<()> {
        match self {
            Source::Inspect(path) => {
                let read = inspect::read(path, sink);
                told(path, read, sink)
            }
            Source::Pairs(path) => {
                let read = pairs::read(path, sink);
                told(path, read, sink)
            }
            Source::Batch { requests, results } => batch::read(requests, results, sink),
        }
    }
}

/// A file that is not what it was once is told as left out from there on; the disk's errors get the file's name.
fn told(path: &Path, read: io::Result<()>, sink: Sink<'_>) -> io::Result<()> {
    let Err(error) = read else { return Ok(()) };
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => sink(Item::Left(Left {
            place: Place {
                file: path.into(),
                at: At::File,
            },
            why: Why::Damaged,
            detail: error.to_string(),
        })),
        kind => Err(io::Error::new(kind, format!("{}: {error}", path.display()))),
    }
}
