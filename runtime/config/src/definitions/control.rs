//! How changes are made: arguments of who allocates.

use wca_model::Kind as Change;

use super::{Kind, Parameter};
use crate::model::{Control, Mode, OnExit, OnForeignWrite, Rail, SharesConversion};
use crate::reading::{Arguments, Pairs, Reader};

/// Names of every kind of change, in the order of [`Change::ALL`].
pub(super) const CHANGES: &[&str] = &[
    "cpu_quota",
    "cpu_shares",
    "cpu_weight",
    "cpuset_cpus",
    "cpuset_mems",
    "cpuset_memory_migrate",
    "migrate_pages",
    "rdt_group",
    "rdt_l3",
    "rdt_l3_code",
    "rdt_l3_data",
    "rdt_l2",
    "rdt_mb",
    "memory_high",
    "memory_max",
    "memory_low",
    "io_weight",
];

/// Iterations and rates beyond which a number is a mistake.
const MANY: i64 = 1_000_000;

/// Arguments about how changes are made.
pub(super) const CONTROL: [Parameter; 14] = [
    Parameter::with_default(
        "mode",
        Kind::OneOf(&["shadow", "apply"], None),
        "apply",
        "Whether changes are made, or only judged and told as if they were.",
    ),
    Parameter::with_default(
        "on_exit",
        Kind::OneOf(&["restore", "keep"], None),
        "restore",
        "Whether changed values are put back at the end, or stay for the next start, which takes them over.",
    ),
    Parameter::with_default(
        "adopt_ticks",
        Kind::Integer(0, MANY),
        "3",
        "Iterations in which a value that an earlier start left is to be asked for again, else it is put back; and in which a task may be away before its values are.",
    ),
    Parameter::with_default(
        "on_foreign_write",
        Kind::Map(&Kind::OneOf(&["reapply", "yield", "report"], None)),
        "{}",
        "What is done about a value that somebody else has changed, by kind, such as cpu_quota: yield. reapply writes it again, \
         yield leaves it to them, report only says so; without a word it is reapply for cpu_quota and cpu_shares, and yield for others.",
    ),
    Parameter::with_default(
        "reapply_per_minute",
        Kind::Integer(0, MANY),
        "60",
        "Most values that are written again in a minute because somebody else has changed them.",
    ),
    Parameter::with_default(
        "cpu_shares_conversion",
        Kind::OneOf(&["auto", "kernel", "runc-linear", "runc-2025"], None),
        "auto",
        "By which formula CPU shares become a weight of cgroup v2; auto is the one of the cgroups beside the task's.",
    ),
    Parameter::with_default(
        "enable_controllers",
        Kind::Bool,
        "false",
        "Whether a controller that is not enabled on the way to a task is enabled, where nobody else has its say there.",
    ),
    Parameter::with_default(
        "all_or_nothing",
        Kind::Bool,
        "false",
        "Whether one request that cannot be applied keeps all others of its iteration from being applied.",
    ),
    Parameter::with_default(
        "allow_oom",
        Kind::Bool,
        "false",
        "Whether a memory limit may be set below what a task has in use.",
    ),
    Parameter::with_default(
        "migrate_with_swap",
        Kind::Bool,
        "false",
        "Whether pages are moved between nodes while swap is on.",
    ),
    Parameter::with_default(
        "remove_all_resctrl_groups",
        Kind::Bool,
        "false",
        "Whether the RDT groups that exist are removed at start, save those with tasks that WCA did not put there.",
    ),
    Parameter::with_default(
        "force",
        Kind::Bool,
        "false",
        "Whether remove_all_resctrl_groups removes groups too that hold tasks which WCA did not put there.",
    ),
    Parameter::with_default(
        "kubelet_root",
        Kind::Path { absolute: true, readable: false },
        "/var/lib/kubelet",
        "Folder of the machine's kubelet. Where its CPU or memory manager has a policy, cpusets of its pods are left to it.",
    ),
    Parameter::with_default(
        "rails",
        Kind::List(&Kind::Only("Rail")),
        "[]",
        "What the allocator may ask for at most, whatever it asks for.",
    ),
];

/// Takes them.
pub(super) fn control(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Control> {
    let on_foreign_write = foreign_writes(reader, arguments);
    let (removes, force): (bool, bool) = (arguments.take("remove_all_resctrl_groups")?, arguments.take("force")?);
    if force && !removes {
        let what = "`force` is about `remove_all_resctrl_groups`, which is not true".into();
        let help = "with both, every RDT group that exists is removed at start".into();
        reader.error_with_help(&arguments.place_of("force").clone(), what, help);
    }
    let mode: String = arguments.take("mode")?;
    let on_exit: String = arguments.take("on_exit")?;
    let conversion: String = arguments.take("cpu_shares_conversion")?;
    let rails: Vec<Rail> = arguments.take("rails")?;
    Some(Control {
        mode: if mode == "shadow" { Mode::Shadow } else { Mode::Apply },
        on_exit: if on_exit == "keep" { OnExit::Keep } else { OnExit::Restore },
        adopt_ticks: arguments.take("adopt_ticks")?,
        on_foreign_write: on_foreign_write?,
        reapply_per_minute: arguments.take("reapply_per_minute")?,
        cpu_shares_conversion: match conversion.as_str() {
            "kernel" => SharesConversion::Kernel,
            "runc-linear" => SharesConversion::RuncLinear,
            "runc-2025" => SharesConversion::Runc2025,
            _ => SharesConversion::Auto,
        },
        enable_controllers: arguments.take("enable_controllers")?,
        all_or_nothing: arguments.take("all_or_nothing")?,
        allow_oom: arguments.take("allow_oom")?,
        migrate_with_swap: arguments.take("migrate_with_swap")?,
        remove_all_resctrl_groups: removes,
        force,
        kubelet_root: arguments.take("kubelet_root")?,
        rails,
    })
}

fn foreign_writes(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Vec<(Change, OnForeignWrite)>> {
    let pairs: Pairs<String> = arguments.take("on_foreign_write")?;
    let pairs = pairs.0.into_iter().map(|(kind, does)| {
        let does = match does.as_str() {
            "reapply" => OnForeignWrite::Reapply,
            "report" => OnForeignWrite::Report,
            _ => OnForeignWrite::Yield,
        };
        Some((change(&kind, "on_foreign_write", reader, arguments)?, does))
    });
    // Each is looked at, also after one that is wrong.
    pairs.collect::<Vec<_>>().into_iter().collect()
}

/// The kind of this name, which is a key of an argument.
pub(super) fn change(name: &str, argument: &str, reader: &mut Reader<'_>, arguments: &Arguments) -> Option<Change> {
    match name.parse() {
        Ok(kind) => Some(kind),
        Err(_) => {
            let what = format!("`{argument}` names `{name}`, which is no kind of change");
            let help = format!("kinds are {}", CHANGES.join(", "));
            reader.error_with_help(&arguments.place_of(argument).clone(), what, help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_has_its_name_here() {
        let names: Vec<&str> = Change::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names, CHANGES);
    }
}
