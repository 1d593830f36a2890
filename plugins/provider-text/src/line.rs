//! Result lines. All of them name their request; OpenAI's form, `{"custom_id", "response": {"status_code", "body"},
//! "error"}`, is Groq's, Azure's, Together's and Mistral's too. Bodies are kept as the text that stands in the line.

use serde_json::Value;
use xhost_plugin::{Fault, HttpResponse, LineOutcome, RawFields};

/// The members of a result line, or of an object in it, as they are written there.
///
/// # Errors
/// Where the line is no JSON object.
pub fn members(line: &str) -> Result<RawFields<'_>, Fault> {
    RawFields::of(line).map_err(|e| Fault::malformed(format!("a result line is not JSON: {e}")))
}

/// The text that a member holds.
///
/// # Errors
/// Where there is no such text.
pub fn text(members: &RawFields<'_>, name: &str) -> Result<String, Fault> {
    let text = members.get(name);
    let text = text.and_then(|text| serde_json::from_str(text).ok());
    text.ok_or_else(|| Fault::malformed(format!("a result line has no `{name}`")))
}

/// A line in OpenAI's form. `diagnose` reads an error as a live call would have got it.
///
/// # Errors
/// Where the line does not name its request.
pub fn openai(
    line: &str,
    diagnose: impl Fn(&HttpResponse) -> Fault,
) -> Result<(String, LineOutcome), Fault> {
    let line = members(line)?;
    let custom_id = text(&line, "custom_id")?;
    if let Some(error) = line.get("error") {
        return Ok((custom_id, unanswered(error, diagnose)));
    }
    let Some(response) = line.get("response") else {
        let nothing = Fault::malformed("a result line holds neither answer nor error");
        return Ok((custom_id, LineOutcome::Failed(nothing)));
    };
    let response = members(response)?;
    let status = response.get("status_code");
    let status = status.and_then(|text| text.parse().ok());
    let body = response.get("body").unwrap_or("null");
    let outcome = match status.unwrap_or(0) {
        200 => LineOutcome::Completed(body.into()),
        status => LineOutcome::Failed(diagnose(&told(status, body))),
    };
    Ok((custom_id, outcome))
}

/// A request that never came to an answer.
fn unanswered(error: &str, diagnose: impl Fn(&HttpResponse) -> Fault) -> LineOutcome {
    let told_as: Value = serde_json::from_str(error).unwrap_or_default();
    match told_as["code"].as_str().unwrap_or_default() {
        "batch_expired" => LineOutcome::Expired,
        "batch_cancelled" | "batch_canceled" => LineOutcome::Cancelled,
        _ => LineOutcome::Failed(diagnose(&told(400, &format!(r#"{{"error":{error}}}"#)))),
    }
}

/// An error of a line as a live call would have got it.
#[must_use]
pub fn told(status: u16, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_plugin::FaultKind;

    fn diagnose(response: &HttpResponse) -> Fault {
        Fault::new(
            FaultKind::Rejected,
            format!("{} {}", response.status, response.body),
        )
    }

    fn read(rest: &str) -> LineOutcome {
        let line = format!(r#"{{"id": "r", "custom_id": "a", {rest}}}"#);
        let (id, outcome) = openai(&line, diagnose).unwrap();
        assert_eq!(id, "a");
        outcome
    }

    #[test]
    fn a_line_is_an_answer_only_with_status_200_and_no_error() {
        let failed = |words: &str| LineOutcome::Failed(Fault::new(FaultKind::Rejected, words));
        let check = |rest: &str, expect| assert_eq!(read(rest), expect, "{rest}");
        check(
            r#""response": {"status_code": 200, "body": {"n": 1.0,  "x":1e3}}, "error": null"#,
            LineOutcome::Completed(r#"{"n": 1.0,  "x":1e3}"#.into()),
        );
        check(
            r#""response": {"status_code": 429, "body": {"e": 1}}"#,
            failed(r#"429 {"e": 1}"#),
        );
        check(
            r#""response": {"status_code": 0, "body": null}"#,
            failed("0 null"),
        );
        check(r#""response": {"body": {}}"#, failed("0 {}"));
        check(
            r#""error": "no words""#,
            failed(r#"400 {"error":"no words"}"#),
        );
        check(
            r#""response": null, "error": {"code": "x"}"#,
            failed(r#"400 {"error":{"code": "x"}}"#),
        );
        check(
            r#""error": {"code": "batch_expired"}"#,
            LineOutcome::Expired,
        );
        check(
            r#""error": {"code": "batch_cancelled"}"#,
            LineOutcome::Cancelled,
        );
        assert!(matches!(
            read(r#""response": null"#),
            LineOutcome::Failed(_)
        ));
    }

    #[test]
    fn a_line_without_a_name_is_no_line() {
        for line in [
            "{}",
            r#"{"custom_id": null}"#,
            r#"{"custom_id": 7}"#,
            "[]",
            "{\"custom_id\": \"a",
        ] {
            assert!(openai(line, diagnose).is_err(), "{line}");
        }
    }
}
