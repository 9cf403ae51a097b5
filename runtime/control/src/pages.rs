//! Pages that move in the background: because a policy asked for it, or before a task loses a memory node.

mod room;
mod waiting;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wca_kernel::pages::{Job, Moved, Mover};
use wca_kernel::values::Values;
use wca_model::{Change, Fate, Outcome, TaskKey};
use wca_rules::{is_close, ranges};

use crate::apply::Due;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::tasks::Tasks;

pub(crate) use room::{bytes_elsewhere, has_room, is_nothing_elsewhere, may_move, may_use};
pub(crate) use waiting::moves_pages;
use waiting::{Waiting, first_loss};

/// How long pages that did not move are not looked at again.
const STAYS: Duration = Duration::from_secs(60);
/// What was asked for can wait, and is written later.
const LATER: &str = "the pages on the other nodes move first; it is written when they have";

/// Moves pages, and keeps what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Started when pages are to be moved for the first time.
    mover: Option<Mover>,
    /// Jobs of a batch, which begin when its values are written: before, the kernel may refuse the node. Of one that a value waits
    /// for, the place of its request.
    wanted: Vec<(Option<usize>, Job)>,
    /// What is to be written when the pages of the task with this cgroup have left the nodes that it loses.
    waiting: HashMap<String, Waiting>,
    /// What did not move of the task with this cgroup.
    stayed: HashMap<String, Stayed>,
    /// Bytes that were moved by threads that have ended.
    moved: u64,
}

/// What is written of a request only after pages have moved.
#[derive(Debug)]
pub(crate) struct Late {
    /// Whose request it was.
    pub(crate) task: TaskKey,
    /// What is to be written.
    pub(crate) due: Due,
}

impl Late {
    /// What has become of the request.
    pub(crate) fn outcome(&self, fate: Fate) -> Outcome {
        Outcome { task: self.task, kind: self.due.owner.kind, domain: self.due.owner.domain, fate }
    }
}

/// What is on other nodes still after all that could be moved has moved, such as shared pages and files that nobody maps.
#[derive(Debug)]
struct Stayed {
    to: Vec<u32>,
    bytes: u64,
    since: Instant,
}

