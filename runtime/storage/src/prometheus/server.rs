//! Connections: how many there may be, and how long each may take.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use wca_model::Lane;

use super::access::Access;
use super::answer::{answer, refusal};
use super::gather::PrometheusStorage;
use super::page::Pages;
use super::socket::{Listener, Socket};
use super::tls::Tls;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections at a time; further ones wait in the kernel's queue until one of these ends.
    connections: usize,
    /// Within this time a new connection must have sent its first request, that of TLS before it included.
    first: Duration,
    /// Within this time, counted from each request of somebody who may read, its answer must be taken and the next one there.
    next: Duration,
    /// After this time the answer that is under way is the last one, so that the next one's turn comes.
    whole: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 32,
    first: Duration::from_secs(10),
    next: Duration::from_secs(30),
    whole: Duration::from_secs(300),
};

/// Most bytes of the head of a request.
const HEAD: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// Wait after connections cannot be taken, as where this process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// What is served, and to whom.
#[derive(Clone)]
pub struct Site {
    /// The path of the metrics, which begins with a slash.
    pub path: String,
    /// The certificate; none: without TLS.
    pub tls: Option<Tls>,
    /// Who may read.
    pub access: Access,
}

/// A socket that is served until this is dropped.
pub struct Endpoint {
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    bounds: Bounds,
    site: Mutex<Arc<Site>>,
    pages: Arc<Pages>,
}

