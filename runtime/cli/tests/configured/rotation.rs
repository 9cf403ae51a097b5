//! Files that are moved away while they are written, as logrotate does.

use std::fs;

use rustix::process::Signal;

use crate::setup::{Setup, Started};
use crate::text::lines;

const FILE: &str = "runner: !MeasurementRunner\n  node: !StaticNode {tasks: []}\n  action_delay: 0.05\n  metrics_storage: \
                    !LogStorage {output_filename: FOLDER/metrics.prom, on_failure: block}\n";

/// Moves the file away, tells the program, and waits until there is a new one; the old one grows no more.
fn rotate(started: &mut Started<'_>, setup: &Setup, number: usize) {
    let moved = format!("metrics.prom.{number}");
    started.until_ticks("metrics.prom", 2);
    fs::rename(setup.path("metrics.prom"), setup.path(&moved)).unwrap();
    started.signal(Signal::HUP);
    started.until_ticks("metrics.prom", 2);
    let before = setup.read(&moved);
    started.until_ticks("metrics.prom", 4);
    assert_eq!(setup.read(&moved), before, "the file that was moved away is written still");
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_at_sighup_and_no_tick_is_lost() {
    let setup = Setup::with(FILE);
    let mut started = setup.start(&[]);
    // The configuration is as it was, then wrong in itself, then refused by the agent alone, then as it was.
    rotate(&mut started, &setup, 1);
    setup.configure("runner: [\n");
    rotate(&mut started, &setup, 2);
    setup.configure(&FILE.replace("0.05", "null"));
    rotate(&mut started, &setup, 3);
    setup.configure(FILE);
    rotate(&mut started, &setup, 4);
    started.stop().ends_with(0);
    let texts = ["metrics.prom.1", "metrics.prom.2", "metrics.prom.3", "metrics.prom.4", "metrics.prom"];
    let text: String = texts.iter().map(|name| setup.read(name)).collect();
    let lines = lines(&text);
    let times: Vec<f64> = lines.iter().filter(|line| line.name == "wca_up").map(|line| line.value).collect();
    assert!(times.len() >= 16 && times.is_sorted_by(|a, b| a < b), "{times:?}");
    // What was handed over was stored: the ticks stand on their grid but for those that were overrun.
    let overrun = lines.iter().rfind(|line| line.name == "wca_ticks_overrun").unwrap().value;
    let places = ((times.last().unwrap() - times[0]) / 0.05).round() + 1.0;
    #[allow(clippy::cast_precision_loss, reason = "small")]
    let stored = times.len() as f64;
    assert!(stored + overrun >= places, "{stored} stored, {overrun} overrun, {places} places");
}
