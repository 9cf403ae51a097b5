//! Counters of tasks on this machine's own cgroups: those that the kernel keeps itself, which need no counter of a processor.
//! Where nothing can be counted, each says so aloud.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::time::Duration;

use common::tick::{Tick, tick};
use common::{Machine, Shell, real_cgroup, skipped, task_path};
use wca_kernel::{Hierarchies, Notice, PerfWanted, PerfWindow, Roots, Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

const EVENTS: [&str; 3] = ["page-faults", "context_switches", "task_cpu_migrations"];

fn wanted() -> PerfWanted {
    PerfWanted { events: EVENTS.map(str::to_owned).to_vec(), ..PerfWanted::default() }
}

fn sampler(hierarchies: &Hierarchies, perf: PerfWanted, names: &[&str]) -> Sampler {
    sampler_at(&Roots::system(), hierarchies, perf, names)
}

/// The files of the machine may be those of a described one.
fn sampler_at(roots: &Roots, hierarchies: &Hierarchies, perf: PerfWanted, names: &[&str]) -> Sampler {
    let wanted = Wanted { perf, ..Wanted::default() };
    let mut sampler = Sampler::new(roots, hierarchies, wanted);
    let task =
        |(key, name): (u64, &&str)| TaskCgroups { key: TaskKey(key), cgroup: task_path(name), containers: vec![] };
    sampler.set_tasks(&(1..).zip(names).map(task).collect::<Vec<_>>());
    sampler
}

/// What the kernel said where it counts nothing; none where it counts.
fn refusal(tick: &Tick) -> Option<String> {
    let refused = |notice: &&Notice| matches!(notice, Notice::NotCounted { .. });
    tick.notices.iter().find(refused).map(ToString::to_string)
}

/// Touches so many pages that it did not have.
const TOUCH: &str = "x=$(head -c 8388608 /dev/zero | tr '\\0' x); read line";

#[test]
fn page_faults_of_a_task_are_counted_and_of_its_neighbour_not() {
    let (test, name, other) = ("page_faults_of_a_task", "faults", "faults-not");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let Some((_, neighbour)) = real_cgroup(test, other) else { return };
    let mut shell = Shell::start(TOUCH);
    scratch.add_process(shell.id()).unwrap();
    let mut sampler = sampler(&hierarchies, wanted(), &[name, other]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    assert_eq!(first.of("task_page_faults"), [None, None], "nothing ran since counters were opened");
    shell.go();
    std::thread::sleep(Duration::from_millis(500));
    let second = tick(&mut sampler);
    let [Some(faults), None] = second.of("task_page_faults") else { panic!("{:?}", second.of("task_page_faults")) };
    assert!(*faults > 1_000.0, "8 MiB are 2,048 pages, and {faults} were counted");
    assert_eq!(second.of("task_scaling_factor_avg"), [Some(1.0), None]);
    assert!(second.of("task_context_switches")[0].unwrap() >= 1.0);
    let third = tick(&mut sampler);
    assert_eq!(third.of("task_page_faults")[0], Some(*faults), "it waits");
    assert_eq!(third.of("task_scaling_factor_max"), [None, None]);
    drop(shell);
    scratch.remove().unwrap();
    neighbour.remove().unwrap();
}

#[test]
fn each_processor_has_its_series_where_they_are_not_summed() {
    let (test, name) = ("each_processor_has_its_series", "per-cpu");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut shell = Shell::start(TOUCH);
    scratch.add_process(shell.id()).unwrap();
    let mut sampler = sampler(&hierarchies, PerfWanted { per_cpu: true, ..wanted() }, &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    shell.go();
    std::thread::sleep(Duration::from_millis(500));
    let tick = tick(&mut sampler);
    let at = tick.catalog.columns_of("task_page_faults");
    let cpus: Vec<&str> = tick.catalog.columns[at].iter().map(|series| series.labels[0].1.as_str()).collect();
    assert_eq!(cpus.len(), std::thread::available_parallelism().unwrap().get());
    assert_eq!((cpus[0], tick.catalog.columns[0].labels.len()), ("0", 0));
    let faults: f64 = tick.of("task_page_faults").iter().flatten().sum();
    assert!(faults > 1_000.0, "{faults}");
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn a_task_above_another_and_one_beyond_the_budget_are_left_out() {
    let (test, name) = ("a_task_above_another", "above");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let below = format!("{name}/below");
    let Some((_, inner)) = real_cgroup(test, &below) else { return };
    let Some((_, third)) = real_cgroup(test, "beyond") else { return };
    let mut shell = Shell::start(TOUCH);
    inner.add_process(shell.id()).unwrap();
    let mut other = Shell::start(TOUCH);
    third.add_process(other.id()).unwrap();
    let cpus = std::thread::available_parallelism().unwrap().get() as u64;
    let perf = PerfWanted { descriptors: Some(3 * cpus), ..wanted() };
    let mut sampler = sampler(&hierarchies, perf, &[name, &below, "beyond"]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    let descriptors = usize::try_from(3 * cpus).unwrap();
    assert_eq!(first.notices, [Notice::TasksNotCounted { counted: 1, left_out: 1, descriptors }]);
    shell.go();
    other.go();
    std::thread::sleep(Duration::from_millis(500));
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    let [None, Some(faults), None] = tick.of("task_page_faults") else { panic!("{:?}", tick.of("task_page_faults")) };
    assert!(*faults > 1_000.0, "{faults}");
    drop((shell, other));
    inner.remove().unwrap();
    scratch.remove().unwrap();
    third.remove().unwrap();
}

#[test]
fn outside_of_its_window_a_task_is_not_counted_and_absent() {
    let (test, name) = ("outside_of_its_window", "window");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut shell = Shell::start("while read line; do x=$(head -c 1048576 /dev/zero | tr '\\0' x); done");
    scratch.add_process(shell.id()).unwrap();
    shell.go();
    let window = PerfWindow::Part { counted: Duration::from_millis(1), every: Duration::from_millis(2) };
    let mut sampler = sampler(&hierarchies, PerfWanted { window, ..wanted() }, &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    let mut found = Vec::new();
    for _ in 0..7 {
        shell.go();
        std::thread::sleep(Duration::from_millis(200));
        found.push(tick(&mut sampler).of("task_page_faults")[0]);
    }
    // It is read at the end of the first window, rests, begins where it ended, and so on.
    let [Some(end), None, Some(begin), Some(second), None, Some(_), Some(third)] = found[..] else {
        panic!("{found:?}")
    };
    assert!(end > 200.0 && begin == end && second > begin + 200.0 && third > second, "{found:?}");
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn a_processor_that_goes_offline_keeps_its_part_of_the_sum() {
    let (test, name) = ("a_processor_that_goes_offline", "offline");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return skipped(test, "it takes two processors");
    }
    let machine = Machine::empty();
    let online = |cpus: &str| machine.write("/sys/devices/system/cpu/online", cpus);
    online("0-1\n");
    let mut shell = Shell::start("while read line; do x=$(head -c 1048576 /dev/zero | tr '\\0' x); done");
    scratch.add_process(shell.id()).unwrap();
    shell.go();
    let mut sampler = sampler_at(&machine.roots(), &hierarchies, wanted(), &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    let mut work = |sampler: &mut Sampler| {
        shell.go();
        std::thread::sleep(Duration::from_millis(200));
        tick(sampler).of("task_page_faults")[0].unwrap_or(0.0)
    };
    let both = (0..5).map(|_| work(&mut sampler)).last().unwrap();
    assert!(both > 200.0, "{both}");
    online("0\n");
    let one = tick(&mut sampler).of("task_page_faults")[0].unwrap();
    assert!(one >= both, "{one} {both}");
    let without = work(&mut sampler);
    online("0-1\n");
    let again = (0..5).map(|_| work(&mut sampler)).last().unwrap();
    assert!(without >= one && again > without, "{one} {without} {again}");
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn what_cannot_be_counted_is_said_once_with_the_remedy() {
    let (test, name) = ("what_cannot_be_counted", "not-counted");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let events = ["page_faults", "x__rFFFF", "nonsense", "x__r123"].map(str::to_owned).to_vec();
    let mut sampler = sampler(&hierarchies, PerfWanted { events, ..PerfWanted::default() }, &[name]);
    let notices: Vec<String> = tick(&mut sampler).notices.iter().map(ToString::to_string).collect();
    assert!(notices[0].starts_with("nonsense is not counted: no event is called \"nonsense\""), "{notices:?}");
    assert!(notices[1].starts_with("x__r123 is not counted: \"x__r123\" has 3 hexadecimal digits"), "{notices:?}");
    assert!(notices.iter().all(|notice| notice.contains("; remedy: ")), "{notices:?}");
    for _ in 0..10 {
        assert_eq!(tick(&mut sampler).notices, []);
    }
    scratch.remove().unwrap();
}
