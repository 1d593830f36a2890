//! Batch files: requests in some, results in others, matched by `custom_id` in any order. The names' hashes and the places
//! of their lines are sorted on disk; lines are read again where they lie, so that memory does not grow with the files.

use super::body::Fields;
use super::lines::Lines;
use super::{Address, Api, At, Found, Item, Left, Place, Sink, Why};
use crate::sort::Sorter;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// name 16 | request 0, result 1 | file u16 | line u64 | offset u64 | length u32, all big-endian.
const WIDTH: usize = 39;

/// Where a line lies.
#[derive(Clone, Copy)]
struct Lying {
    name: [u8; 16],
    role: u8,
    file: u16,
    line: u64,
    offset: u64,
    length: u32,
}

impl Lying {
    fn to_bytes(self) -> [u8; WIDTH] {
        let mut bytes = [0; WIDTH];
        bytes[..16].copy_from_slice(&self.name);
        bytes[16] = self.role;
        bytes[17..19].copy_from_slice(&self.file.to_be_bytes());
        bytes[19..27].copy_from_slice(&self.line.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.offset.to_be_bytes());
        bytes[35..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; WIDTH]) -> Lying {
        let part = |from: usize| std::array::from_fn(|at| bytes[from + at]);
        Lying {
            name: std::array::from_fn(|at| bytes[at]),
            role: bytes[16],
            file: u16::from_be_bytes([bytes[17], bytes[18]]),
            line: u64::from_be_bytes(part(19)),
            offset: u64::from_be_bytes(part(27)),
            length: u32::from_be_bytes(std::array::from_fn(|at| bytes[35 + at])),
        }
    }
}

/// Reads the files of one batch, or of several whose names differ.
pub(super) fn read(requests: &[PathBuf], results: &[PathBuf], sink: Sink<'_>) -> io::Result<()> {
    let mut desk = Desk {
        files: Vec::new(),
        sorter: Sorter::default(),
    };
    for (role, paths) in [(0, requests), (1, results)] {
        for path in paths {
            let walked = desk.walk(path, role, sink);
            super::told(path, walked, sink)?;
        }
    }
    desk.join(sink)
}

struct Desk {
    files: Vec<(Arc<Path>, File)>,
    sorter: Sorter<WIDTH>,
}

impl Desk {
    /// Notes where each line lies.
    fn walk(&mut self, path: &Path, role: u8, sink: Sink<'_>) -> io::Result<()> {
        let number = u16::try_from(self.files.len()).map_err(io::Error::other)?;
        let file = document::as_lines(path)?;
        let shown: Arc<Path> = path.into();
        let mut lines = Lines::new(&file);
        while let Some(line) = lines.next()? {
            let name = match line.text {
                None => Err((Why::TooLarge, String::new())),
                Some(text) => name(text),
            };
            match name {
                Ok(name) => self.sorter.add(
                    Lying {
                        name,
                        role,
                        file: number,
                        line: line.number,
                        offset: line.offset,
                        length: line.text.map_or(0, <[u8]>::len) as u32,
                    }
                    .to_bytes(),
                )?,
                Err((why, detail)) => {
                    let at = At::Line(line.number);
                    let file = Arc::clone(&shown);
                    let place = Place { file, at };
                    sink(Item::Left(Left { place, why, detail }))?;
                }
            }
        }
        self.files.push((shown, file));
        Ok(())
    }

    fn join(mut self, sink: Sink<'_>) -> io::Result<()> {
        let mut group = Group::default();
        for record in std::mem::take(&mut self.sorter).sorted()? {
            let lying = Lying::from_bytes(&record?);
            if group.name != Some(lying.name) {
                self.end(std::mem::take(&mut group), sink)?;
                group.name = Some(lying.name);
            }
            match (lying.role, &group.request) {
                (0, None) => group.request = Some(lying),
                (0, Some(_)) => group.requests_differ = true,
                (_, None) => self.leave(lying, Why::NoRequest, "", sink)?,
                (_, Some(_)) if group.requests_differ => {
                    self.leave(lying, Why::Twice, TWICE, sink)?;
                    group.told = true;
                }
                (_, Some(request)) => match self.result(lying)? {
                    Ok(_) if group.told => self.leave(lying, Why::Twice, TWICE, sink)?,
                    Ok((api, response)) => {
                        group.told = true;
                        let item = self.found(*request, lying, api, response)?;
                        sink(item)?;
                    }
                    Err((why, detail)) => group.failed = Some((lying, why, detail)),
                },
            }
        }
        self.end(group, sink)
    }

