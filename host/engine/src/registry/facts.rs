//! What a component says of itself: its imports and exports, and the version and source that a tool wrote into it
//! (`wasm-tools metadata add`, as `wkg` reads them).

use wasmparser::{Parser, Payload};

/// More of a custom section than anybody reads.
const LENGTH: usize = 256;

/// What a component's bytes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Names of its imports.
    pub imports: Vec<String>,
    /// Names of its exports.
    pub exports: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// Where its sources are.
    pub source: Option<String>,
}

impl Facts {
    /// Reads them. What is damaged says nothing: it is refused elsewhere.
    #[must_use]
    pub fn of(component: &[u8]) -> Facts {
        let (mut facts, mut depth) = (Facts::default(), 0_u32);
        for payload in Parser::new(0).parse_all(component) {
            let Ok(payload) = payload else { break };
            match &payload {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth == 1 => facts.read(&payload),
                _ => {}
            }
        }
        facts
    }

    fn read(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::ComponentImportSection(imports) => {
                let names = imports.clone().into_iter().flatten();
                self.imports
                    .extend(names.map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(exports) => {
                let names = exports.clone().into_iter().flatten();
                self.exports
                    .extend(names.map(|export| export.name.name.to_owned()));
            }
            Payload::CustomSection(section) => match section.name() {
                "version" => self.version = text(section.data()),
                "source" => self.source = text(section.data()),
                _ => {}
            },
            _ => {}
        }
    }
}

fn text(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?.trim();
    let fits = !text.is_empty() && text.len() <= LENGTH && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
