//! `xhost store`: what is in the store, whether it is whole, and how it becomes smaller or goes elsewhere.

/// What comes from elsewhere.
mod import;

use super::opening::{self, Busy, when_free};
use super::{Exit, Failure, places};
use crate::store::Store;
use crate::text;
use serde_json::json;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use xhost_store::{Copied, Digest, Keep, Old, Report, RunId, Trouble, copy, verify};

/// Look at the store of answers, check it, make it smaller, take it elsewhere.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  xhost store stat
  xhost store verify --json | jq '.findings[].digest'
  xhost store export answers.jsonl.zst && zstdcat answers.jsonl.zst | jq .body")]
pub(super) struct Arguments {
    /// Store of answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE", global = true)]
    store: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Wait while another process has the store
    #[arg(long, global = true)]
    wait: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Count what is in it
    #[command(after_help = "Example:\n  xhost store stat --json | jq .answers")]
    Stat,
    /// Show the answer to a request, and the request
    #[command(
        after_help = "Example:\n  xhost store get $(jq -r '.requests[0].digest' runs/demo/trials.jsonl | head -1)"
    )]
    Get {
        /// The request's digest, 64 hexadecimal characters
        digest: String,
    },
    /// Check every page, every answer and every key; changes nothing without --repair
    #[command(after_help = "Example:\n  xhost store verify --repair")]
    Verify {
        /// Write the store anew without what is damaged, and with what lost its key; the old file is kept
        #[arg(long)]
        repair: bool,
    },
    /// Drop superseded answers; with --keep-runs also those that no run touched
    ///
    /// The store is written anew beside itself, compared, and only then takes the old one's place.
    #[command(
        after_help = "Examples:\n  xhost store gc                       what another answer took the place of\n  \
                      xhost store gc --keep-runs           all that none of the noted runs touched\n  \
                      xhost store gc --keep-runs demo,ab12 all that only other runs touched"
    )]
    Gc {
        /// Keep only what noted runs touched: all of them, or these (experiment's name, or the first digits of the run's id)
        #[arg(long, value_name = "RUN,..", num_args = 0..=1, value_delimiter = ',', default_missing_value = "", require_equals = false)]
        keep_runs: Option<Vec<String>>,
    },
    /// Write the store anew as small as it can be: all answers packed with the newest dictionary, no free pages
    #[command(after_help = "Example:\n  xhost store compact")]
    Compact,
    /// Write all answers to a file of JSON lines, packed by zstd: the same answers are the same bytes
    #[command(
        after_help = "Example:\n  xhost store export answers.jsonl.zst\n  xhost store export - | zstdcat | jq .key"
    )]
    Export {
        /// The file, which must not be there yet; `-` for the output
        file: PathBuf,
    },
    Import(Box<import::Import>),
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk {
        path: arguments.store.unwrap_or_else(places::store),
        json: arguments.json,
        busy: Busy::new(arguments.wait),
    };
    match arguments.command {
        Command::Stat => desk.stat().await,
        Command::Get { digest } => desk.get(&digest).await,
        Command::Verify { repair } => desk.verify(repair).await,
        Command::Gc { keep_runs } => desk.collect(keep_runs).await,
        Command::Compact => desk.anew(None, "xhost store compact").await,
        Command::Export { file } => desk.export(&file).await,
        Command::Import(import) => import::main(&desk, &import).await,
    }
}

/// Where the store is, and how the command speaks.
struct Desk {
    path: PathBuf,
    json: bool,
    busy: Busy,
}

impl Desk {
    /// A store that must be there: looking at one does not make one.
    async fn open(&self, command: &str) -> Result<Store, Failure> {
        self.must_be_there()?;
        opening::open(&self.path, command, self.busy).await
    }

    /// The same, for a command that walks through all of the file.
    async fn open_alone(&self, command: &str) -> Result<xhost_store::Store, Failure> {
        self.must_be_there()?;
        opening::open_alone(&self.path, command, self.busy).await
    }

    fn must_be_there(&self) -> Result<(), Failure> {
        if opening::is_there(&self.path)? {
            return Ok(());
        }
        let words = format!(
            "there is no store {}: name one with --store",
            self.path.display()
        );
        Err(Failure::new(Exit::Disk, words))
    }

