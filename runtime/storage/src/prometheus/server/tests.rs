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
    assert!(answer.ends_with("\r\n\r\nnothing has been measured yet: the first iteration is not over\n"), "{answer}");
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
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(part), "{request}{answer}");
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
