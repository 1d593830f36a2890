//! The documents of the OCI image layout (image-spec 1.1), and the headers of the tar. Each has one spelling: who reads a
//! bundle writes what was read once more and compares, so nothing can hide in another one.

use crate::results::RunFile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file that makes a folder an OCI image layout.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// What registries take as a manifest.
pub(super) const DOCUMENT_BYTES: u64 = 4 << 20;

/// 10,000 configs take 20 MB.
pub(super) const CONFIG_BYTES: u64 = 64 << 20;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.xhost.bundle.v1";
pub(super) const CONFIG: &str = "application/vnd.xhost.bundle.config.v1+json";
pub(super) const TRIALS: &str = "application/vnd.xhost.trials.v1.jsonl+zstd";
pub(super) const ROWS: &str = "application/vnd.xhost.rows.v1.jsonl+zstd";
pub(super) const PLUGIN: &str = "application/wasm";
pub(super) const RESPONSES: &str = "application/vnd.xhost.responses.v2.jsonl+zstd";

/// The name of the file for a person who unpacks the bundle with OCI's tools.
const TITLE: &str = "org.opencontainers.image.title";

/// The version of the config below, and of the lines of answers.
pub(super) const FORMAT: u32 = 2;

/// How requests are named.
pub(super) const KEY_SCHEMA: &str = "xhost request v1";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn new(media_type: &str, sha256: &str, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest: format!("sha256:{sha256}"),
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    pub(super) fn titled(mut self, title: String) -> Descriptor {
        self.annotations.insert(TITLE.into(), title);
        self
    }

    /// Where the tar has it; none for a digest that is none.
    pub(super) fn path(&self) -> Option<String> {
        let hex = self.digest.strip_prefix("sha256:")?;
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == 64 && hex.bytes().all(digits)).then(|| format!("blobs/sha256/{hex}"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    pub(super) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: MANIFEST.into(),
            artifact_type: ARTIFACT.into(),
            config,
            layers,
        }
    }

    /// Whether it is one of a bundle that this version reads.
    pub(super) fn fits(&self) -> bool {
        *self == Manifest::new(self.config.clone(), self.layers.clone())
            && self.config.media_type == CONFIG
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Index {
    schema_version: u32,
    media_type: String,
    pub manifests: Vec<Descriptor>,
}

impl Index {
    pub(super) fn new(sha256: &str, size: u64) -> Index {
        let manifest = Descriptor {
            artifact_type: Some(ARTIFACT.into()),
            ..Descriptor::new(MANIFEST, sha256, size)
        };
        Index {
            schema_version: 2,
            media_type: INDEX.into(),
            manifests: vec![manifest],
        }
    }

    /// The one manifest, if the index is one of a bundle.
    pub(super) fn manifest(&self) -> Option<&Descriptor> {
        let [manifest] = self.manifests.as_slice() else {
            return None;
        };
        let sha256 = manifest.digest.strip_prefix("sha256:")?;
        (*self == Index::new(sha256, manifest.size)).then_some(manifest)
    }
}

/// What a bundle says of itself: the config blob of its manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of this document.
    pub format: u32,
    /// How requests are named.
    pub key_schema: String,
    /// `run.json`, the experiment as resolved.
    pub run: RunFile,
    /// The digest of the run's results.
    pub run_digest: String,
    /// `trials.jsonl`.
    pub trials: Lines,
    /// The rows of each dataset; the digest is the dataset's.
    pub datasets: Vec<Lines>,
    /// The blake3 of each plugin, sorted.
    pub plugins: Vec<String>,
    /// How many answers there are.
    pub entries: u64,
    /// blake3 derive_key("xhost bundle entries v1") over request digest and response digest of each, sorted.
    pub entries_root: String,
    /// The pieces that the answers lie in; the digest is that of the piece, unpacked.
    pub responses: Vec<Lines>,
}

/// Lines of a layer, unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// How many.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The blake3 of these bytes.
    pub blake3: String,
}

/// Reads a document that has one spelling only.
pub(super) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    crate::json::check(text)?;
    let document: T =
        serde_json::from_str(text).map_err(|error| format!("is not understood: {error}"))?;
    match serde_json::to_vec(&document) {
        Ok(again) if again == bytes => Ok(document),
        _ => Err("is not written as bundles are".into()),
    }
}

/// The header of a member: a regular file of nobody, made at no time.
pub(super) fn header(path: &str, size: u64) -> std::io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_path(path)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Zeros after a member, up to a whole block.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % 512
}
