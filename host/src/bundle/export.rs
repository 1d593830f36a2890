//! From a run to a bundle. Reads the run's trials once, then every answer that they name, in the order of digests. Memory
//! does not grow with the run: digests are sorted on disk, layers are made in temporary files beside the bundle.

use super::layer::{Layer, Packing, plain};
use super::layout::{self, Config, Descriptor, Index, LAYOUT, Lines, Manifest};
use super::scan::Scan;
use super::sorted::{Pairs, Root};
use super::{BundleError, entry};
use crate::kept;
use crate::recorded::{self, Recorded};
use crate::results::{RunDigest, RunFile};
use crate::store::Store;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use xhost_store::{BlobDigest, Digest, ResponseDigest};

/// A piece of answers ends after so many bytes of lines.
const PIECE_BYTES: u64 = 64 << 20;

/// The run to be exported.
pub struct Source<'a> {
    /// `run.json`.
    pub run: RunFile,
    /// `trials.jsonl`.
    pub trials: &'a Path,
    /// The store that has its answers, plugins and rows.
    pub store: &'a Store,
}

/// What was exported.
#[derive(Debug, serde::Serialize)]
pub struct Exported {
    /// The bundle's digest, that of its manifest: whoever gets it elsewhere can ask for it with `import --expect`.
    pub digest: String,
    /// The digest of the run's results.
    pub run_digest: String,
    /// What covers all answers.
    pub entries_root: String,
    /// How many answers there are.
    pub entries: u64,
    /// How many trials.
    pub trials: u64,
    /// The bundle's bytes.
    pub bytes: u64,
    /// What the user should look at before the bundle goes to somebody else.
    pub warnings: Vec<String>,
}

/// Writes the bundle of a run.
///
/// # Errors
/// Where something of the run is missing, where it holds a credential, or the disk refuses. The file is not there then.
pub fn export(source: &Source<'_>, out: &Path) -> Result<Exported, BundleError> {
    let folder = out
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let desk = Desk {
        source,
        folder,
        out,
    };
    let mut scan = Scan::of_the_environment();
    let resolved = source.run.resolved.to_string();
    scan.check(resolved.as_bytes(), || "run.json".into())?;
    let mut layers = Vec::new();
    let (trials, pairs, run_digest) = desk.trials(&mut scan, &mut layers)?;
    let (plugins, datasets) = kept::named(&source.run.resolved);
    let datasets = desk.rows(&datasets, &mut scan, &mut layers)?;
    desk.plugins(&plugins, &mut scan, &mut layers)?;
    let answers = desk.responses(pairs, &mut scan, &mut layers)?;
    let (lines, entries, entries_root) = (trials.lines, answers.entries, answers.root);
    let config = Config {
        format: layout::FORMAT,
        key_schema: layout::KEY_SCHEMA.into(),
        run: source.run.clone(),
        run_digest: run_digest.clone(),
        trials,
        datasets,
        plugins: plugins.iter().map(BlobDigest::to_string).collect(),
        entries,
        entries_root: entries_root.clone(),
        responses: answers.pieces,
    };
    let (digest, bytes) = assemble(&config, layers, folder, out).map_err(|e| desk.io(e))?;
    Ok(Exported {
        digest,
        run_digest,
        entries_root,
        entries,
        trials: lines,
        bytes,
        warnings: scan.warning().into_iter().collect(),
    })
}

/// A layer, its media type and its title.
pub(super) type Titled = (Layer, &'static str, String);

struct Answers {
    pieces: Vec<Lines>,
    entries: u64,
    root: String,
}

struct Desk<'a> {
    source: &'a Source<'a>,
    folder: &'a Path,
    out: &'a Path,
}

