//! The crash matrix: a run of two batches is killed before and after every change of its journal and every exchange with
//! the provider, is started again, and the provider has been paid once for each request, and the run has counted that once.
//! A proxy stands between them; it kills, or it swallows an answer. That no point is left out is shown by the one after the
//! last, where nothing happens.

use crate::support::{Place, Simulator};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What the proxy does at the n-th exchange, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Kills the client when its request is there, and the server never sees it.
    KillBefore(u32),
    /// Kills the client when the server has answered, and the client never sees it.
    KillAfter(u32),
    /// The server answers, and the connection breaks.
    Swallow(u32),
    None,
}

struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    fault: Fault,
    exchanges: AtomicU32,
    client: AtomicU32,
    harmless: AtomicBool,
    struck: AtomicBool,
}

impl Proxy {
    fn start(simulator: &Simulator, fault: Fault) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            upstream: simulator.address.clone(),
            fault,
            exchanges: AtomicU32::new(0),
            client: AtomicU32::new(0),
            harmless: AtomicBool::new(false),
            struck: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        // It ends with the tests: nobody connects to it any more.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.exchange(connection));
            }
        });
        Proxy { address, shared }
    }
}

impl Shared {
    fn exchange(&self, mut client: TcpStream) -> Option<()> {
        let request = read_request(&mut client)?;
        let number = self.exchanges.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = if self.harmless.load(Ordering::SeqCst) {
            Fault::None
        } else {
            self.fault
        };
        if fault == Fault::KillBefore(number) {
            self.kill();
            return None;
        }
        let mut server = TcpStream::connect(&self.upstream).ok()?;
        server.write_all(&request).ok()?;
        let mut response = Vec::new();
        server.read_to_end(&mut response).ok()?;
        if fault == Fault::KillAfter(number) {
            self.kill();
            return None;
        }
        if fault == Fault::Swallow(number) {
            self.struck.store(true, Ordering::SeqCst);
            return None;
        }
        client.write_all(&response).ok()
    }

    fn kill(&self) {
        while self.client.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let process = self.client.load(Ordering::SeqCst).to_string();
        let killed = Command::new("kill").args(["-KILL", &process]).status();
        assert!(killed.expect("kill runs").success());
        self.struck.store(true, Ordering::SeqCst);
    }
}

/// One request, told to be the connection's last.
fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let read = client.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    while bytes.len() < head + 4 + length {
        let read = client.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
    let mut request = bytes[..head].to_vec();
    request.extend_from_slice(b"\r\nconnection: close");
    request.extend_from_slice(&bytes[head..]);
    Some(request)
}

