//! Debian's `docker-registry` on this machine, with a folder of its own: until the end of the test, or until it is stopped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Registry {
    child: Child,
    /// Host and port.
    pub address: String,
    folder: tempfile::TempDir,
}

/// `me:s3cret`, as `htpasswd -B` has it.
const USER: &str = "me:$2y$04$qMVuC3qcXEnsEG2OrTN5h.v4jRD14x7R6uIZtF49.r.apPqMsXjju\n";

impl Registry {
    /// Starts one for everybody; `None` where it is not installed, and then says so.
    pub fn start() -> Option<Registry> {
        Registry::with("")
    }

    /// Starts one for `me` with the password `s3cret`.
    pub fn guarded() -> Option<Registry> {
        Registry::with("auth: {htpasswd: {realm: test, path: USERS}}\n")
    }

    fn with(auth: &str) -> Option<Registry> {
        if !has("docker-registry", "--version") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let users = folder.path().join("users");
        std::fs::write(&users, USER).expect("it is written");
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n{}",
            folder.path().join("data").display(),
            auth.replace("USERS", &users.display().to_string())
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).expect("it is written");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split(['"', ' ']).next()?.to_owned())
            })
            .expect("it says where it listens");
        // It must not wait for somebody to read what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Registry {
            child,
            address,
            folder,
        })
    }

    /// A reference to something in it.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// The file that holds a blob, by its `sha256:…`.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        self.folder
            .path()
            .join("data/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data")
    }

    /// Ends it: whoever asks from now on asks nobody.
    pub fn stop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a program is there; if not, says so.
pub fn has(program: &str, argument: &str) -> bool {
    let ran = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = ran.is_ok_and(|status| status.success());
    if !found {
        eprintln!("NOT RUN: there is no {program} here; .ci/run installs it");
    }
    found
}

/// `oci-wasm`, the crate by which `wkg` speaks to registries, as a program of its own: built by `.ci/run`.
pub fn oci_wasm() -> Option<PathBuf> {
    let named = std::env::var_os("XHOST_OCI_WASM").map(PathBuf::from);
    let found = named.filter(|path| Path::new(path).is_file());
    if found.is_none() {
        eprintln!(
            "NOT RUN: XHOST_OCI_WASM names no program; .ci/run builds tests/clients/oci-wasm"
        );
    }
    found
}
