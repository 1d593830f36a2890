//! Datasets of every format and every fault, from real files.

use super::*;
use std::path::Path;

fn select(path: &Path) -> Selection {
    Selection {
        paths: vec![path.to_path_buf()],
        format: None,
        fields: FieldMap::default(),
        ids: None,
        shuffle: None,
        range: None,
        limit: None,
    }
}

fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("it can be written");
    (folder, path)
}

fn ids(selection: &Selection) -> Vec<String> {
    let dataset = Dataset::open(selection).expect("it opens");
    let ids: Vec<String> = dataset.rows().map(|row| row.expect("a row").id).collect();
    assert_eq!(ids.len() as u64, dataset.len());
    ids
}

/// A file that is wrong, and what is said of it after its path.
#[track_caller]
fn check(name: &str, bytes: &[u8], expected: &str) {
    let (_folder, path) = write(name, bytes);
    let error = Dataset::open(&select(&path))
        .err()
        .expect("it is wrong")
        .to_string();
    let said = error.replace(&path.display().to_string(), "FILE");
    assert_eq!(said, expected, "{name}");
}

#[test]
fn every_format_gives_the_same_samples() {
    let sample = |id: &str, input: &str, target: &str| {
        (id.to_owned(), input.to_owned(), vec![target.to_owned()])
    };
    let expected = vec![sample("1", "a, b", "x"), sample("2", "c", "y")];
    for (name, text) in [
        (
            "d.jsonl",
            "\u{feff}{\"id\": 1, \"question\": \"a, b\", \"answer\": \"x\"}\r\n\n{\"id\": 2, \"question\": \"c\", \"answer\": \"y\"}",
        ),
        (
            "d.json",
            "[{\"id\": 1, \"input\": \"a, b\", \"target\": \"x\"}, {\"id\": 2, \"input\": \"c\", \"target\": \"y\"}]",
        ),
        ("d.csv", "id,prompt,target\n1,\"a, b\",x\n2,c,y\n"),
        ("d.tsv", "problem\tlabel\na, b\tx\nc\ty\n"),
    ] {
        let (_folder, path) = write(name, text.as_bytes());
        let dataset = Dataset::open(&select(&path)).expect("it opens");
        let found = dataset
            .rows()
            .map(|row| row.map(|row| (row.id, row.input, row.targets)));
        assert_eq!(
            found.collect::<Result<Vec<_>, _>>().expect("rows"),
            expected,
            "{name}"
        );
    }
}

#[test]
fn rows_are_selected_by_id_then_shuffled_then_cut() {
    let lines: String = (0..20)
        .map(|id| format!("{{\"id\": \"r{id}\", \"input\": \"\"}}\n"))
        .collect();
    let (_folder, path) = write("d.jsonl", lines.as_bytes());
    let all = select(&path);
    assert_eq!(
        ids(&Selection {
            range: Some(3..u64::MAX),
            limit: Some(2),
            ..all.clone()
        }),
        ["r3", "r4"]
    );
    assert_eq!(
        ids(&Selection {
            ids: Some(vec!["r9".into(), "r2".into()]),
            ..all.clone()
        }),
        ["r2", "r9"]
    );
    let shuffled = ids(&Selection {
        shuffle: Some(1),
        ..all.clone()
    });
    assert_eq!(
        shuffled,
        ids(&Selection {
            shuffle: Some(1),
            ..all.clone()
        })
    );
    assert_ne!(shuffled, ids(&all));
    assert_eq!(
        ids(&Selection {
            shuffle: Some(1),
            limit: Some(4),
            ..all.clone()
        }),
        shuffled[..4]
    );
    let unknown = Dataset::open(&Selection {
        ids: Some(vec!["r99".into()]),
        ..all
    })
    .err()
    .expect("it is unknown");
    assert_eq!(
        unknown.to_string(),
        "`dataset.ids` names an id that no row has: `r99`"
    );
}

#[test]
fn what_is_wrong_with_a_row_is_told_with_its_file_and_line() {
    let wrong = "the dataset FILE, line 2: is not acceptable JSON: ";
    check(
        "a.jsonl",
        b"{}\n{\"a\": }\n",
        &format!("{wrong}expected value at line 1 column 7"),
    );
    check(
        "b.jsonl",
        b"{}\n{\"a\": 1, \"a\": 2}\n",
        &format!("{wrong}the key `a` is there twice at line 1 column 12"),
    );
    check(
        "c.jsonl",
        b"{}\n[1]\n",
        "the dataset FILE, line 2: is no object; each row is one, such as {\"input\": \"…\", \"target\": \"…\"}",
    );
    check(
        "d.jsonl",
        b"{}\n{\"a\": \"\xff\"}\n",
        "the dataset FILE, line 2: is not UTF-8 (byte 8)",
    );
    check(
        "e.csv",
        b"a,b\n1,2\n3\n",
        "the dataset FILE, line 3: cannot be read: CSV error: record 2 (line: 3, byte: 8): found record with 1 fields, but the previous record has 2 fields",
    );
    check(
        "f.csv",
        b"a,a\n1,2\n",
        "the dataset FILE, line 1: its header has `a` twice; rename one",
    );
    check(
        "g.xml",
        b"<a/>",
        "the dataset FILE: its extension is none of .jsonl, .json, .csv, .tsv, .parquet; say which it is as `dataset.format`",
    );
    check(
        "h.parquet",
        b"PAR1",
        "the dataset FILE: is not Parquet: EOF: Parquet file too small. Size is 4 but need 8",
    );
}

