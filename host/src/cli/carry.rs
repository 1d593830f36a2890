//! `xhost export` and `xhost import`: a run in one file, and back.

use super::opening::{self, Busy};
use super::{Exit, Failure, places};
use crate::bundle::{self, Bundle, BundleError};
use crate::results::{RunFile, TRIALS};
use crate::store::Store;
use crate::summary::peak_memory_bytes;
use serde_json::json;
use std::path::{Path, PathBuf};

const EXPORT_EXAMPLES: &str = "\
Example:
  xhost export gsm8k -o gsm8k.xhb       the run in runs/gsm8k
  xhost replay gsm8k.xhb                anywhere, without a network or a key

The file is an OCI image layout in a tar: `tar tf`, `zstdcat | jq` and OCI registries can read it. It holds the experiment
as resolved, its plugins, rows, answers and results; neither credentials nor requests nor anything of this machine.";

/// Write a run into one file, to be replayed elsewhere.
///
/// The same run gives the same bytes. A run that holds the value of one of this environment's credentials is refused.
#[derive(clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(super) struct Export {
    /// The run's folder, or its name under runs/
    run: String,
    /// File to write
    #[arg(long, short, value_name = "FILE.xhb")]
    out: PathBuf,
    /// Store of the run's answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Print what was exported as JSON
    #[arg(long)]
    json: bool,
}

const IMPORT_EXAMPLES: &str = "\
Example:
  xhost import gsm8k.xhb --expect sha256:…      the digest that `xhost export` printed
  xhost run gsm8k.yaml                          the same experiment asks nobody";

/// Take the answers of a bundle into the store.
///
/// Every digest, count and root is verified before anything is stored. No answer that is there is replaced.
#[derive(clap::Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(super) struct Import {
    /// The bundle
    #[arg(value_name = "FILE.xhb")]
    bundle: PathBuf,
    /// Store that takes the answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Refuse any bundle but this one
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Restore the run's folder here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print what was imported as JSON
    #[arg(long)]
    json: bool,
}

/// A run's folder and what it says of itself.
pub(super) struct Run {
    pub folder: PathBuf,
    pub file: RunFile,
}

impl Run {
    /// The run of this folder, or of this name under `runs/`.
    pub(super) fn find(name: &str) -> Result<Run, Failure> {
        let candidates = [PathBuf::from(name), Path::new("runs").join(name)];
        let found = candidates
            .iter()
            .find(|folder| folder.join("run.json").is_file());
        let Some(folder) = found else {
            return Err(Failure::wrong(format!(
                "there is no run in {} or {}: name a folder that holds a run.json, or a bundle",
                candidates[0].display(),
                candidates[1].display()
            )));
        };
        let path = folder.join("run.json");
        let unread = |what: String| Failure::wrong(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|e| unread(e.to_string()))?;
        let file = serde_json::from_str(&text).map_err(|e| unread(e.to_string()))?;
        Ok(Run {
            folder: folder.clone(),
            file,
        })
    }

    /// The digest that the run's summary tells; none for a run that is not complete, or has no summary.
    pub(super) fn summary(&self) -> Option<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.join("summary.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// A store that must be there already.
pub(super) async fn existing_store(named: Option<PathBuf>) -> Result<Store, Failure> {
    let path = named.unwrap_or_else(places::store);
    if !opening::is_there(&path)? {
        let path = path.display();
        return Err(Failure::wrong(format!(
            "there is no store {path}: name the one that the run used with --store"
        )));
    }
    opening::open(&path, "xhost", Busy::Refuse).await
}

pub(super) fn failure(error: &BundleError) -> Failure {
    let exit = match error {
        BundleError::Io { .. }
        | BundleError::Read(_)
        | BundleError::Write(_)
        | BundleError::Keep(_) => Exit::Disk,
        BundleError::Run(_) => Exit::Wrong,
        BundleError::Credential { .. }
        | BundleError::Refused { .. }
        | BundleError::Unexpected { .. } => Exit::Refused,
    };
    Failure::new(exit, error)
}

pub(super) async fn export(arguments: Export) -> Result<Exit, Failure> {
    let run = Run::find(&arguments.run)?;
    let recorded = run.summary();
    let complete = |summary: &serde_json::Value| summary["complete"] == true;
    if recorded.as_ref().is_some_and(|summary| !complete(summary)) {
        return Err(Failure::wrong(format!(
            "the run in {} is not complete: run the experiment to its end, and export it then",
            run.folder.display()
        )));
    }
    let store = existing_store(arguments.store).await?;
    let source = bundle::Source {
        run: run.file,
        trials: &run.folder.join(TRIALS),
        store: &store,
    };
    let exported = bundle::export(&source, &arguments.out).map_err(|e| failure(&e))?;
    let told = recorded
        .as_ref()
        .and_then(|summary| summary["run_digest"].as_str());
    if told.is_some_and(|told| told != exported.run_digest) {
        // The file says what its trials come to; what the summary says was changed, or they were.
        std::fs::remove_file(&arguments.out).map_err(|e| Failure::new(Exit::Disk, e))?;
        return Err(Failure::new(
            Exit::Differs,
            "trials.jsonl does not come to the run digest of summary.json: it was changed; run the experiment again",
        ));
    }
    for warning in &exported.warnings {
        eprintln!("warning: {warning}");
    }
    let out = arguments.out.display();
    match arguments.json {
        true => println!(
            "{}",
            json!({
                "out": arguments.out,
                "exported": exported,
                "peak_memory_bytes": peak_memory_bytes(),
            })
        ),
        false => println!(
            "{out}: {} trials, {} answers, {} bytes\ndigest     {}\nrun digest {}",
            exported.trials, exported.entries, exported.bytes, exported.digest, exported.run_digest
        ),
    }
    Ok(Exit::Done)
}

pub(super) async fn import(arguments: Import) -> Result<Exit, Failure> {
    let bundle =
        Bundle::open(&arguments.bundle, arguments.expect.as_deref()).map_err(|e| failure(&e))?;
    let path = arguments.store.unwrap_or_else(places::store);
    let store = opening::open(&path, "xhost import", Busy::Refuse).await?;
    let imported = bundle.import(&store).map_err(|e| failure(&e))?;
    if let Some(out) = &arguments.out {
        bundle.restore(out).map_err(|e| failure(&e))?;
    }
    let (digest, run_digest) = (bundle.digest(), &bundle.config().run_digest);
    if arguments.json {
        let store = store.path();
        println!(
            "{}",
            json!({ "digest": digest, "run_digest": run_digest, "store": store, "answers": imported, "out": arguments.out })
        );
        return Ok(Exit::Done);
    }
    println!(
        "{} answers are stored now, {} were there, {} differ from what is there, which stays\ndigest     {digest}\nrun digest {run_digest}",
        imported.stored, imported.already_there, imported.conflicts
    );
    if let Some(out) = &arguments.out {
        println!("the run is in {}", out.display());
    }
    Ok(Exit::Done)
}
