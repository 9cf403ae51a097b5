//! Why something is not counted, and what can be done about it.

use std::path::Path;

use rustix::io::Errno;

use crate::Notice;

/// What the kernel meant by an error of perf_event_open(2), and the remedy.
pub(crate) fn meaning(error: Errno) -> (String, &'static str) {
    let (reason, remedy) = match error {
        Errno::ACCESS | Errno::PERM => (
            "the kernel does not let this user count",
            "run as root, or give CAP_PERFMON, or set kernel.perf_event_paranoid to 0",
        ),
        Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV | Errno::NXIO => (
            "this processor, or this virtual machine, has no counter for it",
            "give the virtual machine a PMU, or leave the event out",
        ),
        Errno::INVAL => ("this processor refuses it", "check the numbers of the event, or leave it out"),
        Errno::BUSY => ("somebody else has the counters for himself", "end the other profiler"),
        Errno::NOSYS => ("this kernel counts nothing", "use a kernel with CONFIG_PERF_EVENTS"),
        Errno::TOOBIG => ("this kernel is too old for it", "use a newer kernel, or leave the event out"),
        _ => ("the kernel refuses it", "see perf_event_open(2)"),
    };
    (format!("{reason} ({error})"), remedy)
}

/// An event is not counted.
pub(crate) fn event(metric: &str, error: Errno) -> Notice {
    let (reason, remedy) = meaning(error);
    Notice::NotCounted { what: metric.to_owned(), reason, remedy: remedy.to_owned() }
}

/// How many processors a sentence names; of more it says how many they are.
const NAMED: usize = 8;

/// An event is not counted on some processors, though it is on others, or for other tasks.
pub(crate) fn event_on(metric: &str, cpus: &[u32], error: Errno) -> Notice {
    let where_not = match cpus {
        [cpu] => format!("CPU {cpu}"),
        cpus if cpus.len() > NAMED => format!("{} CPUs", cpus.len()),
        cpus => {
            let numbers: Vec<String> = cpus.iter().map(ToString::to_string).collect();
            format!("CPUs {}", numbers.join(", "))
        }
    };
    event(&format!("{metric} on {where_not}"), error)
}

/// A name is not one of an event.
pub(crate) fn name(name: &str, error: &impl ToString) -> Notice {
    Notice::NotCounted {
        what: name.to_owned(),
        reason: error.to_string(),
        remedy: "correct the name, or leave it out".to_owned(),
    }
}

/// Nothing can be counted per cgroup, since no hierarchy has the perf_event controller.
pub(crate) fn no_hierarchy() -> Notice {
    Notice::NotCounted {
        what: "events of tasks".into(),
        reason: "neither the perf_event hierarchy of cgroup v1 nor cgroup v2 is mounted".into(),
        remedy: "mount one of them".into(),
    }
}

/// The kernel knows no cgroup of v2 for counters as long as controllers were never handed down from the root.
pub(crate) fn not_handed_down(hierarchy: &Path) -> Notice {
    let file = hierarchy.join("cgroup.subtree_control");
    Notice::NotCounted {
        what: "events of tasks".into(),
        reason: format!("the kernel counts nothing per cgroup before {} was written once", file.display()),
        remedy: format!("echo +cpu > {}", file.display()),
    }
}

/// A task has no cgroup where counters look for it.
pub(crate) fn no_cgroup(dir: &Path, error: Errno) -> Notice {
    Notice::NotCounted {
        what: "events of tasks".into(),
        reason: format!("the cgroup {dir:?} cannot be opened ({error})"),
        remedy: "have the container runtime make its cgroups in this hierarchy too".into(),
    }
}

/// A PMU outside of cores is not there.
pub(crate) fn no_pmu(sort: &str) -> Notice {
    Notice::NotCounted {
        what: format!("events of {sort}"),
        reason: "this machine has no PMU of that name in /sys/bus/event_source/devices".into(),
        remedy: "load the kernel module intel_uncore, mount /sys, or leave the events out; virtual machines have none"
            .into(),
    }
}

/// There are no descriptors left for something.
pub(crate) fn no_descriptors(what: &str) -> Notice {
    Notice::NotCounted {
        what: what.to_owned(),
        reason: "the process has run out of descriptors".into(),
        remedy: "raise the limit on open files (ulimit -n, LimitNOFILE)".into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(1, "x on CPU 0: not counted: somebody else has")]
    #[case(3, "x on CPUs 0, 1, 2: not counted: ")]
    #[case(64, "x on 64 CPUs: not counted: ")]
    fn processors_are_named_while_they_are_few(#[case] count: u32, #[case] expected: &str) {
        let cpus: Vec<u32> = (0..count).collect();
        let said = event_on("x", &cpus, Errno::BUSY).to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
