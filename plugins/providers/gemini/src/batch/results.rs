//! What a batch came to: lines of a file, `{"key", "response" | "error"}`, or a list within the operation.

use crate::failure;
use provider_text::line;
use serde_json::Value;
use serde_json::value::RawValue;
use xhost_plugin::{Fault, LineOutcome, RawFields};

/// Where an operation shows what came of it: when it is over, in its metadata, and as servers have it that imitate the API.
pub fn outputs(operation: &Value) -> [&Value; 3] {
    [
        &operation["response"],
        &operation["metadata"]["output"],
        &operation["dest"],
    ]
}

/// The list of results, where it is in the operation.
pub fn inlined(operation: &Value) -> Option<&Vec<Value>> {
    let inlined = |output: &&'_ Value| !output["inlinedResponses"].is_null();
    let list = &outputs(operation).into_iter().find(inlined)?["inlinedResponses"];
    list.as_array()
        .or_else(|| list["inlinedResponses"].as_array())
}

/// One result, as a file's line has it; in a list, its name may stand elsewhere.
pub fn read_line(text: &str) -> Result<(String, LineOutcome), Fault> {
    let line = line::members(text)?;
    let id = name(&line)?;
    let outcome = match (line.get("response"), line.get("error")) {
        (_, Some(error)) => errored(error),
        (Some(response), None) => LineOutcome::Completed(response.into()),
        (None, None) => LineOutcome::Failed(Fault::malformed(
            "a result line holds neither answer nor error",
        )),
    };
    Ok((id, outcome))
}

fn name(line: &RawFields<'_>) -> Result<String, Fault> {
    if let Some(metadata) = line.get("metadata") {
        return line::text(&line::members(metadata)?, "key");
    }
    line::text(line, "key").or_else(|fault| line::text(line, "custom_id").map_err(|_| fault))
}

/// The batch was cancelled, or its time was over, before this request's turn; else the error of a live call.
fn errored(error: &str) -> LineOutcome {
    let error: Value = serde_json::from_str(error).unwrap_or_default();
    match error["code"].as_u64() {
        Some(1) => LineOutcome::Cancelled,
        Some(4) => LineOutcome::Expired,
        _ => LineOutcome::Failed(failure::of_status(&error, 0)),
    }
}

/// A line, or an operation with all results in it.
pub fn read_all(text: &str) -> Vec<Result<(String, LineOutcome), Fault>> {
    let one = read_line(text);
    let many = one.is_err().then(|| results(text)).flatten();
    match many {
        Some(results) => results
            .iter()
            .map(|result| read_line(result.get()))
            .collect(),
        None => vec![one],
    }
}

/// The results within an operation, as they are written there.
fn results(operation: &str) -> Option<Vec<Box<RawValue>>> {
    let within = |object: &str, name: &str| {
        let found = RawFields::of(object).ok()?.get(name);
        found.map(str::to_owned)
    };
    let metadata = within(operation, "metadata").unwrap_or_default();
    let outputs = [
        within(operation, "response"),
        within(&metadata, "output"),
        within(operation, "dest"),
    ];
    let lists = outputs.into_iter().flatten();
    let mut lists = lists.filter_map(|output| within(&output, "inlinedResponses"));
    let list = lists.next()?;
    let list = within(&list, "inlinedResponses").unwrap_or(list);
    serde_json::from_str(&list).ok()
}
