//! Answers as a chat API gives them, around the published texts of GSM8K.

use std::path::Path;
use xhost_store::{Answer, Digest, Entry};

/// The published answers, in the order of their questions, where they are at hand.
pub fn texts() -> Vec<String> {
    // Cargo runs this in its own folder, wherever it is called from.
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let named = std::env::var("XHOST_SHARED_DATA").unwrap_or_else(|_| beside.into());
    let path = Path::new(&named).join("gsm8k/replies.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("{} is not there: made-up texts, which say nothing about sizes", path.display());
        return (0..2_000).map(|n| format!("{n} and {} make {}. ", n * 7, n * 8).repeat(20)).collect();
    };
    let reply = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        row["reply"].as_str().expect("a text").to_owned()
    };
    text.lines().map(reply).collect()
}

/// An answer as a chat API gives it. No two are equal.
pub fn entry(number: usize, texts: &[String]) -> Entry {
    let id = blake3::hash(&number.to_le_bytes());
    let body = serde_json::json!({
        "id": format!("chatcmpl-{}", &id.to_hex()[..29]),
        "object": "chat.completion",
        "created": 1_790_000_000 + number,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": texts[number % texts.len()], "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 60 + number % 90, "completion_tokens": 50 + number % 70, "total_tokens": 110 + number % 160,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": format!("fp_{:010x}", number % 7),
    });
    let answer = Answer {
        body: body.to_string().into_bytes().into(),
        status: 200,
        api: "openai.chat".into(),
        model: "gpt-4o-mini-2024-07-18".into(),
        headers: vec![("x-request-id".into(), id.to_hex()[..20].to_string())],
        created_ms: 1_790_000_000_000 + number as u64,
        latency_ms: (number % 3_000) as u32,
    };
    Entry::from((Digest::from_bytes(*id.as_bytes()), answer))
}

/// Answers from this number on, in groups.
pub fn groups(from: usize, count: usize, group: usize, texts: &[String]) -> Vec<Vec<Entry>> {
    (0..count)
        .map(|n| (0..group).map(|m| entry(from + n * group + m, texts)).collect())
        .collect()
}
