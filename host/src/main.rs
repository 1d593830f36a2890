//! The `xhost` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    xhost::cli::main()
}
