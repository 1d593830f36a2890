//! `xhost plugin check`, `test` and `bench`: what a plugin is, what it says, what it costs.

use super::super::{Exit, Failure, places};
use super::author::component_of;
use crate::authoring::{
    self, Case, Grant, Look, Outcome, Source, Yardstick, look, read_cases, updated,
};
use crate::plugin::{Engine, Plugin, builtin, read, read_known};
use crate::text::plain;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A component: its name and its bytes.
pub(super) struct Component {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// A component's file, a built-in's name, a project's folder (built before), or a .py or .js file (built now, or kept).
pub(super) fn component(plugin: &Path) -> Result<Component, Failure> {
    if let Some((name, bytes)) = plugin
        .to_str()
        .and_then(|name| Some((name, builtin::bytes(name)?)))
    {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        return Ok(Component { name, bytes });
    }
    let (file, bytes) = match plugin {
        folder if folder.is_dir() => {
            let file = component_of(folder)?;
            let bytes = read(&file);
            (file, bytes)
        }
        script if Source::is_script(script) => {
            let built = places::workshop()
                .component(script, |said| eprintln!("{said}"))
                .map_err(Failure::wrong)?;
            let bytes = read_known(&built.file, &built.digest);
            (built.file, bytes)
        }
        file => (file.to_owned(), read(file)),
    };
    let bytes = bytes.map_err(Failure::wrong)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Component {
        name: name.into_owned(),
        bytes,
    })
}

fn engine() -> Result<Engine, Failure> {
    Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))
}

const CHECK_EXAMPLES: &str = "\
Examples:
  xhost plugin check similarity.wasm
  xhost plugin check similarity.wasm --json | jq .params";

/// Say what a component is: kind, version, imports and which are denied, size, parameters, digest
#[derive(clap::Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(in crate::cli) struct Check {
    /// A component, a built-in plugin's name, a project's folder, or a .py or .js file
    #[arg(value_name = "FILE")]
    plugin: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Ends with 2 where a run would not take the plugin.
pub(super) async fn check(arguments: &Check) -> Result<Exit, Failure> {
    let component = component(&arguments.plugin)?;
    let look = look(&component.name, &component.bytes).map_err(Failure::wrong)?;
    let schema = match Plugin::from_bytes(&engine()?, &component.name, &component.bytes) {
        Ok(plugin) => plugin.schema().await.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if arguments.json {
        println!("{:#}", checked(&component, &look, &schema));
    } else {
        print!("{}", described(&component, &look, &schema));
    }
    match schema {
        Ok(_) => Ok(Exit::Done),
        Err(why) => Err(Failure::wrong(why)),
    }
}

fn checked(component: &Component, look: &Look, schema: &Result<Value, String>) -> Value {
    let imports = look.imports.iter().map(|import| {
        json!({ "name": import.name, "grant": import.grant.text(), "meaning": import.meaning })
    });
    json!({
        "name": component.name,
        "kind": look.kind.text(),
        "batch": look.batch,
        "api": look.version,
        "digest": look.digest.to_string(),
        "bytes": look.bytes,
        "functions": look.functions,
        "imports": imports.collect::<Vec<_>>(),
        "params": schema.as_ref().ok(),
        "refused": schema.as_ref().err(),
    })
}

fn described(component: &Component, look: &Look, schema: &Result<Value, String>) -> String {
    let batch = if look.batch { ", with batches" } else { "" };
    let mut text = format!(
        "{}: {}{batch}, for xhost:plugin@{}\ndigest   {}\nsize     {} bytes, {} functions\nimports\n",
        component.name, look.kind, look.version, look.digest, look.bytes, look.functions
    );
    let width = look.imports.iter().map(|import| import.name.len()).max();
    for grant in [Grant::Refused, Grant::Denied, Grant::Given] {
        for import in look.imports.iter().filter(|import| import.grant == grant) {
            let name = plain(&import.name);
            text += &format!(
                "  {:8} {name:width$}  {}\n",
                grant.text(),
                import.meaning,
                width = width.unwrap_or(0)
            );
        }
    }
    match schema {
        Ok(schema) => text += &format!("params   {schema:#}\n"),
        Err(_) => text += "params   unknown: the plugin is refused\n",
    }
    text
}

const TEST_EXAMPLES: &str = "\
Examples:
  xhost plugin test similarity.wasm cases.jsonl
  xhost plugin test similarity.wasm cases.jsonl --update     write what it says into the file
A case is a line: {\"answer\": \"It is 4.\", \"target\": \"4\", \"expect\": {\"scores\": {\"correct\": true}}}";

/// Run cases through a plugin, and show what differs from what they expect
///
/// Every case runs twice, in fresh instances. What a plugin logged or wrote before it failed is shown in full.
#[derive(clap::Args)]
#[command(after_help = TEST_EXAMPLES)]
pub(in crate::cli) struct Test {
    /// A component, a built-in plugin's name, a project's folder, or a .py or .js file
    #[arg(value_name = "FILE")]
    plugin: PathBuf,
    /// Cases, one JSON object a line
    cases: PathBuf,
    /// Write what the plugin says into the cases that expect something else
    #[arg(long)]
    update: bool,
    /// Print JSON, a line for each case
    #[arg(long)]
    json: bool,
}

/// Ends with 3 where a case differs.
pub(super) async fn test(arguments: &Test) -> Result<Exit, Failure> {
    let component = component(&arguments.plugin)?;
    let plugin = Plugin::from_bytes(&engine()?, &component.name, &component.bytes)
        .map_err(Failure::wrong)?;
    let cases = cases(&plugin, &arguments.cases)?;
    let outcomes = authoring::run(&plugin, &cases).await;
    for (case, outcome) in cases.iter().zip(&outcomes) {
        if arguments.json {
            println!(
                "{}",
                json!({ "name": case.name, "line": case.line, "ok": outcome.differs.is_empty(), "said": outcome.verdict,
                        "differs": outcome.differs, "output": outcome.trace.output })
            );
        } else {
            print!("{}", told(case, outcome));
        }
    }
    let failed = outcomes
        .iter()
        .filter(|outcome| !outcome.differs.is_empty())
        .count();
    if arguments.update && failed > 0 {
        std::fs::write(&arguments.cases, updated(&cases, &outcomes))
            .map_err(|e| Failure::new(Exit::Disk, format!("{}: {e}", arguments.cases.display())))?;
        eprintln!("{failed} of {} cases updated", cases.len());
        return Ok(Exit::Done);
    }
    if !arguments.json {
        println!("{} of {} cases passed", cases.len() - failed, cases.len());
    }
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::TrialsFailed
    })
}

