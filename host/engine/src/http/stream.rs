//! Bodies that are too large for memory: one on disk that goes out, one that comes piece by piece. 200 MB of either are a
//! few hundred kilobytes at any time.

use super::{Incoming, TransportError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, Stream};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// What is read of a file at once.
const PIECE: usize = 256 << 10;

/// A file between two short pieces.
#[derive(Clone, Debug)]
pub struct FileBody {
    /// Before the file.
    pub prefix: Bytes,
    /// The file.
    pub path: PathBuf,
    /// After the file.
    pub suffix: Bytes,
}

impl FileBody {
    pub(super) fn length(&self) -> io::Result<u64> {
        let file = std::fs::metadata(&self.path)?.len();
        Ok(file + (self.prefix.len() + self.suffix.len()) as u64)
    }

    pub(super) fn whole(&self) -> io::Result<Bytes> {
        let file = std::fs::read(&self.path)?;
        Ok(Bytes::from(
            [&self.prefix, &file[..], &self.suffix].concat(),
        ))
    }

    /// The body, piece by piece. A file that shrinks meanwhile breaks the exchange, for its length was announced.
    pub(super) fn pieces(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let path = self.path.clone();
        let file = stream::unfold(None, move |file: Option<File>| {
            let path = path.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || piece(file, &path)).await;
                match read.unwrap_or_else(|e| Err(io::Error::other(e))) {
                    Ok((bytes, _)) if bytes.is_empty() => None,
                    Ok((bytes, file)) => Some((Ok(bytes), Some(file))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        let short = |bytes: &Bytes| stream::iter([Ok(bytes.clone())]);
        short(&self.prefix).chain(file).chain(short(&self.suffix))
    }
}

fn piece(file: Option<File>, path: &std::path::Path) -> io::Result<(Bytes, File)> {
    let mut file = file.map_or_else(|| File::open(path), Ok)?;
    let mut bytes = Vec::with_capacity(PIECE);
    Read::by_ref(&mut file)
        .take(PIECE as u64)
        .read_to_end(&mut bytes)?;
    Ok((Bytes::from(bytes), file))
}

/// An answer whose body comes piece by piece.
pub struct Download {
    /// The HTTP status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed. It ends at the first error.
    pub pieces: BoxStream<'static, Result<Bytes, TransportError>>,
}

impl From<Incoming> for Download {
    fn from(incoming: Incoming) -> Download {
        let Incoming {
            status,
            headers,
            body,
        } = incoming;
        let pieces = Box::pin(stream::iter([Ok(body)]));
        Download {
            status,
            headers,
            pieces,
        }
    }
}

impl Download {
    /// The body as far as `limit` bytes.
    ///
    /// # Errors
    /// Where it breaks off.
    pub async fn short(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let mut body = Vec::new();
        while let Some(piece) = self.pieces.next().await {
            let piece = piece?;
            let room = limit.saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() >= room {
                break;
            }
        }
        Ok(Bytes::from(body))
    }
}
