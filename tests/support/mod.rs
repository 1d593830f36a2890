//! What the integration tests share: the program in a sandbox of folders, a simulator beside it, and the shared data.

/// A real registry.
pub mod registry;

/// PyPI's `llmock`.
pub mod llmock;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("host stands in the repository")
        .to_path_buf()
}

/// Real inputs that are not part of the repository. Where they are missing, says so.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("XHOST_SHARED_DATA").map(PathBuf::from);
    let beside = repository()
        .parent()
        .map(|parent| parent.join("shared/data"));
    let found = [named, beside]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("NOT RUN: there is no {name} in $XHOST_SHARED_DATA or ../shared/data");
    }
    found
}

/// A folder to run in, with a home of its own. Gone at the end.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the folder can be made");
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The lines of a JSONL file.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        self.read(name)
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("the file is JSON")
    }

    /// The program, in this folder, knowing no credential. Compiled plugins are kept for all tests.
    pub fn xhost(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xhost"));
        command.current_dir(self.folder.path());
        command
            .env("XDG_DATA_HOME", self.path("data-home"))
            .env("HOME", self.folder.path());
        command.env(
            "XDG_CACHE_HOME",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        );
        for variable in [
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "MISTRAL_API_KEY",
            "MISTRAL_BASE_URL",
            "GEMINI_API_KEY",
            "GOOGLE_GEMINI_BASE_URL",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// `xhost run` with these arguments, to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self
            .xhost()
            .arg("run")
            .args(arguments)
            .output()
            .expect("xhost starts");
        Ran { output }
    }
}

/// What a command printed, and how it ended.
pub struct Ran {
    output: Output,
}

impl Ran {
    /// A command, to its end.
    pub fn of(command: &mut Command) -> Ran {
        let output = command.output().expect("it starts");
        Ran { output }
    }

    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(
            self.code(),
            code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Fails unless the output holds each of these.
    #[track_caller]
    pub fn prints(self, expected: &[&str]) -> Ran {
        let text = self.stdout();
        for words in expected {
            assert!(text.contains(words), "`{words}` is not in:\n{text}");
        }
        self
    }

    /// Fails unless the error holds each of these.
    #[track_caller]
    pub fn says(self, expected: &[&str]) -> Ran {
        let text = self.stderr();
        for words in expected {
            assert!(text.contains(words), "`{words}` is not in:\n{text}");
        }
        self
    }
}

/// `xhost simulate`, until the end of the test.
pub struct Simulator {
    child: Child,
    pub address: String,
}

impl Simulator {
    pub fn start(arguments: &[&str]) -> Simulator {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xhost"))
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .expect("it says where it listens");
        Simulator {
            address: address.to_owned(),
            child,
        }
    }

    /// The address as `model.base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("the simulator answers");
        let request = format!(
            "GET /stats HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream
            .write_all(request.as_bytes())
            .expect("the request leaves");
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .expect("the answer arrives");
        let (_, body) = response.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).expect("the counters are JSON")
    }

    pub fn count(&self, counter: &str) -> u64 {
        self.stats()[counter]
            .as_u64()
            .unwrap_or_else(|| panic!("no counter {counter}"))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
