//! Lines of request and response, as anybody can write them:
//!
//! ```text
//! {"request": BODY, "response": BODY}
//! {"request": {"url": "https://…/v1/chat/completions", "headers": {…}, "body": BODY}, "response": {"status": 200, "body": BODY}}
//! ```
//!
//! A body is a JSON object, or a string that holds one: then an answer keeps its bytes. Beside them may stand `provider`
//! (`openai`, `anthropic`), `base_url`, `status`, `error` (such a line is left out), `epoch` from 1, and `repeat` from 0.

use super::body::Fields;
use super::lines::Lines;
use super::{Address, Api, At, BODY_BYTES, Found, Item, Left, Place, Sink, Told, Why};
use crate::request::{Draw, REPEATS};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Headers that mean something to the model or to whose behalf it answers.
const MEANT: [&str; 5] = [
    "anthropic-beta",
    "anthropic-version",
    "openai-beta",
    "openai-organization",
    "openai-project",
];

/// Reads a file; `-` is the input.
pub(super) fn read(path: &Path, sink: Sink<'_>) -> io::Result<()> {
    if path == Path::new("-") {
        return read_from(io::stdin().lock(), path, sink);
    }
    read_from(File::open(path)?, path, sink)
}

fn read_from(reader: impl io::Read, path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let (file, mut lines): (Arc<Path>, _) = (path.into(), Lines::new(reader));
    while let Some(line) = lines.next()? {
        let place = Place {
            file: Arc::clone(&file),
            at: At::Line(line.number),
        };
        let pair = match line.text.map(std::str::from_utf8) {
            None => Err((Why::TooLarge, String::new())),
            Some(Err(_)) => Err((Why::Damaged, "it is not UTF-8".into())),
            Some(Ok(text)) => pair(text, &place),
        };
        sink(match pair {
            Ok(found) => Item::Found(Box::new(found)),
            Err((why, detail)) => Item::Left(Left { place, why, detail }),
        })?;
    }
    Ok(())
}

type Refusal = (Why, String);

fn refuse<T>(why: Why, detail: &str) -> Result<T, Refusal> {
    Err((why, detail.into()))
}

fn pair(text: &str, place: &Place) -> Result<Found, Refusal> {
    let line: Fields<'_> =
        serde_json::from_str(text).map_err(|error| (Why::Damaged, error.to_string()))?;
    if let Some(error) = line.some("error") {
        return Err((Why::Failed, error.into()));
    }
    let Some(request) = line.some("request") else {
        return refuse(Why::NoRequest, "");
    };
    let Some(response) = line.some("response") else {
        return refuse(Why::NoResult, "");
    };
    let request = Message::of(request, "messages")?;
    let response = Message::of(response, "choices")?;
    let status = response.status.or(number(&line, "status")?);
    if !status.is_none_or(|status| (200..300).contains(&status)) {
        return Err((Why::Failed, format!("status {}", status.unwrap_or(0))));
    }
    let mut api = None;
    if let Some(provider) = line.string("provider") {
        api = Api::of(&provider);
        if api.is_none() {
            return Err((Why::OtherApi, provider));
        }
    }
    let url = request.url.or_else(|| line.string("url"));
    let address = match (line.string("base_url"), url) {
        (Some(base_url), _) => Address::At(base_url),
        (None, Some(url)) => Address::At(base_of(&url)?),
        (None, None) => Address::Own,
    };
    Ok(Found {
        place: place.clone(),
        order: match place.at {
            At::Line(line) => line,
            At::File | At::Sample(..) => 0,
        },
        api,
        address,
        headers: request.headers,
        request: request.body,
        response: response.body,
        draw: draw(&line)?.map(Told::Draw),
        asked_ms: None,
        latency_ms: 0,
    })
}

/// A body, and what HTTP has around it.
struct Message {
    body: String,
    url: Option<String>,
    headers: Vec<(String, String)>,
    status: Option<u64>,
}

impl Message {
    /// `own` is a key that only a body has.
    fn of(text: &str, own: &str) -> Result<Message, Refusal> {
        let fields = Fields::of(text).filter(|fields| fields.get(own).is_none());
        let wrapped = fields.filter(|fields| fields.get("body").is_some());
        let Some(fields) = wrapped else {
            return Ok(Message {
                body: body(text)?,
                url: None,
                headers: Vec::new(),
                status: None,
            });
        };
        let headers = fields.get("headers").and_then(Fields::of);
        let mut meant = Vec::new();
        for (name, value) in headers.iter().flat_map(|headers| &headers.0) {
            let name = name.to_ascii_lowercase();
            if let (true, Ok(value)) = (MEANT.contains(&&*name), serde_json::from_str(value.get()))
            {
                meant.push((name, value));
            }
        }
        let status = number(&fields, "status")?.or(number(&fields, "status_code")?);
        Ok(Message {
            body: body(fields.get("body").unwrap_or(""))?,
            url: fields.string("url"),
            headers: meant,
            status,
        })
    }
}

