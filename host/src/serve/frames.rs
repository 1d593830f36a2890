//! Frames as they come in from a client that may say anything: a length that is a lie costs nothing, what is large waits for
//! its part of the room that all clients share, and what was begun must come.

use crate::store::message::FRAME_LIMIT;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Bytes of messages that are held at once, over all clients.
const ROOM: usize = 64 << 20;

/// Messages above this, of single answers of such a size, go one at a time, and keep no others waiting.
const LARGE: usize = 8 << 20;

/// Messages below this are so small that their number bounds them.
const SMALL: usize = 4 << 10;

/// Bytes that are asked of the system at once.
const READ: usize = 64 << 10;

/// How long a message may take from its first byte to its last, where there is room for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The room for messages that all clients share.
#[derive(Debug)]
pub(super) struct Room {
    ordinary: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            ordinary: Arc::new(Semaphore::new(ROOM)),
            large: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Room {
    async fn take(&self, length: usize) -> io::Result<OwnedSemaphorePermit> {
        let permit = match u32::try_from(length) {
            Ok(permits) if length <= LARGE => {
                Arc::clone(&self.ordinary).acquire_many_owned(permits).await
            }
            _ => Arc::clone(&self.large).acquire_owned().await,
        };
        permit.map_err(io::Error::other)
    }
}

/// A message, and its part of the room until it is dropped.
pub(super) struct Message {
    pub(super) bytes: Bytes,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// A stream of frames. Nothing is lost where a read is given up.
pub(super) struct Frames<R> {
    stream: R,
    buffer: BytesMut,
    shared: Arc<Room>,
    room: Option<OwnedSemaphorePermit>,
    /// When the message that is not whole yet began to come.
    begun: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(stream: R, shared: Arc<Room>) -> Frames<R> {
        Frames {
            stream,
            buffer: BytesMut::new(),
            shared,
            room: None,
            begun: None,
        }
    }

    /// Exactly so many bytes, before the first frame.
    pub(super) async fn exactly<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        while self.buffer.len() < N {
            self.read().await?;
        }
        let mut bytes = [0; N];
        self.buffer.copy_to_slice(&mut bytes);
        Ok(bytes)
    }

    /// The next frame, if all of it is here.
    pub(super) fn ready(&mut self) -> io::Result<Option<Message>> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        if self.buffer.len() < 4 + length || (length > SMALL && self.room.is_none()) {
            return Ok(None);
        }
        self.buffer.advance(4);
        self.begun = None;
        Ok(Some(Message {
            bytes: self.buffer.split_to(length).freeze(),
            room: self.room.take(),
        }))
    }

    /// The next frame; an end within one is an error like any other.
    pub(super) async fn next(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = self.ready()? {
                return Ok(message);
            }
            match self.length()? {
                Some(length) if length > SMALL && self.room.is_none() => {
                    self.room = Some(self.shared.take(length).await?);
                    self.begun = None;
                }
                _ if self.buffer.is_empty() => self.read().await?,
                _ => {
                    let until = *self.begun.get_or_insert_with(Instant::now) + PATIENCE;
                    let read = tokio::time::timeout_at(until, self.read()).await;
                    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                }
            }
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn length(&self) -> io::Result<Option<usize>> {
        let Some(length) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_LIMIT {
            return Err(io::Error::other("its message is too long"));
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(stream: &[u8]) -> (Vec<Vec<u8>>, io::ErrorKind) {
        let room = Arc::new(Room::default());
        let mut frames = Frames::new(stream, Arc::clone(&room));
        let mut read = Vec::new();
        loop {
            match frames.next().await {
                Ok(message) => read.push(message.bytes.to_vec()),
                Err(error) => {
                    drop(frames);
                    let free = (
                        room.ordinary.available_permits(),
                        room.large.available_permits(),
                    );
                    assert_eq!(free, (ROOM, 1), "all room is given back");
                    return (read, error.kind());
                }
            }
        }
    }

    #[tokio::test]
    async fn frames_are_read_whole_or_not_at_all() {
        let small = [&5_u32.to_le_bytes()[..], b"hello"].concat();
        let large = [&100_000_u32.to_le_bytes()[..], &[7; 100_000]].concat();
        let both = [small.clone(), large.clone(), vec![0; 4]].concat();
        let (read, end) = read_all(&both).await;
        assert_eq!(read, [b"hello".to_vec(), vec![7; 100_000], Vec::new()]);
        assert_eq!(end, io::ErrorKind::UnexpectedEof);
        for cut in [0, 1, 3, 4, 8] {
            let (read, end) = read_all(&small[..cut]).await;
            assert_eq!(
                (read.len(), end),
                (0, io::ErrorKind::UnexpectedEof),
                "{cut}"
            );
        }
        let (read, _) = read_all(&large[..99_999]).await;
        assert!(read.is_empty());
    }

    #[tokio::test]
    async fn a_length_that_is_a_lie_costs_nothing() {
        let (read, end) = read_all(&u32::MAX.to_le_bytes()).await;
        assert_eq!((read.len(), end), (0, io::ErrorKind::Other));
        let room = Arc::new(Room::default());
        let lie = [&(FRAME_LIMIT as u32).to_le_bytes()[..], b"no more"].concat();
        let mut frames = Frames::new(lie.as_slice(), room);
        assert!(frames.next().await.is_err());
        assert!(
            frames.buffer.capacity() < 1 << 20,
            "{}",
            frames.buffer.capacity()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_was_begun_must_come_and_keeps_no_other_waiting() {
        let room = Arc::new(Room::default());
        let promise = (FRAME_LIMIT as u32).to_le_bytes();
        let (mut liar, end) = tokio::io::duplex(64);
        let mut lied_to = Frames::new(end, Arc::clone(&room));
        tokio::io::AsyncWriteExt::write_all(&mut liar, &promise)
            .await
            .expect("it reads");
        let other = [&100_000_u32.to_le_bytes()[..], &[7; 100_000]].concat();
        let mut others = Frames::new(other.as_slice(), Arc::clone(&room));
        let (lie, message) = tokio::join!(lied_to.next(), others.next());
        assert_eq!(
            message.map(|message| message.bytes.len()).ok(),
            Some(100_000)
        );
        assert_eq!(
            lie.err().map(|error| error.kind()),
            Some(io::ErrorKind::TimedOut)
        );
        // Nothing was begun: a client may be silent for as long as it likes.
        let silent = tokio::time::timeout(PATIENCE * 100, others.next()).await;
        assert!(silent.is_ok_and(|end| end.is_err()), "its stream ended");
        let (_silent, end) = tokio::io::duplex(64);
        let mut idle = Frames::new(end, room);
        assert!(
            tokio::time::timeout(PATIENCE * 100, idle.next())
                .await
                .is_err()
        );
    }
}
