//! `xhost serve`: has the store, and shares it with the other xhost processes of its user. Clients read, claim and commit
//! over a Unix socket (`store` has the client's side); there is one writer for all of them. This process sends no request
//! for a client and sees no credential of theirs.
//!
//! ```text
//! client -> socket -> connection -> store (reads) | claims (who asks) | writer (one durable commit for all)
//! SDK    -> HTTP   -> gateway -> answers -> a connection like any other, and a lane for what is not stored
//! ```

/// Who asks for which answer.
mod claims;

/// Messages as they come in.
mod frames;

/// The one writer.
mod writer;

/// One client.
mod connection;

/// For programs that speak a provider's words.
pub mod gateway;

use crate::stop::{Stop, StopReason};
use crate::store::socket;
use claims::Claims;
use frames::Room;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use writer::Job;
use xhost_store::Store;

/// Clients at once. Each is a process of this user; what comes further waits until the system refuses it.
const CLIENTS: usize = 1_024;

/// Jobs that wait for the writer.
const JOBS: usize = 256;

/// What the writer and the connections share.
struct Shared {
    store: Arc<Store>,
    claims: Mutex<Claims>,
}

impl Shared {
    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store and everybody who uses it.
struct Keeper {
    shared: Arc<Shared>,
    writes: mpsc::Sender<Job>,
    /// What messages may hold at once.
    room: Arc<Room>,
    /// Who has batches.
    batcher: Mutex<Option<Batcher>>,
    /// One at a time takes in what was spilled.
    absorbing: Mutex<()>,
    stop: Stop,
}

/// The connection that speaks to providers about batches.
struct Batcher {
    connection: u64,
    process: String,
}

impl Keeper {
    /// Takes in what clients of an earlier server could not store. Where that fails, the next start tries again.
    fn absorb(&self) {
        let _one = self
            .absorbing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let store = &self.shared.store;
        for folder in crate::disk::spill_folders(store.path()) {
            let absorbed = store.absorb_spills(&folder).unwrap_or_default();
            for line in absorbed.messages() {
                eprintln!("{line}");
            }
        }
    }

    fn batcher(&self) -> MutexGuard<'_, Option<Batcher>> {
        self.batcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that has its socket and does not answer yet.
pub struct Server {
    listener: UnixListener,
    socket: PathBuf,
    store: Arc<Store>,
}

impl Server {
    /// Makes the socket. `runtime` is the user's own folder for sockets, where the path beside the store is too long.
    ///
    /// # Errors
    /// Where its place belongs to somebody else, or the system refuses.
    pub fn bind(store: Store, runtime: &Path) -> io::Result<Server> {
        let user = rustix::process::geteuid().as_raw();
        let socket = socket::prepare(store.path(), user, runtime)?;
        let listener = UnixListener::bind(&socket)?;
        // Its folder is closed to others already.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
        Ok(Server {
            listener,
            socket,
            store: Arc::new(store),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Answers until `stop`; then it finishes what is being stored, tells its clients, and takes its socket away.
    ///
    /// # Errors
    /// Where the operating system takes the socket away.
    pub async fn serve(self, stop: Stop) -> io::Result<()> {
        let (writes, queue) = mpsc::channel(JOBS);
        let shared = Arc::new(Shared {
            store: Arc::clone(&self.store),
            claims: Mutex::default(),
        });
        let mut writer = JoinSet::new();
        writer.spawn(writer::write(Arc::clone(&shared), queue, stop.clone()));
        let keeper = Arc::new(Keeper {
            shared,
            writes,
            room: Arc::default(),
            batcher: Mutex::default(),
            absorbing: Mutex::default(),
            stop: stop.clone(),
        });
        let mut clients = JoinSet::new();
        let accepted = self.accept(&keeper, &mut clients, &stop).await;
        stop.request(StopReason::Interrupted);
        while clients.join_next().await.is_some() {}
        drop(keeper);
        while writer.join_next().await.is_some() {}
        socket::clear(self.store.path(), &self.socket);
        accepted
    }

    async fn accept(
        &self,
        keeper: &Arc<Keeper>,
        clients: &mut JoinSet<()>,
        stop: &Stop,
    ) -> io::Result<()> {
        let user = rustix::process::geteuid().as_raw();
        let numbers = AtomicU64::new(1);
        loop {
            let accepted = tokio::select! {
                _ = stop.requested() => return Ok(()),
                Some(_) = clients.join_next() => continue,
                accepted = self.listener.accept(), if clients.len() < CLIENTS => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                // A client that left already, or no descriptor free: the next one may do better.
                Err(_) => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Nobody else can enter the folder; should it have been opened, nobody else is answered either.
            let Ok(peer) = stream.peer_cred() else {
                continue;
            };
            if peer.uid() != user {
                continue;
            }
            let process = peer
                .pid()
                .map_or_else(String::new, |pid| format!("process {pid}"));
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            clients.spawn(connection::answer(
                stream,
                Arc::clone(keeper),
                number,
                process,
            ));
        }
    }
}

#[cfg(test)]
mod tests;
