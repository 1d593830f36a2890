//! What a word names a plugin by: a name, a file, a URL, or an artifact in a registry. Told from its letters alone, never
//! from what lies on the disk, so that an experiment means the same in every folder.

use std::path::{Path, PathBuf};

/// A plugin, as an experiment or the command line names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginWord {
    /// The name of a built-in plugin, or of one that is given.
    Name(String),
    /// A component's file, or a `.py` or `.js` file, with the experiment's folder before it.
    File(PathBuf),
    /// `https://host/x.wasm#sha256=…`
    Url(String),
    /// `registry/name:tag@sha256:…`, without `oci://`.
    Image(String),
}

/// The endings of files that are plugins, or become one.
const ENDINGS: [&str; 4] = ["wasm", "py", "js", "mjs"];

impl PluginWord {
    /// Reads a word; a file's path is relative to `folder`.
    #[must_use]
    pub fn read(word: &str, folder: &Path) -> PluginWord {
        match form(word) {
            Form::Name => PluginWord::Name(word.into()),
            Form::File => PluginWord::File(folder.join(word)),
            Form::Url => PluginWord::Url(word.into()),
            Form::Image => PluginWord::Image(without_scheme(word).into()),
        }
    }
}

/// What a plugin is called where nobody says how: a name itself, a file's stem, an artifact's last part.
#[must_use]
pub fn short_name(word: &str) -> &str {
    let last = |text| str::rsplit(text, '/').next().unwrap_or(text);
    let before = |text, marks: &[char]| str::split(text, marks).next().unwrap_or(text);
    let short = match form(word) {
        Form::Name => word,
        Form::File => stem(last(word)),
        Form::Url => stem(last(before(word, &['#', '?']))),
        Form::Image => before(last(before(word, &['@'])), &[':']),
    };
    if short.is_empty() { word } else { short }
}

enum Form {
    Name,
    File,
    Url,
    Image,
}

/// A registry is told from a folder as Docker does: by a dot, a port, or `localhost`.
fn form(word: &str) -> Form {
    if word.starts_with("https://") || word.starts_with("http://") {
        return Form::Url;
    }
    if word.starts_with("oci://") || word.contains("@sha256:") {
        return Form::Image;
    }
    let rooted = ["/", "./", "../"]
        .iter()
        .any(|start| word.starts_with(start));
    let ending = Path::new(word).extension().and_then(|end| end.to_str());
    if rooted || ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
        return Form::File;
    }
    match word.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => Form::Image,
        Some(_) => Form::File,
        None => Form::Name,
    }
}

fn without_scheme(word: &str) -> &str {
    word.strip_prefix("oci://").unwrap_or(word)
}

fn stem(file: &str) -> &str {
    let stem = Path::new(file).file_stem();
    stem.and_then(|stem| stem.to_str()).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_a_plugin_by_its_letters_alone() {
        let file = |path: &str| PluginWord::File(path.into());
        let image = |text: &str| PluginWord::Image(text.into());
        for (word, expected, short) in [
            ("numeric", PluginWord::Name("numeric".into()), "numeric"),
            ("scorer.wasm", file("at/scorer.wasm"), "scorer"),
            ("scorer.py", file("at/scorer.py"), "scorer"),
            ("./scorer", file("at/./scorer"), "scorer"),
            ("/a/b.c/scorer.wasm", file("/a/b.c/scorer.wasm"), "scorer"),
            ("v1.0/scorer.wasm", file("at/v1.0/scorer.wasm"), "scorer"),
            ("plugins/scorer", file("at/plugins/scorer"), "scorer"),
            (
                "https://h/a/similar.wasm?x=/1#sha256=00",
                PluginWord::Url("https://h/a/similar.wasm?x=/1#sha256=00".into()),
                "similar",
            ),
            (
                "ghcr.io/ml/similar:1.0",
                image("ghcr.io/ml/similar:1.0"),
                "similar",
            ),
            ("oci://ghcr.io/similar", image("ghcr.io/similar"), "similar"),
            (
                "localhost/similar:1",
                image("localhost/similar:1"),
                "similar",
            ),
            (
                "[::1]:5000/similar:1@sha256:00",
                image("[::1]:5000/similar:1@sha256:00"),
                "similar",
            ),
            (
                "127.0.0.1:5000/a/similar@sha256:00",
                image("127.0.0.1:5000/a/similar@sha256:00"),
                "similar",
            ),
            ("oci://", image(""), "oci://"),
        ] {
            assert_eq!(PluginWord::read(word, Path::new("at")), expected, "{word}");
            assert_eq!(short_name(word), short, "{word}");
        }
    }
}
