//! A thread that moves pages, so that whoever wants them moved need not wait.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::process::{Count, Guide, Stopped, move_process};
use super::room::free_bytes;
use crate::Roots;
use crate::cgroup::Hierarchies;
use crate::cgroup::processes::{Listed, Processes, sort_once};

/// Looks at the processes of a task before what is left is given up: pages that were busy, and processes that were born meanwhile.
const LOOKS: u32 = 3;

/// Pages of a task that are to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The task's cgroup; a later job for it takes the place of an earlier one.
    pub cgroup: String,
    /// Nodes on which its pages may lie afterwards.
    pub to: Vec<u32>,
    /// Bytes that are moved by one call, between two looks at whether there is room; up to a whole huge page more.
    pub bytes_per_call: u64,
}

/// How moving has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What was to be moved.
    pub job: Job,
    /// Bytes that were moved.
    pub bytes: u64,
    /// Pages that stay, since another process maps them too.
    pub shared: u64,
    /// Pages that stay, since the kernel could not move them.
    pub busy: u64,
    /// Why it ended early.
    pub error: Option<String>,
}

/// The thread. Dropped, it ends after the call that it is making.
#[derive(Debug)]
pub struct Mover {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// The job that is under way, and whether it is still wanted.
    running: Option<(Job, bool)>,
    ended: Vec<Moved>,
    /// Bytes that were moved, for whatever job.
    moved: u64,
    is_over: bool,
}

