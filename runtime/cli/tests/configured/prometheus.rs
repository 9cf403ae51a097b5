//! What `PrometheusStorage` answers, over the real sockets of the real program.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::churn::agent_of;
use crate::common::missing;
use crate::scrape::{Answer, ask, free_address, get};
use crate::setup::{Setup, Started};

/// A node without tasks, whose metrics go there.
fn file(storage: &str) -> String {
    format!(
        "runner: !MeasurementRunner\n  node: !StaticNode {{tasks: []}}\n  action_delay: 0.05\n  metrics_storage: {storage}\n"
    )
}

/// Waits until something is measured.
fn until_measured(started: &mut Started<'_>, mut get: impl FnMut() -> Option<Answer>) -> Answer {
    let mut found = None;
    started.until("metrics", |_| {
        found = get();
        found.as_ref().is_some_and(|answer| answer.status == 200)
    });
    found.unwrap()
}

/// Waits until something is measured, at this address.
fn until_measured_at(started: &mut Started<'_>, address: std::net::SocketAddr, path: &str) -> Answer {
    until_measured(started, || TcpStream::connect(address).ok().map(|mut stream| ask(&mut stream, path, &[])))
}

fn up(answer: &Answer) -> f64 {
    answer.lines().iter().find(|line| line.name == "wca_up").unwrap_or_else(|| panic!("{answer:?}")).value
}

#[test]
fn the_last_tick_is_answered_in_the_form_that_is_asked_for() {
    let address = free_address();
    let setup = Setup::with(&file(&format!("!PrometheusStorage {{listen: '{address}'}}")));
    let mut started = setup.start(&[]);
    let first = until_measured_at(&mut started, address, "/metrics");
    assert_eq!(first.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(first.text().contains("\n# TYPE wca_up counter\nwca_up{"), "{}", first.text());
    assert!(first.lines().iter().all(|line| line.timestamp.is_none()));
    started.until("the next tick", |_| up(&get(address, "/metrics", &[])) > up(&first));
    let open = get(address, "/metrics", &["Accept: application/openmetrics-text;version=1.0.0"]);
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = open.text();
    assert!(
        text.ends_with("\n# EOF\n") && !text.contains("\n\n") && text.contains("# TYPE wca_up unknown\n"),
        "{text}"
    );
    let packed = get(address, "/metrics", &["Accept-Encoding: gzip"]);
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "Accept, Accept-Encoding"));
    assert!(packed.body.len() * 3 < packed.text().len() && up(&packed) > 0.0);
    assert_eq!(get(address, "/", &[]).status, 404);
    started.stop().ends_with(0);
    assert!(TcpStream::connect(address).is_err(), "somebody listens still");
}

#[test]
fn every_answer_has_all_that_one_tick_brings_and_each_series_once() {
    let address = free_address();
    let setup = Setup::with(&format!(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {{tasks: []}}\n    \
         action_delay: 0.05\n    metrics_storage: !FilterStorage\n      storages:\n      - !FilterStorage\n        filter: \
         [wca_up, wca_tasks]\n        storages: [&prometheus !PrometheusStorage {{listen: '{address}'}}]\n      - \
         !FilterStorage {{filter: [wca_tasks, wca_policy_calls], storages: [*prometheus]}}\n  detector: !NOPAnomalyDetector\n  \
         anomalies_storage: *prometheus\n"
    ));
    let mut started = setup.start(&[]);
    let mut ticks = BTreeSet::from([up(&until_measured_at(&mut started, address, "/metrics")).to_bits()]);
    let expected = ["anomaly_count", "wca_policy_calls", "wca_tasks", "wca_up"];
    started.until("many ticks", |_| {
        let answer = get(address, "/metrics", &[]);
        let names: Vec<String> = answer.lines().into_iter().map(|line| line.name).collect();
        assert_eq!(names, expected);
        ticks.insert(up(&answer).to_bits());
        ticks.len() > 20
    });
    started.stop().ends_with(0);
}

#[test]
fn a_socket_at_a_path_is_served_and_removed() {
    let setup = Setup::with(&file("!PrometheusStorage {listen: FOLDER/metrics.sock, path: /}"));
    let mut started = setup.start(&[]);
    let path = setup.path("metrics.sock");
    until_measured(&mut started, || UnixStream::connect(&path).ok().map(|mut stream| ask(&mut stream, "/", &[])));
    started.stop().ends_with(0);
    assert!(!path.exists());
}

