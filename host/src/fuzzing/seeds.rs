//! Inputs to begin with, for each entry point: small, whole, and made by the code that writes such things. From these a
//! fuzzer finds its way; a test holds that each is taken, so that no entry point is one that refuses everything.

use crate::bundle::{Source, export};
use crate::dataset::Sample;
use crate::pins::{Lock, Mode, Pin, Place};
use crate::results::{RunFile, TRIALS};
use crate::store::Store;
use crate::store::message::{Ask, Reply};
use bytes::Bytes;
use serde_json::json;
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;
use xhost_store::{Answer, BlobDigest, Change, Digest, Entry, Options, Sent, Stored, write_line};

/// The inputs for one entry point.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "answer" | "batch_lines" => wire(name),
        "bundle" => bundle(),
        "cases" => cases(),
        "component" => components(),
        "dataset" => datasets(),
        "experiment" => experiments(),
        "frames" => frames(),
        "import" => imports(),
        "lock" => locks(),
        "prices" => vec![PRICES.into()],
        "request" => requests(),
        "results" => vec![trial().into(), sample().to_line().unwrap_or_default()],
        "schema" => SCHEMAS
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect(),
        "store" => store(),
        "values" => values(),
        _ => Vec::new(),
    }
}

/// Choices first, as the entry point draws them.
fn after(choices: &[u8], rest: impl AsRef<[u8]>) -> Vec<u8> {
    [choices, rest.as_ref()].concat()
}

fn wire(name: &str) -> Vec<Vec<u8>> {
    let openai = r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Four."}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    let anthropic = r#"{"id":"c","model":"m","stop_reason":"end_turn","content":[{"type":"text","text":"Four."}],"usage":{"input_tokens":3,"output_tokens":2}}"#;
    let fault = r#"{"error":{"type":"rate_limit_error","code":"rate_limit_exceeded","message":"Too fast."}}"#;
    if name == "answer" {
        let openai_limits = "x-ratelimit-limit-requests\x005000\0x-ratelimit-remaining-requests\x004999\0x-ratelimit-reset-requests\x0012ms\0retry-after\x0020\0";
        let anthropic_limits = "anthropic-ratelimit-requests-limit\x0050\0anthropic-ratelimit-requests-remaining\x0049\0anthropic-ratelimit-requests-reset\x002026-01-01T00:00:00Z\0";
        return vec![
            after(&[0, 0, 4], [openai_limits, openai].concat()),
            after(&[1, 0, 3], [anthropic_limits, anthropic].concat()),
            after(&[0, 114, 0], fault),
            after(&[1, 114, 0], fault),
        ];
    }
    let line = |body: &str| {
        format!(
            "{{\"custom_id\":\"{}\",\"response\":{{\"status_code\":200,\"body\":{body}}},\"error\":null}}\n",
            "ab".repeat(32)
        )
    };
    let succeeded = format!(
        "{{\"custom_id\":\"{}\",\"result\":{{\"type\":\"succeeded\",\"message\":{anthropic}}}}}\n",
        "cd".repeat(32)
    );
    vec![
        after(&[0, 7], [line(openai), "\n".into(), line("null")].concat()),
        after(
            &[1, 200],
            [succeeded.as_str(), "{\"custom_id\":1}\n"].concat(),
        ),
    ]
}

fn sample() -> Sample {
    Sample {
        id: "s1".into(),
        input: "q".into(),
        targets: vec!["a".into()],
        fields: "{\"id\":\"s1\"}".into(),
    }
}

fn answer() -> Answer {
    Answer {
        body: Bytes::from_static("{\"answer\": 4, \"text\": \"ä\\n\"}".as_bytes()),
        status: 200,
        api: "openai.chat".into(),
        model: "m".into(),
        headers: vec![("x-request-id".into(), "r".into())],
        created_ms: 1_700_000_000_000,
        latency_ms: 5,
    }
}

/// A request whose digest is its own.
fn sent() -> (Digest, Vec<u8>) {
    let sent = Sent {
        endpoint: "https://api.example.com",
        method: "POST",
        target: "/v1/chat",
        headers: &[("x-version".to_owned(), "1".to_owned())],
        body: b"{\"model\": \"m\"}",
        epoch: 1,
        repeat: 0,
        salt: "",
    };
    (sent.digest(), sent.to_bytes())
}

