//! Power cuts: each of a store's two files as it may be when the power goes is what was synced of it and any part of what was
//! not, each write whole, lost or torn. From each such image every acknowledged answer must come back. Three mutations, a disk
//! that ignores fsync, one that ignores it for the log, and a writer that acknowledges before its commit, must be caught, or
//! the test is blind.
//!
//! `XHOST_STORE_IMAGES=200000 cargo test --release -p xhost-store powercut` is the long form.

use crate::support::{Event, Memory, Part, Seeded, amount, answer, asked, digest};
use std::panic::{AssertUnwindSafe, catch_unwind};
use xhost_store::{Change, Entry, Group, Store};

/// Disks write sectors whole.
const SECTOR: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    SyncIgnored,
    LogSyncIgnored,
    AcknowledgedFirst,
}

/// The bytes of both files.
#[derive(Clone)]
struct Image {
    tables: Vec<u8>,
    log: Vec<u8>,
}

/// What a store did: the disk's events, and after how many of them each answer was acknowledged.
struct Script {
    base: Image,
    events: Vec<(Part, Event)>,
    entries: Vec<Entry>,
    /// (events, answers acknowledged)
    acknowledged: Vec<(usize, usize)>,
}

/// The file is made under another name and renamed when it is durable: the cuts begin after that.
fn record(seed: u64, commits: usize, mutation: Mutation) -> Script {
    let storage = Memory::new(Vec::new());
    drop(storage.open().unwrap());
    let base = Image {
        tables: storage.disk().bytes.clone(),
        log: Vec::new(),
    };
    storage.disk().events.clear();
    let store = storage.open().unwrap();
    let mut numbers = Seeded(seed);
    let mut script = Script {
        base,
        events: Vec::new(),
        entries: Vec::new(),
        acknowledged: Vec::new(),
    };
    // Commits that go into the log, ones that fill it, and ones that are too large for it.
    let longest = [1_000, 6_000, 16_000][(seed % 3) as usize];
    for _ in 0..commits {
        let group: Vec<Entry> = (0..=numbers.below(8))
            .map(|n| {
                let length = numbers.below(longest);
                let number = seed << 32 | (script.entries.len() + n) as u64;
                asked(number, answer(numbers.bytes(length)))
            })
            .collect();
        let before = storage.disk().events.len();
        // The count goes with the answers that it counts, in one commit.
        let count = counted(script.entries.len() + group.len());
        store
            .commit_group(&Group {
                entries: &group,
                journal: &[count],
                ..Group::default()
            })
            .unwrap();
        script.entries.extend(group);
        let after = storage.disk().events.len();
        let at = if mutation == Mutation::AcknowledgedFirst {
            before
        } else {
            after
        };
        script.acknowledged.push((at, script.entries.len()));
    }
    // The events of a clean close too.
    drop(store);
    script.events = std::mem::take(&mut storage.disk().events);
    script
}

fn apply(image: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write(offset, data) => {
            let from = *offset as usize;
            // A write beyond an end whose `set_len` was lost.
            image.resize(image.len().max(from + data.len()), 0);
            image[from..from + data.len()].copy_from_slice(data);
        }
        Event::SetLen(length) => image.resize(*length as usize, 0),
        Event::Sync => {}
    }
}

/// One unsynced event, as the disk may have left it.
fn apply_cut(image: &mut Vec<u8>, event: &Event, numbers: &mut Seeded) {
    let Event::Write(offset, data) = event else {
        if numbers.below(10) > 0 {
            apply(image, event);
        }
        return;
    };
    match numbers.below(4) {
        0 => {}
        1 => apply(image, event),
        2 => apply(
            image,
            &Event::Write(*offset, data[..numbers.below(data.len())].to_vec()),
        ),
        _ => {
            for (n, sector) in data.chunks(SECTOR).enumerate() {
                if numbers.below(2) == 0 {
                    apply(
                        image,
                        &Event::Write(offset + (n * SECTOR) as u64, sector.to_vec()),
                    );
                }
            }
        }
    }
}

/// Where the oracle and an image disagree, the words for it.
fn check(
    image: Image,
    script: &Script,
    acknowledged: usize,
    numbers: &mut Seeded,
) -> Result<(), String> {
    let storage = Memory::with_log(image.tables.clone(), image.log.clone());
    let store = storage
        .open()
        .map_err(|error| format!("cannot be opened: {error}"))?;
    let count = stored(&store)?;
    for (n, entry) in script.entries.iter().enumerate() {
        let found = store
            .get(&entry.digest)
            .map_err(|error| error.to_string())?;
        if found.is_some() != (n < count) {
            return Err(format!(
                "answer {n} is there, or not, and the count says {count}"
            ));
        }
        match found {
            Some(found) if found != entry.answer => {
                return Err(format!("answer {n} is a wrong one"));
            }
            None if n < acknowledged => {
                return Err(format!("answer {n} of {acknowledged} is lost"));
            }
            Some(_) | None => {}
        }
    }
    let after = [asked(u64::MAX, answer("after"))];
    let change = [counted(count + 1)];
    store
        .commit_group(&Group {
            entries: &after,
            journal: &change,
            ..Group::default()
        })
        .map_err(|error| error.to_string())?;
    let acknowledged_again = storage.disk().events.len();
    drop(store);
    // The power goes again, in the middle of the repair.
    let events = std::mem::take(&mut storage.disk().events);
    let repaired = numbers.below(events.len() + 1);
    let again = cut(image, &events[..repaired], numbers);
    let store = Memory::with_log(again.tables, again.log)
        .open()
        .map_err(|error| format!("cannot be opened after two cuts: {error}"))?;
    let least = if repaired < acknowledged_again {
        acknowledged
    } else {
        count + 1
    };
    if stored(&store)? < least {
        return Err("the count went back after two cuts".into());
    }
    for entry in &script.entries[..acknowledged] {
        let found = store
            .get(&entry.digest)
            .map_err(|error| error.to_string())?;
        if found.as_ref() != Some(&entry.answer) {
            return Err("an answer is lost after two cuts".into());
        }
    }
    Ok(())
}

