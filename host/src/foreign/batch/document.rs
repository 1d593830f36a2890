//! `{"requests": […]}`, as Anthropic's API takes a batch, turned into lines: one request at a time is in memory.

use crate::foreign::body::compact;
use crate::foreign::lines::LINE_BYTES;
use crate::foreign::metered::{self, Meter, Metered};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// The file's lines; those of its requests where it is one document.
pub(super) fn as_lines(path: &Path) -> io::Result<File> {
    let mut file = File::open(path)?;
    let mut beginning = Vec::new();
    (&file).take(4_096).read_to_end(&mut beginning)?;
    file.rewind()?;
    if !is_document(&beginning) {
        return Ok(file);
    }
    let mut out = BufWriter::new(tempfile::tempfile()?);
    let (reader, meter) = Metered::new(BufReader::new(file), LINE_BYTES);
    let mut reader = serde_json::Deserializer::from_reader(reader);
    let out_of = Document {
        out: &mut out,
        meter,
    };
    reader
        .deserialize_map(out_of)
        .and_then(|()| reader.end())
        .map_err(metered::failed)?;
    let mut lines = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    lines.rewind()?;
    Ok(lines)
}

fn is_document(beginning: &[u8]) -> bool {
    let mut bytes = beginning
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace());
    b"{\"requests\":["
        .iter()
        .all(|expected| bytes.next() == Some(*expected))
}

struct Document<'o> {
    out: &'o mut BufWriter<File>,
    meter: Meter,
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `requests`")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "requests" => map.next_value_seed(Requests(&mut self))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }
}

struct Requests<'d, 'o>(&'d mut Document<'o>);

impl<'de> DeserializeSeed<'de> for Requests<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Requests<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            self.0.meter.begin();
            // What is no JSON to everybody is told as a line without a name.
            let line = compact(item.get()).unwrap_or_else(|_| "{}".into());
            writeln!(self.0.out, "{line}").map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}
