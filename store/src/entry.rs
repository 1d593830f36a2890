//! What one commit takes: answers under their requests' digests, changes of the journal, digests that a run touched.

use crate::fault::{RecordError, WriteError};
use crate::journal::{self, Change};
use crate::packed::REQUEST_LIMIT;
use crate::record;
use crate::request::StoredRequest;
use crate::runs::Touched;
use crate::{Answer, Digest};
use bytes::Bytes;

/// An answer to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request's name.
    pub digest: Digest,
    /// Its answer.
    pub answer: Answer,
    /// The request, as [`crate::Sent::to_bytes`] gives it; an answer that was imported may come without.
    pub request: Option<Bytes>,
    /// What happens where there is an answer already.
    pub wish: Wish,
}

/// What happens where there is an answer already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The first one stays.
    #[default]
    Keep,
    /// This one is found from now on; the old record stays, without a name.
    Replace,
}

impl From<(Digest, Answer)> for Entry {
    fn from((digest, answer): (Digest, Answer)) -> Entry {
        Entry {
            digest,
            answer,
            request: None,
            wish: Wish::Keep,
        }
    }
}

/// What one commit makes durable: all of it or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Group<'a> {
    /// Answers.
    pub entries: &'a [Entry],
    /// Changes of the journal, in their order.
    pub journal: &'a [Change],
    /// What runs touched.
    pub touched: &'a [Touched],
}

impl Group<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.journal.is_empty() && self.touched.is_empty()
    }

    /// Whether all of it can be stored; cheap.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        for entry in self.entries {
            check_entry(entry).map_err(|cause| WriteError::Answer {
                digest: entry.digest,
                cause,
            })?;
        }
        self.journal.iter().try_for_each(journal::check_size)
    }
}

fn check_entry(entry: &Entry) -> Result<(), RecordError> {
    record::check_size(&entry.answer)?;
    let Some(request) = &entry.request else {
        return Ok(());
    };
    if request.len() > REQUEST_LIMIT {
        return Err(RecordError::TooLarge {
            part: "request",
            bytes: request.len(),
            limit: REQUEST_LIMIT,
        });
    }
    StoredRequest::verify(&entry.digest, request)
}
