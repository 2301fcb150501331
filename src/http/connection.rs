//! One connection: HTTP/1.1 on it, what it is doing at the moment, and how it ends without cutting a request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Marks a request, as an extension, whose connection lies above the cap: only a probe may be answered.
#[derive(Debug, Clone, Copy)]
pub struct ProbesOnly;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// How long a connection above the cap may keep its place without sending a head: probes send theirs at once.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// How long a closed connection is still read, and for how many bytes, so that a caller who is sending a body that was
/// refused reads the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Nothing has arrived yet.
    Fresh,
    /// The head of a request is arriving.
    Reading,
    /// A request is being handled or its answer written.
    Answering,
    /// Between two requests.
    Idle,
}

impl Stage {
    /// Once told to stop, how long a connection in this stage may take to begin a request, counted from then. A request
    /// that has begun is bounded by the server's grace.
    fn patience(self) -> Option<Duration> {
        match self {
            // Accepted a moment ago: its request is on the way.
            Self::Fresh => Some(Duration::from_secs(1)),
            Self::Reading => Some(Duration::from_secs(5)),
            // Every answer since draining began told the caller to close: what stayed open has little to send.
            Self::Idle => Some(Duration::from_millis(100)),
            Self::Answering => None,
        }
    }
}

/// The stage of a connection, written by the task that serves it.
#[derive(Debug, Default)]
pub struct Activity(AtomicU8);

impl Activity {
    /// The stage now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        const { assert!(Stage::Fresh as u8 == 0, "the default is a fresh connection") };
        [Stage::Fresh, Stage::Reading, Stage::Answering, Stage::Idle][usize::from(self.0.load(Ordering::Relaxed)) % 4]
    }

    fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn heard(&self) {
        if matches!(self.stage(), Stage::Fresh | Stage::Idle) {
            self.enter(Stage::Reading);
        }
    }
}

/// A connection to be served.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Whether it lies above the cap.
    pub probes_only: bool,
    /// The routes.
    pub router: Router,
    /// How long it may be idle, or take to send a head.
    pub keep_alive: Duration,
}

impl Connection {
    /// Serves requests until the caller closes, breaks HTTP or stays silent, or until `stop`: then what has begun is
    /// finished, what is on the way is waited for a moment, and the connection is closed.
    pub async fn serve(self, activity: &Arc<Activity>, stop: &CancellationToken) {
        let io = TokioIo::new(Watched { stream: self.stream, activity: activity.clone(), linger: None });
        let (router, probes_only) = (self.router, self.probes_only);
        let service = service_fn(|request: Request<Incoming>| {
            activity.enter(Stage::Answering);
            let answered = Answered(activity.clone());
            let mut request = request.map(Body::new);
            if probes_only {
                request.extensions_mut().insert(ProbesOnly);
            }
            let response = router.clone().oneshot(request);
            async move { Ok::<_, Infallible>(response.await?.map(|body| AnswerBody { body, _answered: answered })) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(if probes_only { PROBE_PATIENCE } else { self.keep_alive })
            .keep_alive(!probes_only)
            .max_buf_size(MAX_HEAD);
        let mut serving = pin!(http.serve_connection(io, service));

        // How it ended matters to nobody: a caller who hangs up, or speaks no HTTP, has been answered or is gone.
        tokio::select! {
            biased;
            _ = serving.as_mut() => return,
            () = stop.cancelled() => {}
        }
        let stopped_at = Instant::now();
        let mut stage = activity.stage();
        while let Some(patience) = stage.patience() {
            let moved = poll_fn(|cx| match serving.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending if activity.stage() != stage => Poll::Ready(Some(activity.stage())),
                Poll::Pending => Poll::Pending,
            });
            tokio::select! {
                biased;
                moved = moved => match moved {
                    Some(next) => stage = next,
                    None => return,
                },
                () = sleep_until(stopped_at + patience) => break,
            }
        }
        serving.as_mut().graceful_shutdown();
        serving.await.unwrap_or_default();
    }
}

/// Ends [`Stage::Answering`] on drop: when the answer was handed to the connection, or its caller is gone.
struct Answered(Arc<Activity>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.enter(Stage::Idle);
    }
}

/// An answer's body that knows when it was sent.
struct AnswerBody {
    body: Body,
    _answered: Answered,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that tells when something arrives, and that lingers when it is closed.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
    linger: Option<Linger>,
}

/// What is left of the time and the bytes for which a closed socket is read.
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.heard();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Tells the caller that nothing more will be sent, then reads on until the caller closes too. A socket closed with
    /// unread bytes is reset, and a reset destroys an answer that the caller has not read yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let linger = this.linger.get_or_insert_with(|| Linger { until: Box::pin(sleep(LINGER)), bytes: LINGER_BYTES });
        let mut discarded = [0; 8 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut discarded);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && linger.bytes > buf.filled().len() => {
                    linger.bytes -= buf.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.until.as_mut().poll(cx).map(Ok),
            }
        }
    }
}
