//! Bundles that mean harm. Each is refused with its reason, by code that is not given a store: nothing can be left in one.

use super::entry;
use super::export::{Titled, assemble};
use super::layer::{Packing, plain};
use super::layout::{self, Config};
use super::{Bundle, BundleError, Source, export};
use crate::dataset::Sample;
use crate::results::{RunFile, TRIALS};
use crate::store::Store;
use bytes::Bytes;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use xhost_store::{Answer, BlobDigest, Digest, Entry, Options};

const PLUGIN: &[u8] = b"not a component, and nobody loads it here";

/// A store with a run's answers, plugins and rows, and the run.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
    run: RunFile,
}

fn answer(number: u8) -> Answer {
    Answer {
        body: Bytes::from(format!("{{\"answer\": {number}, \"text\": \"ä\\n\"}}")),
        status: 200,
        api: "openai.chat".into(),
        model: "m".into(),
        headers: vec![("x-request-id".into(), format!("r{number}"))],
        created_ms: 1_700_000_000_000 + u64::from(number),
        latency_ms: 5,
    }
}

fn request(number: u8) -> Digest {
    Digest::from_bytes(*blake3::hash(&[number]).as_bytes())
}

fn trial(number: u8) -> String {
    let answer = answer(number).digest();
    let line = json!({
        "config": {}, "sample": format!("s{number}"), "epoch": 1, "answer": "a",
        "scores": [{"scorer": "match", "name": "match", "value": true, "extracted": null, "explanation": null}],
        "requests": [{"digest": request(number).to_string(), "response": answer.to_string()}],
        "usage": {"input": 1, "output": 1, "cache_read": 0, "cache_write": 0, "reasoning": 0}, "failure": null,
    });
    format!("{line}\n")
}

fn rows() -> Vec<u8> {
    let sample = Sample {
        id: "s1".into(),
        input: "q".into(),
        targets: vec!["a".into()],
        fields: "{\"id\":\"s1\"}".into(),
    };
    sample.to_line().expect("it is a line")
}

fn blake3_of(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(*blake3::hash(bytes).as_bytes())
}

impl Place {
    /// The order of commits, and what else is in the store, must not matter.
    fn new(order: &[u8]) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            Store::open(&folder.path().join("s.redb"), Options::default()).expect("it opens");
        for number in order {
            store
                .commit(&[Entry::from((request(*number), answer(*number)))])
                .expect("it is stored");
        }
        let keep = |bytes: &[u8]| {
            let kept = store
                .blobs()
                .keep(&blake3_of(bytes), |out| out.write_all(bytes));
            kept.expect("it is kept");
            blake3_of(bytes).to_string()
        };
        let (plugin, rows) = (keep(PLUGIN), keep(&rows()));
        let used = json!({"plugin": "p", "digest": plugin, "params": {}});
        let resolved = json!({
            "datasets": [{"rows": 1, "digest": rows}],
            "configs": [{"prompt": used, "model": {"digest": plugin}, "models": {}, "scorers": [{"label": "l", "use": used}]}],
        });
        let trials: String = (1..=3).map(trial).collect();
        fs::write(folder.path().join(TRIALS), trials).expect("it is written");
        let plan = blake3::hash(resolved.to_string().as_bytes());
        let run = RunFile {
            xhost: "0.1.0".into(),
            experiment: "e".into(),
            plan: plan.to_hex().to_string(),
            resolved,
        };
        Place { folder, store, run }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export(&self) -> Vec<u8> {
        let source = Source {
            run: self.run.clone(),
            trials: &self.path(TRIALS),
            store: &self.store,
        };
        export(&source, &self.path("b.xhb")).expect("it is exported");
        fs::read(self.path("b.xhb")).expect("it is there")
    }
}

fn open(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("it is written");
    Bundle::open(file.path(), None)
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    match open(bytes) {
        Ok(_) => panic!("taken, and should be refused as `{why}`"),
        Err(error) => assert!(
            error.to_string().contains(why),
            "`{why}` is not in: {error}"
        ),
    }
}

