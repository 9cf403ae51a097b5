//! Counters of tasks on this machine's own cgroups: those that the kernel keeps itself, which need no counter of a processor.
//! Where nothing can be counted, each says so aloud.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;
use std::thread::{available_parallelism, sleep};
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

/// A shell that touches memory that it did not have, when it is told to, and says when it is done.
struct Worker {
    shell: Shell,
    done: tempfile::NamedTempFile,
    rounds: usize,
}

/// Page faults that one round has at least: it fills a variable with 1 MiB.
const ROUND: f64 = 200.0;

impl Worker {
    fn start() -> Self {
        let done = tempfile::NamedTempFile::new().unwrap();
        let round = "x=$(head -c 1048576 /dev/zero | tr '\\0' x); echo done >>";
        let mut shell = Shell::start(&format!("while read line; do {round} {}; done", done.path().display()));
        shell.go();
        Self { shell, done, rounds: 0 }
    }

    fn id(&self) -> u32 {
        self.shell.id()
    }

    fn work(&mut self) {
        self.shell.go();
        self.rounds += 1;
        let lines = |worker: &Self| fs::read_to_string(worker.done.path()).unwrap().lines().count();
        for _ in 0..1_000 {
            if lines(self) == self.rounds {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the shell does not work");
    }
}

#[test]
fn page_faults_of_a_task_are_counted_and_of_its_neighbour_not() {
    let (test, name, other) = ("page_faults_of_a_task", "faults", "faults-not");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let Some((_, neighbour)) = real_cgroup(test, other) else { return };
    let mut worker = Worker::start();
    worker.work();
    scratch.add_process(worker.id()).unwrap();
    let mut sampler = sampler(&hierarchies, wanted(), &[name, other]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    assert_eq!(first.of("task_page_faults")[1], None, "what never ran was never counted");
    worker.work();
    let second = tick(&mut sampler);
    let [Some(faults), None] = second.of("task_page_faults") else { panic!("{:?}", second.of("task_page_faults")) };
    assert!(*faults > ROUND, "{faults}");
    assert_eq!(second.of("task_scaling_factor_avg"), [Some(1.0), None]);
    assert!(second.of("task_context_switches")[0].unwrap() >= 1.0);
    worker.work();
    let third = tick(&mut sampler).of("task_page_faults")[0].unwrap();
    assert!(third > faults + ROUND, "{third} after {faults}");
    drop(worker);
    scratch.remove().unwrap();
    neighbour.remove().unwrap();
}

#[test]
fn each_processor_has_its_series_where_they_are_not_summed() {
    let (test, name) = ("each_processor_has_its_series", "per-cpu");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut worker = Worker::start();
    scratch.add_process(worker.id()).unwrap();
    let mut sampler = sampler(&hierarchies, PerfWanted { per_cpu: true, ..wanted() }, &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    worker.work();
    let tick = tick(&mut sampler);
    let at = tick.catalog.columns_of("task_page_faults");
    let cpus: Vec<&str> = tick.catalog.columns[at].iter().map(|series| series.labels[0].1.as_str()).collect();
    assert_eq!(cpus.len(), available_parallelism().unwrap().get());
    assert_eq!(cpus[0], "0");
    let faults: f64 = tick.of("task_page_faults").iter().flatten().sum();
    assert!(faults > ROUND, "{faults}");
    drop(worker);
    scratch.remove().unwrap();
}

#[test]
fn a_task_above_another_and_one_beyond_the_budget_are_left_out() {
    let (test, name) = ("a_task_above_another", "above");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let below = format!("{name}/below");
    let Some((_, inner)) = real_cgroup(test, &below) else { return };
    let Some((_, third)) = real_cgroup(test, "beyond") else { return };
    let (mut worker, mut other) = (Worker::start(), Worker::start());
    inner.add_process(worker.id()).unwrap();
    third.add_process(other.id()).unwrap();
    let descriptors = 3 * available_parallelism().unwrap().get();
    let perf = PerfWanted { descriptors: Some(descriptors as u64), ..wanted() };
    let mut sampler = sampler(&hierarchies, perf, &[name, &below, "beyond"]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    assert_eq!(first.notices, [Notice::TasksNotCounted { counted: 1, left_out: 1, descriptors }]);
    worker.work();
    other.work();
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    let [None, Some(faults), None] = tick.of("task_page_faults") else { panic!("{:?}", tick.of("task_page_faults")) };
    assert!(*faults > ROUND, "{faults}");
    drop((worker, other));
    inner.remove().unwrap();
    scratch.remove().unwrap();
    third.remove().unwrap();
}

#[test]
fn a_task_that_has_ended_is_nobodys_fault() {
    let (test, name) = ("a_task_that_has_ended", "ended-not");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut sampler = sampler(&hierarchies, wanted(), &["ended", name, "ended-too"]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first).filter(|refusal| !refusal.contains("cannot be opened")) {
        return skipped(test, &refusal);
    }
    assert_eq!(first.notices, []);
    for _ in 0..8 {
        assert_eq!(tick(&mut sampler).notices, []);
    }
    scratch.remove().unwrap();
}

#[test]
fn another_window_and_budget_change_nothing_of_what_was_counted() {
    let (test, name) = ("another_window_and_budget", "tuned");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut worker = Worker::start();
    scratch.add_process(worker.id()).unwrap();
    let mut sampler = sampler(&hierarchies, wanted(), &[name]);
    if let Some(refusal) = refusal(&tick(&mut sampler)) {
        return skipped(test, &refusal);
    }
    worker.work();
    let before = tick(&mut sampler).of("task_page_faults")[0].unwrap();
    let window = PerfWindow::Part { counted: Duration::from_hours(1), every: Duration::from_hours(2) };
    let mut want = |descriptors: Option<u64>| {
        let perf = PerfWanted { window, descriptors, ..wanted() };
        sampler.want(Wanted { perf, ..Wanted::default() });
        worker.work();
        tick(&mut sampler).of("task_page_faults")[0]
    };
    let after = want(Some(10_000)).unwrap();
    assert!(after > before + ROUND, "{after} after {before}");
    want(Some(0));
    let again = (0..3).map(|_| want(None)).last().flatten().unwrap();
    assert!(again > after + ROUND, "{again} after {after}");
    drop(worker);
    scratch.remove().unwrap();
}

#[test]
fn outside_of_its_window_a_task_is_not_counted_and_absent() {
    let (test, name) = ("outside_of_its_window", "window");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let mut worker = Worker::start();
    scratch.add_process(worker.id()).unwrap();
    // Shorter than a round, so that each window is one round long.
    let window = PerfWindow::Part { counted: Duration::from_nanos(1), every: Duration::from_nanos(2) };
    let mut sampler = sampler(&hierarchies, PerfWanted { window, ..wanted() }, &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    let mut found = Vec::new();
    for _ in 0..7 {
        worker.work();
        found.push(tick(&mut sampler).of("task_page_faults")[0]);
    }
    // It is read at the end of the first window, rests, begins where it ended, and so on.
    let [Some(end), None, Some(begin), Some(second), None, Some(_), Some(third)] = found[..] else {
        panic!("{found:?}")
    };
    assert!(end > ROUND && begin == end && second > begin + ROUND && third > second + ROUND, "{found:?}");
    drop(worker);
    scratch.remove().unwrap();
}

#[test]
fn a_processor_that_goes_offline_keeps_its_part_of_the_sum() {
    let (test, name) = ("a_processor_that_goes_offline", "offline");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    if available_parallelism().unwrap().get() < 2 {
        return skipped(test, "it takes two processors");
    }
    let machine = Machine::empty();
    let online = |cpus: &str| machine.write("/sys/devices/system/cpu/online", cpus);
    online("0-1\n");
    let mut worker = Worker::start();
    scratch.add_process(worker.id()).unwrap();
    let mut sampler = sampler_at(&machine.roots(), &hierarchies, wanted(), &[name]);
    let first = tick(&mut sampler);
    if let Some(refusal) = refusal(&first) {
        return skipped(test, &refusal);
    }
    let mut work = |sampler: &mut Sampler| {
        worker.work();
        tick(sampler).of("task_page_faults")[0].unwrap_or(0.0)
    };
    let both = (0..5).map(|_| work(&mut sampler)).last().unwrap();
    assert!(both > 5.0 * ROUND, "{both}");
    online("0\n");
    let one = tick(&mut sampler).of("task_page_faults")[0].unwrap();
    assert!(one >= both, "{one} {both}");
    let without = work(&mut sampler);
    online("0-1\n");
    tick(&mut sampler);
    let again = (0..5).map(|_| work(&mut sampler)).last().unwrap();
    assert!(without >= one && again > without + 5.0 * ROUND, "{one} {without} {again}");
    drop(worker);
    scratch.remove().unwrap();
}

#[test]
fn the_kernels_own_events_can_all_be_counted() {
    let (test, name) = ("the_kernels_own_events", "own-events");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let names =
        ["context_switches", "cgroup_switches", "cpu_migrations", "page_faults", "minor_faults", "major_faults"];
    let names: Vec<&str> = names.into_iter().chain(["alignment_faults", "emulation_faults"]).collect();
    let mut worker = Worker::start();
    scratch.add_process(worker.id()).unwrap();
    let events = names.iter().map(|name| (*name).to_owned()).collect();
    let mut sampler = sampler(&hierarchies, PerfWanted { events, is_named: true, ..PerfWanted::default() }, &[name]);
    if let Some(refusal) = refusal(&tick(&mut sampler)) {
        return skipped(test, &refusal);
    }
    worker.work();
    let tick = tick(&mut sampler);
    let of = |name: &str| tick.of(&format!("task_{name}"))[0].unwrap();
    assert!(names.iter().all(|name| of(name) >= 0.0));
    assert_eq!(of("minor_faults") + of("major_faults"), of("page_faults"));
    drop(worker);
    scratch.remove().unwrap();
}

#[test]
fn of_events_that_nobody_named_nothing_is_said_before_there_is_a_task() {
    let (test, name) = ("of_events_that_nobody_named", "not-named");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let events = ["nonsense", "x__rFFFF", "y__rFFFF", "z__rFFFF"].map(str::to_owned).to_vec();
    let mut sampler = sampler(&hierarchies, PerfWanted { events, ..PerfWanted::default() }, &[]);
    for _ in 0..3 {
        assert_eq!(tick(&mut sampler).notices, []);
    }
    sampler.set_tasks(&[TaskCgroups { key: TaskKey(1), cgroup: task_path(name), containers: vec![] }]);
    let notices: Vec<String> = tick(&mut sampler).notices.iter().map(ToString::to_string).collect();
    assert!(notices[0].starts_with("nonsense: not counted: "), "{notices:?}");
    assert!(notices.len() == 1 || notices[1].starts_with("x__rFFFF, y__rFFFF, z__rFFFF: not counted: "), "{notices:?}");
    assert!(notices.len() <= 2, "{notices:?}");
    scratch.remove().unwrap();
}

#[test]
fn what_cannot_be_counted_is_said_once_with_the_remedy() {
    let (test, name) = ("what_cannot_be_counted", "not-counted");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let events = ["page_faults", "x__rFFFF", "nonsense", "x__r123"].map(str::to_owned).to_vec();
    let mut sampler = sampler(&hierarchies, PerfWanted { events, is_named: true, ..PerfWanted::default() }, &[name]);
    let notices: Vec<String> = tick(&mut sampler).notices.iter().map(ToString::to_string).collect();
    assert!(notices[0].starts_with("nonsense: not counted: no event is called \"nonsense\""), "{notices:?}");
    assert!(notices[1].starts_with("x__r123: not counted: \"x__r123\" has 3 hexadecimal digits"), "{notices:?}");
    assert!(notices.iter().all(|notice| notice.contains("; remedy: ")), "{notices:?}");
    for _ in 0..10 {
        assert_eq!(tick(&mut sampler).notices, []);
    }
    scratch.remove().unwrap();
}
