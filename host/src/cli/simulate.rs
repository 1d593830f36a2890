//! `xhost simulate`: a model API on this machine.

use super::{Exit, Failure};
use crate::simulate::{BatchOptions, End, Latency, Options, Replies, Scripted, bind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Example:
  xhost simulate --listen 127.0.0.1:8080 --latency-ms 200 --rpm 600 &
  xhost run a.yaml model.base_url=http://127.0.0.1:8080/v1
  curl 127.0.0.1:8080/stats";

/// Answer as OpenAI's and Anthropic's APIs do, on this machine only.
///
/// For trying things out and for tests: usage, rate-limit headers, errors and delays as the real ones have them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Recorded replies: JSON lines with `model`, `contains` and `reply`
    #[arg(long, value_name = "FILE")]
    replies: Option<PathBuf>,
    /// Mean time to an answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// Requests a minute, for each key and model
    #[arg(long, value_name = "N")]
    rpm: Option<u32>,
    /// Tokens a minute, for each key and model
    #[arg(long, value_name = "N")]
    tpm: Option<u32>,
    /// Share of calls that fail, 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    fail: f64,
    /// Calls to refuse, by their number: all from it on, or COUNT of them; slow_down, insufficient_quota, invalid_api_key,
    /// ramp_limit_exceeded, enforced_spend_limit_reached and others of the providers' codes
    #[arg(long, value_name = "CODE@FIRST[xCOUNT]", value_delimiter = ',')]
    refuse: Vec<Scripted>,
    /// How long a batch takes
    #[arg(long, value_name = "N", default_value_t = 0)]
    batch_delay_ms: u64,
    /// How the first batches end, one after the other; later ones are completed: completed, expired, cancelled, failed,
    /// no-output, errors-only, partly, empty-names, unknown, duplicate, missing, broken, cut-stream
    #[arg(long, value_name = "END,END", value_delimiter = ',')]
    batch_ends: Vec<End>,
    /// Most tokens that wait in one model's batches, where OpenAI's words are spoken
    #[arg(long, value_name = "N")]
    batch_tokens: Option<u64>,
    /// The only credential that is taken [default: any, and none]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What faults and delays follow from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    if !(0.0..=1.0).contains(&arguments.fail) {
        return Err(Failure::wrong(
            "--fail is a share: write a number from 0 to 1, such as 0.05",
        ));
    }
    let replies = arguments
        .replies
        .as_deref()
        .map(Replies::load)
        .transpose()
        .map_err(Failure::wrong)?;
    let options = Options {
        replies,
        latency: Latency::mean(Duration::from_millis(arguments.latency_ms)),
        requests_per_minute: arguments.rpm,
        tokens_per_minute: arguments.tpm,
        fail_rate: arguments.fail,
        refusals: arguments.refuse,
        seed: arguments.seed,
        key: arguments.key,
        batches: BatchOptions {
            delay: Duration::from_millis(arguments.batch_delay_ms),
            ends: arguments.batch_ends,
            enqueued_tokens: arguments.batch_tokens,
        },
        forgetful: false,
    };
    let simulator = bind(arguments.listen, options).await.map_err(|e| {
        Failure::wrong(format!(
            "cannot listen on {}: {e}; choose another with --listen",
            arguments.listen
        ))
    })?;
    println!("listening on http://{}", simulator.address());
    let interrupted = async {
        // Without signals there is only `kill`, which needs no help.
        let _ = tokio::signal::ctrl_c().await;
    };
    simulator
        .serve(interrupted)
        .await
        .map_err(|e| Failure::new(Exit::Internal, e))?;
    Ok(Exit::Done)
}