fn cases(plugin: &Plugin, file: &Path) -> Result<Vec<Case>, Failure> {
    let wrong = |what: String| Failure::wrong(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let cases = read_cases(plugin.kind(), &text).map_err(|e| wrong(e.to_string()))?;
    if cases.is_empty() {
        return Err(wrong("there is no case in it".into()));
    }
    Ok(cases)
}

/// A line for what passed; for what differs every place, what was said, and the guest's own words.
fn told(case: &Case, outcome: &Outcome) -> String {
    let name = plain(&case.name);
    if outcome.differs.is_empty() {
        return format!("ok    {name}\n");
    }
    let mut text = format!("FAIL  {name} (line {})\n", case.line);
    for place in &outcome.differs {
        text += &format!("      {}\n", plain(place));
    }
    text += &format!("      it said {}\n", plain(&outcome.verdict.to_string()));
    if !outcome.trace.output.trim().is_empty() {
        text += "      and wrote\n";
        for line in outcome.trace.output.lines() {
            text += &format!("        {line}\n");
        }
    }
    text
}

const BENCH_EXAMPLES: &str = "\
Examples:
  xhost plugin bench similarity.wasm
  xhost plugin bench similarity.wasm --cases cases.jsonl --seconds 5";

/// Measure a plugin beside a built-in one of its kind: calls a second, time of the first call, memory of an instance
#[derive(clap::Args)]
#[command(after_help = BENCH_EXAMPLES)]
pub(in crate::cli) struct Bench {
    /// A component, a built-in plugin's name, a project's folder, or a .py or .js file
    #[arg(value_name = "FILE")]
    plugin: PathBuf,
    /// Call it with the first of these cases
    #[arg(long, value_name = "JSONL")]
    cases: Option<PathBuf>,
    /// How long each of four measurements takes
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .filter(|seconds| (0.01..=600.0).contains(seconds))
        .ok_or_else(|| "a number from 0.01 to 600 is expected".into())
}

pub(super) async fn bench(arguments: &Bench) -> Result<Exit, Failure> {
    let component = component(&arguments.plugin)?;
    let engine = engine()?;
    let plugin =
        Plugin::from_bytes(&engine, &component.name, &component.bytes).map_err(Failure::wrong)?;
    let cases = match &arguments.cases {
        Some(file) => cases(&plugin, file)?,
        None => Vec::new(),
    };
    let yardstick = Yardstick::of(plugin.kind());
    let time = Duration::from_secs_f64(arguments.seconds);
    let measured = authoring::bench(
        &engine,
        &component.name,
        &component.bytes,
        cases.first(),
        time,
    )
    .await;
    let beside = authoring::bench(&engine, yardstick.name, yardstick.bytes, None, time).await;
    let rows = [
        (component.name.as_str(), measured.map_err(Failure::wrong)?),
        (yardstick.name, beside.map_err(Failure::wrong)?),
    ];
    if arguments.json {
        let rows = rows.map(|(name, row)| measured_json(name, &row));
        println!("{:#}", json!(rows));
    } else {
        println!("{}", table(&rows));
    }
    Ok(Exit::Done)
}

fn measured_json(name: &str, row: &authoring::Bench) -> Value {
    json!({
        "name": name,
        "calls_per_second": row.calls_per_second,
        "calls_per_second_together": row.calls_per_second_together,
        "load_ms": row.load.as_secs_f64() * 1_000.0,
        "first_call_ms": row.first.as_secs_f64() * 1_000.0,
        "memory_bytes": row.memory,
        "fuel": row.fuel,
    })
}

fn table(rows: &[(&str, authoring::Bench)]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "plugin",
        "calls/s",
        "at once",
        "load",
        "first call",
        "memory",
        "instructions",
    ]);
    for (name, row) in rows {
        table.add_row([
            (*name).to_owned(),
            format!("{:.0}", row.calls_per_second),
            format!("{:.0}", row.calls_per_second_together),
            format!("{:.2} ms", row.load.as_secs_f64() * 1_000.0),
            format!("{:.2} ms", row.first.as_secs_f64() * 1_000.0),
            format!("{:.2} MiB", row.memory as f64 / f64::from(1 << 20)),
            row.fuel.to_string(),
        ]);
    }
    table
}