    fn say(&self, value: &serde_json::Value, words: impl FnOnce() -> String) -> Exit {
        let text = if self.json {
            format!("{value:#}")
        } else {
            words()
        };
        // Nobody reads the output any more: that is theirs to decide.
        let _ = writeln!(io::stdout().lock(), "{text}");
        Exit::Done
    }

    async fn stat(&self) -> Result<Exit, Failure> {
        let store = self.open("xhost store stat").await?;
        let stat = store.stat().map_err(disk)?;
        Ok(self.say(&json!({ "path": self.path, "stat": stat }), || {
            let packed = stat.record_bytes + stat.request_bytes;
            format!(
                "{}\n{} answers, {} superseded; {} with their requests; {} runs; {} journal entries; {} dictionaries\n\
                 {} packed, {} on disk",
                self.path.display(),
                stat.answers,
                stat.superseded,
                stat.requests,
                stat.runs,
                stat.journal,
                stat.dictionaries,
                bytes(packed),
                bytes(stat.file_bytes)
            )
        }))
    }

    async fn get(&self, digest: &str) -> Result<Exit, Failure> {
        let digest: Digest = digest.parse().map_err(Failure::wrong)?;
        let store = self.open("xhost store get").await?;
        let Some(answer) = store.get(&digest).map_err(disk)? else {
            let words = format!("{} has no answer to {digest}", self.path.display());
            return Err(Failure::wrong(words));
        };
        // An answer is worth showing without its request.
        let request = store.request(&digest).unwrap_or_default();
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let value = json!({
            "digest": digest,
            "response": answer.digest(),
            "status": answer.status,
            "api": answer.api,
            "model": answer.model,
            "headers": answer.headers,
            "created_ms": answer.created_ms,
            "latency_ms": answer.latency_ms,
            "body": body,
            "request": request,
        });
        Ok(self.say(&value, || {
            let asked = request.map_or_else(
                || "(the request is not stored)".to_owned(),
                |request| {
                    let body = String::from_utf8_lossy(&request.body).into_owned();
                    format!(
                        "{} {}{}\n{body}",
                        request.method, request.endpoint, request.target
                    )
                },
            );
            text::plain(&format!(
                "{asked}\n\n{} {}\n{body}",
                answer.status, answer.model
            ))
        }))
    }

    async fn verify(&self, repair: bool) -> Result<Exit, Failure> {
        let report = when_free(&self.path, self.busy, || {
            let mut progress = Progress::new("records checked");
            verify(&self.path, |done, of| progress.tell(done, of))
        })
        .await?;
        if report.is_whole() || !repair {
            self.say(&json!(report), || told(&report));
            return Ok(if report.is_whole() {
                Exit::Done
            } else {
                Exit::Disk
            });
        }
        let copied = self
            .copy(Keep::All, Old::Kept, "xhost store verify --repair")
            .await?;
        Ok(self.say(&json!({ "before": report, "repaired": copied }), || {
            let old = copied.old.as_deref().unwrap_or(Path::new("")).display();
            format!(
                "{}\nrepaired: {} answers are there, {} records were dropped, {} found their key again\n\
                 the old file is {old}: remove it when nothing is missed",
                told(&report),
                copied.answers,
                copied.damaged,
                copied.linked
            )
        }))
    }

    async fn collect(&self, keep: Option<Vec<String>>) -> Result<Exit, Failure> {
        let Some(named) = keep else {
            return self.anew(None, "xhost store gc").await;
        };
        let store = self.open_alone("xhost store gc").await?;
        let named: Vec<String> = named.into_iter().filter(|name| !name.is_empty()).collect();
        let runs = kept(&store, &named)?;
        drop(store);
        self.anew(Some(runs), "xhost store gc").await
    }

    async fn anew(&self, runs: Option<Vec<RunId>>, command: &str) -> Result<Exit, Failure> {
        let keep = runs.as_deref().map_or(Keep::All, Keep::Runs);
        let copied = self.copy(keep, Old::Removed, command).await?;
        Ok(self.say(&json!(copied), || {
            let damaged = match copied.damaged {
                0 => String::new(),
                damaged => format!(", {damaged} of them damaged"),
            };
            format!(
                "{} answers are kept, {} records were left behind{damaged}; {} before, {} now",
                copied.answers,
                copied.left,
                bytes(copied.bytes_before),
                bytes(copied.bytes_after)
            )
        }))
    }