impl Desk<'_> {
    fn io(&self, cause: io::Error) -> BundleError {
        BundleError::Io {
            path: self.out.into(),
            cause,
        }
    }

    fn trials(
        &self,
        scan: &mut Scan,
        layers: &mut Vec<Titled>,
    ) -> Result<(Lines, Pairs, String), BundleError> {
        let path = self.source.trials;
        let unread = |cause| BundleError::Io {
            path: path.into(),
            cause,
        };
        let recorded = Recorded::open(path).map_err(unread)?;
        let mut packing = Packing::new(self.folder).map_err(|e| self.io(e))?;
        let (mut pairs, mut run) = (Pairs::default(), RunDigest::default());
        for ordinal in 0..recorded.len() {
            let Some(mut line) = recorded.line(ordinal).map_err(unread)? else {
                break;
            };
            scan.check(&line, || format!("line {} of trials.jsonl", ordinal + 1))?;
            run.add_line(&line).map_err(unread)?;
            for (request, response) in recorded::read(&line).map_err(unread)?.requests {
                pairs.add(request, response).map_err(|e| self.io(e))?;
            }
            line.push(b'\n');
            packing.add(&line).map_err(|e| self.io(e))?;
        }
        let (layer, lines) = packing.finish().map_err(|e| self.io(e))?;
        layers.push((layer, layout::TRIALS, "trials.jsonl.zst".into()));
        Ok((lines, pairs, run.finish().to_hex().to_string()))
    }

    fn rows(
        &self,
        datasets: &[BlobDigest],
        scan: &mut Scan,
        layers: &mut Vec<Titled>,
    ) -> Result<Vec<Lines>, BundleError> {
        let mut all = Vec::with_capacity(datasets.len());
        for (number, digest) in datasets.iter().enumerate() {
            let open = kept::rows(&self.source.store.blobs(), digest);
            let missing = |e: io::Error| BundleError::Run(format!("its rows: {e}"));
            let mut reader = BufReader::new(open().map_err(missing)?);
            let mut packing = Packing::new(self.folder).map_err(|e| self.io(e))?;
            let mut line = Vec::new();
            loop {
                line.clear();
                let limit = crate::dataset::LINE_BYTES;
                let read = reader.by_ref().take(limit).read_until(b'\n', &mut line);
                if read.map_err(missing)? == 0 {
                    break;
                }
                let at = packing.lines() + 1;
                scan.check(&line, || format!("row {at} of the dataset"))?;
                packing.add(&line).map_err(|e| self.io(e))?;
            }
            let (layer, lines) = packing.finish().map_err(|e| self.io(e))?;
            layers.push((layer, layout::ROWS, format!("rows-{number}.jsonl.zst")));
            all.push(lines);
        }
        Ok(all)
    }

    fn plugins(
        &self,
        plugins: &[BlobDigest],
        scan: &mut Scan,
        layers: &mut Vec<Titled>,
    ) -> Result<(), BundleError> {
        for digest in plugins {
            let bytes = kept::plugin(&self.source.store.blobs(), digest)
                .map_err(|e| BundleError::Run(format!("a plugin of it: {e}")))?;
            scan.check(&bytes, || format!("the plugin {digest}"))?;
            let layer = plain(self.folder, &bytes).map_err(|e| self.io(e))?;
            layers.push((layer, layout::PLUGIN, format!("{digest}.wasm")));
        }
        Ok(())
    }

    fn responses(
        &self,
        pairs: Pairs,
        scan: &mut Scan,
        layers: &mut Vec<Titled>,
    ) -> Result<Answers, BundleError> {
        let (mut root, mut entries, mut pieces) = (Root::default(), 0, Vec::new());
        let mut packing: Option<Packing> = None;
        let mut close = |packing: Packing, pieces: &mut Vec<Lines>| {
            let (layer, lines) = packing.finish()?;
            let title = format!("responses-{:05}.jsonl.zst", pieces.len());
            layers.push((layer, layout::RESPONSES, title));
            pieces.push(lines);
            Ok(())
        };
        let mut last = None;
        for pair in pairs.sorted().map_err(|e| self.io(e))? {
            let (request, response) = pair.map_err(|e| self.io(e))?;
            if last.replace(request) == Some(request) {
                let what = format!("it recorded two answers to the request {request}");
                return Err(BundleError::Run(what));
            }
            let line = self.line(&request, &response, scan)?;
            root.add(&request, &response);
            entries += 1;
            let mut piece = match packing.take() {
                Some(piece) => piece,
                None => Packing::new(self.folder).map_err(|e| self.io(e))?,
            };
            piece.add(&line).map_err(|e| self.io(e))?;
            if piece.bytes() >= PIECE_BYTES {
                close(piece, &mut pieces).map_err(|e| self.io(e))?;
            } else {
                packing = Some(piece);
            }
        }
        if let Some(piece) = packing {
            close(piece, &mut pieces).map_err(|e| self.io(e))?;
        }
        Ok(Answers {
            pieces,
            entries,
            root: root.finish(),
        })
    }

    fn line(
        &self,
        request: &Digest,
        response: &ResponseDigest,
        scan: &mut Scan,
    ) -> Result<Vec<u8>, BundleError> {
        let store = self.source.store;
        let Some(answer) = store.get(request)? else {
            let path = store.path().display();
            return Err(BundleError::Run(format!(
                "the store {path} has no answer to the request {request}; name the run's store with --store"
            )));
        };
        if answer.digest() != *response {
            let found = answer.digest();
            return Err(BundleError::Run(format!(
                "the store's answer to {request} is {found}, and the run had {response}"
            )));
        }
        scan.check(&answer.body, || format!("the answer to {request}"))?;
        let line = entry::write(request, &answer)
            .map_err(|what| BundleError::Run(format!("the answer to {request} {what}")))?;
        scan.check(&line, || format!("the answer to {request}"))?;
        Ok(line)
    }
}

