//! How much memory tasks work with: what they have referenced since the marks were reset.
//!
//! Reading it makes the kernel walk the page tables of each process, and a reset takes the marks from each page, which the
//! processor then sets anew: both cost time in proportion to the memory of a task, of the agent and of the task itself.
//! `task_wss_measure_overhead_seconds` says how much.

mod referenced;
mod search;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wca_model::{Definition, Described, MetricKind, Subject, TaskKey};

use crate::cgroup::Hierarchies;
use crate::cgroup::leaves::leaves;
use crate::cgroup::processes::Listed;
use crate::error::excerpt;
use crate::family::{Family, FamilyMetric, Moment};
use crate::metrics::{BOTH, TEST_BED};
use crate::task_processes::{TaskProcesses, cgroups_of};
use crate::wanted;
use crate::working_set::referenced::referenced;
use crate::working_set::search::{Progress, Search};
use crate::{Notice, Roots, TaskCgroups};

const REFERENCED: Definition = Definition {
    name: "task_wss_referenced_bytes",
    help: "Memory that the task's processes have touched since the marks were reset, shared memory once for each of them.",
    kind: MetricKind::Gauge,
    unit: "bytes",
    levels: &[],
    subject: Subject::Task,
    source: "Referenced of /proc/PID/smaps_rollup, else of /proc/PID/smaps",
    formula: "sum over processes; none of a task that has others below it",
    confirmed: BOTH,
};
const OVERHEAD: Definition = Definition {
    name: "task_wss_measure_overhead_seconds",
    help: "Time that the agent has spent on reading and resetting the marks of the task's memory.",
    kind: MetricKind::Counter,
    unit: "seconds",
    source: "the clock, around /proc/PID/smaps_rollup and /proc/PID/clear_refs",
    ..REFERENCED
};
const WORKING_SET: Definition = Definition {
    name: "task_working_set_size_bytes",
    help: "Memory that the task works with: what it had touched when that stopped to grow.",
    source: "task_wss_referenced_bytes, task_mem_bandwidth_bytes",
    formula: "task_wss_referenced_bytes after wss_stable_cycles in which it grew by less than wss_membw_threshold of the traffic",
    confirmed: TEST_BED,
    ..REFERENCED
};

/// All metrics in words.
pub(crate) fn described() -> Vec<Described> {
    [REFERENCED, OVERHEAD, WORKING_SET].map(Described::from).into()
}

/// Reads /proc/PID/smaps_rollup of each process of the tasks, and writes clear_refs.
pub(crate) struct WorkingSets {
    /// Readings from one reset to the next; 0: no regular reset.
    reset_cycles: u32,
    search: Option<Search>,
    files: TaskProcesses,
    /// The file that is read; the inner none where this kernel has none.
    source: Option<Option<&'static str>>,
    tasks: Vec<Task>,
    columns: Vec<f64>,
}

/// A task, and what is remembered of it.
struct Task {
    key: TaskKey,
    cgroups: Vec<String>,
    /// Whether no other task lies below: a process has one set of marks, and whoever resets it takes them from all.
    is_leaf: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How often it was read.
    cycle: u32,
    progress: Progress,
    /// What reading and resetting has taken so far.
    overhead: Duration,
}

