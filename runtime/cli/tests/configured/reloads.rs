//! The configuration is read again while ticks go on.

use std::collections::BTreeSet;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::churn::{agent_of, check_grid};
use crate::setup::{Setup, Started};
use crate::text::Line;

/// How often the file is changed: `.ci/churn` sets more.
fn reloads() -> usize {
    std::env::var("WCA_RELOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

/// A file that is right, of this generation.
fn good(generation: usize) -> String {
    format!(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.02\n    vmstat: false\n    \
         zoneinfo: false\n    extra_labels: {{generation: '{generation}'}}\n    node: !CgroupNode {{paths: [/no-such]}}\n    \
         metrics_storage: !LogStorage {{output_filename: \
         FOLDER/metrics.prom, on_failure: block}}\n  detector: !BusyTask {{threshold: 0.5}}\n  anomalies_storage: !LogStorage {{output_filename: \
         FOLDER/anomalies.prom, overwrite: true}}\n"
    )
}

/// A file that is wrong, in one way after the other, and what is said of it.
fn bad(number: usize) -> (String, &'static str) {
    match number % 4 {
        0 => ("runner: [\n".into(), "config.yaml:2:1"),
        1 => {
            (good(0).replace("threshold: 0.5", "threshold: -0.5"), "`!BusyTask` refuses its arguments: threshold -0.5")
        }
        2 => {
            (good(0).replace("FOLDER/metrics.prom", "/no/such/metrics.prom"), "/no/such/metrics.prom cannot be written")
        }
        _ => (good(0).replace("paths: [/no-such]", "paths: ['/a**']"), "** stands for whole names"),
    }
}

fn last<'l>(lines: &'l [Line], name: &str) -> &'l Line {
    lines.iter().rfind(|line| line.name == name).unwrap()
}

/// The samples at the end of what was stored, after ticks that begin from now on.
fn next_ticks(started: &mut Started<'_>, setup: &Setup) -> Vec<Line> {
    let begun = |lines: &[Line]| -> Vec<f64> {
        lines.iter().filter(|line| line.name == "wca_up").map(|line| line.value).collect()
    };
    let before = begun(&setup.last_lines("metrics.prom")).last().copied().unwrap_or(0.0);
    // The first of three may have begun before.
    started.until("the next ticks", |setup| {
        begun(&setup.last_lines("metrics.prom")).iter().filter(|begun| **begun > before).count() >= 3
    });
    setup.last_lines("metrics.prom")
}

#[test]
fn good_and_bad_files_by_turns_cost_no_tick_and_no_state() {
    let setup = Setup::with(&good(0));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 5);
    let mut hashes = BTreeSet::new();
    let mut hash = last(&next_ticks(&mut started, &setup), "wca_config_hash").value;
    let mut generation = 0;
    for number in 1..=reloads() {
        let by_signal = number % 10 > 7;
        let said = if number % 2 == 1 {
            generation = number;
            setup.configure(&good(number));
            None
        } else {
            let (text, said) = bad(number / 2);
            setup.configure(&text);
            Some(said)
        };
        if by_signal {
            let outcomes = || setup.read("stderr").matches("the configuration ").count();
            let before = outcomes();
            started.signal(Signal::HUP);
            started.until("an outcome", |_| outcomes() > before);
        } else {
            let finished = setup.reload();
            finished.ends_with(i32::from(said.is_some()));
            if let Some(said) = said {
                finished.says(said);
            } else {
                assert_eq!(finished.stderr, "");
            }
        }
        let lines = next_ticks(&mut started, &setup);
        let now = last(&lines, "wca_config_hash");
        assert_eq!(now.label("generation"), generation.to_string(), "reload {number}");
        let success = last(&lines, "wca_config_last_reload_success").value;
        assert_eq!(success, f64::from(u8::from(said.is_none())), "reload {number}");
        assert_eq!(now.value == hash, said.is_some(), "reload {number}: a bad file changes nothing");
        hash = now.value;
        assert!(hashes.insert(hash.to_bits()) || said.is_some());
    }
    let finished = started.stop();
    finished.ends_with(0);
    let lines = setup.lines("metrics.prom");
    let (stored, overrun) = check_grid(&lines, 0.02);
    println!("{} reloads, {stored} ticks stored, {overrun} overrun", reloads());
    let column = |name: &str| lines.iter().filter(|line| line.name == name).map(|line| line.value).collect::<Vec<_>>();
    let (calls, missed) = (column("wca_policy_calls"), column("wca_policy_missed"));
    assert!(calls.is_sorted() && missed.is_sorted(), "the detector's counts begin anew");
    #[allow(clippy::cast_precision_loss, reason = "small")]
    let ticks = stored as f64;
    let all = calls.last().unwrap() + missed.last().unwrap();
    assert!(all >= ticks - 1.0, "{all} calls in {ticks} ticks");
    let file = format!("LogStorage({}/metrics.prom)", setup.folder().display());
    let counted: Vec<f64> = lines
        .iter()
        .filter(|line| line.is("wca_storage_stored_samples", "storage", &file))
        .map(|line| line.value)
        .collect();
    assert!(counted.is_sorted(), "a storage's counts begin anew");
    assert!(!finished.stderr.contains("not stored"), "{finished:#?}");
}

