//! The `xhost` program.

use std::process::ExitCode;

/// Many threads allocate many small things: glibc's arenas would hold on to several times what is in use.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xhost::cli::main()
}