#[test]
fn secrets_that_only_the_operator_can_read_are_asked_for() {
    let address = free_address();
    let setup = Setup::with(&file(&format!(
        "!PrometheusStorage {{listen: '{address}', username: me, password_path: FOLDER/password, token_path: FOLDER/token}}"
    )));
    for (name, secret) in [("password", "open sesame\n"), ("token", "t0ken")] {
        std::fs::write(setup.path(name), secret).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(setup.path(name), mode).unwrap();
    }
    let mut started = setup.start(&[]);
    let token = "Authorization: Bearer t0ken";
    until_measured(&mut started, || {
        TcpStream::connect(address).ok().map(|mut stream| ask(&mut stream, "/metrics", &[token]))
    });
    let status = |headers: &[&str]| get(address, "/metrics", headers).status;
    assert_eq!(status(&["Authorization: Basic bWU6b3BlbiBzZXNhbWU="]), 200);
    assert_eq!(status(&["Authorization: Basic bWU6b3BlbiBTZXNhbWU="]), 401);
    assert_eq!(status(&["Authorization: Bearer token"]), 401);
    assert_eq!(status(&[]), 401);
    // What stands in a file counts when the configuration is read again.
    std::fs::write(setup.path("token"), "another\n").unwrap();
    assert_eq!(status(&[token]), 200);
    setup.reload().ends_with(0);
    assert_eq!((status(&[token]), status(&["Authorization: Bearer another"])), (401, 200));
    std::fs::write(setup.path("token"), "\n").unwrap();
    setup.reload().ends_with(1).says("token: it is empty\n");
    assert_eq!(status(&["Authorization: Bearer another"]), 200);
    let finished = started.stop();
    finished.ends_with(0);
    assert!(!finished.stderr.contains("can read the secret"), "only this machine can: {finished:#?}");
}

/// Makes files `NAME.pem` and `NAME.key`: a certificate for `localhost` that this authority signs, or one for itself.
pub(crate) fn certificate(setup: &Setup, name: &str, authority: Option<&str>) -> bool {
    let file = |name: &str, end: &str| setup.path(&format!("{name}.{end}")).display().to_string();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-subj", &format!("/CN={name}"), "-out", &file(name, "pem"), "-keyout", &file(name, "key")]);
    if let Some(authority) = authority {
        command.args(["-CA", &file(authority, "pem"), "-CAkey", &file(authority, "key")]);
        command.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    let Ok(output) = command.output() else { return false };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Says that there is nothing that makes certificates.
pub(crate) fn no_openssl() {
    missing("openssl", "openssl, which makes certificates, does not run here", "the package openssl has it");
}

/// Asks by TLS; the error is why there is no connection.
fn get_by_tls(setup: &Setup, address: std::net::SocketAddr, authority: &str) -> Result<Answer, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(setup.path(authority)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
    Ok(ask(&mut StreamOwned::new(connection, stream), "/metrics", &[]))
}

#[test]
fn by_tls_the_certificate_is_shown_that_the_files_hold_and_another_one_after_a_reload() {
    let address = free_address();
    let yaml = file(&format!(
        "!PrometheusStorage {{listen: '{address}', certificate_path: FOLDER/server.pem, key_path: FOLDER/server.key}}"
    ));
    let setup = Setup::with(&yaml);
    if !certificate(&setup, "authority", None) {
        return no_openssl();
    }
    certificate(&setup, "other", None);
    certificate(&setup, "server", Some("authority"));
    let mut started = setup.start(&[]);
    until_measured(&mut started, || get_by_tls(&setup, address, "authority.pem").ok());
    let told = get_by_tls(&setup, address, "other.pem").unwrap_err();
    assert!(told.contains("invalid peer certificate"), "{told}");
    // Without TLS there is no answer.
    let mut plain = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut plain, b"GET /metrics HTTP/1.1\r\nHost: wca\r\n\r\n").unwrap();
    let mut found = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut found);
    assert!(!found.starts_with(b"HTTP"), "{found:?}");
    certificate(&setup, "server", Some("other"));
    setup.reload().ends_with(0);
    assert_eq!(get_by_tls(&setup, address, "other.pem").unwrap().status, 200);
    // A key of another certificate is refused, and the one before stays.
    setup.configure(&yaml.replace("server.key", "authority.key"));
    setup
        .reload()
        .ends_with(1)
        .says("server.pem with ")
        .says("certificate and key cannot be used")
        .says("config.yaml:4:");
    std::fs::write(setup.path("server.pem"), "nothing").unwrap();
    setup.configure(&yaml);
    setup.reload().ends_with(1).says("server.pem: it holds no certificate in PEM");
    assert_eq!(get_by_tls(&setup, address, "other.pem").unwrap().status, 200);
    started.stop().ends_with(0);
}

