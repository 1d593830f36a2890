//! `xhost serve`: has the store, and shares it with other processes of xhost; with `--listen`, with programs that speak a
//! provider's words too.

use super::opening::{self, Busy};
use super::{Exit, Failure, places, run, sockets};
use crate::plan::{Lanes, Library, Network};
use crate::plugin::Engine;
use crate::secret;
use crate::serve::Server;
use crate::serve::gateway::{Dialect, Gateway, Lines, Reach, Token, Upstream};
use crate::stop::{Stop, StopReason};
use crate::store::{Served, Store};
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this command is called where others are told who has the store.
pub(super) const COMMAND: &str = "xhost serve";

const EXAMPLES: &str = "\
Examples:
  xhost serve &                                 shares your store; other commands find it by themselves
  xhost run a.yaml & xhost run b.yaml           what both ask is asked once

  OPENAI_API_KEY=… xhost serve --listen 127.0.0.1:8090      prints a token
  client = openai.OpenAI(base_url='http://127.0.0.1:8090/v1', api_key=TOKEN)
  client = anthropic.Anthropic(base_url='http://127.0.0.1:8090', api_key=TOKEN)
  curl -H 'authorization: Bearer TOKEN' 127.0.0.1:8090/stats

A header `x-xhost-draw: 2` asks for another answer to the same request. Answers carry `x-xhost-answer` (hit, shared or call)
and `x-xhost-digest`. `xhost store gc`, `compact`, `verify`, `export` and `import` need the file alone: stop `xhost serve` for
them.";

/// Share the store: other xhost processes of this user use it at the same time, and ask each request once.
///
/// They find it by the store's path, and do their own calls. Ctrl-C ends it: what is being stored is stored, and runs that
/// use it stop asking. With --listen it is a gateway too: programs written for OpenAI's or Anthropic's API get what is stored
/// from the store, and the rest from the provider, once.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Store of answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Wait while another process has the store
    #[arg(long)]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Answer programs here too: POST /v1/chat/completions and /v1/messages; port 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// How the gateway is reached, and whom it asks.
#[derive(clap::Args)]
struct GatewayArguments {
    /// Listen on an address that others can reach; the token then travels unencrypted
    #[arg(long, requires = "listen")]
    allow_remote: bool,
    /// File with the token that programs must send as their API key [default: XHOST_SERVE_TOKEN, else a new one is printed]
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,
    /// Address of a provider, such as openai=http://127.0.0.1:8000/v1 [default: OPENAI_BASE_URL or ANTHROPIC_BASE_URL, else
    /// the provider's own]; no credential goes there unless --key-variable names one
    #[arg(long, value_name = "PROVIDER=URL", requires = "listen", value_parser = pair, num_args = 1..)]
    base_url: Vec<(Dialect, String)>,
    /// Environment variable with the credential for another address, such as openai=GROQ_API_KEY
    #[arg(long, value_name = "PROVIDER=VARIABLE", requires = "listen", value_parser = pair, num_args = 1..)]
    key_variable: Vec<(Dialect, String)>,
    /// Calls in flight at most
    #[arg(long, value_name = "N", requires = "listen", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,
}

fn pair(text: &str) -> Result<(Dialect, String), String> {
    let parts = text.split_once('=');
    let pair = parts.and_then(|(name, value)| Some((Dialect::of_provider(name)?, value)));
    let (dialect, value) =
        pair.ok_or("write openai=… or anthropic=…: these are what the gateway speaks")?;
    Ok((dialect, value.to_owned()))
}

pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let path = arguments.store.unwrap_or_else(places::store);
    let gateway = match arguments.listen {
        Some(address) => Some(Prepared::new(address, &arguments.gateway).await?),
        None => None,
    };
    let store = opening::open_alone(&path, COMMAND, Busy::new(arguments.wait)).await?;
    let server = Server::bind(store, &places::runtime()).map_err(|error| {
        let words = format!("cannot share the store {}: {error}", path.display());
        Failure::new(Exit::Disk, words)
    })?;
    let stop = Stop::default();
    // Before anybody is told that there is something to stop.
    let interrupts = run::watch_interrupts(stop.clone());
    tell(&path, server.socket(), gateway.as_ref(), arguments.json);
    let ended = tokio::select! {
        ended = both(server, gateway, &path, &stop) => ended,
        () = interrupts => Err(Failure::new(Exit::Internal, "no signal can be received")),
    };
    ended?;
    match stop.reason() {
        None | Some(StopReason::Interrupted) => Ok(Exit::Done),
        Some(reason) => Err(Failure::new((&reason).into(), reason)),
    }
}