impl Shared {
    fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Endpoint {
    /// Serves the site there, in the runtime of the caller. `name` is for messages.
    #[must_use]
    pub fn new(name: &str, listener: Listener, site: Site) -> Self {
        Self::within(BOUNDS, name, listener, site)
    }

    fn within(bounds: Bounds, name: &str, listener: Listener, site: Site) -> Self {
        let shared = Arc::new(Shared { bounds, site: Mutex::new(Arc::new(site)), pages: Arc::default() });
        let serving = tokio::spawn(serve(name.to_owned(), listener, Arc::clone(&shared))).abort_handle();
        Self { shared, serving }
    }

    /// Serves this site from now on; who is connected by TLS stays so with the certificate that was shown.
    pub fn renew(&self, site: Site) {
        *self.shared.site.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
    }

    /// A storage that shows here what it is given; `lanes` are those by which batches come to it.
    #[must_use]
    pub fn storage(&self, lanes: BTreeSet<Lane>) -> PrometheusStorage {
        PrometheusStorage::new(Arc::clone(&self.shared.pages), lanes)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(name: String, listener: Listener, shared: Arc<Shared>) {
    let free = Arc::new(Semaphore::new(shared.bounds.connections));
    // They end with this task.
    let mut connections = JoinSet::new();
    let mut fails = false;
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                fails = false;
                let (name, shared) = (name.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    connect(socket, &shared, || match peer {
                        Some(peer) => format!("{name}: {peer}"),
                        None => name.clone(),
                    })
                    .await;
                    drop(permit);
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut fails, true) {
                    tracing::error!("{name}: connections cannot be taken: {error}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection to its end.
async fn connect(socket: Socket, shared: &Shared, who: impl Fn() -> String) {
    let first = shared.bounds.first;
    let by = Instant::now() + first;
    let Some(Tls { acceptor }) = shared.site().tls.clone() else {
        return converse(socket, shared, by, who).await;
    };
    match tokio::time::timeout_at(by, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => converse(stream, shared, by, who).await,
        Ok(Err(error)) => tracing::debug!("{}: no connection by TLS: {error}", who()),
        Err(_) => tracing::debug!("{}: no connection by TLS within {first:?}", who()),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    first: Instant,
    who: impl Fn() -> String,
) {
    let (extend, by) = watch::channel(first);
    let Bounds { next, whole, .. } = shared.bounds;
    let service = service_fn(async |request| {
        // Whatever changes meanwhile, this answer is of one site.
        let site = shared.site();
        if let Some(refusal) = refusal(&site, &request) {
            return Ok::<_, Infallible>(refusal);
        }
        extend.send_replace(Instant::now() + next);
        Ok(answer(&site, &shared.pages, &request).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(next)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let ending = async {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            () = tokio::time::sleep(whole) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    tokio::select! {
        ended = ending => {
            if let Err(error) = ended {
                tracing::debug!("{}: {error}", who());
            }
        }
        () = passed(by) => tracing::debug!("{}: closed, since it is too slow", who()),
    }
}

/// Waits until the moment has passed, which may be put off meanwhile.
async fn passed(mut by: watch::Receiver<Instant>) {
    loop {
        let until = *by.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            changed = by.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::prometheus::Credentials;
    use crate::prometheus::negotiate::Format;
    use crate::store::Store as _;
    use crate::testing::{batch, sample};

    const GET: &str = "GET /metrics HTTP/1.1\r\nHost: wca\r\n\r\n";

    const SHORT: Bounds = Bounds {
        connections: 3,
        first: Duration::from_millis(200),
        next: Duration::from_millis(600),
        whole: Duration::from_secs(3600),
    };

    async fn endpoint(access: Access) -> (Endpoint, SocketAddr) {
        endpoint_within(BOUNDS, access).await
    }

    async fn endpoint_within(bounds: Bounds, access: Access) -> (Endpoint, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let site = Site { path: "/metrics".into(), tls: None, access };
        (Endpoint::within(bounds, "test", Listener::Tcp(listener), site), address)
    }

    /// That has been given a batch.
    async fn with_page() -> (Endpoint, SocketAddr) {
        with_page_within(BOUNDS).await
    }

    async fn with_page_within(bounds: Bounds) -> (Endpoint, SocketAddr) {
        let (endpoint, address) = endpoint_within(bounds, Access::default()).await;
        let mut storage = endpoint.storage([Lane::default()].into());
        storage.store(&batch(1.0, vec![]), &Arc::default()).await.unwrap();
        (endpoint, address)
    }

    /// What a connection is answered until it is closed, and how long that took.
    async fn answered(address: SocketAddr, request: &str) -> (String, Duration) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let begun = Instant::now();
        // It may be closed before all was sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        (String::from_utf8(answer).unwrap(), begun.elapsed())
    }

    /// The answer to one request on a connection of its own.
    async fn asked(address: SocketAddr, request: &str) -> String {
        answered(address, &request.replacen("\r\n", "\r\nConnection: close\r\n", 1)).await.0
    }

    #[tokio::test]
    async fn before_the_first_tick_there_is_an_answer_that_says_so() {
        let (endpoint, address) = endpoint(Access::default()).await;
        let answer = asked(address, GET).await;
        assert!(
            answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && answer.contains("retry-after: 1"),
            "{answer}"
        );
        assert!(
            answer.ends_with("\r\n\r\nnothing has been measured yet: the first iteration is not over\n"),
            "{answer}"
        );
        let mut storage = endpoint.storage([Lane::default()].into());
        storage.store(&batch(1.0, vec![]), &Arc::default()).await.unwrap();
        assert!(asked(address, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn a_connection_serves_one_request_after_the_other_and_head_has_no_body() {
        let (_endpoint, address) = with_page().await;
        let head = GET.replace("GET", "HEAD");
        let last = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let (answer, _) = answered(address, &[GET, &head, &last].concat()).await;
        let answers: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).collect();
        let [get, head, last] = answers[..] else { panic!("{answer}") };
        assert!(get.ends_with("task_name=\"b\"} 1\n") && head.ends_with("\r\n\r\n"), "{answer}");
        assert!(last.ends_with("task_name=\"b\"} 1\n"), "{answer}");
        let length =
            |answer: &str| answer.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        assert_eq!((length(get).is_some(), length(get)), (true, length(head)));
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_told_what_is_right() {
        let (_endpoint, address) = with_page().await;
        for (request, status, part) in [
            (GET.replace("/metrics", "/"), "404 Not Found", "metrics are at /metrics\n"),
            (GET.replace("/metrics", "/metrics/"), "404 Not Found", "metrics are at /metrics\n"),
            (GET.replace("GET", "POST"), "405 Method Not Allowed", "allow: GET, HEAD\r\n"),
            (GET.replace("GET", "DELETE"), "405 Method Not Allowed", "metrics are read by GET\n"),
            (GET.replace("/metrics", "/metrics?name=x"), "200 OK", "task_up"),
            (GET.replace("/metrics", "http://wca/metrics"), "200 OK", "task_up"),
            ("nonsense\r\n\r\n".into(), "400 Bad Request", ""),
        ] {
            let answer = asked(address, &request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(part),
                "{request}{answer}"
            );
        }
    }

    #[tokio::test]
    async fn who_shows_no_secret_is_told_how_and_nothing_else() {
        let credentials = [
            Credentials::Basic { user: "me".into(), password: b"secret".to_vec() },
            Credentials::Bearer { token: b"t0ken".to_vec() },
        ];
        let (_endpoint, address) = endpoint(Access::new(&credentials).unwrap()).await;
        for path in ["/metrics", "/other"] {
            let answer = asked(address, &GET.replace("/metrics", path)).await;
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
            assert!(answer.contains("www-authenticate: Basic realm=\"wca\", charset=\"UTF-8\"\r\n"), "{answer}");
            assert!(answer.contains("www-authenticate: Bearer realm=\"wca\"\r\n"), "{answer}");
        }
        let with = GET.replace("\r\n\r\n", "\r\nAuthorization: Bearer t0ken\r\n\r\n");
        assert!(asked(address, &with).await.starts_with("HTTP/1.1 503 "));
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (_endpoint, address) = with_page().await;
        let long = format!("GET /metrics HTTP/1.1\r\nHost: wca\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD));
        let many = format!("GET /metrics HTTP/1.1\r\nHost: wca\r\n{}\r\n", "X: y\r\n".repeat(HEADERS));
        for request in [long, many] {
            let (answer, _) = answered(address, &request).await;
            // The rest may be on its way when the connection is closed, and take the answer with it.
            let is_refused = answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n");
            assert!(is_refused || answer.is_empty(), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_come_in_time_ends_its_connection() {
        let (_endpoint, address) = with_page_within(SHORT).await;
        for (begun, expected) in [("", SHORT.first), ("GET /metrics HT", SHORT.first), (GET, SHORT.next)] {
            let (_, took) = answered(address, begun).await;
            assert!(took >= expected, "{begun:?}: {took:?}");
        }
    }

    #[tokio::test]
    async fn one_that_sends_a_byte_now_and_then_gains_nothing() {
        let (_endpoint, address) = with_page_within(SHORT).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut sent = 0;
        for byte in GET.bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sent += 1;
            tokio::time::sleep(SHORT.first / 8).await;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() && sent < GET.len(), "{answer:?}");
    }

    #[tokio::test]
    async fn one_that_does_not_take_its_answer_is_closed() {
        let (endpoint, address) = endpoint_within(SHORT, Access::default()).await;
        // More than the kernel keeps for both ends.
        let many = (0..200_000).map(|number| sample("x", &[("number", &number.to_string())], 1.0)).collect();
        let mut storage = endpoint.storage([Lane::default()].into());
        storage.store(&batch(1.0, many), &Arc::default()).await.unwrap();
        // It is there before it is asked for, however long that takes.
        endpoint.shared.pages.last().unwrap().bytes(Format::Text, false).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        tokio::time::sleep(SHORT.next * 4).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: usize = length.parse().unwrap();
        assert!(body.len() < length && length > 6_000_000, "{} of {length} bytes", body.len());
    }

    #[tokio::test]
    async fn who_may_not_read_is_told_so_once_and_its_connection_ends() {
        let access = Access::new(&[Credentials::Bearer { token: "t0ken".into() }]).unwrap();
        let (_endpoint, address) = endpoint(access).await;
        let (answer, _) = answered(address, &[GET, GET, GET].concat()).await;
        assert_eq!(answer.matches("HTTP/1.1 401 ").count(), 1, "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_ends_after_its_time_behind_a_whole_answer() {
        let bounds = Bounds { whole: Duration::from_millis(900), ..SHORT };
        let (_endpoint, address) = with_page_within(bounds).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (begun, mut answers) = (Instant::now(), String::new());
        // Each request comes long before the last moment for it.
        for _ in 0..100 {
            let mut bytes = [0; 4096];
            let sent = stream.write_all(GET.as_bytes()).await;
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            if sent.is_err() || count == 0 {
                break;
            }
            answers.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            tokio::time::sleep(SHORT.next / 10).await;
        }
        let count = answers.matches("HTTP/1.1 200 OK\r\n").count();
        assert!(begun.elapsed() >= bounds.whole && (2..100).contains(&count), "{count} answers");
        assert!(answers.ends_with("task_name=\"b\"} 1\n"), "{answers}");
    }

    #[tokio::test]
    async fn when_as_many_are_connected_as_may_be_the_next_waits_for_the_slowest() {
        let (_endpoint, address) = with_page_within(SHORT).await;
        let mut idle = Vec::new();
        let begun = Instant::now();
        for _ in 0..SHORT.connections {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(asked(address, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(begun.elapsed() >= SHORT.first, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_endpoint_that_is_dropped_ends_its_connections_and_listens_no_more() {
        let (endpoint, address) = with_page().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        let mut begun = [0; 8];
        stream.read_exact(&mut begun).await.unwrap();
        drop(endpoint);
        let mut rest = Vec::new();
        // Its end comes, in one way or another.
        let _ = stream.read_to_end(&mut rest).await;
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_served_changes_without_a_moment_between() {
        let (endpoint, address) = with_page().await;
        endpoint.renew(Site { path: "/other".into(), tls: None, access: Access::default() });
        assert!(asked(address, GET).await.starts_with("HTTP/1.1 404 "));
        assert!(asked(address, &GET.replace("/metrics", "/other")).await.starts_with("HTTP/1.1 200 "));
    }
}
