//! Kinds of requests: what each means for the files of a task, on cgroup v1 and on v2.

pub(crate) mod rdt;

use wca_model::Change;

use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

/// What a change of one task means for the kernel. Groups of resctrl are planned all together, in [`rdt`].
///
/// # Errors
/// Why it cannot be done, with the file, in words for an operator.
pub(crate) fn plan(change: &Change, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let _ = (task, context);
    Err(format!("{} is not applied yet", change.kind().as_str()))
}
