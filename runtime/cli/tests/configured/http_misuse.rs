//! A storage in the real program that uses HTTP as it should not: it is stopped, and that is in the log and in the metrics.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use crate::common::{component, is_root, skipped};
use crate::setup::{Setup, Started};
use crate::text::Line;

/// A server that gives each request this answer and keeps the connection.
fn server(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Who hangs up needs no answer.
            if stream.read(&mut [0; 4096]).is_ok() && stream.write_all(answer.as_bytes()).is_ok() {
                kept.push(stream);
            }
        }
    });
    port
}

/// What the storage does, at which origin, with a second storage that takes what is told of the first.
fn setup(act: &str, origin: &str, deadline: &str) -> Setup {
    let wasm = component("tests/guests/http-misuser/http-misuser.wasm");
    Setup::with(&format!(
        "components: {{HttpMisuser: {{path: {wasm}, allow_http: ['{origin}'], deadline: {deadline}, \
         retry_timeout_in_seconds: 0, start_fuel: 1e12}}}}\nrunner: !MeasurementRunner\n  action_delay: 0.05\n  node: !StaticNode \
         {{tasks: []}}\n  metrics_storage: !FilterStorage\n    storages: [!LogStorage {{output_filename: \
         FOLDER/metrics.prom}}, !HttpMisuser {{act: {act}, url: '{origin}/'}}]\n"
    ))
}

/// Waits until a metric of the storage, with this reason where it has any, is above 0.
fn until_counted(started: &mut Started<'_>, metric: &str, reason: &str) {
    let counted = |line: &Line| line.is(metric, "policy", "HttpMisuser") && line.label("reason") == reason;
    started.until(metric, |setup| setup.lines("metrics.prom").iter().any(|line| counted(line) && line.value > 0.0));
}

#[test]
fn one_that_sleeps_is_stopped() {
    let port = server("");
    let setup = setup("sleep", &format!("http://127.0.0.1:{port}"), "2s");
    let mut started = setup.start(&[]);
    until_counted(&mut started, "wca_policy_failures", "");
    started.stop().ends_with(0).says("[HttpMisuser] it ran longer than 2s (--limit deadline raises it)");
}

#[test]
fn one_that_waits_for_a_silent_server_is_stopped() {
    let port = server("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    let origin = format!("http://127.0.0.1:{port}");
    let setup = setup("read", &origin, "2s");
    let mut started = setup.start(&[]);
    until_counted(&mut started, "wca_policy_failures", "");
    until_counted(&mut started, "wca_policy_http_stopped", "time");
    let cut_off = format!("[HttpMisuser] a request to {origin} was cut off: its answer was not there as a whole");
    started.stop().ends_with(0).says("[HttpMisuser] it ran longer than 2s").says(&cut_off);
}

#[test]
fn one_that_never_reads_its_answer_is_cut_off() {
    let port = server("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    let origin = format!("http://127.0.0.1:{port}");
    let setup = setup("hoard", &origin, "20s");
    let mut started = setup.start(&[]);
    until_counted(&mut started, "wca_policy_http_stopped", "unread");
    let cut_off =
        format!("[HttpMisuser] a request to {origin} was cut off: its answer was not read when the call was over");
    started.stop().ends_with(0).says(&cut_off);
}

#[test]
fn one_that_follows_a_redirect_elsewhere_is_refused() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", elsewhere.local_addr().unwrap());
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {target}/\r\ncontent-length: 0\r\n\r\n");
    let origin = format!("http://127.0.0.1:{}", server(answer.leak()));
    let setup = setup("follow", &origin, "20s");
    let mut started = setup.start(&[]);
    until_counted(&mut started, "wca_policy_http_stopped", "origin");
    let refused =
        format!("[HttpMisuser] a request to {target} was refused: granted are {origin}; --allow-http {target}");
    started.stop().ends_with(0).says(&refused).says("the storage rejected the batch: HttpRequestDenied");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "it was asked all the same");
}

#[test]
fn one_whose_granted_name_leads_to_loopback_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // To every resolver the first is a name for 127.0.0.1. The second is one by a table of hosts that only the program sees.
    for name in ["127.1", "metrics.example"] {
        let origin = format!("http://{name}:{port}");
        let setup = setup("read", &origin, "20s");
        let mut command = setup.command(&[]);
        if name == "metrics.example" {
            std::fs::write(setup.path("hosts"), "127.0.0.1 localhost metrics.example\n").unwrap();
            match beside(&setup.path("hosts").display().to_string(), &command) {
                Some(other) => command = other,
                None => return skipped("only root can give a program a table of hosts of its own"),
            }
        }
        let mut started = setup.spawn(command);
        until_counted(&mut started, "wca_policy_http_stopped", "address");
        let refused = format!(
            "[HttpMisuser] a request to {origin} was refused: its name leads to 127.0.0.1, which is a loopback address; \
             --allow-http http://127.0.0.1:{port} besides would grant it"
        );
        started.stop().ends_with(0).says(&refused).says("the storage rejected the batch: DestinationIpProhibited");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was asked all the same");
}

/// The same command where this file is the table of hosts.
fn beside(hosts: &str, command: &Command) -> Option<Command> {
    let may = || Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|done| done.status.success());
    if !is_root() || !may() {
        return None;
    }
    let mut other = Command::new("unshare");
    other.args(["--mount", "--propagation", "private", "sh", "-c"]);
    other.args(["mount --bind \"$0\" /etc/hosts && exec \"$@\"", hosts]);
    other.arg(command.get_program()).args(command.get_args());
    Some(other)
}
