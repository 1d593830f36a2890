//! What stands in a bundle's layers, compared with what the bundle says of itself: every count, digest and root, that the
//! answers are those that the trials name, no more and no fewer, and that plugins and rows are those of the run. Nothing is
//! written meanwhile, and memory follows the longest line.

use super::entry::{self, LINE_BYTES};
use super::layout::{self, Lines};
use super::members::{Member, Members};
use super::sorted::{Pairs, Root};
use super::{BundleError, refused};
use crate::dataset::Sample;
use crate::kept;
use crate::recorded;
use crate::results::RunDigest;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use xhost_store::{Answer, BlobDigest, Digest};

/// What packs into less than it can be read with is not ours.
const WINDOW_LOG: u32 = 23;

/// The largest plugin that is loaded.
const PLUGIN_BYTES: u64 = crate::plugin::inspect::SIZE_LIMIT;

/// A bundle that is what it says.
pub struct Bundle {
    pub(super) members: Members,
    pub(super) places: Places,
}

/// Which layer is what.
pub(super) struct Places {
    pub trials: Member,
    pub rows: Vec<Member>,
    pub plugins: Vec<Member>,
    pub responses: Vec<Member>,
}

impl Bundle {
    /// Opens a bundle and verifies all of it. `expected` is the digest that its maker told.
    ///
    /// # Errors
    /// [`BundleError::Refused`] with the part that is wrong, [`BundleError::Unexpected`].
    pub fn open(path: &Path, expected: Option<&str>) -> Result<Bundle, BundleError> {
        let members = Members::walk(path)?;
        if let Some(expected) = expected
            && expected != members.digest
        {
            return Err(BundleError::Unexpected {
                found: members.digest,
                expected: expected.to_owned(),
            });
        }
        let places = Places::of(&members)?;
        let bundle = Bundle { members, places };
        bundle.check_config()?;
        bundle.check_plugins()?;
        bundle.check_rows()?;
        let pairs = bundle.check_trials()?;
        bundle.check_responses(pairs)?;
        Ok(bundle)
    }

