//! How changes are made: arguments of who allocates.

use std::collections::BTreeSet;

use wca_model::{Kind as Change, Mode, OnExit, OnFailure, OnForeignWrite, SharesConversion};

use super::{Kind, Parameter};
use crate::model::{Control, Protect, Rail};
use crate::reading::{Arguments, Pairs, Reader, Seconds};

/// Iterations and rates beyond which a number is a mistake.
const MANY: i64 = 1_000_000;

/// Arguments about how changes are made.
pub(super) const CONTROL: [Parameter; 18] = [
    Parameter::with_default(
        "mode",
        Kind::OneOf(Mode::NAMES, None),
        "apply",
        "Whether changes are made, or only judged and told as if they were.",
    ),
    Parameter::with_default(
        "on_exit",
        Kind::OneOf(OnExit::NAMES, None),
        "restore",
        "Whether changed values are put back at the end, or stay for the next start, which takes them over.",
    ),
    Parameter::with_default(
        "on_failure",
        Kind::OneOf(OnFailure::NAMES, None),
        "restore",
        "Whether values are put back, or stay, of a policy that has failed too often to be called again, and of all where the \
         agent has died or fallen silent.",
    ),
    Parameter::with_default(
        "adopt_ticks",
        Kind::Integer(0, MANY),
        "3",
        "Iterations in which a value that an earlier start left is to be asked for again, else it is put back; and in which a task may be away before its values are.",
    ),
    Parameter::with_default(
        "on_foreign_write",
        Kind::Map(&Kind::OneOf(OnForeignWrite::NAMES, None)),
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
        Kind::OneOf(SharesConversion::NAMES, None),
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
    Parameter::optional(
        "changed_tasks_per_minute",
        Kind::Numeric(0.0, 1.0),
        "Part of the tasks that may be changed in any minute, such as 0.25, but always one; null is all.",
    ),
    Parameter::with_default(
        "protect",
        Kind::List(&Kind::Only("Protect")),
        "[]",
        "Tasks that must not get worse by what is done; where one does, it is undone.",
    ),
    Parameter::with_default(
        "cool_down",
        Kind::Numeric(0.01, 86_400.0),
        "60",
        "Seconds in which a policy may change nothing after its changes were undone; twice as long each time that it happens again, \
         an hour at most.",
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
    let on_failure: String = arguments.take("on_failure")?;
    let conversion: String = arguments.take("cpu_shares_conversion")?;
    let rails: Vec<Rail> = arguments.take("rails")?;
    let protect: Vec<Protect> = arguments.take("protect")?;
    named_apart(reader, &protect)?;
    Some(Control {
        mode: Mode::named(&mode)?,
        on_exit: OnExit::named(&on_exit)?,
        on_failure: OnFailure::named(&on_failure)?,
        adopt_ticks: arguments.take("adopt_ticks")?,
        on_foreign_write: on_foreign_write?,
        reapply_per_minute: arguments.take("reapply_per_minute")?,
        cpu_shares_conversion: SharesConversion::named(&conversion)?,
        enable_controllers: arguments.take("enable_controllers")?,
        all_or_nothing: arguments.take("all_or_nothing")?,
        allow_oom: arguments.take("allow_oom")?,
        migrate_with_swap: arguments.take("migrate_with_swap")?,
        remove_all_resctrl_groups: removes,
        force,
        kubelet_root: arguments.take("kubelet_root")?,
        rails,
        changed_tasks_per_minute: arguments.take("changed_tasks_per_minute")?,
        protect,
        cool_down: arguments.take::<Seconds>("cool_down")?.0,
    })
}

/// What is counted of one must not be taken for another's.
fn named_apart(reader: &mut Reader<'_>, protect: &[Protect]) -> Option<()> {
    let mut names = BTreeSet::new();
    let mut are_apart = Some(());
    for one in protect {
        if !names.insert(one.name.as_str()) {
            let what = format!("two of `protect` are named `{}`", one.name);
            reader.error_with_help(&one.place, what, "each needs a name of its own, which its metrics have".into());
            are_apart = None;
        }
    }
    are_apart
}

fn foreign_writes(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Vec<(Change, OnForeignWrite)>> {
    let pairs: Pairs<String> = arguments.take("on_foreign_write")?;
    let pairs = pairs.0.into_iter().map(|(kind, does)| {
        let does = OnForeignWrite::named(&does)?;
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
            let help = format!("kinds are {}", Change::NAMES.join(", "));
            reader.error_with_help(&arguments.place_of(argument).clone(), what, help);
            None
        }
    }
}
