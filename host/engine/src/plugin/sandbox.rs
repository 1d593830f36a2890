//! What one instance may use, and what it left behind. A sandbox lives for one call: no file, socket, environment or
//! argument; a clock that only moves when it is looked at; random numbers that follow from the call; bounded memory,
//! tables, log and stderr.

use super::bindings::log::{self, Level};
use super::failure::Limit;
use super::fuel;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng, TryRng};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{CallHook, ResourceLimiter, Store, StoreContextMut, Trap};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::bindings::{cli, io, random};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamError, subscribe};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

/// Python needs 5,672, StarlingMonkey 7,689.
pub(super) const TABLE_ELEMENTS: usize = 20_000;
const MEMORY: usize = 256 << 20;
const LOG: usize = 64 << 10;
const STDERR: usize = 64 << 10;
/// Resources, such as streams and pollables, that a guest holds at once, lent ones included.
pub(super) const HANDLES: usize = 1_024;
/// Bytes that a guest may hand over in a result.
pub(super) const COPIED: usize = 8 << 20;
/// Bytes that a guest may hand over in one call of the host: twice what a stream takes at once. A loop of such calls is
/// what the host copies for its price in fuel.
pub(super) const COPIED_PER_HOST_CALL: usize = 128 << 10;
/// Every guest believes that it runs at this instant: 2000-01-01 00:00:00 UTC.
const WALL_CLOCK: Duration = Duration::from_secs(946_684_800);

/// Where text crosses from one memory to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borders {
    /// Between guest and host alone, where it is bounded.
    Outside,
    /// Between components of the guest, too: the runtime copies it, as much as there is memory, and takes no fuel for it.
    Inside,
}

/// A crossing inside of a guest costs this part of its memory in fuel: at most what copying all of it takes.
const BYTES_PER_FUEL: u64 = 2;

/// The state of one instance.
pub(super) struct Sandbox {
    borders: Borders,
    wasi: WasiCtx,
    table: ResourceTable,
    stderr: Tail,
    log_left: usize,
    memory: usize,
    clock: u64,
    /// Random numbers that were made and not paid for yet.
    drawn: Arc<AtomicU64>,
}

/// A store for one call, its budget set before anything of the guest runs.
pub(super) fn store(
    engine: &wasmtime::Engine,
    seed: [u8; 32],
    input_bytes: usize,
    borders: Borders,
) -> wasmtime::Result<Store<Sandbox>> {
    let mut store = Store::new(engine, Sandbox::new(seed, borders));
    store.limiter(|sandbox| sandbox);
    store.set_fuel(
        fuel::BUDGET.saturating_add(fuel::PER_INPUT_BYTE.saturating_mul(input_bytes as u64)),
    )?;
    store.set_hostcall_fuel(COPIED);
    store.set_max_component_handles(HANDLES);
    store.call_hook(|context, hook| on_the_border(context, &hook));
    Ok(store)
}

/// What a call of the host costs, and how much it may carry. Calls of the runtime itself, such as `memory.grow`, pass here
/// too.
pub(super) fn on_the_border(
    mut context: StoreContextMut<'_, Sandbox>,
    hook: &CallHook,
) -> wasmtime::Result<()> {
    match hook {
        CallHook::CallingHost => {
            let inside = match context.data().borders {
                Borders::Outside => 0,
                Borders::Inside => context.data().memory as u64 / BYTES_PER_FUEL,
            };
            let price = fuel::PER_HOST_CALL + inside;
            context.set_hostcall_fuel(COPIED_PER_HOST_CALL);
            charge(&mut context, price)
        }
        CallHook::ReturningFromHost => {
            context.set_hostcall_fuel(COPIED);
            let drawn = context.data().drawn.swap(0, Ordering::Relaxed);
            charge(&mut context, fuel::PER_RANDOM_NUMBER.saturating_mul(drawn))
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    }
}

fn charge(context: &mut StoreContextMut<'_, Sandbox>, price: u64) -> wasmtime::Result<()> {
    if price == 0 {
        return Ok(());
    }
    match context.get_fuel()?.checked_sub(price) {
        Some(left) => context.set_fuel(left),
        None => Err(Trap::OutOfFuel.into()),
    }
}

/// Everything that a guest can import, but for what is `absent`.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasi(&mut linker)?;
    // wasmtime-wasi really sleeps when a guest waits for its clock, whatever clock it was given.
    monotonic_clock::add_to_linker::<Sandbox, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    log::add_to_linker::<Sandbox, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    Ok(linker)
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn wasi(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<Sandbox, HasTable>(linker, |sandbox| &mut sandbox.table)?;
    poll::add_to_linker::<Sandbox, HasTable>(linker, |sandbox| &mut sandbox.table)?;
    streams::add_to_linker::<Sandbox, HasTable>(linker, |sandbox| &mut sandbox.table)?;
    wall_clock::add_to_linker::<Sandbox, WasiClocks>(linker, Sandbox::clocks)?;
    random::random::add_to_linker::<Sandbox, WasiRandom>(linker, Sandbox::random)?;
    random::insecure::add_to_linker::<Sandbox, WasiRandom>(linker, Sandbox::random)?;
    random::insecure_seed::add_to_linker::<Sandbox, WasiRandom>(linker, Sandbox::random)?;
    cli::exit::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::environment::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stdin::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stdout::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stderr::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_input::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_output::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stdin::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stdout::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stderr::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)
}

