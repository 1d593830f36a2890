//! The store's own things as fields of messages. Each is taken apart by name, so that a new field cannot be forgotten.

use super::wire::{Malformed, Reader, Writer};
use serde::{Serialize, de::DeserializeOwned};
use xhost_store::{Answer, Begun, Change, Digest, Entry, Put, Touched, Wish};

/// No answer has more of them.
const HEADERS: usize = 1_024;

pub(super) fn answer(out: &mut Writer, answer: &Answer) {
    let Answer {
        body,
        status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    } = answer;
    out.u16(*status);
    out.u32(*latency_ms);
    out.u64(*created_ms);
    out.text(api);
    out.text(model);
    out.count(headers.len());
    for (name, value) in headers {
        out.text(name);
        out.text(value);
    }
    out.bytes(body);
}

pub(super) fn read_answer(from: &mut Reader) -> Result<Answer, Malformed> {
    let (status, latency_ms, created_ms) = (from.u16()?, from.u32()?, from.u64()?);
    let (api, model) = (from.text()?, from.text()?);
    let mut count = 0;
    let headers = from.list(|one| {
        count += 1;
        if count > HEADERS {
            return Err(Malformed);
        }
        Ok((one.text()?, one.text()?))
    })?;
    Ok(Answer {
        body: from.bytes()?,
        status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    })
}

pub(super) fn entry(out: &mut Writer, entry: &Entry) {
    let Entry {
        digest,
        answer: given,
        request,
        wish,
    } = entry;
    out.plain(digest.as_bytes());
    out.byte(match wish {
        Wish::Keep => 0,
        Wish::Replace => 1,
    });
    out.optional(request.as_deref());
    answer(out, given);
}

pub(super) fn read_entry(from: &mut Reader) -> Result<Entry, Malformed> {
    Ok(Entry {
        digest: Digest::from_bytes(from.array()?),
        wish: match from.byte()? {
            0 => Wish::Keep,
            1 => Wish::Replace,
            _ => return Err(Malformed),
        },
        request: from.optional()?,
        answer: read_answer(from)?,
    })
}

pub(super) fn change(out: &mut Writer, change: &Change) {
    let (key, value) = match change {
        Change::Put { key, value } => (key, Some(value.as_slice())),
        Change::Delete { key } => (key, None),
    };
    out.bytes(key);
    out.optional(value);
}

pub(super) fn read_change(from: &mut Reader) -> Result<Change, Malformed> {
    let key = from.bytes()?.into();
    Ok(match from.optional()? {
        Some(value) => Change::Put {
            key,
            value: value.into(),
        },
        None => Change::Delete { key },
    })
}

pub(super) fn touched(out: &mut Writer, touched: &Touched) {
    let Touched {
        run,
        number,
        digests,
    } = touched;
    begun(out, run);
    out.u64(*number);
    out.count(digests.len());
    digests.iter().for_each(|one| out.plain(one.as_bytes()));
}

pub(super) fn read_touched(from: &mut Reader) -> Result<Touched, Malformed> {
    Ok(Touched {
        run: read_begun(from)?,
        number: from.u64()?,
        digests: from.list(|one| one.array().map(Digest::from_bytes))?,
    })
}

pub(super) fn begun(out: &mut Writer, begun: &Begun) {
    let Begun {
        id,
        generation,
        started_ms,
    } = begun;
    out.text(&id.to_string());
    out.u32(*generation);
    out.u64(*started_ms);
}

pub(super) fn read_begun(from: &mut Reader) -> Result<Begun, Malformed> {
    Ok(Begun {
        id: from.text()?.parse().map_err(|_| Malformed)?,
        generation: from.u32()?,
        started_ms: from.u64()?,
    })
}

pub(super) fn put(put: Put) -> u8 {
    match put {
        Put::Stored => 0,
        Put::AlreadyThere => 1,
        Put::Conflict => 2,
        Put::Replaced => 3,
    }
}

pub(super) fn read_put(from: &mut Reader) -> Result<Put, Malformed> {
    match from.byte()? {
        0 => Ok(Put::Stored),
        1 => Ok(Put::AlreadyThere),
        2 => Ok(Put::Conflict),
        3 => Ok(Put::Replaced),
        _ => Err(Malformed),
    }
}

/// What is said rarely, as JSON.
pub(super) fn json(out: &mut Writer, value: &impl Serialize) {
    // These have only text keys and finite numbers; nothing at all is refused by whoever reads it.
    out.bytes(&serde_json::to_vec(value).unwrap_or_default());
}

pub(super) fn read_json<T: DeserializeOwned>(from: &mut Reader) -> Result<T, Malformed> {
    serde_json::from_slice(&from.bytes()?).map_err(|_| Malformed)
}

pub(super) fn read_optional_text(from: &mut Reader) -> Result<Option<String>, Malformed> {
    let bytes = from.optional()?;
    bytes
        .map(|bytes| String::from_utf8(bytes.into()).map_err(|_| Malformed))
        .transpose()
}
