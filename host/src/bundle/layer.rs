//! Layers on their way into a bundle. Each is made in a temporary file, as its digest and size stand before it in the tar.

use super::layout::Lines;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

/// Answers change a lot from one to the next; a higher level gains little.
const LEVEL: i32 = 9;

/// Whoever reads needs this much memory: 4 MiB.
const WINDOW_LOG: u32 = 22;

/// A member of the bundle, made.
pub(super) struct Layer {
    pub file: File,
    pub sha256: String,
    pub size: u64,
}

/// Hashes and counts what passes.
pub(super) struct Hashing<W> {
    inner: W,
    sha256: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(inner: W) -> Hashing<W> {
        Hashing {
            inner,
            sha256: Sha256::new(),
            size: 0,
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Hashing<BufWriter<File>> {
    pub(super) fn finish(self) -> io::Result<Layer> {
        let mut file = self
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Layer {
            file,
            sha256: hex(self.sha256),
            size: self.size,
        })
    }
}

/// A layer of bytes as they are.
pub(super) fn plain(folder: &Path, bytes: &[u8]) -> io::Result<Layer> {
    let mut layer = Hashing::new(BufWriter::new(tempfile::tempfile_in(folder)?));
    layer.write_all(bytes)?;
    layer.finish()
}

/// A layer of lines, packed.
pub(super) struct Packing {
    inner: zstd::Encoder<'static, Hashing<BufWriter<File>>>,
    blake3: blake3::Hasher,
    lines: u64,
    bytes: u64,
}

impl Packing {
    pub(super) fn new(folder: &Path) -> io::Result<Packing> {
        let file = BufWriter::new(tempfile::tempfile_in(folder)?);
        let mut inner = zstd::Encoder::new(Hashing::new(file), LEVEL)?;
        inner.window_log(WINDOW_LOG)?;
        inner.include_checksum(true)?;
        Ok(Packing {
            inner,
            blake3: blake3::Hasher::new(),
            lines: 0,
            bytes: 0,
        })
    }

    /// Adds a line, with its line feed.
    pub(super) fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.inner.write_all(line)?;
        self.blake3.update(line);
        self.lines += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn finish(self) -> io::Result<(Layer, Lines)> {
        let lines = Lines {
            lines: self.lines,
            bytes: self.bytes,
            blake3: self.blake3.finalize().to_hex().to_string(),
        };
        Ok((self.inner.finish()?.finish()?, lines))
    }
}

pub(super) fn hex(sha256: Sha256) -> String {
    let digest = sha256.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
