//! One client: its questions in, their answers out, in any order. What it has and what it waits for ends with it. Holds one
//! answer at a time: a client that does not read is not read either.

use super::claims::{Holder, Verdict};
use super::frames::{Frames, Message};
use super::writer::Job;
use super::{Batcher, Keeper};
use crate::stop::StopReason;
use crate::store::Want;
use crate::store::message::{Ask, Fault, MAGIC, PROTOCOL, Reply, hello};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use xhost_store::{Digest, Put, ReadError, Store};

/// How long a client may take for its first words.
const PATIENCE: Duration = Duration::from_secs(10);

/// Questions of one client that wait for something.
const OPEN: usize = 16 << 10;

/// Bytes of answers after which they are sent, whatever else is here to be answered.
const FULL: usize = 64 << 10;

/// Answers a client until it leaves, or the server ends.
pub(super) async fn answer(stream: UnixStream, keeper: Arc<Keeper>, number: u64, process: String) {
    let (reading, writing) = stream.into_split();
    let mut connection = Connection {
        frames: Frames::new(reading, Arc::clone(&keeper.room)),
        writing,
        out: Vec::new(),
        number,
        process,
        acts: FuturesUnordered::new(),
        waits: FuturesUnordered::new(),
        keeper: Arc::clone(&keeper),
    };
    // A client that breaks off, or says what cannot be understood, is gone, and nobody else is concerned.
    let _ = connection.run().await;
    drop(connection);
    // When the server ends, a client may still be asking, and keeps what comes to itself: the next one who waits would ask, and
    // pay, again.
    if keeper.stop.reason().is_none() {
        keeper.shared.claims().leave(number);
    }
    let mut batcher = keeper.batcher();
    if batcher.as_ref().is_some_and(|one| one.connection == number) {
        *batcher = None;
    }
}

struct Connection {
    frames: Frames<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    out: Vec<u8>,
    number: u64,
    process: String,
    /// What is being done for it, which always comes to an end.
    acts: FuturesUnordered<BoxFuture<'static, (u64, Reply)>>,
    /// What it waits for of others, which may not.
    waits: FuturesUnordered<BoxFuture<'static, Waited>>,
    keeper: Arc<Keeper>,
}

