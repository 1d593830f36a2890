//! Logs of Inspect, whole, hostile and cut.

use super::read;
use crate::foreign::{Address, Api, At, Found, Item, Left, Source, Told, Why};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::io::{self, Write};

/// Sends to a model of OpenAI's, and how it says so.
const EVAL: &str = r#"{"model":"openai/m","model_base_url":null,"model_roles":{"grader":[{"model":"vllm/g","base_url":"http://h/v1"}]}}"#;

fn header() -> String {
    format!(r#"{{"version":2,"status":"success","eval":{EVAL},"plan":{{}}}}"#)
}

/// A sample of these events.
fn sample(events: &str) -> String {
    format!(
        r#"{{"id":7,"epoch":2,"input":"?","events":[{{"event":"state","changes":[]}},{events}],
        "attachments":{{"0123456789abcdef0123456789abcdef":"long \"text\""}},
        "events_data":{{"messages":[],"calls":[{{"role":"system","content":"R"}},{{"role":"user","content":"attachment://0123456789abcdef0123456789abcdef"}}]}}}}"#
    )
}

const CALL: &str = r#"{"timestamp":"2026-01-02T03:04:05.678+00:00","event":"model","model":"openai/m","input":[],"output":{},
    "call":{"request":{"tools":null,"extra_headers":{"x-irid":"1"},"model":"m","extra_body":{"top_k":1},"temperature":0.50},
    "response":{"choices":[],"tools":null},"time":0.25,"call_refs":[[0,2]],"call_key":"messages"}}"#;

struct Log(tempfile::NamedTempFile);

impl Log {
    fn of(bytes: &[u8]) -> Log {
        let mut file = tempfile::NamedTempFile::new().expect("room");
        file.write_all(bytes).expect("room");
        Log(file)
    }

    fn read(&self) -> io::Result<(Vec<Found>, Vec<Left>)> {
        let (mut found, mut left) = (Vec::new(), Vec::new());
        read(self.0.path(), &mut |item| {
            match item {
                Item::Found(one) => found.push(*one),
                Item::Left(one) => left.push(one),
            }
            Ok(())
        })?;
        Ok((found, left))
    }
}

fn zipped(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipArchiveWriter::new(&mut bytes);
    for (name, content) in members {
        let file = zip.new_file(name).compression_method(method);
        let (mut entry, config) = file.start().expect("it begins");
        let descriptor = if method == CompressionMethod::ZSTD {
            let encoder = zstd::Encoder::new(&mut entry, 3).expect("an encoder");
            let mut writer = config.wrap(encoder);
            writer.write_all(content).expect("room");
            let (encoder, descriptor) = writer.finish().expect("it ends");
            encoder.finish().expect("it ends");
            descriptor
        } else if method == CompressionMethod::DEFLATE {
            let encoder =
                flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::fast());
            let mut writer = config.wrap(encoder);
            writer.write_all(content).expect("room");
            let (encoder, descriptor) = writer.finish().expect("it ends");
            encoder.finish().expect("it ends");
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).expect("room");
            writer.finish().expect("it ends").1
        };
        entry.finish(descriptor).expect("it ends");
    }
    zip.finish().expect("it ends");
    bytes
}

fn eval(samples: &[&str]) -> Vec<u8> {
    let header = header();
    let mut members = vec![("_journal/start.json", b"{}".as_slice())];
    let names: Vec<_> = (0..samples.len())
        .map(|at| format!("samples/{at}_epoch_1.json"))
        .collect();
    members.extend(
        names
            .iter()
            .zip(samples)
            .map(|(name, text)| (name.as_str(), text.as_bytes())),
    );
    members.push(("header.json", header.as_bytes()));
    zipped(&members, CompressionMethod::ZSTD)
}

