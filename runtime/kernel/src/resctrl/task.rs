//! The threads of one task, kept in monitoring groups.

mod care;

use rustix::io::Errno;
use wca_model::TaskKey;

use crate::KernelError;
use crate::cgroup::processes::{Listed, sort_once};
use crate::cgroup::{Hierarchies, identity};
use crate::resctrl::group::Group;
use crate::resctrl::means::{Means, Why};
use crate::resctrl::name::group_name;
use crate::resctrl::pause::Pause;
use crate::resctrl::values::Remote;

/// Every so many ticks it is looked at whether all threads are still where they were put.
pub(super) const VERIFIED_EVERY: u32 = 5;

/// A task.
pub(super) struct Task {
    /// Its key.
    pub key: TaskKey,
    /// Its cgroup, without a leading slash.
    pub cgroup: String,
    /// Cgroups with its threads in them: its own, and those of its containers that are not below it.
    pub paths: Vec<String>,
    /// The groups that count for it: values are the sums.
    pub groups: Vec<Group>,
    /// Why there are no values.
    pub why: Option<Why>,
    /// Whether a group of it was given up, so that its counters are less than before.
    pub has_fallen: bool,
    /// What was remote at the last reading, in each domain.
    pub remote: Vec<Remote>,
    /// Which kinds of reasons have been told, as bits.
    pub told: u8,
    /// Name of its group; none as long as its cgroup was not seen.
    name: Option<String>,
    /// The threads that were last looked for, in order.
    known: Vec<u32>,
    /// Ticks since it was looked whether they are in the groups.
    age: u32,
    pause: Pause,
}

impl Task {
    /// Nothing is known yet. `turn` spreads the looks at tasks over the ticks.
    pub(super) fn new(key: TaskKey, cgroup: &str, paths: Vec<String>, turn: usize) -> Self {
        let every = usize::try_from(VERIFIED_EVERY).unwrap_or(1);
        Self {
            key,
            cgroup: cgroup.to_owned(),
            paths,
            groups: Vec::new(),
            why: None,
            has_fallen: false,
            remote: Vec::new(),
            told: 0,
            name: None,
            known: Vec::new(),
            age: u32::try_from(turn % every).unwrap_or(0),
            pause: Pause::default(),
        }
    }

    /// Name of its group; none as long as its cgroup is not there.
    pub(super) fn name(&mut self, hierarchies: &Hierarchies) -> Option<&str> {
        if self.name.is_none() {
            self.name = identity(hierarchies, &self.cgroup).map(|identity| group_name(&self.cgroup, identity));
        }
        self.name.as_deref()
    }

    /// Lets its threads be looked for at the next tick.
    pub(super) fn forget_threads(&mut self) {
        self.known.clear();
        self.pause.end();
    }

    /// Whether its groups need a change: a thread is not in them, or one that is in them is not its own. Costs one list of
    /// threads where no thread came.
    ///
    /// # Errors
    /// The threads cannot be listed.
    pub(super) fn needs_care(&mut self, means: &mut Means<'_>) -> Result<bool, KernelError> {
        let waits = match self.why {
            None => false,
            Some(Why::HasTasksBelow) => true,
            Some(Why::NoId) => !means.may_make,
            Some(_) => !self.pause.is_over(),
        };
        if waits {
            return Ok(false);
        }
        self.list(means)?;
        self.age += 1;
        let is_steady = is_part(means.threads, &self.known);
        self.known.clone_from(means.threads);
        if means.threads.is_empty() || (is_steady && self.age < VERIFIED_EVERY && self.why.is_none()) {
            return Ok(false);
        }
        self.age = 0;
        if let Err(why) = self.members(means) {
            self.why = Some(why);
            self.pause.lengthen();
            return Ok(false);
        }
        let is_complete = is_part(means.threads, means.members);
        if is_complete && is_part(means.members, means.threads) {
            self.why = None;
            return Ok(false);
        }
        Ok(true)
    }

    /// Lists its threads, in order.
    fn list(&self, means: &mut Means<'_>) -> Result<(), KernelError> {
        means.threads.clear();
        for path in &self.paths {
            means.processes.read(path, Listed::Threads, means.buffer, means.threads)?;
        }
        sort_once(means.threads);
        Ok(())
    }

    /// Lists the threads in its groups, in order; groups that went are dropped.
    fn members(&mut self, means: &mut Means<'_>) -> Result<(), Why> {
        means.members.clear();
        let mut failed = Ok(());
        self.groups.retain(|group| match group.threads(means.buffer, means.members) {
            Ok(()) => true,
            Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => false,
            Err(error) => {
                failed = Err(Why::Refused(error));
                true
            }
        });
        sort_once(means.members);
        failed
    }
}

/// Those of one ordered list that are not in another.
fn without<'a>(list: &'a [u32], other: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    list.iter().copied().filter(|id| other.binary_search(id).is_err())
}

/// Whether all of one ordered list are in another.
fn is_part(list: &[u32], other: &[u32]) -> bool {
    list == other || without(list, other).next().is_none()
}
