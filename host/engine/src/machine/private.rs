//! Folders for what this program trusts later: code it compiled, components it built or fetched.

use std::fs::{DirBuilder, symlink_metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Makes the folder, or checks that it is ours alone: no link, this user's, and nobody else may enter.
#[must_use]
pub fn private_folder(folder: &Path) -> bool {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let Ok(metadata) = made.and_then(|()| symlink_metadata(folder)) else {
        return false;
    };
    metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0
}
