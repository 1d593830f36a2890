//! Recorded replies. A row answers a request whose model it names and whose last user message contains its text; of
//! several, the longest text wins, then the earlier row. Looking takes as long as the message is, whatever the rows.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Rows of recorded replies.
#[derive(Debug)]
pub struct Replies {
    models: HashMap<String, Model>,
}

#[derive(Debug)]
struct Model {
    texts: AhoCorasick,
    replies: Vec<String>,
}

/// The recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// The file cannot be read.
    #[error("cannot read the replies {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// A line is none.
    #[error("the replies {path}, line {line}: {what}; write {{\"model\": …, \"contains\": …, \"reply\": …}}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct Row {
    model: String,
    contains: String,
    reply: String,
}

impl Replies {
    /// Reads a recording.
    ///
    /// # Errors
    /// Names the file and the line.
    pub fn load(path: &Path) -> Result<Replies, ReplyError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ReplyError::Read {
            path: path.into(),
            cause,
        })?;
        let mut rows: HashMap<String, (Vec<String>, Vec<String>)> = HashMap::new();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let wrong = |what: String| ReplyError::Line {
                path: path.into(),
                line: index + 1,
                what,
            };
            let row: Row = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            let (texts, replies) = rows.entry(row.model).or_default();
            texts.push(row.contains);
            replies.push(row.reply);
        }
        let whole = |what: String| ReplyError::Line {
            path: path.into(),
            line: 0,
            what,
        };
        let models = rows.into_iter().map(|(model, (texts, replies))| {
            // The DFA is large and fast; the recording is small and asked often.
            let kind = Some(AhoCorasickKind::ContiguousNFA);
            let texts = AhoCorasick::builder()
                .kind(kind)
                .match_kind(MatchKind::Standard)
                .build(texts);
            texts
                .map(|texts| (model, Model { texts, replies }))
                .map_err(|e| whole(e.to_string()))
        });
        Ok(Replies {
            models: models.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn models(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.models.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn find(&self, model: &str, message: &str) -> Option<&str> {
        let model = self.models.get(model)?;
        let found = model.texts.find_overlapping_iter(message);
        let best = found.max_by_key(|found| (found.len(), std::cmp::Reverse(found.pattern())))?;
        model
            .replies
            .get(best.pattern().as_usize())
            .map(String::as_str)
    }
}
