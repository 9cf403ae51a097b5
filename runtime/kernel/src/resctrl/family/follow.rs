//! Keeping groups in step with tasks.

use std::collections::{HashMap, HashSet};

use rustix::io::Errno;

use super::Monitoring;
use crate::Notice;
use crate::family::Moment;
use crate::resctrl::group::Group;
use crate::resctrl::layout::{Place, groups};
use crate::resctrl::lock::Lock;
use crate::resctrl::means::{Means, Scene, Why};
use crate::resctrl::name::is_ours;
use crate::resctrl::task::Task;
use crate::resctrl::told;

impl Monitoring {
    /// Keeps threads and groups in step.
    pub(super) fn follow(&mut self, moment: &mut Moment<'_>) {
        let may_make = self.pause.is_over();
        let Self {
            mounted: Some(mounted),
            hierarchies,
            processes,
            tasks,
            leaving,
            is_swept,
            pause,
            threads,
            members,
            ..
        } = self
        else {
            return;
        };
        let root = &mounted.root;
        let mut means =
            Means { root, hierarchies, processes, buffer: moment.buffer, threads, members, pause, may_make };
        let mut due = Vec::new();
        for (at, task) in tasks.iter_mut().enumerate() {
            match task.needs_care(&mut means) {
                Ok(true) => due.push(at),
                Ok(false) => {}
                Err(error) => told::of_error(&error, moment.said, moment.notices),
            }
        }
        let sweeps = self.has_tasks && !*is_swept;
        if due.is_empty() && leaving.is_empty() && !sweeps {
            return;
        }
        let Some(_lock) = Lock::take(root) else {
            due.iter().for_each(|at| tasks[*at].forget_threads());
            if moment.said.first("resctrl is locked") {
                let reason = "another program keeps it locked (flock); groups stay as they are until it is free";
                moment.notices.push(Notice::NotKnown { what: "a change of resctrl's groups", reason: reason.into() });
            }
            return;
        };
        let mut refused = |path: String, error: Errno| {
            let path = mounted.path.join(path);
            if moment.said.first(("resctrl", &path, error.raw_os_error())) {
                moment.notices.push(Notice::Unreadable { path, error: error.to_string() });
            }
        };
        if sweeps {
            match sweep(&mut means, tasks) {
                Ok(()) => *is_swept = true,
                Err(error) => refused(String::new(), error),
            }
        }
        for group in leaving.drain(..) {
            match group.remove(root) {
                Ok(()) => means.was_freed(),
                Err(error) => refused(group.place.path(), error),
            }
        }
        let ours: HashSet<Place> = tasks
            .iter()
            .flat_map(|task| &task.groups)
            .filter(|group| group.is_ours)
            .map(|one| one.place.clone())
            .collect();
        let mut scene = match Scene::new(root, ours, means.buffer) {
            Ok(scene) => scene,
            Err(error) => {
                due.iter().for_each(|at| tasks[*at].forget_threads());
                return refused(String::new(), error);
            }
        };
        for at in due {
            if let Err(error) = tasks[at].care(&mut means, &mut scene) {
                told::of_error(&error, moment.said, moment.notices);
            }
        }
    }
}

/// Takes over the groups that an earlier process has made for these tasks, and removes those that it made for others.
fn sweep(means: &mut Means<'_>, tasks: &mut [Task]) -> Result<(), Errno> {
    let left = groups(means.root)?;
    let left: Vec<Place> = left.into_iter().filter(|place| is_ours(&place.monitoring)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let mut named: HashMap<String, usize> = HashMap::new();
    for (at, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.why != Some(Why::HasTasksBelow)) {
        named.extend(task.name(means.hierarchies).map(|name| (name.to_owned(), at)));
    }
    for place in left {
        let task = named.get(&place.monitoring).copied();
        let Ok(mut group) = Group::open(means.root, place) else { continue };
        // A living process like this one has those that it uses.
        if !group.own() {
            continue;
        }
        match task {
            Some(at) => tasks[at].groups.push(group),
            None => match group.remove(means.root) {
                Ok(()) => means.was_freed(),
                // Read-only: it does no harm.
                Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {}
                Err(error) => return Err(error),
            },
        }
    }
    Ok(())
}