struct Waited {
    question: u64,
    digest: Digest,
    verdict: Verdict,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        let greeted = tokio::time::timeout(PATIENCE, self.greet()).await;
        greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.absorb().await;
        let stop = self.keeper.stop.clone();
        loop {
            // Whatever is here is answered before anything is sent.
            while self.out.len() < FULL
                && let Some(message) = self.frames.ready()?
            {
                self.take(message).await?;
            }
            self.send().await?;
            tokio::select! {
                Some((question, reply)) = self.acts.next() => self.say(question, &reply),
                Some(waited) = self.waits.next() => self.waited(&waited),
                message = self.frames.next() => self.take(message?).await?,
                reason = stop.requested() => return self.end(&reason).await,
            }
            while let Some(Some((question, reply))) = self.acts.next().now_or_never() {
                self.say(question, &reply);
            }
            while let Some(Some(waited)) = self.waits.next().now_or_never() {
                self.waited(&waited);
            }
        }
    }

    /// Both sides say who they are, whatever the other one is.
    async fn greet(&mut self) -> io::Result<()> {
        let magic: [u8; 8] = self.frames.exactly().await?;
        if magic != *MAGIC {
            return Err(io::Error::other("no client"));
        }
        let protocol = u32::from_le_bytes(self.frames.exactly().await?);
        for _ in 0..u16::from_le_bytes(self.frames.exactly().await?) {
            self.frames.exactly::<1>().await?;
        }
        self.writing.write_all(&hello()).await?;
        match protocol {
            PROTOCOL => Ok(()),
            _ => Err(io::Error::other("another version")),
        }
    }

    /// What an earlier client could not store, while its server was gone.
    async fn absorb(&mut self) {
        let keeper = Arc::clone(&self.keeper);
        let absorbed = tokio::task::spawn_blocking(move || keeper.absorb());
        // Where that fails, the next start tries again.
        let _ = absorbed.await;
    }

    /// The server ends: what is being done is done, and told.
    async fn end(&mut self, reason: &StopReason) -> io::Result<()> {
        while let Some((question, reply)) = self.acts.next().await {
            self.say(question, &reply);
        }
        let words = match reason {
            StopReason::Interrupted => "it was stopped".to_owned(),
            other => other.to_string(),
        };
        self.say(0, &Reply::Ending(words));
        self.send().await
    }

    fn say(&mut self, question: u64, reply: &Reply) {
        self.out.extend_from_slice(&reply.to_frame(question));
    }

    async fn send(&mut self) -> io::Result<()> {
        self.writing.write_all(&self.out).await?;
        self.out.clear();
        self.out.shrink_to(2 * FULL);
        Ok(())
    }

    async fn take(&mut self, message: Message) -> io::Result<()> {
        let Message { bytes, room } = message;
        if self.acts.len() + self.waits.len() >= OPEN {
            return Err(io::Error::other("it asks more than it can have asked"));
        }
        let nonsense = |_| io::Error::other("what it says cannot be understood");
        let (question, ask) = Ask::read(bytes).map_err(nonsense)?;
        match ask {
            Ask::Look { digest, want } => self.look(question, digest, want),
            Ask::Request { digest } => {
                let reply = request(&self.keeper.shared.store, &digest);
                self.say(question, &reply);
            }
            Ask::Commit {
                entries,
                journal,
                touched,
            } => {
                let (done, wait) = oneshot::channel();
                let job = Job {
                    entries: entries.into_owned(),
                    journal: journal.into_owned(),
                    touched: touched.into_owned(),
                    done,
                    room,
                };
                return self.commit(question, job, wait).await;
            }
            Ask::Release { claim } => {
                let holder = self.holder(claim);
                self.keeper.shared.claims().release(holder);
            }
            Ask::Batches => {
                let reply = self.reserve_batches();
                self.say(question, &reply);
            }
            Ask::Walk => return self.walk(question).await,
            Ask::BeginRun { .. }
            | Ask::EndRun { .. }
            | Ask::JournalGet { .. }
            | Ask::JournalScan { .. }
            | Ask::Stat
            | Ask::Count => self.act(question, ask),
        }
        Ok(())
    }

    /// In the order in which they came. The writer waits for no client.
    async fn commit(
        &mut self,
        question: u64,
        job: Job,
        wait: oneshot::Receiver<Result<Vec<Put>, String>>,
    ) -> io::Result<()> {
        let gone = |_| io::Error::other("the writer is gone");
        self.keeper.writes.send(job).await.map_err(gone)?;
        self.acts.push(Box::pin(async move {
            let reply = match wait.await {
                Ok(Ok(puts)) => Reply::Puts(puts),
                Ok(Err(words)) => Reply::Fault(Fault::Store, words),
                Err(_) => Reply::Fault(Fault::Store, "its writer is gone".into()),
            };
            (question, reply)
        }));
        Ok(())
    }

    fn holder(&self, question: u64) -> Holder {
        Holder {
            connection: self.number,
            question,
        }
    }

    /// Looks, and where there is no answer and the client wants to ask, sees to it that nobody else does.
    fn look(&mut self, question: u64, digest: Digest, want: Want) {
        let store = Arc::clone(&self.keeper.shared.store);
        match (store.get(&digest), want) {
            (Ok(Some(answer)), _) => self.say(question, &Reply::Answer(answer)),
            (Ok(None), Want::Answer) => self.say(question, &Reply::Absent),
            (Ok(None) | Err(ReadError::Damaged { .. }), Want::Claim) => {
                let holder = self.holder(question);
                let taken = self.keeper.shared.claims().take(digest, holder);
                match taken {
                    None => self.have(question, digest),
                    Some(verdict) => self.waits.push(Box::pin(async move {
                        // Where nobody says, a look does.
                        let verdict = verdict.await.unwrap_or(Verdict::Answered);
                        Waited {
                            question,
                            digest,
                            verdict,
                        }
                    })),
                }
            }
            (Err(error), _) => self.say(question, &unread(&error)),
        }
    }

    fn waited(&mut self, waited: &Waited) {
        match waited.verdict {
            Verdict::Yours => self.have(waited.question, waited.digest),
            Verdict::Answered => self.look(waited.question, waited.digest, Want::Claim),
        }
    }

    /// The claim is this client's. The answer may have been stored before it was.
    fn have(&mut self, question: u64, digest: Digest) {
        let reply = match self.keeper.shared.store.get(&digest) {
            Ok(Some(answer)) => Reply::Answer(answer),
            Ok(None) => Reply::Yours { damage: None },
            Err(error @ ReadError::Damaged { .. }) => Reply::Yours {
                damage: Some(error.to_string()),
            },
            Err(error) => unread(&error),
        };
        if !matches!(reply, Reply::Yours { .. }) {
            let holder = self.holder(question);
            self.keeper.shared.claims().release(holder);
        }
        self.say(question, &reply);
    }

    fn reserve_batches(&self) -> Reply {
        let mut batcher = self.keeper.batcher();
        match &*batcher {
            Some(other) if other.connection != self.number => Reply::Fault(
                Fault::Taken,
                format!(
                    "another run has batches under way through the same `xhost serve` ({}): wait until it ends, or run with \
                     `--mode live`",
                    other.process
                ),
            ),
            Some(_) => Reply::Done,
            None => {
                *batcher = Some(Batcher {
                    connection: self.number,
                    process: self.process.clone(),
                });
                Reply::Done
            }
        }
    }

    /// What may wait for the disk is done elsewhere.
    fn act(&mut self, question: u64, ask: Ask<'static>) {
        let store = Arc::clone(&self.keeper.shared.store);
        let act = tokio::task::spawn_blocking(move || done(&store, ask));
        self.acts.push(Box::pin(async move {
            let failed = |_| Reply::Fault(Fault::Store, "the act panicked".into());
            (question, act.await.unwrap_or_else(failed))
        }));
    }

    /// Every request, as fast as the client reads. The connection is used for nothing else.
    async fn walk(&mut self, question: u64) -> io::Result<()> {
        let store = Arc::clone(&self.keeper.shared.store);
        let (pieces, mut come) = tokio::sync::mpsc::channel::<Vec<u8>>(2);
        let walking = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            for stored in store.requests() {
                let reply = match stored {
                    Ok((digest, request)) => Reply::Request {
                        digest,
                        bytes: request.sent().to_bytes().into(),
                    },
                    // What is damaged is no hit either; `store verify` tells of it.
                    Err(ReadError::Damaged { .. } | ReadError::Unsupported { .. }) => continue,
                    Err(error) => unread(&error),
                };
                piece.extend(reply.to_frame(question));
                if piece.len() >= FULL && pieces.blocking_send(std::mem::take(&mut piece)).is_err()
                {
                    return;
                }
            }
            piece.extend(Reply::Done.to_frame(question));
            // A client that is gone has read enough.
            let _ = pieces.blocking_send(piece);
        });
        while let Some(piece) = come.recv().await {
            self.writing.write_all(&piece).await?;
        }
        walking.await.map_err(io::Error::other)?;
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn request(store: &Store, digest: &Digest) -> Reply {
    match store.request(digest) {
        Ok(request) => Reply::Bytes(request.map(|request| request.sent().to_bytes().into())),
        Err(error) => unread(&error),
    }
}

