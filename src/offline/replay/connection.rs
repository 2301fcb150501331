//! One HTTP/1.1 connection to the service, opened anew when it broke, and the retries that are safe.
//!
//! Every request may be repeated: the service answers a known `transaction_id` as it did the first time. A connection
//! carries one request at a time, which is what keeps the order of those who share it.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long one attempt may take, from connecting to the last byte of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause before a further attempt, whatever the service asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// One or more transactions.
    Transactions,
    /// Labels.
    Feedback,
}

/// Where requests go and how often each is tried.
#[derive(Debug, Clone)]
pub struct Target {
    address: String,
    host: HeaderValue,
    uri: Uri,
    feedback: Uri,
    api_key: Option<HeaderValue>,
    retries: u32,
}

impl Target {
    /// `url` is the service's own, with its base path if it has one; `route` is appended for transactions.
    ///
    /// # Errors
    /// A sentence that says what the URL or the key must be.
    pub fn new(url: &str, route: &str, api_key: Option<&str>, retries: u32) -> anyhow::Result<Self> {
        let parsed: Uri = url.parse().with_context(|| format!("'{url}' is no URL such as http://127.0.0.1:8000"))?;
        match parsed.scheme_str() {
            Some("http") => {}
            Some("https") => {
                bail!("'{url}': only plain HTTP is spoken here; name the service behind its load balancer")
            }
            _ => bail!("'{url}' must begin with http://"),
        }
        let host = parsed.host().with_context(|| format!("'{url}' names no host"))?;
        let address = format!("{host}:{}", parsed.port_u16().unwrap_or(80));
        let api_key = api_key.map(|key| {
            let mut key = HeaderValue::from_str(key).context("the API key must be visible ASCII characters")?;
            key.set_sensitive(true);
            anyhow::Ok(key)
        });
        let base = parsed.path().trim_end_matches('/');
        Ok(Self {
            host: HeaderValue::from_str(&address).with_context(|| format!("'{url}' names no valid host"))?,
            uri: format!("{base}{route}").parse().context("the path is not valid")?,
            feedback: format!("{base}/feedback").parse().context("the path is not valid")?,
            address,
            api_key: api_key.transpose()?,
            retries,
        })
    }

    fn request(&self, route: Route, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match route {
            Route::Transactions => self.uri.clone(),
            Route::Feedback => self.feedback.clone(),
        };
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.api_key {
            headers.insert("x-api-key", key.clone());
        }
        request
    }
}

/// A complete answer of the service.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Whether it is the remembered answer to an earlier request.
    pub replayed: bool,
    /// Its body.
    pub body: Bytes,
    /// How long it asks to wait before the next attempt; only a 503 does.
    pub retry_after: Option<Duration>,
}

/// What became of one request after every attempt.
#[derive(Debug)]
pub struct Reply {
    /// The last answer, or why there was none.
    pub answer: anyhow::Result<Answer>,
    /// Attempts that were refused with the advice to come again.
    pub refused: u64,
    /// Attempts whose connection could not be made or broke.
    pub broken: u64,
}

/// A connection to the service; none is open until the first request.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection that opens with its first request.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, sender: None }
    }

    /// Opens the connection unless it is open.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        let sender = self.ready().await?;
        self.sender = Some(sender);
        Ok(())
    }

    /// Sends one request and waits for its answer, trying again after a 503 with `Retry-After` and after a connection
    /// that failed.
    pub async fn post(&mut self, route: Route, body: &Bytes) -> Reply {
        let (mut refused, mut broken) = (0, 0);
        for attempt in 0.. {
            let last = attempt == self.target.retries;
            let attempted = tokio::time::timeout(ATTEMPT_TIMEOUT, self.attempt(route, body.clone())).await;
            let pause = match attempted.context("no answer in time").flatten() {
                Ok(answer) => match answer.retry_after {
                    Some(pause) if !last => {
                        refused += 1;
                        pause
                    }
                    _ => return Reply { answer: Ok(answer), refused, broken },
                },
                Err(error) => {
                    self.sender = None;
                    broken += 1;
                    if last {
                        return Reply { answer: Err(error), refused, broken };
                    }
                    Duration::from_millis(50) * 2_u32.saturating_pow(attempt)
                }
            };
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt(&mut self, route: Route, body: Bytes) -> anyhow::Result<Answer> {
        let mut sender = self.ready().await?;
        let response = sender.send_request(self.target.request(route, body)).await.context("the request failed")?;
        let retry_after = retry_after(&response);
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        let status = response.status();
        let body = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status, replayed, body, retry_after })
    }

    /// The open connection, or a new one when there is none or the service has closed it.
    async fn ready(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let address = &self.target.address;
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true).context("cannot set up the connection")?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.context("cannot set up the connection")?;
        // Its error reaches the request that was under way.
        tokio::spawn(async move { drop(connection.await) });
        sender.ready().await.context("the connection was closed at once")?;
        Ok(sender)
    }
}

