//! `xhost replay`: a recorded run made again, without a network.

use super::carry::{self, Run, existing_store};
use super::opening::{self, Busy};
use super::{Exit, Failure, places};
use crate::bundle::Bundle;
use crate::difference::short;
use crate::plan::{Plan, Substitute};
use crate::plugin::{Engine, Kind, Plugin};
use crate::progress::{Progress, Style};
use crate::replay::{self, Changed, Source};
use crate::results::{RunFile, TRIALS};
use crate::run::Ended;
use crate::store::Store;
use crate::summary::{ConfigSummary, ScorerSummary};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  xhost replay gsm8k                            the run in runs/gsm8k, from the store
  xhost replay gsm8k.xhb --out replayed         a bundle, from nothing else
  xhost replay gsm8k --with-plugin scorer.wasm  what another scorer says of the same answers

No socket is opened and no credential is read. Exit code 10: an answer is missing. 11: the results differ.";

/// Make a recorded run again, offline, and compare the results to the byte.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The run's folder, its name under runs/, or a bundle
    #[arg(value_name = "RUN | FILE.xhb")]
    target: String,
    /// Store of the run's answers; not used by a bundle [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Refuse any bundle but this one
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Trust nothing that is kept: compile plugins anew, and compare the summary's figures too
    #[arg(long)]
    verify: bool,
    /// Folder for the results [default: they are compared and dropped]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Score the recorded answers with this scorer instead
    #[arg(long, value_name = "WASM", conflicts_with = "verify")]
    with_plugin: Option<PathBuf>,
    /// Label of the scorer that it replaces [default: that of the same name, or the only one]
    #[arg(long = "as", value_name = "LABEL", requires = "with_plugin")]
    label: Option<String>,
    /// Its parameters [default: those of the scorer that it replaces]
    #[arg(long, value_name = "JSON", requires = "with_plugin")]
    params: Option<String>,
    /// Print JSON lines: each trial that changed, then what the replay came to
    #[arg(long)]
    json: bool,
}

/// A run to be replayed, wherever it came from.
struct Recorded {
    run: RunFile,
    folder: PathBuf,
    run_digest: Option<String>,
    summary: Option<Value>,
    store: Arc<Store>,
    /// Gone, with what was unpacked, at the end.
    _unpacked: Option<tempfile::TempDir>,
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let recorded = Recorded::open(&arguments).await?;
    let compiled = places::compiled().filter(|_| !arguments.verify);
    let engine = Engine::new(compiled).map_err(|e| Failure::new(Exit::Internal, e))?;
    let substitute = substitute(&arguments, &engine)?;
    let scratch = tempfile::tempdir().map_err(|e| Failure::new(Exit::Disk, e))?;
    let out = arguments.out.as_deref().unwrap_or(scratch.path());
    refuse_same(out, &recorded.folder)?;
    let trials = recorded.folder.join(TRIALS);
    let source = Source {
        run: &recorded.run,
        trials: &trials,
        store: Arc::clone(&recorded.store),
    };
    let progress = |plan: &Plan| Progress::new(plan, Style::Quiet, &Progress::screen());
    let replayed = replay::replay(&source, &engine, substitute.as_ref(), out, progress).await;
    let (plan, ended) = replayed.map_err(Failure::wrong)?;
    if let Some(reason) = &ended.stopped {
        return Err(Failure::new(reason.into(), reason));
    }
    let told = Told {
        arguments: &arguments,
        recorded: &recorded,
        plan: &plan,
        ended: &ended,
        made: &out.join(TRIALS),
    };
    match substitute {
        Some(_) => told.what_changed(),
        None => told.whether_it_is_the_same(),
    }
    .map_err(|e| Failure::new(Exit::Disk, e))
}

impl Recorded {
    async fn open(arguments: &Arguments) -> Result<Recorded, Failure> {
        let path = Path::new(&arguments.target);
        if path.is_file() {
            return Recorded::unpack(path, arguments.expect.as_deref()).await;
        }
        let run = Run::find(&arguments.target)?;
        let summary = run.summary();
        let digest = summary
            .as_ref()
            .and_then(|summary| summary["run_digest"].as_str());
        Ok(Recorded {
            run_digest: digest.map(str::to_owned),
            run: run.file,
            folder: run.folder,
            summary,
            store: Arc::new(existing_store(arguments.store.clone()).await?),
            _unpacked: None,
        })
    }

    /// A bundle has a store of its own: nothing of this user's is read or written.
    async fn unpack(path: &Path, expected: Option<&str>) -> Result<Recorded, Failure> {
        let bundle = Bundle::open(path, expected).map_err(|e| carry::failure(&e))?;
        let unpacked = tempfile::tempdir().map_err(|e| Failure::new(Exit::Disk, e))?;
        let store = opening::open(
            &unpacked.path().join("store.redb"),
            "xhost replay",
            Busy::Refuse,
        )
        .await?;
        bundle.import(&store).map_err(|e| carry::failure(&e))?;
        let folder = unpacked.path().join("run");
        bundle.restore(&folder).map_err(|e| carry::failure(&e))?;
        Ok(Recorded {
            run: bundle.config().run.clone(),
            run_digest: Some(bundle.config().run_digest.clone()),
            folder,
            summary: None,
            store: Arc::new(store),
            _unpacked: Some(unpacked),
        })
    }
}

fn substitute(arguments: &Arguments, engine: &Engine) -> Result<Option<Substitute>, Failure> {
    let Some(file) = &arguments.with_plugin else {
        return Ok(None);
    };
    let plugin = Plugin::from_file(engine, file)
        .and_then(|plugin| plugin.expect(Kind::Scorer, "`--with-plugin`"));
    let params = arguments
        .params
        .as_deref()
        .map(|text| -> Result<_, Failure> {
            crate::json::check(text).map_err(|what| Failure::wrong(format!("--params {what}")))?;
            Ok(Arc::new(text.to_owned()))
        });
    Ok(Some(Substitute {
        plugin: plugin.map_err(Failure::wrong)?,
        label: arguments.label.clone(),
        params: params.transpose()?,
    }))
}

