//! `xhost limits`: other limits for a run that goes on.

use super::steer::{FILE, Key, Orders, in_words};
use super::{Exit, Failure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  xhost limits runs/gsm8k requests_per_minute=3000
  xhost limits runs/gsm8k concurrency=50 tokens_per_minute=none";

/// A run looks for orders several times a second; a machine that is busy takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Change the limits of a run that goes on.
///
/// They hold for the run's models until it ends; the experiment's file says what holds next time. `kill -HUP` makes a run
/// read the limits in its experiment's file again.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Folder of the run's results
    run: PathBuf,
    /// `concurrency`, `requests_per_minute`, `tokens_per_minute`, `input_tokens_per_minute` or `output_tokens_per_minute`,
    /// with a number from 1, or `none`
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = order)]
    orders: Vec<(Key, Option<u64>)>,
}

fn order(word: &str) -> Result<(Key, Option<u64>), String> {
    let (key, value) = word
        .split_once('=')
        .ok_or("write it as KEY=VALUE, such as requests_per_minute=300")?;
    let key = key.strip_prefix("limits.").unwrap_or(key);
    let key = serde_json::from_value(key.into()).map_err(|_| {
        "known are concurrency, requests_per_minute, tokens_per_minute, input_tokens_per_minute and \
         output_tokens_per_minute"
    })?;
    let value = match value {
        "none" if key == Key::Concurrency => {
            return Err("there is no run without a limit on it".into());
        }
        "none" => None,
        number => match number.parse() {
            Ok(number @ 1..) => Some(number),
            Ok(0) | Err(_) => return Err("its value is a whole number from 1, or `none`".into()),
        },
    };
    Ok((key, value))
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { run, orders } = arguments;
    if !run.join("run.json").exists() {
        return Err(Failure::wrong(format!(
            "{} holds no run: name the folder that `xhost run` says its results are in",
            run.display()
        )));
    }
    let orders: Orders = orders.into_iter().collect();
    let path = run.join(FILE);
    leave(&run, &orders)
        .map_err(|e| Failure::new(Exit::Disk, format!("cannot write {}: {e}", path.display())))?;
    let taken = async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, taken).await.is_ok() {
        println!("{}", in_words(&orders));
        return Ok(Exit::Done);
    }
    // Orders that nobody took must not wait for a later run.
    let _ = std::fs::remove_file(&path);
    Err(Failure::wrong(format!(
        "no run goes on in {}: start it with these limits instead, such as `xhost run limits.requests_per_minute=300`",
        run.display()
    )))
}

/// All at once: a run never sees half of it.
fn leave(run: &Path, orders: &Orders) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(run)?;
    serde_json::to_writer(&mut file, orders)?;
    file.flush()?;
    file.persist(run.join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_known_key_and_a_sensible_number() {
        assert_eq!(order("concurrency=50"), Ok((Key::Concurrency, Some(50))));
        assert_eq!(
            order("limits.tokens_per_minute=none"),
            Ok((Key::TokensPerMinute, None))
        );
        for wrong in [
            "concurrency",
            "concurrency=none",
            "concurrency=0",
            "retries=3",
            "tokens_per_minute=-1",
            "tokens_per_minute=many",
        ] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }
}
