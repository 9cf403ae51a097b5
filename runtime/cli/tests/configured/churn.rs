//! Tasks that start and end all the time: no tick is lost unseen, and nothing grows.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::skipped;
use crate::setup::{Setup, Started};
use crate::task::{Task, can_make_cgroups, group};
use crate::text::Line;

/// Cgroups at once.
const TASKS: usize = 100;
/// How far descriptors may differ: a task may just be on its way, a message under way.
const DESCRIPTORS: usize = 12;
/// How many KiB a process may grow by: allocators take their time until they have seen the worst.
const KIBIBYTES: usize = 8 << 10;

/// A number that `.ci/churn` sets.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn with_tasks_that_come_and_go_every_tick_is_stored_or_counted_and_nothing_grows() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("churn");
    let mut next = 0..;
    let mut task = || Task::idle(&format!("{group}/task{}", next.next().unwrap()));
    let mut tasks: Vec<Task> = (0..TASKS).map(|_| task()).collect();
    let dirs = tasks[0].dirs();
    let unified = dirs.iter().any(|dir| dir.join("cgroup.type").exists());
    println!("cgroups in {} hierarchies, cgroup v2 among them: {unified}", dirs.len());
    let duration = Duration::from_secs(setting("WCA_CHURN_SECONDS", 10));
    let interval = setting("WCA_CHURN_MILLISECONDS", 50) as f64 / 1_000.0;
    let seed = setting("WCA_CHURN_SEED", std::process::id().into());
    println!("WCA_CHURN_SEED={seed} ends the same tasks");
    let setup = Setup::with(&format!(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: {interval}\n    \
         event_names: [context_switches, page_faults]\n    enable_derived_metrics: true\n    sched: true\n    \
         wss_reset_cycles: 5\n    node: !CgroupNode {{paths: [/{group}/*]}}\n    metrics_storage: !FilterStorage\n      \
         storages:\n      - !FilterStorage\n        filter: [wca_up, wca_tasks, wca_ticks_overrun, wca_duration_seconds]\n        \
         storages: [!LogStorage {{output_filename: FOLDER/metrics.prom, on_failure: block}}]\n      - !LogStorage {{output_filename: \
         FOLDER/last.prom, overwrite: true}}\n  detector: !BusyTask \n  anomalies_storage: !LogStorage {{output_filename: \
         FOLDER/anomalies.prom, overwrite: true}}\n"
    ));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 40);
    let before = Sizes::of(&started);
    let begun = Instant::now();
    let (mut changes, mut random) = (0, seed);
    while begun.elapsed() < duration {
        // The high bits of a linear congruence (Knuth, The Art of Computer Programming 2, 3.3.4).
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        drop(tasks.swap_remove((random >> 33) as usize % TASKS));
        tasks.push(task());
        changes += 1;
    }
    let ticks = setup.read("metrics.prom").matches("\nwca_up{").count();
    started.until_ticks("metrics.prom", ticks + 20);
    let after = Sizes::of(&started);
    if counters(started.pid()) == 0 {
        skipped("events of tasks, among all that is measured: they cannot be counted here");
    }
    let finished = started.stop();
    finished.ends_with(0);
    drop(tasks);
    assert!(!finished.stderr.contains("this tick is lost"), "{finished:#?}");
    families(&setup.lines("last.prom"));
    let lines = setup.lines("metrics.prom");
    let (stored, overrun) = check_grid(&lines, interval);
    println!("{changes} tasks ended, {stored} ticks stored, {overrun} overrun; before {before:?}, after {after:?}");
    assert!(changes > 50 && stored > 100, "{changes} {stored}");
    let last: Vec<&Line> = lines.iter().filter(|line| line.name == "wca_tasks").collect();
    assert!(last.iter().rev().take(5).all(|line| line.value == 100.0), "all tasks are found in the end");
    for (now, then) in [(after.warden, before.warden), (after.agent, before.agent)] {
        assert!(now.descriptors <= then.descriptors + DESCRIPTORS, "descriptors leak: {before:?} {after:?}");
        assert!(now.resident <= then.resident + KIBIBYTES, "memory grows: {before:?} {after:?}");
    }
    let left = fs::read_dir("/sys/fs/resctrl/mon_groups").into_iter().flatten();
    let left = left.filter(|group| group.as_ref().unwrap().file_name().to_string_lossy().starts_with("wca-"));
    assert_eq!(left.count(), 0, "monitoring groups are left behind");
}

/// What grows may do so in any of them.
fn families(lines: &[Line]) {
    let has = |name: &str| lines.iter().any(|line| line.name == name);
    for name in ["task_sched_stat", "task_wss_referenced_bytes", "platform_vmstat", "platform_zoneinfo"] {
        assert!(has(name), "{name} is not measured");
    }
}

/// How many counters of events a process has open. Of tasks that sleep all the time they count nothing.
fn counters(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    open.filter(|target| target.as_os_str() == "anon_inode:[perf_event]").count()
}

/// What both processes hold.
#[derive(Debug)]
struct Sizes {
    warden: Size,
    agent: Size,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    descriptors: usize,
    /// In KiB.
    resident: usize,
}

impl Sizes {
    fn of(started: &Started<'_>) -> Self {
        let warden = started.pid();
        Self { warden: Size::of(warden), agent: Size::of(agent_of(warden)) }
    }
}

impl Size {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            resident: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        }
    }
}

/// The child of the warden that is called so.
pub(crate) fn agent_of(warden: u32) -> u32 {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.into_iter()
        .find(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
            stat.contains("(wca-agent)") && parent == Some(&warden.to_string())
        })
        .unwrap()
}

/// A tick: its number on the grid, which is that of the ticks before it, stored and overrun, and when it began.
pub(crate) struct Tick {
    pub(crate) place: f64,
    pub(crate) begun: f64,
}

/// The ticks that were stored. They begin by looking for tasks, which can take long; what they measure has its time after that.
pub(crate) fn ticks(lines: &[Line]) -> Vec<Tick> {
    let column = |is_it: &dyn Fn(&Line) -> bool| -> Vec<f64> {
        lines.iter().filter(|line| is_it(line)).map(|line| line.value).collect()
    };
    let measured = column(&|line| line.name == "wca_up");
    let overrun = column(&|line| line.name == "wca_ticks_overrun");
    let looked = column(&|line| line.is("wca_duration_seconds", "function", "sync_containers_state"));
    assert_eq!((measured.len(), overrun.len()), (looked.len(), looked.len()));
    assert!(overrun.is_sorted(), "{overrun:?}");
    let places = (0_u32..).zip(&overrun).map(|(before, overrun)| f64::from(before) + overrun);
    let begun = measured.iter().zip(&looked).map(|(measured, looked)| measured - looked);
    places.zip(begun).map(|(place, begun)| Tick { place, begun }).collect()
}

/// Checks that all ticks of the grid were stored or counted as overrun; how many were.
///
/// A tick begins at its place on the grid or later, never sooner. Were one missing, all that follow would begin an interval
/// later than their places say.
pub(crate) fn check_grid(lines: &[Line], interval: f64) -> (usize, f64) {
    let ticks = ticks(lines);
    assert!(ticks.len() > 20, "{} ticks", ticks.len());
    let late: Vec<f64> = ticks.iter().map(|tick| tick.begun - tick.place * interval).collect();
    let least = |late: &[f64]| late.iter().copied().fold(f64::INFINITY, f64::min);
    // The machine may be busy, but not in every tick of a quarter.
    let quarters: Vec<f64> = late.chunks(late.len().div_ceil(4)).map(least).collect();
    let shift = quarters.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least(&quarters);
    assert!(shift < interval / 2.0, "ticks are missing: the grid shifts by {shift} s: {quarters:?}");
    (ticks.len(), ticks[ticks.len() - 1].place + 1.0 - f64::from(u32::try_from(ticks.len()).unwrap()))
}
