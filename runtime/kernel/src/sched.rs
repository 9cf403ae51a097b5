//! What the scheduler counts of the threads of tasks: `task_sched_stat` and `task_sched_stat_numa_faults`.

mod file;
mod keys;

use wca_model::{Definition, Described, MetricKind, Subject};

use crate::cgroup::Hierarchies;
use crate::cgroup::processes::Listed;
use crate::error::excerpt;
use crate::family::{Family, FamilyMetric, Moment};
use crate::metrics::TEST_BED;
use crate::sched::file::{Number, numbers};
use crate::sched::keys::{Way, way};
use crate::task_processes::{TaskProcesses, cgroups_of};
use crate::{Lines, Notice, Roots, TaskCgroups};

/// The file of a thread.
const FILE: &str = "sched";
const STAT: Definition = Definition {
    name: "task_sched_stat",
    help: "Each number that the scheduler has of the task's threads that live: their sum, or the greatest of maxima.",
    kind: MetricKind::Counter,
    unit: "numeric",
    levels: &["key"],
    subject: Subject::Task,
    source: "/proc/TID/sched",
    formula: "sum over threads; of maxima the greatest",
    confirmed: TEST_BED,
};
const FAULTS: Definition = Definition {
    name: "task_sched_stat_numa_faults",
    help: "Page faults by which automatic NUMA balancing learns where memory is used, of the task's threads that live, as they are \
           remembered.",
    levels: &["numa_node", "fault_type"],
    formula: "sum over threads",
    ..STAT
};

/// Both metrics in words.
pub(crate) fn described() -> Vec<Described> {
    [STAT, FAULTS].map(Described::from).into()
}

/// Reads /proc/TID/sched of each thread of the tasks.
pub(crate) struct Sched {
    wanted: Lines,
    files: TaskProcesses,
    /// None until the kernel was asked whether it has the file at all.
    is_available: Option<bool>,
    known: Known,
    tasks: Vec<Task>,
    /// Values by series and task.
    columns: Vec<f64>,
}

/// What the files were found to have numbers for. The kernel's build and the machine's nodes decide it, so it is the same for
/// all threads as a rule, and in the same order.
#[derive(Default)]
struct Known {
    keys: Vec<(String, Way)>,
    faults: Vec<(String, String)>,
}

/// A task, and what was last read of it.
struct Task {
    cgroups: Vec<String>,
    /// One for each of the known keys and faults; NaN where none of its threads has it.
    keys: Vec<f64>,
    faults: Vec<f64>,
}

