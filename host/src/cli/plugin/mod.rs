//! `xhost plugin`: what plugins are there, what a file is, and, in `author`, everything on the way to a plugin of one's own.

/// Making plugins.
mod author;

/// Checking, testing and measuring them.
mod examine;

/// Giving them to others, and getting others'.
mod share;

use super::{Exit, Failure, places};
use crate::plugin::inspect::SIZE_LIMIT;
use crate::plugin::{COMPILER_MEMORY, COMPILER_SECONDS, Compiled, Engine, Plugin, builtin};
use rlimit::Resource;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Look at plugins, and make your own.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the plugins that are part of xhost
    #[command(after_help = "Example:\n  xhost plugin list --json | jq -r '.[].name'")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin is, without running it on anything
    #[command(
        after_help = "Example:\n  xhost plugin show numeric\n  xhost plugin show ./scorer.wasm --json"
    )]
    Show {
        /// A built-in plugin's name, or a component's file
        plugin: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    New(author::New),
    Build(author::Build),
    Check(examine::Check),
    Test(examine::Test),
    Bench(examine::Bench),
    Push(share::Push),
    Pull(share::Pull),
}

pub(super) async fn main(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::New(arguments) => author::new(&arguments),
        Command::Build(arguments) => author::build(&arguments),
        Command::Check(arguments) => examine::check(&arguments).await,
        Command::Test(arguments) => examine::test(&arguments).await,
        Command::Bench(arguments) => examine::bench(&arguments).await,
        Command::Push(arguments) => share::push(&arguments).await,
        Command::Pull(arguments) => share::pull(&arguments).await,
        Command::List { json } => show(None, json).await,
        Command::Show { plugin, json } => show(Some(&plugin), json).await,
    }
}

/// One plugin, or all that are built in.
async fn show(plugin: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let many = plugin.is_none();
    let plugins = match plugin {
        Some(plugin) => vec![load(&engine, plugin)?],
        None => builtin::names()
            .map(|name| builtin::load(&engine, name).map_err(Failure::wrong))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut shown = Vec::with_capacity(plugins.len());
    for plugin in &plugins {
        let schema = plugin.schema().await.map_err(Failure::wrong)?;
        let (name, kind, digest) = (
            plugin.name(),
            plugin.kind().text(),
            plugin.digest().to_string(),
        );
        shown.push(json!({ "name": name, "kind": kind, "digest": digest, "params": schema }));
    }
    if as_json {
        let value = if many { json!(shown) } else { shown.remove(0) };
        println!("{value:#}");
        return Ok(Exit::Done);
    }
    for (plugin, shown) in plugins.iter().zip(&shown) {
        let names = shown["params"]["properties"]
            .as_object()
            .map(|params| params.keys().cloned().collect::<Vec<_>>());
        let names = names.unwrap_or_default().join(", ");
        println!(
            "{:14} {:16} {}  params: {names}",
            plugin.kind().text(),
            plugin.name(),
            &plugin.digest().to_string()[..12]
        );
        if !many {
            println!("{:#}", shown["params"]);
        }
    }
    Ok(Exit::Done)
}

/// Compiles the component on stdin into the cache. Started by this very program, so that the compiler's memory is not
/// the run's, and neither is its end.
pub(super) fn compile() -> Result<Exit, Failure> {
    for (resource, most) in [
        (Resource::CPU, COMPILER_SECONDS),
        (Resource::DATA, COMPILER_MEMORY),
    ] {
        let limited = resource
            .get()
            .and_then(|(soft, hard)| resource.set(soft.min(most), hard));
        limited.map_err(Failure::wrong)?;
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(SIZE_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(Failure::wrong)?;
    let compiled = places::compiled().map(|compiled| Compiled {
        compiler: None,
        ..compiled
    });
    let engine = Engine::new(compiled).map_err(|e| Failure::new(Exit::Internal, e))?;
    Plugin::from_bytes(&engine, "stdin", &bytes).map_err(Failure::wrong)?;
    Ok(Exit::Done)
}

fn load(engine: &Engine, name: &Path) -> Result<Plugin, Failure> {
    match name.to_str().filter(|name| builtin::bytes(name).is_some()) {
        Some(name) => builtin::load(engine, name).map_err(Failure::wrong),
        None => Plugin::from_file(engine, name).map_err(Failure::wrong),
    }
}