#[test]
fn a_reload_keeps_connections_at_the_same_address_and_closes_those_at_another() {
    let (first, second) = (free_address(), free_address());
    let yaml = |address, path: &str| file(&format!("!PrometheusStorage {{listen: '{address}', path: {path}}}"));
    let setup = Setup::with(&yaml(first, "/a"));
    let mut started = setup.start(&[]);
    until_measured_at(&mut started, first, "/a");
    let mut stays = TcpStream::connect(first).unwrap();
    assert_eq!(ask(&mut stays, "/a", &[]).status, 200);
    setup.configure(&yaml(first, "/b"));
    setup.reload().ends_with(0);
    // What was measured before is there still, without a tick between.
    assert_eq!((ask(&mut stays, "/b", &[]).status, ask(&mut stays, "/a", &[]).status), (200, 404));
    // An address that is in use leaves everything as it was.
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    setup.configure(&yaml(used.local_addr().unwrap(), "/c"));
    setup.reload().ends_with(1).says(&format!("nobody can listen at {}: ", used.local_addr().unwrap()));
    assert_eq!(ask(&mut stays, "/b", &[]).status, 200);
    setup.configure(&yaml(second, "/c"));
    setup.reload().ends_with(0);
    until_measured_at(&mut started, second, "/c");
    started.until("the end of the old address", |_| TcpStream::connect(first).is_err());
    // What is counted of an address that stays goes on.
    let stored = |answer: &Answer| {
        let name = format!("PrometheusStorage({second})");
        let lines = answer.lines();
        lines.iter().find(|line| line.is("wca_storage_stored_samples", "storage", &name)).map_or(0.0, |line| line.value)
    };
    started.until("some samples", |_| stored(&get(second, "/c", &[])) > 0.0);
    let before = stored(&get(second, "/c", &[]));
    setup.configure(&yaml(second, "/d"));
    setup.reload().ends_with(0);
    assert!(stored(&get(second, "/d", &[])) >= before);
    started.stop().ends_with(0);
}

#[test]
fn who_asks_while_the_agent_is_started_again_is_answered_by_the_next_one() {
    let address = free_address();
    let setup = Setup::with(&file(&format!("!PrometheusStorage {{listen: '{address}'}}")));
    let mut started = setup.start(&[]);
    until_measured_at(&mut started, address, "/metrics");
    let agent = agent_of(started.pid());
    kill_process(Pid::from_raw(i32::try_from(agent).unwrap()).unwrap(), Signal::KILL).unwrap();
    // The socket is the warden's: it takes connections meanwhile. One that the agent had before its end is gone with it.
    started.until("the next agent", |_| {
        std::panic::catch_unwind(|| get(address, "/metrics", &[])).is_ok_and(|answer| answer.status == 200)
    });
    assert_ne!(agent_of(started.pid()), agent);
    started.stop().ends_with(0).says("it is started again in");
}

#[test]
fn checking_a_file_takes_no_address_and_says_what_is_wrong_with_its_secrets() {
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = used.local_addr().unwrap();
    let setup = Setup::with(&file(&format!("!PrometheusStorage {{listen: '{address}'}}")));
    setup
        .run(&["--iterations", "1"])
        .ends_with(1)
        .says(&format!("nobody can listen at {address}: Address already in use"));
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
        command.arg("check").arg("-c").arg(setup.path("config.yaml"));
        crate::common::Finished::of(&command.output().unwrap())
    };
    check().ends_with(0);
    std::fs::write(setup.path("token"), "two words\n").unwrap();
    setup.configure(&file("!PrometheusStorage {listen: '0.0.0.0:9', token_path: FOLDER/token}"));
    check().ends_with(1).says("config.yaml:4:").says("token: a token has letters, digits and -._~+/= alone");
    std::fs::write(setup.path("token"), "t0ken\n").unwrap();
    check().ends_with(0).says("whoever listens on the way to 0.0.0.0:9 can read the secret");
    setup.configure(&file("!PrometheusStorage {listen: '0.0.0.0:9', token_path: FOLDER}"));
    check().ends_with(1).says("this is no file; a certificate, a key, a password or a token is read from one");
}

#[test]
fn a_slow_one_keeps_nobody_waiting() {
    let address = free_address();
    let setup = Setup::with(&file(&format!("!PrometheusStorage {{listen: '{address}'}}")));
    let mut started = setup.start(&[]);
    until_measured_at(&mut started, address, "/metrics");
    let slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    let before = up(&get(address, "/metrics", &[]));
    started.until("ticks meanwhile", |_| up(&get(address, "/metrics", &[])) > before + 0.5);
    drop(slow);
    started.stop().ends_with(0);
}