    async fn copy(&self, keep: Keep<'_>, old: Old, command: &str) -> Result<Copied, Failure> {
        when_free(&self.path, self.busy, || {
            let mut progress = Progress::new("records copied");
            copy(&self.path, keep, old, command, |done, of| {
                progress.tell(done, of);
            })
        })
        .await
    }

    async fn export(&self, file: &Path) -> Result<Exit, Failure> {
        let store = self.open_alone("xhost store export").await?;
        let mut progress = Progress::new("answers written");
        let total = store.len().map_err(disk)?;
        let tell = |done| progress.tell(done, total);
        if file == Path::new("-") {
            store.export(io::stdout().lock(), tell).map_err(disk)?;
            return Ok(Exit::Done);
        }
        let fails = |error: io::Error| {
            Failure::new(
                Exit::Disk,
                format!("cannot write {}: {error}", file.display()),
            )
        };
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let temporary = temporary.map_err(fails)?;
        let lines = store
            .export(BufWriter::new(&temporary), tell)
            .map_err(disk)?;
        temporary.as_file().sync_all().map_err(fails)?;
        temporary
            .persist_noclobber(file)
            .map_err(|error| fails(error.error))?;
        Ok(self.say(&json!({ "answers": lines, "file": file }), || {
            format!("{lines} answers are in {}", file.display())
        }))
    }
}

/// The runs that are meant; all where none is named.
fn kept(store: &xhost_store::Store, named: &[String]) -> Result<Vec<RunId>, Failure> {
    let mut runs = Vec::new();
    let mut met = vec![false; named.len()];
    for run in store.runs() {
        // A run that cannot be read cannot be kept, and what it touched would go.
        let (id, run) = run.map_err(disk)?;
        let short = id.to_string();
        let mut meant = named.is_empty();
        for (name, met) in named.iter().zip(&mut met) {
            if *name == run.experiment || (name.len() >= 4 && short.starts_with(name)) {
                (meant, *met) = (true, true);
            }
        }
        if meant {
            runs.push(id);
        }
    }
    if let Some(absent) = met.iter().position(|met| !met) {
        return Err(Failure::wrong(format!(
            "no run `{}` is noted in the store",
            named[absent]
        )));
    }
    if runs.is_empty() {
        let words = "no run is noted in the store: nothing would be kept, so nothing was done";
        return Err(Failure::wrong(words));
    }
    Ok(runs)
}

fn told(report: &Report) -> String {
    const SHOWN: usize = 20;
    if report.is_whole() {
        return format!(
            "whole: {} answers, {} records, {} requests; every page, record and key was checked",
            report.answers, report.records, report.requests
        );
    }
    let mut lines: Vec<String> = Vec::new();
    for finding in report.findings.iter().take(SHOWN) {
        let what = match finding.what {
            Trouble::File => "file",
            Trouble::Log => "log",
            Trouble::Answer => "answer",
            Trouble::Unreached => "unreached answer",
            Trouble::Request => "request",
            Trouble::Note => "note",
            Trouble::Dictionary => "dictionary",
        };
        let digest = finding
            .digest
            .map_or_else(String::new, |digest| format!(" {digest}"));
        lines.push(text::plain(&format!("{what}{digest}: {}", finding.detail)));
    }
    let all = report.findings.len() as u64 + report.more;
    if all > SHOWN as u64 {
        lines.push(format!(
            "and {} more; --json lists them",
            all - SHOWN as u64
        ));
    }
    lines.push(format!(
        "{all} findings among {} answers; `xhost store verify --repair` saves what is whole",
        report.answers
    ));
    lines.join("\n")
}

fn disk(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Disk, error)
}

fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}

/// How far something long has come, for a person who looks.
struct Progress {
    what: &'static str,
    told: std::time::Instant,
    shown: bool,
}

impl Progress {
    fn new(what: &'static str) -> Progress {
        Progress {
            what,
            told: std::time::Instant::now(),
            shown: false,
        }
    }

    fn tell(&mut self, done: u64, of: u64) {
        const EVERY: std::time::Duration = std::time::Duration::from_millis(500);
        if self.told.elapsed() < EVERY || !io::stderr().is_terminal() {
            return;
        }
        self.told = std::time::Instant::now();
        self.shown = true;
        match of {
            0 => eprint!("\r{done} {}", self.what),
            of => eprint!("\r{done} of {of} {}", self.what),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprintln!();
        }
    }
}
