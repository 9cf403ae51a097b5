//! `wca run --component`: what a user sees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod common;

use common::{Wca, component};

#[test]
fn hello_prints_exactly_what_it_says() {
    let hello = component("guest-examples/hello/hello.wasm");
    let finished = Wca::new().run("run", &["--component", &hello]);
    finished.ends_with(0);
    assert_eq!(finished.stdout, "Hello world!\n");
    assert_eq!(finished.stderr, "");
}

#[test]
fn compiled_code_is_taken_from_the_cache_and_not_needed() {
    let (wca, hello) = (Wca::new(), component("guest-examples/hello/hello.wasm"));
    for arguments in [&["--component", &hello][..], &["--component", &hello], &["--no-cache", "--component", &hello]] {
        let finished = wca.run("run", arguments);
        finished.ends_with(0);
        assert_eq!(finished.stdout, "Hello world!\n");
    }
}

#[test]
fn a_detector_is_called_each_interval_and_its_words_are_printed() {
    let detector = component("guest-examples/busy-task/busy-task.wasm");
    let arguments = ["--component", &detector, "--set", "threshold=0", "--set", "ticks=1", "--interval", "100ms"];
    let finished = Wca::new().run("run", &[&arguments[..], &["--iterations", "3"]].concat());
    finished.ends_with(0);
    assert_eq!(finished.stdout.matches("# TYPE anomaly_count counter").count(), 3, "{finished:#?}");
    assert!(finished.stdout.contains("wca_policy_calls{policy=\"BusyTask\"} 3"), "{finished:#?}");
    assert!(finished.stdout.contains("wca_policy_failures{policy=\"BusyTask\"} 0"), "{finished:#?}");
}

#[test]
fn built_in_components_run_by_name() {
    let arguments = ["--component", "NOPAnomalyDetector", "--component", "NOPAllocator", "--interval", "50ms"];
    let finished = Wca::new().run("run", &[&arguments[..], &["--iterations", "2"]].concat());
    finished.ends_with(0);
    for name in ["NOPAnomalyDetector", "NOPAllocator"] {
        assert!(finished.stdout.contains(&format!("wca_policy_calls{{policy=\"{name}\"}} 2")), "{finished:#?}");
    }
}

#[test]
fn what_is_wrong_with_the_command_line_is_said() {
    let detector = component("guest-examples/busy-task/busy-task.wasm");
    let cases: [(&[&str], i32, &str); 12] = [
        (&[], 2, "--component <X.wasm>"),
        (&["--component", "no/such.wasm"], 1, "wca: no/such.wasm: it cannot be opened: No such file or directory"),
        (&["--component", "NOPDetector"], 1, "no such built-in component (NOPAnomalyDetector, NOPAllocator, "),
        (&["--component", "/tmp"], 1, "wca: /tmp: this is a folder; a component is a file such as /tmp.wasm"),
        (&["--component", &detector, "--set", "threshold"], 2, "a key and a value are expected, such as threshold=0.5"),
        (
            &["--component", &detector, "--set", "treshold=1"],
            1,
            "--set treshold: BusyTask.treshold: unknown key; known: threshold, ticks",
        ),
        (
            &["--component", &detector, "--set", "ticks=ten"],
            1,
            "--set ticks: BusyTask.ticks: u32 expected, found the text \"ten\"",
        ),
        (
            &["--component", &detector, "--set", "ticks=-1"],
            1,
            "--set ticks: BusyTask.ticks: u32 from 0 to 4294967295 expected, found the integer -1",
        ),
        (
            &["--component", &detector, "--set", "threshold=-1"],
            1,
            "BusyTask: its configuration is refused: threshold -1: a number of cores",
        ),
        (&["--component", &detector, "--interval", "0"], 2, "`0` is no duration above zero"),
        (&["--component", &detector, "--limit", "memry=1"], 1, "`memry` is no limit; known: fuel"),
        (&["--component", &detector, "--allow-http", "127.0.0.1"], 2, "`127.0.0.1` is no origin"),
    ];
    for (arguments, code, expected) in cases {
        Wca::new().run("run", arguments).ends_with(code).says(expected);
    }
}

#[test]
fn limits_are_listed() {
    let finished = Wca::new().run("run", &["--component", "NOPAllocator", "--limit", "help"]);
    finished.ends_with(0);
    for limit in ["fuel", "memory", "hostcall", "compile-time", "cache-size"] {
        assert!(finished.stdout.lines().any(|line| line.starts_with(limit)), "{limit}: {finished:#?}");
    }
}

#[test]
fn inspect_shows_what_a_component_is() {
    let storage = component("guest-examples/http-storage/http-storage.wasm");
    let finished = Wca::new().run("inspect", &[&storage]);
    finished.ends_with(0);
    for expected in [
        "HTTPStorage(http_endpoint: string = http://127.0.0.1:8000)",
        "world:        storage",
        "contract:     wca:policy 0.1.0 (this agent speaks 0.1.0)",
        "needs grants: --allow-http ORIGIN",
        "refused:      it imports wasi:http/outgoing-handler@0.2.12, wasi:http/types@0.2.12, for which it needs a grant: ",
    ] {
        assert!(finished.stdout.contains(expected), "{expected}: {finished:#?}");
    }
    let finished = Wca::new().run("inspect", &["--json", "NOPAllocator"]);
    finished.ends_with(0);
    assert!(finished.stdout.contains("\"constructor\": \"NOPAllocator()\""), "{finished:#?}");
    assert!(finished.stdout.contains("\"world\": \"allocator\""), "{finished:#?}");
    assert!(finished.stdout.contains("\"refused\": []"), "{finished:#?}");
}