#[test]
fn a_run_gives_the_same_bytes_whatever_the_history_of_its_store_and_comes_back_from_them() {
    let first = Place::new(&[1, 2, 3]);
    let bundle = first.export();
    assert!(bundle == first.export(), "twice");
    assert!(
        bundle == Place::new(&[9, 3, 8, 1, 7, 2]).export(),
        "another history"
    );

    let opened = Bundle::open(&first.path("b.xhb"), None).expect("it is what it says");
    let other = Place::new(&[5]);
    let imported = opened.import(&other.store).expect("it is taken in");
    assert_eq!((imported.stored, imported.already_there), (3, 0));
    let again = opened.import(&other.store).expect("it is taken in");
    assert_eq!((again.stored, again.already_there), (0, 3));
    let folder = other.path("restored");
    opened.restore(&folder).expect("it is written");
    assert!(
        fs::read(folder.join(TRIALS)).expect("it is there")
            == fs::read(first.path(TRIALS)).expect("it is there")
    );
    let run = fs::read(folder.join("run.json")).expect("it is there");
    let source = Source {
        run: serde_json::from_slice(&run).expect("it is a run"),
        trials: &folder.join(TRIALS),
        store: &other.store,
    };
    export(&source, &other.path("again.xhb")).expect("it is exported");
    assert!(
        fs::read(other.path("again.xhb")).expect("it is there") == bundle,
        "export, import, export"
    );
    let digest = opened.digest().to_owned();
    assert!(Bundle::open(&first.path("b.xhb"), Some(&digest)).is_ok());
    let wrong = Bundle::open(&first.path("b.xhb"), Some("sha256:00"));
    assert!(matches!(wrong, Err(BundleError::Unexpected { .. })));
}

#[test]
fn a_bundle_that_is_cut_off_anywhere_is_refused() {
    let bundle = Place::new(&[1, 2, 3]).export();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &bundle).expect("it is written");
    for length in (0..bundle.len()).rev() {
        file.as_file().set_len(length as u64).expect("it is cut");
        assert!(
            Bundle::open(file.path(), None).is_err(),
            "{length} bytes of {}",
            bundle.len()
        );
    }
}

#[test]
fn a_bundle_with_changed_bytes_is_refused() {
    let bundle = Place::new(&[1, 2, 3]).export();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..3_000 {
        let mut bytes = bundle.clone();
        let at = random(bytes.len());
        match round % 4 {
            0 => bytes[at] ^= 1 << random(8),
            1 => bytes[at] = bytes[at].wrapping_add(1 + random(255) as u8),
            2 => {
                bytes.insert(at, random(256) as u8);
            }
            _ => {
                let block = at / 512 * 512;
                let other = random(bytes.len() / 512) * 512;
                for index in 0..512 {
                    bytes.swap(block + index, other + index);
                }
            }
        }
        if bytes != bundle {
            assert!(open(&bytes).is_err(), "round {round}, byte {at}");
        }
    }
}

/// The members of a tar: header and content.
fn members(bundle: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while bundle[at] != 0 {
        let header = bundle[at..at + 512].to_vec();
        let size = tar::Header::from_byte_slice(&header)
            .entry_size()
            .expect("a size") as usize;
        let whole = size + layout::padding(size as u64) as usize;
        found.push((header, bundle[at + 512..at + 512 + whole].to_vec()));
        at += 512 + whole;
    }
    found
}

fn joined(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let parts = members
        .iter()
        .flat_map(|(header, content)| [header.as_slice(), content]);
    [parts.collect::<Vec<_>>().concat(), vec![0; 1_024]].concat()
}