impl Sched {
    /// Takes those keys that are wanted.
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, wanted: Lines) -> Self {
        Self {
            wanted,
            files: TaskProcesses::new(roots, hierarchies),
            is_available: None,
            known: Known::default(),
            tasks: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Whether the kernel has the file; says so where it does not.
    fn is_available(&mut self, moment: &mut Moment<'_>) -> bool {
        let files = &self.files;
        *self.is_available.get_or_insert_with(|| {
            let exists = files.exists(FILE);
            if !exists && moment.said.first(STAT.name) {
                let reason = "/proc/self/sched is not there: it takes a kernel with CONFIG_SCHED_DEBUG".to_owned();
                moment.notices.push(Notice::NotMeasured { metric: STAT.name, reason });
            }
            exists
        })
    }

    fn read_task(&mut self, at: usize, moment: &mut Moment<'_>) {
        let Self { files, tasks, known, wanted, .. } = self;
        let task = &mut tasks[at];
        task.keys.fill(f64::NAN);
        task.faults.fill(f64::NAN);
        let ids = files.list(&task.cgroups, Listed::Threads, moment);
        for id in &ids {
            let Some(bytes) = files.read(*id, FILE, moment) else { continue };
            let (mut key_hint, mut fault_hint) = (0, 0);
            let is_well_formed = numbers(bytes, &mut |number, value| match number {
                Number::Key(key) if wanted.takes(key) => {
                    let Some(key) = known.key(key, &mut key_hint) else { return };
                    add(&mut task.keys, key, known.keys[key].1, value);
                }
                Number::Key(_) => {}
                Number::Faults { node, kind } => {
                    let Some(of) = known.fault(node, kind, &mut fault_hint) else { return };
                    add(&mut task.faults, of, Way::Sum, value);
                }
            });
            if !is_well_formed {
                let found = excerpt(bytes);
                files.malformed(*id, FILE, found, moment);
            }
        }
        files.give_back(ids);
    }

    /// Lays out the values by series.
    fn fill_columns(&mut self) {
        let rows = self.tasks.len();
        let (keys, faults) = (self.known.keys.len(), self.known.faults.len());
        self.columns.clear();
        self.columns.resize((keys + faults) * rows, f64::NAN);
        for (row, task) in self.tasks.iter().enumerate() {
            for (column, value) in task.keys.iter().enumerate() {
                self.columns[column * rows + row] = *value;
            }
            for (column, value) in task.faults.iter().enumerate() {
                self.columns[(keys + column) * rows + row] = *value;
            }
        }
    }
}

/// Joins a value to the one of its series.
fn add(values: &mut Vec<f64>, at: usize, way: Way, value: f64) {
    if values.len() <= at {
        values.resize(at + 1, f64::NAN);
    }
    values[at] = way.join(values[at], value);
}

impl Known {
    /// The number of a key; none of one that means nothing for a task. It is looked for first where the last one was found.
    fn key(&mut self, key: &[u8], hint: &mut usize) -> Option<usize> {
        let is = |known: &(String, Way)| known.0.as_bytes() == key;
        let at = match self.keys.get(*hint).filter(|known| is(known)) {
            Some(_) => *hint,
            None => match self.keys.iter().position(is) {
                Some(at) => at,
                None => {
                    let way = way(key)?;
                    self.keys.push((str::from_utf8(key).ok()?.to_owned(), way));
                    self.keys.len() - 1
                }
            },
        };
        *hint = at + 1;
        Some(at)
    }

    fn fault(&mut self, node: &[u8], kind: &[u8], hint: &mut usize) -> Option<usize> {
        let is = |known: &(String, String)| known.0.as_bytes() == node && known.1.as_bytes() == kind;
        let at = match self.faults.get(*hint).filter(|known| is(known)) {
            Some(_) => *hint,
            None => match self.faults.iter().position(is) {
                Some(at) => at,
                None => {
                    self.faults.push((str::from_utf8(node).ok()?.to_owned(), str::from_utf8(kind).ok()?.to_owned()));
                    self.faults.len() - 1
                }
            },
        };
        *hint = at + 1;
        Some(at)
    }

    fn count(&self) -> usize {
        self.keys.len() + self.faults.len()
    }
}

impl Family for Sched {
    fn metrics(&self) -> Vec<FamilyMetric> {
        vec![
            FamilyMetric {
                info: STAT.info(),
                series: self.known.keys.iter().map(|(key, _)| vec![key.clone()]).collect(),
            },
            FamilyMetric {
                info: FAULTS.info(),
                series: self.known.faults.iter().map(|(node, kind)| vec![node.clone(), kind.clone()]).collect(),
            },
        ]
    }

    fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        let task = |task: &TaskCgroups| Task { cgroups: cgroups_of(task), keys: Vec::new(), faults: Vec::new() };
        self.tasks = tasks.iter().map(task).collect();
        self.fill_columns();
    }

    fn read(&mut self, moment: &mut Moment<'_>) -> bool {
        if !self.is_available(moment) {
            return false;
        }
        let before = self.known.count();
        for at in 0..self.tasks.len() {
            self.read_task(at, moment);
        }
        self.fill_columns();
        self.known.count() != before
    }

    fn columns(&self) -> &[f64] {
        &self.columns
    }

    fn platform(&self) -> &[f64] {
        &[]
    }
}
