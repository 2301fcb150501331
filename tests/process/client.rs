//! A blocking HTTP/1.1 client that tells exactly how far an exchange got.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// A whole answer.
    Answered { status: u16, body: Value },
    /// Nobody listens any more.
    Refused,
    /// The connection ended before the first byte of an answer.
    Unanswered,
    /// The connection ended in the middle of an answer, or nothing came in time.
    Cut(String),
}

/// One connection at a time, kept alive as the server allows.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    patience: Duration,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, patience: Duration) -> Self {
        Self { address, connection: None, patience }
    }

    pub(crate) fn get(&mut self, path: &str) -> Exchange {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Exchange {
        let body = body.to_string();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn exchange(&mut self, request: &str) -> Exchange {
        if self.connection.is_none() {
            match TcpStream::connect(self.address) {
                Ok(stream) => {
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(self.patience)).unwrap();
                    self.connection = Some(BufReader::new(stream));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Exchange::Refused,
                Err(_) => return Exchange::Unanswered,
            }
        }
        let connection = self.connection.as_mut().unwrap();
        let sent = connection.get_mut().write_all(request.as_bytes());
        let exchange = read_answer(connection, sent.is_err());
        match exchange {
            Ok((status, body, keep)) => {
                if !keep {
                    self.connection = None;
                }
                Exchange::Answered { status, body }
            }
            Err(failure) => {
                self.connection = None;
                failure
            }
        }
    }
}

/// Status, body, and whether the connection stays.
fn read_answer(connection: &mut BufReader<TcpStream>, unsent: bool) -> Result<(u16, Value, bool), Exchange> {
    let mut line = String::new();
    match connection.read_line(&mut line) {
        Ok(0) => return Err(Exchange::Unanswered),
        Ok(_) => {}
        Err(error) if line.is_empty() && (unsent || error.kind() == ErrorKind::ConnectionReset) => {
            return Err(Exchange::Unanswered);
        }
        Err(error) => return Err(Exchange::Cut(error.to_string())),
    }
    let cut = |what: &str| Exchange::Cut(what.to_owned());
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| cut("status line"))?;
    let (mut length, mut keep) = (0, true);
    loop {
        let mut header = String::new();
        if connection.read_line(&mut header).map_err(|error| Exchange::Cut(error.to_string()))? == 0 {
            return Err(cut("headers"));
        }
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| cut("content-length"))?;
        }
        if header == "connection: close" {
            keep = false;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).map_err(|error| Exchange::Cut(error.to_string()))?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok((status, body, keep))
}
