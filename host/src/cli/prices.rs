//! `xhost prices`: what models cost, as far as this machine knows.

use super::{Exit, Failure, places};
use crate::prices::{Price, Rates, Table};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Look at what models cost.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show the price of a model, in US dollars for a million tokens
    #[command(
        after_help = "Examples:\n  xhost prices show gpt-4o-mini\n  xhost prices show groq/openai/gpt-oss-120b --json"
    )]
    Show {
        /// The model's name in the table
        model: String,
        /// Print JSON, in dollars for a token
        #[arg(long)]
        json: bool,
    },
    /// Use the prices of a file instead: litellm's `model_prices_and_context_window.json`, or a part of it
    ///
    /// The file is copied into your data folder. Nothing is fetched.
    #[command(after_help = "Example:\n  xhost prices update model_prices_and_context_window.json")]
    Update {
        /// The table
        file: PathBuf,
    },
}

pub(super) fn main(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Show { model, json } => show(&model, json),
        Command::Update { file } => update(&file),
    }
}

/// The table that this user has, else the one that is part of this program.
pub(super) fn table() -> Result<Table, Failure> {
    let own = places::prices();
    if own.exists() {
        return Table::load(&own).map_err(Failure::wrong);
    }
    Ok(Table::embedded())
}

fn show(model: &str, as_json: bool) -> Result<Exit, Failure> {
    let table = table()?;
    let price = table.price(model).ok_or_else(|| unknown(&table, model))?;
    if as_json {
        println!(
            "{:#}",
            json!({ "model": model, "source": table.source, "price": price })
        );
        return Ok(Exit::Done);
    }
    println!(
        "{model}, US dollars for a million tokens, by {} of {}",
        table.source.name, table.source.taken
    );
    lines("", &price);
    for tier in &price.tiers {
        let of_tier = Price {
            live: tier.live.clone(),
            batch: tier.batch.clone(),
            tiers: Vec::new(),
            ..price
        };
        lines(&format!(", above {} input tokens", tier.above), &of_tier);
    }
    Ok(Exit::Done)
}

fn lines(above: &str, price: &Price) {
    let show = |lane: &str, rates: &Rates| {
        let million = |money: crate::prices::Money| money.times(1_000_000).dollars();
        println!(
            "{lane}{above}: input {}, output {}, cache read {}, cache write {} (an hour {}), reasoning {}",
            million(rates.input),
            million(rates.output),
            million(rates.cache_read),
            million(rates.cache_write),
            million(rates.cache_write_hour),
            million(rates.reasoning)
        );
    };
    show("live", &price.live);
    if let Some(batch) = &price.batch {
        show("batch", batch);
    }
}

fn unknown(table: &Table, model: &str) -> Failure {
    let like = table.like(model);
    let hint = match like.as_slice() {
        [] => String::new(),
        some => format!(
            "; there are {}",
            some.iter().take(8).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    Failure::wrong(format!(
        "the price of `{model}` is not known, which does not mean that it costs nothing{hint}. Add it to a table of your own: \
         `xhost prices update FILE`"
    ))
}

fn update(file: &Path) -> Result<Exit, Failure> {
    let table = Table::load(file).map_err(Failure::wrong)?;
    let own = places::prices();
    let fails = |error: std::io::Error| {
        Failure::new(
            Exit::Disk,
            format!("cannot write {}: {error}", own.display()),
        )
    };
    let folder = own.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(fails)?;
    // A reader sees the old table or the new one.
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(fails)?;
    let mut old = std::fs::File::open(file).map_err(Failure::wrong)?;
    std::io::copy(&mut old, &mut new).map_err(fails)?;
    new.as_file().sync_all().map_err(fails)?;
    new.persist(&own).map_err(|error| fails(error.error))?;
    println!(
        "{} models from {} are in {}",
        table.len(),
        table.source.name,
        own.display()
    );
    Ok(Exit::Done)
}
