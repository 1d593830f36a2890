//! Looks at all of a store: every page's checksum, every record, every key, everything beside them. Changes nothing: the
//! file is read under an [`Overlay`], so that redb's own repairs, which may go back to an earlier commit, stay in memory.

use crate::codec::Dictionaries;
use crate::handle::guarded;
use crate::overlay::Overlay;
use crate::recover::{Damaged, Recovered, Shelter, log_of, recover};
use crate::shelf::{self, Shelf};
use crate::tables::{self, DICTIONARIES, INDEX, JOURNAL, Meta, RECORDS, REQUESTS, RUNS, TOUCHED};
use crate::{Digest, OpenError, RunId, journal, open, packed, record, runs};
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Findings that are told one by one. The others are counted.
const LISTED: usize = 10_000;

/// Rows that are read in one go.
const PAGE: usize = 256;

/// What was found in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Requests that have an answer, or should have one.
    pub answers: u64,
    /// Records, the ones without a name among them.
    pub records: u64,
    /// Records that another one of the same request took the place of.
    pub superseded: u64,
    /// Requests that are stored with their answers.
    pub requests: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How much more is wrong than is listed.
    pub more: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing it is.
    pub what: Trouble,
    /// The request whose answer is affected, where that is known.
    pub digest: Option<Digest>,
    /// The words.
    pub detail: String,
}

/// What can be wrong in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The file as such: pages whose checksum does not fit, or that cannot be read.
    File,
    /// The log of small commits.
    Log,
    /// An answer that cannot be trusted.
    Answer,
    /// A whole answer that its request's digest does not lead to.
    Unreached,
    /// A request beside its answer that cannot be trusted.
    Request,
    /// An entry of the journal, or a run, or what a run touched.
    Note,
    /// A copy of a dictionary.
    Dictionary,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn tell(&mut self, what: Trouble, digest: Option<Digest>, detail: &(impl ToString + ?Sized)) {
        if self.findings.len() == LISTED {
            self.more += 1;
            return;
        }
        self.findings.push(Finding {
            what,
            digest,
            detail: detail.to_string(),
        });
    }
}

/// Looks at the store at `path`, and changes nothing. `progress` is told how many records of how many were looked at.
///
/// # Errors
/// Where there is no such file, or it is in use, or is no store of this version. Damage is no error but a finding.
pub fn verify(path: &Path, progress: impl FnMut(u64, u64)) -> Result<Report, OpenError> {
    let shelter = Shelter::Beside(log_of(path));
    verify_with(open::backend(path)?, &shelter, path, progress)
}

/// As [`verify`], over something else than a file. `path` is what errors name.
///
/// # Errors
/// As [`verify`].
pub fn verify_storage(
    storage: impl StorageBackend,
    log: Option<Arc<dyn StorageBackend>>,
    path: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let shelter = log.map_or(Shelter::None, Shelter::Given);
    verify_with(storage, &shelter, path, progress)
}

