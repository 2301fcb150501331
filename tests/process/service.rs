//! The real binary as a child process on a port of its own choice, and its log.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long enough for a debug build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running service. Killed when dropped.
pub(crate) struct Service {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
    /// Lines read before somebody took the rest.
    pub(crate) first_lines: Vec<String>,
}

impl Service {
    /// Starts the binary with these settings on top of a test's usual ones; returns once it says that it is ready.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fraud-detection"));
        command.arg("serve").env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
        for name in ["PATH", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs([
            ("ENVIRONMENT", "test"),
            ("PORT", "0"),
            ("FRAUD_HTTP__HOST", "127.0.0.1"),
            ("FRAUD_SCORING__THREADS", "2"),
            ("FRAUD_SHUTDOWN__DRAIN_DELAY", "0s"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first_lines = Vec::new();
        let mut address = None;
        loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "ended before it was ready: {first_lines:?}");
            let event: Value = serde_json::from_str(&line).unwrap();
            let message = event["message"].as_str().unwrap_or_default().to_owned();
            first_lines.push(line);
            if message == "listening" {
                address = event["address"].as_str().map(|text| text.parse().unwrap());
            }
            if message == "ready" {
                break;
            }
        }
        Self { child, stdout: Some(stdout), address: address.expect("it said where it listens"), first_lines }
    }

    /// Reads the rest of stdout on a thread of its own; the thread returns all lines once stdout ends.
    pub(crate) fn read_log(&mut self) -> JoinHandle<Vec<Value>> {
        let mut stdout = self.stdout.take().expect("stdout is read once");
        let first = std::mem::take(&mut self.first_lines);
        std::thread::spawn(move || {
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
            first.iter().map(String::as_str).chain(rest.lines()).map(parse).collect()
        })
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun_at = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun_at.elapsed() < PATIENCE, "the process did not end");
            std::thread::yield_now();
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}
