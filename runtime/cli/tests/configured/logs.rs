//! What is said, in which form, and how much of it.

use std::process::Command;

use crate::common::{Finished, cache, component};
use crate::setup::Setup;

/// One task that is not there, which is a warning.
const WARNS: &str = "runner: !MeasurementRunner\n  action_delay: 0.05\n  node: !StaticNode {tasks: [wca/no-such]}\n  \
                     metrics_storage: !LogStorage {output_filename: FOLDER/metrics.prom}\n";
const WARNING: &str = "the task \"wca/no-such\" has no cgroup in any hierarchy: it is skipped until it has one";

#[test]
fn every_line_of_a_json_log_is_an_object() {
    let setup = Setup::with(WARNS);
    let arguments = ["--iterations", "2", "--log-format", "json"];
    let good = setup.run(&arguments);
    good.ends_with(0);
    setup.configure("runner: !MeasurementRunner\n  nod: !CgroupNode\n  \"x\\ny\": 1\n");
    let bad = setup.run(&arguments);
    bad.ends_with(1);
    let unread = Finished::of(&setup.command(&arguments).args(["-r", "a.b:C"]).output().unwrap());
    unread.ends_with(1);
    let without =
        Command::new(env!("CARGO_BIN_EXE_wca")).args(["-c", "/no/such", "--log-format", "json"]).output().unwrap();
    for (finished, expected, level) in [
        (&good, WARNING, "WARN"),
        (&bad, "did you mean `node`?", "ERROR"),
        (&unread, "Python is not loaded", "ERROR"),
        (&Finished::of(&without), "/no/such", "ERROR"),
    ] {
        let lines: Vec<serde_json::Value> = finished
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        assert!(lines.iter().all(|line| line["timestamp"].is_string()), "{lines:?}");
        let is_it = |line: &&serde_json::Value| line["message"].as_str().is_some_and(|text| text.contains(expected));
        let found = lines.iter().find(is_it);
        if expected != "/no/such" || !rustix::process::geteuid().is_root() {
            assert_eq!(found.unwrap_or_else(|| panic!("{finished:#?}"))["level"], level);
        }
    }
}

#[test]
fn every_line_for_the_journal_has_its_priority() {
    let setup = Setup::with(WARNS);
    let arguments = ["--iterations", "2", "--log-format", "journal"];
    let good = setup.run(&arguments);
    good.ends_with(0).says(&format!("<4>{WARNING}\n"));
    setup.configure("runner: !MeasurementRunner\n  nod: !CgroupNode\n");
    let bad = setup.run(&arguments);
    bad.ends_with(1).says("<3>error: ");
    for line in good.stderr.lines().chain(bad.stderr.lines()) {
        assert!(["<3>", "<4>", "<6>"].iter().any(|prefix| line.starts_with(prefix)), "{line}");
    }
}

#[test]
fn the_form_for_the_journal_is_that_of_a_standard_error_that_leads_there() {
    let setup = Setup::with(WARNS);
    // Standard error is a file here, which is "the journal" by the variable.
    let mut started = {
        let mut command = Command::new("sh");
        let script = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec \"$@\"";
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_wca"), "-c"]).arg(setup.path("config.yaml"));
        command.args(["--root", "--iterations", "2", "--run-dir"]).arg(setup.path("run"));
        command.arg("--cache-dir").arg(cache());
        setup.spawn(command)
    };
    started.until("the warning", |setup| setup.read("stderr").contains(WARNING));
    started.finish().ends_with(0).says(&format!("<4>{WARNING}\n"));
}

#[test]
fn how_much_is_said_of_what() {
    // What the agent says of tasks is its own; of a policy, the policy's.
    let runner = "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.05\n    node: !StaticNode \
                  {tasks: [wca/no-such]}\n    metrics_storage: !LogStorage {output_filename: FOLDER/metrics.prom}\n  detector: \
                  !NOPAnomalyDetector\n  anomalies_storage: !LogStorage {output_filename: /dev/full, retry_timeout_in_seconds: 0}\n";
    let (warns, fails) = (WARNING, "LogStorage(/dev/full): not stored");
    let cases: [(&str, &[&str], bool, bool); 9] = [
        ("", &[], true, true),
        ("", &["-l", "wca.storage:debug"], true, true),
        ("", &["-l", "error"], false, true),
        ("", &["-l", "ERROR"], false, true),
        ("", &["--log", "wca.agent:critical"], false, true),
        ("", &["--log-level", "wca.nodes:error"], false, true),
        ("loggers: {wca: error}\n", &[], false, true),
        ("loggers: {wca: error}\n", &["-l", "warning"], true, true),
        ("loggers: {wca.nodes: error, wca.storage: error}\n", &["-l", "wca.nodes:info"], true, true),
    ];
    for (loggers, arguments, has_warning, has_failure) in cases {
        let setup = Setup::with(&format!("{loggers}{runner}"));
        let finished = setup.run(&[&["--iterations", "3"], arguments].concat());
        finished.ends_with(0);
        let has = (finished.stderr.contains(warns), finished.stderr.contains(fails));
        assert_eq!(has, (has_warning, has_failure), "{loggers}{arguments:?}: {finished:#?}");
    }
}

#[test]
fn what_a_policy_says_has_a_level_of_its_own() {
    let http = component("guest-examples/http-storage/http-storage.wasm");
    // Nobody answers there, which is no matter of the log.
    let setup = Setup::with(&format!(
        "components: {{HTTPStorage: {{path: {http}, allow_http: ['http://127.0.0.1:9']}}}}\nrunner: !MeasurementRunner\n  \
         action_delay: 0.05\n  node: !StaticNode {{tasks: []}}\n  metrics_storage: !HTTPStorage {{http_endpoint: \
         'http://127.0.0.1:9'}}\n"
    ));
    let cases: [(&[&str], bool); 6] = [
        (&[], true),
        (&["-l", "HTTPStorage:error"], false),
        (&["-l", "http_storage:warning"], false),
        (&["-l", "wca.storage:error"], true),
        (&["-l", "error"], false),
        (&["-l", "error", "-l", "HTTPStorage:info"], true),
    ];
    for (arguments, is_said) in cases {
        let finished = setup.run(&[&["--iterations", "1"], arguments].concat());
        finished.ends_with(0);
        assert_eq!(finished.stderr.contains("[HTTPStorage] sending!"), is_said, "{arguments:?}: {finished:#?}");
    }
}

#[test]
fn warnings_and_errors_are_counted_by_module() {
    let setup = Setup::with(&WARNS.replace(
        "!LogStorage {output_filename: FOLDER/metrics.prom}",
        "!FilterStorage {storages: [!LogStorage {output_filename: /dev/full, retry_timeout_in_seconds: 0}, !LogStorage {output_filename: FOLDER/metrics.prom}]}",
    ));
    setup.run(&["--iterations", "4"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    let last =
        |name: &str, module: &str| lines.iter().rfind(|line| line.is(name, "module", module)).map(|line| line.value);
    assert_eq!(last("wca_warning_count", "wca.agent"), Some(1.0));
    assert_eq!(last("wca_error_count", "wca.agent"), Some(0.0));
    assert!(last("wca_error_count", "wca.storage").is_some_and(|count| count >= 2.0));
    assert_eq!(last("wca_warning_count", "wca.storage"), Some(0.0));
}
