//! Waiting requests, framed for an upload: as many as one batch may hold, by count, by bytes and by tokens. The lines go to
//! a file; in memory there are only their digests.

use super::spool::Waiting;
use super::{Account, Batches, disk};
use crate::lane::Lane;
use crate::plugin::bindings::batch::RequestLine;
use crate::stop::StopReason;
use futures_util::future::join_all;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use xhost_store::Digest;

/// A portion for one call of the plugin: what crosses is copied, and one call may copy 8 MiB.
const PORTION: usize = 256;
const PORTION_BYTES: u64 = 1 << 20;

/// Portions at once.
const AT_ONCE: usize = 4;

/// A batch, ready to be sent.
pub(super) struct Packed {
    /// The framed lines; gone with this.
    pub file: tempfile::TempPath,
    pub digests: Vec<Digest>,
    pub bytes: u64,
    pub tokens: u64,
}

/// What there is room for.
#[derive(Clone, Copy)]
struct Room {
    requests: usize,
    bytes: u64,
    tokens: u64,
}

/// A file that grows line by line.
struct Upload {
    writer: BufWriter<File>,
    packed: Packed,
    separator: String,
    suffix: String,
    room: Room,
}

impl Upload {
    /// Whether the line went in.
    fn add(&mut self, waiting: &Waiting, line: &str) -> std::io::Result<bool> {
        let first = self.packed.digests.is_empty();
        let separator = if first { "" } else { self.separator.as_str() };
        let bytes = self.packed.bytes + (separator.len() + line.len()) as u64;
        let tokens = self.packed.tokens + tokens(&waiting.body);
        let fits = self.packed.digests.len() < self.room.requests
            && bytes + self.suffix.len() as u64 <= self.room.bytes
            && (first || tokens <= self.room.tokens);
        if fits {
            self.writer.write_all(separator.as_bytes())?;
            self.writer.write_all(line.as_bytes())?;
            self.packed.digests.push(waiting.digest);
            (self.packed.bytes, self.packed.tokens) = (bytes, tokens);
        }
        Ok(fits)
    }
}

/// Four bytes are about a token.
fn tokens(body: &str) -> u64 {
    body.len() as u64 / 4 + 1
}

impl Batches {
    /// The next batch of an account, with room for so many tokens; none where nothing waits. A request that is too large for
    /// any batch is given back beside it.
    pub(super) async fn pack(
        &self,
        account: usize,
        token_room: u64,
    ) -> Result<(Option<Packed>, Vec<Digest>), StopReason> {
        let lane = Arc::clone(&self.state().accounts[account].lane);
        let Some(limits) = lane.profile.batch else {
            return Ok((None, Vec::new()));
        };
        let room = Room {
            requests: limits.requests as usize,
            bytes: limits.bytes,
            tokens: token_room,
        };
        let mut upload = self.begin(&lane, room).await?;
        let mut too_large = Vec::new();
        let mut full = false;
        while !full {
            let portions = self.portions(account)?;
            if portions.is_empty() {
                break;
            }
            let framed = portions.iter().map(|portion| frame(&lane, portion));
            let framed = join_all(framed).await;
            let mut rest: Vec<Waiting> = Vec::new();
            for (portion, lines) in portions.into_iter().zip(framed) {
                let lines = lines?;
                for (waiting, line) in portion.into_iter().zip(lines) {
                    if full {
                        rest.push(waiting);
                    } else if !upload.add(&waiting, &line).map_err(|e| disk(&e))? {
                        if upload.packed.digests.is_empty() {
                            too_large.push(waiting.digest);
                        } else {
                            full = true;
                            rest.push(waiting);
                        }
                    }
                }
            }
            let mut state = self.state();
            let spool = &mut state.accounts[account].spool;
            spool.untake(&rest).map_err(|e| disk(&e))?;
        }
        let packed = finish(upload).map_err(|e| disk(&e))?;
        Ok((packed, too_large))
    }

    async fn begin(&self, lane: &Lane, room: Room) -> Result<Upload, StopReason> {
        let envelope = lane
            .provider
            .frame(&lane.model)
            .await
            .map_err(|failure| StopReason::Experiment(failure.to_string()))?;
        let folder = self
            .state()
            .folder
            .as_ref()
            .map_or_else(|| PathBuf::from("."), |folder| folder.path().to_path_buf());
        let file = tempfile::Builder::new()
            .prefix("upload-")
            .tempfile_in(folder)
            .map_err(|e| disk(&e))?;
        let (file, path) = file.into_parts();
        let mut writer = BufWriter::with_capacity(256 << 10, file);
        writer
            .write_all(envelope.prefix.as_bytes())
            .map_err(|e| disk(&e))?;
        Ok(Upload {
            writer,
            packed: Packed {
                file: path,
                digests: Vec::new(),
                bytes: envelope.prefix.len() as u64,
                tokens: 0,
            },
            separator: envelope.separator,
            suffix: envelope.suffix,
            room,
        })
    }

    /// The next portions, without what was answered meanwhile.
    fn portions(&self, account: usize) -> Result<Vec<Vec<Waiting>>, StopReason> {
        let mut state = self.state();
        let Account { spool, open, .. } = &mut state.accounts[account];
        let mut portions = Vec::new();
        while portions.len() < AT_ONCE && spool.len() > 0 {
            let mut portion = spool.take(PORTION, PORTION_BYTES).map_err(|e| disk(&e))?;
            portion.retain(|waiting| open.contains(&super::short(&waiting.digest)));
            portions.push(portion);
        }
        Ok(portions)
    }
}

async fn frame(lane: &Lane, portion: &[Waiting]) -> Result<Vec<String>, StopReason> {
    let line = |waiting: &Waiting| RequestLine {
        custom_id: waiting.digest.to_string(),
        path: waiting.path.clone(),
        body: waiting.body.clone(),
    };
    let lines = lane
        .provider
        .lines(&lane.model, portion.iter().map(line).collect());
    lines
        .await
        .map_err(|failure| StopReason::Experiment(failure.to_string()))
}

fn finish(upload: Upload) -> std::io::Result<Option<Packed>> {
    let Upload {
        mut writer,
        mut packed,
        suffix,
        ..
    } = upload;
    writer.write_all(suffix.as_bytes())?;
    writer.flush()?;
    packed.bytes += suffix.len() as u64;
    Ok((!packed.digests.is_empty()).then_some(packed))
}
