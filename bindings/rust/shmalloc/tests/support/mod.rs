//! Processes that really differ: the example `peer`, spoken to line by line.
#![allow(dead_code)]
pub mod board;

use shmalloc::{Device, Error, Status, Stream};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::io::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Sender};

/// An example of this crate, which `cargo test` builds beside the tests.
pub fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    Command::new(path)
}

/// Killed, and waited for, when it is dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Peer {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    pub fn new() -> Peer {
        Peer::started(example("peer"))
    }

    /// One that inherits a socket, as descriptor 2.
    pub fn with_socket(socket: UnixStream) -> Peer {
        let mut command = example("peer");
        command.stderr(Stdio::from(OwnedFd::from(socket)));
        Peer::started(command)
    }

    fn started(mut command: Command) -> Peer {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Peer { process: Process(child), stdin: Some(stdin), stdout }
    }

    pub fn ask(&mut self, command: impl AsRef<str>) -> String {
        writeln!(self.stdin.as_ref().unwrap(), "{}", command.as_ref()).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn ok(&mut self, command: impl AsRef<str>) -> String {
        let answer = self.ask(command.as_ref());
        let rest = answer.strip_prefix("ok").unwrap_or_else(|| panic!("{}: {answer}", command.as_ref()));
        rest.trim_start().to_owned()
    }

    pub fn fails(&mut self, command: impl AsRef<str>, status: &str) {
        let answer = self.ask(command.as_ref());
        assert!(answer.starts_with(&format!("error {status} ")), "{}: {answer}", command.as_ref());
    }

    /// It gives everything back, and is gone when this returns.
    pub fn quit(mut self) {
        self.ok("quit");
        assert!(self.process.0.wait().unwrap().success());
    }

    /// SIGKILL, and gone when this returns.
    pub fn kill(mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }
}

impl Drop for Peer {
    /// The end of its input is its end. A killed one could leave names.
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.process.0.wait();
    }
}

/// What the peer's `make` and `fill` write.
pub fn pattern(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 7 + seed) as u8).collect()
}

/// It failed, with this status and a message.
#[track_caller]
pub fn fails<T>(result: Result<T, Error>, status: Status) -> Error {
    match result {
        Ok(_) => panic!("it did not fail with {status}"),
        Err(error) => {
            assert_eq!(error.status(), status, "{error}");
            assert!(!error.message().is_empty());
            error
        }
    }
}

/// A stream that does nothing before this is dropped.
pub struct Held(Sender<()>);

impl Held {
    pub fn new(stream: &Stream) -> Held {
        let (gate, opened) = channel();
        stream.call(move || assert!(opened.recv().is_err())).unwrap();
        Held(gate)
    }
}

/// A device with streams that no other test of this process uses.
pub fn device() -> Device {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Device::host_streams(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A name for a shared object, for this process and use alone.
pub fn name(what: &str) -> String {
    shmalloc::make_name(Some(&format!("rust-test-{what}"))).unwrap()
}