fn tell(path: &Path, socket: &Path, gateway: Option<&Prepared>, as_json: bool) {
    let address = gateway.map(|gateway| gateway.gateway.address());
    let token = gateway.and_then(|gateway| gateway.printed.as_deref());
    if as_json {
        println!(
            "{}",
            json!({ "store": path, "socket": socket, "listen": address, "token": token })
        );
        return;
    }
    println!("sharing {}", path.display());
    if let Some(address) = address {
        println!("listening on http://{address}");
    }
    if let Some(token) = token {
        println!("token {token}");
    }
}

/// The store's server, and the gateway, which is one of its clients. The gateway ends first, so that its last answers are
/// stored.
async fn both(
    server: Server,
    gateway: Option<Prepared>,
    path: &Path,
    stop: &Stop,
) -> Result<(), Failure> {
    let serving = Stop::default();
    let outside = async {
        let ended = match gateway {
            Some(gateway) => gateway.serve(path, stop.clone()).await,
            None => Ok(()),
        };
        if ended.is_ok() {
            stop.requested().await;
        }
        serving.request(StopReason::Interrupted);
        ended
    };
    let inside = async {
        let ended = server.serve(serving.clone()).await;
        if let Some(reason) = serving.reason() {
            stop.request(reason);
        }
        ended
    };
    let (outside, inside) = tokio::join!(outside, inside);
    outside?;
    inside.map_err(|error| Failure::new(Exit::Internal, error))
}

/// A gateway that lacks nothing but the store.
struct Prepared {
    gateway: Gateway,
    lines: Lines,
    token: Token,
    /// The token as it is printed; none where the user has it.
    printed: Option<String>,
}

impl Prepared {
    async fn new(address: SocketAddr, arguments: &GatewayArguments) -> Result<Prepared, Failure> {
        let reach = match arguments.allow_remote {
            true => Reach::Anybody,
            false => Reach::Loopback,
        };
        let (token, printed) = token(arguments.token_file.as_deref())?;
        let gateway = Gateway::bind(address, reach)
            .await
            .map_err(|error| Failure::wrong(format!("cannot listen on {address}: {error}")))?;
        let engine =
            Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
        let library = Library::empty(&engine);
        let concurrency = arguments.concurrency.map(usize::from);
        let lanes = Lanes::new(Network::Real, &[], concurrency);
        // A program holds the other end of a socket for each call.
        if let Some(warning) = sockets::respect_limit(lanes.ceiling(), 2) {
            eprintln!("warning: {warning}");
        }
        let mut upstreams: HashMap<Dialect, Upstream> = HashMap::new();
        for (dialect, url) in &arguments.base_url {
            upstreams.entry(*dialect).or_default().base_url = Some(url.clone());
        }
        for (dialect, variable) in &arguments.key_variable {
            upstreams.entry(*dialect).or_default().key_variable = Some(variable.clone());
        }
        Ok(Prepared {
            gateway,
            lines: Lines::new(lanes, library, upstreams),
            token,
            printed,
        })
    }

    async fn serve(self, path: &Path, stop: Stop) -> Result<(), Failure> {
        let served = Served::connect(path)
            .await
            .map_err(|e| Failure::new(Exit::Internal, e))?;
        let store = Arc::new(Store::Served(served));
        let served = self.gateway.serve(store, self.lines, self.token, stop);
        served.await.map_err(|e| Failure::new(Exit::Internal, e))
    }
}

/// The token, and its text where nobody knows it yet.
fn token(file: Option<&Path>) -> Result<(Token, Option<String>), Failure> {
    let chosen = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text =
                text.map_err(|error| Failure::wrong(format!("{}: {error}", file.display())))?;
            Some((file.display().to_string(), text))
        }
        None => secret::serve_token_from_environment()
            .map(|text| ("the environment variable XHOST_SERVE_TOKEN".into(), text)),
    };
    if let Some((place, text)) = chosen {
        let token = Token::chosen(&text);
        let token = token.map_err(|what| Failure::wrong(format!("{place}: {what}")))?;
        return Ok((token, None));
    }
    let (token, text) = Token::random().map_err(|e| Failure::new(Exit::Internal, e))?;
    Ok((token, Some(text)))
}
