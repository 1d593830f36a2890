//! Commits: one after the other, and each returns when what it took is durable. After the first one that fails there is no
//! other: whoever pays for answers must know that they cannot be kept.

use crate::codec::Dictionary;
use crate::entry::{Entry, Group, Wish};
use crate::fault::{RecordError, WriteError};
use crate::handle::corrupted;
use crate::log::ROWS_LIMIT;
use crate::rows::{Place, Rows};
use crate::shelf::{Kind, Loaded};
use crate::store::{Logging, Writer};
use crate::tables::{self, INDEX, RECORDS, REQUESTS};
use crate::{Store, journal, packed, record, runs};
use redb::{Database, Durability, ReadableTable, Table, WriteTransaction};
use std::io;
use std::sync::{Arc, PoisonError};

/// Above this, saving the allocator's state at every commit costs more than walking the file after a crash.
const QUICK_REPAIR_BELOW: u64 = 16 << 30;

/// Small commits until the log is made: it costs as much as some of them, and a process may end after a few.
const LOG_AFTER: u32 = 8;

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
        let puts = self.write_rows(Rows::up_to(ROWS_LIMIT), |database, write, rows| {
            let puts = put_all(&self.shelf.over(database), write, group.entries, rows)?;
            journal::apply(write, group.journal, rows)?;
            runs::apply(write, group.touched, rows)?;
            Ok(puts)
        })?;
        if puts.contains(&Put::Stored) {
            self.train_if_due();
        }
        Ok(puts)
    }

    fn refuse_if_stopped(&self) -> Result<(), WriteError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &writer.stopped {
            None => Ok(()),
            Some(cause) => Err(WriteError::Stopped {
                path: self.path().into(),
                cause: cause.clone(),
            }),
        }
    }

    /// One commit that is durable in the tables. Where it fails, it was the last.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Database, &WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, WriteError> {
        self.write_rows(Rows::up_to(0), |database, write, _| change(database, write))
    }

    /// One durable commit: in the log, where its rows have room there, or else in the tables, with all that the log has.
    fn write_rows<T>(
        &self,
        mut rows: Rows,
        change: impl FnOnce(&Database, &WriteTransaction, &mut Rows) -> Result<T, redb::Error>,
    ) -> Result<T, WriteError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = &writer.stopped {
            return Err(WriteError::Stopped {
                path: self.path().into(),
                cause: cause.clone(),
            });
        }
        let log = &mut writer.log;
        let committed = self.handle.commit(|database| {
            let mut write = database.begin_write()?;
            let result = change(database, &write, &mut rows)?;
            if rows.is_empty() {
                // All of it is there, and durable.
                write.abort()?;
            } else if self.append(log, &rows)? {
                // Only after this may it be seen: whoever reads it may tell others of it.
                write.set_durability(Durability::None)?;
                write.commit()?;
            } else {
                self.commit_whole(log, write)?;
            }
            Ok(result)
        });
        committed.map_err(|error| {
            let cause = error.to_string();
            writer.stopped = Some(cause.clone());
            WriteError::Failed {
                path: self.path().into(),
                cause,
            }
        })
    }

    /// Makes rows durable in the log; whether they had room there.
    fn append(&self, log: &mut Logging, rows: &Rows) -> io::Result<bool> {
        let Some(rows) = rows.bytes() else {
            return Ok(false);
        };
        match log {
            Logging::In(log) => log.append(rows),
            Logging::Never => Ok(false),
            Logging::After(commits) => {
                *commits += 1;
                Ok(false)
            }
        }
    }

    /// Makes the tables durable, and the log free.
    fn commit_whole(
        &self,
        log: &mut Logging,
        mut write: WriteTransaction,
    ) -> Result<(), redb::Error> {
        if let Logging::After(commits) = log
            && *commits >= LOG_AFTER
        {
            let begun = self.shelter.begin(tables::logged(&write)?);
            // Where it cannot be made, as in a folder that cannot be written to, the tables do without.
            *log = begun.ok().flatten().map_or(Logging::Never, Logging::In);
        }
        if let Logging::In(log) = log {
            tables::note_log(&write, Some(log.id()), log.last())?;
        }
        write.set_quick_repair(self.size_on_disk().unwrap_or(0) < QUICK_REPAIR_BELOW);
        write.commit()?;
        if let Logging::In(log) = log {
            log.emptied();
        }
        Ok(())
    }

    /// Puts all that the log has into the tables, durably, and removes it: a store that is closed is one file.
    pub(crate) fn end_log(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { stopped: None, log } = &mut *writer else {
            return;
        };
        let Logging::In(last) = log else { return };
        let last = last.last();
        let ended = self.handle.commit(|database| {
            let mut write = database.begin_write()?;
            tables::note_log(&write, None, last)?;
            write.set_quick_repair(true);
            Ok(write.commit()?)
        });
        *log = Logging::Never;
        // Otherwise it stays for the next start.
        if ended.is_ok() {
            self.shelter.remove();
        }
    }
}

/// The tables that an answer goes into, and what is packed with.
struct Desk<'a, 't> {
    rows: &'a mut Rows,
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
    rows: &mut Rows,
) -> Result<Vec<Put>, redb::Error> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let records = write.open_table(RECORDS)?;
    let last = records.last()?.map(|(sequence, _)| sequence.value());
    let mut desk = Desk {
        rows,
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
            self.insert_request(sequence, request)?;
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), redb::Error> {
        let sequence = self
            .next
            .ok_or_else(|| corrupted("the last sequence number is taken"))?;
        let record = record::encode(&entry.digest, &entry.answer, self.for_answers.as_deref())
            .map_err(|error| corrupted(&error.to_string()))?;
        let (key, number) = (entry.digest.as_bytes(), sequence.to_le_bytes());
        self.rows.put(Place::Records, &number, &record);
        self.records.insert(sequence, record.as_slice())?;
        if let Some(request) = &entry.request {
            self.insert_request(sequence, request)?;
        }
        self.rows.put(Place::Index, key, &number);
        self.index.insert(key, sequence)?;
        self.next = sequence.checked_add(1);
        Ok(())
    }

    fn insert_request(&mut self, sequence: u64, request: &[u8]) -> Result<(), redb::Error> {
        let packed = packed::encode(request, self.for_requests.as_deref());
        self.rows
            .put(Place::Requests, &sequence.to_le_bytes(), &packed);
        self.requests.insert(sequence, packed.as_slice())?;
        Ok(())
    }
}