fn json(samples: &[&str]) -> Vec<u8> {
    let samples = samples.join(",\n  ");
    format!(r#"{{"version":2,"status":"success","eval":{EVAL},"stats":{{}},"samples":[{samples}],"reductions":null}}"#)
        .into_bytes()
}

#[test]
fn a_call_is_put_together_from_arguments_pools_and_attachments_in_both_forms() {
    let text = sample(CALL);
    for log in [eval(&[&text]), json(&[&text])] {
        let (found, left) = Log::of(&log).read().expect("a log");
        assert!(left.is_empty(), "{left:?}");
        let [found] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            found.request,
            r#"{"model":"m","top_k":1,"temperature":0.50,"messages":[{"role":"system","content":"R"},{"role":"user","content":"long \"text\""}]}"#
        );
        assert_eq!(found.response, r#"{"choices":[],"tools":null}"#);
        assert!(found.headers.is_empty());
        assert_eq!(
            (found.api, &found.address),
            (Some(Api::OpenAi), &Address::Own)
        );
        assert_eq!(found.draw, Some(Told::Trial { epoch: 2, trial: 1 }));
        assert_eq!(
            (found.asked_ms, found.latency_ms),
            (Some(1_767_323_045_678), 250)
        );
        assert_eq!(found.place.at, At::Sample("7".into(), 2));
    }
}

#[test]
fn every_way_of_packing_a_member_is_read() {
    let (text, header) = (sample(CALL), header());
    let members = [
        ("samples/7_epoch_2.json", text.as_bytes()),
        ("header.json", header.as_bytes()),
    ];
    for method in [
        CompressionMethod::STORE,
        CompressionMethod::DEFLATE,
        CompressionMethod::ZSTD,
    ] {
        let (found, _) = Log::of(&zipped(&members, method)).read().expect("a log");
        assert_eq!(found.len(), 1, "{method:?}");
    }
}

#[test]
fn calls_go_where_the_log_says_and_those_within_other_events_are_calls_too() {
    let judge = CALL.replace("openai/m", "vllm/g");
    let unknown = CALL.replace("openai/m", "groq/x");
    let azure = CALL.replace("openai/m", "openai/azure/x");
    let nested =
        format!(r#"{{"event":"subtask","events":[{judge},{unknown},{azure}],"error":null}}"#);
    let (found, _) = Log::of(&json(&[&sample(&nested)])).read().expect("a log");
    let servers: Vec<_> = found
        .iter()
        .map(|one| (one.api, one.address.clone()))
        .collect();
    let expected = [
        (None, Address::At("http://h/v1".into())),
        (None, Address::Of("groq/x".into())),
        (None, Address::Of("openai/azure/x".into())),
    ];
    assert_eq!(servers, expected);
}

#[test]
fn a_call_that_is_not_in_the_log_as_it_was_sent_is_left_out() {
    let cases = [
        (
            CALL.replace("\"input\"", "\"error\":\"late\",\"input\""),
            Why::Failed,
        ),
        (
            CALL.replace("\"time\"", "\"error\":true,\"time\""),
            Why::Failed,
        ),
        (
            CALL.replace("\"input\"", "\"cache\":\"read\",\"input\""),
            Why::FromCache,
        ),
        (CALL.replace("\"call\"", "\"gone\""), Why::NoCall),
        (CALL.replace("[[0,2]]", "[[0,3]]"), Why::Removed),
        (CALL.replace("[[0,2]]", "[[2,0]]"), Why::Removed),
        (
            CALL.replace("0.50", "\"attachment://00000000000000000000000000000000\""),
            Why::Removed,
        ),
        (
            CALL.replace("0.50", "\"<base64-data-removed>\""),
            Why::Removed,
        ),
        (
            CALL.replace(
                "\"response\":{\"choices\":[],\"tools\":null}",
                "\"response\":null",
            ),
            Why::NoResult,
        ),
        (
            CALL.replace("\"tools\":null,", "\"extra_query\":{\"a\":1},"),
            Why::NotSendable,
        ),
    ];
    for (call, why) in cases {
        let (found, left) = Log::of(&json(&[&sample(&call)])).read().expect("a log");
        assert!(found.is_empty(), "{call}");
        assert_eq!(
            left.iter().map(|one| one.why).collect::<Vec<_>>(),
            [why],
            "{call}"
        );
    }
}

#[test]
fn a_sample_that_is_none_costs_itself_alone() {
    let whole = sample(CALL);
    let twice = whole.replacen("\"epoch\":2", "\"epoch\":2,\"epoch\":3", 1);
    let deep = whole.replacen("\"?\"", &"[".repeat(100_000), 1);
    for broken in [
        twice.as_str(),
        "{}",
        "[]",
        "{\"id\":1,\"epoch\":-1}",
        "{\"id\"",
        &deep,
    ] {
        let (found, left) = Log::of(&eval(&[broken, &whole])).read().expect("a log");
        assert_eq!(found.len(), 1, "{broken:.80}");
        assert_eq!(
            left.iter().map(|one| one.why).collect::<Vec<_>>(),
            [Why::Damaged]
        );
    }
    let (found, left) = Log::of(&json(&[&twice, &whole])).read().expect("a log");
    assert_eq!((found.len(), left.len()), (1, 1));
}

/// A member that unpacks to much more than it has.
#[test]
fn a_bomb_is_left_out_and_the_others_are_read() {
    let (text, header, bomb) = (sample(CALL), header(), vec![b' '; 48 << 20]);
    let members = [
        ("samples/1_epoch_1.json", bomb.as_slice()),
        ("samples/7_epoch_2.json", text.as_bytes()),
        ("header.json", header.as_bytes()),
    ];
    let log = zipped(&members, CompressionMethod::ZSTD);
    let (found, left) = Log::of(&log).read().expect("a log");
    assert_eq!(found.len(), 1);
    assert_eq!(
        left.iter().map(|one| one.why).collect::<Vec<_>>(),
        [Why::TooLarge]
    );
}

/// The list of members names one of them three times: what lies there once would be unpacked three times.
#[test]
fn members_that_lie_one_over_the_other_are_refused() {
    let content = header();
    let log = zipped(
        &[("header.json", content.as_bytes())],
        CompressionMethod::STORE,
    );
    let end = log.len() - 22;
    let list = u32::from_le_bytes(std::array::from_fn(|at| log[end + 16 + at])) as usize;
    let mut bomb = log[..list].to_vec();
    for _ in 0..3 {
        bomb.extend_from_slice(&log[list..end]);
    }
    let mut tail = log[end..].to_vec();
    tail[8..12].copy_from_slice(&[3, 0, 3, 0]);
    let size = ((end - list) * 3) as u32;
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    bomb.extend_from_slice(&tail);
    let error = Log::of(&bomb).read().expect_err("it is a bomb").to_string();
    assert!(error.contains("one over the other"), "{error}");
}

#[test]
fn a_log_that_is_cut_anywhere_or_changed_anywhere_is_told_and_never_believed_whole() {
    let text = sample(CALL);
    for whole in [eval(&[&text]), json(&[&text])] {
        for length in 0..whole.len() {
            let log = Log::of(&whole[..length]);
            match log.read() {
                Ok((found, left)) => assert!(found.is_empty() && left.is_empty(), "{length}"),
                Err(error) => assert!(
                    [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof]
                        .contains(&error.kind()),
                    "{length}: {error:?}"
                ),
            }
        }
    }
    let whole = eval(&[&text]);
    for at in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        // Whatever it says, it ends; and a call is the one that was there.
        if let Ok((found, _)) = Log::of(&flipped).read() {
            assert!(
                found.iter().all(|one| one.request.contains("top_k")),
                "{at}"
            );
        }
    }
}

/// A zip whose end says that its list of members is at this place.
fn zip64(place: u64) -> Vec<u8> {
    let end = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let locator = [
        b"PK\x06\x07\0\0\0\0".as_slice(),
        &place.to_le_bytes(),
        &[1, 0, 0, 0],
    ];
    [locator.concat(), end.into()].concat()
}

/// A place that no file can have is refused by the system, which was taken for a fault of the disk: no further file was read.
#[test]
fn a_source_tells_a_broken_log_with_its_place() {
    for broken in [
        b"PK\x03\x04 and no more".into(),
        zip64(1 << 63),
        zip64(u64::MAX),
    ] {
        let log = Log::of(&broken);
        let source = Source::Inspect(log.0.path().into());
        let mut left = Vec::new();
        source
            .read(&mut |item| {
                left.push(item);
                Ok(())
            })
            .expect("it is told");
        let [Item::Left(left)] = left.as_slice() else {
            panic!("{left:?}");
        };
        assert_eq!((left.why, &left.place.at), (Why::Damaged, &At::File));
    }
}
