//! How files of cgroups and counters share the descriptors of a process. One test in a process of its own, since they are
//! counted and limited per process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;
use std::thread::available_parallelism;

use common::tick::tick;
use common::{real_cgroup, skipped, task_path};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wca_kernel::{Notice, PerfWanted, Roots, Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

const EVENTS: [&str; 6] =
    ["context_switches", "cgroup_switches", "cpu_migrations", "page_faults", "minor_faults", "major_faults"];

/// Descriptors that the process may have; a quarter of them is the reserve, a sixteenth is for finding cgroups.
const LIMIT: usize = 480;

/// All open descriptors, and those that are counters.
fn open_descriptors() -> (usize, usize) {
    let links: Vec<_> =
        fs::read_dir("/proc/self/fd").unwrap().map(|entry| fs::read_link(entry.unwrap().path())).collect();
    let is_counter = |link: &&Result<_, _>| {
        link.as_ref().is_ok_and(|path: &std::path::PathBuf| path.to_string_lossy().contains("perf_event"))
    };
    (links.len(), links.iter().filter(is_counter).count())
}

#[test]
fn files_of_cgroups_and_counters_never_take_more_than_there_is() {
    let test = "files_of_cgroups_and_counters";
    let names: Vec<String> = (0..40).map(|n| format!("shares-{n}")).collect();
    let mut scratches = Vec::new();
    for name in &names {
        let Some((_, scratch)) = real_cgroup(test, name) else { return };
        scratches.push(scratch);
    }
    let hierarchies = wca_kernel::Hierarchies::find(&Roots::system()).unwrap();
    let tasks: Vec<TaskCgroups> = (1..)
        .zip(&names)
        .map(|(key, name)| TaskCgroups { key: TaskKey(key), cgroup: task_path(name), containers: vec![] })
        .collect();
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT as u64), maximum }).unwrap();
    let readers = LIMIT - LIMIT / 4 - LIMIT / 16;
    let per_task = EVENTS.len() * available_parallelism().unwrap().get();
    if per_task > readers / 4 {
        return skipped(test, "there are too many processors for so few descriptors");
    }
    for wanted in [None, Some(3 * per_task), Some(usize::MAX)] {
        let descriptors = wanted.map(|wanted| wanted as u64);
        let perf = PerfWanted { events: EVENTS.map(str::to_owned).to_vec(), descriptors, ..PerfWanted::default() };
        let mut sampler = Sampler::new(&Roots::system(), &hierarchies, Wanted { perf, ..Wanted::default() });
        // What is open without tasks, those of the machine and the roots of hierarchies, is within the reserve.
        tick(&mut sampler);
        let (before, _) = open_descriptors();
        let expected = wanted.unwrap_or(readers / 2).min(readers) / per_task * per_task;
        let mut found = 0;
        // All at once is not how tasks come: those that are there already must make room.
        for (count, is_first) in [(1, true), (8, false), (40, false), (40, false), (40, false)] {
            sampler.set_tasks(&tasks[..count]);
            let tick = tick(&mut sampler);
            if let Some(refusal) = tick.notices.iter().find(|notice| matches!(notice, Notice::NotCounted { .. })) {
                assert!(is_first, "{refusal}");
                return skipped(test, &refusal.to_string());
            }
            let is_short = |notice: &Notice| matches!(notice, Notice::CountersShort { .. });
            assert!(!tick.notices.iter().any(is_short), "{:?}", tick.notices);
            let (open, counters) = open_descriptors();
            let most = before + readers;
            assert!(open <= most, "{open} are open, {most} may be, for {wanted:?} and {count} tasks");
            found = counters;
        }
        assert_eq!(found, expected, "for {wanted:?}");
        assert!(fs::File::open("/proc/self/stat").is_ok());
    }
    scratches.into_iter().for_each(|scratch| scratch.remove().unwrap());
}
