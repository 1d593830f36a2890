//! A lane, whole, with the real provider plugin, against the simulator's limits: no sockets between them, and virtual time.

use super::super::*;
use crate::http::{Incoming, Outgoing, Transport, TransportError};
use crate::lane::{Asker, Ceiling, Lane, PaceLimits, Road, Settings};
use crate::plugin::{Engine, Provider, builtin};
use crate::request::{Draw, Endpoint, Request, Wishes};
use crate::stop::Stop;
use futures_util::future::BoxFuture;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The simulator without its socket; when each call came, and its status.
struct Direct {
    shared: Arc<Shared>,
    came: Mutex<Vec<(Instant, u16)>>,
}

impl Transport for Direct {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let at = Instant::now();
            let shared = State(Arc::clone(&self.shared));
            let uri = Uri::from_static("/v1/chat/completions");
            let response = answer(shared, Method::POST, uri, HeaderMap::new(), request.body).await;
            let status = response.status().as_u16();
            self.came
                .lock()
                .expect("no test panicked")
                .push((at, status));
            let headers = response.headers().iter().map(|(name, value)| {
                let value = value.to_str().unwrap_or("").to_owned();
                (name.as_str().to_owned(), value)
            });
            let headers = headers.collect();
            let body = axum::body::to_bytes(response.into_body(), BODY_LIMIT).await;
            Ok(Incoming {
                status,
                headers,
                body: body.expect("a body"),
            })
        })
    }
}

async fn direct(requests_per_minute: u32, latency: Duration) -> Arc<Direct> {
    let options = Options {
        requests_per_minute: Some(requests_per_minute),
        latency: Latency::mean(latency),
        ..Options::default()
    };
    let simulator = bind(SocketAddr::from(([127, 0, 0, 1], 0)), options).await;
    Arc::new(Direct {
        shared: simulator.expect("an address").shared,
        came: Mutex::default(),
    })
}

async fn lane(direct: &Arc<Direct>) -> Lane {
    let engine = Engine::new(None).expect("an engine");
    let provider = Provider {
        plugin: builtin::load(&engine, "openai").expect("a plugin"),
        params: Arc::new("{}".into()),
    };
    let profile = provider.describe().await.expect("it describes itself");
    let wishes = Wishes {
        base_url: Some("http://elsewhere/v1".into()),
        ..Wishes::default()
    };
    let endpoint = Endpoint::new(&profile, &wishes).expect("an address");
    let settings = Settings {
        pace: PaceLimits::default(),
        retries: 6,
        timeout: Duration::from_secs(600),
    };
    let transport: Arc<dyn Transport> = Arc::<Direct>::clone(direct);
    let ceiling = Ceiling::new(2_000);
    let road = Road {
        transport: Some(transport),
        ceiling,
    };
    Lane::new(provider, profile, endpoint, "m".into(), settings, road)
}

fn request(number: u32) -> Request {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{number}"}}]}}"#);
    Request {
        endpoint: "http://elsewhere".into(),
        method: "POST",
        target: "/v1/chat/completions".into(),
        headers: Vec::new(),
        body: body.into(),
        draw: Draw {
            epoch: 1,
            repeat: 0,
        },
        salt: String::new(),
    }
}

/// As many calls as a limit of 10,000 a minute lets through in 40 seconds, at 8 seconds each.
#[tokio::test(start_paused = true)]
async fn ten_thousand_a_minute_are_reached_within_half_a_minute_at_eight_seconds_each() {
    let direct = direct(10_000, Duration::from_secs(8)).await;
    let lane = Arc::new(lane(&direct).await);
    let (events, mut inbox) = mpsc::channel(1_024);
    let listener = tokio::spawn(async move { while inbox.recv().await.is_some() {} });
    let (started, mut calls) = (Instant::now(), JoinSet::new());
    for number in 0..6_000 {
        let (lane, asker) = (Arc::clone(&lane), Asker::new(0, events.clone()));
        calls.spawn(async move {
            let request = request(number);
            let (digest, run) = (request.digest(), Stop::default());
            lane.ask(&request, digest, &run, &asker).await.is_ok()
        });
    }
    drop(events);
    assert!(calls.join_all().await.into_iter().all(|answered| answered));
    listener.await.expect("it ends");
    let came = direct.came.lock().expect("no test panicked");
    let at = |(at, _): &(Instant, u16)| at.duration_since(started).as_secs_f64();
    let within = came.iter().filter(|call| (25.0..30.0).contains(&at(call)));
    let reached = within.count() as f64 / (5.0 * 10_000.0 / 60.0);
    let refused = came.iter().filter(|(_, status)| *status == 429).count();
    println!("{:.1} % of the limit, {refused} refused", 100.0 * reached);
    assert!(reached > 0.95, "{reached}");
    assert!(refused <= 12, "{refused} of 6,000");
}
