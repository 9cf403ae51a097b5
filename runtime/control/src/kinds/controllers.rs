//! Controllers of cgroup v2: whether one reaches a task, and how it comes to
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html#enabling-and-disabling>).

use wca_kernel::values::Spot;

use crate::context::Context;
use crate::plan::Step;

const ENABLED: &str = "enabled";

/// Whether a controller reaches a cgroup, and what is to be done for it.
pub(super) struct Reach {
    pub(super) is_enabled: bool,
    pub(super) steps: Vec<Step>,
}

/// The cgroups above one, the nearest first and the root last.
pub(super) fn above(cgroup: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = cgroup;
    while let Some((rest, _)) = path.rsplit_once('/') {
        all.push(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() });
        path = rest;
    }
    all
}

/// Looks at each cgroup above, from the root down. What an earlier process has enabled comes back as a step, so that it is known to
/// be wanted still.
pub(super) fn reach(mount: &str, cgroup: &str, controller: &str, context: &Context<'_>) -> Result<Reach, String> {
    let mut reach = Reach { is_enabled: true, steps: Vec::new() };
    for above in above(cgroup).into_iter().rev() {
        let spot = Spot::Controller { mount: mount.into(), cgroup: above.clone(), controller: controller.into() };
        let is_enabled = context.values.read(&spot).map_err(|error| error.to_string())? == ENABLED;
        let waits = context.journal.get(&spot).is_some_and(|entry| entry.adopted.is_some());
        if is_enabled && !waits {
            continue;
        }
        reach.is_enabled &= is_enabled;
        if !is_enabled {
            may_enable(mount, &above, controller, context)?;
        }
        reach.steps.push(Step { spot, value: ENABLED.into() });
    }
    Ok(reach)
}

fn may_enable(mount: &str, cgroup: &str, controller: &str, context: &Context<'_>) -> Result<(), String> {
    let file = format!("{mount}{}/cgroup.subtree_control", cgroup.trim_end_matches('/'));
    let missing = format!("the controller {controller} does not reach the task: it is not in {file}");
    if context.values.is_systemds(mount, cgroup) {
        return Err(format!(
            "{missing}, which systemd manages; let it hand the controller down (`Delegate={controller}` of the unit that makes the \
             task's cgroup, or a setting of that unit which needs it)"
        ));
    }
    if !context.settings.enable_controllers {
        return Err(format!(
            "{missing}; `enable_controllers: true` lets WCA put it there, as does `echo +{controller} > {file}`"
        ));
    }
    has_no_processes(mount, cgroup, context)
}

/// The kernel hands nothing down from a cgroup with processes of its own, save from the root.
fn has_no_processes(mount: &str, cgroup: &str, context: &Context<'_>) -> Result<(), String> {
    let spot = Spot::Cgroup { mount: mount.into(), cgroup: cgroup.into(), file: "cgroup.procs".into() };
    match context.values.read(&spot) {
        Ok(processes) if cgroup != "/" && !processes.is_empty() => Err(format!(
            "{spot} is not empty, and the kernel hands no controller down from a cgroup with processes of its own"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_above_end_at_the_root() {
        assert_eq!(above("/a/b/c"), ["/a/b", "/a", "/"]);
        assert_eq!(above("/a"), ["/"]);
    }
}
