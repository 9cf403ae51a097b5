//! PressureAllocator with cache ways and memory bandwidth alone: a service and a hog on one socket of a machine with resctrl.
//! Virtual time, so that it comes out the same whatever this machine is busy with.
//!
//! With `WCA_PLOT_DATA=FOLDER` what was seen is written to `FOLDER/pressure-allocator-resctrl.csv`, for `testbed/plot`.

#[path = "pressure/programs.rs"]
mod programs;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::{project, run_inside_with, testbed};
use programs::{HOG, SERVICE, observe, serve};

/// Share of time in which the service may wait.
const TARGET: f64 = 0.3;
/// Seconds of a tick.
const TICK: f64 = 0.5;
/// How many of them.
const TICKS: usize = 60;
/// By when the target must be kept.
const WITHIN: usize = 10;
/// What the hog must get, of what the best fixed limits give it.
const SHARE: f64 = 0.8;

/// One line of what was seen from outside.
struct Row {
    seconds: f64,
    waited: f64,
    bandwidth: f64,
    ways: f64,
    mb: f64,
}

/// The rows between two marks.
fn rows(text: &str, begin: &str, end: &str) -> Vec<Row> {
    let part = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{text}")).0;
    let row = |line: &str| {
        let values: Vec<f64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        Row { seconds: values[0], waited: values[1], bandwidth: values[2], ways: values[4], mb: values[5] }
    };
    part.lines().filter_map(|line| line.strip_prefix("ROW ")).map(row).collect()
}

/// What the allocator saw of the service, tick by tick.
fn pressures(text: &str) -> Vec<f64> {
    let of_service = format!("task_id=\"{SERVICE}\"");
    let lines =
        text.lines().filter(|line| line.starts_with("pressure_allocator_pressure{") && line.contains(&of_service));
    lines.map(|line| line.split("} ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn configuration() -> String {
    format!(
        "runner: !AllocationRunner
  measurement_runner: !MeasurementRunner
    action_delay: {TICK}
    node: !StaticNode
      tasks: [{SERVICE}, {HOG}]
      tasks_labels:
        {SERVICE}: {{qos: latency}}
        {HOG}: {{qos: batch}}
    metrics_storage: !LogStorage {{output_filename: /metrics.prom, overwrite: true}}
  allocator: !PressureAllocator
    protected: [{{labels: {{qos: latency}}, cpu: {TARGET}}}]
    best_effort: [{{labels: {{qos: batch}}}}]
    levers: [rdt_l3, rdt_mb]
    step: 0.3
  anomalies_storage: !LogStorage {{output_filename: /anomalies.prom}}
  allocations_storage: !LogStorage {{output_filename: /allocations.prom}}
"
    )
}

#[test]
#[ignore = "an experiment of a minute, which .ci/full makes"]
fn cache_ways_and_bandwidth_bring_a_service_under_its_target() {
    let Some(run) = testbed() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        format!("{}:/test/{name}", path.display())
    };
    let files = [
        format!("{}:/test/tests", std::env::current_exe().unwrap().display()),
        file("config.yaml", &configuration()),
        file("tick", &TICK.to_string()),
        file("ticks", &TICKS.to_string()),
    ];
    let options = ["--icount", "--time", "1800", "--rdt", "on,pmu=1,rmids=250"];
    let text = run_inside_with(&run, &options, "pressure.sh", &files);
    assert!(text.contains("GROUPS LEFT: ."), "{text}");

    let fixed = rows(&text, "FIXED BEGIN", "FIXED END");
    assert_eq!(fixed.len(), 10, "{text}");
    let kept = fixed.iter().filter(|row| row.waited <= TARGET);
    let best = kept.map(|row| row.bandwidth).fold(0.0, f64::max);
    let before = rows(&text, "LOOP BEGIN", "STARTED");
    assert!(before.last().unwrap().waited > 1.5 * TARGET && best > 0.0, "there is something to be done: {text}");

    let seen = pressures(&text);
    let reached = (0..seen.len()).find(|at| {
        let mut three: Vec<f64> = seen[*at..].iter().copied().take(3).collect();
        three.sort_by(f64::total_cmp);
        three[three.len() / 2] <= TARGET
    });
    // The first tick has no rates.
    assert!(reached.is_some_and(|at| at + 2 <= WITHIN), "{reached:?}: {seen:?}");
    let soon = mean(seen[WITHIN - 1..2 * WITHIN - 1].iter().copied());
    // One tick differs from the next by a tenth of the target; ten of them tell their mean to some hundredths.
    assert!(soon <= 1.05 * TARGET, "{soon}: {seen:?}");

    let all = rows(&text, "STARTED", "ENDED");
    let first = all.iter().position(|row| row.ways < 11.0).unwrap();
    plot_data(&before, &all, best);
    let steady = &all[first + WITHIN..];
    assert!(steady.len() > TICKS / 2, "{text}");
    let (waited, bandwidth) = (mean(steady.iter().map(|row| row.waited)), mean(steady.iter().map(|row| row.bandwidth)));
    println!(
        "under the target from tick {reached:?} on; the service waited {waited:.3}; the hog moved {bandwidth:.3e} of the {best:.3e} bytes/s of the best fixed limits"
    );
    assert!(waited <= TARGET, "{waited}: {text}");
    assert!(bandwidth >= SHARE * best, "{bandwidth} of {best}: {text}");
}

/// Writes what was seen, where that is wanted.
fn plot_data(before: &[Row], all: &[Row], best: f64) {
    let Some(folder) = std::env::var_os("WCA_PLOT_DATA") else { return };
    let begun = before.last().unwrap().seconds;
    let mut text = format!(
        "# title: PressureAllocator: a service and a hog with one cache and memory (emulated machine)
# command: WCA_PLOT_DATA=docs/policies/data cargo test --release --locked --workspace --test testbed -- --ignored pressure::cache
# source: service waited: /sys/fs/cgroup/{SERVICE}/cpu.pressure, {TICK} s at a time
# source: target: the configuration
# source: hog moved: mbm_total_bytes of the hog's resctrl group
# source: best fixed limits gave: mbm_total_bytes of the hog's resctrl group with one way and the greatest MB that keeps the target
# source: hog's L3 ways: schemata of the hog's resctrl group
# source: hog's MB: schemata of the hog's resctrl group
# panel: share of time: service waited, target
# panel: GB/s: hog moved, best fixed limits gave
# panel: ways: hog's L3 ways
# panel: percent: hog's MB
# steps: hog's L3 ways, hog's MB
# event: 0: WCA is started
seconds,service waited,target,hog moved,best fixed limits gave,hog's L3 ways,hog's MB
"
    );
    for row in before.iter().chain(all) {
        let (at, waited) = (row.seconds - begun, row.waited.min(1.0));
        let (moved, best) = (row.bandwidth / 1e9, best / 1e9);
        writeln!(text, "{at},{waited:.4},{TARGET},{moved:.3},{best:.3},{},{}", row.ways, row.mb).unwrap();
    }
    let folder = project().join(Path::new(&folder));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pressure-allocator-resctrl.csv"), text).unwrap();
}

#[test]
#[ignore = "the service, inside the test bed"]
fn inside_service() {
    serve();
}

#[test]
#[ignore = "what is seen from outside, inside the test bed"]
fn inside_observer() {
    let number = |name: &str| std::env::var(name).unwrap().trim().parse::<f64>().unwrap();
    let hog = std::env::var("HOG").unwrap().parse().unwrap();
    // The runner of tests has left its line open.
    println!();
    observe(hog, Duration::from_secs_f64(number("TICK")), |line| println!("{line}"));
}
