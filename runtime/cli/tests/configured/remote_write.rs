//! What the remote write example brings to a real Prometheus, where it is installed, and to servers that take it or not.

mod answers;
mod protocol;
mod server;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::common::component;
use crate::real_prometheus::{Server, complaints};
use crate::scrape::{ask, free_address};
use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::Line;

/// The labels of a series, its metric's name among them, and its value as it is written.
type Series = BTreeMap<BTreeMap<String, String>, f64>;

fn query(web: SocketAddr, path: &str) -> Value {
    let Ok(mut stream) = TcpStream::connect(web) else { return Value::Null };
    let answer: Value = serde_json::from_slice(&ask(&mut stream, path, &[]).body).unwrap_or_default();
    answer["data"].clone()
}

/// The series of a metric, or of all, that were written for this time, in milliseconds since 1970.
fn written(web: SocketAddr, timestamp: i64) -> Series {
    // All that begins with a letter, a second back: a range answers with times as they were written.
    let seconds = format!("{}.{:03}", timestamp / 1000, timestamp % 1000);
    let data = query(web, &format!("/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D%5B1s%5D&time={seconds}"));
    let mut series = Series::new();
    for found in data["result"].as_array().into_iter().flatten() {
        let labels: BTreeMap<String, String> = serde_json::from_value(found["metric"].clone()).unwrap();
        for value in found["values"].as_array().unwrap() {
            #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
            let at = (value[0].as_f64().unwrap() * 1000.0).round() as i64;
            if at == timestamp {
                series.insert(labels.clone(), value[1].as_str().unwrap().parse().unwrap());
            }
        }
    }
    series
}

/// The same of what another storage was given.
fn stored(lines: &[Line], timestamp: i64) -> Series {
    let labels = |line: &Line| {
        let name = ("__name__".to_owned(), line.name.clone());
        line.labels.iter().cloned().chain([name]).filter(|(_, value)| !value.is_empty()).collect()
    };
    let then = lines.iter().filter(|line| line.timestamp == Some(timestamp));
    then.map(|line| (labels(line), line.value)).collect()
}

#[test]
fn prometheus_has_what_was_sent() {
    if !can_make_cgroups() {
        return;
    }
    let (web, path) = (free_address(), group("remote-write"));
    let _task = Task::busy(&path);
    let wasm = component("guest-examples/remote-write-storage/remote-write-storage.wasm");
    // So few at once that a batch takes many requests.
    let setup = Setup::with(&format!(
        "components: {{RemoteWriteStorage: {{path: {wasm}, allow_http: ['http://{web}'], deadline: 20s}}}}\nrunner: \
         !MeasurementRunner\n  node: !StaticNode {{tasks: [{path}]}}\n  action_delay: 0.5\n  include_optional_labels: true\n  \
         extra_labels: {{rack: 'b \"7\"'}}\n  metrics_storage: !FilterStorage\n    storages: [!LogStorage {{output_filename: \
         FOLDER/metrics.prom}}, !RemoteWriteStorage {{url: 'http://{web}/api/v1/write', samples_per_request: 100, \
         timeout_in_seconds: 10}}]\n"
    ));
    std::fs::write(setup.path("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let web_address = format!("--web.listen-address={web}");
    let arguments = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.enable-remote-write-receiver",
        &web_address,
    ];
    let Some(_server) = Server::start(&setup, "prometheus", &arguments) else { return };
    let mut started = setup.start(&[]);
    let mut times = Vec::new();
    started.until("several ticks in Prometheus", |setup| {
        let lines = setup.lines("metrics.prom");
        times = lines.iter().filter(|line| line.name == "wca_up").filter_map(|line| line.timestamp).collect();
        // A tick that came while Prometheus was still starting may be lost.
        times.retain(|time| written(web, *time).keys().any(|labels| labels["__name__"] == "wca_up"));
        times.len() >= 3
    });
    started.stop().ends_with(0);
    let lines = setup.lines("metrics.prom");
    for time in times {
        let expected = stored(&lines, time);
        assert!(expected.len() > 100, "{expected:#?}");
        let of_task = |labels: &BTreeMap<String, String>| labels.get("task_name") == Some(&path);
        assert!(expected.keys().any(of_task) && expected.keys().all(|labels| labels["rack"] == "b \"7\""));
        assert_eq!(written(web, time), expected);
    }
    assert_eq!(complaints(&setup), Vec::<String>::new());
}
