//! A runner that waits for a server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rstest::rstest;
use wca_sandbox::Grants;

use crate::host::{Host, guest, runtime};

/// A server that answers each request after a while; none: it never does.
fn server(after: Option<Duration>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match after {
                Some(after) => {
                    let _ = stream.read(&mut [0; 4096]).unwrap();
                    std::thread::sleep(after);
                    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
                }
                None => silent.push(stream),
            }
        }
    });
    origin
}

fn ran(origin: &str, limits: &[(&str, &str)]) -> Result<(), String> {
    let mut host = Host::with(limits);
    host.grants = Grants { http: vec![origin.parse().unwrap()] };
    let mut policy = host.policy(&guest("patient"), &format!("url: {origin}")).unwrap();
    runtime().block_on(policy.run(None)).map_err(|failure| failure.to_string())
}

#[rstest]
#[case(("deadline", "300ms"), "it ran longer than 300ms (--limit deadline raises it)")]
#[case(("start-deadline", "1s"), "it ran longer than 1s (--limit start-deadline raises it)")]
fn a_server_that_never_answers_does_not_keep_a_runner(#[case] limit: (&str, &str), #[case] expected: &str) {
    let origin = server(None);
    let begun = Instant::now();
    assert_eq!(ran(&origin, &[limit]), Err(expected.to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_answers_in_time_is_waited_for() {
    assert_eq!(ran(&server(Some(Duration::from_millis(200))), &[("deadline", "30s")]), Ok(()));
}
