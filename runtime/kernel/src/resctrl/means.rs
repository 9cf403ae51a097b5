//! What looking after a task takes, and what can keep it from having values.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::cgroup::Hierarchies;
use crate::cgroup::processes::Processes;
use crate::resctrl::layout::{Place, Whereabouts, groups};
use crate::resctrl::pause::Pause;

/// Why a task has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// All RMIDs are in use, or not yet to be used again.
    NoId,
    /// Threads of it are in somebody else's group together with threads that are not its own.
    Shared,
    /// This user may not make groups, or resctrl is mounted read-only.
    ReadOnly,
    /// Other tasks are below it.
    HasTasksBelow,
    /// The kernel refused for another reason.
    Refused(Errno),
}

impl Why {
    /// Its number among the kinds of reasons.
    pub(super) fn kind(self) -> u8 {
        match self {
            Self::NoId => 0,
            Self::Shared => 1,
            Self::ReadOnly => 2,
            Self::HasTasksBelow => 3,
            Self::Refused(_) => 4,
        }
    }
}

/// What looking after a task takes.
pub(super) struct Means<'a> {
    /// Root directory of resctrl.
    pub root: &'a OwnedFd,
    /// The hierarchies.
    pub hierarchies: &'a Hierarchies,
    /// Lists threads.
    pub processes: &'a mut Processes,
    /// Room for the content of a file.
    pub buffer: &'a mut Vec<u8>,
    /// Threads of the task, in order.
    pub threads: &'a mut Vec<u32>,
    /// Threads in its groups, in order.
    pub members: &'a mut Vec<u32>,
    /// The pause until groups are made again after RMIDs ran out.
    pub pause: &'a mut Pause,
    /// Whether groups are made in this tick.
    pub may_make: bool,
}

impl Means<'_> {
    /// An RMID was given back, so there is hope for those that have none.
    pub(super) fn was_freed(&mut self) {
        self.pause.end();
        self.may_make = true;
    }
}

/// What is known of all groups while resctrl is locked.
pub(super) struct Scene {
    /// The groups.
    pub groups: Vec<Place>,
    /// Who is in them.
    pub whereabouts: Whereabouts,
    /// Those that this process has made its own.
    pub ours: HashSet<Place>,
}

impl Scene {
    /// Looks at all groups.
    pub(super) fn new(root: &OwnedFd, ours: HashSet<Place>, buffer: &mut Vec<u8>) -> Result<Self, Errno> {
        let groups = groups(root)?;
        let whereabouts = Whereabouts::find(root, &groups, |place| !ours.contains(place), buffer)?;
        Ok(Self { groups, whereabouts, ours })
    }

    /// Looks at all groups again.
    pub(super) fn renew(&mut self, root: &OwnedFd, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        *self = Self::new(root, std::mem::take(&mut self.ours), buffer)?;
        Ok(())
    }

    /// The control group of a thread, by what was seen.
    pub(super) fn control_of(&self, thread: u32) -> &str {
        self.whereabouts.control(thread).map_or("", |at| self.groups[at].control.as_str())
    }
}