fn trial() -> String {
    let line = json!({
        "config": {}, "sample": "s1", "epoch": 1, "answer": "a",
        "scores": [{"scorer": "match", "name": "match", "value": true, "extracted": null, "explanation": null}],
        "requests": [{"digest": sent().0.to_string(), "response": answer().digest().to_string()}],
        "usage": {"input": 1, "output": 1, "cache_read": 0, "cache_write": 0, "reasoning": 0}, "failure": null,
    });
    line.to_string()
}

fn store() -> Vec<Vec<u8>> {
    let (digest, request) = sent();
    let line = |request: Option<Vec<u8>>| {
        write_line(&Stored {
            digest,
            answer: answer(),
            request: request.map(Bytes::from),
        })
    };
    let record = xhost_store::fuzzing::record_of(&digest, &answer());
    vec![
        after(&[0], [digest.as_bytes().as_slice(), &record].concat()),
        after(&[1], [digest.as_bytes().as_slice(), &request].concat()),
        after(&[2], line(None)),
        after(&[2], line(Some(request))),
    ]
}

/// A whole bundle, of a run that was never made, and a line of its answers.
fn bundle() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("s.redb"), Options::default());
    let store = store.expect("it opens");
    let (digest, _) = sent();
    let entry = Entry::from((digest, answer()));
    store.commit(&[entry]).expect("it is stored");
    let keep = |bytes: &[u8]| {
        let name = BlobDigest::from_bytes(*blake3::hash(bytes).as_bytes());
        let kept = store.blobs().keep(&name, |out| out.write_all(bytes));
        kept.expect("it is kept");
        name.to_string()
    };
    let rows = keep(&sample().to_line().unwrap_or_default());
    let used = json!({"plugin": "p", "digest": keep(b"nobody loads it"), "params": {}});
    let resolved = json!({
        "datasets": [{"rows": 1, "digest": rows}],
        "configs": [{"prompt": used, "model": {"digest": used["digest"]}, "models": {}, "scorers": [{"label": "l", "use": used}]}],
    });
    let trials = folder.path().join(TRIALS);
    std::fs::write(&trials, trial() + "\n").expect("it is written");
    let run = RunFile {
        xhost: "0.1.0".into(),
        experiment: "e".into(),
        plan: blake3::hash(resolved.to_string().as_bytes())
            .to_hex()
            .to_string(),
        resolved,
    };
    let source = Source {
        run,
        trials: &trials,
        store: &store,
    };
    let out = folder.path().join("b.xhb");
    export(&source, &out).expect("it is exported");
    let whole = std::fs::read(&out).expect("it is there");
    let line = crate::bundle::written_answer(&digest, &answer());
    vec![after(&[0], whole), after(&[1], line)]
}

fn cases() -> Vec<Vec<u8>> {
    let scorer = r#"{"name": "right", "answer": "It is 4.", "target": "4", "params": {"ignore_case": true}, "expect": {"scores": {"correct": true}}}"#;
    let prompt = r#"{"input": "2 + 2?", "replies": ["4"], "expect": {"asks": 1}}"#;
    let provider = r#"{"call": "encode", "model": "m", "prompt": {"messages": [{"role": "user", "content": "hi"}]}}
{"call": "decode", "body": {"choices": []}}
{"call": "diagnose", "status": 429, "headers": {"retry-after": "2"}, "body": "slow"}"#;
    vec![
        after(&[0], scorer),
        after(&[1], prompt),
        after(&[2], provider),
    ]
}

fn text_component(guest: &str) -> Vec<u8> {
    let shell = include_str!("../../../tests/guests/wat/scorer.wat");
    wat::parse_str(shell.replace(";; GUEST\n", guest)).expect("it is a component")
}

fn components() -> Vec<Vec<u8>> {
    vec![
        text_component(include_str!(
            "../../../tests/guests/wat/scorer/well-behaved.wat"
        )),
        text_component(include_str!(
            "../../../tests/guests/wat/scorer/many-instances.wat"
        )),
        wat::parse_str("(component (component $a) (component (instance (instantiate $a))))")
            .expect("it is a component"),
    ]
}