impl Pages {
    /// Bytes that were moved so far.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.moved.saturating_add(self.mover.as_ref().map_or(0, Mover::moved_bytes))
    }

    /// Whether what a request moves is moving already, or has as far as it could.
    pub(crate) fn is_in_hand(&self, change: &Change, cgroup: &str, values: &Values) -> Result<bool, String> {
        match change {
            Change::MigratePages(node) => self.is_there(cgroup, &[*node], values),
            Change::CpusetMems(nodes) => {
                Ok(self.waiting.get(cgroup).is_some_and(|waiting| waiting.to == waiting::sorted(nodes)))
            }
            _ => Ok(false),
        }
    }

    fn is_there(&self, cgroup: &str, to: &[u32], values: &Values) -> Result<bool, String> {
        if self.job(cgroup).is_some_and(|job| job.to == to) {
            return Ok(true);
        }
        if is_nothing_elsewhere(cgroup, to, values)? {
            return Ok(true);
        }
        let Some(stayed) = self.stayed.get(cgroup).filter(|stayed| stayed.to == to) else { return Ok(false) };
        let bytes = bytes_elsewhere(cgroup, to, values)?.unwrap_or(0);
        let is_same = bytes <= stayed.bytes || is_close(stayed.bytes as f64, bytes as f64);
        Ok(is_same && stayed.since.elapsed() < STAYS)
    }

    fn job(&self, cgroup: &str) -> Option<Job> {
        let wanted = self.wanted.iter().map(|(_, job)| job).rfind(|job| job.cgroup == cgroup).cloned();
        wanted.or_else(|| self.mover.as_ref()?.job(cgroup))
    }

    /// Whether the pages of a task can move to a node. `will_have`: the node is asked for with `cpuset_mems` in the same batch.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, cgroup: &str, node: u32, will_have: bool, values: &Values) -> Result<(), String> {
        may_move(cgroup, values)?;
        if self.is_there(cgroup, &[node], values)? {
            return Ok(());
        }
        if let Some(waiting) = self.waiting.get(cgroup).filter(|waiting| !waiting.to.contains(&node)) {
            let to = ranges(waiting.to.iter().copied());
            return Err(format!("migrate_pages: pages of the task move to NUMA nodes {to}, as cpuset_mems has asked"));
        }
        if !will_have {
            may_use(cgroup, node, values)?;
        }
        has_room(cgroup, node, values)
    }

    /// Moves the pages of a task to a node, once the batch is written.
    pub(crate) fn migrate(
        &mut self,
        cgroup: &str,
        node: u32,
        values: &Values,
        settings: &Settings,
    ) -> Result<Fate, String> {
        if self.is_there(cgroup, &[node], values)? {
            return Ok(Fate::Unchanged);
        }
        self.wanted.push((None, job(cgroup, &[node], settings)));
        Ok(Fate::Applied)
    }

    /// What of a new list of nodes is written now: all of it, unless the task has pages on nodes that it would lose and the kernel
    /// would move them before the write returns. Then only what the task wins, which the pages need to move there; they are moved in
    /// the background, and the rest waits for them.
    ///
    /// # Errors
    /// It cannot be told whether there are such pages.
    pub(crate) fn postpone(
        &mut self,
        (task, nodes): (TaskKey, &[u32]),
        mut due: Due,
        values: &Values,
        settings: &Settings,
    ) -> Result<Due, String> {
        let (to, cgroup) = (waiting::sorted(nodes), due.owner.cgroup.clone());
        let is_moving = self.job(&cgroup).is_some_and(|job| job.to.iter().all(|node| to.contains(node)));
        if is_moving && self.waiting.get(&cgroup).is_some_and(|waiting| waiting.to == to) {
            due.planned.steps.clear();
            due.planned.adjusted = Some(LATER.into());
            return Ok(due);
        }
        self.forget(&cgroup);
        let Some(loss) = first_loss(&due.planned.steps, values).filter(|_| moves_pages(&due.planned.steps, values))
        else {
            return Ok(due);
        };
        if is_nothing_elsewhere(&cgroup, &to, values)? {
            return Ok(due);
        }
        let at = due.at;
        let (now, later) = waiting::split(due, loss, LATER);
        self.waiting.insert(cgroup.clone(), Waiting::new(to.clone(), Late { task, due: later }, values));
        self.wanted.push((Some(at), job(&cgroup, &to, settings)));
        Ok(now)
    }

    /// The batch is written: its pages may move. What waits for them after a part that could not be written waits no more.
    pub(crate) fn begin(&mut self, tasks: &Tasks, values: &Values, fates: &mut [Option<Fate>]) {
        self.stayed.retain(|cgroup, _| tasks.has_cgroup(cgroup));
        let mut wanted = std::mem::take(&mut self.wanted);
        // Of two jobs for a task the last one counts, and a value may not wait for nothing.
        wanted.sort_by_key(|(at, _)| at.is_some());
        for (at, job) in wanted {
            let cgroup = job.cgroup.clone();
            if at.is_some_and(|at| matches!(fates.get(at), Some(Some(Fate::Failed(_))))) {
                self.waiting.remove(&cgroup);
                continue;
            }
            self.stayed.remove(&cgroup);
            match self.mover(values) {
                Ok(mover) => mover.add(job),
                Err(why) => {
                    self.waiting.remove(&cgroup);
                    if let Some(fate) = at.and_then(|at| fates.get_mut(at)) {
                        *fate = Some(Fate::Failed(why));
                    }
                }
            }
        }
    }

    /// What waits for the task is not wanted any more; what that was.
    pub(crate) fn forget(&mut self, cgroup: &str) -> Option<Late> {
        let waiting = self.waiting.remove(cgroup)?;
        self.wanted.retain(|(_, job)| job.cgroup != cgroup);
        if let Some(mover) = &self.mover {
            mover.cancel(cgroup);
        }
        Some(waiting.late)
    }

    /// Nor what waits in the name of these policies.
    pub(crate) fn forget_of(&mut self, is_meant: impl Fn(&Policy) -> bool) -> Vec<Late> {
        let of_these = self.waiting.iter().filter(|(_, waiting)| is_meant(&waiting.late.due.owner.policy));
        let mut cgroups: Vec<String> = of_these.map(|(cgroup, _)| cgroup.clone()).collect();
        cgroups.sort_unstable();
        cgroups.iter().filter_map(|cgroup| self.forget(cgroup)).collect()
    }

    /// Nothing is wanted any more.
    pub(crate) fn forget_all(&mut self) {
        self.waiting.clear();
        self.wanted.clear();
        if let Some(mover) = self.mover.take() {
            self.moved = self.moved.saturating_add(mover.end());
        }
    }

    /// What has waited long enough, and what is to be said.
    pub(crate) fn ended(&mut self, values: &Values) -> (Vec<Late>, Vec<String>) {
        let ended = self.mover.as_ref().map(Mover::ended).unwrap_or_default();
        let (mut due, mut told) = (Vec::new(), Vec::new());
        for moved in ended {
            let (cgroup, to) = (&moved.job.cgroup, &moved.job.to);
            let is_newer = self.job(cgroup).is_some();
            let is_awaited = |waiting: &Waiting| !is_newer && to.iter().all(|node| waiting.to.contains(node));
            let waiting =
                if self.waiting.get(cgroup).is_some_and(is_awaited) { self.waiting.remove(cgroup) } else { None };
            let left_out = waiting.is_some() && moved.error.is_some();
            told.extend(
                in_words(&moved).map(
                    |words| {
                        if left_out { format!("{words}; its cpuset_mems stays as it is") } else { words }
                    },
                ),
            );
            if moved.error.is_none() {
                due.extend(waiting.filter(|waiting| waiting.is_there(values)).map(|waiting| waiting.late));
                if let Ok(bytes) = bytes_elsewhere(cgroup, to, values) {
                    let bytes = bytes.unwrap_or(0);
                    let stayed = Stayed { to: to.clone(), bytes, since: Instant::now() };
                    self.stayed.insert(cgroup.clone(), stayed);
                }
            }
        }
        (due, told)
    }

    fn mover(&mut self, values: &Values) -> Result<&Mover, String> {
        if self.mover.is_none() {
            let started = Mover::start(values.roots(), values.hierarchies());
            self.mover = Some(started.map_err(|error| format!("no thread that moves pages: {error}"))?);
        }
        self.mover.as_ref().ok_or_else(|| "no thread that moves pages".to_owned())
    }
}

fn job(cgroup: &str, to: &[u32], settings: &Settings) -> Job {
    Job { cgroup: cgroup.to_owned(), to: to.to_vec(), bytes_per_call: settings.migrate_bytes_per_step }
}

fn in_words(moved: &Moved) -> Option<String> {
    let Moved { job, bytes, shared, busy, error } = moved;
    let stay =
        format!("{shared} pages stay since other processes share them, {busy} since the kernel could not move them");
    let cgroup = &job.cgroup;
    match error {
        Some(error) => {
            Some(format!("{cgroup}: moving its pages ended early: {error}; {bytes} bytes were moved, {stay}"))
        }
        None if *shared > 0 || *busy > 0 => Some(format!("{cgroup}: {bytes} bytes were moved, {stay}")),
        None => None,
    }
}