#[test]
fn a_detector_with_other_arguments_is_another_one_and_the_interval_can_change() {
    let setup = Setup::with(&good(1));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 10);
    setup.configure(&good(2).replace("threshold: 0.5", "threshold: 0.6").replace("0.02", "0.03"));
    setup.reload().ends_with(0);
    started.until("ticks of the new file", |setup| {
        setup.lines("metrics.prom").iter().filter(|line| line.is("wca_up", "generation", "2")).count() > 30
    });
    started.stop().ends_with(0);
    let lines = setup.lines("metrics.prom");
    let of = |generation: &str, name: &str| -> Vec<f64> {
        lines.iter().filter(|line| line.is(name, "generation", generation)).map(|line| line.value).collect()
    };
    let (before, after) = (of("1", "wca_policy_calls"), of("2", "wca_policy_calls"));
    assert!(before.last() > after.first(), "{before:?} {after:?}");
    let lines: Vec<Line> = lines.into_iter().filter(|line| line.label("generation") == "2").collect();
    check_grid(&lines, 0.03);
}

#[test]
fn who_is_called_no_more_is_made_anew_by_a_reload_also_of_the_same_file() {
    let http = crate::common::component("guest-examples/http-storage/http-storage.wasm");
    let weak = "fuel: 1, start_fuel: 1, quarantine_after: 1";
    let setup = Setup::with(&format!(
        "components:\n  BusyTask: {{{weak}}}\n  HTTPStorage: {{path: {http}, allow_http: ['http://127.0.0.1:9'], {weak}}}\n{}",
        good(1)
            .replace(
                "metrics_storage: ",
                "metrics_storage: !FilterStorage {storages: [!HTTPStorage {http_endpoint: \
             'http://127.0.0.1:9'}, "
            )
            .replace("on_failure: block}", "on_failure: block}]}")
    ));
    let times = |setup: &Setup, name: &str| {
        setup.read("stderr").matches(&format!("[{name}] quarantined after a failed call")).count()
    };
    let mut started = setup.start(&[]);
    for round in 1..=3 {
        started.until("both are quarantined", |setup| {
            ["BusyTask", "HTTPStorage"].iter().all(|name| times(setup, name) == round)
        });
        setup.reload().ends_with(0);
    }
    started.stop().ends_with(0);
}

#[test]
fn a_shorter_interval_has_the_machine_looked_at_in_it_while_iterations_wait() {
    let http = crate::common::component("guest-examples/http-storage/http-storage.wasm");
    let file = |delay: &str| {
        format!(
            "components: {{HTTPStorage: {{path: {http}, allow_http: ['http://127.0.0.1:9'], on_failure: block, queue_batches: \
             1}}}}\nrunner: !MeasurementRunner\n  action_delay: {delay}\n  node: !StaticNode {{tasks: []}}\n  metrics_storage: \
             !FilterStorage\n    storages: [&all !HTTPStorage {{http_endpoint: 'http://127.0.0.1:9'}}, !FilterStorage {{filter: \
             [wca_up], storages: [*all]}}, !FilterStorage {{filter: [wca_tasks], storages: [*all]}}]\n"
        )
    };
    let setup = Setup::with(&file("60"));
    let mut started = setup.start(&["--log", "wca.agent:debug"]);
    started.until("a wait", |setup| setup.read("stderr").contains("iterations wait until it has taken some"));
    let looks = |setup: &Setup| setup.read("stderr").matches("looking at the machine").count();
    assert_eq!(looks(&setup), 0);
    setup.configure(&file("0.1"));
    setup.reload().ends_with(0);
    started.until("looks", |setup| looks(setup) >= 3);
    let said = setup.read("stderr").matches("iterations wait until it has taken some").count();
    assert_eq!(said, 1, "it is the same wait");
    started.stop().ends_with(0);
}