fn counted(answers: usize) -> Change {
    Change::Put {
        key: b"count".to_vec(),
        value: answers.to_string().into_bytes(),
    }
}

/// How many answers there are, as the journal, the index and the records say: all of them say the same.
fn stored(store: &Store) -> Result<usize, String> {
    let words = |error: xhost_store::ReadError| error.to_string();
    let count = store.journal_get(b"count").map_err(words)?;
    let count = count.map_or(0, |text| {
        String::from_utf8_lossy(&text).parse().unwrap_or(usize::MAX)
    });
    let stat = store.stat().map_err(words)?;
    if (stat.answers, stat.requests, stat.superseded) == (count as u64, count as u64, 0) {
        Ok(count)
    } else {
        Err(format!("the journal counts {count}: {stat:?}"))
    }
}

/// A sync is of one file, and tells nothing of the other.
fn cut(mut image: Image, events: &[(Part, Event)], numbers: &mut Seeded) -> Image {
    for (part, bytes) in [
        (Part::Tables, &mut image.tables),
        (Part::Log, &mut image.log),
    ] {
        let own: Vec<&Event> = events
            .iter()
            .filter_map(|(of, event)| (*of == part).then_some(event))
            .collect();
        let synced = own
            .iter()
            .rposition(|event| matches!(event, Event::Sync))
            .unwrap_or(0);
        own[..synced].iter().for_each(|event| apply(bytes, event));
        own[synced..]
            .iter()
            .for_each(|event| apply_cut(bytes, event, numbers));
    }
    image
}

/// How many of the images break the promise, and the first one's words.
fn broken(seed: u64, images: usize, mutation: Mutation) -> (usize, String) {
    let mut script = record(seed, 40, mutation);
    // Nothing is synced any more: each index stays what it was.
    let ignored = |part: &Part| match mutation {
        Mutation::SyncIgnored => true,
        Mutation::LogSyncIgnored => *part == Part::Log,
        Mutation::None | Mutation::AcknowledgedFirst => false,
    };
    for (part, event) in &mut script.events {
        if matches!(event, Event::Sync) && ignored(part) {
            *event = Event::Write(0, Vec::new());
        }
    }
    let mut numbers = Seeded(seed + 1);
    let (mut failures, mut first) = (0, String::new());
    for number in 0..images {
        let events = numbers.below(script.events.len() + 1);
        let acknowledged = script
            .acknowledged
            .iter()
            .rfind(|(at, _)| *at <= events)
            .map_or(0, |(_, answers)| *answers);
        let image = cut(script.base.clone(), &script.events[..events], &mut numbers);
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check(image, &script, acknowledged, &mut numbers)
        }));
        if let Err(what) = checked.unwrap_or_else(|_| Err("a panic".into())) {
            if failures == 0 {
                first = format!("seed {seed}, image {number}, cut after {events} events: {what}");
            }
            failures += 1;
        }
    }
    (failures, first)
}

#[test]
fn no_power_cut_loses_an_acknowledged_answer() {
    let images = amount("XHOST_STORE_IMAGES", 5_000);
    // A script each 250 images: other sizes, other groups.
    let scripts = images.div_ceil(250) as u64;
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for seed in (0..scripts).filter(|seed| seed % 2 == half) {
                    let (failures, first) = broken(1_000 + seed, 250, Mutation::None);
                    assert_eq!(failures, 0, "{first}");
                }
            });
        }
    });
}

/// The power goes while a store of the first format becomes one of this.
#[test]
fn no_power_cut_during_a_migration_loses_an_answer() {
    let fixture = include_bytes!("../fixtures/format-1.redb.zst");
    let base = zstd::decode_all(fixture.as_slice()).unwrap();
    let base = Image {
        tables: base,
        log: Vec::new(),
    };
    let storage = Memory::new(base.tables.clone());
    drop(storage.open().unwrap());
    let events = std::mem::take(&mut storage.disk().events);
    assert!(events.len() > 5, "{}", events.len());
    let mut numbers = Seeded(41);
    for number in 0..300 {
        let until = numbers.below(events.len() + 1);
        let image = cut(base.clone(), &events[..until], &mut numbers);
        let store = Memory::with_log(image.tables, image.log).open().unwrap();
        for n in 0..40 {
            assert!(
                store.get(&digest(n)).unwrap().is_some(),
                "image {number}, answer {n}"
            );
        }
        store.commit(&[asked(1, answer("after"))]).unwrap();
    }
}

#[test]
fn a_disk_that_ignores_fsync_is_caught() {
    let (failures, _) = broken(21, 40, Mutation::SyncIgnored);
    assert!(failures >= 20, "only {failures} of 40 images were caught");
}

#[test]
fn a_disk_that_ignores_fsync_of_the_log_is_caught() {
    // Fewer than of the others: the first commits, which make most of the events, go into the tables.
    let (failures, _) = broken(24, 40, Mutation::LogSyncIgnored);
    assert!(failures >= 10, "only {failures} of 40 images were caught");
}

#[test]
fn a_writer_that_acknowledges_before_its_commit_is_caught() {
    let (failures, _) = broken(22, 40, Mutation::AcknowledgedFirst);
    assert!(failures >= 20, "only {failures} of 40 images were caught");
}
