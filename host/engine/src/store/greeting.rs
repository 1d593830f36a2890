//! The first words of a connection, and the connection that is used for one walk through all requests.

use super::link::read_frame;
use super::message::{Ask, MAGIC, PROTOCOL, Reply, hello};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use xhost_store::Digest;

/// How long the other side may take for its first words.
const PATIENCE: Duration = Duration::from_secs(10);

/// The other side is not the one that is looked for.
pub(super) enum Greeting {
    Version { theirs: String, protocol: u32 },
    Io(io::Error),
}

impl From<io::Error> for Greeting {
    fn from(error: io::Error) -> Greeting {
        Greeting::Io(error)
    }
}

/// Says who this is, and reads who that is.
pub(super) fn greet(mut stream: &UnixStream) -> Result<(), Greeting> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&hello())?;
    let mut magic = [0; 8];
    stream.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(io::Error::other("whoever listens there is no `xhost serve`").into());
    }
    let (mut protocol, mut length) = ([0; 4], [0; 2]);
    stream.read_exact(&mut protocol)?;
    stream.read_exact(&mut length)?;
    let mut version = vec![0; usize::from(u16::from_le_bytes(length))];
    stream.read_exact(&mut version)?;
    stream.set_read_timeout(None)?;
    match u32::from_le_bytes(protocol) {
        PROTOCOL => Ok(()),
        protocol => Err(Greeting::Version {
            theirs: crate::text::plain(&String::from_utf8_lossy(&version)),
            protocol,
        }),
    }
}

/// A walk through all requests.
pub(super) struct Walk {
    stream: BufReader<UnixStream>,
}

impl Walk {
    pub(super) fn begin(socket: &Path) -> io::Result<Walk> {
        let stream = UnixStream::connect(socket)?;
        greet(&stream).map_err(|greeting| match greeting {
            Greeting::Io(error) => error,
            Greeting::Version { .. } => io::Error::other("it is another version by now"),
        })?;
        (&stream).write_all(&Ask::Walk.to_frame(1))?;
        Ok(Walk {
            stream: BufReader::with_capacity(64 << 10, stream),
        })
    }

    pub(super) fn next(&mut self) -> io::Result<Option<(Digest, bytes::Bytes)>> {
        match read_frame(&mut self.stream)?.1 {
            Reply::Request { digest, bytes } => Ok(Some((digest, bytes))),
            Reply::Done => Ok(None),
            Reply::Fault(_, words) | Reply::Ending(words) => Err(io::Error::other(words)),
            _ => Err(io::Error::other("its answer does not fit the question")),
        }
    }
}
