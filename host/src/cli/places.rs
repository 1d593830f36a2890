//! Where things are by default: the store in the platform's data folder, compiled plugins in its cache folder, results
//! under `runs/` in the current folder.

use crate::authoring::Workshop;
use crate::plugin::Compiled;
use crate::results::RunFile;
use crate::secret;
use etcetera::{BaseStrategy, choose_base_strategy};
use std::path::{Path, PathBuf};

/// The user's store.
pub(super) fn store() -> PathBuf {
    match choose_base_strategy() {
        Ok(places) => places.data_dir().join("xhost").join("store.redb"),
        Err(_) => PathBuf::from("xhost-store.redb"),
    }
}

/// The user's own table of prices.
pub(super) fn prices() -> PathBuf {
    store().with_file_name("prices.json")
}

/// The user's own folder for sockets.
pub(super) fn runtime() -> PathBuf {
    let named = choose_base_strategy()
        .ok()
        .and_then(|places| places.runtime_dir());
    named.map_or_else(
        || {
            let user = rustix::process::geteuid().as_raw();
            std::env::temp_dir().join(format!("xhost-{user}"))
        },
        |folder| folder.join("xhost"),
    )
}

/// Compiled plugins; `None` where there is no home to keep them in.
pub(super) fn compiled() -> Option<Compiled> {
    let folder = choose_base_strategy()
        .ok()?
        .cache_dir()
        .join("xhost")
        .join("aot");
    Some(Compiled {
        folder,
        compiler: std::env::current_exe().ok(),
    })
}

/// Plugins from elsewhere, by content; `None` where there is no home to keep them in.
pub(super) fn fetched() -> Option<PathBuf> {
    let places = choose_base_strategy().ok()?;
    Some(places.cache_dir().join("xhost").join("plugins"))
}

/// An author's things: built scripts in the cache, compilers in the data folder.
pub(super) fn workshop() -> Workshop {
    let places = choose_base_strategy().ok();
    let places = places.as_ref();
    let home_cargo = || Some(etcetera::home_dir().ok()?.join(".cargo"));
    Workshop {
        built: places.map(|places| places.cache_dir().join("xhost").join("built")),
        tools: places.map(|places| places.data_dir().join("xhost").join("tools")),
        cargo_home: secret::cargo_home_from_environment().or_else(home_cargo),
    }
}

/// The folder for the results of this experiment: its name under `runs/`; where another run has that, the name and the
/// first digits of the plan.
pub(super) fn results(name: &str, plan: &str) -> PathBuf {
    let plain = Path::new("runs").join(name);
    let there = std::fs::read_to_string(plain.join("run.json")).ok();
    let holder = there.and_then(|text| serde_json::from_str::<RunFile>(&text).ok());
    match holder {
        Some(holder) if holder.plan != plan => {
            Path::new("runs").join(format!("{name}-{}", &plan[..8]))
        }
        _ => plain,
    }
}
