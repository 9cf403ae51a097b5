//! What is said of tasks without values and of counters without numbers.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::excerpt;
use crate::family::Moment;
use crate::resctrl::counters::Reading;
use crate::resctrl::means::Why;
use crate::resctrl::task::Task;
use crate::{KernelError, Notice, Said};

/// How many tasks a notice names.
const NAMED: usize = 5;

/// Tells of tasks that have no values, each reason once for each task and all tasks of a reason together.
pub(super) fn without_values(tasks: &mut [Task], mount: &Path, moment: &mut Moment<'_>) {
    for kind in 0..5 {
        let mut found = None;
        let (mut cgroups, mut more) = (Vec::new(), 0);
        for task in &mut *tasks {
            let Some(why) = task.why.filter(|why| why.kind() == kind && task.told & (1 << kind) == 0) else {
                continue;
            };
            task.told |= 1 << kind;
            found = Some(why);
            if cgroups.len() < NAMED {
                cgroups.push(format!("/{}", task.cgroup));
            } else {
                more += 1;
            }
        }
        if let Some(why) = found {
            let reason = reason(why, mount);
            moment.notices.push(Notice::NotMonitored { cgroups, more, reason });
        }
    }
}

/// Tells of threads that could not be listed, once.
pub(super) fn of_error(error: &KernelError, said: &mut Said, notices: &mut Vec<Notice>) {
    let notice = match error {
        KernelError::Read { path, source } => Notice::Unreadable { path: path.clone(), error: source.to_string() },
        KernelError::Malformed { path, found, .. } => Notice::Malformed { path: path.clone(), found: found.clone() },
        _ => return,
    };
    if said.first(&notice) {
        notices.push(notice);
    }
}

/// Tells of a counter that has no number, once for each kind of trouble.
pub(super) fn of_counter(reading: Reading, path: impl FnOnce() -> PathBuf, moment: &mut Moment<'_>) {
    match reading {
        Reading::Bytes(_) | Reading::Unavailable | Reading::Gone => {}
        Reading::Refused(word) => {
            if moment.said.first(("resctrl", word)) {
                let remedy = match word {
                    "Unassigned" => {
                        "all hardware counters are assigned to other groups: measure fewer tasks, or write `default` \
                         to info/L3_MON/mbm_assign_mode"
                    }
                    _ => "the hardware gives no count for this group; see `dmesg`",
                };
                let reason = format!("{path:?} says {word:?}: {remedy}", path = path());
                moment.notices.push(Notice::NotKnown { what: "a counter of resctrl", reason });
            }
        }
        Reading::Malformed(count) => {
            if moment.said.first(("resctrl", "malformed")) {
                let found = excerpt(&moment.buffer[..count]);
                moment.notices.push(Notice::Malformed { path: path(), found });
            }
        }
        Reading::Short => {
            if moment.said.first("resctrl descriptors") {
                moment.notices.push(Notice::DescriptorsShort { kept: 0 });
            }
        }
        Reading::Failed(error) => {
            if moment.said.first(("resctrl counter", error.raw_os_error())) {
                let path = path();
                moment.notices.push(match error {
                    Errno::ACCESS | Errno::PERM => Notice::Denied { path },
                    error => Notice::Unreadable { path, error: error.to_string() },
                });
            }
        }
    }
}

fn reason(why: Why, mount: &Path) -> String {
    let mount = mount.display();
    match why {
        Why::NoId => format!(
            "no monitoring id (RMID) is free for a group; it is tried again. {mount}/info/L3_MON/num_rmids says how many \
             there are, and max_threshold_occupancy beside it how empty the cache must be before a freed one is used again"
        ),
        Why::Shared => {
            "some of its threads are in a group of another program together with threads of others".to_owned()
        }
        Why::ReadOnly => format!(
            "this user may not make groups or write threads in {mount}, or it is mounted read-only; groups that are \
             there and hold a task alone are read"
        ),
        Why::HasTasksBelow => {
            "cgroups of other tasks lie below it, and a thread is counted for one task only, which is the one below"
                .to_owned()
        }
        Why::Refused(error) => {
            format!("the kernel refuses its group in {mount}: {error}; see info/last_cmd_status there")
        }
    }
}
