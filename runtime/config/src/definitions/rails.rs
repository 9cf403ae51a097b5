//! Rails: what may be asked for at most.

use wca_model::Kind as Change;

use super::control::change;
use super::selector::{EXCEPT, selector};
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{Rail, Role};
use crate::quantity::parse_bytes;
use crate::reading::{Arguments, Bound, Made, Pairs, Reader};

/// Bytes and changes beyond which a number is a mistake.
const MANY: i64 = 1_000_000_000;
const LIST: Kind = Kind::Either(&[Kind::Integer(0, u32::MAX as i64), Kind::Text]);
const BOUND: Kind = Kind::Either(&[Kind::Number, Kind::Text]);

pub(super) const RAIL: Definition = Definition {
    tag: "Rail",
    role: Role::Value,
    help: "What an allocator may ask for of some tasks, whatever it asks for. A request must keep within all rails of its task.",
    available: true,
    shape: Shape::Arguments(
        &[
            Parameter::required("name", Kind::Text, "Its name, for messages."),
            Parameter::with_default(
                "tasks",
                Kind::Map(&Kind::Text),
                "{}",
                "Labels of the tasks that it holds for, each with a pattern of * and ?; all must match, and without any it holds for all tasks.",
            ),
            EXCEPT,
            Parameter::with_default(
                "cgroups",
                Kind::List(&Kind::Text),
                "[]",
                "Patterns for the paths of cgroups of which one must match, such as /kubepods/besteffort/*; without any, all do.",
            ),
            Parameter::optional(
                "kinds",
                Kind::List(&Kind::OneOf(Change::NAMES, None)),
                "Kinds of change that may be asked for; null is all, an empty list is none.",
            ),
            Parameter::with_default(
                "ranges",
                Kind::Map(&Kind::List(&BOUND)),
                "{}",
                "Least and most by kind, such as cpu_quota: [0.2, 0.8] or memory_max: [1Gi, 8Gi]; of caches the number of ways, of \
                 cpusets that of processors or nodes.",
            ),
            Parameter::optional("cpus", LIST, "Processors that may be given, such as 2-7; null is all."),
            Parameter::optional("mems", LIST, "NUMA nodes that may be given or moved to; null is all."),
            Parameter::optional(
                "l3",
                Kind::Text,
                "Ways of L3 that may be given by domain, such as L3:0=ff0;1=ff0; other domains are not bounded.",
            ),
            Parameter::optional("l2", Kind::Text, "Ways of L2 that may be given by domain, such as L2:0=f0."),
            Parameter::optional(
                "mb",
                Kind::Text,
                "Most memory bandwidth by domain in the unit of the machine, such as MB:0=60;1=60.",
            ),
            Parameter::optional(
                "groups",
                Kind::List(&Kind::Text),
                "Patterns for RDT groups that tasks may be put into; an empty text is the root group, and a group of a task's own needs *.",
            ),
            Parameter::optional(
                "migrated_bytes_per_minute",
                Kind::Either(&[Kind::Integer(0, i64::MAX), Kind::Text]),
                "Bytes that may be moved between nodes in any minute, such as 1Gi, over all its tasks.",
            ),
            Parameter::optional(
                "changes_per_minute",
                Kind::Integer(0, MANY),
                "Changes in any minute, over all its tasks.",
            ),
            Parameter::with_default(
                "clamp",
                Kind::Bool,
                "false",
                "Whether a value out of bounds becomes the nearest one within, where there is one; else it is refused.",
            ),
        ],
        rail,
    ),
};

fn rail(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let kinds: Option<Vec<String>> = arguments.take("kinds")?;
    let ranges = ranges(reader, arguments);
    let (cpus, mems) = (list("cpus", reader, arguments), list("mems", reader, arguments));
    let l3 = row("l3", "L3", hexadecimal, reader, arguments);
    let l2 = row("l2", "L2", hexadecimal, reader, arguments);
    let mb = row("mb", "MB", |text| text.parse().ok(), reader, arguments);
    let bytes = bytes_per_minute(reader, arguments);
    let (tasks, except, cgroups) = selector(arguments)?;
    Some(Made::Rail(Box::new(Rail {
        place: arguments.place.clone(),
        name: arguments.take("name")?,
        tasks,
        except,
        cgroups,
        kinds: kinds.map(|kinds| kinds.iter().filter_map(|kind| kind.parse().ok()).collect()),
        ranges: ranges?,
        cpus: cpus?,
        mems: mems?,
        l3: l3?,
        l2: l2?,
        mb: mb?,
        groups: arguments.take("groups")?,
        migrated_bytes_per_minute: bytes?,
        changes_per_minute: arguments.take("changes_per_minute")?,
        clamp: arguments.take("clamp")?,
    })))
}