/// A list of two: the crate that reads Parquet asserts that a list has one kind of element, and the run ended with it.
#[test]
fn a_parquet_file_whose_schema_is_none_is_an_error_of_the_file() {
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::writer::SerializedFileWriter;
    let schema =
        "message row { required group a (LIST) { required binary x; required binary y; } }";
    let schema = parquet::schema::parser::parse_message_type(schema).expect("a schema");
    let mut bytes = Vec::new();
    let file = SerializedFileWriter::new(&mut bytes, schema.into(), Arc::default());
    let mut file = file.expect("a file");
    let mut group = file.next_row_group().expect("a group");
    while let Some(mut column) = group.next_column().expect("a column") {
        let typed = column.typed::<ByteArrayType>();
        let values = [ByteArray::from("one")];
        typed.write_batch(&values, None, None).expect("values");
        column.close().expect("a column");
    }
    group.close().expect("a group");
    file.close().expect("a file");
    let (_folder, path) = write("d.parquet", &bytes);
    let error = Dataset::open(&select(&path)).err().expect("it is refused");
    let told = error.to_string();
    assert!(
        told.contains("row 1: cannot be read: its parts contradict"),
        "{told}"
    );
}

#[test]
fn two_rows_with_one_id_are_both_named_however_far_apart() {
    let mut lines: String = (0..200_000)
        .map(|id| format!("{{\"id\": {id}}}\n"))
        .collect();
    lines.push_str("{\"id\": \"7\"}\n");
    let (_folder, path) = write("d.jsonl", lines.as_bytes());
    let error = Dataset::open(&select(&path))
        .err()
        .expect("an id is there twice")
        .to_string();
    let said = error.replace(&path.display().to_string(), "FILE");
    assert_eq!(
        said,
        "the dataset FILE, line 200001: its id `7` is that of FILE, line 8; ids must differ"
    );
}

#[test]
fn a_mapped_field_that_a_row_lacks_is_named_with_those_that_it_has() {
    let (_folder, path) = write("d.jsonl", b"{\"q\": 1, \"r\": 2}\n");
    let fields = FieldMap {
        input: Some("question".into()),
        ..FieldMap::default()
    };
    let error = Dataset::open(&Selection {
        fields,
        ..select(&path)
    })
    .err()
    .expect("it lacks it")
    .to_string();
    assert!(error.ends_with("line 1: `dataset.fields.input` says `question`, which the row does not have; it has `q`, `r`"), "{error}");
}

#[test]
fn files_of_a_glob_come_by_name_and_a_missing_one_is_named() {
    let (folder, path) = write("b.jsonl", b"{\"id\": \"b\"}\n");
    std::fs::write(folder.path().join("a.jsonl"), b"{\"id\": \"a\"}\n").expect("it can be written");
    assert_eq!(ids(&select(&folder.path().join("*.jsonl"))), ["a", "b"]);
    let none = Dataset::open(&select(&folder.path().join("*.csv")))
        .err()
        .expect("none matches")
        .to_string();
    assert!(none.ends_with("no file matches this pattern"), "{none}");
    let near = Dataset::open(&select(&path.with_file_name("bb.jsonl")))
        .err()
        .expect("it is missing")
        .to_string();
    assert!(near.contains("did you mean b.jsonl?"), "{near}");
}

#[test]
fn a_file_that_changes_meanwhile_is_found_out() {
    let (_folder, path) = write("d.jsonl", b"{\"id\": \"a\"}\n");
    let dataset = Dataset::open(&select(&path)).expect("it opens");
    std::fs::write(&path, b"{\"id\": \"a\"}\n{\"id\": \"b\"}\n").expect("it can be written");
    assert!(matches!(
        dataset.rows().next(),
        Some(Err(DatasetError::Changed(_)))
    ));
}

#[test]
fn the_identity_of_a_dataset_is_that_of_its_rows_and_not_of_its_file() {
    let (_folder, first) = write("a.jsonl", b"{\"id\": \"a\", \"x\": 1}\n");
    let (_other, second) = write("b.jsonl", b"\n{\"id\":\"a\",\"x\":1}");
    let (_third, changed) = write("c.jsonl", b"{\"id\": \"a\", \"x\": 2}\n");
    let digest = |path: &Path| Dataset::open(&select(path)).expect("it opens").digest();
    assert_eq!(digest(&first), digest(&second));
    assert_ne!(digest(&first), digest(&changed));
}
