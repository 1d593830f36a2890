//! The tables of a store file. A table's name ends in its version; `meta-1` stays for ever, so that an older program can
//! say that a file is too new for it.
//!
//! ```text
//! meta-1     &str -> bytes      format: u32 | store_id: 16 bytes | key_schema: text | dictionary_answers: u32
//!                               | dictionary_requests: u32 | trained_at: u64 | logged: u64
//!                               | log: 16 bytes, while a log is in use
//! idx-1      [u8; 32] -> u64    request digest -> sequence
//! rec-1      u64 -> bytes       sequence -> record; only ever appended to
//! req-1      u64 -> bytes       sequence -> the request that the record answers, see `packed`
//! dict-1     u64 -> bytes       dictionaries, each twice, see `shelf`
//! journal-1  bytes -> bytes     what the batch lane must know after a crash, see `journal`
//! run-1      [u8; 16] -> bytes  run -> what it is, see `runs`
//! runseq-1   [u8; 28] -> bytes  run, generation, number -> request digests that the run touched
//! ```
//!
//! Format 1 had the first three; formats 1 and 2 knew no log, and no records of version 2. They become format 3 when they are
//! opened, in one commit.

use crate::log::LogId;
use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use std::fmt;

/// The version of the tables that is written. It grows with them; older ones are read.
pub(crate) const FORMAT: u32 = 3;

/// How requests are named. Under another schema every request would be a miss, and be paid for again.
pub(crate) const KEY_SCHEMA: &str = "xhost request v1";

pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta-1");
pub(crate) const INDEX: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("idx-1");
pub(crate) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rec-1");
pub(crate) const REQUESTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("req-1");
pub(crate) const DICTIONARIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dict-1");
pub(crate) const JOURNAL: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("journal-1");
pub(crate) const RUNS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("run-1");
pub(crate) const TOUCHED: TableDefinition<'_, &[u8; 28], &[u8]> = TableDefinition::new("runseq-1");

/// Tells a store from every other one, wherever its file is moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// An id from words that no other store was made from.
    pub(crate) fn derive(words: &[u8]) -> StoreId {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::derive_key("xhost 2026-11 store id v1", words)[..16]);
        StoreId(id)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl serde::Serialize for StoreId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for StoreId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<StoreId, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16)
            .ok()
            .filter(|_| text.len() == 32);
        let number = number.ok_or_else(|| serde::de::Error::custom("not a store's id"))?;
        Ok(StoreId(number.to_be_bytes()))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

/// What `meta-1` says.
pub(crate) enum Meta {
    /// A store that this version uses.
    Usable(StoreId),
    /// A store that this version uses when it is [`upgrade`]d.
    Older(StoreId),
    /// Something that this version does not use.
    Stranger(Stranger),
}

/// A file that is no store, or none for this version.
pub(crate) enum Stranger {
    Newer {
        format: u32,
    },
    OtherKeys {
        schema: String,
    },
    /// No store: what is missing.
    Foreign(&'static str),
}

/// Makes the tables of an empty file.
pub(crate) fn initialise(database: &Database, id: StoreId) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    {
        let mut meta = write.open_table(META)?;
        meta.insert("store_id", id.0.as_slice())?;
        meta.insert("key_schema", KEY_SCHEMA.as_bytes())?;
    }
    make_tables(&write)?;
    write.commit()?;
    Ok(())
}

/// Makes an older store one of this format. In one commit: a crash leaves it as it was, or as it is to be.
pub(crate) fn upgrade(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    make_tables(&write)?;
    write.commit()?;
    Ok(())
}

/// A table that is there stays as it is.
fn make_tables(write: &WriteTransaction) -> Result<(), redb::Error> {
    write.open_table(INDEX)?;
    write.open_table(RECORDS)?;
    write.open_table(REQUESTS)?;
    write.open_table(DICTIONARIES)?;
    write.open_table(JOURNAL)?;
    write.open_table(RUNS)?;
    write.open_table(TOUCHED)?;
    let mut meta = write.open_table(META)?;
    meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
    Ok(())
}

/// Reads what the file is. The format comes first: whatever else a newer one holds is not looked at.
pub(crate) fn read_meta(database: &Database) -> Result<Meta, redb::Error> {
    let read = database.begin_read()?;
    let meta = match read.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(foreign("it is a redb file of another program")),
    };
    let format = meta
        .get("format")?
        .and_then(|bytes| bytes.value().try_into().ok())
        .map(u32::from_le_bytes);
    let schema = meta
        .get("key_schema")?
        .map(|bytes| String::from_utf8_lossy(bytes.value()).into_owned());
    let id = meta
        .get("store_id")?
        .and_then(|bytes| bytes.value().try_into().ok());
    Ok(match (format, schema, id) {
        (Some(format), _, _) if format > FORMAT => Meta::Stranger(Stranger::Newer { format }),
        (Some(1..=FORMAT), Some(schema), _) if schema != KEY_SCHEMA => {
            Meta::Stranger(Stranger::OtherKeys { schema })
        }
        (Some(FORMAT), Some(_), Some(id)) => Meta::Usable(StoreId(id)),
        (Some(1..FORMAT), Some(_), Some(id)) => Meta::Older(StoreId(id)),
        _ => foreign("its table meta-1 lacks the format, the id or the key schema"),
    })
}

/// The log that is in use, if one is, and the number of its last frame that the tables have.
pub(crate) fn read_log(database: &Database) -> Result<Option<(LogId, u64)>, redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    let id = meta.get("log")?.and_then(|id| id.value().try_into().ok());
    let logged = meta
        .get("logged")?
        .and_then(|number| number.value().try_into().ok());
    Ok(id.map(|id| (LogId(id), logged.map_or(0, u64::from_le_bytes))))
}

/// The number of the last frame of any log.
pub(crate) fn logged(write: &WriteTransaction) -> Result<u64, redb::Error> {
    let meta = write.open_table(META)?;
    let number = meta
        .get("logged")?
        .and_then(|number| number.value().try_into().ok());
    Ok(number.map_or(0, u64::from_le_bytes))
}

/// Notes that the tables have all frames up to this number, and which log is in use from here on.
pub(crate) fn note_log(
    write: &WriteTransaction,
    log: Option<LogId>,
    logged: u64,
) -> Result<(), redb::Error> {
    let mut meta = write.open_table(META)?;
    meta.insert("logged", logged.to_le_bytes().as_slice())?;
    match log {
        Some(id) => drop(meta.insert("log", id.0.as_slice())?),
        None => drop(meta.remove("log")?),
    }
    Ok(())
}

fn foreign(what: &'static str) -> Meta {
    Meta::Stranger(Stranger::Foreign(what))
}