fn datasets() -> Vec<Vec<u8>> {
    let lines = "{\"id\": 1, \"input\": \"2 + 2?\", \"target\": [\"4\", \"four\"]}\n{\"question\": \"ä\", \"n\": 1e3}\n";
    vec![
        after(&[0, 0], lines),
        after(&[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], lines),
        after(
            &[1, 0],
            "[{\"input\": \"a\"}, {\"input\": \"b\", \"target\": \"c\"}]",
        ),
        after(&[2, 0], "id,input,target\n1,\"2, 2?\",4\n2,b,c\n"),
        after(&[3, 0], "input\ttarget\na\tb\n"),
        after(&[4, 0], parquet()),
    ]
}

fn parquet() -> Vec<u8> {
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message row { required binary input (UTF8); required binary target (UTF8); }";
    let schema = parquet::schema::parser::parse_message_type(schema).expect("a schema");
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, Arc::new(schema), Arc::default());
    let writer = file.as_mut().expect("a file");
    let mut group = writer.next_row_group().expect("a group");
    while let Some(mut column) = group.next_column().expect("a column") {
        let values = [ByteArray::from("one"), ByteArray::from("two")];
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&values, None, None).expect("values");
        column.close().expect("a column");
    }
    group.close().expect("a group");
    file.expect("a file").close().expect("a file");
    out
}

fn experiments() -> Vec<Vec<u8>> {
    let yaml = include_str!("../../../examples/arithmetic/xhost.yaml");
    let json = r#"{"dataset": "rows.jsonl", "prompt": "{{ input }}", "model": {"provider": "openai", "name": "m", "sampling": {"temperature": 0.5}}, "scorers": ["exact"], "sweep": {"model.name": ["a", "b"]}}"#;
    let toml = "prompt = \"{{ input }}\"\nscorers = [\"exact\"]\n[dataset]\npath = \"rows.jsonl\"\nlimit = 5\n[model]\nprovider = \"openai\"\nname = \"m\"\n";
    vec![
        after(
            &[0],
            format!(
                "{yaml}\0model.name=other\0model.sampling.temperature=0,1\0limits.concurrency=5"
            ),
        ),
        after(&[1], format!("{json}\0epochs=3")),
        after(
            &[2],
            format!("{toml}\0scorers.0={{plugin: includes, params: {{ignore_case: true}}}}"),
        ),
    ]
}

/// A look, a commit, an answer.
fn frames() -> Vec<Vec<u8>> {
    let (digest, _) = sent();
    let want = crate::store::Want::Claim;
    let commit = Ask::Commit {
        entries: Cow::Owned(vec![Entry::from((digest, answer()))]),
        journal: Cow::Owned(vec![Change::Delete { key: vec![1] }]),
        touched: Cow::Owned(Vec::new()),
    };
    let message = |choice: u8, frame: Vec<u8>| after(&[choice], &frame[4..]);
    vec![
        message(1, Ask::Look { digest, want }.to_frame(1)),
        message(1, commit.to_frame(2)),
        message(0, Reply::Answer(answer()).to_frame(3)),
    ]
}

/// A log in both its forms, a line of a pair, a batch of one.
fn imports() -> Vec<Vec<u8>> {
    let sample = r#"{"id":7,"epoch":1,"input":"?","events":[{"event":"model","timestamp":"2026-01-02T03:04:05.678+00:00","model":"openai/m","input":[],"output":{},"call":{"request":{"model":"m","extra_body":{"top_k":1}},"response":{"choices":[]},"time":0.25,"call_refs":[[0,1]],"call_key":"messages"}}],"attachments":{},"events_data":{"messages":[],"calls":[{"role":"user","content":"hi"}]}}"#;
    let eval = r#"{"version":2,"status":"success","eval":{"model":"openai/m"}"#;
    let header = format!("{eval}}}");
    let members = [
        ("samples/7_epoch_1.json", sample),
        ("header.json", header.as_str()),
    ];
    let pair = r#"{"request":{"url":"https://host/v1/chat/completions","body":{"model":"m","messages":[]}},"response":{"status":200,"body":{"choices":[]}},"epoch":1}"#;
    let request = r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}"#;
    let result = r#"{"id":"r","custom_id":"a","response":{"status_code":200,"body":{"choices":[]}},"error":null}"#;
    vec![
        after(&[0], format!("{eval},\"samples\":[{sample}]}}")),
        after(&[0], zip(&members)),
        after(&[1], pair),
        after(&[2], [request, "\0", result, "\n"].concat()),
    ]
}