impl Sandbox {
    fn new(seed: [u8; 32], borders: Borders) -> Sandbox {
        let stderr = Tail::default();
        let mut insecure = seed;
        insecure[0] ^= 0xff;
        let drawn = Arc::default();
        let wasi = WasiCtx::builder()
            .stderr(stderr.clone())
            .stdout(Discard)
            .secure_random(Metered::from_seed(seed, &drawn))
            .insecure_random(Metered::from_seed(insecure, &drawn))
            .insecure_random_seed(u128::from_le_bytes(std::array::from_fn(|index| {
                seed[index]
            })))
            .max_random_size(64 << 10)
            .wall_clock(StoppedClock)
            .monotonic_clock(StoppedClock)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Sandbox {
            borders,
            wasi,
            table,
            stderr,
            log_left: LOG,
            memory: 0,
            clock: 0,
            drawn,
        }
    }

    /// The most bytes that all of the instance's memories had together.
    pub(super) fn memory_peak(&self) -> usize {
        self.memory
    }

    /// What the guest wrote to stderr, control characters removed: it may end up on a terminal.
    pub(super) fn stderr(&self) -> String {
        let bytes = self.stderr.bytes();
        String::from_utf8_lossy(&bytes)
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect()
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl log::Host for Sandbox {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        const PER_LINE: usize = 8;
        let cost = message.len() + PER_LINE;
        self.log_left = self.log_left.checked_sub(cost).ok_or(Limit::Log(LOG))?;
        self.stderr
            .push(format!("[{level:?}] {message}\n").as_bytes());
        Ok(())
    }
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Of all its memories together. None ever shrinks, so the sum is the peak.
        let sum = self.memory.saturating_add(desired.saturating_sub(current));
        if sum > MEMORY {
            return Err(Limit::Memory(MEMORY).into());
        }
        self.memory = sum;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            Err(Limit::Table(TABLE_ELEMENTS).into())
        } else {
            Ok(true)
        }
    }

    fn instances(&self) -> usize {
        48
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        4
    }
}

/// Random numbers that are counted.
struct Metered {
    numbers: ChaCha8Rng,
    drawn: Arc<AtomicU64>,
}

impl Metered {
    fn from_seed(seed: [u8; 32], drawn: &Arc<AtomicU64>) -> Metered {
        Metered {
            numbers: ChaCha8Rng::from_seed(seed),
            drawn: Arc::clone(drawn),
        }
    }

    fn count(&self, numbers: usize) {
        self.drawn.fetch_add(numbers as u64, Ordering::Relaxed);
    }
}

impl TryRng for Metered {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.count(1);
        Ok(self.numbers.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.count(1);
        Ok(self.numbers.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.count(bytes.len());
        self.numbers.fill_bytes(bytes);
        Ok(())
    }
}

/// Time passes when a guest looks at it or waits for it, and never otherwise.
impl monotonic_clock::Host for Sandbox {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.clock += 1;
        Ok(self.clock)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.clock = self.clock.max(when);
        let ready = self.table.push(Ready)?;
        subscribe(&mut self.table, ready)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(self.clock.saturating_add(duration))
    }
}

struct Ready;

#[wasmtime_wasi::async_trait]
impl Pollable for Ready {
    async fn ready(&mut self) {}
}

struct StoppedClock;

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

impl HostMonotonicClock for StoppedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// The last bytes that a guest wrote. A flood is cut at its front; it costs fuel, not memory.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&bytes[bytes.len().saturating_sub(STDERR)..]);
        if kept.len() > 2 * STDERR {
            let surplus = kept.len() - STDERR;
            kept.drain(..surplus);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(STDERR)
    }
}

/// Where a guest's stdout goes.
struct Discard;

impl IsTerminal for Discard {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Discard {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(wasmtime_wasi::p2::pipe::SinkOutputStream)
    }
}