    /// The bundle's digest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.members.digest
    }

    /// What the bundle says of itself, verified.
    #[must_use]
    pub fn config(&self) -> &layout::Config {
        &self.members.config
    }

    fn check_config(&self) -> Result<(), BundleError> {
        let config = self.config();
        let wrong = |what: &str| Err(refused("the config", what));
        if config.format != layout::FORMAT || config.key_schema != layout::KEY_SCHEMA {
            return wrong("is of another version: get a newer xhost");
        }
        let plan = blake3::hash(config.run.resolved.to_string().as_bytes());
        if *plan.to_hex() != *config.run.plan {
            return wrong("has an experiment that does not have its digest");
        }
        let (plugins, datasets) = kept::named(&config.run.resolved);
        let texts = |digests: &[BlobDigest]| -> Vec<String> {
            digests.iter().map(BlobDigest::to_string).collect()
        };
        if texts(&plugins) != config.plugins {
            return wrong("does not name the plugins of its experiment");
        }
        let rows = config.datasets.iter().map(|lines| lines.blake3.clone());
        if texts(&datasets) != rows.collect::<Vec<_>>() {
            return wrong("does not name the datasets of its experiment");
        }
        Ok(())
    }

    fn check_plugins(&self) -> Result<(), BundleError> {
        for (member, digest) in self.places.plugins.iter().zip(&self.config().plugins) {
            let mut hasher = blake3::Hasher::new();
            io::copy(&mut self.members.open(member), &mut hasher)
                .map_err(|e| refused(&member.name, e.to_string()))?;
            if member.size > PLUGIN_BYTES || *hasher.finalize().to_hex() != **digest {
                let what = format!("is not the plugin {digest}");
                return Err(refused(&member.name, what));
            }
        }
        Ok(())
    }

    fn check_rows(&self) -> Result<(), BundleError> {
        for (member, lines) in self.places.rows.iter().zip(&self.config().datasets) {
            self.lines(member, lines, crate::dataset::LINE_BYTES, |line| {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                Sample::from_line(line).map(drop)
            })?;
        }
        Ok(())
    }

    fn check_trials(&self) -> Result<Pairs, BundleError> {
        let (mut pairs, mut run) = (Pairs::default(), RunDigest::default());
        let (member, lines) = (&self.places.trials, &self.config().trials);
        self.lines(member, lines, recorded::LINE_BYTES, |line| {
            let text = |error: io::Error| error.to_string();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            run.add_line(line).map_err(text)?;
            for (request, response) in recorded::read(line).map_err(text)?.requests {
                pairs.add(request, response).map_err(text)?;
            }
            Ok(())
        })?;
        if *run.finish().to_hex() != *self.config().run_digest {
            let what = "does not come to the run's digest";
            return Err(refused(&self.places.trials.name, what));
        }
        Ok(pairs)
    }

    fn check_responses(&self, pairs: Pairs) -> Result<(), BundleError> {
        let sorting = |error: io::Error| refused("the answers", error.to_string());
        let mut named = pairs.sorted().map_err(sorting)?;
        let (mut root, mut entries) = (Root::default(), 0);
        self.answers(|key, answer| {
            let response = answer.digest();
            let expected = named.next().transpose().map_err(|e| e.to_string())?;
            if expected != Some((key, response)) {
                return Err("has another answer than the trials name".into());
            }
            root.add(&key, &response);
            entries += 1;
            Ok(())
        })?;
        let config = self.config();
        if named.next().is_some() {
            return Err(refused("the bundle", "lacks answers that its trials name"));
        }
        if entries != config.entries || root.finish() != config.entries_root {
            let what = "has another number or root of answers than it says";
            return Err(refused("the config", what));
        }
        Ok(())
    }

    /// Every answer, in the order of requests.
    pub(super) fn answers(
        &self,
        mut each: impl FnMut(Digest, Answer) -> Result<(), String>,
    ) -> Result<(), BundleError> {
        for (member, lines) in self.places.responses.iter().zip(&self.config().responses) {
            self.lines(member, lines, LINE_BYTES, |line| {
                let (key, answer) = entry::read(line)?;
                each(key, answer)
            })?;
        }
        Ok(())
    }

    /// Reads a packed layer line by line. No more is unpacked than the config says, so that nothing can swell.
    pub(super) fn lines(
        &self,
        member: &Member,
        expected: &Lines,
        limit: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), BundleError> {
        let wrong = |what: String| refused(&member.name, what);
        let broken =
            |error: io::Error| refused(&member.name, format!("cannot be unpacked: {error}"));
        let mut packed = zstd::Decoder::new(self.members.open(member)).map_err(broken)?;
        packed.window_log_max(WINDOW_LOG).map_err(broken)?;
        let mut reader = BufReader::with_capacity(64 << 10, packed).take(expected.bytes + 1);
        let (mut hasher, mut count, mut bytes) = (blake3::Hasher::new(), 0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(limit).read_until(b'\n', &mut line);
            if read.map_err(broken)? == 0 {
                break;
            }
            count += 1;
            bytes += line.len() as u64;
            if bytes > expected.bytes {
                return Err(wrong("unpacks to more than the config says".into()));
            }
            if line.last() != Some(&b'\n') {
                return Err(wrong(format!(
                    "has a line {count} without an end, or too long"
                )));
            }
            hasher.update(&line);
            each(&line).map_err(|what| wrong(format!("line {count}: {what}")))?;
        }
        let found = Lines {
            lines: count,
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        };
        match found == *expected {
            true => Ok(()),
            false => Err(wrong("does not unpack to what the config says".into())),
        }
    }
}

impl Places {
    /// Layers stand in the one order that there is.
    fn of(members: &Members) -> Result<Places, BundleError> {
        let config = &members.config;
        let groups = [
            (layout::TRIALS, 1),
            (layout::ROWS, config.datasets.len()),
            (layout::PLUGIN, config.plugins.len()),
            (layout::RESPONSES, config.responses.len()),
        ];
        let kinds = groups
            .iter()
            .flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let found = members.layers.iter().map(|member| member.kind.as_str());
        if !kinds.eq(found) {
            return Err(refused(
                "the manifest",
                "has other layers than the config says",
            ));
        }
        let mut layers = members.layers.iter().cloned();
        let trials = layers.next();
        let trials = trials.ok_or_else(|| refused("the manifest", "has no layer"))?;
        let mut group = |count: usize| layers.by_ref().take(count).collect();
        Ok(Places {
            trials,
            rows: group(config.datasets.len()),
            plugins: group(config.plugins.len()),
            responses: group(config.responses.len()),
        })
    }
}
