//! What Prometheus, its `promtool` and its node exporter make of what is stored: the real ones, where they are installed.

use std::fs::File;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::missing;
use crate::prometheus::{certificate, no_openssl};
use crate::promtool::{documented, lints};
use crate::scrape::{ask, free_address, get};
use crate::setup::Setup;
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
                let why = format!("{program} does not run here: {error}");
                missing(program, &why, &format!("Debian's package {program} has it"));
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

/// Each file that these storages have written, and what the Prometheus storage shows, is a page of which promtool complains no
/// further than the documentation says. Each of these metrics must be on some page.
fn is_as_documented(yaml: &str, wanted: &[&str]) {
    let address = free_address();
    let setup = Setup::with(&yaml.replace("ADDRESS", &address.to_string()));
    std::fs::write(setup.path("rules.yaml"), "- allocations: {cpu_quota: 0.9, cpu_shares: 1}\n").unwrap();
    let mut started = setup.start(&[]);
    let mut pages = Vec::new();
    started.until(&format!("pages with {wanted:?}"), |setup| {
        pages = ["metrics.prom", "anomalies.prom", "allocations.prom"].map(|name| setup.read(name)).into();
        if let Ok(mut stream) = TcpStream::connect(address) {
            pages.push(ask(&mut stream, "/metrics", &[]).text());
        }
        let has = |name: &&str| pages.iter().any(|page| page.contains(&format!("\n# TYPE {name} ")));
        wanted.iter().all(has)
    });
    started.stop().ends_with(0);
    let documented = documented();
    for page in pages.iter().filter(|page| !page.is_empty()) {
        let Some(found) = lints(page) else { return };
        let more: Vec<_> = found.difference(&documented).collect();
        assert!(more.is_empty(), "{more:?}, of which docs/differences.md has nothing");
    }
}

/// Storages that replace their files, so that each is a page.
fn file(name: &str) -> String {
    format!("!LogStorage {{output_filename: FOLDER/{name}.prom, overwrite: true}}")
}

#[test]
fn promtool_finds_no_error_on_a_page_and_complains_of_names_that_stay_alone() {
    if !can_make_cgroups() {
        return;
    }
    let path = group("promtool");
    let _task = Task::busy(&path);
    let yaml = everything("!PrometheusStorage {listen: 'ADDRESS'}", &path).replace(
        "    sched: true\n",
        "    sched: true\n    event_names: [context_switches, page_faults, cpu_migrations]\n    enable_derived_metrics: true\n    \
         wss_reset_cycles: 2\n    vmstat: true\n    zoneinfo: true\n    metric_names: original\n",
    );
    is_as_documented(&yaml, &["task_up", "cpu_usage_per_cpu", "anomaly_count", "allocations_count", "task_sched_stat"]);
}

#[test]
fn promtool_knows_what_detectors_report() {
    if !can_make_cgroups() {
        return;
    }
    let path = group("promtool-detector");
    let _task = Task::busy(&path);
    let yaml = format!(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {{tasks: [{path}]}}\n    \
         action_delay: 0.1\n    metrics_storage: {}\n  detector: !BusyTask {{threshold: 0.01, ticks: 1}}\n  anomalies_storage: \
         !FilterStorage {{storages: [!PrometheusStorage {{listen: 'ADDRESS'}}, {}]}}\n",
        file("metrics"),
        file("anomalies"),
    );
    is_as_documented(&yaml, &["task_up", "anomaly_count", "busy_task_cores", "wca_storage_stored_samples"]);
}

#[test]
fn promtool_knows_what_allocators_report_and_what_is_in_force() {
    if !can_make_cgroups() {
        return;
    }
    let path = group("promtool-allocator");
    let _task = Task::busy(&path);
    let allocators = [
        ("!NUMAAllocator", "numa__task_tasks_count"),
        ("!StaticAllocator {config: FOLDER/rules.yaml}", "allocation_cpu_quota"),
    ];
    for (allocator, own) in allocators {
        let yaml = format!(
            "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {{tasks: [{path}]}}\n    \
             action_delay: 0.1\n    metrics_storage: {}\n  allocator: {allocator}\n  anomalies_storage: {}\n  allocations_storage: \
             {}\n",
            file("metrics"),
            file("anomalies"),
            file("allocations"),
        );
        is_as_documented(&yaml, &["task_up", "anomaly_count", "allocations_count", own]);
    }
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
        return no_openssl();
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