/// A run of two batches through the proxy; with `abort`, it dies at that change of its journal.
fn place(proxy: &Proxy, (provider, path): (&str, &str)) -> Place {
    let place = Place::new();
    let rows: String = (0..4)
        .map(|id| {
            format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    place.write(
        "xhost.yaml",
        &format!(
            "name: small
dataset: {{path: rows.jsonl}}
prompt: '{{{{ input }}}}'
model: {{provider: {provider}, name: one, endpoint: sim, base_url: 'http://{}{path}', sampling: {{max_tokens: 64}}}}
scorers: [includes]
mode: batch
sweep: {{model.name: [one, two]}}
limits: {{timeout: 6s}}
",
            proxy.address
        ),
    );
    let price = r#"{"input_cost_per_token": 1, "output_cost_per_token": 1, "input_cost_per_token_batches": 0.001,
        "output_cost_per_token_batches": 0.01}"#;
    let prices = format!("{{\"sim/one\": {price}, \"sim/two\": {price}}}");
    place.write("data-home/xhost/prices.json", &prices);
    place
}

/// What the trials' tokens cost in batches.
fn due(trials: &[serde_json::Value]) -> f64 {
    let tokens = |name: &str| -> u64 {
        let each = trials.iter().map(|trial| trial["usage"][name].as_u64());
        each.map(|count| count.expect("a number")).sum()
    };
    tokens("input") as f64 * 0.001 + tokens("output") as f64 * 0.01
}

const RUN: [&str; 5] = ["run", "--store", "s.redb", "--out", "out"];

/// One cell of the matrix. Whether its fault struck.
fn cell(dialect: (&str, &str), fault: Fault, abort: Option<&str>) -> bool {
    let simulator = Simulator::start(&[]);
    let proxy = Proxy::start(&simulator, fault);
    let place = place(&proxy, dialect);
    let mut command = place.xhost();
    command
        .args(RUN)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(abort) = abort {
        command.env("XHOST_TEST_ABORT", abort);
    }
    let mut child = command.spawn().expect("it starts");
    proxy.shared.client.store(child.id(), Ordering::SeqCst);
    let first = child.wait().expect("it ends");
    let died = first.code().is_none();
    let struck = died || proxy.shared.struck.load(Ordering::SeqCst);
    proxy.shared.harmless.store(true, Ordering::SeqCst);
    let what = format!("{dialect:?} {fault:?} {abort:?}");
    if died {
        place.run(&RUN[1..]).expect(0);
    } else {
        assert_eq!(first.code(), Some(0), "{what}");
    }
    let stats = simulator.stats();
    assert_eq!(stats["charged"], 8, "{what}: {stats}");
    assert_eq!(stats["repeated"], 0, "{what}: {stats}");
    assert_eq!(stats["batches"], 2, "{what}: {stats}");
    let trials = place.lines("out/trials.jsonl");
    assert_eq!(trials.len(), 8, "{what}");
    assert!(
        trials.iter().all(|trial| trial["failure"].is_null()),
        "{what}"
    );
    let summary = place.json("out/summary.json");
    let (cost, due) = (summary["totals"]["cost_usd"].as_f64(), due(&trials));
    assert!(
        cost.is_some_and(|cost| (cost - due).abs() < 1e-9),
        "{what}: {cost:?} for {due}"
    );
    struck
}

/// Runs cells side by side: most of their time is waiting.
fn matrix(cells: Vec<((&'static str, &'static str), Fault, Option<String>)>) -> usize {
    let queue = std::sync::Mutex::new(cells.into_iter());
    let work = || {
        let mut struck = 0;
        loop {
            let next = queue.lock().expect("no cell failed").next();
            let Some((dialect, fault, abort)) = next else {
                return struck;
            };
            struck += usize::from(cell(dialect, fault, abort.as_deref()));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum()
    })
}

const OPENAI: (&str, &str) = ("openai", "/v1");
const ANTHROPIC: (&str, &str) = ("anthropic", "");

/// Exchanges of an undisturbed run. Two batches are an upload, a creation, a look and a reading each; Anthropic's have no
/// upload of their own.
const EXCHANGES: [((&str, &str), u32); 2] = [(OPENAI, 8), (ANTHROPIC, 6)];

/// Changes of its journal: planned, submitting, submitted, ended, the answers with what they cost, ingested, for each batch.
const CHANGES: u32 = 12;

/// Runs the cells, each of which must strike, and those after the last, none of which may.
fn all_and_no_further(
    cells: Vec<((&'static str, &'static str), Fault, Option<String>)>,
    further: Vec<((&'static str, &'static str), Fault, Option<String>)>,
) {
    let count = cells.len();
    eprintln!("crash matrix: {count} points");
    assert_eq!(matrix(cells), count, "every fault struck");
    assert_eq!(matrix(further), 0, "and there is no further point");
}

#[test]
fn a_run_killed_at_any_exchange_pays_once() {
    let (mut cells, mut further) = (Vec::new(), Vec::new());
    for (dialect, exchanges) in EXCHANGES {
        for number in 1..=exchanges {
            cells.push((dialect, Fault::KillBefore(number), None));
            cells.push((dialect, Fault::KillAfter(number), None));
        }
        further.push((dialect, Fault::KillBefore(exchanges + 1), None));
    }
    assert_eq!(cells.len(), 2 * (8 + 6));
    all_and_no_further(cells, further);
}

#[test]
fn a_run_whose_answers_are_swallowed_pays_once_without_being_started_again() {
    let mut cells = Vec::new();
    for (dialect, exchanges) in EXCHANGES {
        for number in 1..=exchanges {
            cells.push((dialect, Fault::Swallow(number), None));
        }
    }
    all_and_no_further(cells, Vec::new());
}

#[test]
fn a_run_killed_at_any_change_of_its_journal_pays_once() {
    let (mut cells, mut further) = (Vec::new(), Vec::new());
    for dialect in [OPENAI, ANTHROPIC] {
        for side in ["before", "after"] {
            let abort = |change: u32| Some(format!("{side}:{change}"));
            cells.extend((1..=CHANGES).map(|change| (dialect, Fault::None, abort(change))));
            further.push((dialect, Fault::None, abort(CHANGES + 1)));
        }
    }
    assert_eq!(cells.len() as u32, 2 * 2 * CHANGES);
    all_and_no_further(cells, further);
}
