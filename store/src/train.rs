//! How dictionaries come about: from what is stored, as soon as there is enough of it, and again when there is sixteen times
//! as much. A new one is used where it packs better than the one before; the old ones stay, for what was packed with them.
//!
//! Runs after a commit whose answers are durable already, so that nothing that goes wrong here costs an answer.

use crate::codec::{self, Dictionary};
use crate::shelf::{self, Kind, Loaded};
use crate::store::{answer, request, sequence};
use crate::tables::{DICTIONARIES, META, RECORDS};
use crate::{Store, record};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};
use std::sync::atomic::Ordering;

/// What answers of one run have in common is their form, and so many show it: a dictionary of 64 answers to GSM8K packs the
/// others to 33 % of their JSON, one of 256 to 32 %, none to 71 %.
const FIRST: u64 = 64;

/// How much a store grows until its dictionary is looked at again.
const GROWTH: u64 = 16;

/// Bytes to learn from. Training takes a third of a second for so much, and a dictionary of [`LARGEST`] needs no more.
const SAMPLE_BYTES: usize = 4 << 20;
const SAMPLES: u64 = 2_048;

/// One long answer must not be all that is learnt from.
const SAMPLE_LIMIT: usize = 16 << 10;

/// zstd's own default.
const LARGEST: usize = 112_640;

/// Where `meta-1` says how many records there were when a dictionary was last looked for.
const TRAINED_AT: &str = "trained_at";

impl Store {
    /// Looks for better dictionaries if it is time to. To be called without the writer's lock, after a commit.
    pub(crate) fn train_if_due(&self) {
        let due = self.training_due.load(Ordering::Relaxed);
        let counted = self.read(|database| {
            let read = database.begin_read()?;
            let records = read.open_table(RECORDS)?.len()?;
            if records < due.max(FIRST) {
                return Ok(None);
            }
            let trained_at = read.open_table(META)?.get(TRAINED_AT)?;
            let trained_at = trained_at.and_then(|bytes| bytes.value().try_into().ok());
            Ok(Some((records, trained_at.map_or(0, u64::from_le_bytes))))
        });
        let Ok(Some((records, trained_at))) = counted else {
            return;
        };
        let due = FIRST.max(trained_at.saturating_mul(GROWTH));
        self.training_due.store(due, Ordering::Relaxed);
        if records >= due {
            self.train(records);
        }
    }

    /// Where it fails, records are packed as before; a disk that fails says so at the next commit.
    fn train(&self, records: u64) {
        self.training_due
            .store(records.saturating_mul(GROWTH), Ordering::Relaxed);
        let found = self.read(|database| {
            let dictionaries = self.shelf.over(database);
            [Kind::Answers, Kind::Requests]
                .into_iter()
                .map(|kind| Ok((kind, better(kind, database, &dictionaries)?)))
                .collect::<Result<Vec<_>, redb::Error>>()
        });
        let Ok(found) = found else { return };
        let _ = self.write(|_, write| {
            for (kind, dictionary) in found {
                if let Some(dictionary) = dictionary {
                    let id = next_id(write)?;
                    shelf::keep(write, id, &dictionary)?;
                    shelf::activate(write, kind, id)?;
                }
            }
            let mut meta = write.open_table(META)?;
            meta.insert(TRAINED_AT, records.to_le_bytes().as_slice())?;
            Ok(())
        });
    }
}

fn next_id(write: &WriteTransaction) -> Result<u32, redb::Error> {
    let table = write.open_table(DICTIONARIES)?;
    let last = table.last()?.map(|(row, _)| row.value() / 2);
    let next = last.unwrap_or(0) + 1;
    u32::try_from(next).map_err(|_| crate::handle::corrupted("the last dictionary number is taken"))
}

/// A dictionary that packs what is stored better than the one that is used, if there is one.
fn better(
    kind: Kind,
    database: &Database,
    dictionaries: &Loaded<'_>,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let samples = samples(kind, database, dictionaries)?;
    // Every eighth is kept from the training, to judge by.
    let of = |judges: bool| {
        let chosen = samples.iter().enumerate();
        chosen
            .filter(move |(n, _)| (n % 8 == 0) == judges)
            .map(|(_, sample)| sample)
    };
    let learnt: Vec<&Vec<u8>> = of(false).collect();
    let bytes: usize = learnt.iter().map(|sample| sample.len()).sum();
    let size = LARGEST.min(bytes / 8);
    let Some(mut trained) = zstd::dict::from_samples(&learnt, size).ok() else {
        return Ok(None);
    };
    // zstd's own number of a dictionary, which each frame would repeat: four bytes, and a record has ours.
    if let Some(number) = trained.get_mut(4..8) {
        number.fill(0);
    }
    let Some(tried) = Dictionary::new(u32::MAX, trained.clone()) else {
        return Ok(None);
    };
    let active = dictionaries.active(kind);
    let (mut now, mut then) = (0, 0);
    for sample in of(true) {
        now += codec::pack(sample, active.as_deref()).bytes.len();
        then += codec::pack(sample, Some(&tried)).bytes.len();
    }
    // Each dictionary is another 200 KB for ever, and a place in memory.
    Ok((then < now / 20 * 19).then_some(trained))
}

/// Bodies or requests, from all over the store.
fn samples(
    kind: Kind,
    database: &Database,
    dictionaries: &Loaded<'_>,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let read = database.begin_read()?;
    let records = read.open_table(RECORDS)?;
    let count = records.last()?.map_or(0, |(last, _)| last.value() + 1);
    let step = count.div_ceil(SAMPLES).max(1);
    let (mut samples, mut bytes) = (Vec::new(), 0);
    // An odd factor makes a permutation of a power of two: wherever it ends, it has been everywhere.
    let scattered = (0..SAMPLES).map(|n| n * 1_103_515_245 % SAMPLES * step);
    for number in scattered.filter(|number| *number < count) {
        let digest = records
            .get(number)?
            .and_then(|bytes| record::key(bytes.value()));
        let Some(digest) = digest else { continue };
        if sequence(&read, &digest)? != Some(number) {
            continue;
        }
        let sample = match kind {
            Kind::Answers => answer(&read, &digest, number, dictionaries)?
                .and_then(|answer| answer.map(|answer| record::plain(&answer)).transpose()),
            Kind::Requests => request(&read, &digest, number, dictionaries)?,
        };
        if let Ok(Some(mut sample)) = sample {
            sample.truncate(SAMPLE_LIMIT);
            bytes += sample.len();
            samples.push(sample);
        }
        if bytes > SAMPLE_BYTES {
            break;
        }
    }
    Ok(samples)
}
