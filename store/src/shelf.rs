//! The dictionaries of a store: each stands in `dict-1` twice, since every record that was packed with it hangs on it, and
//! is never changed or removed. Loaded when a record first needs it.
//!
//! ```text
//! dict-1: twice the dictionary's number, and that plus one -> check: 32 bytes | the dictionary
//! check is blake3 derive_key("xhost 2026-11 dictionary v1") over the number, u32 little-endian, and the dictionary
//! ```

use crate::codec::{Dictionaries, Dictionary};
use crate::tables::{DICTIONARIES, META};
use redb::{Database, ReadOnlyTable, ReadableDatabase, WriteTransaction};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What says that it is longer is damaged, or an attack on memory.
const DICTIONARY_LIMIT: usize = 1 << 20;

/// What is packed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Answers,
    Requests,
}

impl Kind {
    /// Where `meta-1` says which dictionary is used.
    fn key(self) -> &'static str {
        match self {
            Kind::Answers => "dictionary_answers",
            Kind::Requests => "dictionary_requests",
        }
    }
}

/// Dictionaries that are loaded.
#[derive(Default)]
pub(crate) struct Shelf(RwLock<HashMap<u32, Arc<Dictionary>>>);

impl Shelf {
    /// The dictionaries of a database.
    pub(crate) fn over<'a>(&'a self, database: &'a Database) -> Loaded<'a> {
        Loaded {
            shelf: self,
            database,
        }
    }
}

/// Finds dictionaries, on the shelf or in the file.
pub(crate) struct Loaded<'a> {
    shelf: &'a Shelf,
    database: &'a Database,
}

impl Loaded<'_> {
    /// The dictionary that is used now for what is of this kind.
    pub(crate) fn active(&self, kind: Kind) -> Option<Arc<Dictionary>> {
        let meta = self.database.begin_read().ok()?.open_table(META).ok()?;
        self.find(active_id(&meta, kind).ok()??)
    }

    fn load(&self, id: u32) -> Option<Dictionary> {
        let read = self.database.begin_read().ok()?;
        let table = read.open_table(DICTIONARIES).ok()?;
        rows(id).into_iter().find_map(|row| {
            let stored = table.get(row).ok()??;
            Dictionary::new(id, checked(id, stored.value())?.to_vec())
        })
    }
}

impl Dictionaries for Loaded<'_> {
    fn find(&self, id: u32) -> Option<Arc<Dictionary>> {
        let known = self.shelf.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(dictionary) = known.get(&id) {
            return Some(Arc::clone(dictionary));
        }
        drop(known);
        let dictionary = Arc::new(self.load(id)?);
        let mut shelf = self.shelf.0.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(shelf.entry(id).or_insert(dictionary)))
    }
}

/// The number of the dictionary that is used now for what is of this kind.
pub(crate) fn active_id(
    meta: &ReadOnlyTable<&'static str, &'static [u8]>,
    kind: Kind,
) -> Result<Option<u32>, redb::Error> {
    let number = meta.get(kind.key())?;
    Ok(number.and_then(|number| Some(u32::from_le_bytes(number.value().try_into().ok()?))))
}

/// The two rows of a dictionary.
pub(crate) fn rows(id: u32) -> [u64; 2] {
    [u64::from(id) * 2, u64::from(id) * 2 + 1]
}

/// The dictionary in a row, where it is whole.
pub(crate) fn checked(id: u32, row: &[u8]) -> Option<&[u8]> {
    let (sum, dictionary) = row.split_first_chunk()?;
    let fits = dictionary.len() <= DICTIONARY_LIMIT && *sum == check(id, dictionary);
    fits.then_some(dictionary)
}

/// Keeps a dictionary under this number.
pub(crate) fn keep(
    write: &WriteTransaction,
    id: u32,
    dictionary: &[u8],
) -> Result<(), redb::Error> {
    let row = [check(id, dictionary).as_slice(), dictionary].concat();
    let mut table = write.open_table(DICTIONARIES)?;
    for number in rows(id) {
        table.insert(number, row.as_slice())?;
    }
    Ok(())
}

/// What is packed from now on is packed with this dictionary.
pub(crate) fn activate(write: &WriteTransaction, kind: Kind, id: u32) -> Result<(), redb::Error> {
    let mut meta = write.open_table(META)?;
    meta.insert(kind.key(), id.to_le_bytes().as_slice())?;
    Ok(())
}

fn check(id: u32, dictionary: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 dictionary v1");
    hasher.update(&id.to_le_bytes()).update(dictionary);
    *hasher.finalize().as_bytes()
}
