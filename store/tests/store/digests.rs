//! Properties of the digest, over many made-up requests, and its golden vectors: any single change of any field changes it,
//! nothing moves from one field to the next, and what is stored is what was hashed.

use crate::support::Seeded;
use std::collections::HashMap;
use xhost_store::{Sent, StoredRequest};

/// Pieces that are easily taken for each other.
const PIECES: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "|",
    "a|b",
    "\0",
    "\0\0",
    "e\u{301}",
    "\u{e9}",
    "9007199254740992",
    "9007199254740993",
    "{\"a\":1,\"b\":2}",
    "{\"b\":2,\"a\":1}",
    "1.0",
    "1",
    "-0",
    "0",
    " ",
    "\n",
    "1\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
];

fn piece(numbers: &mut Seeded) -> String {
    (0..=numbers.below(2))
        .map(|_| PIECES[numbers.below(PIECES.len())])
        .collect()
}

fn request(numbers: &mut Seeded) -> StoredRequest {
    StoredRequest {
        endpoint: piece(numbers),
        method: piece(numbers),
        target: piece(numbers),
        headers: (0..numbers.below(3))
            .map(|_| (piece(numbers), piece(numbers)))
            .collect(),
        body: piece(numbers).into(),
        epoch: numbers.below(3) as u32,
        repeat: numbers.below(3) as u32,
        salt: piece(numbers),
    }
}

/// The request with one field changed.
fn changes(request: &StoredRequest, numbers: &mut Seeded) -> Vec<StoredRequest> {
    let more = format!("{}x", piece(numbers));
    let longer = |text: &str| format!("{text}{more}");
    let mut all = vec![request.clone(); 13];
    all[0].endpoint = longer(&request.endpoint);
    all[1].method = longer(&request.method);
    all[2].target = longer(&request.target);
    all[3].headers.push((more.clone(), String::new()));
    all[4].body = [&request.body[..], more.as_bytes()].concat().into();
    all[5].epoch += 1;
    all[6].repeat += 1;
    all[7].salt = longer(&request.salt);
    // The end of each field moves to the beginning of the next.
    if let Some(last) = all[8].endpoint.pop() {
        all[8].method.insert(0, last);
    }
    if let Some(last) = all[9].method.pop() {
        all[9].target.insert(0, last);
    }
    all[10].endpoint.clone_from(&request.salt);
    all[10].salt.clone_from(&request.endpoint);
    all[11].epoch = request.repeat;
    all[11].repeat = request.epoch;
    all[12].headers.reverse();
    if let Some((name, value)) = request.headers.first() {
        let headers = [
            (format!("{name}{value}"), String::new()),
            (value.clone(), name.clone()),
        ];
        for header in headers {
            let mut changed = request.clone();
            changed.headers[0] = header;
            all.push(changed);
        }
        let mut fewer = request.clone();
        fewer.headers.remove(0);
        all.push(fewer);
    }
    all
}

#[test]
fn two_requests_have_one_digest_only_where_they_are_equal() {
    let mut numbers = Seeded(51);
    let mut seen: HashMap<String, StoredRequest> = HashMap::new();
    for _ in 0..1_000 {
        let first = request(&mut numbers);
        for one in changes(&first, &mut numbers).into_iter().chain([first]) {
            let digest = one.sent().digest();
            let read = StoredRequest::from_bytes(&digest, &one.sent().to_bytes()).unwrap();
            assert_eq!(read, one, "what is stored is what was hashed");
            let earlier = seen
                .entry(digest.to_string())
                .or_insert_with(|| one.clone());
            assert_eq!(*earlier, one, "two requests with the digest {digest}");
        }
    }
    assert!(seen.len() > 10_000, "{}", seen.len());
}

#[test]
fn the_golden_vectors_stay() {
    let headers = [("anthropic-version".to_owned(), "2023-06-01".to_owned())];
    let sent = Sent {
        endpoint: "https://api.openai.com",
        method: "POST",
        target: "/v1/chat/completions",
        headers: &headers,
        body: br#"{"model":"m","seed":9007199254740993}"#,
        epoch: 1,
        repeat: 0,
        salt: "salt",
    };
    let empty = Sent {
        endpoint: "",
        method: "",
        target: "",
        headers: &[],
        body: b"",
        epoch: 0,
        repeat: 0,
        salt: "",
    };
    let bytes = "010000000000000031";
    let zero = "0000000000000000";
    let number = "080000000000000000000000000000000000000000000000040000000000000000000000040000000000000000000000";
    let expected = format!("{bytes}{zero}{zero}{zero}{number}{zero}");
    let hex: String = empty
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, expected, "each field after its length");
    // The first is what the host's own golden test says of the same request.
    let vectors = [
        (
            sent,
            "8aefe0e56194732dd1f093f538c4000dec1beed391ba91d4c860f1e9f0f5a7cc",
        ),
        (
            Sent {
                repeat: 256,
                ..sent
            },
            "17d66b87abfd545610ab9c5005992f8bb86526e7d852045ff06a44103b0ff1e3",
        ),
        (
            Sent { epoch: 2, ..sent },
            "f76f3dc44bdf8b80a49204316cfa20cf9bb342d14cbf759445f233215a502384",
        ),
        (
            empty,
            "eeebf06f4f064289dd9facfadc6d62438d0375314367756226d9d8618cb639cc",
        ),
    ];
    for (sent, digest) in vectors {
        assert_eq!(sent.digest().to_string(), digest);
        let bytes = sent.to_bytes();
        assert_eq!(
            blake3::derive_key("xhost request v1", &bytes),
            *sent.digest().as_bytes()
        );
    }
}