fn zip(members: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in members {
        let file = zip.new_file(name).start().expect("a member");
        let (mut entry, config) = file;
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content.as_bytes()).expect("room");
        let (_, descriptor) = writer.finish().expect("it ends");
        entry.finish(descriptor).expect("it ends");
    }
    zip.finish().expect("it ends");
    bytes
}

fn locks() -> Vec<Vec<u8>> {
    let pin = |manifest: Option<&str>, source: Option<&str>| Pin {
        blake3: "a".repeat(64),
        manifest: manifest.map(|digit| format!("sha256:{}", digit.repeat(64))),
        source: source.map(|digit| digit.repeat(64)),
    };
    let mut lock = Lock::default();
    for (name, place, pin) in [
        ("ghcr.io/a/b:1.0", Place::Elsewhere, pin(Some("b"), None)),
        ("we\"ird\u{7f}.py", Place::Here, pin(None, Some("c"))),
    ] {
        let settled = lock.settle(&Mode::Add, (name, name), &pin, place);
        settled.expect("a new one is pinned");
    }
    vec![lock.text().into()]
}

const PRICES: &str = r#"{
"openai/m": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08, "max_output_tokens": 16384, "litellm_provider": "openai"},
"groq/n": {"input_cost_per_token": "0.000001", "output_cost_per_token": 2e-6, "input_cost_per_token_above_200k_tokens": 4e-6, "output_cost_per_token_above_200k_tokens": 8e-6, "input_cost_per_token_batches": 5e-7, "output_cost_per_token_batches": 1e-6}
}"#;

fn requests() -> Vec<Vec<u8>> {
    // The plugin's address, its credential's header and variable; three wishes and who it is; path, query, header, body.
    let plain = b"https://api.example.com/v1\0\x01KEY_A\0\0\0\0\x01/chat/completions\0\x01a\0b c\0\x01x-version\x001\0\x01{\"model\": \"m\"}";
    let wishes = b"https://api.example.com/v1\0\x02x-goog-api-key\0KEY_A\0\x01http://localhost:8080/base/\0\x01MY_KEY\0\x01name\0\0/a/b;c=d/%41\0\0\0\0";
    vec![plain.to_vec(), wishes.to_vec()]
}

const SCHEMAS: [&str; 2] = [
    "{\"type\": \"object\", \"required\": [\"a\"], \"additionalProperties\": false, \"properties\": {\"a\": {\"type\": \"string\", \"pattern\": \"^a+$\"}, \"b\": {\"$ref\": \"#/$defs/b\"}}, \"$defs\": {\"b\": {\"type\": \"integer\", \"minimum\": 1}}}\0{\"a\": \"aaa\", \"b\": 2}",
    "{\"allOf\": [{\"anyOf\": [{\"const\": 1}, {\"enum\": [\"x\"]}]}, {\"not\": {\"type\": \"null\"}}], \"dependentSchemas\": {\"a\": {\"minProperties\": 1}}}\0\"x\"",
];

/// Images of a guest's memory, from 0x80000 on: a score with everything, and a question.
fn values() -> Vec<Vec<u8>> {
    let word = |value: u32| value.to_le_bytes();
    let text = |at: u32, length: u32| [word(0x80000 + at), word(length)].concat();
    let some = |at: u32, length: u32| [word(1).to_vec(), text(at, length)].concat();
    // `ok(done([score]))`, the score at 16.
    let head = [word(0), word(1), word(0x80010), word(1)].concat();
    let number = [word(0), word(0)].concat();
    let score = [
        text(96, 5),
        number,
        1.0_f64.to_le_bytes().to_vec(),
        some(101, 2),
        some(101, 2),
        some(96 + 7, 9),
    ];
    let scored = [
        head,
        score.concat(),
        vec![0; 20],
        b"scoreno{\"a\":[1]}".to_vec(),
    ]
    .concat();
    vec![scored, vec![0; 64], [word(1), word(1)].concat()]
}
