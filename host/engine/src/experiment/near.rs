//! What a user may have meant: the nearest known word, key or file name.

use std::path::{Path, PathBuf};

/// The word among `known` that is a slip or two away from `word`.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &plain(known));
    let slips = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|known| (distance(known), known))
        .filter(|(distance, known)| *distance <= slips && *distance < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The experiment files in the folder of `file` whose names are like its name, at most three.
pub(super) fn files_like(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase()
    };
    let stem = |path: &Path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase()
    };
    let (wanted_name, wanted_stem) = (name(file), stem(file));
    let alike = |candidate: &PathBuf| {
        stem(candidate) == wanted_stem
            || nearest(&wanted_name, [name(candidate).as_str()]).is_some()
    };
    experiments_in(folder)
        .into_iter()
        .filter(alike)
        .take(3)
        .collect()
}

/// The files in `folder` that may be experiments, in the order of their names; nothing if it cannot be read.
pub(super) fn experiments_in(folder: &Path) -> Vec<PathBuf> {
    /// A message is no directory listing, and a dataset's folder may hold millions of files.
    const MOST: usize = 1_000;
    let readable = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(readable)
        .into_iter()
        .flatten()
        .take(MOST)
        .flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
        })
        .collect();
    files.sort();
    files
}
