//! What becomes of batches, by what the server says to their requests.

use std::collections::BTreeSet;
use std::time::Duration;

use super::protocol::Series;
use super::server::{Heard, Server};
use crate::common::component;
use crate::setup::Setup;
use crate::text::Line;

/// A storage that writes to this server, beside a file with the same metrics and what is counted. Of the file's metrics, `filter`
/// are written.
fn setup(server: &Server, terms: &str, arguments: &str, filter: &str) -> Setup {
    let wasm = component("guest-examples/remote-write-storage/remote-write-storage.wasm");
    let origin = &server.origin;
    Setup::with(&format!(
        "components: {{RemoteWriteStorage: {{path: {wasm}, allow_http: ['{origin}'], {terms}}}}}\nrunner: \
         !MeasurementRunner\n  node: !StaticNode {{tasks: []}}\n  action_delay: 0.1\n  metrics_storage: !FilterStorage\n    \
         storages:\n    - !LogStorage {{output_filename: FOLDER/metrics.prom}}\n    - !FilterStorage {{{filter}storages: \
         [!RemoteWriteStorage {{url: '{origin}/api/v1/write', timeout_in_seconds: 10, {arguments}}}]}}\n"
    ))
}

/// Three metrics of one series each, so that a batch is three requests.
const THREE: &str = "filter: [wca_up, wca_tasks, wca_ticks_overrun], ";
const ONE_EACH: &str = "samples_per_request: 1";
/// No call is out of time on a busy machine.
const PATIENT: &str = "deadline: 20s";

fn counted(lines: &[Line], name: &str) -> f64 {
    lines.iter().rfind(|line| line.is(name, "storage", "RemoteWriteStorage")).map_or(0.0, |line| line.value)
}

fn of_policy(lines: &[Line], name: &str) -> f64 {
    lines.iter().rfind(|line| line.is(name, "policy", "RemoteWriteStorage")).map_or(0.0, |line| line.value)
}

fn names(requests: &[Heard]) -> Vec<&str> {
    requests.iter().flat_map(|heard| &heard.request.series).map(Series::name).collect()
}

#[test]
fn requests_are_as_the_protocol_wants_them() {
    let server = Server::start(|_, _| (204, Duration::ZERO));
    let setup = setup(&server, PATIENT, "samples_per_request: 10, token_path: FOLDER/token", "");
    std::fs::write(setup.path("token"), "secret\n").unwrap();
    setup.run(&["--iterations", "2"]).ends_with(0);
    let (lines, batches) = (setup.lines("metrics.prom"), server.batches());
    assert_eq!(batches.len(), 2);
    for batch in batches {
        let time = batch[0].request.time();
        let mut written = BTreeSet::new();
        for Heard { line, headers, request, .. } in &batch {
            assert_eq!(line, "POST /api/v1/write HTTP/1.1");
            for (name, value) in [
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
                ("x-prometheus-remote-write-version", "0.1.0"),
                ("user-agent", "wca"),
                ("authorization", "Bearer secret"),
            ] {
                assert_eq!(headers.get(name).map(String::as_str), Some(value), "{name}");
            }
            assert!((1..=10).contains(&request.series.len()));
            for Series { labels, values } in &request.series {
                assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each once: {labels:?}");
                assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{labels:?}");
                assert_eq!(values.len(), 1);
                assert!(written.insert((labels.clone(), values[0].0.to_bits())), "{labels:?} is there twice");
            }
        }
        let stored = lines.iter().filter(|line| line.timestamp == Some(time)).map(|line| {
            let name = ("__name__".to_owned(), line.name.clone());
            let labels = line.labels.iter().filter(|(_, value)| !value.is_empty()).cloned().chain([name]);
            (labels.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), line.value.to_bits())
        });
        assert_eq!(written, stored.collect(), "what was written is what was measured");
        let metadata = |name: &str| {
            let mut all = batch.iter().flat_map(|heard| &heard.request.metadata);
            all.find(|one| one.name == name).map(|one| (one.kind, !one.help.is_empty()))
        };
        assert_eq!(metadata("platform_cpu_usage"), Some((1, true)), "a counter");
        assert_eq!(metadata("platform_mem_usage_bytes"), Some((2, true)), "a gauge");
    }
}

