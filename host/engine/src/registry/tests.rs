//! Against registries that we wrote for this, honest and not. The real one is met in `tests/sharing.rs`.

mod credentials;
mod files;
mod hostile;
mod layouts;

use super::*;
use crate::http::{Http, Settings};
use crate::secret::Secret;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    method: String,
    target: String,
    authorization: Option<String>,
    body: Bytes,
}

/// What it says.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Reply {
    fn of(status: u16, body: impl Into<Body>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server on this machine, until it is dropped.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (seeing, answer) = (Arc::clone(&seen), Arc::new(answer));
        let app = Router::new().fallback(move |request: Request| {
            let (seeing, answer) = (Arc::clone(&seeing), Arc::clone(&answer));
            async move {
                let asked = asked(request).await;
                let reply = answer(&asked);
                seeing.lock().expect("nobody panicked").push(asked);
                respond(reply)
            }
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Server {
            address,
            seen,
            _tasks: tasks,
        }
    }

    fn seen(&self) -> Vec<Asked> {
        self.seen.lock().expect("nobody panicked").clone()
    }
}

async fn asked(request: Request) -> Asked {
    let header = |headers: &HeaderMap| {
        let value = headers.get("authorization")?;
        Some(value.to_str().ok()?.to_owned())
    };
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().expect("a path");
    Asked {
        method: parts.method.to_string(),
        target: target.to_string(),
        authorization: header(&parts.headers),
        body: axum::body::to_bytes(body, 1 << 24).await.expect("a body"),
    }
}

fn respond(reply: Reply) -> Response {
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        response
            .headers_mut()
            .append(name, value.parse().expect("a header"));
    }
    response
}

/// A plugin as it lies in a registry.
fn artifact(component: &[u8]) -> Artifact {
    let labels = Labels {
        title: "x".into(),
        kind: "scorer".into(),
        contract: "xhost:plugin@0.1.0".into(),
        ..Labels::default()
    };
    Artifact::new(component.to_vec(), &Facts::of(component), &labels)
}

/// An honest registry with one artifact, `me/x:1`.
fn honest(artifact: &Artifact, asked: &Asked) -> Reply {
    let layer = sha256(&artifact.component);
    let digest = artifact.digest();
    match asked.target.as_str() {
        target
            if target == "/v2/me/x/manifests/1"
                || target == format!("/v2/me/x/manifests/{digest}") =>
        {
            Reply::of(200, artifact.manifest.clone())
        }
        target if target == format!("/v2/me/x/blobs/{layer}") => {
            Reply::of(200, artifact.component.clone())
        }
        _ => Reply::of(
            404,
            r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "who?"}]}"#,
        ),
    }
}

/// What may be done with a login.
async fn outside<T>(login: Option<Login>, work: impl AsyncFnOnce(&Outside<'_>) -> T) -> T {
    let http = Http::new(Settings::new(Duration::from_secs(10)));
    let plain = Plain::default();
    work(&Outside {
        transport: &http,
        plain: &plain,
        login: &move |_| login.clone(),
        told: &|_, _| {},
    })
    .await
}

async fn pull(server: &Server, login: Option<Login>) -> Result<Fetched, RemoteError> {
    pull_as(&format!("{}/me/x:1", server.address), login).await
}

async fn pull_as(name: &str, login: Option<Login>) -> Result<Fetched, RemoteError> {
    let name = ImageName::parse(name).expect("a name");
    outside(login, async |outside| {
        fetch_image::<RemoteError>(outside, &name, |_| Ok(())).await
    })
    .await
}

fn password() -> Option<Login> {
    Some(Login::Password {
        user: "me".into(),
        password: Secret::for_test("s3cret"),
    })
}

/// `me:s3cret`, as `Basic` has it.
const BASIC: &str = "Basic bWU6czNjcmV0";

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, RemoteError>, words: &[&str]) {
    let said = result.expect_err("it is refused").to_string();
    for part in words {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
}