fn body(text: &str) -> Result<String, Refusal> {
    if text.len() > 2 * BODY_BYTES {
        return refuse(Why::TooLarge, "");
    }
    let body = match text.starts_with('"') {
        true => serde_json::from_str(text)
            .map_err(|error| (Why::Damaged, format!("a body in a string: {error}")))?,
        false => text.to_owned(),
    };
    match body.len() > BODY_BYTES {
        true => refuse(Why::TooLarge, ""),
        false => Ok(body),
    }
}

fn number(fields: &Fields<'_>, key: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = fields.some(key) else {
        return Ok(None);
    };
    let number = text.parse().map(Some);
    number.map_err(|_| (Why::Damaged, format!("its `{key}` is no number")))
}

fn draw(line: &Fields<'_>) -> Result<Option<Draw>, Refusal> {
    let (epoch, repeat) = (number(line, "epoch")?, number(line, "repeat")?);
    if epoch.is_none() && repeat.is_none() {
        return Ok(None);
    }
    let epoch = u32::try_from(epoch.unwrap_or(1)).unwrap_or(0);
    let repeat = u32::try_from(repeat.unwrap_or(0)).unwrap_or(u32::MAX);
    if epoch == 0 || repeat >= REPEATS {
        return refuse(Why::TooMany, "`epoch` is from 1, `repeat` from 0 to 255");
    }
    Ok(Some(Draw { epoch, repeat }))
}

/// The base URL of an address that was called.
fn base_of(url: &str) -> Result<String, Refusal> {
    let known = ["/chat/completions", "/v1/messages"];
    let base = known.iter().find_map(|path| url.strip_suffix(path));
    let base = base.filter(|base| base.starts_with("http"));
    base.map(str::to_owned).ok_or_else(|| {
        let what = format!(
            "its URL `{url}` ends neither in {} nor in {}",
            known[0], known[1]
        );
        (Why::NoAddress, what)
    })
}

#[cfg(test)]
mod tests {
    use super::read_from;
    use crate::foreign::{Address, Api, Item, Told, Why};
    use crate::request::Draw;
    use std::path::Path;

    fn items(text: &str) -> Vec<Item> {
        let mut items = Vec::new();
        read_from(text.as_bytes(), Path::new("f.jsonl"), &mut |item| {
            items.push(item);
            Ok(())
        })
        .expect("it is read");
        items
    }

    #[test]
    fn a_pair_is_read_with_what_http_has_around_it() {
        let plain = r#"{"request":{"model":"m","messages":[]},"response":{"choices":[]}}"#;
        let wrapped = r#"{"request": {"url": "https://h/v1/chat/completions", "headers": {"OpenAI-Project": "p",
            "authorization": "Bearer k"}, "body": {"messages": []}}, "response": {"status": 201, "body": "{\"choices\": 1.0}"},
            "epoch": 3, "provider": "openai"}"#;
        let items = items(&format!("{plain}\n{}\n", wrapped.replace('\n', "")));
        let [Item::Found(first), Item::Found(second)] = items.as_slice() else {
            panic!("{items:?}");
        };
        assert_eq!(first.request, r#"{"model":"m","messages":[]}"#);
        assert_eq!(
            (&first.address, first.api, first.draw),
            (&Address::Own, None, None)
        );
        assert_eq!(second.response, r#"{"choices": 1.0}"#, "its bytes are kept");
        assert_eq!(second.address, Address::At("https://h/v1".into()));
        assert_eq!(second.headers, [("openai-project".into(), "p".into())]);
        let draw = Draw {
            epoch: 3,
            repeat: 0,
        };
        assert_eq!(
            (second.api, second.draw),
            (Some(Api::OpenAi), Some(Told::Draw(draw)))
        );
        assert_eq!(second.place.to_string(), "f.jsonl:2");
    }

    #[test]
    fn what_holds_no_answer_is_left_out_with_its_reason() {
        for (line, why) in [
            ("{", Why::Damaged),
            ("[]", Why::Damaged),
            ("\u{1}", Why::Damaged),
            (r#"{"request":{},"response":{},"status":"x"}"#, Why::Damaged),
            (r#"{"request":"{}","response":"\ud800"}"#, Why::Damaged),
            (r#"{"response":{}}"#, Why::NoRequest),
            (r#"{"request":{},"response":null}"#, Why::NoResult),
            (
                r#"{"request":{},"response":{},"error":"late"}"#,
                Why::Failed,
            ),
            (r#"{"request":{},"response":{},"status":429}"#, Why::Failed),
            (
                r#"{"request":{},"response":{"status_code":500,"body":{}}}"#,
                Why::Failed,
            ),
            (
                r#"{"request":{},"response":{},"provider":"x"}"#,
                Why::OtherApi,
            ),
            (
                r#"{"request":{"url":"https://h/v1/responses","body":{}},"response":{}}"#,
                Why::NoAddress,
            ),
            (r#"{"request":{},"response":{},"epoch":0}"#, Why::TooMany),
            (r#"{"request":{},"response":{},"repeat":256}"#, Why::TooMany),
        ] {
            let items = items(line);
            let [Item::Left(left)] = items.as_slice() else {
                panic!("{line}: {items:?}");
            };
            assert_eq!(left.why, why, "{line}: {}", left.detail);
        }
    }
}