fn wrong(argument: &str, what: &str, help: &str, reader: &mut Reader<'_>, arguments: &Arguments) {
    let what = format!("`{argument}` of `!Rail` {what}");
    reader.error_with_help(&arguments.place_of(argument).clone(), what, help.into());
}

fn ranges(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Vec<(Change, f64, f64)>> {
    let pairs: Pairs<Vec<Bound>> = arguments.take("ranges")?;
    let ranges = pairs.0.into_iter().map(|(name, bounds)| {
        let kind = change(&name, "ranges", reader, arguments)?;
        if matches!(kind, Change::CpusetMemoryMigrate | Change::MigratePages | Change::RdtGroup) {
            let what = format!("has one of {name}, which has no number");
            wrong("ranges", &what, "`mems` and `groups` bound nodes and groups", reader, arguments);
            return None;
        }
        let numbers: Option<Vec<f64>> = bounds.iter().map(number).collect();
        match numbers.as_deref() {
            Some([least, most]) if least <= most => Some((kind, *least, *most)),
            _ => {
                let what = format!("must have two numbers for {name}, the first not above the second");
                wrong("ranges", &what, "cpu_quota: [0.2, 0.8], or memory_max: [1Gi, 8Gi]", reader, arguments);
                None
            }
        }
    });
    ranges.collect::<Vec<_>>().into_iter().collect()
}

fn number(bound: &Bound) -> Option<f64> {
    match bound {
        Bound::Number(number) => Some(*number),
        #[allow(clippy::cast_precision_loss, reason = "a bound is a number that a person wrote")]
        Bound::Text(text) => parse_bytes(text).ok().map(|bytes| bytes as f64),
    }
}

/// A list as the kernel writes it, such as `0-3,8`.
fn list(argument: &str, reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Option<Vec<u32>>> {
    let Some(text) = arguments.take::<Option<Bound>>(argument)? else { return Some(None) };
    let text = text.to_string();
    let ids = text.split(',').map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        // More than any machine has would cost memory.
        (first <= last && last < 65_536).then_some(first..=last)
    });
    match ids.collect::<Option<Vec<_>>>() {
        Some(ids) => Some(Some(ids.into_iter().flatten().collect())),
        None => {
            wrong(argument, "must be a list of numbers", "such as 2-7, or 0,2,4", reader, arguments);
            None
        }
    }
}

/// A line as `schemata` has them, such as `L3:0=ff;1=ff`.
fn row<T>(
    argument: &str,
    resource: &str,
    value: impl Fn(&str) -> Option<T>,
    reader: &mut Reader<'_>,
    arguments: &mut Arguments,
) -> Option<Vec<(u32, T)>> {
    let Some(text) = arguments.take::<Option<String>>(argument)? else { return Some(Vec::new()) };
    let domains = text.strip_prefix(resource).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| {
        let parts = rest.split(';').map(|part| {
            let (domain, text) = part.split_once('=')?;
            Some((domain.trim().parse::<u32>().ok()?, value(text.trim())?))
        });
        parts.collect::<Option<Vec<_>>>()
    });
    let is_unique = |domains: &[(u32, T)]| {
        domains
            .iter()
            .enumerate()
            .all(|(at, (domain, _))| domains.iter().skip(at + 1).all(|(other, _)| other != domain))
    };
    match domains.filter(|domains| is_unique(domains)) {
        Some(domains) => Some(domains),
        None => {
            let what = format!("must be a line of {resource} as resctrl writes it, each domain once");
            let help = if resource == "MB" { "MB:0=60;1=60".into() } else { format!("{resource}:0=ff0;1=ff0") };
            wrong(argument, &what, &help, reader, arguments);
            None
        }
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))
}

fn bytes_per_minute(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Option<u64>> {
    let argument = "migrated_bytes_per_minute";
    let Some(bytes) = arguments.take::<Option<Bound>>(argument)? else { return Some(None) };
    match parse_bytes(&bytes.to_string()) {
        Ok(bytes) => Some(Some(bytes)),
        Err(_) => {
            wrong(argument, "must be a number of bytes", "such as 1Gi, or 500M", reader, arguments);
            None
        }
    }
}