impl Mover {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(roots: &Roots, hierarchies: &Hierarchies) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (roots, hierarchies, theirs) = (roots.clone(), hierarchies.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("pages".into()).spawn(move || {
            while let Some(job) = theirs.next() {
                let moved = run(&roots, &hierarchies, &job, &theirs);
                theirs.end(moved);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Moves pages of a task when its turn comes.
    pub fn add(&self, job: Job) {
        let mut state = self.shared.state();
        state.forget(&job.cgroup);
        state.waiting.push_back(job);
        self.shared.news.notify_all();
    }

    /// Pages of this task need not be moved any more.
    pub fn cancel(&self, cgroup: &str) {
        self.shared.state().forget(cgroup);
    }

    /// The job for this task that waits, is under way, or whose end was not asked for yet.
    #[must_use]
    pub fn job(&self, cgroup: &str) -> Option<Job> {
        let state = self.shared.state();
        let running = state.running.iter().filter(|(_, is_wanted)| *is_wanted).map(|(job, _)| job);
        let ended = state.ended.iter().rev().map(|moved| &moved.job);
        state.waiting.iter().chain(running).chain(ended).find(|job| job.cgroup == cgroup).cloned()
    }

    /// What has ended since this was asked last, without what was cancelled.
    pub fn ended(&self) -> Vec<Moved> {
        std::mem::take(&mut self.shared.state().ended)
    }

    /// Bytes that were moved so far, those of jobs under way and of cancelled ones too.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.shared.state().moved
    }

    /// Ends the thread after the call that it is making; all bytes that were moved.
    #[must_use]
    pub fn end(mut self) -> u64 {
        self.stop();
        self.moved_bytes()
    }

    fn stop(&mut self) {
        let mut state = self.shared.state();
        state.is_over = true;
        state.waiting.clear();
        drop(state);
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was told when it came.
            let _ = thread.join();
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn forget(&mut self, cgroup: &str) {
        self.waiting.retain(|job| job.cgroup != cgroup);
        if let Some((job, is_wanted)) = &mut self.running
            && job.cgroup == cgroup
        {
            *is_wanted = false;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job; none at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.running = Some((job.clone(), true));
                return Some(job);
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, moved: Moved) {
        let mut state = self.state();
        if state.running.take().is_some_and(|(_, is_wanted)| is_wanted) {
            state.ended.push(moved);
        }
    }

    fn is_wanted(&self) -> bool {
        let state = self.state();
        !state.is_over && state.running.as_ref().is_some_and(|(_, is_wanted)| *is_wanted)
    }
}

fn run(roots: &Roots, hierarchies: &Hierarchies, job: &Job, shared: &Shared) -> Moved {
    let mut total = Count::default();
    let mut error = None;
    for _ in 0..LOOKS {
        let mut count = Count::default();
        let result = look(roots, hierarchies, job, shared, &mut count);
        total = Count { moved: total.moved + count.moved, ..count };
        error = match result {
            Ok(()) => None,
            Err(Stopped::Cancelled) => break,
            Err(Stopped::NoRoom) => Some(format!("no room on NUMA node {}", list(&job.to))),
            Err(Stopped::Kernel(error)) => Some(error.to_string()),
            Err(Stopped::Forbidden { process, node }) => {
                Some(format!("process {process} may not use NUMA node {node}, which its cpuset.mems lacks"))
            }
            Err(Stopped::Refused(errno)) => Some(format!("move_pages: {errno}")),
        };
        if error.is_some() || (count.moved == 0 && count.busy == 0) {
            break;
        }
    }
    Moved { job: job.clone(), bytes: total.moved, shared: total.shared, busy: total.busy, error }
}

/// Goes once through all processes of the task.
fn look(
    roots: &Roots,
    hierarchies: &Hierarchies,
    job: &Job,
    shared: &Shared,
    count: &mut Count,
) -> Result<(), Stopped> {
    let mut processes = Vec::new();
    let cgroup = job.cgroup.trim_start_matches('/');
    let listed = Processes::new(hierarchies).read(cgroup, Listed::Processes, &mut Vec::new(), &mut processes);
    listed.map_err(Stopped::Kernel)?;
    sort_once(&mut processes);
    let mut watch = Watch { roots, job, shared };
    for process in processes {
        move_process(roots, process, &job.to, job.bytes_per_call, count, &mut watch)?;
    }
    Ok(())
}

/// Looks at each step whether the job is still wanted, and counts.
struct Watch<'a> {
    roots: &'a Roots,
    job: &'a Job,
    shared: &'a Shared,
}

impl Guide for Watch<'_> {
    fn next(&mut self, bytes: u64) -> Result<u32, Stopped> {
        if self.shared.is_wanted() { roomiest(self.roots, &self.job.to, bytes) } else { Err(Stopped::Cancelled) }
    }

    fn moved(&mut self, bytes: u64) {
        self.shared.state().moved += bytes;
    }
}

/// The node with most room, where it is enough.
fn roomiest(roots: &Roots, nodes: &[u32], bytes: u64) -> Result<u32, Stopped> {
    let mut best = None;
    for node in nodes {
        let free = free_bytes(roots, *node).map_err(Stopped::Kernel)?.unwrap_or(0);
        if best.is_none_or(|(most, _)| free > most) {
            best = Some((free, *node));
        }
    }
    best.filter(|(free, _)| *free > bytes).map(|(_, node)| node).ok_or(Stopped::NoRoom)
}

fn list(nodes: &[u32]) -> String {
    nodes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(cgroup: &str, to: u32) -> Job {
        Job { cgroup: cgroup.into(), to: vec![to], bytes_per_call: 1 << 20 }
    }

    #[test]
    fn a_later_job_takes_the_place_of_an_earlier_one() {
        let mut state = State { waiting: [job("/a", 0), job("/b", 0)].into(), ..State::default() };
        state.running = Some((job("/c", 0), true));
        state.forget("/a");
        state.forget("/c");
        assert_eq!((state.waiting.len(), state.running), (1, Some((job("/c", 0), false))));
    }

    #[test]
    fn a_task_without_processes_is_done_at_once() {
        let roots = Roots::system();
        let mover = Mover::start(&roots, &Hierarchies::find(&roots).unwrap()).unwrap();
        mover.add(job("/wca-none-of-this-name", 0));
        let ended = loop {
            let ended = mover.ended();
            if !ended.is_empty() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert_eq!((ended[0].bytes, ended[0].shared, mover.job("/wca-none-of-this-name")), (0, 0, None));
    }
}