#[test]
fn what_a_server_does_not_take_now_is_sent_again_as_a_whole_and_what_it_never_takes_costs_its_batch_alone() {
    // What each batch hears to its requests, all tries together; after that everything is taken.
    const SAID: [&[u16]; 8] = [
        &[204, 204, 204],
        &[204, 503, 204, 204, 204],
        &[204, 400, 204],
        &[429, 204, 204, 204],
        &[204, 204, 408, 204, 204, 204],
        &[307, 204, 204],
        &[500, 204, 204, 204],
        // The second is never taken, and the third is not the first time.
        &[204, 400, 503, 204, 400, 204],
    ];
    let server = Server::start(|batch, request| {
        let status = SAID.get(batch).and_then(|said| said.get(request)).copied().unwrap_or(204);
        (status, Duration::ZERO)
    });
    let setup = setup(&server, &format!("{PATIENT}, retry_timeout_in_seconds: 60"), ONE_EACH, THREE);
    let mut started = setup.start(&[]);
    started.until("all that is to be counted", |setup| {
        let lines = setup.lines("metrics.prom");
        server.batches().len() > SAID.len() + 2 && counted(&lines, "wca_storage_dropped_samples") >= 9.0
    });
    let finished = started.stop();
    let url = format!("{}/api/v1/write", server.origin);
    finished
        .ends_with(0)
        .says(&format!("rejected the batch: 1 of 3 requests were not taken, the first since {url} answered 400"))
        .says(&format!("the first since {url} answered 307: it redirects; redirects are not followed"))
        .says(&format!("the storage is unavailable: {url} answered 503"));
    let batches = server.batches();
    for (batch, said) in batches.iter().zip(SAID) {
        let answered: Vec<u16> = batch.iter().map(|heard| heard.answered).collect();
        assert_eq!(answered, said);
        // Each try begins with the first request, whatever was taken of the one before.
        let (tries, last) = batch.split_at(batch.len() - 3);
        assert_eq!(names(last).into_iter().collect::<BTreeSet<_>>().len(), 3, "{said:?}");
        let first = names(tries);
        assert_eq!(first, names(last)[..first.len()], "{said:?}");
        let requests = |requests: &[Heard]| requests.iter().map(|heard| heard.request.clone()).collect::<Vec<_>>();
        assert_eq!(requests(tries), requests(last)[..tries.len()], "the same again: {said:?}");
    }
    let lines = setup.lines("metrics.prom");
    // Three batches of three samples, although the server has taken two of each; what was not taken at once, and what never was.
    assert_eq!(counted(&lines, "wca_storage_dropped_samples"), 9.0);
    assert_eq!(counted(&lines, "wca_storage_errors"), 8.0);
    let stored = counted(&lines, "wca_storage_stored_samples");
    assert!(stored >= 15.0 && stored % 3.0 == 0.0, "{stored}");
}

#[test]
fn a_server_that_is_slow_for_a_while_costs_neither_the_storage_nor_a_batch_that_may_not_be_lost() {
    const CALLS: usize = 5;
    // Two of three requests are in time, and then the call is out of it.
    let slow = |batch: usize, request: usize| batch == 0 && request < 3 * CALLS;
    let server = Server::start(move |batch, request| {
        (204, if slow(batch, request) { Duration::from_millis(400) } else { Duration::ZERO })
    });
    let terms = "deadline: 1s, start_deadline: 1s, quarantine_after: 3, on_failure: block, queue_batches: 4";
    let setup = setup(&server, terms, ONE_EACH, THREE);
    let mut started = setup.start(&[]);
    started.until("batches after the first", |setup| {
        let lines = setup.lines("metrics.prom");
        server.batches().len() > 5 && counted(&lines, "wca_storage_stored_samples") >= 9.0
    });
    started.stop().ends_with(0).says("[RemoteWriteStorage] it ran longer than 1s");
    let lines = setup.lines("metrics.prom");
    let failures = of_policy(&lines, "wca_policy_failures");
    assert!(failures > 3.0, "{failures}");
    assert_eq!(of_policy(&lines, "wca_policy_quarantined"), 0.0);
    assert_eq!(counted(&lines, "wca_storage_dropped_samples"), 0.0);
    assert_eq!(counted(&lines, "wca_storage_errors"), failures);
    let ticks: BTreeSet<Option<i64>> =
        lines.iter().filter(|line| line.name == "wca_up").map(|line| line.timestamp).collect();
    let batches: BTreeSet<Option<i64>> = server.batches().iter().map(|batch| Some(batch[0].request.time())).collect();
    assert_eq!(batches, ticks, "every iteration has arrived");
}
