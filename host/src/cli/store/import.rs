//! `xhost store import`: answers that are somewhere else already, taken into the store, so that nobody pays for them again.

use super::{Desk, Progress, disk};
use crate::cli::{Exit, Failure, opening, places};
use crate::foreign::{
    self, Api, BEGINNING, Intake, IntakeError, Kind, Report, Source, Target, Wishes, kind_of,
};
use crate::plugin::Engine;
use crate::summary::peak_memory_bytes;
use crate::text;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use xhost_store::{Imported, Options, Store, StreamError};

const EXAMPLES: &str = "\
Examples:
  xhost store import answers.jsonl.zst                     what `xhost store export` wrote
  xhost store import logs/*.eval                           Inspect's logs; .json too
  xhost store import input.jsonl output.jsonl errors.jsonl a batch's files, of OpenAI or Anthropic
  xhost store import --dry-run calls.jsonl                 lines of request and response:
      {\"request\": {\"model\": …, \"messages\": …}, \"response\": {…}}

An answer is a hit where a run asks the same: the report shows the `model` of experiments that find them. Equal requests of
a batch or of lines are the draws (epochs) 1, 2, … in the order of the file; a log says its epochs itself. What is an error,
or was sent otherwise than its file shows, is left out and counted. An imported answer is believed: take files from people
whom you would let answer for the model.";

/// Take in answers from other stores and other tools; the first answer to a request stays
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// Files, told by their content: what `xhost store export` wrote, Inspect's logs, batch files, lines of request and response; `-` for the input
    #[arg(value_name = "FILE", required_unless_present_any = ["requests", "results"])]
    files: Vec<PathBuf>,
    /// What the files are, where they do not show it
    #[arg(long, value_enum)]
    kind: Option<Form>,
    /// A batch's requests
    #[arg(long, value_name = "FILE", num_args = 1..)]
    requests: Vec<PathBuf>,
    /// A batch's results, errors among them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    results: Vec<PathBuf>,
    /// Provider that was asked, where the files do not show it: openai or anthropic
    #[arg(long, value_name = "NAME", value_parser = provider)]
    provider: Option<Api>,
    /// Address that was asked [default: what the files say, else the provider's own]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The experiments' name for that address (`model.endpoint`)
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Parameters of the provider, as experiments have them in `model.params`
    #[arg(long, value_name = "JSON", value_parser = object)]
    params: Option<Map<String, Value>>,
    /// Only requests to this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Epoch at which the files' epochs begin: 2 for a second log of the same experiment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    first_epoch: u32,
    /// Only say what would be taken
    #[arg(long)]
    dry_run: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// What `xhost store export` wrote
    Export,
    /// A log of Inspect
    Inspect,
    /// Lines of request and response
    Lines,
}

fn provider(name: &str) -> Result<Api, String> {
    Api::of(name).ok_or_else(|| "write `openai` or `anthropic`".into())
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"))
}

pub(super) async fn main(desk: &Desk, import: &Import) -> Result<Exit, Failure> {
    let sorted = Sorted::of(import)?;
    let there = desk.path.exists();
    let store = match import.dry_run && !there {
        true => None,
        false => Some(opening::open_alone(&desk.path, "xhost store import", desk.busy).await?),
    };
    let mut taken = Taken::default();
    for file in &sorted.exports {
        taken.export(file, store.as_ref(), import.dry_run)?;
    }
    if !sorted.sources.is_empty() {
        let target = match (&store, import.dry_run) {
            (Some(store), false) => Target::Store(store),
            (store, _) => Target::Nowhere(store.as_ref()),
        };
        let folder = desk.path.parent().filter(|folder| folder.is_dir());
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
        taken.report = sources(
            import.wishes(),
            target,
            folder,
            import.first_epoch,
            sorted.sources,
        )
        .await?;
    }
    Ok(taken.tell(desk, import.dry_run))
}

impl Import {
    fn wishes(&self) -> Wishes {
        Wishes {
            provider: self.provider,
            base_url: self.base_url.clone(),
            endpoint: self.endpoint.clone(),
            params: self.params.clone().unwrap_or_default(),
            model: self.model.clone(),
        }
    }
}

async fn sources(
    wishes: Wishes,
    target: Target<'_>,
    folder: PathBuf,
    first_epoch: u32,
    sources: Vec<Source>,
) -> Result<Report, Failure> {
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let desk = foreign::Desk::new(&engine, wishes);
    let mut intake = Intake::new(desk, target, folder, first_epoch).map_err(|e| failed(&e))?;
    let mut progress = Progress::new("requests read");
    for source in sources {
        let taken = intake.take(source, |done| progress.tell(done, 0)).await;
        taken.map_err(|error| failed(&error))?;
    }
    Ok(intake.report().clone())
}

fn failed(error: &IntakeError) -> Failure {
    match error {
        IntakeError::File(_) | IntakeError::Wishes(_) => Failure::wrong(error),
        IntakeError::Spool(_)
        | IntakeError::Read(_)
        | IntakeError::Write(_)
        | IntakeError::Open(_) => disk(error),
    }
}

/// Files by what they hold.
#[derive(Default)]
struct Sorted {
    exports: Vec<PathBuf>,
    sources: Vec<Source>,
}

impl Sorted {
    fn of(import: &Import) -> Result<Sorted, Failure> {
        let mut sorted = Sorted::default();
        let (mut requests, mut results) = (import.requests.clone(), import.results.clone());
        for file in &import.files {
            match kind(file, import.kind)? {
                Kind::Stream => sorted.exports.push(file.clone()),
                Kind::Inspect => sorted.sources.push(Source::Inspect(file.clone())),
                Kind::Pairs => sorted.sources.push(Source::Pairs(file.clone())),
                Kind::Requests(_) => requests.push(file.clone()),
                Kind::Results(_) => results.push(file.clone()),
                Kind::Bundle => {
                    let file = file.display();
                    let words = format!("{file} is a bundle: `xhost import {file}` takes it in");
                    return Err(Failure::wrong(words));
                }
            }
        }
        match (requests.first(), results.first()) {
            (None, None) => {}
            (Some(_), Some(_)) => sorted.sources.push(Source::Batch { requests, results }),
            (Some(one), None) => return Err(alone(one, "requests", "results")),
            (None, Some(one)) => return Err(alone(one, "results", "requests")),
        }
        Ok(sorted)
    }
}

fn alone(file: &Path, has: &str, lacks: &str) -> Failure {
    let file = file.display();
    Failure::wrong(format!(
        "{file} holds a batch's {has}; name the file of its {lacks} too"
    ))
}

fn kind(file: &Path, form: Option<Form>) -> Result<Kind, Failure> {
    match form {
        Some(Form::Export) => return Ok(Kind::Stream),
        Some(Form::Inspect) => return Ok(Kind::Inspect),
        Some(Form::Lines) => return Ok(Kind::Pairs),
        // The input is read once: it cannot be looked at before.
        None if file == Path::new("-") => return Ok(Kind::Stream),
        None => {}
    }
    let fails = |error| Failure::wrong(format!("cannot read {}: {error}", file.display()));
    let mut beginning = Vec::new();
    let opened = File::open(file).map_err(fails)?;
    opened
        .take(BEGINNING as u64)
        .read_to_end(&mut beginning)
        .map_err(fails)?;
    kind_of(&beginning).ok_or_else(|| {
        let file = file.display();
        Failure::wrong(format!(
            "{file} looks like none of the files that hold answers; `--kind` says what it is, and `xhost store import \
             --help` shows the forms"
        ))
    })
}

/// What came of all files.
#[derive(Default)]
struct Taken {
    exported: Imported,
    report: Report,
}

impl Taken {
    /// Takes in what `xhost store export` wrote. Of a dry run nothing stays but that the lines are whole.
    fn export(&mut self, file: &Path, store: Option<&Store>, dry: bool) -> Result<(), Failure> {
        let stream: Box<dyn Read> = if file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let opened = File::open(file);
            let fails = |error| Failure::wrong(format!("cannot read {}: {error}", file.display()));
            Box::new(BufReader::new(opened.map_err(fails)?))
        };
        let mut progress = Progress::new("lines read");
        let tell = |done| progress.tell(done, 0);
        let imported = match store.filter(|_| !dry) {
            Some(store) => store.import(stream, tell),
            None => trial(store, stream, tell)?,
        };
        let imported = imported.map_err(|error| match error {
            StreamError::Read(_) | StreamError::Write(_) => disk(error),
            StreamError::Io(_) | StreamError::Line { .. } => {
                Failure::wrong(format!("{}: {error}", file.display()))
            }
        })?;
        self.exported.stored += imported.stored;
        self.exported.there += imported.there;
        self.exported.conflicts += imported.conflicts;
        Ok(())
    }
}

impl Taken {
    fn tell(&self, desk: &Desk, dry: bool) -> Exit {
        let Imported {
            stored,
            there,
            conflicts,
        } = self.exported;
        let all = Report {
            stored: stored + self.report.stored,
            there: there + self.report.there,
            conflicts: conflicts + self.report.conflicts,
            ..self.report.clone()
        };
        let mut value = json!(all);
        value["dry_run"] = dry.into();
        value["peak_memory_bytes"] = peak_memory_bytes().into();
        desk.say(&value, || told(&all, dry));
        let nothing = all.usable() == 0 && !all.left_out.is_empty();
        match all.is_damaged() || nothing {
            true => Exit::Wrong,
            false => Exit::Done,
        }
    }
}

fn told(report: &Report, dry: bool) -> String {
    let would = if dry {
        "a dry run: nothing was stored; "
    } else {
        ""
    };
    let mut lines = vec![format!(
        "{would}{} answers are new, {} were there, {} requests have other answers, which stay",
        report.stored, report.there, report.conflicts
    )];
    if report.as_experiments_ask > 0 {
        let of = report
            .endpoints
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        lines.push(format!(
            "{} requests are as experiments ask them, of {of}; a run finds them with",
            report.as_experiments_ask
        ));
        let experiments = report.experiments.iter();
        lines.extend(
            experiments.map(|model| format!("  model: {}", text::plain(&model.to_string()))),
        );
    }
    let theirs = &report.as_they_were;
    if theirs.count > 0 {
        lines.push(format!(
            "{} requests stay as they were: an experiment has no words for them, first at",
            theirs.count
        ));
        lines.extend(theirs.first.iter().map(example));
    }
    for (why, examples) in &report.left_out {
        lines.push(format!("{} left out: what {}", examples.count, why.text()));
        lines.extend(examples.first.iter().map(example));
    }
    lines.join("\n")
}

fn example(example: &foreign::Example) -> String {
    match example.detail.as_str() {
        "" => format!("  {}", example.place),
        detail => format!("  {}: {detail}", example.place),
    }
}

/// What an export would bring: it is taken into a store that is gone afterwards, and compared.
fn trial(
    store: Option<&Store>,
    stream: Box<dyn Read>,
    tell: impl FnMut(u64),
) -> Result<Result<Imported, StreamError>, Failure> {
    let folder = tempfile::tempdir().map_err(disk)?;
    let path = folder.path().join("trial.redb");
    let scratch = Store::open(&path, Options::default()).map_err(disk)?;
    let imported = scratch.import(stream, tell);
    let (Ok(mut imported), Some(store)) = (imported.as_ref().copied(), store) else {
        return Ok(imported);
    };
    for stored in scratch.sorted() {
        let stored = stored.map_err(disk)?;
        match store.get(&stored.digest).map_err(disk)? {
            None => continue,
            Some(there) if there.body == stored.answer.body => imported.there += 1,
            Some(_) => imported.conflicts += 1,
        }
        imported.stored -= 1;
    }
    Ok(Ok(imported))
}
