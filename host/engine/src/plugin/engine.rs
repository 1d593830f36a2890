//! The engine: how components are compiled, where their instances live, and the worker threads that run them. One per
//! process. Every setting has its reason; `tests` holds each against a guest that tries to get past it.

use super::fuel;
use super::sandbox::{self, Sandbox};
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Guests recurse on this much; past it they trap. The threads' own stacks leave room for the host below.
const WASM_STACK: usize = 1 << 20;
const THREAD_STACK: usize = 4 << 20;

/// The most memory that a pooled slot can hold. Above the sandbox's own limit, so that a guest meets that one first,
/// with its name on it.
const SLOT_MEMORY: usize = 512 << 20;

/// Compiles and runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Sandbox>,
    workers: rayon::ThreadPool,
    compiled: Option<Compiled>,
}

/// Where compiled code is kept, and who compiles.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The folder.
    pub folder: PathBuf,
    /// A program that compiles what it reads into the folder: this one, started anew. Compiling takes more memory than
    /// running, and so it goes back when the program ends. `None` compiles in this process.
    pub compiler: Option<PathBuf>,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the settings on this machine.
    #[error("the plugin engine does not start on this machine: {0}")]
    Engine(String),
    /// The operating system gives no threads.
    #[error(
        "cannot start {threads} worker threads: {cause}; raise the limit on processes (`ulimit -u`)"
    )]
    Workers {
        /// How many were asked for.
        threads: usize,
        /// The operating system's words.
        cause: String,
    },
}

impl Engine {
    /// An engine with as many workers as there are cores. Without `compiled`, everything is compiled each time.
    ///
    /// # Errors
    /// Where wasmtime or the operating system refuses.
    pub fn new(compiled: Option<Compiled>) -> Result<Engine, EngineError> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let engine = pooled(threads)
            .or_else(|_| on_demand())
            .map_err(|e| EngineError::Engine(format!("{e:#}")))?;
        let linker = sandbox::linker(&engine).map_err(|e| EngineError::Engine(format!("{e:#}")))?;
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(THREAD_STACK)
            .thread_name(|index| format!("plugin-{index}"))
            .build()
            .map_err(|e| EngineError::Workers {
                threads,
                cause: e.to_string(),
            })?;
        Ok(Engine {
            shared: Arc::new(Shared {
                engine,
                linker,
                workers,
                compiled,
            }),
        })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(super) fn linker(&self) -> &Linker<Sandbox> {
        &self.shared.linker
    }

    pub(super) fn compiled(&self) -> Option<&Compiled> {
        self.shared.compiled.as_ref()
    }

    /// Does work that rayon can divide, on the worker threads, and waits for it.
    pub(super) fn with_all_workers<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.shared.workers.install(work)
    }

    /// Runs `work` on a worker thread. `None` if it panicked, which is a fault of the host.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.shared.workers.spawn(move || {
            if let Ok(value) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
                // Nobody waits any more when a run is cancelled.
                let _ = done.send(value);
            }
        });
        #[cfg(test)]
        let _held = HeldClock::new();
        result.await.ok()
    }
}

/// A test's paused clock moves on when the runtime has nothing to do, and it does not know of these workers: while one
/// of them computes, the clock is held.
#[cfg(test)]
struct HeldClock {
    _held: std::sync::mpsc::Sender<()>,
}

#[cfg(test)]
impl HeldClock {
    fn new() -> HeldClock {
        let (held, dropped) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || dropped.recv().ok());
        HeldClock { _held: held }
    }
}

/// Slots are reserved once and reset between calls, which makes a fresh instance cost microseconds.
fn pooled(threads: usize) -> wasmtime::Result<wasmtime::Engine> {
    let slots = u32::try_from(threads).unwrap_or(64);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        // A Python guest has 14 core modules and its adapters.
        .total_core_instances(24 * slots)
        .total_memories(4 * slots)
        .total_tables(8 * slots)
        .total_stacks(0)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .max_tables_per_module(4)
        .table_elements(sandbox::TABLE_ELEMENTS)
        .max_memory_size(SLOT_MEMORY)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        // Multiplied by the number of slots, used or not: small.
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(128 << 10)
        .pagemap_scan(pagemap_scan());
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    wasmtime::Engine::new(&config)
}

/// Where address space is limited (`ulimit -v`), the pool's reservation fails.
fn on_demand() -> wasmtime::Result<wasmtime::Engine> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    wasmtime::Engine::new(&config)
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        // Guests are synchronous; the machinery for others costs a tenth of a call.
        .concurrency_support(false)
        // The only clock: the same on every machine.
        .consume_fuel(true)
        .operator_cost(fuel::operators())
        // Scores must not depend on the processor.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .max_wasm_stack(WASM_STACK);
    config
}

/// The kernel's list of dirty pages makes a reset cheap, but it misses pages that were swapped out (wasmtime#14357): a
/// guest could see another call's memory.
fn pagemap_scan() -> Enabled {
    let swap = std::fs::read_to_string("/proc/swaps").map_or(true, |list| list.lines().count() > 1);
    if swap { Enabled::No } else { Enabled::Auto }
}
