//! What Prometheus, its `promtool` and its node exporter make of what is stored: the real ones, where they are installed.

use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::common::{repository, skipped};
use crate::prometheus::certificate;
use crate::scrape::{ask, free_address, get};
use crate::setup::{Setup, Started};
use crate::task::{Task, can_make_cgroups, group};

/// A server that runs until this is dropped.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it, with what it says in a file; none where it is not installed, which is said.
    pub(crate) fn start(setup: &Setup, program: &str, arguments: &[&str]) -> Option<Self> {
        let said = || Stdio::from(File::options().create(true).append(true).open(setup.path("server")).unwrap());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(setup.folder()).stdin(Stdio::null()).stdout(said()).stderr(said());
        match command.spawn() {
            Ok(child) => Some(Self(child)),
            Err(error) => {
                skipped(&format!("{program} does not run here: {error}"));
                None
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a server has complained of, but for the user that it runs as.
pub(crate) fn complaints(setup: &Setup) -> Vec<String> {
    let said = setup.read("server");
    let complains = |line: &&str| line.contains("level=error") || line.contains("level=warn");
    said.lines().filter(complains).filter(|line| !line.contains("running as root")).map(str::to_owned).collect()
}

/// An allocator and a detector over these tasks, with metrics of all kinds in one storage.
fn everything(storage: &str, tasks: &str) -> String {
    format!(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {{tasks: [{tasks}]}}\n    \
         action_delay: 0.1\n    include_optional_labels: true\n    sched: true\n    metrics_storage: &all {storage}\n  \
         allocator: !NOPAllocator\n  anomalies_storage: *all\n  allocations_storage: *all\n"
    )
}

/// What `promtool check metrics` says of a text; none where it is not installed, which is said.
fn checked(text: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            skipped(&format!("promtool does not run here: {error}"));
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn promtool_finds_no_error_on_a_page_and_complains_of_names_that_stay_alone() {
    if !can_make_cgroups() {
        return;
    }
    let (address, path) = (free_address(), group("promtool"));
    let _task = Task::busy(&path);
    let setup = Setup::with(&everything(&format!("!PrometheusStorage {{listen: '{address}'}}"), &path));
    let mut started = setup.start(&[]);
    let text = until_measured(&mut started, address);
    started.stop().ends_with(0);
    let Some(output) = checked(&text) else { return };
    // 3 is for complaints of names and help texts, 1 for errors.
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {said}", output.status);
    let page = std::fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let of_names = [
        "counter metrics should have \"_total\" suffix",
        "non-histogram and non-summary metrics should not have \"_count\" suffix",
    ];
    for complaint in said.lines() {
        let (name, what) = complaint.split_once(' ').unwrap();
        assert!(of_names.contains(&what), "{complaint}");
        assert!(page.contains(&format!("`{name}`")), "{complaint}: docs/metrics.md does not have it");
    }
}

/// Waits until tasks were measured over two ticks; the page.
fn until_measured(started: &mut Started<'_>, address: SocketAddr) -> String {
    let mut text = String::new();
    started.until("a page", |_| {
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        text = ask(&mut stream, "/metrics", &[]).text();
        text.contains("\ntask_up{")
    });
    text
}

#[test]
fn prometheus_scrapes_by_tls_with_a_token_and_answers_with_the_series_of_a_task() {
    if !can_make_cgroups() {
        return;
    }
    let (address, web, path) = (free_address(), free_address(), group("prometheus"));
    let _task = Task::busy(&path);
    let setup = Setup::with(&everything(
        &format!(
            "!PrometheusStorage {{listen: '{address}', certificate_path: FOLDER/server.pem, key_path: FOLDER/server.key, \
             token_path: FOLDER/token}}"
        ),
        &path,
    ));
    if !certificate(&setup, "authority", None) {
        return skipped("openssl, which makes certificates, is not installed");
    }
    certificate(&setup, "server", Some("authority"));
    std::fs::write(setup.path("token"), "t0ken\n").unwrap();
    let scrapes = format!(
        "scrape_configs:\n- job_name: wca\n  scheme: https\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  tls_config: \
         {{ca_file: authority.pem, server_name: localhost}}\n  authorization: {{credentials_file: token}}\n  \
         static_configs: [{{targets: ['{address}']}}]\n"
    );
    std::fs::write(setup.path("prometheus.yml"), scrapes).unwrap();
    let web_address = format!("--web.listen-address={web}");
    let arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", &web_address];
    let Some(_server) = Server::start(&setup, "prometheus", &arguments) else { return };
    let mut started = setup.start(&[]);
    let query = |text: &str| -> Vec<Value> {
        let Ok(mut stream) = TcpStream::connect(web) else { return Vec::new() };
        let answer = ask(&mut stream, &format!("/api/v1/query?query={text}"), &[]);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    };
    let mut found = Vec::new();
    started.until("the series of a task in Prometheus", |_| {
        found = query(&format!("task_cpu_usage_seconds%7Btask_name%3D%22{path}%22%7D"));
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["metric"]["job"], "wca", "{found:#?}");
    assert!(found[0]["value"][1].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{found:#?}");
    started.until("a whole scrape", |_| query("up").iter().any(|one| one["value"][1] == "1"));
    assert_eq!(complaints(&setup), Vec::<String>::new());
    started.stop().ends_with(0);
}

#[test]
fn the_node_exporter_takes_a_file_that_each_tick_replaces() {
    if !can_make_cgroups() {
        return;
    }
    let (web, path) = (free_address(), group("exporter"));
    let _task = Task::busy(&path);
    let file = |name: &str| format!("!LogStorage {{output_filename: FOLDER/texts/{name}.prom, overwrite: true}}");
    // One storage for all kinds would replace the one with the other.
    let yaml = everything(&file("wca"), &path)
        .replace("anomalies_storage: *all", &format!("anomalies_storage: {}", file("anomalies")))
        .replace("allocations_storage: *all", &format!("allocations_storage: {}", file("allocations")));
    let setup = Setup::with(&yaml);
    std::fs::create_dir(setup.path("texts")).unwrap();
    let (web_address, folder) = (
        format!("--web.listen-address={web}"),
        format!("--collector.textfile.directory={}", setup.path("texts").display()),
    );
    let arguments = ["--collector.disable-defaults", "--collector.textfile", &folder, &web_address];
    let Some(_server) = Server::start(&setup, "prometheus-node-exporter", &arguments) else { return };
    let mut started = setup.start(&[]);
    let mut exported = String::new();
    started.until("the metrics in the exporter", |_| {
        let Ok(mut stream) = TcpStream::connect(web) else { return false };
        let answer = ask(&mut stream, "/metrics", &["Accept-Encoding: gzip"]);
        assert_eq!(answer.status, 200, "{answer:?}");
        exported = answer.text();
        exported.contains("\ntask_up{")
            && exported.contains("\nanomaly_count{")
            && exported.contains("\nallocation_duration{")
    });
    assert!(exported.contains("\nnode_textfile_scrape_error 0\n"), "{exported}");
    assert_eq!(complaints(&setup), Vec::<String>::new());
    started.stop().ends_with(0);
    // Its reading agrees with what stands in the file.
    let ours = setup.lines("texts/wca.prom");
    let theirs = crate::text::lines(&get(web, "/metrics", &["Accept-Encoding: gzip"]).text());
    let up = |lines: &[crate::text::Line]| lines.iter().find(|line| line.name == "wca_up").unwrap().value.to_bits();
    assert_eq!(up(&ours), up(&theirs));
}
