//! Where processes that share a store meet: a socket in a folder that only its user can enter. The folder is beside the
//! store, so that whoever knows the store finds it; where the socket's path would be too long for the system there, it is in
//! the user's runtime folder, and a link beside the store leads to it. Owner and mode are checked before anything is said.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, os};

/// The socket's name in its folder.
const NAME: &str = "socket";

/// The folder beside the store, by the name that the file itself has: links to it lead to the same place.
#[must_use]
pub fn folder(store: &Path) -> PathBuf {
    let real = store.canonicalize().unwrap_or_else(|_| store.to_path_buf());
    let mut name = real.into_os_string();
    name.push(".serve");
    name.into()
}

/// Where this store's server listens, if everything about the place is its user's own; none where there is no such place.
///
/// # Errors
/// Where it belongs to somebody else, or others can enter it.
pub fn find(store: &Path, user: u32) -> io::Result<Option<PathBuf>> {
    let beside = folder(store);
    if !check_folder(&beside, user)? {
        return Ok(None);
    }
    let mut path = beside.join(NAME);
    if let Ok(elsewhere) = fs::read_link(&path) {
        let other = elsewhere.parent().unwrap_or(Path::new("/"));
        if !check_folder(other, user)? {
            return Ok(None);
        }
        path = elsewhere;
    }
    match fs::symlink_metadata(&path) {
        Ok(file) if file.uid() != user => Err(foreign(&path)),
        Ok(file) if file.file_type().is_socket() => Ok(Some(path)),
        Ok(_) => Err(io::Error::other(format!(
            "{} is no socket: remove it",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the place for a server's socket. To be called by whoever has the store: what is left there of an earlier server
/// is taken away. `runtime` is the user's own folder for such things.
///
/// # Errors
/// Where the place belongs to somebody else, or cannot be made.
pub fn prepare(store: &Path, user: u32, runtime: &Path) -> io::Result<PathBuf> {
    let beside = folder(store);
    make_folder(&beside, user)?;
    let path = beside.join(NAME);
    remove(&path)?;
    if fits(&path) {
        return Ok(path);
    }
    make_folder(runtime, user)?;
    let name = blake3::hash(beside.as_os_str().as_encoded_bytes()).to_hex();
    let elsewhere = runtime.join(format!("{}.socket", &name[..16]));
    if !fits(&elsewhere) {
        return Err(io::Error::other(format!(
            "the path {} is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder of your own",
            elsewhere.display()
        )));
    }
    remove(&elsewhere)?;
    os::unix::fs::symlink(&elsewhere, &path)?;
    Ok(elsewhere)
}

/// Takes the place away.
pub fn clear(store: &Path, socket: &Path) {
    let beside = folder(store);
    // What stays is taken away by the next server.
    let _ = (
        fs::remove_file(socket),
        fs::remove_file(beside.join(NAME)),
        fs::remove_dir(beside),
    );
}

/// The system's limit, 108 bytes on Linux and less elsewhere, as the standard library knows it.
fn fits(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_ok()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_folder(folder: &Path, user: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != user {
        return Err(foreign(folder));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Whether the folder is there. It must be the user's, and closed to others.
fn check_folder(folder: &Path, user: u32) -> io::Result<bool> {
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !found.is_dir() || found.uid() != user {
        return Err(foreign(folder));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "others can enter {folder}: chmod 700 {folder}",
            folder = folder.display()
        )));
    }
    Ok(true)
}

fn foreign(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} does not belong to the user of this process, and is not used: remove it",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_socket_is_found_where_it_was_made_and_nowhere_else() {
        let place = tempfile::tempdir().expect("a folder");
        let store = place.path().join("s.redb");
        fs::write(&store, "").expect("a file");
        let runtime = place.path().join("run");
        assert_eq!(find(&store, me()).expect("nothing"), None);
        let path = prepare(&store, me(), &runtime).expect("a place");
        assert_eq!(find(&store, me()).expect("no socket yet"), None);
        let _listener = UnixListener::bind(&path).expect("a socket");
        let link = place.path().join("link.redb");
        os::unix::fs::symlink(&store, &link).expect("a link");
        for name in [&store, &link] {
            assert_eq!(find(name, me()).expect("a socket"), Some(path.clone()));
        }
        // What an earlier server left does not keep the next one out.
        assert_eq!(prepare(&store, me(), &runtime).expect("a place"), path);
        clear(&store, &path);
        assert!(!folder(&store).exists() && !runtime.exists());
    }

    #[test]
    fn a_long_path_leads_to_the_runtime_folder() {
        let place = tempfile::tempdir().expect("a folder");
        let deep = place.path().join("d".repeat(120));
        fs::create_dir(&deep).expect("a folder");
        let store = deep.join("s.redb");
        fs::write(&store, "").expect("a file");
        let runtime = place.path().join("run");
        let path = prepare(&store, me(), &runtime).expect("a place");
        assert!(path.starts_with(&runtime), "{}", path.display());
        let _listener = UnixListener::bind(&path).expect("a socket");
        assert_eq!(find(&store, me()).expect("a socket"), Some(path.clone()));
        let stranger = me() + 1;
        assert!(find(&store, stranger).is_err());
        clear(&store, &path);
        assert_eq!(find(&store, me()).expect("nothing"), None);
    }

    #[test]
    fn a_place_of_another_user_or_open_to_others_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let store = place.path().join("s.redb");
        fs::write(&store, "").expect("a file");
        let runtime = place.path().join("run");
        let path = prepare(&store, me(), &runtime).expect("a place");
        let _listener = UnixListener::bind(&path).expect("a socket");
        let refused = find(&store, me() + 1).expect_err("another user's");
        assert!(refused.to_string().contains("does not belong"), "{refused}");
        assert!(prepare(&store, me() + 1, &runtime).is_err());
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder(&store), open).expect("it is ours");
        let refused = find(&store, me()).expect_err("open to others");
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        // Whoever has the store closes it again.
        prepare(&store, me(), &runtime).expect("a place");
        fs::remove_dir(folder(&store)).expect("it is empty");
        os::unix::fs::symlink(place.path(), folder(&store)).expect("a link");
        assert!(find(&store, me()).is_err(), "a link is no folder of ours");
        assert!(prepare(&store, me(), &runtime).is_err());
    }
}
