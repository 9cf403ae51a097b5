//! Rails: what an operator lets policies do, whatever they ask for. They hold around every allocator, and are kept in the warden.

mod bounds;
mod rates;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use wca_model::{Change, Kind, Label};

pub use rates::Rates;

use crate::glob;
use crate::selection::Selection;

/// Rails, in the order in which the operator wrote them. Each holds for the tasks that it names; a request must keep within all
/// rails of its task, and a task that no rail names has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rails(pub Vec<Rail>);

/// What may be asked for of some tasks. What is not said is not bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rail {
    /// Its name, for messages.
    pub name: String,
    /// Where it stands, as `file:line`.
    pub place: String,
    /// Labels of the tasks that it holds for, each with a pattern of `*` and `?`; all must match. None: all tasks.
    pub tasks: Vec<(String, String)>,
    /// Tasks with all of these labels are left out; none: nobody is.
    pub except: Vec<(String, String)>,
    /// Patterns for paths of cgroups, one of which must match; none: all.
    pub cgroups: Vec<String>,
    /// Kinds that may be asked for; none: all.
    pub kinds: Option<BTreeSet<Kind>>,
    /// Least and most of a kind: of numbers the number, of caches the ways, of cpusets the processors or nodes.
    pub ranges: BTreeMap<Kind, (f64, f64)>,
    /// Processors that may be given.
    pub cpus: Option<BTreeSet<u32>>,
    /// NUMA nodes that may be given or moved to.
    pub mems: Option<BTreeSet<u32>>,
    /// Ways of L3 that may be given, by domain; other domains are not bounded.
    pub l3: BTreeMap<u32, u64>,
    /// Ways of L2 that may be given, by domain.
    pub l2: BTreeMap<u32, u64>,
    /// Most memory bandwidth by domain, in the machine's unit.
    pub mb: BTreeMap<u32, u32>,
    /// Patterns for names of resctrl groups; the empty name is the root group, and a group of a task's own needs `*`. None: all.
    pub groups: Option<Vec<String>>,
    /// Bytes that may be moved between nodes in any minute, over all its tasks.
    pub migrated_bytes_per_minute: Option<u64>,
    /// Changes in any minute, over all its tasks.
    pub changes_per_minute: Option<u32>,
    /// Whether a value that is out of bounds becomes the nearest one within, where there is one; else it is refused.
    pub clamp: bool,
}

/// A task, as far as rails look at it.
#[derive(Clone, Copy, Debug)]
pub struct RailedTask<'a> {
    /// Its labels.
    pub labels: &'a [Label],
    /// Path of its cgroup.
    pub cgroup: &'a str,
}

/// A change within the rails.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded {
    /// The change.
    pub change: Change,
    /// The rails that made it another one than was asked for, in words; none: it is as asked for.
    pub clamped: Option<String>,
}

/// A change that the rails do not let pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rail `{rail}` ({place}): {what}")]
pub struct OffRails {
    /// Name of the rail.
    pub rail: String,
    /// Where it stands.
    pub place: String,
    /// What is out of bounds, and what the bounds are.
    pub what: String,
}

impl Rails {
    /// The change as far as the rails of the task let it pass. Giving a value back always passes. A change that was clamped can be
    /// one that the machine does not take, so that it is to be validated again.
    ///
    /// # Errors
    /// [`OffRails`], with the first rail that does not let it pass.
    pub fn bound(&self, task: RailedTask<'_>, change: &Change) -> Result<Bounded, OffRails> {
        let mut change = change.clone();
        let mut clamped = Vec::new();
        for rail in self.of(task).filter(|rail| rail.clamp) {
            if let Err(out) = rail.check(&change)
                && let Some(within) = out.nearest
            {
                change = within;
                clamped.push(format!("`{}` ({})", rail.name, rail.place));
            }
        }
        for rail in self.of(task) {
            rail.check(&change).map_err(|out| rail.off(out.what))?;
        }
        let clamped = (!clamped.is_empty()).then(|| format!("clamped by rail {}", clamped.join(", ")));
        Ok(Bounded { change, clamped })
    }

    /// Whether a group of resctrl may be used for a task, which a request of another kind leads to; none: one of its own.
    ///
    /// # Errors
    /// [`OffRails`], with the first rail that does not let it pass.
    pub fn check_group(&self, task: RailedTask<'_>, group: Option<&str>) -> Result<(), OffRails> {
        self.of(task).try_for_each(|rail| rail.group_named(group).map_err(|out| rail.off(out.what)))
    }

    /// The rails of a task.
    fn of<'a>(&'a self, task: RailedTask<'a>) -> impl Iterator<Item = &'a Rail> {
        self.0.iter().filter(move |rail| rail.holds_for(task))
    }

    /// Names of groups that the rails name, which are no patterns: they may be written though somebody else has made them.
    #[must_use]
    pub fn named_groups(&self) -> Vec<String> {
        let names = self.0.iter().flat_map(|rail| rail.groups.iter().flatten());
        let names: BTreeSet<&String> = names.filter(|name| !glob::is_pattern(name)).collect();
        names.into_iter().cloned().collect()
    }
}

impl Rail {
    /// Whether it holds for this task.
    fn holds_for(&self, task: RailedTask<'_>) -> bool {
        Selection { tasks: &self.tasks, except: &self.except, cgroups: &self.cgroups }.has(task)
    }

    /// What is out of its bounds.
    #[must_use]
    pub fn off(&self, what: String) -> OffRails {
        OffRails { rail: self.name.clone(), place: self.place.clone(), what }
    }
}
