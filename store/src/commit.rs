//! Commits: one after the other, and each returns when what it took is durable. After the first one that fails there is no
//! other: whoever pays for answers must know that they cannot be kept.

use crate::codec::Dictionary;
use crate::entry::{Entry, Group, Wish};
use crate::fault::{RecordError, WriteError};
use crate::handle::corrupted;
use crate::shelf::{Kind, Loaded};
use crate::tables::{INDEX, RECORDS, REQUESTS};
use crate::{Store, journal, packed, record, runs};
use redb::{Database, ReadableTable, Table, WriteTransaction};
use std::sync::{Arc, PoisonError};

/// Above this, saving the allocator's state at every commit costs more than walking the file after a crash.
const QUICK_REPAIR_BELOW: u64 = 16 << 30;

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored: the first answer to its request, or the first after a damaged one.
    Stored,
    /// The same answer was there.
    AlreadyThere,
    /// Another answer was there, and stays; so does one that only a newer version can read.
    Conflict,
    /// Another answer was there, and this one took its place, as was wished.
    Replaced,
}

impl Store {
    /// Stores these answers in one durable commit. The first answer to a request stays, unless it is damaged or an entry
    /// wishes to replace it; the old record then stays too, without a name. One result per answer, in their order.
    ///
    /// # Errors
    /// [`WriteError::Failed`] where the disk refuses, [`WriteError::Stopped`] for every commit after that, and
    /// [`WriteError::Answer`] where an answer cannot be stored by anybody, which stops nothing.
    pub fn commit(&self, entries: &[Entry]) -> Result<Vec<Put>, WriteError> {
        self.commit_group(&Group {
            entries,
            ..Group::default()
        })
    }

    /// As [`Store::commit`], with changes of the journal and what runs touched in the same commit: all of it or nothing.
    ///
    /// # Errors
    /// As [`Store::commit`], and [`WriteError::Journal`].
    pub fn commit_group(&self, group: &Group<'_>) -> Result<Vec<Put>, WriteError> {
        group.check()?;
        if group.is_empty() {
            return self.refuse_if_stopped().map(|()| Vec::new());
        }
        let puts = self.write(|database, write| {
            let puts = put_all(&self.shelf.over(database), write, group.entries)?;
            journal::apply(write, group.journal)?;
            runs::apply(write, group.touched)?;
            Ok(puts)
        })?;
        if puts.contains(&Put::Stored) {
            self.train_if_due();
        }
        Ok(puts)
    }

    fn refuse_if_stopped(&self) -> Result<(), WriteError> {
        match &*self.stopped.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(cause) => Err(WriteError::Stopped {
                path: self.path().into(),
                cause: cause.clone(),
            }),
        }
    }

    /// One durable commit. Where it fails, it was the last.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Database, &WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, WriteError> {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = &*stopped {
            return Err(WriteError::Stopped {
                path: self.path().into(),
                cause: cause.clone(),
            });
        }
        let committed = self.handle.with(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(self.size_on_disk().unwrap_or(0) < QUICK_REPAIR_BELOW);
            let result = change(database, &write)?;
            write.commit()?;
            Ok(result)
        });
        committed.map_err(|error| {
            let cause = error.to_string();
            *stopped = Some(cause.clone());
            WriteError::Failed {
                path: self.path().into(),
                cause,
            }
        })
    }
}

/// The tables that an answer goes into, and what is packed with.
struct Desk<'a, 't> {
    index: Table<'t, &'static [u8; 32], u64>,
    records: Table<'t, u64, &'static [u8]>,
    requests: Table<'t, u64, &'static [u8]>,
    dictionaries: &'a Loaded<'a>,
    for_answers: Option<Arc<Dictionary>>,
    for_requests: Option<Arc<Dictionary>>,
    /// The next free sequence number; none where the last one is taken.
    next: Option<u64>,
}

fn put_all(
    dictionaries: &Loaded<'_>,
    write: &WriteTransaction,
    entries: &[Entry],
) -> Result<Vec<Put>, redb::Error> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let records = write.open_table(RECORDS)?;
    let last = records.last()?.map(|(sequence, _)| sequence.value());
    let mut desk = Desk {
        index: write.open_table(INDEX)?,
        records,
        requests: write.open_table(REQUESTS)?,
        dictionaries,
        for_answers: dictionaries.active(Kind::Answers),
        for_requests: dictionaries.active(Kind::Requests),
        next: last.map_or(Some(0), |last| last.checked_add(1)),
    };
    entries.iter().map(|entry| desk.put(entry)).collect()
}

impl Desk<'_, '_> {
    fn put(&mut self, entry: &Entry) -> Result<Put, redb::Error> {
        let sequence = self.index.get(entry.digest.as_bytes())?;
        let sequence = sequence.map(|sequence| sequence.value());
        let earlier = match sequence {
            Some(sequence) => self.records.get(sequence)?,
            None => None,
        };
        let earlier =
            earlier.map(|record| record::decode(&entry.digest, record.value(), self.dictionaries));
        Ok(match (earlier, entry.wish) {
            (Some(Ok(earlier)), Wish::Keep) if earlier.body == entry.answer.body => {
                self.add_request(sequence, entry)?;
                Put::AlreadyThere
            }
            (None | Some(Err(RecordError::Damaged(_))), _) => {
                self.append(entry)?;
                Put::Stored
            }
            (Some(Ok(_) | Err(_)), Wish::Replace) => {
                self.append(entry)?;
                Put::Replaced
            }
            (Some(Ok(_) | Err(_)), Wish::Keep) => Put::Conflict,
        })
    }

    /// An answer that was imported may have come without its request.
    fn add_request(&mut self, sequence: Option<u64>, entry: &Entry) -> Result<(), redb::Error> {
        if let (Some(sequence), Some(request)) = (sequence, &entry.request)
            && self.requests.get(sequence)?.is_none()
        {
            let packed = packed::encode(request, self.for_requests.as_deref());
            self.requests.insert(sequence, packed.as_slice())?;
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), redb::Error> {
        let sequence = self
            .next
            .ok_or_else(|| corrupted("the last sequence number is taken"))?;
        let record = record::encode(&entry.digest, &entry.answer, self.for_answers.as_deref())
            .map_err(|error| corrupted(&error.to_string()))?;
        self.records.insert(sequence, record.as_slice())?;
        if let Some(request) = &entry.request {
            let packed = packed::encode(request, self.for_requests.as_deref());
            self.requests.insert(sequence, packed.as_slice())?;
        }
        self.index.insert(entry.digest.as_bytes(), sequence)?;
        self.next = sequence.checked_add(1);
        Ok(())
    }
}
