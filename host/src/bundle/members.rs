//! What a bundle is made of, looked through before anything is believed. A tar has many spellings, and in most of them
//! something can hide: links, paths that lead elsewhere, sizes that nobody can hold, members that are there twice. A bundle
//! has one: each header is compared with the one that would have been written, byte by byte, in the only order there is.

use super::layer::hex;
use super::layout::{
    self, CONFIG_BYTES, Config, DOCUMENT_BYTES, Descriptor, Index, LAYOUT, Manifest,
};
use super::{BundleError, refused};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A layer in its place.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its media type.
    pub kind: String,
    /// For messages.
    pub name: String,
    pub offset: u64,
    pub size: u64,
}

/// The members of a bundle; their digests fit.
pub(super) struct Members {
    pub file: Arc<File>,
    /// The manifest's digest.
    pub digest: String,
    pub config: Config,
    pub layers: Vec<Member>,
}

impl Members {
    /// Walks through the tar once.
    pub(super) fn walk(path: &Path) -> Result<Members, BundleError> {
        let unread = |cause| BundleError::Io {
            path: path.into(),
            cause,
        };
        let file = File::open(path).map_err(unread)?;
        let metadata = file.metadata().map_err(unread)?;
        if !metadata.is_file() {
            return Err(refused("it", "is no regular file"));
        }
        let mut walk = Walk {
            file: &file,
            path,
            at: 0,
            end: metadata.len(),
        };
        walk.fixed("oci-layout", LAYOUT)?;
        let index: Index = layout::read(&walk.whole("index.json", None, DOCUMENT_BYTES)?)
            .map_err(|what| refused("index.json", what))?;
        let described = index
            .manifest()
            .ok_or_else(|| refused("index.json", "does not name one bundle of this version"))?;
        let manifest = walk.described(described, "the manifest", DOCUMENT_BYTES)?;
        let manifest: Manifest =
            layout::read(&manifest).map_err(|what| refused("the manifest", what))?;
        if !manifest.fits() {
            return Err(refused("the manifest", "is not one of this version"));
        }
        let config = walk.described(&manifest.config, "the config", CONFIG_BYTES)?;
        let config: Config = layout::read(&config).map_err(|what| refused("the config", what))?;
        let layers = walk.layers(&manifest.layers)?;
        walk.over()?;
        Ok(Members {
            digest: described.digest.clone(),
            file: Arc::new(file),
            config,
            layers,
        })
    }

    /// Reads a member from its start.
    pub(super) fn open(&self, member: &Member) -> Part {
        Part {
            file: Arc::clone(&self.file),
            at: member.offset,
            left: member.size,
        }
    }
}

/// The bytes of a member.
pub(super) struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

struct Walk<'a> {
    file: &'a File,
    path: &'a Path,
    at: u64,
    end: u64,
}

impl Walk<'_> {
    fn unread(&self, cause: io::Error) -> BundleError {
        BundleError::Io {
            path: self.path.into(),
            cause,
        }
    }

    /// The header that stands here; it must be the one of `path`, with the size that is given, or with any up to a limit.
    fn header(
        &mut self,
        path: &str,
        name: &str,
        size: Option<u64>,
        limit: u64,
    ) -> Result<u64, BundleError> {
        let mut block = [0; 512];
        self.take(&mut block, name)?;
        let size = match size {
            Some(size) => size,
            None => tar::Header::from_byte_slice(&block)
                .entry_size()
                .map_err(|_| refused(name, "has no size"))?,
        };
        if size > limit {
            return Err(refused(
                name,
                format!("says that it has {size} bytes, more than any"),
            ));
        }
        let expected = layout::header(path, size).map_err(|cause| self.unread(cause))?;
        if *expected.as_bytes() != block {
            return Err(refused(
                name,
                "is not where it has to be, or is no plain file",
            ));
        }
        if size > self.end - self.at {
            return Err(refused(name, "is cut off"));
        }
        Ok(size)
    }

    fn take(&mut self, buffer: &mut [u8], name: &str) -> Result<(), BundleError> {
        let result = (&mut self.file).read_exact(buffer);
        match result {
            Ok(()) => self.at += buffer.len() as u64,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(refused(name, "is cut off"));
            }
            Err(error) => return Err(self.unread(error)),
        }
        Ok(())
    }

    /// The zeros up to the next header.
    fn padding(&mut self, size: u64, name: &str) -> Result<(), BundleError> {
        let mut zeros = vec![0; layout::padding(size) as usize];
        self.take(&mut zeros, name)?;
        match zeros.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(refused(name, "has something after its end")),
        }
    }

    fn whole(&mut self, path: &str, size: Option<u64>, limit: u64) -> Result<Vec<u8>, BundleError> {
        let size = self.header(path, path, size, limit)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.take(&mut bytes, path)?;
        self.padding(size, path)?;
        Ok(bytes)
    }

    fn fixed(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        match self.whole(path, Some(bytes.len() as u64), DOCUMENT_BYTES)? == bytes {
            true => Ok(()),
            false => Err(refused(path, "is not that of an OCI image layout 1.0.0")),
        }
    }

    /// A small member, whole.
    fn described(
        &mut self,
        described: &Descriptor,
        name: &str,
        limit: u64,
    ) -> Result<Vec<u8>, BundleError> {
        let path = described
            .path()
            .ok_or_else(|| refused(name, "has a digest that is none"))?;
        let size = self.header(&path, name, Some(described.size), limit)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.take(&mut bytes, name)?;
        self.padding(size, name)?;
        self.fits(described, Sha256::new().chain_update(&bytes), name)?;
        Ok(bytes)
    }

    fn fits(&self, described: &Descriptor, found: Sha256, name: &str) -> Result<(), BundleError> {
        match described.digest == format!("sha256:{}", hex(found)) {
            true => Ok(()),
            false => Err(refused(
                name,
                format!("does not have the digest {}", described.digest),
            )),
        }
    }

    fn layers(&mut self, described: &[Descriptor]) -> Result<Vec<Member>, BundleError> {
        let mut seen: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut layers = Vec::with_capacity(described.len());
        for (number, one) in described.iter().enumerate() {
            let name = format!("layer {number}");
            let place = seen.get(one.digest.as_str()).copied();
            let (offset, size) = match place {
                Some(place) if place.1 == one.size => place,
                Some(_) => return Err(refused(&name, "has two sizes")),
                None => self.layer(one, &name)?,
            };
            seen.insert(&one.digest, (offset, size));
            layers.push(Member {
                kind: one.media_type.clone(),
                name,
                offset,
                size,
            });
        }
        Ok(layers)
    }

    fn layer(&mut self, described: &Descriptor, name: &str) -> Result<(u64, u64), BundleError> {
        let path = described
            .path()
            .ok_or_else(|| refused(name, "has a digest that is none"))?;
        let size = self.header(&path, name, Some(described.size), u64::MAX)?;
        let offset = self.at;
        let (mut hasher, mut left) = (Sha256::new(), size);
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            self.take(&mut buffer[..most], name)?;
            hasher.update(&buffer[..most]);
            left -= most as u64;
        }
        self.padding(size, name)?;
        self.fits(described, hasher, name)?;
        Ok((offset, size))
    }

    /// Two empty blocks, and nothing after them.
    fn over(&mut self) -> Result<(), BundleError> {
        let mut end = [1; 1_024];
        self.take(&mut end, "the end of the file")?;
        let rest = self.end - self.at;
        if rest > 0 || end.iter().any(|byte| *byte != 0) {
            return Err(refused("the file", "goes on after its end"));
        }
        Ok(())
    }
}