impl WorkingSets {
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, wanted: &wanted::WorkingSet) -> Self {
        let search = wanted.membw_threshold.filter(|_| wanted.stable_cycles != 0).map(|threshold| Search {
            stable_cycles: wanted.stable_cycles.unsigned_abs(),
            resets: wanted.reset_cycles == 0 && wanted.stable_cycles > 0,
            threshold,
        });
        Self {
            reset_cycles: wanted.reset_cycles,
            search,
            files: TaskProcesses::new(roots, hierarchies),
            source: None,
            tasks: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// The file that is read; says so where there is none.
    fn source(&mut self, moment: &mut Moment<'_>) -> Option<&'static str> {
        let files = &self.files;
        *self.source.get_or_insert_with(|| {
            // The sum over all mappings, which the kernel has made itself since Linux 4.14, is far cheaper than their list.
            let source = ["smaps_rollup", "smaps"].into_iter().find(|name| files.exists(name));
            if source.is_none() && moment.said.first(REFERENCED.name) {
                let reason =
                    "/proc/self/smaps is not there: it takes a kernel with CONFIG_PROC_PAGE_MONITOR".to_owned();
                moment.notices.push(Notice::NotMeasured { metric: REFERENCED.name, reason });
            }
            source
        })
    }

    /// Says once that tasks above others are left out.
    fn say_left_out(&self, moment: &mut Moment<'_>) {
        let Some(task) = self.tasks.iter().find(|task| !task.is_leaf) else { return };
        if moment.said.first((REFERENCED.name, "below")) {
            let reason = format!(
                "cgroups of other tasks lie below those of \"/{}\" or of others like it, and a process counts for one task only, \
                 which is the one below",
                task.cgroups.first().map_or("", String::as_str)
            );
            moment.notices.push(Notice::NotKnown { what: "task_wss_referenced_bytes of some tasks", reason });
        }
    }

    /// Reads a task: bytes that are referenced, none where none of its processes could be read.
    fn read_task(&mut self, at: usize, source: &'static str, moment: &mut Moment<'_>) -> Option<f64> {
        let Self { reset_cycles, search, files, tasks, .. } = self;
        let Task { cgroups, state, .. } = &mut tasks[at];
        let begun = Instant::now();
        let ids = files.list(cgroups, Listed::Processes, moment);
        let mut sum = None;
        for id in &ids {
            // Without memory, as a process that is ending.
            let Some(bytes) = files.read(*id, source, moment).filter(|bytes| !bytes.is_empty()) else { continue };
            match referenced(bytes) {
                Some(of_process) => sum = Some(sum.unwrap_or(0u64).saturating_add(of_process)),
                None => {
                    let found = excerpt(bytes);
                    files.malformed(*id, source, found, moment);
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        let sum = sum.map(|sum| sum as f64);
        state.cycle = state.cycle.wrapping_add(1);
        let mut is_due = *reset_cycles > 0 && state.cycle.is_multiple_of(*reset_cycles);
        match (search, sum) {
            (Some(search), Some(sum)) => {
                let traffic = moment.traffic.get(at).copied().unwrap_or(f64::NAN);
                is_due |= state.progress.step(*search, sum, traffic);
            }
            (Some(_), None) => state.progress.begin_anew(),
            (None, _) => {}
        }
        if is_due {
            for id in &ids {
                // 1: the marks of all pages.
                files.write(*id, "clear_refs", "1\n", moment);
            }
            state.progress.begin_anew();
        }
        files.give_back(ids);
        state.overhead += begun.elapsed();
        sum
    }
}

impl Family for WorkingSets {
    fn metrics(&self) -> Vec<FamilyMetric> {
        let metric = |definition: Definition| FamilyMetric { info: definition.info(), series: vec![Vec::new()] };
        let found = self.search.is_some().then_some(WORKING_SET);
        [REFERENCED, OVERHEAD].into_iter().chain(found).map(metric).collect()
    }

    fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        let known: HashMap<TaskKey, State> = self.tasks.drain(..).map(|task| (task.key, task.state)).collect();
        let task = |task: &TaskCgroups| Task {
            key: task.key,
            cgroups: cgroups_of(task),
            is_leaf: true,
            state: known.get(&task.key).copied().unwrap_or_default(),
        };
        self.tasks = tasks.iter().map(task).collect();
        let cgroups: Vec<&str> = self.tasks.iter().flat_map(|task| &task.cgroups).map(String::as_str).collect();
        let mut are_leaves = leaves(&cgroups).into_iter();
        for task in &mut self.tasks {
            let count = task.cgroups.len();
            task.is_leaf = are_leaves.by_ref().take(count).filter(|is_leaf| !is_leaf).count() == 0;
        }
        let metrics = if self.search.is_some() { 3 } else { 2 };
        self.columns.clear();
        self.columns.resize(metrics * tasks.len(), f64::NAN);
    }

    fn read(&mut self, moment: &mut Moment<'_>) -> bool {
        let Some(source) = self.source(moment) else { return false };
        let rows = self.tasks.len();
        if self.search.is_some() && moment.traffic.is_empty() && rows > 0 && moment.said.first(WORKING_SET.name) {
            let reason =
                "it takes task_mem_bandwidth_bytes, which needs resctrl with memory bandwidth monitoring".to_owned();
            moment.notices.push(Notice::NotMeasured { metric: WORKING_SET.name, reason });
        }
        self.say_left_out(moment);
        for row in 0..rows {
            if !self.tasks[row].is_leaf {
                continue;
            }
            let referenced = self.read_task(row, source, moment);
            let state = &self.tasks[row].state;
            self.columns[row] = referenced.unwrap_or(f64::NAN);
            self.columns[rows + row] = state.overhead.as_secs_f64();
            if self.search.is_some() {
                self.columns[2 * rows + row] = state.progress.found.unwrap_or(f64::NAN);
            }
        }
        false
    }

    fn columns(&self) -> &[f64] {
        &self.columns
    }

    fn platform(&self) -> &[f64] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::Said;
    use crate::limits::Allowance;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A constant set of 15,360 kB, with 1,000,000 bytes of memory traffic from one reading to the next.
    #[test]
    fn a_working_set_is_found_and_the_marks_are_reset_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "proc/self/mountinfo", "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        write(dir.path(), "proc/self/smaps_rollup", "");
        write(dir.path(), "proc/7/smaps_rollup", "Referenced: 15360 kB\n");
        write(dir.path(), "proc/7/clear_refs", "");
        write(dir.path(), "sys/fs/cgroup/a/cgroup.procs", "7\n");
        let roots = Roots::at(dir.path());
        let hierarchies = Hierarchies::find(&roots).unwrap();
        let wanted = wanted::WorkingSet { reset_cycles: 0, stable_cycles: 2, membw_threshold: Some(0.1) };
        let mut family = WorkingSets::new(&roots, &hierarchies, &wanted);
        family.set_tasks(&[TaskCgroups { key: TaskKey(1), cgroup: "/a".into(), containers: vec![] }]);
        let (mut buffer, mut said, mut notices) = (Vec::new(), Said::default(), Vec::new());
        let mut found = Vec::new();
        for (traffic, reading) in [1e6, 2e6, 3e6, 4e6, 5e6, 6e6].into_iter().zip(1..) {
            let traffic = &[traffic];
            let (buffer, said, notices) = (&mut buffer, &mut said, &mut notices);
            let allowance = Allowance { left: 0, granted: 0 };
            assert!(!family.read(&mut Moment { buffer, traffic, allowance, said, notices }));
            let [referenced, overhead, working_set] = *family.columns() else { panic!("three columns of one task") };
            assert!(referenced == 15_728_640.0 && overhead > 0.0);
            found.push(Some(working_set).filter(|bytes| !bytes.is_nan()));
            let reset = fs::read_to_string(dir.path().join("proc/7/clear_refs")).unwrap();
            assert_eq!(reset, if reading < 3 { "" } else { "1\n" });
        }
        assert_eq!(found, [None, None, None, None, None, Some(15_728_640.0)]);
        assert_eq!(notices, []);
    }
}
