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
            match beside(&setup, "127.0.0.1 localhost metrics.example\n", &[], &command) {
                Some(other) => command = other,
                None => return skipped("only root can give a program a table of hosts of its own"),
            }
        }
        is_refused(
            &setup,
            command,
            &origin,
            &format!("127.0.0.1, which is a loopback address; --allow-http http://127.0.0.1:{port}"),
        );
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was asked all the same");
}

#[test]
fn one_whose_granted_name_leads_to_an_interface_of_this_machine_is_refused() {
    // Of two addresses in one network the kernel sends from the first.
    let addresses = ["10.199.7.5", "10.199.7.6", "fd99:7::5"];
    for address in addresses {
        let origin = "http://metrics.example:81";
        let setup = setup("read", origin, "20s");
        let hosts = format!("127.0.0.1 localhost\n{address} metrics.example\n");
        let Some(command) = beside(&setup, &hosts, &addresses, &setup.command(&[])) else {
            return skipped("only root can give a program a network of its own, with iproute2");
        };
        let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let why = format!("{address}, which is an address of this machine; --allow-http http://{literal}:81");
        is_refused(&setup, command, origin, &why);
    }
}

/// A storage that reads from this origin is refused, since its name leads there.
fn is_refused(setup: &Setup, command: Command, origin: &str, leads_to: &str) {
    let mut started = setup.spawn(command);
    until_counted(&mut started, "wca_policy_http_stopped", "address");
    let refused =
        format!("[HttpMisuser] a request to {origin} was refused: its name leads to {leads_to} besides would grant it");
    started.stop().ends_with(0).says(&refused).says("the storage rejected the batch: DestinationIpProhibited");
}

/// The same command with this table of hosts, and in a network of its own where it has these addresses.
fn beside(setup: &Setup, hosts: &str, addresses: &[&str], command: &Command) -> Option<Command> {
    let net: &[&str] = if addresses.is_empty() { &[] } else { &["--net"] };
    let does = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
    };
    let may = is_root() && does("unshare", &[&["--mount"], net, &["true"]].concat());
    if !may || !(addresses.is_empty() || does("ip", &["-V"])) {
        return None;
    }
    std::fs::write(setup.path("hosts"), hosts).unwrap();
    let mut script = String::from("mount --bind \"$0\" /etc/hosts && ");
    for address in addresses {
        let length = if address.contains(':') { 64 } else { 24 };
        script.push_str(&format!("ip link set lo up && ip address add {address}/{length} dev lo && "));
    }
    script.push_str("exec \"$@\"");
    let mut other = Command::new("unshare");
    other.args(["--mount", "--propagation", "private"]).args(net).args(["sh", "-c", &script]).arg(setup.path("hosts"));
    other.arg(command.get_program()).args(command.get_args());
    Some(other)
}
