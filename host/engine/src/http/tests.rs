//! Against servers that we wrote for this: one that speaks HTTP/2 as providers' fronts do, and ones that misbehave.

use super::*;
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn request(url: String) -> Outgoing {
    Outgoing {
        method: "POST",
        url,
        headers: Vec::new(),
        body: Bytes::from_static(b"{}"),
        timeout: Duration::from_secs(120),
    }
}

/// A server that answers when so many calls are in flight at the same time, over connections that take 100 each.
struct Crowd {
    url: String,
    certificate: Vec<u8>,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

async fn crowd(calls: usize) -> Crowd {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let certificate = made.cert.der().to_vec();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = rustls::crypto::ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.clone())], key)
        .expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let port = listener.local_addr().expect("an address").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (together, mut serving) = (Arc::new(Barrier::new(calls)), JoinSet::new());
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, together) = (acceptor.clone(), Arc::clone(&together));
            let counted = Arc::clone(&counted);
            serving.spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = service_fn(move |_| {
                    let together = Arc::clone(&together);
                    async move {
                        together.wait().await;
                        let answer = axum::http::Response::new(Body::from("{}"));
                        Ok::<_, Infallible>(answer)
                    }
                });
                // A client that goes away ends its connection.
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(100)
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    Crowd {
        url: format!("https://localhost:{port}/"),
        certificate,
        connections,
        _tasks: tasks,
    }
}

/// One connection would take 100 at a time, and the barrier would never open.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_limit_on_streams_does_not_limit_the_calls_in_flight() {
    const CALLS: usize = 350;
    let crowd = crowd(CALLS).await;
    let http = Http::new(Settings {
        connect_timeout: Duration::from_secs(60),
        trusted: Some(crowd.certificate.clone()),
    });
    let calls = (0..CALLS).map(|_| http.send(request(crowd.url.clone())));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.expect("an answer").status, 200);
    }
    let connections = crowd.connections.load(Ordering::Relaxed);
    assert!(connections >= 4, "{connections} connections");
    let loads = http
        .clients
        .iter()
        .map(|client| client.in_flight.load(Ordering::Relaxed));
    assert_eq!(loads.sum::<usize>(), 0, "all have landed");
}

#[test]
fn calls_fill_one_connection_before_they_open_another_and_none_without_tls() {
    let http = Http::new(Settings::new(Duration::from_secs(1)));
    let used = || {
        let used = |client: &&Client| client.in_flight.load(Ordering::Relaxed) > 0;
        http.clients.iter().filter(used).count()
    };
    let mut aboard: Vec<_> = (0..80).map(|_| http.board("https://h/")).collect();
    assert_eq!(used(), 1);
    aboard.push(http.board("https://h/"));
    assert_eq!(used(), 2);
    drop(aboard);
    let _plain: Vec<_> = (0..500).map(|_| http.board("http://h/")).collect();
    assert_eq!(used(), 1);
}

/// A server that takes one call, says this, and keeps the connection; tells when it has said it.
async fn says(words: Vec<u8>) -> (String, oneshot::Receiver<()>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (said, heard) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a call");
        let mut taken = [0; 4_096];
        let _ = socket.read(&mut taken).await.expect("a request");
        socket.write_all(&words).await.expect("it is taken");
        let _ = said.send(());
        std::future::pending::<()>().await;
    });
    (url, heard, tasks)
}

#[tokio::test]
async fn an_answer_that_begins_and_then_pauses_for_ever_is_given_up() {
    let words = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let (url, said, _tasks) = says(words).await;
    let http = Http::new(Settings::new(Duration::from_secs(10)));
    let waits = async {
        said.await.expect("it said so");
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(http.send(request(url)), waits);
    let Err(TransportError::Broken { cause, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(cause, "nothing came for 60 s");
}

#[tokio::test]
async fn a_packed_answer_is_unpacked() {
    let packed: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 84, 178, 50, 172, 5, 0, 175, 172, 27, 86, 7,
        0, 0, 0,
    ];
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    );
    let (url, _said, _tasks) = says([head.as_bytes(), packed].concat()).await;
    let http = Http::new(Settings::new(Duration::from_secs(10)));
    let answer = http.send(request(url)).await.expect("an answer");
    assert_eq!(&answer.body[..], br#"{"a":1}"#);
}
