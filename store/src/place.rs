//! Files and folders that survive a crash, and the note that says who holds a store. Called when a store or a spill file
//! is made; never reads or writes an answer.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Enough for a number and a command; what is longer is not ours.
const HOLDER_LIMIT: u64 = 200;

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// `path` with something after its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the folder and those above it, for nobody but the user: answers are theirs. Each is durable in its parent.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(folder_of(folder))?;
    let mut maker = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    match maker.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made.and_then(|()| sync_folder(folder_of(folder))),
    }
}

/// Without it, a file that is durable itself may have no name after a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and names are journalled with the file.
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// The note beside a store, `<store>.holder`: the number and the command of the process that has it. Only for the words
/// of an error: it is never trusted, and what keeps two processes apart is redb's lock.
pub(crate) struct Holder {
    path: PathBuf,
}

impl Holder {
    /// Leaves the note, where that is possible.
    pub(crate) fn note(store: &Path, command: &str) -> Option<Holder> {
        let path = beside(store, ".holder");
        // Under another name first: a link in its place is replaced, never followed.
        let mut file = tempfile::Builder::new()
            .prefix(".holder-")
            .tempfile_in(folder_of(store))
            .ok()?;
        let note = format!("process {} {command}", std::process::id());
        file.write_all(note.as_bytes()).ok()?;
        file.persist(&path).ok()?;
        Some(Holder { path })
    }

    /// What the note says, fit for a screen: ", by process 7 xhost run" or nothing.
    pub(crate) fn read(store: &Path) -> String {
        let mut text = String::new();
        let read = fs::File::open(beside(store, ".holder"))
            .and_then(|file| file.take(HOLDER_LIMIT).read_to_string(&mut text));
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        match read {
            Ok(_) if !text.trim().is_empty() => format!(", by {}", text.trim()),
            _ => String::new(),
        }
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // A note that stays is harmless: nobody asks for it while the store is free.
        let _ = fs::remove_file(&self.path);
    }
}
