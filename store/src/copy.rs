//! A store written anew: what `gc`, `compact` and `verify --repair` do. The new file is made under another name, everything
//! in it is compared with what it was made from, and only then does it take the old one's name. A crash on the way leaves
//! the old store, and a file under another name that the next copy removes.

use crate::entry::{Entry, Group, Wish};
use crate::fault::{ReadError, WriteError};
use crate::handle::guarded;
use crate::journal::{self, Change};
use crate::open::{self, OpenError, Options};
use crate::place::{self, Holder};
use crate::recover::{Damaged, Recovered, Shelter, log_of, recover};
use crate::shelf::{self, Shelf};
use crate::store::{answer, request, sequence};
use crate::tables::{self, DICTIONARIES, INDEX, JOURNAL, META, Meta, RECORDS, RUNS, TOUCHED};
use crate::verify::verify;
use crate::{Digest, RunId, Store, record, runs};
use bytes::Bytes;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Records of one commit, and the bytes after which it ends early.
const GROUP: usize = 256;
const GROUP_BYTES: usize = 8 << 20;

/// Entries of the journal, runs and parts of what they touched that are copied in one commit.
const NOTES: usize = 64;

/// The index while it is being sorted.
const SORTED: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("idx-1-sorted");

/// Bytes of pages in memory, for the old file and for the new one.
const CACHE: usize = 8 << 20;

/// What of a store is kept.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// Every answer that a request leads to.
    All,
    /// What these runs touched, and these runs.
    Runs(&'a [RunId]),
}

/// What becomes of the old file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// It goes, as the new one has all that is wanted of it.
    Removed,
    /// It stays beside the new one, under another name.
    Kept,
}

/// What a copy came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Answers in the new file.
    pub answers: u64,
    /// Records that were left behind: not kept, superseded, or damaged.
    pub left: u64,
    /// Of these, the ones that could not be read.
    pub damaged: u64,
    /// Answers that their key did not lead to, and leads to now.
    pub linked: u64,
    /// Bytes of the file before.
    pub bytes_before: u64,
    /// Bytes of the file now.
    pub bytes_after: u64,
    /// Where the old file is, where it was kept.
    pub old: Option<PathBuf>,
}

/// A store was not written anew. It is what it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The old file, or the new one, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be renamed, synced or removed.
    #[error("cannot {what} {path}: {cause}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
    /// The new file is not what it should be.
    #[error("the new file {path} is not what it was made from ({what}): the store was left as it is", path = path.display())]
    Differs {
        /// The new file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
}

/// Writes the store at `path` anew, with what is kept. `progress` is told how many records of how many were looked at.
///
/// # Errors
/// See [`CopyError`]: the store is what it was then.
pub fn copy(
    path: &Path,
    keep: Keep<'_>,
    old: Old,
    command: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let source = Source::open(path, old)?;
    // Only the holder of the lock gets here, so what an earlier copy left is nobody's.
    let _holder = Holder::note(path, command);
    let new = place::beside(path, ".new");
    if new.exists() {
        fs::remove_file(&new).map_err(|cause| file("remove", &new, cause))?;
    }
    let made = fill(&source, &new, keep, &mut progress).and_then(|mut copied| {
        compact(&new)?;
        check(&source, &new, &copied)?;
        copied.bytes_before = length(path);
        copied.bytes_after = length(&new);
        Ok(copied)
    });
    let mut copied = made.inspect_err(|_| {
        // What is left of it is of no use, and the next copy removes it too.
        let _ = fs::remove_file(&new);
    })?;
    if old == Old::Kept {
        copied.old = Some(keep_old(path)?);
    }
    fs::rename(&new, path).map_err(|cause| file("rename", &new, cause))?;
    let folder = place::folder_of(path);
    place::sync_folder(folder).map_err(|cause| file("sync", folder, cause))?;
    // Its rows are in the new file, which names no log.
    Shelter::Beside(log_of(path)).remove();
    Ok(copied)
}

