//! Connections: accepting, capping, serving HTTP/1.1 on them, and letting them go.
//!
//! The caller owns the listener and the signal to stop. Nothing here knows of routes. Two promises matter: probes get
//! through while other connections use up theirs, and once told to stop, no request whose first byte arrived is cut
//! before `grace` ends.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::connection::{Activity, Connection, Stage};

/// The limits of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// How long a connection may be idle or take to send a request's head.
    pub keep_alive: Duration,
    /// Connections served at once.
    pub max_connections: usize,
    /// Connections beyond those, marked [`ProbesOnly`](crate::http::connection::ProbesOnly).
    pub probe_connections: usize,
    /// How long requests in flight may take once the server was told to stop.
    pub grace: Duration,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeOutcome {
    /// Connections that were still busy when `grace` ended, and were cut.
    pub cut: usize,
}

/// How long accepting rests after an error of the process (out of file descriptors, of memory).
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `stop`, then finishes what was accepted, for at most `options.grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) -> ServeOutcome {
    let connections = Connections {
        router,
        keep_alive: options.keep_alive,
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        cut: CancellationToken::new(),
        cut_while_busy: Arc::default(),
    };
    let room = Room {
        general: Arc::new(Semaphore::new(options.max_connections)),
        probes: Arc::new(Semaphore::new(options.probe_connections)),
    };
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                failing = false;
                let place = tokio::select! {
                    biased;
                    place = room.place() => place,
                    () = stop.cancelled() => Place::beyond(),
                };
                connections.spawn(stream, place);
            }
            // The caller gave up before it was accepted: no fault of ours.
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "connections cannot be accepted; trying again");
                }
                failing = true;
                sleep(ACCEPT_REST).await;
            }
        }
    }
    accept_backlog(listener, &connections);
    connections.finish(options.grace).await
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Takes what the kernel has already shaken hands with, then closes the listener: closing alone would reset it.
fn accept_backlog(listener: TcpListener, connections: &Connections) {
    // Straight from the socket: the runtime may not have heard of the last arrivals yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, _)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            connections.spawn(stream, Place::beyond());
        }
    }
}

/// Room for connections, in two kinds.
struct Room {
    general: Arc<Semaphore>,
    probes: Arc<Semaphore>,
}

/// A connection's place, given back on drop.
struct Place {
    probes_only: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// A general place if there is one, else one for probes, else whichever is given back first.
    async fn place(&self) -> Place {
        tokio::select! {
            biased;
            permit = self.general.clone().acquire_owned() => Place { probes_only: false, _permit: permit.ok() },
            permit = self.probes.clone().acquire_owned() => Place { probes_only: true, _permit: permit.ok() },
        }
    }
}

impl Place {
    /// For the last connections before the listener closes.
    fn beyond() -> Self {
        Self { probes_only: false, _permit: None }
    }
}

/// The tasks that serve connections, and what they share.
struct Connections {
    router: Router,
    keep_alive: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
    cut_while_busy: Arc<AtomicUsize>,
}

impl Connections {
    fn spawn(&self, stream: TcpStream, place: Place) {
        // Answers are written whole: waiting to fill a segment would only add latency.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let connection = Connection {
            stream,
            probes_only: place.probes_only,
            router: self.router.clone(),
            keep_alive: self.keep_alive,
        };
        let (stop, cut, cut_while_busy) = (self.stop.clone(), self.cut.clone(), self.cut_while_busy.clone());
        self.tasks.spawn(async move {
            let _place = place;
            let activity = Arc::new(Activity::default());
            // Pinned outside, so that it is not dropped, and with it what it was doing, before that is counted.
            let mut serving = pin!(connection.serve(&activity, &stop));
            tokio::select! {
                biased;
                () = serving.as_mut() => {}
                () = cut.cancelled() => {
                    if matches!(activity.stage(), Stage::Reading | Stage::Answering) {
                        cut_while_busy.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }

    async fn finish(self, grace: Duration) -> ServeOutcome {
        self.tasks.close();
        if timeout(grace, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
        ServeOutcome { cut: self.cut_while_busy.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::Request;
    use axum::http::{HeaderValue, header::CONNECTION};
    use axum::response::IntoResponse;
    use axum::routing::{any, get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::http::connection::ProbesOnly;

    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        outcome: JoinHandle<ServeOutcome>,
        /// Told when `/slow` was reached.
        reached: Arc<Notify>,
        /// Lets `/slow` answer.
        released: Arc<Notify>,
    }

    async fn start(max_connections: usize, grace: Duration) -> Server {
        let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (reached.clone(), released.clone());
        let slow = move || async move {
            tell.notify_one();
            wait.notified().await;
            "slow"
        };
        let refuse = || async { ([(CONNECTION, HeaderValue::from_static("close"))], "refused").into_response() };
        let room = |request: Request| async move {
            if request.extensions().get::<ProbesOnly>().is_some() { "probes only" } else { "general" }
        };
        let router = Router::new()
            .route("/", get(|| async { "fast" }))
            .route("/slow", get(slow))
            .route("/refuse", any(refuse))
            .route("/room", get(room));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let options =
            ServerOptions { keep_alive: Duration::from_secs(75), max_connections, probe_connections: 1, grace };
        let outcome = tokio::spawn(serve(listener, router, options, stop.clone()));
        Server { address, stop, outcome, reached, released }
    }

    impl Server {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    async fn send(stream: &mut TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(stream: &mut TcpStream, path: &str) -> String {
        send(stream, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        answer(stream).await
    }

    /// Reads one answer; empty when the connection was closed instead.
    async fn answer(stream: &mut TcpStream) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return text;
                }
            }
            if stream.read_buf(&mut read).await.unwrap() == 0 {
                return String::new();
            }
        }
    }

    #[tokio::test]
    async fn told_to_stop_it_finishes_what_began_and_refuses_what_did_not() {
        let server = start(16, Duration::from_secs(60)).await;
        let (mut slow, mut half, mut fresh, mut idle) =
            (server.connect().await, server.connect().await, server.connect().await, server.connect().await);
        assert!(ask(&mut idle, "/").await.ends_with("fast"));
        send(&mut half, "GET / HTTP/1.1\r\nHo").await;
        send(&mut slow, "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
        server.reached.notified().await;

        server.stop.cancel();
        assert!(ask(&mut fresh, "/").await.ends_with("fast"));
        assert_eq!(answer(&mut idle).await, "");
        send(&mut half, "st: test\r\n\r\n").await;
        assert!(answer(&mut half).await.ends_with("fast"));
        server.released.notify_one();
        let slowly = answer(&mut slow).await;
        assert!(slowly.contains("connection: close") && slowly.ends_with("slow"), "{slowly}");
        for mut stream in [slow, half, fresh] {
            assert_eq!(answer(&mut stream).await, "");
        }
        drop(idle);

        assert_eq!(server.outcome.await.unwrap(), ServeOutcome { cut: 0 });
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn what_outlasts_the_grace_is_cut_and_counted() {
        let server = start(16, Duration::from_millis(20)).await;
        let mut slow = server.connect().await;
        send(&mut slow, "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
        server.reached.notified().await;
        server.stop.cancel();
        assert_eq!(server.outcome.await.unwrap(), ServeOutcome { cut: 1 });
        assert_eq!(answer(&mut slow).await, "");
    }

    #[tokio::test]
    async fn connections_above_the_cap_are_marked_and_closed_after_one_answer() {
        let server = start(1, Duration::from_secs(60)).await;
        let mut first = server.connect().await;
        assert!(ask(&mut first, "/room").await.ends_with("general"));
        for _ in 0..3 {
            let mut above = server.connect().await;
            let marked = ask(&mut above, "/room").await;
            assert!(marked.contains("connection: close") && marked.ends_with("probes only"), "{marked}");
            assert_eq!(answer(&mut above).await, "");
        }
        send(&mut first, "GET /room HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
        assert!(answer(&mut first).await.ends_with("general"));
        assert_eq!(answer(&mut first).await, "");
        drop(first);
        // The place is given back soon after the close is seen.
        while !ask(&mut server.connect().await, "/room").await.ends_with("general") {}
    }

    #[tokio::test]
    async fn an_answer_that_refuses_a_body_is_read_although_the_body_is_still_being_sent() {
        let server = start(16, Duration::from_secs(60)).await;
        let mut stream = server.connect().await;
        let body = vec![b'x'; 4 * 1024 * 1024];
        send(&mut stream, &format!("POST /refuse HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()))
            .await;
        stream.write_all(&body).await.unwrap();
        assert!(answer(&mut stream).await.ends_with("refused"));
    }

    #[tokio::test]
    async fn what_is_not_http_is_answered_and_closed() {
        let server = start(16, Duration::from_secs(60)).await;
        for (sent, status) in [
            ("\0\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
            ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
            (format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024)), "431"),
        ] {
            let mut stream = server.connect().await;
            send(&mut stream, &sent).await;
            let told = answer(&mut stream).await;
            assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{told}");
        }
    }
}
