//! What a request takes from a prompt: JSON as it was written, parts where the API takes them, `sampling.extra`.

use serde_json::value::RawValue;
use xhost_plugin::{Body, Part, Refusal};

/// JSON as it was written.
///
/// # Errors
/// Where it is none.
pub fn json(what: &str, text: &str) -> Result<Box<RawValue>, Refusal> {
    serde_json::from_str(text).map_err(|e| Refusal::bad_params(format!("{what} is not JSON: {e}")))
}

/// A body with the members of `sampling.extra`, an object: they come last, and win.
///
/// # Errors
/// Where it is no object.
pub fn merged(body: Body, extra: &str) -> Result<Body, Refusal> {
    body.merge(extra)
        .map_err(|e| Refusal::bad_params(format!("sampling.extra is not an object: {e}")))
}

/// Answers that are paid for and never looked at help nobody.
///
/// # Errors
/// Where a body asks for more than one answer (`n`), or for one in pieces.
pub fn refuse_what_is_not_read(body: &Body) -> Result<(), Refusal> {
    if body.get("n").is_some_and(|n| n != "1") {
        return Err(Refusal::bad_params(
            "sampling.extra asks for several answers at once (`n`); set `epochs` instead",
        ));
    }
    if body.get("stream").is_some_and(|stream| stream != "false") {
        return Err(Refusal::bad_params(
            "sampling.extra sets `stream`; answers are read whole: remove it",
        ));
    }
    Ok(())
}

/// A part that a message of this role cannot have.
#[must_use]
pub fn misplaced(part: &Part, role: &str) -> Refusal {
    let what = match part {
        Part::Text(_) => "text",
        Part::Media(_) => "medium",
        Part::ToolCall(_) => "tool call",
        Part::ToolResult(_) => "tool result",
        Part::Reasoning(_) => "reasoning",
    };
    Refusal::unsupported(format!(
        "the API takes no {what} in a message of the role {role}"
    ))
}