#[test]
fn members_in_another_order_twice_under_other_names_or_as_links_are_refused() {
    let bundle = Place::new(&[1, 2, 3]).export();
    let parts = members(&bundle);
    assert!(joined(&parts) == bundle);
    for (first, second) in [(0, 1), (2, 3), (4, 5), (6, 7)] {
        let mut other = parts.clone();
        other.swap(first, second);
        refused(&joined(&other), "is not where it has to be");
    }
    for at in 0..parts.len() {
        let mut other = parts.clone();
        other.insert(at, parts[at].clone());
        assert!(open(&joined(&other)).is_err(), "member {at} twice");
        let mut other = parts.clone();
        other.remove(at);
        assert!(open(&joined(&other)).is_err(), "member {at} missing");
    }
    refused(
        &[bundle.as_slice(), b"more"].concat(),
        "goes on after its end",
    );
    let with = |change: &dyn Fn(&mut tar::Header)| {
        let mut other = parts.clone();
        let mut header = tar::Header::from_byte_slice(&other[5].0).clone();
        change(&mut header);
        header.set_cksum();
        other[5].0 = header.as_bytes().to_vec();
        joined(&other)
    };
    let name = |header: &mut tar::Header, name: &str| {
        header.as_old_mut().name = [0; 100];
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    };
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "blobs/sha256/..",
        "blobs/sha256/x",
    ] {
        refused(
            &with(&|header| name(header, path)),
            "is not where it has to be",
        );
    }
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::XHeader,
        tar::EntryType::Char,
    ] {
        refused(
            &with(&|header| header.set_entry_type(kind)),
            "is no plain file",
        );
    }
    refused(
        &with(&|header| header.set_size(u64::MAX / 2)),
        "is not where it has to be",
    );
    refused(
        &with(&|header| header.set_mtime(1)),
        "is not where it has to be",
    );
    refused(
        &with(&|header| header.set_mode(0o4755)),
        "is not where it has to be",
    );
    let huge = {
        let mut other = parts.clone();
        let mut header = tar::Header::from_byte_slice(&other[1].0).clone();
        header.set_size(1 << 40);
        header.set_cksum();
        other[1].0 = header.as_bytes().to_vec();
        joined(&other)
    };
    refused(&huge, "more than any");
}

/// A bundle whose outer digests all fit, and whose inside does not.
struct Forge {
    config: Config,
    layers: Vec<(&'static str, Vec<u8>)>,
}

impl Forge {
    fn new() -> Forge {
        let place = Place::new(&[1, 2, 3]);
        place.export();
        let bundle = Bundle::open(&place.path("b.xhb"), None).expect("it is what it says");
        let kinds = [
            layout::TRIALS,
            layout::ROWS,
            layout::PLUGIN,
            layout::RESPONSES,
        ];
        let layers = bundle
            .members
            .layers
            .iter()
            .zip(kinds)
            .map(|(member, kind)| {
                let mut bytes = Vec::new();
                bundle
                    .members
                    .open(member)
                    .read_to_end(&mut bytes)
                    .expect("it is read");
                (kind, bytes)
            });
        let layers = layers.collect();
        Forge {
            config: bundle.members.config,
            layers,
        }
    }

    fn bytes(self) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("forged.xhb");
        let layers: Vec<Titled> = self
            .layers
            .iter()
            .map(|(kind, bytes)| {
                (
                    plain(folder.path(), bytes).expect("a layer"),
                    *kind,
                    "t".to_owned(),
                )
            })
            .collect();
        assemble(&self.config, layers, folder.path(), &out).expect("it is put together");
        fs::read(out).expect("it is there")
    }

    /// Answers in this order instead, everything that covers them fitting.
    fn answers(mut self, lines: &[Vec<u8>]) -> Forge {
        let folder = tempfile::tempdir().expect("a folder");
        let (bytes, described) = packed(folder.path(), lines);
        self.layers[3].1 = bytes;
        self.config.responses = vec![described];
        self.config.entries = lines.len() as u64;
        self
    }
}

fn packed(folder: &Path, lines: &[Vec<u8>]) -> (Vec<u8>, layout::Lines) {
    let mut packing = Packing::new(folder).expect("a layer");
    for line in lines {
        packing.add(line).expect("it is added");
    }
    let (mut layer, described) = packing.finish().expect("it is packed");
    let mut bytes = Vec::new();
    layer.file.read_to_end(&mut bytes).expect("it is read");
    (bytes, described)
}

fn line(number: u8) -> Vec<u8> {
    entry::write(&request(number), &answer(number)).expect("it is written")
}

fn sorted(numbers: &[u8]) -> Vec<Vec<u8>> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by_key(|number| request(*number));
    numbers.into_iter().map(line).collect()
}

