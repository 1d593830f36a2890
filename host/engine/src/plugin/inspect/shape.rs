//! What becomes of a component's structure: how many instances it unfolds into, and how much of it there is to hold in
//! memory. Nothing in the format bounds either: thirty components that each instantiate the one before twice are a
//! thousand million instances, and a compiler writes every one of them out.

use super::LoadError;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, ElementItems, Encoding, Payload,
};

/// JavaScript's is three components deep.
const DEPTH: usize = 16;

/// Python's unfolds into about a hundred.
const INSTANCES: u64 = 10_000;

/// Declarations of components, and types of modules: some 60 KB in what tools make. Each byte of them takes up to a hundred
/// in memory.
const DECLARED: u64 = 2 << 20;

/// Imports, globals, table elements and the like, of all modules: Python has some 50,000.
const ITEMS: u64 = 500_000;

/// What is known so far.
#[derive(Default)]
pub(super) struct Shape {
    /// The components, and modules (`None`), that are being read, each inside of the one before.
    open: Vec<Option<Open>>,
    declared: u64,
    items: u64,
    parts: u64,
}

/// A component that is being read.
#[derive(Default)]
struct Open {
    weight: Weight,
    /// The components that it knows, by index. `None` for one that comes from outside of it.
    known: Vec<Option<Weight>>,
    has_code: bool,
}

/// What one instance of a component unfolds into.
#[derive(Clone, Copy, Default)]
struct Weight {
    instances: u64,
    with_code: u64,
}

impl Weight {
    fn add(&mut self, other: Weight) {
        self.instances = self.instances.saturating_add(other.instances);
        self.with_code = self.with_code.saturating_add(other.with_code);
    }
}

/// Why a component's shape is refused.
pub(super) enum Refused {
    /// It has too much of something.
    Bound(&'static str, u64, u64),
    /// It is put together as no plugin is.
    Composed(&'static str),
    /// It cannot be read.
    Damaged(wasmparser::BinaryReaderError),
}

impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Refused {
        Refused::Damaged(error)
    }
}

impl Refused {
    pub(super) fn of(self, name: &str) -> LoadError {
        let name = name.to_owned();
        match self {
            Refused::Bound(what, count, limit) => LoadError::Bounds {
                name,
                what,
                count,
                limit,
            },
            Refused::Composed(what) => LoadError::Composed { name, what },
            Refused::Damaged(error) => {
                super::not_a_component(&name, format!("it is damaged: {error}"))
            }
        }
    }
}

impl Shape {
    /// How many components with code of their own the outermost one, which ended last, unfolds into.
    pub(super) fn parts(&self) -> u64 {
        self.parts
    }

    /// Takes in the next piece.
    ///
    /// # Errors
    /// Where there is too much, or what there is could become anything.
    pub(super) fn payload(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(*encoding)?,
            Payload::End(_) => self.end()?,
            Payload::InstanceSection(section) => self.unfold(Weight {
                instances: u64::from(section.count()),
                with_code: 0,
            }),
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    self.instance(&instance?)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                        self.know(None);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        self.know(self.known(0, export.index));
                    }
                }
            }
            Payload::ComponentCanonicalSection(_) => {
                if let Some(Some(open)) = self.open.last_mut() {
                    open.has_code = true;
                }
            }
            _ => {}
        }
        self.count(payload)
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), Refused> {
        let own = Weight {
            instances: 1,
            with_code: 0,
        };
        let open = Open {
            weight: own,
            ..Open::default()
        };
        self.open
            .push((encoding == Encoding::Component).then_some(open));
        bound(
            "components inside of each other",
            self.open.len() as u64,
            DEPTH as u64,
        )
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(Some(open)) = self.open.pop() else {
            return Ok(());
        };
        let mut weight = open.weight;
        weight.with_code = weight.with_code.saturating_add(u64::from(open.has_code));
        bound("instances", weight.instances, INSTANCES)?;
        self.parts = weight.with_code;
        self.know(Some(weight));
        Ok(())
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Refused> {
        let weight = match instance {
            ComponentInstance::Instantiate { component_index, .. } => {
                self.known(0, *component_index).ok_or(Refused::Composed(
                    "a component inside of it is an argument of another one; name it where it is instantiated",
                ))?
            }
            ComponentInstance::FromExports(_) => Weight::default(),
        };
        self.unfold(weight);
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => self.know(None),
            ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Component,
                count,
                index,
            } => self.know(self.known(*count, *index)),
            _ => {}
        }
    }

    /// The component of this index, so many components further out.
    fn known(&self, outward: u32, index: u32) -> Option<Weight> {
        let at = self.open.len().checked_sub(1 + outward as usize)?;
        let open = self.open.get(at)?.as_ref()?;
        open.known.get(index as usize).copied().flatten()
    }

    fn know(&mut self, weight: Option<Weight>) {
        if let Some(Some(open)) = self.open.last_mut() {
            open.known.push(weight);
        }
    }

    fn unfold(&mut self, weight: Weight) {
        if let Some(Some(open)) = self.open.last_mut() {
            open.weight.add(weight);
        }
    }

    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        self.declared = self.declared.saturating_add(declared(payload));
        self.items = self.items.saturating_add(items(payload)?);
        bound("bytes of declarations", self.declared, DECLARED)?;
        bound("items in its modules", self.items, ITEMS)
    }
}

fn bound(what: &'static str, count: u64, limit: u64) -> Result<(), Refused> {
    if count > limit {
        return Err(Refused::Bound(what, count, limit));
    }
    Ok(())
}

fn declared(payload: &Payload<'_>) -> u64 {
    let range = match payload {
        Payload::TypeSection(section) => section.range(),
        Payload::CoreTypeSection(section) => section.range(),
        Payload::InstanceSection(section) => section.range(),
        Payload::ComponentInstanceSection(section) => section.range(),
        Payload::ComponentAliasSection(section) => section.range(),
        Payload::ComponentTypeSection(section) => section.range(),
        Payload::ComponentCanonicalSection(section) => section.range(),
        Payload::ComponentImportSection(section) => section.range(),
        Payload::ComponentExportSection(section) => section.range(),
        _ => 0..0,
    };
    range.len() as u64
}

fn items(payload: &Payload<'_>) -> Result<u64, Refused> {
    let count = match payload {
        Payload::ImportSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::ElementSection(section) => {
            let mut count = 0;
            for element in section.clone() {
                count += 1 + match element?.items {
                    ElementItems::Functions(items) => u64::from(items.count()),
                    ElementItems::Expressions(_, items) => u64::from(items.count()),
                };
            }
            return Ok(count);
        }
        _ => 0,
    };
    Ok(u64::from(count))
}
