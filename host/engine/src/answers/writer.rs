//! The one writer of answers: takes whatever waits, commits it as one, and only then tells who waited.

use crate::stop::{Stop, StopReason};
use crate::store::Store;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use xhost_store::{Entry, Group, Put, Touched};

/// The most answers in one commit; past some hundreds a larger group gains nothing.
const GROUP: usize = 1_024;

/// KiB of answers whose commit nobody waits for.
const UNAWAITED: u32 = 8 << 10;

/// The way to the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Write>,
    /// Room for answers whose commit nobody waits for: memory must not follow how many there are, or how long they are.
    room: Arc<Semaphore>,
}

/// What waits for the next commit.
enum Write {
    Answer(Box<Entry>, Told),
    Touched(Touched, Option<oneshot::Sender<Result<(), String>>>),
}

/// What hears of a commit.
enum Told {
    Waiting(oneshot::Sender<Result<Put, String>>),
    /// Room for another answer that nobody waits for.
    Room(OwnedSemaphorePermit),
}

impl Writer {
    /// A writer to this store. Its task ends when the last way to it is gone.
    pub(super) fn start(store: Arc<Store>, run: Stop) -> (Writer, JoinHandle<()>) {
        let (writer, queue) = Writer::with_queue();
        (writer, tokio::spawn(write_groups(store, queue, run)))
    }

    fn with_queue() -> (Writer, mpsc::Receiver<Write>) {
        let (queue, end) = mpsc::channel(GROUP);
        let room = Arc::new(Semaphore::new(UNAWAITED as usize));
        (Writer { queue, room }, end)
    }

    /// Stores an answer; what became of it, once that is durable.
    pub(super) async fn put(&self, entry: Entry) -> Result<Put, String> {
        let (told, acknowledgement) = oneshot::channel();
        let write = Write::Answer(Box::new(entry), Told::Waiting(told));
        // Where the writer is gone, so is the acknowledgement.
        let _ = self.queue.send(write).await;
        acknowledgement.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Stores an answer at some time, once there is room for it among others of that kind.
    pub(super) async fn put_unawaited(&self, entry: Entry) {
        let bytes = entry.answer.body.len() + entry.request.as_ref().map_or(0, |all| all.len());
        let kib = u32::try_from(bytes >> 10).map_or(UNAWAITED, |kib| UNAWAITED.min(kib + 1));
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(kib).await {
            // Where the writer is gone, the run ends, and says why.
            let write = Write::Answer(Box::new(entry), Told::Room(room));
            let _ = self.queue.send(write).await;
        }
    }

    /// Notes what a run touched, at some time. Where that fails, the run is stopped.
    pub(super) async fn touched(&self, touched: Touched) {
        // The writer lives as long as this.
        let _ = self.queue.send(Write::Touched(touched, None)).await;
    }

    /// Notes the last that a run touched, and all before it, durably.
    pub(super) async fn touched_last(&self, last: Touched) -> Result<(), String> {
        let (told, acknowledgement) = oneshot::channel();
        // As above.
        let _ = self.queue.send(Write::Touched(last, Some(told))).await;
        acknowledgement.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> String {
    "the store's writer is gone".into()
}

async fn write_groups(store: Arc<Store>, mut queue: mpsc::Receiver<Write>, run: Stop) {
    let mut group = Vec::with_capacity(GROUP);
    while next_group(&store, &mut queue, &mut group, &run).await > 0 {
        let mut entries = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        let (mut touched, mut last) = (Vec::new(), Vec::new());
        for write in group.drain(..) {
            match write {
                Write::Answer(entry, told) => {
                    entries.push(*entry);
                    waiting.push(told);
                }
                Write::Touched(part, acknowledged) => {
                    touched.push(part);
                    last.extend(acknowledged);
                }
            }
        }
        let result = commit(Arc::clone(&store), entries, touched).await;
        if let Err(message) = &result {
            run.request(StopReason::Disk(message.clone()));
        }
        for acknowledged in last {
            // As below.
            let _ = acknowledged.send(result.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        for (number, told) in waiting.into_iter().enumerate() {
            let put = result.as_ref().map(|puts| puts[number]);
            match told {
                // A trial that was cancelled does not wait any more; its answer is stored all the same.
                Told::Waiting(acknowledged) => {
                    let _ = acknowledged.send(put.map_err(Clone::clone));
                }
                Told::Room(room) => drop(room),
            }
        }
    }
}

/// What waits. Where the process that has the store goes away meanwhile, no further call leaves.
async fn next_group(
    store: &Store,
    queue: &mut mpsc::Receiver<Write>,
    group: &mut Vec<Write>,
    run: &Stop,
) -> usize {
    if run.reason().is_none() {
        tokio::select! {
            biased;
            count = queue.recv_many(group, GROUP) => return count,
            why = store.lost() => {
                let path = store.path().display();
                run.request(StopReason::Disk(format!("the store {path}: {why}")));
            }
            _ = run.requested() => {}
        }
    }
    queue.recv_many(group, GROUP).await
}

async fn commit(
    store: Arc<Store>,
    entries: Vec<Entry>,
    touched: Vec<Touched>,
) -> Result<Vec<Put>, String> {
    let written = tokio::task::spawn_blocking(move || {
        let group = Group {
            entries: &entries,
            touched: &touched,
            ..Group::default()
        };
        crate::disk::commit_or_spill(&store, &group)
    });
    written
        .await
        .unwrap_or_else(|_| Err("the store's writer panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_store::{Answer, Digest};

    fn entry(bytes: usize) -> Entry {
        let answer = Answer {
            body: vec![b'a'; bytes].into(),
            status: 200,
            api: "openai.chat".into(),
            model: "m".into(),
            headers: Vec::new(),
            created_ms: 0,
            latency_ms: 0,
        };
        Entry::from((Digest::from_bytes([1; 32]), answer))
    }

    async fn within_an_hour(waits: impl Future<Output = ()>) -> bool {
        let hour = std::time::Duration::from_secs(3_600);
        tokio::time::timeout(hour, waits).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_nobody_waits_for_take_eight_mebibytes_until_they_are_stored() {
        let (writer, mut queue) = Writer::with_queue();
        let long = 3 << 20;
        assert!(within_an_hour(writer.put_unawaited(entry(long))).await);
        assert!(within_an_hour(writer.put_unawaited(entry(long))).await);
        assert!(!within_an_hour(writer.put_unawaited(entry(long))).await);
        // Stored, or at least let go of.
        drop(queue.recv().await);
        assert!(within_an_hour(writer.put_unawaited(entry(long))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_longer_than_the_room_has_it_alone() {
        let (writer, mut queue) = Writer::with_queue();
        assert!(within_an_hour(writer.put_unawaited(entry(20 << 20))).await);
        assert!(!within_an_hour(writer.put_unawaited(entry(1))).await);
        drop(queue.recv().await);
        assert!(within_an_hour(writer.put_unawaited(entry(1))).await);
    }

    #[tokio::test]
    async fn whoever_waits_hears_that_the_writer_is_gone() {
        let (writer, queue) = Writer::with_queue();
        drop(queue);
        assert_eq!(writer.put(entry(1)).await, Err(gone()));
    }
}