#[test]
fn a_forged_bundle_is_refused_whatever_of_its_inside_does_not_fit() {
    assert!(
        open(&Forge::new().bytes()).is_ok(),
        "what is not changed is taken"
    );
    assert!(open(&Forge::new().answers(&sorted(&[1, 2, 3])).bytes()).is_ok());

    refused(
        &Forge::new().answers(&sorted(&[1, 2])).bytes(),
        "lacks answers",
    );
    refused(
        &Forge::new().answers(&sorted(&[1, 2, 3, 4])).bytes(),
        "another answer than the trials name",
    );
    let mut reversed = sorted(&[1, 2, 3]);
    reversed.reverse();
    refused(
        &Forge::new().answers(&reversed).bytes(),
        "another answer than the trials name",
    );
    let mut twice = sorted(&[1, 2, 3]);
    twice.insert(0, twice[0].clone());
    refused(
        &Forge::new().answers(&twice).bytes(),
        "another answer than the trials name",
    );
    let swapped = vec![entry::write(&request(1), &answer(2)).expect("it is written")];
    refused(
        &Forge::new().answers(&swapped).bytes(),
        "another answer than the trials name",
    );
    refused(
        &Forge::new().answers(&[b"{}\n".to_vec()]).bytes(),
        "is no answer",
    );

    let forged = |change: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::new();
        change(&mut forge);
        forge.bytes()
    };
    refused(
        &forged(&|forge| forge.config.entries_root = "0".repeat(64)),
        "number or root of answers",
    );
    refused(
        &forged(&|forge| forge.config.entries = 4),
        "number or root of answers",
    );
    refused(
        &forged(&|forge| forge.config.run_digest = "0".repeat(64)),
        "run's digest",
    );
    refused(
        &forged(&|forge| forge.config.format += 1),
        "another version",
    );
    refused(
        &forged(&|forge| forge.config.key_schema = "v2".into()),
        "another version",
    );
    refused(
        &forged(&|forge| forge.config.run.resolved["x"] = json!(1)),
        "does not have its digest",
    );
    refused(
        &forged(&|forge| forge.config.plugins[0] = "0".repeat(64)),
        "does not name the plugins",
    );
    refused(
        &forged(&|forge| forge.layers[2].1.push(0)),
        "is not the plugin",
    );
    refused(
        &forged(&|forge| forge.config.datasets[0].blake3 = "0".repeat(64)),
        "does not name the datasets",
    );
    refused(&forged(&|forge| forge.layers.swap(0, 1)), "other layers");
    refused(&forged(&|forge| drop(forge.layers.pop())), "other layers");
    refused(
        &forged(&|forge| forge.config.trials.lines = 9),
        "does not unpack to what",
    );
    refused(
        &forged(&|forge| forge.layers[3].1 = b"no zstd".to_vec()),
        "cannot be unpacked",
    );
}

#[test]
fn what_unpacks_to_more_than_it_says_is_refused_before_it_is_held() {
    let bomb = zstd::encode_all(std::io::repeat(b'a').take(1 << 30), 3).expect("it is packed");
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let mut forge = Forge::new();
    forge.layers[3].1 = bomb.clone();
    refused(&forge.bytes(), "unpacks to more than the config says");
    let mut honest = Forge::new();
    honest.layers[3].1 = bomb;
    honest.config.responses[0].bytes = 1 << 30;
    refused(&honest.bytes(), "without an end, or too long");
}

#[test]
fn a_run_that_the_store_cannot_answer_for_is_not_exported() {
    let place = Place::new(&[1, 2]);
    let fails = |words: &str| {
        let trials = place.path(TRIALS);
        let source = Source {
            trials: &trials,
            run: place.run.clone(),
            store: &place.store,
        };
        let error = export(&source, &place.path("b.xhb"))
            .expect_err("something is missing")
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(!place.path("b.xhb").exists());
    };
    fails(&request(3).to_string());
    place
        .store
        .commit(&[Entry::from((request(3), answer(4)))])
        .expect("it is stored");
    fails("and the run had");
}
