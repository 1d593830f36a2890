//! Answers, a source of seeded numbers, folders, and a storage that remembers every call and fails on request.

use redb::StorageBackend;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xhost_store::{
    Answer, Digest, Entry, Options, Put, Report, Run, Sent, Store, WriteError, verify_storage,
};

/// Numbers that are the same in every run: splitmix64.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.number() as u8).collect()
    }
}

pub fn digest(number: u64) -> Digest {
    Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

pub fn answer(body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        body: body.into().into(),
        status: 200,
        api: "openai.chat".into(),
        model: "gpt-x".into(),
        headers: vec![("x-request-id".into(), "r1".into())],
        created_ms: 1_790_000_000_000,
        latency_ms: 1_234,
    }
}

/// A run that was begun then.
pub fn run(plan: &str, started_ms: u64) -> Run {
    Run {
        experiment: "e".into(),
        plan: plan.into(),
        resolved: "{}".into(),
        folder: "/runs/e".into(),
        started_ms,
        ended_ms: None,
        generation: 0,
    }
}

/// Answers without their requests, in one commit.
pub trait PutAll {
    fn put_all(&self, answers: &[(Digest, Answer)]) -> Result<Vec<Put>, WriteError>;
}

impl PutAll for Store {
    fn put_all(&self, answers: &[(Digest, Answer)]) -> Result<Vec<Put>, WriteError> {
        let entries: Vec<Entry> = answers.iter().cloned().map(Entry::from).collect();
        self.commit(&entries)
    }
}

/// An answer to a request whose body is the number.
pub fn asked(number: u64, answer: Answer) -> Entry {
    let body = format!("{{\"number\":{number}}}");
    let sent = Sent {
        endpoint: "https://api.example",
        method: "POST",
        target: "/v1/chat/completions",
        headers: &[("x-version".into(), "1".into())],
        body: body.as_bytes(),
        epoch: 1,
        repeat: 0,
        salt: "",
    };
    Entry {
        request: Some(sent.to_bytes().into()),
        ..Entry::from((sent.digest(), answer))
    }
}

/// A folder of this crate's own, gone with the value.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the test")
}

/// The path of a store in the folder, closed, with these answers in it.
pub fn closed_store(folder: &Path, answers: &[(Digest, Answer)]) -> PathBuf {
    let path = folder.join("store.redb");
    let store = Store::open(&path, Options::default()).expect("a new store");
    store.put_all(answers).expect("a commit");
    path
}

/// What was asked of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Write,
    SetLen,
    Sync,
    Read,
}

/// The call that fails, counted from now among its kind.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// This many calls of the kind go well.
    After(u32, Call),
    /// As `After` for a write, half of which is done.
    HalfWriteAfter(u32),
}

/// Which of a store's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Tables,
    Log,
}

#[derive(Debug)]
pub enum Event {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A store's two files, and what happened to them, in one order.
#[derive(Debug)]
pub struct Disk {
    pub bytes: Vec<u8>,
    pub log: Vec<u8>,
    pub events: Vec<(Part, Event)>,
    pub fault: Fault,
    /// What a call that fails says.
    pub error: fn() -> io::Error,
}

/// A storage in memory; every clone is the same one.
#[derive(Clone, Debug)]
pub struct Memory {
    disk: Arc<Mutex<Disk>>,
    part: Part,
}

impl Memory {
    pub fn new(bytes: Vec<u8>) -> Memory {
        Memory::with_log(bytes, Vec::new())
    }

    pub fn with_log(bytes: Vec<u8>, log: Vec<u8>) -> Memory {
        let disk = Disk {
            bytes,
            log,
            events: Vec::new(),
            fault: Fault::None,
            error: || io::Error::other("the disk failed"),
        };
        Memory {
            disk: Arc::new(Mutex::new(disk)),
            part: Part::Tables,
        }
    }

    /// The storage of the log on the same disk.
    pub fn log(&self) -> Memory {
        Memory {
            disk: Arc::clone(&self.disk),
            part: Part::Log,
        }
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables and the log as they are.
    pub fn files(&self) -> (Vec<u8>, Vec<u8>) {
        let disk = self.disk();
        (disk.bytes.clone(), disk.log.clone())
    }

    pub fn open(&self) -> Result<Store, xhost_store::OpenError> {
        self.open_with(1 << 20)
    }

    pub fn open_with(&self, cache_bytes: usize) -> Result<Store, xhost_store::OpenError> {
        let storage = self.clone();
        let options = Options {
            cache_bytes,
            ..Options::default()
        };
        let log = Some(Arc::new(self.log()) as Arc<dyn StorageBackend>);
        Store::with_backend(move || storage.clone(), log, Path::new("memory"), &options)
    }

    /// As after a kill: what was written is there, and nothing was closed.
    pub fn killed(&self) -> Memory {
        let (tables, log) = self.files();
        Memory::with_log(tables, log)
    }

    pub fn verify(&self) -> Result<Report, xhost_store::OpenError> {
        let log = Some(Arc::new(self.log()) as Arc<dyn StorageBackend>);
        verify_storage(self.clone(), log, Path::new("memory"), |_, _| {})
    }
}

impl Disk {
    pub fn part(&mut self, part: Part) -> &mut Vec<u8> {
        match part {
            Part::Tables => &mut self.bytes,
            Part::Log => &mut self.log,
        }
    }

    fn fails(&mut self, call: Call) -> io::Result<()> {
        let Fault::After(left, kind) = &mut self.fault else {
            return Ok(());
        };
        if *kind != call {
            return Ok(());
        }
        if *left == 0 {
            self.fault = Fault::None;
            return Err((self.error)());
        }
        *left -= 1;
        Ok(())
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().part(self.part).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk();
        disk.fails(Call::Read)?;
        let from = offset as usize;
        let bytes = disk
            .part(self.part)
            .get(from..from + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.fails(Call::SetLen)?;
        disk.part(self.part).resize(len as usize, 0);
        disk.events.push((self.part, Event::SetLen(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.fails(Call::Sync)?;
        disk.events.push((self.part, Event::Sync));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        disk.fails(Call::Write)?;
        let from = offset as usize;
        let done = match &mut disk.fault {
            Fault::HalfWriteAfter(0) => data.len() / 2,
            Fault::HalfWriteAfter(left) => {
                *left -= 1;
                data.len()
            }
            Fault::None | Fault::After(..) => data.len(),
        };
        disk.part(self.part)[from..from + done].copy_from_slice(&data[..done]);
        let event = Event::Write(offset, data[..done].to_vec());
        disk.events.push((self.part, event));
        if done < data.len() {
            disk.fault = Fault::None;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// How much of something a test does: what the environment says, or what fits into CI.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test is may come from outside"
)]
pub fn amount(variable: &str, usual: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => usual,
    }
}
