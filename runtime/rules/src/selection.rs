//! Which tasks the operator means.

use crate::glob;
use crate::rails::RailedTask;

/// Tasks that have all labels of `tasks`, not all those of `except`, and a cgroup that one of `cgroups` matches. What is empty
/// leaves nobody out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    /// Labels, each with a pattern of `*` and `?`.
    pub(crate) tasks: &'a [(String, String)],
    /// Labels of those that are left out.
    pub(crate) except: &'a [(String, String)],
    /// Patterns for paths of cgroups.
    pub(crate) cgroups: &'a [String],
}

impl Selection<'_> {
    /// Whether this task is one of them.
    pub(crate) fn has(&self, task: RailedTask<'_>) -> bool {
        let has = |(name, pattern): &(String, String)| {
            task.labels.iter().any(|(label, value)| label == name && glob::matches(pattern, value))
        };
        let is_excepted = !self.except.is_empty() && self.except.iter().all(has);
        let is_there =
            self.cgroups.is_empty() || self.cgroups.iter().any(|pattern| glob::matches(pattern, task.cgroup));
        is_there && self.tasks.iter().all(has) && !is_excepted
    }
}