/// A second name for the old file: there is no moment without a store.
fn keep_old(path: &Path) -> Result<PathBuf, CopyError> {
    let names = (1_u32..).map(|n| place::beside(path, &format!(".old-{n}")));
    for name in names {
        match fs::hard_link(path, &name) {
            Ok(()) => return keep_log(path, &name).map(|()| name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(file("keep", path, cause)),
        }
    }
    Err(file("keep", path, io::ErrorKind::AlreadyExists.into()))
}

/// An old file that was not closed needs its log.
fn keep_log(path: &Path, name: &Path) -> Result<(), CopyError> {
    let log = log_of(path);
    match fs::hard_link(&log, log_of(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("keep", &log, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The old file, only read. (redb may finish a commit that a crash interrupted.)
struct Source {
    database: Database,
    shelf: Shelf,
    path: PathBuf,
}

impl Source {
    /// Where the old file goes, its log must be whole.
    fn open(path: &Path, old: Old) -> Result<Source, OpenError> {
        let storage = open::backend(path)?;
        let overlaid = guarded(|| {
            let overlay = crate::overlay::Overlay::new(storage)?;
            Ok(open::builder(CACHE).create_with_backend(overlay)?)
        });
        let database = overlaid.map_err(|error| open::explain(path, error))?;
        match guarded(|| tables::read_meta(&database)) {
            Ok(Meta::Usable(_) | Meta::Older(_)) => {}
            Ok(Meta::Stranger(stranger)) => return Err(open::refused(path, stranger)),
            Err(error) => return Err(open::explain(path, error)),
        }
        let damaged = match old {
            Old::Removed => Damaged::Refused,
            Old::Kept => Damaged::Salvaged,
        };
        let shelter = Shelter::Beside(log_of(path));
        let recovered = guarded(|| recover(&database, &shelter, damaged));
        match (recovered, old) {
            (Ok(Recovered::Missing), Old::Removed) => {
                return Err(open::log_refused(path, "is not there"));
            }
            (Ok(Recovered::All { damaged: true, .. }), Old::Removed) => {
                return Err(open::log_refused(path, "is damaged"));
            }
            (Err(error), Old::Removed) => return Err(open::explain(path, error)),
            _ => {}
        }
        Ok(Source {
            database,
            shelf: Shelf::default(),
            path: path.into(),
        })
    }

    fn read<T>(
        &self,
        act: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, CopyError> {
        let read = guarded(|| act(&self.database.begin_read()?));
        read.map_err(|error| {
            CopyError::Read(ReadError::Io {
                path: self.path.clone(),
                cause: error.to_string(),
            })
        })
    }

    /// The entry in this place, if it is the one that its key should lead to.
    fn entry(&self, number: u64) -> Result<Found, redb::Error> {
        let read = self.database.begin_read()?;
        let dictionaries = self.shelf.over(&self.database);
        let Some(bytes) = read.open_table(RECORDS)?.get(number)? else {
            return Ok(Found::Nothing);
        };
        let Some(digest) = record::key(bytes.value()) else {
            return Ok(Found::Damaged);
        };
        let Ok(found) = record::decode(&digest, bytes.value(), &dictionaries) else {
            return Ok(Found::Damaged);
        };
        // A key that cannot be looked up leads nowhere.
        let named = guarded(|| sequence(&read, &digest)).unwrap_or(None);
        if let Some(named) = named
            && named != number
            && guarded(|| answer(&read, &digest, named, &dictionaries))
                .is_ok_and(|other| other.is_ok())
        {
            return Ok(Found::Superseded);
        }
        let asked = guarded(|| request(&read, &digest, number, &dictionaries));
        let entry = Entry {
            digest,
            answer: found,
            request: asked.ok().and_then(Result::ok).flatten().map(Bytes::from),
            wish: Wish::Replace,
        };
        Ok(Found::Entry(Box::new(entry), named == Some(number)))
    }

    /// The number after the last record, as far as anything tells.
    fn end(&self) -> u64 {
        let last = self.read(|read| {
            Ok(read
                .open_table(RECORDS)?
                .last()?
                .map(|(number, _)| number.value()))
        });
        let named = self.read(|read| {
            let mut most = None;
            for row in read.open_table(INDEX)?.iter()? {
                most = most.max(Some(row?.1.value()));
            }
            Ok(most)
        });
        let last = last.ok().flatten().max(named.ok().flatten());
        last.map_or(0, |last| last.saturating_add(1))
    }
}

enum Found {
    Nothing,
    Damaged,
    Superseded,
    /// The entry, and whether its key led to it.
    Entry(Box<Entry>, bool),
}

fn fill(
    source: &Source,
    new: &Path,
    keep: Keep<'_>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let options = Options {
        cache_bytes: CACHE,
        command: String::new(),
    };
    // It is nobody's until it is whole.
    let target = Store::open_with(new, options, Shelter::None)?;
    copy_dictionaries(source, &target)?;
    let mut copied = Copied::default();
    match keep {
        Keep::All => copy_all(source, &target, &mut copied, progress)?,
        Keep::Runs(ids) => copy_runs(source, &target, ids, &mut copied, progress)?,
    }
    copy_notes(source, &target, keep)?;
    copied.answers = target.len()?;
    Ok(copied)
}

fn copy_all(
    source: &Source,
    target: &Store,
    copied: &mut Copied,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), CopyError> {
    let end = source.end();
    let mut group = Vec::new();
    let mut bytes = 0;
    for number in 0..end {
        // A part of the file that cannot be read costs what stands in it, and no more.
        match guarded(|| source.entry(number)).unwrap_or(Found::Damaged) {
            Found::Nothing => {}
            Found::Superseded => copied.left += 1,
            Found::Damaged => {
                copied.left += 1;
                copied.damaged += 1;
            }
            Found::Entry(entry, named) => {
                copied.linked += u64::from(!named);
                bytes += entry.answer.body.len() + entry.request.as_ref().map_or(0, Bytes::len);
                group.push(*entry);
            }
        }
        if group.len() == GROUP || bytes > GROUP_BYTES {
            target.commit(&group)?;
            group.clear();
            bytes = 0;
            progress(number + 1, end);
        }
    }
    target.commit(&group)?;
    progress(end, end);
    Ok(())
}

fn copy_runs(
    source: &Source,
    target: &Store,
    ids: &[RunId],
    copied: &mut Copied,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), CopyError> {
    let records = source.read(|read| Ok(read.open_table(RECORDS)?.len()?))?;
    let mut seen = 0;
    for id in ids {
        let mut from = runs::first_key(*id);
        loop {
            let part = source.read(|read| {
                let table = read.open_table(TOUCHED)?;
                let row = table
                    .range::<&[u8; 28]>(&from..=&runs::last_key(*id))?
                    .next();
                let Some(row) = row else { return Ok(None) };
                let (key, bytes) = row?;
                Ok(Some((
                    *key.value(),
                    runs::decode_part(key.value(), bytes.value()),
                )))
            })?;
            let Some((key, digests)) = part else { break };
            // A list that cannot be trusted would make this drop what its run needs.
            let digests = digests.map_err(|cause| ReadError::Note {
                table: "list of what runs touched",
                key: id.to_string(),
                cause,
            })?;
            for some in digests.chunks(GROUP) {
                copy_digests(source, target, some, copied)?;
            }
            seen += digests.len() as u64;
            progress(seen.min(records), records);
            match runs::after(key) {
                Some(next) => from = next,
                None => break,
            }
        }
    }
    copied.left = records.saturating_sub(target.len()?);
    progress(records, records);
    Ok(())
}

fn copy_digests(
    source: &Source,
    target: &Store,
    digests: &[Digest],
    copied: &mut Copied,
) -> Result<(), CopyError> {
    let mut group = Vec::new();
    for digest in digests {
        let number = source.read(|read| sequence(read, digest))?;
        let Some(number) = number else { continue };
        match guarded(|| source.entry(number)).unwrap_or(Found::Damaged) {
            Found::Entry(entry, _) => group.push(Entry {
                wish: Wish::Keep,
                ..*entry
            }),
            Found::Damaged => copied.damaged += 1,
            Found::Nothing | Found::Superseded => {}
        }
    }
    target.commit(&group)?;
    Ok(())
}

/// The dictionaries that are used now come along, so that everything is packed with them from the first record on.
fn copy_dictionaries(source: &Source, target: &Store) -> Result<(), CopyError> {
    let mut found = Vec::new();
    for kind in [shelf::Kind::Answers, shelf::Kind::Requests] {
        let bytes = source.read(|read| {
            let id = shelf::active_id(&read.open_table(META)?, kind)?;
            let Some(id) = id else { return Ok(None) };
            let table = read.open_table(DICTIONARIES)?;
            for row in shelf::rows(id) {
                if let Some(bytes) = table.get(row)?
                    && let Some(bytes) = shelf::checked(id, bytes.value())
                {
                    return Ok(Some((id, bytes.to_vec())));
                }
            }
            Ok(None)
        });
        // Without one, the new file gets one of its own.
        found.extend(bytes.ok().flatten().map(|(id, bytes)| (kind, id, bytes)));
    }
    target.write(|_, write| {
        for (kind, id, bytes) in &found {
            shelf::keep(write, *id, bytes)?;
            shelf::activate(write, *kind, *id)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The journal, always; the runs that are kept, with what they touched.
fn copy_notes(source: &Source, target: &Store, keep: Keep<'_>) -> Result<(), CopyError> {
    let kept = |id: &[u8]| match keep {
        Keep::All => true,
        Keep::Runs(ids) => ids.iter().any(|kept| kept.as_bytes().as_slice() == id),
    };
    let journal = source.read(|read| {
        let mut changes = Vec::new();
        for row in read.open_table(JOURNAL)?.range::<&[u8]>(..)? {
            let (key, value) = row?;
            if let Ok(value) = journal::decode(key.value(), value.value()) {
                let key = key.value().to_vec();
                changes.push(Change::Put { key, value });
            }
        }
        Ok(changes)
    });
    for changes in journal.unwrap_or_default().chunks(NOTES) {
        target.commit_group(&Group {
            journal: changes,
            ..Group::default()
        })?;
    }
    // Rows verify themselves, so they are taken as they are; what is damaged stays behind.
    let list = source.read(|read| {
        let mut rows = Vec::new();
        for row in read.open_table(RUNS)?.range::<&[u8; 16]>(..)? {
            let (key, bytes) = row?;
            let whole = runs::decode(&RunId::from_bytes(*key.value()), bytes.value()).is_ok();
            if whole && kept(key.value()) {
                rows.push((*key.value(), bytes.value().to_vec()));
            }
        }
        Ok(rows)
    });
    for (id, bytes) in list.unwrap_or_default() {
        target.write(|_, write| {
            write.open_table(RUNS)?.insert(&id, bytes.as_slice())?;
            Ok(())
        })?;
        copy_touched(source, target, RunId::from_bytes(id))?;
    }
    Ok(())
}

fn copy_touched(source: &Source, target: &Store, id: RunId) -> Result<(), CopyError> {
    let mut from = Some(runs::first_key(id));
    while let Some(first) = from {
        let rows = source.read(|read| {
            let mut rows = Vec::new();
            let table = read.open_table(TOUCHED)?;
            for row in table
                .range::<&[u8; 28]>(&first..=&runs::last_key(id))?
                .take(NOTES)
            {
                let (key, bytes) = row?;
                rows.push((*key.value(), bytes.value().to_vec()));
            }
            Ok(rows)
        });
        let rows = rows.unwrap_or_default();
        from = rows.last().and_then(|(key, _)| runs::after(*key));
        target.write(|_, write| {
            let mut table = write.open_table(TOUCHED)?;
            for (key, bytes) in &rows {
                if runs::decode_part(key, bytes).is_ok() {
                    table.insert(key, bytes.as_slice())?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Fills the pages of the index, and gives free ones back to the file system.
fn compact(path: &Path) -> Result<(), CopyError> {
    let compacted = guarded(|| {
        let mut database = open::builder(CACHE).open(path)?;
        sort_index(&database)?;
        while database.compact()? {}
        Ok(())
    });
    compacted.map_err(|error| open::explain(path, error))?;
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|cause| file("sync", path, cause))
}

/// Digests come in no order, which leaves the index's pages a third empty; in their order they fill them.
fn sort_index(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let (found, mut sorted) = (write.open_table(INDEX)?, write.open_table(SORTED)?);
        for row in found.iter()? {
            let (digest, sequence) = row?;
            sorted.insert(digest.value(), sequence.value())?;
        }
    }
    write.delete_table(INDEX)?;
    write.rename_table(SORTED, INDEX)?;
    Ok(write.commit()?)
}

/// The new file must be whole, and have for each of its requests what the old one has.
fn check(source: &Source, new: &Path, copied: &Copied) -> Result<(), CopyError> {
    let differs = |what: String| CopyError::Differs {
        path: new.into(),
        what,
    };
    let report = verify(new, |_, _| {})?;
    if let Some(finding) = report.findings.first() {
        return Err(differs(finding.detail.clone()));
    }
    if report.answers != copied.answers {
        return Err(differs(format!(
            "{} answers of {}",
            report.answers, copied.answers
        )));
    }
    let target = Store::open(new, Options::default())?;
    for stored in target.iter() {
        let stored = stored?;
        let same = source.read(|read| {
            let dictionaries = source.shelf.over(&source.database);
            let Some(number) = sequence(read, &stored.digest)? else {
                return Ok(true);
            };
            let found = answer(read, &stored.digest, number, &dictionaries)?;
            Ok(found.is_err() || found == Ok(Some(stored.answer.clone())))
        });
        // What the old file cannot tell any more was taken from a record that verifies itself.
        if let Ok(false) = same {
            return Err(differs(format!("another answer to {}", stored.digest)));
        }
    }
    Ok(())
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn file(what: &'static str, path: &Path, cause: io::Error) -> CopyError {
    CopyError::File {
        what,
        path: path.into(),
        cause,
    }
}
