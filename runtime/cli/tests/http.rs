//! A storage that sends what it gets to a real HTTP server, and to no other than the granted one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Wca, component};

/// A server that takes posts and answers each with `answer`; none: it never answers.
fn server(answer: Option<&'static str>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (sender, posts) = channel();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if sender.send(read_post(&stream)).is_err() {
                return;
            }
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => silent.push(stream),
            }
        }
    });
    (origin, posts)
}

/// Head and body of one request.
fn read_post(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    let mut chunked = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= lower.starts_with("transfer-encoding: chunked");
        text.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            if size == 0 {
                return text;
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn storage_arguments<'a>(storage: &'a str, endpoint: &'a str, allow: &'a str) -> Vec<&'a str> {
    vec![
        "--component",
        storage,
        "--set",
        endpoint,
        "--allow-http",
        allow,
        "--interval",
        "100ms",
        "--iterations",
        "2",
        "--deadline",
        "5s",
    ]
}

#[test]
fn metrics_are_posted_as_json() {
    let (origin, posts) = server(Some(OK));
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let endpoint = format!("http_endpoint={origin}");
    let finished = Wca::new().run("run", &storage_arguments(&storage, &endpoint, &origin));
    finished.ends_with(0).says("[HTTPStorage] sending!");
    let post = posts.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(post.starts_with("POST / HTTP/1.1\r\n"), "{post}");
    let body = post.split("\r\n\r\n").nth(1).unwrap();
    for metric in ["\"wca_up\": ", "\"wca_tasks\": ", "\"platform_mem_usage_bytes\": "] {
        assert!(body.contains(metric), "{metric} in {body}");
    }
    assert!(body.starts_with('{') && body.ends_with('}'), "{body}");
}

#[test]
fn another_origin_is_refused() {
    let (granted, _) = server(Some(OK));
    let (other, posts) = server(Some(OK));
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let endpoint = format!("http_endpoint={other}");
    let finished = Wca::new().run("run", &storage_arguments(&storage, &endpoint, &granted));
    finished
        .says(&format!("a request to {other} was refused: granted are {granted}; --allow-http {other} would grant it"));
    assert!(posts.recv_timeout(Duration::from_millis(200)).is_err(), "it was asked all the same");
}

#[test]
fn without_a_grant_it_is_refused_at_load_with_the_remedy() {
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let finished = Wca::new().run("run", &["--component", &storage, "--iterations", "1"]);
    finished.ends_with(1).says("needs a grant").says("`--allow-http http://127.0.0.1:8000`");
}

#[test]
fn a_server_that_never_answers_costs_a_line_and_no_tick() {
    let (origin, posts) = server(None);
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let endpoint = format!("http_endpoint={origin}");
    let finished = Wca::new().run("run", &storage_arguments(&storage, &endpoint, &origin));
    finished.ends_with(0).says("[HTTPStorage] timeout!");
    assert!(posts.recv_timeout(Duration::from_secs(10)).unwrap().starts_with("POST / "));
}