#[test]
fn what_takes_a_new_start_is_said() {
    let setup = Setup::with(&good(1));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 2);
    let hello = crate::common::component("guest-examples/hello/hello.wasm");
    let cases = [
        (good(2).replace("0.02", "null"), "an interval of null, which is one iteration, cannot be begun by a reload"),
        (
            format!(
                "components: {{Hello: {{path: {hello}}}}}\nrunner: !Hello {{measurement_runner: !MeasurementRunner {{node: \
                 !CgroupNode }}}}\n"
            ),
            "another one, or other arguments, take a new start",
        ),
    ];
    for (yaml, said) in cases {
        setup.configure(&yaml);
        setup.reload().ends_with(1).says(said);
    }
    setup.configure(&good(3));
    setup.reload().ends_with(0);
    started.stop().ends_with(0);
}

#[test]
fn an_agent_that_is_killed_begins_with_what_was_read_last() {
    let setup = Setup::with(&good(1));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 3);
    setup.configure(&good(2));
    setup.reload().ends_with(0);
    let is_stored = |setup: &Setup, generation: &str, agents: usize| {
        let lines = setup.lines("metrics.prom");
        // Each agent counts from the beginning.
        let calls: Vec<f64> =
            lines.iter().filter(|line| line.name == "wca_policy_calls").map(|line| line.value).collect();
        let begun = calls.windows(2).filter(|pair| pair[1] < pair[0]).count();
        begun >= agents && last(&lines, "wca_up").label("generation") == generation
    };
    let kill = |started: &Started<'_>| {
        let agent = i32::try_from(agent_of(started.pid())).unwrap();
        kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
    };
    started.until("a tick of the second file", |setup| is_stored(setup, "2", 0));
    kill(&started);
    started.until("a tick of the next agent", |setup| is_stored(setup, "2", 1));
    // Asked for while there is no agent, it is read when there is one.
    kill(&started);
    setup.configure(&good(3));
    started.signal(Signal::HUP);
    started.until("a tick of the third file", |setup| is_stored(setup, "3", 1));
    let finished = started.stop();
    finished.ends_with(0).says("it is started again in");
}

#[test]
fn two_signals_at_once_leave_the_last_file_in_force() {
    let setup = Setup::with(&good(1));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 3);
    for generation in 2..12 {
        setup.configure(&good(generation));
        started.signal(Signal::HUP);
    }
    let is_last = |setup: &Setup| last(&setup.last_lines("metrics.prom"), "wca_up").label("generation") == "11";
    started.until("a tick of the last file", is_last);
    let finished = started.stop();
    finished.ends_with(0);
    assert!(!finished.stderr.contains("stays as it was"), "{finished:#?}");
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    let setup = Setup::with(&good(0));
    mkfifoat(CWD, setup.path("fifo"), Mode::RWXU).unwrap();
    let endpoint = "metrics_storage: !PrometheusStorage {listen: FOLDER/metrics.sock, token_path: FOLDER/fifo} #";
    let cases = [
        (good(0).replace("metrics.prom", "fifo"), "fifo cannot be written: it is a FIFO that nobody reads"),
        (good(0).replace("metrics_storage: ", endpoint), "fifo: this is no file; a certificate, a key, a password"),
        (format!("{}components: {{HTTPStorage: {{path: FOLDER/fifo}}}}\n", good(0)), "fifo: this is no regular file"),
    ];
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 2);
    for (yaml, expected) in cases {
        setup.configure(&yaml);
        setup.reload().ends_with(1).says(expected);
        next_ticks(&mut started, &setup);
    }
    std::fs::rename(setup.path("fifo"), setup.path("config.yaml")).unwrap();
    setup.reload().ends_with(1).says("config.yaml: this is no file; a configuration is a file");
    next_ticks(&mut started, &setup);
    started.stop().ends_with(0);
}
