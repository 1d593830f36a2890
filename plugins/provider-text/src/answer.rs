//! Answers about files and batches: objects, ids that may stand in a path, instants.

use serde_json::Value;
use std::time::UNIX_EPOCH;
use xhost_plugin::{Fault, HttpResponse};

/// The body, an object.
///
/// # Errors
/// For anything else.
pub fn object(response: &HttpResponse) -> Result<Value, Fault> {
    let body: Value = serde_json::from_str(&response.body)
        .map_err(|e| Fault::malformed(format!("the answer is not JSON: {e}")))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(Fault::malformed("the answer is not an object"))
    }
}

/// An id becomes part of a path: a server must not be able to name another one.
#[must_use]
pub fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !id.is_empty() && id.bytes().all(plain)
}

/// A path of plain names, `a/b.c`, that leads nowhere but down.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let down = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(plain);
    path.split('/').all(down)
}

/// A plain id; `None` for anything else.
#[must_use]
pub fn plain_id(id: &Value) -> Option<&str> {
    id.as_str().filter(|id| is_plain(id))
}

/// The plain id of what was made.
///
/// # Errors
/// Where there is none.
pub fn made(response: &HttpResponse) -> Result<String, Fault> {
    let body = object(response)?;
    let id = plain_id(&body["id"]).map(str::to_owned);
    id.ok_or_else(|| Fault::malformed("the answer has no `id`"))
}

/// Milliseconds since 1970 of an instant as RFC 3339 writes it, in UTC.
#[must_use]
pub fn instant_ms(instant: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339_weak(&instant.replace("+00:00", "Z")).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn response(body: &str) -> HttpResponse {
        HttpResponse {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    #[test]
    fn an_id_is_taken_only_where_it_cannot_leave_its_place_in_a_path() {
        let check = |id: Value, expect: Option<&str>| {
            let made = made(&response(&json!({ "id": id }).to_string())).ok();
            assert_eq!(made.as_deref(), expect, "{id}");
        };
        check(json!("batch_68-f2"), Some("batch_68-f2"));
        for strange in [
            json!(""),
            json!("../x"),
            json!("a/b"),
            json!("a?b"),
            json!("a%2f"),
            json!(3),
            json!(null),
        ] {
            check(strange, None);
        }
        assert!(made(&response("[]")).is_err() && made(&response("{")).is_err());
    }

    #[test]
    fn instants_are_read_with_and_without_parts_of_a_second() {
        let check = |instant: &str, expect| assert_eq!(instant_ms(instant), expect, "{instant}");
        check("1970-01-01T00:00:01Z", Some(1_000));
        check("1970-01-01T00:00:01.500000+00:00", Some(1_500));
        check("1969-01-01T00:00:00Z", None);
        check("soon", None);
    }
}