fn done(store: &Store, ask: Ask<'static>) -> Reply {
    let unwritten = |error: xhost_store::WriteError| Reply::Fault(Fault::Store, error.to_string());
    match ask {
        Ask::BeginRun { run } => store.begin_run(run).map_or_else(unwritten, Reply::Begun),
        Ask::EndRun { begun, ended_ms } => store
            .end_run(begun, ended_ms)
            .map_or_else(unwritten, |()| Reply::Done),
        Ask::JournalGet { key } => match store.journal_get(&key) {
            Ok(value) => Reply::Bytes(value.map(Into::into)),
            Err(error) => unread(&error),
        },
        Ask::JournalScan {
            prefix,
            after,
            limit,
        } => match store.journal_scan(&prefix, after.as_deref(), limit.min(1_024) as usize) {
            Ok(entries) => Reply::Entries(entries),
            Err(error) => unread(&error),
        },
        Ask::Stat => match store.stat() {
            Ok(stat) => Reply::Stat(stat),
            Err(error) => unread(&error),
        },
        Ask::Count => match store.len() {
            Ok(count) => Reply::Number(count),
            Err(error) => unread(&error),
        },
        Ask::Look { .. }
        | Ask::Request { .. }
        | Ask::Commit { .. }
        | Ask::Release { .. }
        | Ask::Batches
        | Ask::Walk => Reply::Fault(Fault::Store, "no act for the disk".into()),
    }
}

fn unread(error: &ReadError) -> Reply {
    match error {
        ReadError::Damaged { .. } => Reply::Fault(Fault::Damaged, error.to_string()),
        ReadError::Io { cause, .. } => Reply::Fault(Fault::Store, cause.clone()),
        ReadError::Unsupported { .. } | ReadError::Note { .. } => {
            Reply::Fault(Fault::Store, error.to_string())
        }
    }
}
