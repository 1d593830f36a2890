//! `.json`: one document, in which `eval` stands before `samples`. One sample at a time is in memory.

use super::{Header, SAMPLE_BYTES, sample};
use crate::foreign::metered::{self, Meter, Metered};
use crate::foreign::{At, Place, Sink};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Reads a log.
pub(super) fn read(path: &Path, sink: Sink<'_>) -> io::Result<()> {
    let (reader, meter) = Metered::new(BufReader::new(File::open(path)?), SAMPLE_BYTES);
    let mut reader = serde_json::Deserializer::from_reader(reader);
    let mut refused = None;
    let log = Log {
        place: Place {
            file: path.into(),
            at: At::File,
        },
        header: None,
        meter,
        sink,
        refused: &mut refused,
    };
    let read = reader.deserialize_map(log).and_then(|()| reader.end());
    match refused {
        Some(error) => Err(error),
        None => read.map_err(metered::failed),
    }
}

struct Log<'s, 'r> {
    place: Place,
    header: Option<Header>,
    meter: Meter,
    sink: Sink<'s>,
    /// Why the sink takes no more.
    refused: &'r mut Option<io::Error>,
}

impl<'de> Visitor<'de> for Log<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log of Inspect")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.meter.begin();
            match key.as_str() {
                "eval" => {
                    let eval = map.next_value::<Box<RawValue>>()?;
                    self.header = Some(Header::of(eval.get()).map_err(A::Error::custom)?);
                }
                "samples" => map.next_value_seed(Samples(&mut self))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        match self.header {
            Some(_) => Ok(()),
            None => Err(A::Error::missing_field("eval")),
        }
    }
}

struct Samples<'l, 's, 'r>(&'l mut Log<'s, 'r>);

impl<'de> DeserializeSeed<'de> for Samples<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of samples")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Log {
            place,
            header,
            meter,
            sink,
            refused,
        } = self.0;
        let Some(header) = header else {
            return Err(A::Error::custom("its `samples` stand before `eval`"));
        };
        let mut trial = 0;
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            meter.begin();
            trial += 1;
            if let Err(error) = sample::read(item.get(), header, place, trial, sink) {
                **refused = Some(error);
                return Err(A::Error::custom("the rest is not read"));
            }
        }
        Ok(())
    }
}