fn verify_with(
    storage: impl StorageBackend,
    shelter: &Shelter,
    path: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let mut report = Report::default();
    let opened = guarded(|| {
        let overlay = Overlay::new(storage)?;
        Ok(open::builder(4 << 20).create_with_backend(overlay)?)
    });
    let mut database = match opened.map_err(|error| open::explain(path, error)) {
        Ok(database) => database,
        Err(OpenError::Damaged { what, .. }) => {
            report.tell(Trouble::File, None, &what);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    match guarded(|| tables::read_meta(&database)) {
        Ok(Meta::Usable(_) | Meta::Older(_)) => {
            look_at_log(&database, shelter, &mut report);
            look(&database, &mut report, &mut progress);
        }
        Ok(Meta::Stranger(stranger)) => return Err(open::refused(path, stranger)),
        Err(error) => report.tell(Trouble::File, None, &error),
    }
    match guarded(|| Ok(database.check_integrity()?)) {
        Ok(true) => {}
        Ok(false) => report.tell(Trouble::File, None, "pages do not fit their checksums"),
        Err(error) => report.tell(Trouble::File, None, &error),
    }
    let closed = guarded(|| {
        drop(database);
        Ok(())
    });
    if let Err(error) = closed {
        report.tell(Trouble::File, None, &error);
    }
    Ok(report)
}

/// What the log has is looked at with the rest: it is put into the tables, in memory.
fn look_at_log(database: &Database, shelter: &Shelter, report: &mut Report) {
    let words = match guarded(|| recover(database, shelter, Damaged::Salvaged)) {
        Ok(Recovered::Nothing) => return,
        Ok(Recovered::Missing) => "it is not there, and the store was not closed".to_owned(),
        Ok(Recovered::All { damaged, torn, .. }) => match (damaged, torn) {
            (false, false) => return,
            (true, _) => "commits in its middle are damaged".to_owned(),
            (false, true) => "its last commit is not whole: a crash cut it off before it was \
                              acknowledged, or it is damaged"
                .to_owned(),
        },
        Err(error) => error.to_string(),
    };
    report.tell(Trouble::Log, None, &words);
}

type Look<'a> = &'a mut dyn FnMut(&mut Report) -> Result<(), redb::Error>;

fn look(database: &Database, report: &mut Report, progress: &mut impl FnMut(u64, u64)) {
    let shelf = Shelf::default();
    let looker = Looker {
        database,
        dictionaries: &shelf.over(database),
    };
    let looks: [Look<'_>; 5] = [
        &mut |report| looker.records(report, progress),
        &mut |report| looker.index(report),
        &mut |report| looker.requests(report),
        &mut |report| looker.notes(report),
        &mut |report| looker.dictionaries(report),
    ];
    for look in looks {
        if let Err(error) = guarded(|| look(report)) {
            report.tell(Trouble::File, None, &error);
        }
    }
}

struct Looker<'a, D> {
    database: &'a Database,
    dictionaries: &'a D,
}

impl<D: Dictionaries> Looker<'_, D> {
    fn records(
        &self,
        report: &mut Report,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), redb::Error> {
        let total = redb::ReadableTableMetadata::len(&self.read()?.open_table(RECORDS)?)?;
        let mut next = Some(0);
        while let Some(from) = next {
            let read = self.read()?;
            next = None;
            for row in read.open_table(RECORDS)?.range(from..)?.take(PAGE) {
                let (sequence, bytes) = row?;
                report.records += 1;
                self.record(&read, sequence.value(), bytes.value(), report)?;
                next = sequence.value().checked_add(1);
            }
            progress(report.records, total);
        }
        if report.records != total {
            let words = format!("{} records of {total} are there", report.records);
            report.tell(Trouble::File, None, &words);
        }
        Ok(())
    }

    fn record(
        &self,
        read: &ReadTransaction,
        sequence: u64,
        bytes: &[u8],
        report: &mut Report,
    ) -> Result<(), redb::Error> {
        // A header that is damaged is found from its key: see `index`.
        let Some(digest) = record::key(bytes) else {
            report.tell(
                Trouble::Answer,
                None,
                &format!("record {sequence} has no header that fits"),
            );
            return Ok(());
        };
        let named = crate::store::sequence(read, &digest)?;
        let decoded = record::decode(&digest, bytes, self.dictionaries);
        match (decoded, named) {
            (Ok(_), Some(named)) if named == sequence => {}
            (Ok(_), Some(named)) if self.is_whole(read, &digest, named)? => report.superseded += 1,
            (Ok(_), _) => {
                let words = format!("record {sequence} is whole, and its key does not lead to it");
                report.tell(Trouble::Unreached, Some(digest), &words);
            }
            (Err(error), Some(named)) if named == sequence => {
                report.tell(Trouble::Answer, Some(digest), &error);
            }
            (Err(error), _) => {
                let words = format!("record {sequence}, which has no name: {error}");
                report.tell(Trouble::Answer, None, &words);
            }
        }
        Ok(())
    }

    fn is_whole(
        &self,
        read: &ReadTransaction,
        digest: &Digest,
        sequence: u64,
    ) -> Result<bool, redb::Error> {
        let found = crate::store::answer(read, digest, sequence, self.dictionaries)?;
        Ok(found.is_ok())
    }

    /// Every key must lead to a record that has it.
    fn index(&self, report: &mut Report) -> Result<(), redb::Error> {
        let total = redb::ReadableTableMetadata::len(&self.read()?.open_table(INDEX)?)?;
        let mut after: Option<[u8; 32]> = None;
        loop {
            let read = self.read()?;
            let (table, records) = (read.open_table(INDEX)?, read.open_table(RECORDS)?);
            let from = after.unwrap_or_default();
            let mut seen = 0;
            for row in table.range::<&[u8; 32]>(&from..)?.take(PAGE) {
                let (key, sequence) = row?;
                if after == Some(*key.value()) {
                    continue;
                }
                after = Some(*key.value());
                seen += 1;
                report.answers += 1;
                let digest = Digest::from_bytes(*key.value());
                let record = records.get(sequence.value())?;
                match record.map(|record| record::key(record.value())) {
                    Some(Some(found)) if found == digest => {}
                    Some(Some(_)) => {
                        report.tell(
                            Trouble::Answer,
                            Some(digest),
                            "its key leads to another request's",
                        );
                    }
                    Some(None) => {
                        report.tell(Trouble::Answer, Some(digest), "its header is damaged");
                    }
                    None => report.tell(Trouble::Answer, Some(digest), "its record is gone"),
                }
            }
            if seen == 0 {
                break;
            }
        }
        if report.answers != total {
            let words = format!("{} keys of {total} are there", report.answers);
            report.tell(Trouble::File, None, &words);
        }
        Ok(())
    }

    fn requests(&self, report: &mut Report) -> Result<(), redb::Error> {
        let mut next = Some(0);
        while let Some(from) = next {
            let read = self.read()?;
            let Some(table) = optional(read.open_table(REQUESTS))? else {
                return Ok(());
            };
            let records = read.open_table(RECORDS)?;
            next = None;
            for row in table.range(from..)?.take(PAGE) {
                let (sequence, bytes) = row?;
                report.requests += 1;
                next = sequence.value().checked_add(1);
                let record = records.get(sequence.value())?;
                let digest = record.and_then(|record| record::key(record.value()));
                let Some(digest) = digest else {
                    let words = format!("request {} has no record", sequence.value());
                    report.tell(Trouble::Request, None, &words);
                    continue;
                };
                if let Err(error) = packed::decode(&digest, bytes.value(), self.dictionaries) {
                    report.tell(Trouble::Request, Some(digest), &error);
                }
            }
        }
        Ok(())
    }

    /// The journal and the runs are small beside the answers.
    fn notes(&self, report: &mut Report) -> Result<(), redb::Error> {
        let read = self.read()?;
        if let Some(table) = optional(read.open_table(JOURNAL))? {
            for row in table.range::<&[u8]>(..)? {
                let (key, value) = row?;
                if let Err(error) = journal::decode(key.value(), value.value()) {
                    let words = format!("journal {}: {error}", key.value().escape_ascii());
                    report.tell(Trouble::Note, None, &words);
                }
            }
        }
        if let Some(table) = optional(read.open_table(RUNS))? {
            for row in table.range::<&[u8; 16]>(..)? {
                let (key, value) = row?;
                let id = RunId::from_bytes(*key.value());
                if let Err(error) = runs::decode(&id, value.value()) {
                    report.tell(Trouble::Note, None, &format!("run {id}: {error}"));
                }
            }
        }
        if let Some(table) = optional(read.open_table(TOUCHED))? {
            for row in table.range::<&[u8; 28]>(..)? {
                let (key, value) = row?;
                if let Err(error) = runs::decode_part(key.value(), value.value()) {
                    report.tell(Trouble::Note, None, &format!("what a run touched: {error}"));
                }
            }
        }
        Ok(())
    }

    fn dictionaries(&self, report: &mut Report) -> Result<(), redb::Error> {
        let read = self.read()?;
        let Some(table) = optional(read.open_table(DICTIONARIES))? else {
            return Ok(());
        };
        let mut ids = Vec::new();
        for row in table.range::<u64>(..)? {
            ids.push(u32::try_from(row?.0.value() / 2).unwrap_or(u32::MAX));
        }
        ids.dedup();
        for id in ids {
            for row in shelf::rows(id) {
                let bytes = table.get(row)?;
                if bytes.is_none_or(|bytes| shelf::checked(id, bytes.value()).is_none()) {
                    let words = format!("dictionary {id}: a copy of two is damaged");
                    report.tell(Trouble::Dictionary, None, &words);
                }
            }
        }
        Ok(())
    }

    fn read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }
}

/// A table that stores of an older format do not have.
fn optional<T>(table: Result<T, redb::TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
