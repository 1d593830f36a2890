#![no_main]
//! Any bytes to the entry point that `XHOST_FUZZ` names: one program for all, so that `run` links one. It writes its first
//! inputs into the folder `XHOST_FUZZ_SEEDS`.

use std::path::Path;
use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| std::env::var("XHOST_FUZZ").unwrap_or_default());

static TARGET: LazyLock<xhost::fuzzing::Target> = LazyLock::new(|| xhost::fuzzing::target(&NAME));

fn begin() {
    let seeds = xhost::fuzzing::seeds(&NAME);
    // What is made once, such as compiled plugins, is made before the clock runs.
    seeds.iter().take(1).for_each(|bytes| TARGET(bytes));
    let Some(folder) = std::env::var_os("XHOST_FUZZ_SEEDS") else {
        return;
    };
    for (index, bytes) in seeds.iter().enumerate() {
        let file = Path::new(&folder).join(format!("seed-{index}"));
        std::fs::write(file, bytes).expect("the first inputs are written");
    }
}

libfuzzer_sys::fuzz_target!(
    init: begin(),
    |bytes: &[u8]| TARGET(bytes)
);
