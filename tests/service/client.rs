//! The smallest HTTP/1.1 client that can also say what no client should: it sends bytes and reads answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A wait longer than this is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Client(TcpStream);

/// One answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends what the service may stop reading at any moment.
    pub(crate) fn send_if_read(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap_or_default();
    }

    /// No more will be sent.
    pub(crate) fn close_sending(&mut self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap_or_default();
    }

    /// A whole request with a body of JSON; more headers as `Name: value`.
    pub(crate) fn post(&mut self, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let mut all = vec!["Content-Type: application/json"];
        all.extend(headers);
        self.request("POST", path, &all, body.as_ref())
    }

    pub(crate) fn get(&mut self, path: &str, headers: &[&str]) -> Answer {
        self.request("GET", path, headers, b"")
    }

    /// A whole request, named `test-request` unless a header names it, or `X-Nothing` wants no name.
    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        let named = ["X-Request-Id", "X-Correlation-Id", "X-Nothing"];
        if !headers.iter().any(|header| named.iter().any(|name| header.starts_with(name))) {
            head += "X-Request-Id: test-request\r\n";
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        if method == "POST" && !headers.iter().any(|header| header.starts_with("Transfer-Encoding")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(head + "\r\n");
        self.send_if_read(body);
        self.answer_to(method)
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("POST")
    }

    fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method).expect("the connection was closed without an answer")
    }

    /// `None` when the connection was closed, or reset, without one.
    pub(crate) fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.read_more(&mut read)?;
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: read.split_off(end + 4) };
        let has_body = method != "HEAD" && status >= 200 && status != 204;
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while has_body && answer.body.len() < length {
            self.read_more(&mut answer.body)?;
        }
        Some(answer)
    }

    fn read_more(&mut self, read: &mut Vec<u8>) -> Option<()> {
        let mut chunk = [0; 4096];
        match self.0.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                read.extend_from_slice(&chunk[..count]);
                Some(())
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => panic!("no answer in {PATIENCE:?}"),
                _ => None,
            },
        }
    }

    /// Whether the service has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.try_answer("GET").is_none()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Status, headers and body as text, for snapshots; what differs from run to run is left out.
    pub(crate) fn told(&self) -> String {
        let mut told = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            match name.as_str() {
                "date" | "content-length" => {}
                "server-timing" => {
                    let stages: Vec<&str> = value.split(", ").map(|stage| stage.split(';').next().unwrap()).collect();
                    told += &format!("{name}: {}\n", stages.join(", "));
                }
                _ => told += &format!("{name}: {value}\n"),
            }
        }
        format!("{told}\n{}", self.text())
    }
}