    /// What is left to say of a name.
    fn end(&self, group: Group, sink: Sink<'_>) -> io::Result<()> {
        match (group.request, group.failed) {
            _ if group.told => Ok(()),
            (_, Some((lying, why, detail))) => self.leave(lying, why, &detail, sink),
            (Some(request), None) => self.leave(request, Why::NoResult, "", sink),
            (None, None) => Ok(()),
        }
    }

    fn leave(&self, lying: Lying, why: Why, detail: &str, sink: Sink<'_>) -> io::Result<()> {
        let (place, detail) = (self.place(lying), detail.to_owned());
        sink(Item::Left(Left { place, why, detail }))
    }

    fn place(&self, lying: Lying) -> Place {
        Place {
            file: Arc::clone(&self.files[usize::from(lying.file)].0),
            at: At::Line(lying.line),
        }
    }

    fn line(&self, lying: Lying) -> io::Result<String> {
        let mut bytes = vec![0; lying.length as usize];
        let (_, file) = &self.files[usize::from(lying.file)];
        file.read_exact_at(&mut bytes, lying.offset)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    fn result(&self, lying: Lying) -> io::Result<Result<(Api, String), Refusal>> {
        Ok(result(&self.line(lying)?))
    }

    fn found(&self, request: Lying, result: Lying, api: Api, response: String) -> io::Result<Item> {
        let place = self.place(request);
        let body = match body(&self.line(request)?) {
            Ok(body) => body,
            Err((why, detail)) => {
                let left = Left { place, why, detail };
                return Ok(Item::Left(left));
            }
        };
        debug_assert_eq!(result.name, request.name);
        Ok(Item::Found(Box::new(Found {
            place,
            order: u64::from(request.file) << 48 | request.line,
            api: Some(api),
            address: Address::Own,
            headers: Vec::new(),
            request: body,
            response,
            draw: None,
            asked_ms: None,
            latency_ms: 0,
        })))
    }
}

/// What is known of a name.
#[derive(Default)]
struct Group {
    name: Option<[u8; 16]>,
    request: Option<Lying>,
    requests_differ: bool,
    /// Its answer, or that it cannot have one.
    told: bool,
    failed: Option<(Lying, Why, String)>,
}

const TWICE: &str = "its `custom_id` is there twice: import the files of each batch by themselves";

type Refusal = (Why, String);

#[expect(
    clippy::needless_pass_by_value,
    reason = "an error that is told has no other use"
)]
fn damaged(error: impl ToString) -> Refusal {
    (Why::Damaged, error.to_string())
}

/// The hash of a line's `custom_id`: 16 bytes of blake3.
fn name(line: &[u8]) -> Result<[u8; 16], Refusal> {
    #[derive(serde::Deserialize)]
    struct Named {
        custom_id: String,
    }
    std::str::from_utf8(line).map_err(damaged)?;
    let named: Named = serde_json::from_slice(line).map_err(damaged)?;
    let hash = blake3::hash(named.custom_id.as_bytes());
    Ok(std::array::from_fn(|at| hash.as_bytes()[at]))
}

/// The body of a request's line.
fn body(line: &str) -> Result<String, Refusal> {
    let fields: Fields<'_> = serde_json::from_str(line).map_err(damaged)?;
    if let Some(url) = fields
        .string("url")
        .filter(|url| !url.ends_with("/chat/completions"))
    {
        return Err((Why::OtherApi, url));
    }
    let body = fields.get("body").or_else(|| fields.get("params"));
    body.map(str::to_owned)
        .ok_or_else(|| damaged("it has neither `body` nor `params`"))
}

/// The answer in a result's line.
fn result(line: &str) -> Result<(Api, String), Refusal> {
    let fields: Fields<'_> = serde_json::from_str(line).map_err(damaged)?;
    if let Some(result) = fields.some("result") {
        let result = Fields::of(result).ok_or_else(|| damaged("its `result` is no object"))?;
        return match (result.string("type").as_deref(), result.get("message")) {
            (Some("succeeded"), Some(message)) => Ok((Api::Anthropic, message.into())),
            (kind, _) => {
                let error = result.some("error").unwrap_or_default();
                let kind = kind.unwrap_or("no type");
                Err((Why::Failed, format!("{kind} {error}").trim().into()))
            }
        };
    }
    if let Some(error) = fields.some("error") {
        return Err((Why::Failed, error.into()));
    }
    let response = fields.some("response").and_then(Fields::of);
    let response = response.ok_or_else(|| damaged("it holds neither answer nor error"))?;
    match (response.get("status_code"), response.some("body")) {
        (Some("200"), Some(body)) => Ok((Api::OpenAi, body.into())),
        (status, body) => {
            let (status, body) = (status.unwrap_or("none"), body.unwrap_or_default());
            Err((Why::Failed, format!("status {status} {body}")))
        }
    }
}

/// Requests in one document.
mod document;

#[cfg(test)]
mod tests;
