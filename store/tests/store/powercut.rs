//! Power cuts: the storage as it may be when the power goes is what was synced and any part of what was not, each write
//! whole, lost or torn. From each such image every acknowledged answer must come back. Two mutations, a disk that ignores
//! fsync and a writer that acknowledges before its commit, must be caught, or the test is blind.

use crate::support::{Event, Memory, PutAll, Seeded, answer, digest};
use std::panic::{AssertUnwindSafe, catch_unwind};
use xhost_store::{Answer, Digest};

/// Disks write sectors whole.
const SECTOR: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    SyncIgnored,
    AcknowledgedFirst,
}

/// What a store did: the storage's events, and after how many of them each answer was acknowledged.
struct Script {
    base: Vec<u8>,
    events: Vec<Event>,
    answers: Vec<(Digest, Answer)>,
    /// (events, answers acknowledged)
    acknowledged: Vec<(usize, usize)>,
}

/// The file is made under another name and renamed when it is durable: the cuts begin after that.
fn record(seed: u64, commits: usize, mutation: Mutation) -> Script {
    let storage = Memory::new(Vec::new());
    drop(storage.open().unwrap());
    let base = storage.disk().bytes.clone();
    storage.disk().events.clear();
    let store = storage.open().unwrap();
    let mut numbers = Seeded(seed);
    let mut script = Script {
        base,
        events: Vec::new(),
        answers: Vec::new(),
        acknowledged: Vec::new(),
    };
    for _ in 0..commits {
        let group: Vec<_> = (0..=numbers.below(8))
            .map(|n| {
                let length = numbers.below(6_000);
                (
                    digest(seed ^ (script.answers.len() + n) as u64),
                    answer(numbers.bytes(length)),
                )
            })
            .collect();
        let before = storage.disk().events.len();
        store.put_all(&group).unwrap();
        script.answers.extend(group);
        let after = storage.disk().events.len();
        let at = if mutation == Mutation::AcknowledgedFirst {
            before
        } else {
            after
        };
        script.acknowledged.push((at, script.answers.len()));
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
    image: Vec<u8>,
    script: &Script,
    acknowledged: usize,
    numbers: &mut Seeded,
) -> Result<(), String> {
    let storage = Memory::new(image.clone());
    let store = storage
        .open()
        .map_err(|error| format!("cannot be opened: {error}"))?;
    for (n, (digest, answer)) in script.answers.iter().enumerate() {
        match store.get(digest).map_err(|error| error.to_string())? {
            Some(found) if found != *answer => return Err(format!("answer {n} is a wrong one")),
            None if n < acknowledged => {
                return Err(format!("answer {n} of {acknowledged} is lost"));
            }
            Some(_) | None => {}
        }
    }
    store
        .put_all(&[(digest(u64::MAX), answer("after"))])
        .map_err(|error| error.to_string())?;
    drop(store);
    // The power goes again, in the middle of the repair.
    let events = std::mem::take(&mut storage.disk().events);
    let repaired = numbers.below(events.len() + 1);
    let again = cut(image, &events[..repaired], numbers);
    let store = Memory::new(again)
        .open()
        .map_err(|error| format!("cannot be opened after two cuts: {error}"))?;
    for (digest, answer) in &script.answers[..acknowledged] {
        let found = store.get(digest).map_err(|error| error.to_string())?;
        if found.as_ref() != Some(answer) {
            return Err("an answer is lost after two cuts".into());
        }
    }
    Ok(())
}

fn cut(mut image: Vec<u8>, events: &[Event], numbers: &mut Seeded) -> Vec<u8> {
    let synced = events
        .iter()
        .rposition(|event| matches!(event, Event::Sync))
        .unwrap_or(0);
    events[..synced]
        .iter()
        .for_each(|event| apply(&mut image, event));
    events[synced..]
        .iter()
        .for_each(|event| apply_cut(&mut image, event, numbers));
    image
}

/// How many of the images break the promise, and the first one's words.
fn broken(seed: u64, images: usize, mutation: Mutation) -> (usize, String) {
    let mut script = record(seed, 60, mutation);
    if mutation == Mutation::SyncIgnored {
        // Nothing is synced any more: each index stays what it was.
        for event in &mut script.events {
            if matches!(event, Event::Sync) {
                *event = Event::Write(0, Vec::new());
            }
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
    for seed in [11, 12, 13, 14, 15] {
        let (failures, first) = broken(seed, 100, Mutation::None);
        assert_eq!(failures, 0, "{first}");
    }
}

#[test]
fn a_disk_that_ignores_fsync_is_caught() {
    let (failures, _) = broken(21, 40, Mutation::SyncIgnored);
    assert!(failures >= 20, "only {failures} of 40 images were caught");
}

#[test]
fn a_writer_that_acknowledges_before_its_commit_is_caught() {
    let (failures, _) = broken(22, 40, Mutation::AcknowledgedFirst);
    assert!(failures >= 20, "only {failures} of 40 images were caught");
}
