//! Messages: each is read as it was written, and pinned, so that none changes without the version.

use super::message::{Ask, Fault, PROTOCOL, Reply, Want, hello};
use bytes::Bytes;
use std::borrow::Cow;
use xhost_store::{Answer, Begun, Change, Digest, Entry, Put, Run, RunId, Stat, Touched, Wish};

fn digest() -> Digest {
    Digest::from_bytes([0xa7; 32])
}

fn answer() -> Answer {
    Answer {
        body: "{\"a\":1}".into(),
        status: 200,
        api: "openai.chat".into(),
        model: "m".into(),
        headers: vec![("retry-after".into(), "1".into())],
        created_ms: 1 << 40,
        latency_ms: 7,
    }
}

fn begun() -> Begun {
    Begun {
        id: RunId::new("plan", "folder"),
        generation: 3,
        started_ms: 1 << 41,
    }
}

fn asks() -> Vec<Ask<'static>> {
    let entry = |wish, request: Option<&'static str>| Entry {
        digest: digest(),
        answer: answer(),
        request: request.map(Bytes::from),
        wish,
    };
    let run = Run {
        experiment: "e".into(),
        plan: "p".into(),
        resolved: "{}".into(),
        folder: "/f".into(),
        started_ms: 1,
        ended_ms: None,
        generation: 0,
    };
    let change = [
        Change::Put {
            key: b"k".to_vec(),
            value: b"v".to_vec(),
        },
        Change::Delete { key: b"k".to_vec() },
    ];
    let touched = Touched {
        run: begun(),
        number: 9,
        digests: vec![digest()],
    };
    let look = |want| Ask::Look {
        digest: digest(),
        want,
    };
    vec![
        look(Want::Answer),
        look(Want::Claim),
        Ask::Request { digest: digest() },
        Ask::Commit {
            entries: Cow::Owned(vec![
                entry(Wish::Keep, Some("r")),
                entry(Wish::Replace, None),
            ]),
            journal: Cow::Owned(change.to_vec()),
            touched: Cow::Owned(vec![touched]),
        },
        Ask::Release { claim: 5 },
        Ask::BeginRun { run },
        Ask::EndRun {
            begun: begun(),
            ended_ms: 2,
        },
        Ask::JournalGet { key: "k".into() },
        Ask::JournalScan {
            prefix: "p".into(),
            after: Some("q".into()),
            limit: 256,
        },
        Ask::Stat,
        Ask::Count,
        Ask::Batches,
        Ask::Walk,
    ]
}

fn replies() -> Vec<Reply> {
    let stat = serde_json::json!({
        "id": "0123456789abcdef0123456789abcdef", "answers": 1, "superseded": 2, "requests": 3, "runs": 4, "journal": 5,
        "dictionaries": 6, "record_bytes": 7, "request_bytes": 8, "file_bytes": 9,
    });
    let stat: Stat = serde_json::from_value(stat).expect("a stat");
    vec![
        Reply::Answer(answer()),
        Reply::Absent,
        Reply::Yours { damage: None },
        Reply::Yours {
            damage: Some("it is damaged".into()),
        },
        Reply::Bytes(None),
        Reply::Bytes(Some("b".into())),
        Reply::Puts(vec![
            Put::Stored,
            Put::AlreadyThere,
            Put::Conflict,
            Put::Replaced,
        ]),
        Reply::Begun(begun()),
        Reply::Done,
        Reply::Entries(vec![(b"k".to_vec(), b"v".to_vec())]),
        Reply::Stat(stat),
        Reply::Number(1 << 50),
        Reply::Fault(Fault::Damaged, "d".into()),
        Reply::Fault(Fault::Store, "s".into()),
        Reply::Fault(Fault::Taken, "t".into()),
        Reply::Ending("e".into()),
        Reply::Request {
            digest: digest(),
            bytes: "r".into(),
        },
    ]
}

/// The message in a frame, whose length must be its own.
fn message(frame: &[u8]) -> Bytes {
    let (length, message) = frame.split_first_chunk().expect("a length");
    assert_eq!(u32::from_le_bytes(*length) as usize, message.len());
    Bytes::copy_from_slice(message)
}

#[test]
fn every_message_is_read_as_it_was_written_and_no_part_of_one_is_another() {
    for ask in asks() {
        let message = message(&ask.to_frame(17));
        assert_eq!(Ask::read(message.clone()), Ok((17, ask)));
        for cut in 0..message.len() {
            assert!(Ask::read(message.slice(..cut)).is_err(), "{cut}");
        }
        let longer = [&message[..], &[0]].concat();
        assert!(Ask::read(longer.into()).is_err());
    }
    for reply in replies() {
        let message = message(&reply.to_frame(17));
        assert_eq!(Reply::read(message.clone()), Ok((17, reply)));
        for cut in 0..message.len() {
            assert!(Reply::read(message.slice(..cut)).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_message_does_not_change_without_the_version() {
    let mut all = blake3::Hasher::new();
    let asked = asks().iter().fold(0, |number, ask| {
        all.update(&ask.to_frame(number));
        number + 1
    });
    replies().iter().fold(asked, |number, reply| {
        all.update(&reply.to_frame(number));
        number + 1
    });
    let golden = "8bba7d1383d69197";
    assert_eq!(
        (PROTOCOL, &all.finalize().to_hex()[..16]),
        (1, golden),
        "the frames differ: change PROTOCOL, and then this"
    );
    let hello = hello();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(&hello[..14], b"xhostshr\x01\0\0\0\x05\0");
    assert_eq!(&hello[14..], version.as_bytes());
}

#[test]
fn bytes_of_any_kind_are_a_message_or_an_error() {
    let mut random = 0x9e37_79b9_u32;
    for length in 0..2_000 {
        let bytes: Vec<u8> = (0..length % 200)
            .map(|at| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Kinds that there are, and lengths that might be.
                if at == 0 {
                    (random >> 24) as u8 % 14
                } else {
                    (random >> 20) as u8 & 0x1f
                }
            })
            .collect();
        let _ = (Ask::read(bytes.clone().into()), Reply::read(bytes.into()));
    }
}
