//! Files from elsewhere: rows, experiments, bundles, lines of a store, other tools' logs, prices, cases, results, lock files.

use super::draw::Draw;
use crate::authoring;
use crate::bundle::{self, Bundle};
use crate::dataset::{Dataset, FieldMap, Format, Sample, Selection};
use crate::experiment;
use crate::foreign::{self, Item};
use crate::pins::Lock;
use crate::plugin::Kind;
use crate::prices::{Table, Travel};
use crate::record::Usage;
use crate::recorded;
use crate::results::RunDigest;
use std::path::Path;

/// A file with these bytes, gone afterwards.
fn with_file<T>(bytes: &[u8], read: impl Fn(&Path) -> T) -> T {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("it is written");
    read(file.path())
}

/// Rows in one of the formats. What is taken reads the same each time, and can be kept for a replay.
pub(super) fn dataset(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let format = match draw.byte() % 5 {
        0 => Format::Jsonl,
        1 => Format::Json,
        2 => Format::Csv,
        3 => Format::Tsv,
        _ => Format::Parquet,
    };
    let shuffle = draw.some(Draw::number);
    with_file(draw.0, |path| {
        let opened = Dataset::open(&Selection {
            paths: vec![path.into()],
            format: Some(format),
            fields: FieldMap::default(),
            ids: None,
            shuffle,
            range: None,
            limit: None,
        });
        let Ok(dataset) = opened else { return };
        let mut count = 0;
        for sample in dataset.rows() {
            let sample = sample.expect("it was read before");
            let line = sample.to_line().expect("its fields are JSON");
            let again = Sample::from_line(line.strip_suffix(b"\n").expect("a line"));
            assert_eq!(again.as_ref(), Ok(&sample), "it is kept as it is");
            count += 1;
        }
        assert_eq!(count, dataset.len());
    });
}

/// An experiment in one of the formats, and overrides, each after a zero byte.
pub(super) fn experiment(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let name = match draw.byte() % 3 {
        0 => "x.yaml",
        1 => "x.json",
        _ => "x.toml",
    };
    let text = draw.text();
    let overrides: Vec<String> = std::iter::from_fn(|| (!draw.0.is_empty()).then(|| draw.text()))
        .take(8)
        .collect();
    match experiment::from_text(Path::new(name), &text, &overrides) {
        Ok(experiment) => assert!((1..=10_000).contains(&experiment.cells.len())),
        Err(error) => {
            steers_nothing(&error.to_string());
        }
    }
}

/// A message with what it quotes, as a terminal gets it.
fn steers_nothing(told: &str) {
    let steers = |character: char| character.is_control() && !"\n\t".contains(character);
    assert!(!told.chars().any(steers), "{told:?}");
}

/// A whole bundle, or one line of its answers.
pub(super) fn bundle(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    if draw.chance() {
        bundle::read_answer(draw.0);
    } else {
        with_file(draw.0, |path| drop(Bundle::open(path, None)));
    }
}

/// A record, a stored request, or a line for an import: what is taken can be written again.
pub(super) fn store(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    match draw.byte() % 3 {
        0 => xhost_store::fuzzing::record(draw.0),
        1 => xhost_store::fuzzing::request(draw.0),
        _ => xhost_store::fuzzing::line(draw.0),
    }
}

/// What another tool left: a log, lines of pairs, or the two files of a batch, with a zero byte between them. Every part
/// of it is found or left out; only the disk ends the reading.
pub(super) fn import(bytes: &[u8]) {
    found_in(bytes);
}

/// How many answers there are in it.
pub(super) fn found_in(bytes: &[u8]) -> usize {
    let mut draw = Draw(bytes);
    let form = draw.byte() % 3;
    let _ = foreign::kind_of(draw.0);
    let read = |source: foreign::Source| {
        let mut count = 0;
        let took = source.read(&mut |item| {
            let place = match item {
                Item::Found(found) => {
                    count += 1;
                    found.place
                }
                Item::Left(left) => left.place,
            };
            steers_nothing(&place.to_string());
            Ok(())
        });
        took.expect("the file is there");
        count
    };
    match form {
        0 => with_file(draw.0, |path| read(foreign::Source::Inspect(path.into()))),
        1 => with_file(draw.0, |path| read(foreign::Source::Pairs(path.into()))),
        _ => with_file(draw.bytes(), |requests| {
            with_file(draw.0, |results| {
                read(foreign::Source::Batch {
                    requests: vec![requests.into()],
                    results: vec![results.into()],
                })
            })
        }),
    }
}

/// `xhost.lock`: what is taken is written to the same meaning, and what is refused is told without steering a terminal.
pub(super) fn lock(bytes: &[u8]) {
    match Lock::parse(&String::from_utf8_lossy(bytes)) {
        Ok(lock) => assert_eq!(Lock::parse(&lock.text()), Ok(lock)),
        Err(told) => steers_nothing(&told),
    }
}

/// A table of prices: no price or sum is out of range.
pub(super) fn prices(bytes: &[u8]) {
    let Ok(table) = Table::parse(bytes) else {
        return;
    };
    let usage = Usage {
        input: u64::MAX,
        output: u64::MAX,
        cache_read: 1 << 40,
        cache_write: 1 << 40,
        reasoning: 1 << 40,
    };
    for name in table.like("") {
        let Some(price) = table.price(name) else {
            continue;
        };
        for travel in [Travel::Live, Travel::Batch] {
            let _ = price.cost(&usage, travel).dollars();
            let _ = price.bound(u64::MAX, u64::MAX, travel).dollars();
        }
    }
}

/// Cases of a plugin.
pub(super) fn cases(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let kind = match draw.byte() % 3 {
        0 => Kind::Scorer,
        1 => Kind::PromptBuilder,
        _ => Kind::Provider,
    };
    let text = String::from_utf8_lossy(draw.0);
    if let Ok(cases) = authoring::read_cases(kind, &text) {
        assert!(cases.len() <= text.lines().count());
    }
}

/// A line of `trials.jsonl`, as a replay and a bundle read it.
pub(super) fn results(bytes: &[u8]) {
    let _ = recorded::read(bytes);
    let _ = RunDigest::default().add_line(bytes);
    let _ = Sample::from_line(bytes);
    let _ = serde_json::from_slice::<crate::results::RunFile>(bytes);
}
