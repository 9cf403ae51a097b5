//! Pages that move in the background: because a policy asked for it, or before a task loses a memory node.

use std::collections::HashMap;

use wca_kernel::pages::{Job, Moved, Mover, bytes_on_nodes, free_bytes};
use wca_kernel::values::Values;
use wca_model::Fate;

use crate::apply::Due;
use crate::settings::Settings;

/// Moves pages, and keeps what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Started when pages are to be moved for the first time.
    mover: Option<Mover>,
    /// What is to be written when the pages of the task with this cgroup have left the nodes that it loses.
    waiting: HashMap<String, Waiting>,
    /// Bytes that were moved.
    moved: u64,
}

#[derive(Debug)]
struct Waiting {
    to: Vec<u32>,
    due: Due,
}

/// What was asked for can wait, and is written later.
const LATER: &str = "the pages on the other nodes move first; it is written when they have";

impl Pages {
    /// Bytes that were moved so far.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.moved
    }

    /// Moves the pages of a task to a node.
    ///
    /// # Errors
    /// Why they cannot move.
    pub(crate) fn migrate(
        &mut self,
        cgroup: &str,
        node: u32,
        values: &Values,
        settings: &Settings,
    ) -> Result<Fate, String> {
        let job = Job { cgroup: cgroup.to_owned(), to: vec![node], bytes_per_call: settings.migrate_bytes_per_step };
        if self.mover.as_ref().and_then(|mover| mover.job(cgroup)).as_ref() == Some(&job) {
            return Ok(Fate::Unchanged);
        }
        if let Some(elsewhere) = bytes_elsewhere(cgroup, &[node], values)? {
            if elsewhere == 0 {
                return Ok(Fate::Unchanged);
            }
            let free = free_bytes(values.roots(), node).map_err(|error| error.to_string())?.unwrap_or(0);
            if free < elsewhere {
                return Err(format!(
                    "migrate_pages: {elsewhere} bytes of {cgroup} lie on other nodes than {node}, which has room for {free}"
                ));
            }
        }
        self.mover(values)?.add(job);
        Ok(Fate::Applied)
    }

    /// Whether the write has to wait: the task has pages on nodes that it would lose, and the kernel would move them all before the
    /// write returns. They are moved in the background then.
    ///
    /// # Errors
    /// Why they cannot be moved.
    pub(crate) fn postpone(
        &mut self,
        to: &[u32],
        due: Due,
        values: &Values,
        settings: &Settings,
    ) -> Result<Result<Due, (usize, Fate)>, String> {
        let cgroup = due.owner.cgroup.clone();
        if let Some(waiting) = self.waiting.get(&cgroup).filter(|waiting| waiting.to == to) {
            let _ = waiting;
            return Ok(Err((due.at, Fate::Adjusted(LATER.into()))));
        }
        self.forget(&cgroup);
        // Where the kernel does not say, or nothing is to be moved, the write costs nothing.
        if bytes_elsewhere(&cgroup, to, values)?.unwrap_or(0) == 0 {
            return Ok(Ok(due));
        }
        let job = Job { cgroup: cgroup.clone(), to: to.to_vec(), bytes_per_call: settings.migrate_bytes_per_step };
        self.mover(values)?.add(job);
        let at = due.at;
        self.waiting.insert(cgroup, Waiting { to: to.to_vec(), due });
        Ok(Err((at, Fate::Adjusted(LATER.into()))))
    }

    /// What waits for the task is not wanted any more.
    pub(crate) fn forget(&mut self, cgroup: &str) {
        if self.waiting.remove(cgroup).is_some()
            && let Some(mover) = &self.mover
        {
            mover.cancel(cgroup);
        }
    }

    /// Nothing is wanted any more.
    pub(crate) fn forget_all(&mut self) {
        self.waiting.clear();
        self.mover = None;
    }

    /// What has waited long enough, and what is to be said.
    pub(crate) fn ended(&mut self) -> (Vec<Due>, Vec<String>) {
        let ended = self.mover.as_ref().map(Mover::ended).unwrap_or_default();
        let (mut due, mut told) = (Vec::new(), Vec::new());
        for moved in ended {
            self.moved = self.moved.saturating_add(moved.bytes);
            told.extend(in_words(&moved));
            if let Some(waiting) = self.waiting.remove(&moved.job.cgroup)
                && waiting.to == moved.job.to
            {
                due.push(waiting.due);
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

/// Bytes of a task on other nodes than these; none where the kernel does not say.
pub(crate) fn bytes_elsewhere(cgroup: &str, to: &[u32], values: &Values) -> Result<Option<u64>, String> {
    let found = bytes_on_nodes(values.hierarchies(), cgroup).map_err(|error| error.to_string())?;
    let elsewhere =
        |nodes: Vec<(u32, u64)>| nodes.iter().filter(|(node, _)| !to.contains(node)).map(|(_, bytes)| bytes).sum();
    Ok(found.map(elsewhere))
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
