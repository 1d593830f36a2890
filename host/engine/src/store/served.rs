//! A store that another process has: each question of this process, put to that one. Blobs are files, and are read and
//! written here.

use super::greeting::{Greeting, Walk, greet};
use super::link::{Link, Lost, Received};
use super::message::{Ask, Fault, PROTOCOL, Reply, Want};
use super::{Sight, socket};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xhost_store::{
    Begun, Change, Digest, Entry, Group, JournalEntry, Put, ReadError, RecordError, Run, Spill,
    Stat, StoredRequest, WriteError,
};

/// Bytes of answers in one message; larger ones go alone.
const MESSAGE_BYTES: usize = 4 << 20;

/// Nobody can be reached who has the store, or nobody who may be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No process listens: the store is free, or whoever has it does not share it.
    #[error("no `xhost serve` listens for the store {path}", path = path.display())]
    Nobody {
        /// The store.
        path: PathBuf,
    },
    /// Another version of xhost has it.
    #[error(
        "this is xhost {own} (protocol {PROTOCOL}), and the `xhost serve` that has the store is {theirs} (protocol {protocol}): \
         stop it, and start the one of this version",
        own = env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// Its version.
        theirs: String,
        /// Its protocol.
        protocol: u32,
    },
    /// The place, or whoever listens there, cannot be trusted or understood.
    #[error("cannot reach the `xhost serve` of the store {path}: {cause}", path = path.display())]
    Refused {
        /// The store.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// A store through the process that has it.
#[derive(Debug)]
pub struct Served {
    link: Link,
    path: PathBuf,
    socket: PathBuf,
    server: u32,
    spill: Mutex<Option<Spill>>,
}

impl Served {
    /// Finds the process that shares this store.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(path: &Path) -> Result<Served, ConnectError> {
        let user = rustix::process::geteuid().as_raw();
        let refused = |cause: String| ConnectError::Refused {
            path: path.into(),
            cause,
        };
        let nobody = || ConnectError::Nobody { path: path.into() };
        let socket = socket::find(path, user).map_err(|e| refused(e.to_string()))?;
        let socket = socket.ok_or_else(nobody)?;
        let stream = match tokio::net::UnixStream::connect(&socket).await {
            Ok(stream) => stream,
            Err(error) if is_left_over(&error) => return Err(nobody()),
            Err(error) => return Err(refused(error.to_string())),
        };
        let peer = stream.peer_cred().map_err(|e| refused(e.to_string()))?;
        if peer.uid() != user {
            return Err(refused("it is another user's process".into()));
        }
        let server = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let stream = stream.into_std().map_err(|e| refused(e.to_string()))?;
        let greeted = tokio::task::spawn_blocking(move || greet(&stream).map(|()| stream)).await;
        let stream = match greeted {
            Ok(Ok(stream)) => stream,
            Ok(Err(Greeting::Version { theirs, protocol })) => {
                return Err(ConnectError::Version { theirs, protocol });
            }
            Ok(Err(Greeting::Io(error))) => return Err(refused(error.to_string())),
            Err(error) => return Err(refused(error.to_string())),
        };
        Ok(Served {
            link: Link::new(stream).map_err(|e| refused(e.to_string()))?,
            path: path.into(),
            socket,
            server: server.unwrap_or(0),
            spill: Mutex::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The process that has the store; 0 where the system does not say.
    #[must_use]
    pub fn server(&self) -> u32 {
        self.server
    }

    /// The file for answers that can no longer be stored, once there is one.
    pub(crate) fn spill(&self) -> MutexGuard<'_, Option<Spill>> {
        self.spill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the connection is gone, and says why.
    pub(super) async fn lost(&self) -> String {
        self.words(&self.link.lost().await)
    }

    fn words(&self, Lost(why): &Lost) -> String {
        format!(
            "the `xhost serve` that has it is gone ({why}): start it again or go on without it, with the same command; answers on \
             their way are kept in a file that the next start takes in"
        )
    }

    pub(super) async fn look(&self, digest: &Digest, want: Want) -> Result<Sight, ReadError> {
        let digest = *digest;
        let received = self.link.ask(&Ask::Look { digest, want }).await;
        self.sight(&digest, received)
    }

    pub(super) fn get(&self, digest: &Digest) -> Result<Sight, ReadError> {
        let (digest, want) = (*digest, Want::Answer);
        let received = self.link.ask_and_wait(&Ask::Look { digest, want });
        self.sight(&digest, received)
    }

    fn sight(&self, digest: &Digest, received: Result<Received, Lost>) -> Result<Sight, ReadError> {
        match received {
            Ok(Received::Reply(Reply::Answer(answer))) => Ok(Sight::Answer(answer)),
            Ok(Received::Reply(Reply::Absent)) => Ok(Sight::Absent),
            Ok(Received::Yours(claim, damage)) => Ok(Sight::Yours(claim, damage)),
            Ok(Received::Reply(Reply::Fault(Fault::Damaged, _))) => Err(ReadError::Damaged {
                digest: *digest,
                cause: RecordError::Damaged("`xhost store verify` says more"),
            }),
            other => Err(self.unread(other)),
        }
    }

    pub(super) fn request(&self, digest: &Digest) -> Result<Option<StoredRequest>, ReadError> {
        let digest = *digest;
        match self.link.ask_and_wait(&Ask::Request { digest }) {
            Ok(Received::Reply(Reply::Bytes(bytes))) => bytes
                .map(|bytes| StoredRequest::from_bytes(&digest, &bytes))
                .transpose()
                .map_err(|cause| ReadError::Damaged { digest, cause }),
            Ok(Received::Reply(Reply::Fault(Fault::Damaged, _))) => Err(ReadError::Damaged {
                digest,
                cause: RecordError::Damaged("`xhost store verify` says more"),
            }),
            other => Err(self.unread(other)),
        }
    }

    /// Every stored request, over a connection of its own, so that what is not read yet waits there.
    pub(super) fn requests(
        &self,
    ) -> impl Iterator<Item = Result<(Digest, StoredRequest), ReadError>> {
        let failed = |error: io::Error| ReadError::Io {
            path: self.path.clone(),
            cause: error.to_string(),
        };
        let (mut walk, mut first) = match Walk::begin(&self.socket) {
            Ok(walk) => (Some(walk), None),
            Err(error) => (None, Some(Err(failed(error)))),
        };
        std::iter::from_fn(move || {
            if let Some(error) = first.take() {
                return Some(error);
            }
            match walk.as_mut()?.next() {
                Ok(None) => walk.take().and(None),
                Ok(Some((digest, bytes))) => Some(
                    StoredRequest::from_bytes(&digest, &bytes)
                        .map(|request| (digest, request))
                        .map_err(|cause| ReadError::Damaged { digest, cause }),
                ),
                Err(error) => {
                    walk = None;
                    Some(Err(failed(error)))
                }
            }
        })
    }

    pub(super) fn len(&self) -> Result<u64, ReadError> {
        match self.link.ask_and_wait(&Ask::Count) {
            Ok(Received::Reply(Reply::Number(count))) => Ok(count),
            other => Err(self.unread(other)),
        }
    }

    pub(super) fn stat(&self) -> Result<Stat, ReadError> {
        match self.link.ask_and_wait(&Ask::Stat) {
            Ok(Received::Reply(Reply::Stat(stat))) => Ok(stat),
            other => Err(self.unread(other)),
        }
    }

    /// Answers alone may go in several messages, and be several commits. With changes of the journal they are one: what it
    /// says of them is true of all or of none.
    pub(super) fn commit_group(&self, group: &Group<'_>) -> Result<Vec<Put>, WriteError> {
        let mut rest = group.entries;
        let mut answers = Vec::new();
        loop {
            let whole = !group.journal.is_empty();
            let (now, later) = rest.split_at(if whole { rest.len() } else { portion(rest) });
            rest = later;
            let (journal, touched) = match rest.is_empty() {
                true => (group.journal, group.touched),
                false => (&[][..], &[][..]),
            };
            let commit = Ask::Commit {
                entries: Cow::Borrowed(now),
                journal: Cow::Borrowed(journal),
                touched: Cow::Borrowed(touched),
            };
            answers.push(
                self.link
                    .begin(&commit)
                    .map_err(|lost| self.unwritten(&lost))?,
            );
            if rest.is_empty() {
                break;
            }
        }
        let mut puts = Vec::with_capacity(group.entries.len());
        for answer in answers {
            match answer.recv() {
                Ok(Received::Reply(Reply::Puts(part))) => puts.extend(part),
                Ok(other) => return Err(self.refused(other)),
                Err(_) => return Err(self.unwritten(&self.link.reason())),
            }
        }
        if puts.len() == group.entries.len() {
            Ok(puts)
        } else {
            let words = "its answer does not fit the question";
            Err(self.unwritten(&Lost(words.into())))
        }
    }

    pub(super) fn begin_run(&self, run: Run) -> Result<Begun, WriteError> {
        match self.link.ask_and_wait(&Ask::BeginRun { run }) {
            Ok(Received::Reply(Reply::Begun(begun))) => Ok(begun),
            Ok(other) => Err(self.refused(other)),
            Err(lost) => Err(self.unwritten(&lost)),
        }
    }

    pub(super) fn end_run(&self, begun: Begun, ended_ms: u64) -> Result<(), WriteError> {
        match self.link.ask_and_wait(&Ask::EndRun { begun, ended_ms }) {
            Ok(Received::Reply(Reply::Done)) => Ok(()),
            Ok(other) => Err(self.refused(other)),
            Err(lost) => Err(self.unwritten(&lost)),
        }
    }

    pub(super) fn journal(&self, changes: &[Change]) -> Result<(), WriteError> {
        let group = Group {
            journal: changes,
            ..Group::default()
        };
        self.commit_group(&group).map(|_| ())
    }

    pub(super) fn journal_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = key.to_vec().into();
        match self.link.ask_and_wait(&Ask::JournalGet { key }) {
            Ok(Received::Reply(Reply::Bytes(value))) => Ok(value.map(Into::into)),
            other => Err(self.unread(other)),
        }
    }

    pub(super) fn journal_scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, ReadError> {
        let ask = Ask::JournalScan {
            prefix: prefix.to_vec().into(),
            after: after.map(|after| after.to_vec().into()),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        match self.link.ask_and_wait(&ask) {
            Ok(Received::Reply(Reply::Entries(entries))) => Ok(entries),
            other => Err(self.unread(other)),
        }
    }

    pub(super) fn reserve_batches(&self) -> Result<(), String> {
        match self.link.ask_and_wait(&Ask::Batches) {
            Ok(Received::Reply(Reply::Done)) => Ok(()),
            Ok(Received::Reply(Reply::Fault(_, words))) => Err(words),
            Ok(other) => Err(self.refused(other).to_string()),
            Err(lost) => Err(self.unwritten(&lost).to_string()),
        }
    }

    fn unread(&self, received: Result<Received, Lost>) -> ReadError {
        let cause = match received {
            Ok(Received::Reply(Reply::Fault(_, words))) => words,
            Ok(_) => "its answer does not fit the question".into(),
            Err(lost) => self.words(&lost),
        };
        ReadError::Io {
            path: self.path.clone(),
            cause,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a claim that nobody asked for goes back"
    )]
    fn refused(&self, received: Received) -> WriteError {
        let cause = match &received {
            Received::Reply(Reply::Fault(_, words)) => words.clone(),
            Received::Reply(_) | Received::Yours(..) => {
                "its answer does not fit the question".into()
            }
        };
        WriteError::Failed {
            path: self.path.clone(),
            cause,
        }
    }

    fn unwritten(&self, lost: &Lost) -> WriteError {
        WriteError::Failed {
            path: self.path.clone(),
            cause: self.words(lost),
        }
    }
}

/// What a killed server leaves: a socket at which nobody listens.
fn is_left_over(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
    )
}

/// How many of these answers go into one message: at least one where there is any.
fn portion(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        let request = entry.request.as_ref().map_or(0, |request| request.len());
        let first = bytes == 0;
        bytes += entry.answer.body.len() + request + 1;
        first || bytes <= MESSAGE_BYTES
    };
    entries.iter().take_while(fits).count()
}