/// Puts the members one after the other. Returns the bundle's digest and size.
pub(super) fn assemble(
    config: &Config,
    layers: Vec<Titled>,
    folder: &Path,
    out: &Path,
) -> io::Result<(String, u64)> {
    let config = plain(folder, &serde_json::to_vec(config)?)?;
    let descriptor = Descriptor::new(layout::CONFIG, &config.sha256, config.size);
    let described = layers.iter().map(|(layer, kind, title)| {
        Descriptor::new(kind, &layer.sha256, layer.size).titled(title.clone())
    });
    let manifest = Manifest::new(descriptor, described.collect());
    let manifest = plain(folder, &serde_json::to_vec(&manifest)?)?;
    let index = serde_json::to_vec(&Index::new(&manifest.sha256, manifest.size))?;
    let digest = format!("sha256:{}", manifest.sha256);
    let mut tar = Tar {
        out: tempfile::Builder::new()
            .prefix(".new-bundle-")
            .tempfile_in(folder)?,
        seen: HashSet::new(),
        bytes: 0,
    };
    tar.member("oci-layout", LAYOUT.len() as u64, LAYOUT)?;
    tar.member("index.json", index.len() as u64, index.as_slice())?;
    tar.blob(manifest)?;
    tar.blob(config)?;
    for (layer, _, _) in layers {
        tar.blob(layer)?;
    }
    tar.out.write_all(&[0; 1_024])?;
    tar.out.as_file().sync_all()?;
    tar.out.persist(out)?;
    Ok((digest, tar.bytes + 1_024))
}

struct Tar {
    out: tempfile::NamedTempFile,
    /// A blob is there once, whoever names it.
    seen: HashSet<String>,
    bytes: u64,
}

impl Tar {
    fn blob(&mut self, layer: Layer) -> io::Result<()> {
        let Layer { file, sha256, size } = layer;
        if self.seen.insert(sha256.clone()) {
            self.member(
                &format!("blobs/sha256/{sha256}"),
                size,
                File::take(file, size),
            )?;
        }
        Ok(())
    }

    fn member(&mut self, path: &str, size: u64, mut content: impl Read) -> io::Result<()> {
        let header = layout::header(path, size)?;
        self.out.write_all(header.as_bytes())?;
        io::copy(&mut content, &mut self.out)?;
        let padding = layout::padding(size);
        io::copy(&mut io::repeat(0).take(padding), &mut self.out)?;
        self.bytes += 512 + size + padding;
        Ok(())
    }
}
