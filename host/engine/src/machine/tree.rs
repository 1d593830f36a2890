//! A tree of files as the kernel shows them, under a root that a test may choose. Reads are bounded; what is missing or
//! may not be read is `None`, because every file of `/proc` and `/sys` may be.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most of one file: `mountinfo` of a busy host has some hundred KiB.
const LARGEST: u64 = 4 << 20;

/// Files of a machine.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The machine's own files.
    #[must_use]
    pub fn real() -> Tree {
        Tree::at(Path::new("/"))
    }

    /// The files under a folder, as if it were `/`.
    #[must_use]
    pub fn at(root: &Path) -> Tree {
        Tree { root: root.into() }
    }

    /// A file's text.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        let file = File::open(self.place(path.as_ref())).ok()?;
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        // A command line may hold any bytes.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file that holds one number; `max` and numbers that mean "no limit" are `None`.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path)?
            .trim()
            .parse()
            .ok()
            .filter(|&number| number < UNLIMITED)
    }

    /// A number on a line of its own behind a key, as in `memory.stat` (`key 5`) and `status` (`Key: 5 kB`, in bytes then).
    pub(super) fn keyed(&self, path: impl AsRef<Path>, key: &str) -> Option<u64> {
        keyed(&self.text(path)?, key)
    }

    /// The names in a folder, sorted.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.place(path.as_ref()));
        let names = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.place(path.as_ref()).exists()
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Version 1 writes "no limit" as the largest multiple of a page; nothing real comes near.
const UNLIMITED: u64 = 1 << 60;

pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        rest.starts_with([' ', '\t'])
            .then(|| rest.split_whitespace())
    })?;
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        Some("kB") => number.checked_mul(1_024),
        _ => Some(number),
    }
    .filter(|&number| number < UNLIMITED)
}
