//! PyPI's `llmock`, a server with limits, errors and batches that we did not write.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running one, until the end of the test.
pub struct Llmock {
    program: PathBuf,
    child: Child,
    pub address: String,
}

impl Llmock {
    /// `None`, and a word about it, where no Python is named. One that is named has it: else a test would say that it passed
    /// and have seen nothing.
    pub fn start(arguments: &[&str]) -> Option<Llmock> {
        let Some(python) = std::env::var_os("XHOST_PYTHON") else {
            eprintln!(
                "NOT RUN: set XHOST_PYTHON to a Python beside which `llmock` from PyPI is installed"
            );
            return None;
        };
        let program = Path::new(&python).with_file_name("llmock");
        assert!(
            program.exists(),
            "{} is missing: pip install llmock==0.2.2",
            program.display()
        );
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new(&program)
            .args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--response-style", "hello", "--log-level", "error"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let address = format!("127.0.0.1:{port}");
        while TcpStream::connect(&address).is_err() {
            std::thread::yield_now();
        }
        Some(Llmock {
            program,
            child,
            address,
        })
    }

    pub fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("it answers");
        let head = format!(
            "GET {path} HTTP/1.0\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        serde_json::from_str(body).expect("JSON")
    }

    /// All requests that it has seen.
    pub fn requests(&self) -> Vec<Value> {
        let told = self.get("/_llmock/requests?limit=1000");
        let list = told.as_array().or_else(|| told["requests"].as_array());
        list.expect("a list").clone()
    }

    /// Its strict verdict, in its words, and whether it is well.
    pub fn verdict(&self) -> (bool, String) {
        let url = format!("http://{}", self.address);
        let output = Command::new(&self.program)
            .args(["report", "--url", &url, "--strict"])
            .output()
            .expect("it reports");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

impl Drop for Llmock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
