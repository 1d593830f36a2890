//! Spill files: what was put in comes back, whatever its end looks like.

use crate::support::{answer, closed_store, digest, folder};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use xhost_store::{Absorbed, Options, Spill, Store};

fn spilled(store: &Path, folder: &Path, numbers: std::ops::Range<u64>) -> std::path::PathBuf {
    let mut spill = Spill::create(store, folder).unwrap();
    for n in numbers {
        spill
            .append(&(digest(n), answer(format!("body {n}"))).into())
            .unwrap();
    }
    spill.path().to_path_buf()
}

#[test]
fn spilled_answers_come_back_from_both_folders_and_the_files_go() {
    let (beside, elsewhere) = (folder(), folder());
    let path = closed_store(beside.path(), &[(digest(0), answer("another"))]);
    let names = [
        spilled(&path, beside.path(), 0..300),
        spilled(&path, elsewhere.path(), 300..310),
    ];
    let name = names[0].file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("store.redb.spill-") && name.ends_with(".jsonl"),
        "{name}"
    );
    let store = Store::open(&path, Options::default()).unwrap();
    let absorbed = store.absorb_spills(beside.path()).unwrap();
    assert_eq!(
        absorbed,
        Absorbed {
            answers: 299,
            conflicts: 1,
            ..Absorbed::default()
        }
    );
    assert_eq!(
        absorbed.messages(),
        [
            "took in 299 answers that an earlier run could not store",
            "1 spilled answers were not taken: the store has others"
        ]
    );
    assert_eq!(store.absorb_spills(elsewhere.path()).unwrap().answers, 10);
    assert_eq!(
        store.absorb_spills(elsewhere.path()).unwrap(),
        Absorbed::default()
    );
    assert!(names.iter().all(|name| !name.exists()));
    assert_eq!(store.get(&digest(0)).unwrap(), Some(answer("another")));
    assert!((1..310).all(|n| store.get(&digest(n)).unwrap() == Some(answer(format!("body {n}")))));
}

#[test]
fn a_torn_tail_costs_its_own_line_and_is_kept() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    let whole = fs::read(spilled(&path, folder.path(), 0..2)).unwrap();
    fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".spill-"))
        .for_each(|path| fs::remove_file(path).unwrap());
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let store = Store::open(&path, Options::default()).unwrap();
    for cut in 0..=whole.len() {
        let torn = spilled(&path, folder.path(), 0..0);
        fs::write(&torn, &whole[..cut]).unwrap();
        let absorbed = store.absorb_spills(folder.path()).unwrap();
        // A line is whole without its line feed.
        let ends = [0, first - 1, first, whole.len() - 1, whole.len()];
        assert_eq!(
            absorbed.damaged,
            u64::from(!ends.contains(&cut)),
            "cut at {cut}"
        );
        assert!(!torn.exists(), "cut at {cut}");
        for kept in &absorbed.kept {
            assert_eq!(fs::read(kept).unwrap(), whole[..cut]);
            fs::remove_file(kept).unwrap();
        }
        // Each comes with the first cut that leaves it whole, and nothing else does.
        let whole_lines = [first - 1, whole.len() - 1].map(|end| cut >= end);
        let there = [0, 1].map(|n| store.get(&digest(n)).unwrap());
        let expected = [0, 1].map(|n| whole_lines[n].then(|| answer(format!("body {n}"))));
        assert_eq!(there, expected, "cut at {cut}");
        assert_eq!(
            store.len().unwrap(),
            whole_lines.iter().filter(|whole| **whole).count() as u64
        );
    }
}

#[test]
fn bad_lines_are_reported_and_the_good_ones_around_them_taken() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    let name = spilled(&path, folder.path(), 0..1);
    let line = fs::read_to_string(&name).unwrap();
    let other = line.replacen(&digest(0).to_string(), &digest(5).to_string(), 1);
    let mut file = OpenOptions::new().append(true).open(&name).unwrap();
    writeln!(file, "{{}}\n\nnot json\n{}", other.trim_end()).unwrap();
    file.write_all(b"\xff\xfe\n").unwrap();
    file.write_all(line.replacen("\"record\"", "\"rec\"", 1).as_bytes())
        .unwrap();
    let last = fs::read(spilled(&path, folder.path(), 9..10)).unwrap();
    file.write_all(&last).unwrap();
    let store = Store::open(&path, Options::default()).unwrap();
    let absorbed = store.absorb_spills(folder.path()).unwrap();
    assert_eq!((absorbed.answers, absorbed.damaged), (2, 5));
    let kept = format!("{}.damaged", name.display());
    assert_eq!(
        absorbed.messages()[1],
        format!("5 spilled lines are damaged; they are kept in {kept}")
    );
    assert!(fs::read(kept).unwrap().ends_with(&last));
    assert_eq!(
        store.get(&digest(5)).unwrap(),
        None,
        "a record under another digest is nobody's answer"
    );
}

#[test]
fn spills_of_other_stores_are_left_alone() {
    let (shared, one, two) = (folder(), folder(), folder());
    let (one, two) = (closed_store(one.path(), &[]), closed_store(two.path(), &[]));
    let theirs = spilled(&two, shared.path(), 0..1);
    let store = Store::open(&one, Options::default()).unwrap();
    assert_eq!(
        store.absorb_spills(shared.path()).unwrap(),
        Absorbed::default()
    );
    assert!(theirs.exists());
    assert_eq!(
        store.absorb_spills(&shared.path().join("none")).unwrap(),
        Absorbed::default()
    );
}

#[test]
fn a_spill_file_that_is_still_written_to_is_left_for_the_next_start() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    let mut spill = Spill::create(&path, folder.path()).unwrap();
    let put = |spill: &mut Spill, n| spill.append(&(digest(n), answer("late")).into()).unwrap();
    put(&mut spill, 0);
    let store = Store::open(&path, Options::default()).unwrap();
    let absorbed = store.absorb_spills(folder.path()).unwrap();
    assert_eq!(
        (absorbed.answers, absorbed.unread.len()),
        (0, 1),
        "{absorbed:?}"
    );
    put(&mut spill, 1);
    drop(spill);
    assert_eq!(store.absorb_spills(folder.path()).unwrap().answers, 2);
}
