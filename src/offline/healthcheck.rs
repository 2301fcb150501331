//! `healthcheck`: asks the service on this machine for `/health`, for images without a shell and without curl.
//!
//! Reads the same environment as the service, but only where it listens: it must not fail because of a key that is
//! none of its business.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::settings::Settings;

/// How long the whole check may take; below the usual timeouts of container health checks.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How much of an unhealthy answer is shown, in bytes.
const SHOWN: usize = 400;

/// Succeeds when the service says it is healthy.
///
/// # Errors
/// What the service said, or why it said nothing; in one line.
pub fn run() -> anyhow::Result<()> {
    let url = format!("{}/health", Settings::load_own_url()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(async { tokio::time::timeout(TIMEOUT, check(&url)).await });
    checked.context("no answer in time").flatten().with_context(|| format!("{url} is not healthy"))
}

async fn check(url: &str) -> anyhow::Result<()> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().context("no host")?.as_str();
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its error reaches the request.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::get(uri.path()).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).replace(['\r', '\n'], " ");
    bail!("status {}: {shown}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with this text; the request as it was received comes back.
    async fn service(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ml/health", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, served)
    }

    #[tokio::test]
    async fn only_200_is_healthy_and_all_else_is_told_in_one_line() {
        let (url, served) = service("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        check(&url).await.unwrap();
        assert!(served.await.unwrap().starts_with("GET /ml/health HTTP/1.1\r\n"));

        let (url, _) = service("HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\nno\nno").await;
        assert_eq!(check(&url).await.unwrap_err().to_string(), "status 503: no no");

        let (url, _) = service("SSH-2.0\r\n").await;
        assert!(check(&url).await.is_err());
        assert!(check("http://127.0.0.1:1/health").await.is_err());
    }
}
