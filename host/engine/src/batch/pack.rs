//! Waiting requests, framed for an upload: as many as one batch may hold, by count, by bytes and by tokens. The lines go to
//! a file; in memory there are only their digests.

use super::register::Stands;
use super::spool::Waiting;
use super::{Batches, disk};
use crate::budget::{self, Amount, Refusal, Wish};
use crate::lane::Lane;
use crate::plugin::bindings::batch::RequestLine;
use crate::prices::Travel;
use crate::stop::StopReason;
use futures_util::future::join_all;
use std::fs::File;
use std::io::{BufWriter, Write};
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
    /// What is reserved for it.
    pub bound: Amount,
}

/// What came of packing.
#[derive(Default)]
pub(super) struct Packing {
    /// None where nothing waits, or nothing may go.
    pub packed: Option<Packed>,
    /// Requests that are larger than any batch may be.
    pub too_large: Vec<Digest>,
    /// Why the next request may not go, where the budget is the reason.
    pub held: Option<Held>,
}

/// What a budget says to the next request.
pub(super) enum Held {
    /// Others may turn out cheaper than reserved.
    ForNow,
    /// It will never fit.
    ForGood(Refusal),
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

/// What became of a line.
enum Added {
    Yes,
    /// No more fits.
    Full,
    Held(Held),
}

impl Upload {
    fn add(
        &mut self,
        (lane, payer): (&Lane, Option<&budget::Account>),
        waiting: &Waiting,
        line: &str,
    ) -> std::io::Result<Added> {
        let first = self.packed.digests.is_empty();
        let separator = if first { "" } else { self.separator.as_str() };
        let bytes = self.packed.bytes + (separator.len() + line.len()) as u64;
        let tokens = self.packed.tokens + tokens(&waiting.body);
        let fits = self.packed.digests.len() < self.room.requests
            && bytes + self.suffix.len() as u64 <= self.room.bytes
            && (first || tokens <= self.room.tokens);
        if !fits {
            return Ok(Added::Full);
        }
        match reserve(lane, payer, waiting) {
            Ok(Some(bound)) => self.packed.bound = self.packed.bound.plus(bound),
            Ok(None) => return Ok(Added::Held(Held::ForNow)),
            Err(refusal) => return Ok(Added::Held(Held::ForGood(refusal))),
        }
        self.writer.write_all(separator.as_bytes())?;
        self.writer.write_all(line.as_bytes())?;
        self.packed.digests.push(waiting.digest);
        (self.packed.bytes, self.packed.tokens) = (bytes, tokens);
        Ok(Added::Yes)
    }
}

fn reserve(
    lane: &Lane,
    payer: Option<&budget::Account>,
    waiting: &Waiting,
) -> Result<Option<Amount>, Refusal> {
    let Some(payer) = payer else {
        return Ok(Some(Amount::default()));
    };
    payer.reserve_now(&Wish {
        // Batches are the whole run's.
        config: 0,
        at: lane.whereabouts(),
        bytes: waiting.body.len(),
        most_output: waiting.most_output,
        travel: Travel::Batch,
    })
}

/// Four bytes are about a token.
fn tokens(body: &str) -> u64 {
    body.len() as u64 / 4 + 1
}

impl Batches {
    /// The next batch of an account, with room for so many tokens.
    pub(super) async fn pack(
        &self,
        account: usize,
        token_room: u64,
    ) -> Result<Packing, StopReason> {
        let (lane, payer) = {
            let state = self.state();
            let account = &state.accounts[account];
            (Arc::clone(&account.lane), account.payer.clone())
        };
        let Some(limits) = lane.profile.batch else {
            return Ok(Packing::default());
        };
        let room = Room {
            requests: limits.requests as usize,
            bytes: limits.bytes,
            tokens: token_room,
        };
        let mut upload = self.begin(&lane, room).await?;
        let mut packing = Packing::default();
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
                for (waiting, line) in portion.into_iter().zip(lines?) {
                    if full {
                        rest.push(waiting);
                        continue;
                    }
                    let added = upload.add((&lane, payer.as_deref()), &waiting, &line);
                    match added.map_err(|e| disk(&e))? {
                        Added::Yes => {}
                        Added::Full if upload.packed.digests.is_empty() => {
                            packing.too_large.push(waiting.digest);
                        }
                        Added::Full => {
                            full = true;
                            rest.push(waiting);
                        }
                        Added::Held(held) => {
                            full = true;
                            rest.push(waiting);
                            packing.held = Some(held);
                        }
                    }
                }
            }
            let mut state = self.state();
            let spool = &mut state.accounts[account].spool;
            spool.untake(&rest).map_err(|e| disk(&e))?;
        }
        packing.packed = finish(upload).map_err(|e| disk(&e))?;
        Ok(packing)
    }

    async fn begin(&self, lane: &Lane, room: Room) -> Result<Upload, StopReason> {
        let envelope = lane
            .provider
            .frame(&lane.model)
            .await
            .map_err(|failure| StopReason::Experiment(failure.to_string()))?;
        let folder = self.state().disk()?.folder.path().to_path_buf();
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
                bound: Amount::default(),
            },
            separator: envelope.separator,
            suffix: envelope.suffix,
            room,
        })
    }

    /// The next portions, without what was answered meanwhile.
    fn portions(&self, account: usize) -> Result<Vec<Vec<Waiting>>, StopReason> {
        let mut state = self.state();
        let mut portions = Vec::new();
        while portions.len() < AT_ONCE && state.accounts[account].spool.len() > 0 {
            let spool = &mut state.accounts[account].spool;
            let taken = spool.take(PORTION, PORTION_BYTES).map_err(|e| disk(&e))?;
            let mut portion = Vec::with_capacity(taken.len());
            for waiting in taken {
                let known = state.known(&waiting.digest).map_err(|e| disk(&e))?;
                if matches!(known.stands, Stands::Open(_)) {
                    portion.push(waiting);
                }
            }
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
