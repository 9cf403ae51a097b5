//! A storage that sends what it gets to a real HTTP server, and to no other than the granted one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::time::Duration;

use common::server::{NOT_NOW, OK, answering, server};
use common::{Wca, component};

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
fn what_a_server_does_not_take_for_now_is_sent_again_before_what_comes_after() {
    let (origin, posts) = answering(|number| Some(if number < 2 { NOT_NOW } else { OK }));
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let endpoint = format!("http_endpoint={origin}");
    Wca::new().run("run", &storage_arguments(&storage, &endpoint, &origin)).ends_with(0).says("503");
    let bodies: Vec<String> = (0..4)
        .map(|_| posts.recv_timeout(Duration::from_secs(10)).unwrap().split("\r\n\r\n").nth(1).unwrap().to_owned())
        .collect();
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2] && bodies[2] != bodies[3], "{bodies:#?}");
    assert!(posts.recv_timeout(Duration::from_millis(200)).is_err(), "more was sent than was measured");
}

#[test]
fn what_is_no_success_and_will_not_be_one_is_sent_once_and_dropped() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let unwanted = "HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, status) in [(redirect, 302), (unwanted, 422)] {
        let (origin, posts) = server(Some(answer));
        let storage = component("guest-examples/http-storage/http-storage.wasm");
        let endpoint = format!("http_endpoint={origin}");
        let finished = Wca::new().run("run", &storage_arguments(&storage, &endpoint, &origin));
        finished.ends_with(0).says(&format!("the storage rejected the batch: {origin} answered {status}"));
        assert_eq!(posts.try_iter().count(), 2, "{status}: each batch once");
    }
}

#[test]
fn what_is_not_answered_in_time_is_sent_again() {
    let (origin, posts) = answering(|number| (number > 0).then_some(OK));
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let endpoint = format!("http_endpoint={origin}");
    let finished = Wca::new().run("run", &storage_arguments(&storage, &endpoint, &origin));
    finished.ends_with(0).says("timeout!").says("the storage is unavailable: ");
    let bodies: Vec<String> = posts.try_iter().map(|post| post.split("\r\n\r\n").nth(1).unwrap().to_owned()).collect();
    assert!(bodies.len() == 3 && bodies[0] == bodies[1] && bodies[1] != bodies[2], "{bodies:#?}");
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
    const INTERVAL: f64 = 0.2;
    const TICKS: usize = 15;
    let (origin, posts) = server(None);
    let folder = tempfile::tempdir().unwrap();
    let (config, stored) = (folder.path().join("config.yaml"), folder.path().join("metrics.prom"));
    let (storage, file) = (component("guest-examples/http-storage/http-storage.wasm"), stored.display());
    let yaml = format!(
        "components: {{HTTPStorage: {{path: {storage}, allow_http: ['{origin}'], deadline: 5s}}}}\nrunner: !MeasurementRunner\n  \
         action_delay: {INTERVAL}\n  node: !StaticNode {{tasks: []}}\n  metrics_storage: !FilterStorage\n    storages: [!LogStorage \
         {{output_filename: {file}}}, !HTTPStorage {{http_endpoint: '{origin}'}}]\n"
    );
    std::fs::write(&config, yaml).unwrap();
    let (config, ticks) = (config.display().to_string(), TICKS.to_string());
    let finished = Wca::new().run("run", &["--config", &config, "--root", "--iterations", &ticks]);
    finished.ends_with(0).says("[HTTPStorage] timeout!").says("HTTPStorage: not everything was stored within 5s");
    // Each post takes a second: had a tick waited for one, those after it would be late.
    for _ in 0..2 {
        assert!(posts.recv_timeout(Duration::from_secs(10)).unwrap().starts_with("POST / "));
    }
    let text = std::fs::read_to_string(stored).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        lines.map(|line| line.split_once("} ").unwrap().1.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let times = values("wca_up");
    assert_eq!(times.len(), TICKS);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] < INTERVAL * 2.0), "{times:?}");
    assert_eq!(values("wca_ticks_overrun"), [0.0; TICKS]);
}