/// How long a 503 asks to wait; `None` for every other answer.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let header =
        response.headers().get(RETRY_AFTER).filter(|_| response.status() == StatusCode::SERVICE_UNAVAILABLE)?;
    header.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_target_is_made_of_a_plain_url() {
        for (url, address, path) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", "/predict"),
            ("http://127.0.0.1:8000/", "127.0.0.1:8000", "/predict"),
            ("http://fraud.internal/ml/", "fraud.internal:80", "/ml/predict"),
            ("http://[::1]:9000/ml", "[::1]:9000", "/ml/predict"),
        ] {
            let target = Target::new(url, "/predict", None, 0).unwrap();
            assert_eq!((&*target.address, target.uri.path()), (address, path), "{url}");
            assert_eq!(target.feedback.path(), path.replace("/predict", "/feedback"));
        }
        for url in ["https://fraud.internal", "127.0.0.1:8000", "ftp://a", "http://", "nonsense at all"] {
            assert!(Target::new(url, "/predict", None, 0).is_err(), "{url}");
        }
        let with_key = Target::new("http://a", "/predict", Some("secret"), 0).unwrap();
        assert!(!format!("{with_key:?}").contains("secret"));
        assert!(Target::new("http://a", "/predict", Some("line\nbreak"), 0).is_err());
    }

    /// Plays one script per connection: each part is written after one request was read; the end closes.
    async fn scripted(scripts: Vec<Vec<&'static str>>) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                for part in script {
                    let mut request = Vec::new();
                    while !request.ends_with(b"{}") {
                        stream.read_buf(&mut request).await.unwrap();
                    }
                    stream.write_all(part.as_bytes()).await.unwrap();
                }
            }
        });
        Target::new(&url, "/predict", Some("key"), 2).unwrap()
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nidempotent-replayed: true\r\n\r\n{}";
    const OK_AND_CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    const FULL: &str = "HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n";
    const DOWN: &str = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
    const CUT_OFF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{";

    #[tokio::test]
    async fn what_may_be_tried_again_is() {
        for (scripts, status, refused, broken) in [
            (vec![vec![OK]], Some(200), 0, 0),
            (vec![vec![FULL, OK]], Some(200), 1, 0),
            (vec![vec![FULL, FULL, FULL]], Some(503), 2, 0),
            (vec![vec![DOWN]], Some(503), 0, 0),
            (vec![vec![CUT_OFF], vec![OK]], Some(200), 0, 1),
            (vec![vec![], vec![FULL, OK]], Some(200), 1, 1),
            (vec![vec![], vec![CUT_OFF], vec![]], None, 0, 3),
        ] {
            let what = format!("{scripts:?}");
            let mut connection = Connection::new(scripted(scripts).await);
            let reply = connection.post(Route::Transactions, &Bytes::from_static(b"{}")).await;
            let got = reply.answer.as_ref().ok().map(|answer| answer.status.as_u16());
            assert_eq!((got, reply.refused, reply.broken), (status, refused, broken), "{what}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_a_closed_one_opened_anew_without_a_failed_attempt() {
        let mut connection = Connection::new(scripted(vec![vec![OK, OK_AND_CLOSE], vec![OK]]).await);
        for replayed in [true, false, true] {
            let reply = connection.post(Route::Transactions, &Bytes::from_static(b"{}")).await;
            assert_eq!((reply.answer.unwrap().replayed, reply.broken), (replayed, 0));
        }
    }
}
