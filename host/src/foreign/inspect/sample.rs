//! The model's calls of one sample, in the order of its events. Whatever else a sample holds is passed over.

use super::{Header, call};
use crate::foreign::{At, Found, Item, Left, Place, Sink, Told, Why};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use std::io;

#[derive(Deserialize)]
struct Sample<'t> {
    id: Value,
    epoch: u32,
    #[serde(borrow, default)]
    events: Events<'t>,
    #[serde(default)]
    attachments: HashMap<String, String>,
    #[serde(borrow, default)]
    events_data: Option<Pool<'t>>,
}

/// What several calls have in common.
#[derive(Deserialize)]
struct Pool<'t> {
    #[serde(borrow, default)]
    calls: Vec<&'t RawValue>,
}

/// Reads a sample. Where its text does not say which it is, `place` does.
pub(super) fn read(
    text: &str,
    header: &Header,
    place: &Place,
    trial: u64,
    sink: Sink<'_>,
) -> io::Result<()> {
    let sample: Sample<'_> = match serde_json::from_str(text) {
        Ok(sample) => sample,
        Err(error) => {
            let (place, why) = (place.clone(), Why::Damaged);
            let detail = error.to_string();
            return sink(Item::Left(Left { place, why, detail }));
        }
    };
    let id = match &sample.id {
        Value::String(id) => id.as_str().into(),
        other => other.to_string().into(),
    };
    let place = Place {
        file: place.file.clone(),
        at: At::Sample(id, sample.epoch),
    };
    let calls = sample.events_data.map(|pool| pool.calls);
    let pools = call::Pools {
        calls: calls.unwrap_or_default(),
        attachments: sample.attachments,
    };
    for event in &sample.events.0 {
        let found = event.found(header, &pools, &place, (sample.epoch, trial));
        sink(match found {
            Ok(found) => Item::Found(Box::new(found)),
            Err((why, detail)) => Item::Left(Left {
                place: place.clone(),
                why,
                detail,
            }),
        })?;
    }
    Ok(())
}

type Refusal = (Why, String);

/// An event that is a model's call.
#[derive(Default)]
struct Event<'t> {
    kind: String,
    fields: HashMap<&'static str, &'t RawValue>,
}

impl Event<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        let text = self.fields.get(key)?.get();
        Some(text).filter(|text| *text != "null")
    }

    fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.text(key)?).ok()
    }

    fn found(
        &self,
        header: &Header,
        pools: &call::Pools<'_>,
        place: &Place,
        (epoch, trial): (u32, u64),
    ) -> Result<Found, Refusal> {
        if let Some(error) = self.text("error") {
            return Err((Why::Failed, error.into()));
        }
        if self.string("cache").as_deref() == Some("read") {
            return Err((Why::FromCache, String::new()));
        }
        let Some(call) = self.text("call") else {
            let what = "the log was written without `log_model_api`".into();
            return Err((Why::NoCall, what));
        };
        if epoch == 0 {
            return Err((Why::Damaged, "epochs are from 1".into()));
        }
        let (api, address) = header.server(&self.string("model").unwrap_or_default());
        let sent = call::sent(call, pools)?;
        Ok(Found {
            place: place.clone(),
            order: 0,
            api,
            address,
            headers: sent.headers,
            request: sent.request,
            response: sent.response,
            draw: Some(Told::Trial { epoch, trial }),
            asked_ms: self
                .string("timestamp")
                .and_then(|text| milliseconds(&text)),
            latency_ms: sent.latency_ms,
        })
    }
}

fn milliseconds(instant: &str) -> Option<u64> {
    let instant: jiff::Timestamp = instant.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}

/// The models' calls among events, those within other events too: older logs have such.
#[derive(Default)]
struct Events<'t>(Vec<Event<'t>>);

impl<'de: 't, 't> Deserialize<'de> for Events<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Events<'t>, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Events<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Events<'de>, A::Error> {
                let mut events = Vec::new();
                while let Some(OneOrMore(mut more)) = items.next_element()? {
                    events.append(&mut more);
                }
                Ok(Events(events))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// An event, if it is a model's call, and those within it.
struct OneOrMore<'t>(Vec<Event<'t>>);

impl<'de: 't, 't> Deserialize<'de> for OneOrMore<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMore<'t>, D::Error> {
        struct One;

        impl<'de> Visitor<'de> for One {
            type Value = OneOrMore<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                const KEPT: [&str; 5] = ["call", "cache", "error", "model", "timestamp"];
                let (mut event, mut within) = (Event::default(), Events::default());
                while let Some(key) = map.next_key::<String>()? {
                    match (key.as_str(), KEPT.iter().find(|kept| **kept == key)) {
                        ("event", _) => event.kind = map.next_value()?,
                        ("events", _) => within = map.next_value()?,
                        (_, Some(kept)) => {
                            event.fields.insert(kept, map.next_value()?);
                        }
                        (_, None) => map.next_value::<IgnoredAny>().map(drop)?,
                    }
                }
                let mut events = within.0;
                if event.kind == "model" {
                    events.insert(0, event);
                }
                Ok(OneOrMore(events))
            }
        }

        deserializer.deserialize_map(One)
    }
}
