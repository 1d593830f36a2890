//! All that is stored, one after the other, in the order of writing. A page of records at a time, so that memory does not
//! follow the store's size, and no transaction stays open between pages.

use crate::fault::ReadError;
use crate::store::{answer, request, sequence, trusted};
use crate::tables::RECORDS;
use crate::{Answer, Digest, Store, StoredRequest, record};
use bytes::Bytes;
use redb::ReadableDatabase;
use std::collections::VecDeque;

/// Records that are read at once.
const PAGE: usize = 32;

/// Bytes after which a page ends early.
const PAGE_BYTES: usize = 4 << 20;

/// An answer with the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The request's name.
    pub digest: Digest,
    /// Its answer.
    pub answer: Answer,
    /// The request, as [`crate::Sent::to_bytes`] gives it, where it came with the answer.
    pub request: Option<Bytes>,
}

impl Store {
    /// Every answer that a request's digest leads to, with its request, verified. What cannot be used is an error among
    /// the others; the file that cannot be read is the last item.
    pub fn iter(&self) -> impl Iterator<Item = Result<Stored, ReadError>> + '_ {
        self.walk(|read, digest, sequence, dictionaries| {
            let found = answer(read, digest, sequence, dictionaries)?;
            let asked = request(read, digest, sequence, dictionaries)?;
            Ok(found.and_then(|answer| {
                let stored = answer.map(|answer| {
                    Ok(Stored {
                        digest: *digest,
                        answer,
                        request: asked?.map(Bytes::from),
                    })
                });
                stored.transpose()
            }))
        })
    }

    /// Every request that came with its answer, under its digest, verified.
    pub fn requests(
        &self,
    ) -> impl Iterator<Item = Result<(Digest, StoredRequest), ReadError>> + '_ {
        self.walk(|read, digest, sequence, dictionaries| {
            let bytes = request(read, digest, sequence, dictionaries)?;
            let bytes =
                bytes.map(|bytes| bytes.map(|bytes| StoredRequest::from_bytes(digest, &bytes)));
            Ok(bytes.and_then(|read| {
                read.transpose()
                    .map(|request| request.map(|request| (*digest, request)))
            }))
        })
    }

    fn walk<T>(
        &self,
        visit: impl Fn(
            &redb::ReadTransaction,
            &Digest,
            u64,
            &crate::shelf::Loaded<'_>,
        ) -> Result<Result<Option<T>, crate::RecordError>, redb::Error>,
    ) -> impl Iterator<Item = Result<T, ReadError>> {
        let mut next = Some(0);
        let mut page: VecDeque<Result<T, ReadError>> = VecDeque::new();
        std::iter::from_fn(move || {
            loop {
                if let Some(item) = page.pop_front() {
                    return Some(item);
                }
                let from = next?;
                let read = self.read(|database| {
                    let read = database.begin_read()?;
                    let dictionaries = self.shelf.over(database);
                    let (mut items, mut seen, mut bytes, mut last) = (VecDeque::new(), 0, 0, None);
                    for row in read.open_table(RECORDS)?.range(from..)? {
                        let (number, record) = row?;
                        last = Some(number.value());
                        seen += 1;
                        bytes += record.value().len();
                        // A record without a name is not what its request is answered with.
                        if let Some(digest) = record::key(record.value())
                            && sequence(&read, &digest)? == last
                        {
                            let item = visit(&read, &digest, number.value(), &dictionaries)?;
                            items.extend(item.map_err(|cause| trusted(&digest, cause)).transpose());
                        }
                        if seen == PAGE || bytes > PAGE_BYTES {
                            break;
                        }
                    }
                    Ok((items, last))
                });
                match read {
                    Ok((items, last)) => {
                        page = items;
                        next = last.and_then(|last: u64| last.checked_add(1));
                    }
                    Err(error) => {
                        next = None;
                        return Some(Err(error));
                    }
                }
            }
        })
    }
}
