//! Clients and a server in one process, over a real socket.

use super::Server;
use crate::stop::{Stop, StopReason};
use crate::store::{Claim, Served, Sight, Store, Want};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use xhost_store::{Answer, Digest, Entry, Options, Put, Run, Touched};

struct Shared {
    folder: tempfile::TempDir,
    stop: Stop,
    serving: JoinHandle<()>,
}

impl Shared {
    fn begin(entries: &[Entry]) -> Shared {
        let folder = tempfile::tempdir().expect("a folder");
        let store = xhost_store::Store::open(&folder.path().join("s.redb"), Options::default());
        let store = store.expect("it opens");
        store.commit(entries).expect("they are stored");
        let server = Server::bind(store, &folder.path().join("run")).expect("a socket");
        let stop = Stop::default();
        let serving = server.serve(stop.clone());
        let serving = tokio::spawn(async { serving.await.expect("it serves") });
        Shared {
            folder,
            stop,
            serving,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.redb")
    }

    async fn client(&self) -> Arc<Store> {
        let served = Served::connect(&self.path()).await.expect("it listens");
        Arc::new(Store::Served(served))
    }

    async fn end(self) {
        self.stop.request(StopReason::Interrupted);
        self.serving.await.expect("it ends");
    }
}

fn digest(number: u32) -> Digest {
    Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn entry(number: u32, body: &str) -> Entry {
    let answer = Answer {
        body: body.to_owned().into(),
        status: 200,
        api: "openai.chat".into(),
        model: "m".into(),
        headers: Vec::new(),
        created_ms: 1,
        latency_ms: 1,
    };
    Entry::from((digest(number), answer))
}

/// Puts from an async test, where a thread may wait.
async fn put(store: &Arc<Store>, entries: Vec<Entry>) -> Vec<Put> {
    let store = Arc::clone(store);
    let put = tokio::task::spawn_blocking(move || store.commit(&entries));
    put.await.expect("it ends").expect("it is stored")
}

async fn claim(store: &Store, number: u32) -> Claim {
    match store.look(&digest(number), Want::Claim).await {
        Ok(Sight::Yours(claim, None)) => claim,
        other => panic!("no claim: {other:?}"),
    }
}

fn waiting(store: &Arc<Store>, number: u32) -> JoinHandle<Option<Claim>> {
    let store = Arc::clone(store);
    tokio::spawn(async move {
        match store.look(&digest(number), Want::Claim).await {
            Ok(Sight::Yours(claim, _)) => Some(claim),
            Ok(Sight::Answer(_)) => None,
            other => panic!("{other:?}"),
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_ends_with_the_answer_a_give_up_or_its_process() {
    let shared = Shared::begin(&[]);
    let (one, two, three) = (
        shared.client().await,
        shared.client().await,
        shared.client().await,
    );
    let held = claim(&one, 1).await;
    let second = waiting(&two, 1);
    // A look without a claim waits for nobody.
    assert!(matches!(
        two.look(&digest(1), Want::Answer).await,
        Ok(Sight::Absent)
    ));
    assert!(!second.is_finished());
    drop(held);
    let held = second.await.expect("it ends").expect("it has it now");

    let third = waiting(&three, 1);
    assert_eq!(put(&two, vec![entry(1, "a")]).await, [Put::Stored]);
    assert!(third.await.expect("it ends").is_none(), "it has the answer");
    drop(held);
    assert_eq!(
        put(&one, vec![entry(1, "a"), entry(1, "b")]).await,
        [Put::AlreadyThere, Put::Conflict]
    );

    let held = claim(&one, 2).await;
    let second = waiting(&two, 2);
    let abandoned = waiting(&three, 2);
    abandoned.abort();
    // As where a process is killed: the claim is not given back, the connection breaks.
    std::mem::forget(held);
    let Ok(one) = Arc::try_unwrap(one) else {
        panic!("nobody else has it");
    };
    drop(one);
    let held = second.await.expect("it ends").expect("it passes on");
    drop(held);
    // The one that was given up while it waited keeps nobody waiting.
    drop(claim(&two, 2).await);
    shared.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_runs_and_large_groups_go_through() {
    let shared = Shared::begin(&[]);
    let (one, two) = (shared.client().await, shared.client().await);
    let told = tokio::task::spawn_blocking(move || {
        let run = Run {
            experiment: "e".into(),
            plan: "p".into(),
            resolved: "{}".into(),
            folder: "/f".into(),
            started_ms: 1,
            ended_ms: None,
            generation: 0,
        };
        let begun = one.begin_run(run).expect("it is noted");
        let touched = [Touched {
            run: begun,
            number: 0,
            digests: vec![digest(1)],
        }];
        let large = "x".repeat(3 << 20);
        let entries: Vec<Entry> = (0..5).map(|number| entry(number, &large)).collect();
        let group = xhost_store::Group {
            entries: &entries,
            touched: &touched,
            ..xhost_store::Group::default()
        };
        let puts = one.commit_group(&group).expect("it is stored");
        assert_eq!(puts, [Put::Stored; 5]);
        one.end_run(begun, 2).expect("it is noted");
        let put = |key: &str| xhost_store::Change::Put {
            key: key.into(),
            value: b"v".to_vec(),
        };
        one.reserve_batches().expect("nobody has them");
        one.reserve_batches().expect("it has them");
        let refused = two.reserve_batches().expect_err("somebody has them");
        assert!(refused.contains("--mode live"), "{refused}");
        one.journal(&[put("a/1"), put("a/2")]).expect("it is noted");
        assert_eq!(
            two.journal_get(b"a/1").expect("a value"),
            Some(b"v".to_vec())
        );
        let scan = two.journal_scan(b"a/", Some(b"a/1"), 8).expect("entries");
        assert_eq!(scan, [(b"a/2".to_vec(), b"v".to_vec())]);
        let answer = two.get(&digest(4)).expect("it reads").expect("an answer");
        assert_eq!(answer.body.len(), 3 << 20);
        let stat = two.stat().expect("numbers");
        drop(one);
        (two.len().expect("a number"), stat.runs, stat.journal, two)
    });
    let (answers, runs, journal, two) = told.await.expect("it ends");
    assert_eq!((answers, runs, journal), (5, 1, 2));
    // The other one's end is its client's end, which the server hears of when it does.
    let begun = Instant::now();
    while two.reserve_batches().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
    shared.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_hears_that_the_server_ends() {
    let shared = Shared::begin(&[]);
    let (one, two) = (shared.client().await, shared.client().await);
    let _held = claim(&one, 1).await;
    let asked = Arc::clone(&two);
    let waits = tokio::spawn(async move { asked.look(&digest(1), Want::Claim).await });
    shared.end().await;
    let refused = waits
        .await
        .expect("it ends")
        .expect_err("the server is gone");
    assert!(refused.to_string().contains("it was stopped"), "{refused}");
    assert!(two.lost().await.contains("it was stopped"));
    let failed = tokio::task::spawn_blocking(move || two.commit(&[entry(1, "a")]));
    assert!(failed.await.expect("it ends").is_err());
}

/// The ratio is what counts; it is printed. Under load, questions gather and cost no system call of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_served_look_costs_a_few_times_one_of_the_own_file() {
    const ANSWERS: u32 = 4_000;
    let body = "{\"choices\":[{\"message\":{\"content\":\"an answer\"}}]}".repeat(16);
    let entries: Vec<Entry> = (0..ANSWERS).map(|number| entry(number, &body)).collect();
    let own = tempfile::tempdir().expect("a folder");
    let own = xhost_store::Store::open(&own.path().join("s.redb"), Options::default());
    let own = own.expect("it opens");
    own.commit(&entries).expect("they are stored");
    let shared = Shared::begin(&entries);
    let client = shared.client().await;
    let (mut alone, mut served) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let begun = Instant::now();
        for number in 0..ANSWERS {
            assert!(own.get(&digest(number)).expect("it reads").is_some());
        }
        alone = alone.min(begun.elapsed());
        let begun = Instant::now();
        let lookers: Vec<_> = (0..100)
            .map(|looker| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    for number in (looker..ANSWERS).step_by(100) {
                        let look = client.look(&digest(number), Want::Claim).await;
                        assert!(matches!(look, Ok(Sight::Answer(_))));
                    }
                })
            })
            .collect();
        for looker in lookers {
            looker.await.expect("it looks");
        }
        served = served.min(begun.elapsed());
    }
    let each = |all: Duration| all / ANSWERS;
    let ratio = served.as_secs_f64() / alone.as_secs_f64();
    eprintln!(
        "own {:?}, served {:?} a look: {ratio:.1} times",
        each(alone),
        each(served)
    );
    assert!(ratio < 12.0, "{ratio}");
    shared.end().await;
}
