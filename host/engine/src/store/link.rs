//! The client's end of a connection to the process that has the store. Questions of all trials go over one connection, and
//! their answers come back in any order. Two threads move the bytes, so that whoever waits may be a task or a thread. When
//! the connection breaks, every question fails at once, and so does every later one.

use super::message::{Ask, FRAME_LIMIT, Reply};
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};

/// What the buffer of frames may keep when it is empty.
const KEPT: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub(super) enum Received {
    Reply(Reply),
    /// The right to ask, given back when it is dropped.
    Yours(Claim, Option<String>),
}

/// The connection is gone, or the process at its other end.
#[derive(Clone, Debug)]
pub(super) struct Lost(pub(super) String);

/// The right to ask for one answer, which nobody else has meanwhile. Dropped, it is given back.
pub struct Claim {
    shared: Arc<Shared>,
    question: u64,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claim({})", self.question)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let claim = self.question;
        self.shared.send(&Ask::Release { claim }.to_frame(0));
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    stream: UnixStream,
}

struct Shared {
    outbox: Mutex<Outbox>,
    filled: Condvar,
    waiting: Mutex<Waiting>,
    lost: watch::Sender<Option<Lost>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// Frames on their way out. Whoever asked waits for an answer, so there are no more than there are trials.
#[derive(Default)]
struct Outbox {
    frames: Vec<u8>,
    closed: bool,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    by_question: HashMap<u64, Waiter>,
}

/// Who waits for an answer.
enum Waiter {
    Task(oneshot::Sender<Received>),
    Thread(SyncSender<Received>),
}

impl Link {
    /// Takes over a connection that has been greeted.
    pub(super) fn new(stream: UnixStream) -> io::Result<Link> {
        let shared = Arc::new(Shared {
            outbox: Mutex::default(),
            filled: Condvar::new(),
            waiting: Mutex::default(),
            lost: watch::Sender::new(None),
        });
        let (reading, writing) = (stream.try_clone()?, stream.try_clone()?);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let reader = Arc::clone(&shared);
        thread("xhost-store-in").spawn(move || reader.read_all(reading))?;
        let writer = Arc::clone(&shared);
        thread("xhost-store-out").spawn(move || writer.write_all(writing))?;
        Ok(Link { shared, stream })
    }

    /// Asks, and lets the task wait.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Received, Lost> {
        let (sender, receiver) = oneshot::channel();
        self.shared.ask(ask, Waiter::Task(sender))?;
        receiver.await.map_err(|_| self.shared.reason())
    }

    /// Asks, and lets the thread wait.
    pub(super) fn ask_and_wait(&self, ask: &Ask<'_>) -> Result<Received, Lost> {
        let answer = self.begin(ask)?;
        answer.recv().map_err(|_| self.shared.reason())
    }

    /// Asks; the answer comes over the channel, which closes where none will come.
    pub(super) fn begin(&self, ask: &Ask<'_>) -> Result<std::sync::mpsc::Receiver<Received>, Lost> {
        let (sender, receiver) = sync_channel(1);
        self.shared.ask(ask, Waiter::Thread(sender))?;
        Ok(receiver)
    }

    pub(super) fn reason(&self) -> Lost {
        self.shared.reason()
    }

    /// Waits until the connection is gone.
    pub(super) async fn lost(&self) -> Lost {
        let mut lost = self.shared.lost.subscribe();
        match lost.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(lost)) => lost.clone(),
            Ok(None) | Err(_) => self.shared.reason(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The threads end when the connection does.
        self.shared.close();
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, ask: &Ask<'_>, waiter: Waiter) -> Result<(), Lost> {
        let question = {
            let mut waiting = self.waiting();
            if let Some(lost) = &*self.lost.borrow() {
                return Err(lost.clone());
            }
            waiting.next += 1;
            let question = waiting.next;
            waiting.by_question.insert(question, waiter);
            question
        };
        let frame = ask.to_frame(question);
        if frame.len() > FRAME_LIMIT {
            self.waiting().by_question.remove(&question);
            return Err(Lost(format!(
                "{} bytes are more than a message takes",
                frame.len()
            )));
        }
        self.send(&frame);
        Ok(())
    }

    fn send(&self, frame: &[u8]) {
        self.outbox().frames.extend_from_slice(frame);
        self.filled.notify_one();
    }

    fn close(&self) {
        self.outbox().closed = true;
        self.filled.notify_one();
    }

    fn reason(&self) -> Lost {
        let lost = self.lost.borrow().clone();
        lost.unwrap_or_else(|| Lost("the connection to it broke".into()))
    }

    /// The first reason stays. Whoever waits is told by the end of a channel.
    fn lose(&self, why: &str) {
        {
            let mut waiting = self.waiting();
            self.lost.send_if_modified(|lost| {
                let first = lost.is_none();
                if first {
                    *lost = Some(Lost(why.to_owned()));
                }
                first
            });
            waiting.by_question.clear();
        }
        self.close();
    }

    fn write_all(&self, mut stream: UnixStream) {
        let mut frames = Vec::new();
        loop {
            {
                let mut outbox = self.outbox();
                while outbox.frames.is_empty() && !outbox.closed {
                    outbox = self
                        .filled
                        .wait(outbox)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                if outbox.closed {
                    return;
                }
                std::mem::swap(&mut frames, &mut outbox.frames);
            }
            if let Err(error) = stream.write_all(&frames) {
                // What it said last is read first.
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.lose(&error.to_string());
                }
                return;
            }
            frames.clear();
            frames.shrink_to(KEPT);
        }
    }

    fn read_all(self: &Arc<Shared>, stream: UnixStream) {
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        loop {
            match read_frame(&mut stream) {
                Ok((_, Reply::Ending(words))) => return self.lose(&words),
                Ok((question, reply)) => self.hand_over(question, reply),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.lose("it ended without a word");
                }
                Err(error) => return self.lose(&error.to_string()),
            }
        }
    }

    fn hand_over(self: &Arc<Shared>, question: u64, reply: Reply) {
        let waiter = self.waiting().by_question.remove(&question);
        let received = match reply {
            Reply::Yours { damage } => {
                let shared = Arc::clone(self);
                Received::Yours(Claim { shared, question }, damage)
            }
            other => Received::Reply(other),
        };
        // Nobody waits any more: a claim goes back as it is dropped, and everything else is of no use.
        match waiter {
            Some(Waiter::Task(sender)) => drop(sender.send(received)),
            Some(Waiter::Thread(sender)) => drop(sender.send(received)),
            None => {}
        }
    }
}

/// Reads one frame. The room for it grows with what comes, and not with what its length says.
pub(super) fn read_frame(stream: &mut impl Read) -> io::Result<(u64, Reply)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    let nonsense = || io::Error::other("what it says cannot be understood");
    if length > FRAME_LIMIT {
        return Err(nonsense());
    }
    let mut message = Vec::with_capacity(length.min(64 << 10));
    stream.take(length as u64).read_to_end(&mut message)?;
    if message.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Reply::read(Bytes::from(message)).map_err(|_| nonsense())
}
