//! A plugin as an artifact: the layout of `wkg` and its wasm-pkg-tools (CNCF's "Wasm OCI Artifact Layout"). A config of
//! `application/vnd.wasm.config.v0+json`, one layer of `application/wasm`. What is written has no time and one spelling, so
//! the same component is the same manifest for ever.

use super::{Facts, is_sha256, sha256};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Serialize;
use std::collections::BTreeMap;

/// A manifest's own type.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Types of manifests that lead to others, one for each platform.
pub(super) const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// What the manifest says of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Its name.
    pub title: String,
    /// Its version.
    pub version: Option<String>,
    /// Where its sources are.
    pub source: Option<String>,
    /// What it does.
    pub kind: String,
    /// The contract that it was made for, such as `xhost:plugin@0.1.0`.
    pub contract: String,
}

/// A plugin, ready to be pushed.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

/// `oci-wasm` reads this, and wants a time: it is that of nobody.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: [&'a str; 1],
    component: Interfaces<'a>,
}

#[derive(Serialize)]
struct Interfaces<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Part<'a>,
    layers: [Part<'a>; 1],
    annotations: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}

impl Artifact {
    /// Packs a component.
    ///
    /// # Panics
    /// Never: maps of text can be written as JSON.
    #[must_use]
    pub fn new(component: Vec<u8>, facts: &Facts, labels: &Labels) -> Artifact {
        let layer_digest = sha256(&component);
        let config = json(&Config {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [&layer_digest],
            component: Interfaces {
                exports: &facts.exports,
                imports: &facts.imports,
            },
        });
        let config_digest = sha256(&config);
        let part = |media_type, digest, size: usize| Part {
            media_type,
            digest,
            size: size as u64,
        };
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: part(CONFIG, &config_digest, config.len()),
            layers: [part(LAYER, &layer_digest, component.len())],
            annotations: annotations(labels),
        });
        Artifact {
            component,
            config,
            manifest,
        }
    }

    /// The manifest's digest: the artifact's.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }
}

fn annotations(labels: &Labels) -> BTreeMap<&str, &str> {
    let Labels {
        title,
        version,
        source,
        kind,
        contract,
    } = labels;
    let mut all = BTreeMap::from([
        ("org.opencontainers.image.title", title.as_str()),
        ("io.github.xhost-rs.plugin.kind", kind),
        ("io.github.xhost-rs.plugin.contract", contract),
    ]);
    all.extend(
        version
            .iter()
            .map(|version| ("org.opencontainers.image.version", version.as_str())),
    );
    all.extend(
        source
            .iter()
            .map(|source| ("org.opencontainers.image.source", source.as_str())),
    );
    all
}

#[expect(clippy::expect_used, reason = "maps of text can be written as JSON")]
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text is JSON")
}

/// The one layer of a plugin's manifest: its digest and its size.
///
/// # Errors
/// In words, where the manifest is no plugin's.
pub(super) fn layer(manifest: &[u8], limit: u64) -> Result<(String, u64), String> {
    let value: serde_json::Value =
        serde_json::from_slice(manifest).map_err(|e| format!("its manifest is no JSON: {e}"))?;
    let media_type = value["mediaType"].as_str().unwrap_or(MANIFEST);
    if INDEXES.contains(&media_type) || value.get("manifests").is_some() {
        return Err(of_index(manifest));
    }
    if media_type != MANIFEST {
        return Err(format!(
            "its manifest is of the type `{}`, and a plugin's is `{MANIFEST}`",
            crate::text::plain(media_type)
        ));
    }
    let manifest: ImageManifest =
        serde_json::from_value(value).map_err(|e| format!("its manifest is none: {e}"))?;
    expect_type("config", manifest.config(), CONFIG)?;
    let [layer] = manifest.layers().as_slice() else {
        return Err(format!(
            "it has {} layers, and a plugin is one component: one layer",
            manifest.layers().len()
        ));
    };
    expect_type("layer", layer, LAYER)?;
    let digest = layer.digest().to_string();
    if !is_sha256(&digest) {
        return Err("its layer is named by another digest than sha256".into());
    }
    if layer.size() > limit {
        return Err(format!(
            "its component has {} bytes; the limit is {limit}",
            layer.size()
        ));
    }
    Ok((digest, layer.size()))
}

fn expect_type(part: &str, descriptor: &Descriptor, expected: &str) -> Result<(), String> {
    match descriptor.media_type() {
        MediaType::Other(found) if found == expected => Ok(()),
        found => Err(format!(
            "it is no WebAssembly artifact: its {part} is of the type `{}`, and would be `{expected}`",
            crate::text::plain(found.as_ref())
        )),
    }
}

/// A component is the same for every platform, so an index means something else.
fn of_index(manifest: &[u8]) -> String {
    let count =
        serde_json::from_slice(manifest).map_or(0, |index: ImageIndex| index.manifests().len());
    format!(
        "it is an index of {count} artifacts, as images for several platforms are; a plugin is one component for all: name \
         one of its manifests by digest, REGISTRY/NAME@sha256:…"
    )
}
