//! `.eval`: a zip, read member by member. No member becomes a file, so its name leads nowhere; none is unpacked beyond a
//! limit, whatever it says of its size; and together they are no longer than the file, so that none is there twice.

use super::{Header, SAMPLE_BYTES, invalid, sample};
use crate::foreign::{At, Item, Left, Place, Sink, Why};
use rawzip::{
    CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Unpacked bytes for each packed one: a log of one word says it more often, and is no log.
const RATIO: u64 = 2_000;

/// What any member may unpack to.
const SMALL: u64 = 16 << 20;

/// 32 MiB: what unpacking a member may keep of it. Inspect's own writing takes 8.
const WINDOW_LOG: u32 = 25;

/// Reads a log.
pub(super) fn read(file: &File, path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_file(file.try_clone()?, &mut buffer).map_err(zip)?;
    let log = Log { archive };
    let header = log.header(file.metadata()?.len())?;
    let path: Arc<Path> = path.into();
    let mut entries = log.archive.entries(&mut buffer);
    let mut trial = 0;
    while let Some(entry) = entries.next_entry().map_err(zip)? {
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        let Some((id, epoch, rest)) = named(&name) else {
            continue;
        };
        let file = Arc::clone(&path);
        let at = At::Sample(id.into(), epoch);
        let place = Place { file, at };
        trial += 1;
        if rest == "/sample.json" {
            let detail = "the sample is in chunks, which is not understood".into();
            let why = Why::NoCall;
            sink(Item::Left(Left { place, why, detail }))?;
            continue;
        }
        if rest != ".json" {
            continue;
        }
        match log.unpack(entry.wayfinder(), entry.compression_method()) {
            Ok(text) => sample::read(&text, &header, &place, trial, sink)?,
            Err((why, detail)) => sink(Item::Left(Left { place, why, detail }))?,
        }
    }
    Ok(())
}

/// The id and epoch of a sample's member, and what follows.
fn named(name: &str) -> Option<(&str, u32, &str)> {
    let (id, after) = name.strip_prefix("samples/")?.rsplit_once("_epoch_")?;
    let digits = after.find(|c: char| !c.is_ascii_digit())?;
    Some((id, after[..digits].parse().ok()?, &after[digits..]))
}

struct Log {
    archive: ZipArchive<FileReader>,
}

type Refusal = (Why, String);

impl Log {
    /// What is said at the end of a log that ended, else what was said at its beginning.
    fn header(&self, length: u64) -> io::Result<Header> {
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let mut entries = self.archive.entries(&mut buffer);
        let mut packed = 0_u64;
        let mut found: Option<(_, _, bool)> = None;
        while let Some(entry) = entries.next_entry().map_err(zip)? {
            packed = packed.saturating_add(entry.compressed_size_hint());
            let (path, method) = (entry.file_path(), entry.compression_method());
            let ended = path.as_bytes() == b"header.json";
            let begun = path.as_bytes() == b"_journal/start.json";
            if ended || begun && found.is_none_or(|(_, _, ended)| !ended) {
                found = Some((entry.wayfinder(), method, ended));
            }
        }
        if packed > length {
            return Err(invalid("its members lie one over the other"));
        }
        let (member, method, _) = found.ok_or_else(|| invalid("it has no header of a log"))?;
        let text = self.unpack(member, method);
        let text = text.map_err(|(_, detail)| invalid(format!("its header {detail}")))?;
        let fields = crate::foreign::body::Fields::of(&text);
        let eval = fields.as_ref().and_then(|fields| fields.get("eval"));
        let eval = eval.ok_or_else(|| invalid("its header has no `eval`"))?;
        Header::of(eval).map_err(invalid)
    }

    fn unpack(
        &self,
        member: ZipArchiveEntryWayfinder,
        method: CompressionMethod,
    ) -> Result<String, Refusal> {
        let damaged = |error: String| (Why::Damaged, error);
        let packed = member.compressed_size_hint();
        let limit = (SAMPLE_BYTES as u64).min(SMALL + packed.saturating_mul(RATIO));
        let entry = self.archive.get_entry(member);
        let entry = entry.map_err(|error| damaged(error.to_string()))?;
        let reader = io::BufReader::new(entry.reader());
        let unpacked: Box<dyn Read> = match method {
            CompressionMethod::STORE => Box::new(reader),
            CompressionMethod::DEFLATE => Box::new(flate2::bufread::DeflateDecoder::new(reader)),
            CompressionMethod::ZSTD => Box::new(zstd(reader).map_err(|e| damaged(e.to_string()))?),
            _ => return Err(damaged("is packed in an unknown way".into())),
        };
        let mut bytes = Vec::new();
        let read = entry
            .verifying_reader(unpacked)
            .take(limit + 1)
            .read_to_end(&mut bytes);
        if bytes.len() as u64 > limit {
            let what = format!("unpacks to more than {} MiB", limit >> 20);
            return Err((Why::TooLarge, what));
        }
        read.map_err(|error| damaged(error.to_string()))?;
        String::from_utf8(bytes).map_err(|_| damaged("is not UTF-8".into()))
    }
}

fn zstd<R: io::BufRead>(reader: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(reader)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

/// A place that no file can have is an invalid argument to the system: the zip's fault, and not the disk's.
fn zip(error: rawzip::Error) -> io::Error {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if error.kind() != io::ErrorKind::InvalidInput => error,
        kind => invalid(format!("it is no whole zip: {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_samples_member_is_known_by_its_name() {
        for (name, expected) in [
            ("samples/1_epoch_2.json", Some(("1", 2, ".json"))),
            (
                "samples/a/b_epoch_1_epoch_3.json",
                Some(("a/b_epoch_1", 3, ".json")),
            ),
            (
                "samples/1_epoch_2/sample.json",
                Some(("1", 2, "/sample.json")),
            ),
            (
                "samples/1_epoch_2/events/0.json",
                Some(("1", 2, "/events/0.json")),
            ),
            ("samples/1_epoch_99999999999.json", None),
            ("../samples/1_epoch_2.json", None),
            ("_journal/start.json", None),
            ("samples/x.json", None),
        ] {
            assert_eq!(named(name), expected, "{name}");
        }
    }
}