/// A run must not be written over by what it is compared with.
fn refuse_same(out: &Path, recorded: &Path) -> Result<(), Failure> {
    let same = out
        .canonicalize()
        .ok()
        .filter(|out| recorded.canonicalize().ok().as_ref() == Some(out));
    match same {
        Some(_) => Err(Failure::wrong(
            "--out is the run's own folder: name another one",
        )),
        None => Ok(()),
    }
}

/// What a replay tells.
struct Told<'a> {
    arguments: &'a Arguments,
    recorded: &'a Recorded,
    plan: &'a Plan,
    ended: &'a Ended,
    made: &'a Path,
}

impl Told<'_> {
    fn trials(&self) -> PathBuf {
        self.recorded.folder.join(TRIALS)
    }

    fn whether_it_is_the_same(&self) -> std::io::Result<Exit> {
        let mut first = None;
        replay::compare(&self.trials(), self.made, |changed| {
            first = Some(changed);
            false
        })?;
        let made = self.ended.summary.run_digest.clone();
        let recorded = self.recorded.run_digest.clone();
        let other_digest = recorded.is_some() && recorded != made;
        let figures = match self.arguments.verify {
            true => self.figures_that_differ()?,
            false => None,
        };
        let same = first.is_none() && !other_digest && figures.is_none();
        let trials = self.ended.summary.totals.trials;
        if self.arguments.json {
            println!(
                "{}",
                json!({
                    "event": "replay", "same": same, "trials": trials, "run_digest": made,
                    "recorded_run_digest": recorded, "first_difference": first, "figures": figures,
                    "out": self.arguments.out,
                })
            );
        } else {
            println!("run digest {}", made.as_deref().unwrap_or("none"));
            println!("recorded   {}", recorded.as_deref().unwrap_or("none"));
            match (&first, &figures) {
                (Some(changed), _) => println!("the first difference: {}", line(changed)),
                (None, Some(difference)) => println!("the summary differs: {difference}"),
                (None, None) if other_digest => {
                    println!("the run digest differs, and no trial does");
                }
                (None, None) => println!("{trials} trials, the same to the byte"),
            }
            if let Some(out) = &self.arguments.out {
                println!("results in {}", out.display());
            }
        }
        Ok(if same { Exit::Done } else { Exit::Differs })
    }

    /// The first figure of the recorded summary that the trials do not come to.
    fn figures_that_differ(&self) -> std::io::Result<Option<String>> {
        let Some(summary) = &self.recorded.summary else {
            return Ok(None);
        };
        let fresh = replay::figures(self.plan, self.made)?;
        let fresh = serde_json::to_value(fresh).map_err(std::io::Error::other)?;
        let found = crate::difference::differences(
            &without_origins(&summary["configs"]),
            &without_origins(&fresh),
            1,
        );
        Ok(found.first().map(ToString::to_string))
    }

    fn what_changed(&self) -> std::io::Result<Exit> {
        const SHOWN: u64 = 20;
        let mut count = 0;
        replay::compare(&self.trials(), self.made, |changed| {
            count += 1;
            match self.arguments.json {
                true => println!("{}", json!({ "event": "changed", "trial": changed })),
                false if count <= SHOWN => println!("{}", line(&changed)),
                false => {}
            }
            true
        })?;
        let before = replay::figures(self.plan, &self.trials())?;
        let after = &self.ended.summary.configs;
        if self.arguments.json {
            println!(
                "{}",
                json!({ "event": "replay", "trials": self.ended.summary.totals.trials, "changed": count,
                        "before": before, "after": after, "out": self.arguments.out })
            );
            return Ok(Exit::Done);
        }
        if count > SHOWN {
            println!("… {} more; --json prints them all", count - SHOWN);
        }
        println!(
            "{count} of {} trials changed",
            self.ended.summary.totals.trials
        );
        for (before, after) in before.iter().zip(after) {
            print_means(before, after);
        }
        Ok(Exit::Done)
    }
}

fn print_means(before: &ConfigSummary, after: &ConfigSummary) {
    let config = Value::Object((*after.config).clone());
    for now in &after.scorers {
        let same = |one: &&ScorerSummary| one.scorer == now.scorer && one.name == now.name;
        let mean = |one: Option<&ScorerSummary>| match one.and_then(|one| one.mean) {
            Some(mean) => format!("{mean:.4}"),
            None => "none".into(),
        };
        let measure = now.name.as_deref().unwrap_or("");
        let was = before.scorers.iter().find(same);
        println!(
            "{config} {} {measure}: {} became {}",
            now.scorer,
            mean(was),
            mean(Some(now))
        );
    }
}

/// Where answers came from, and so what they cost, is another story in each run.
fn without_origins(configs: &Value) -> Value {
    let mut configs = configs.clone();
    for config in configs.as_array_mut().into_iter().flatten() {
        if let Some(config) = config.as_object_mut() {
            config
                .retain(|key, _| !matches!(key.as_str(), "hits" | "shared" | "calls" | "cost_usd"));
        }
    }
    configs
}

fn line(changed: &Changed) -> String {
    let Changed {
        config,
        sample,
        epoch,
        fields,
    } = changed;
    let sample = crate::text::plain(sample);
    let first = fields.first().map_or_else(String::new, |field| {
        format!(
            "{}: {} became {}",
            field.field,
            short(&field.before),
            short(&field.after)
        )
    });
    format!("sample `{sample}`, epoch {epoch}, config {config}: {first}")
}
