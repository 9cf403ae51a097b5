//! Processors: which are online, and where they sit.

use std::collections::{BTreeMap, BTreeSet};

use wca_model::platform::Cpu;

use crate::error::excerpt;
use crate::files::{parse_optional, read_file, read_optional};
use crate::platform::nodes::Node;
use crate::text::{lines, number, number_list, words};
use crate::{KernelError, Roots};

/// Where a processor sits.
struct Place {
    id: u32,
    socket: u32,
    /// Lowest processor of the same core, by which threads of one core know each other.
    first: u32,
    /// The kernel's number of the core. Two cores of a socket can have the same one: it is unique within a die on x86 and
    /// within a cluster on Arm, and 0 for all where the architecture has no such number.
    core: u32,
}

/// The same as far as the kernel says it (<https://docs.kernel.org/admin-guide/cputopology.html>,
/// Documentation/ABI/stable/sysfs-devices-system-cpu).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hint {
    socket: Option<u32>,
    first: Option<u32>,
    die: Option<u32>,
    core: Option<u32>,
}

/// The processors that are online, by number.
pub(crate) fn cpus(roots: &Roots, nodes: &[Node]) -> Result<Vec<Cpu>, KernelError> {
    let places = places(roots)?;
    let cores = core_numbers(&places);
    // One that no node lists, as while it is plugged, counts as of the first: node 0 need not be there.
    let of = |id| nodes.iter().find(|node| node.cpus.contains(&id)).or(nodes.first());
    let node_of = |id| of(id).map_or(0, |node| node.facts.id);
    Ok(places
        .into_iter()
        .map(|place| Cpu {
            id: place.id,
            core: cores.get(&(place.socket, place.first)).copied().unwrap_or(place.core),
            socket: place.socket,
            node: node_of(place.id),
        })
        .collect())
}

/// From /sys, or else, where a container hides it, from the lines of /proc/stat.
fn online(roots: &Roots) -> Result<Vec<u32>, KernelError> {
    let path = roots.path("/sys/devices/system/cpu/online");
    if let Some(online) = parse_optional(&path, "a list such as 0-3,8", non_empty_list)? {
        return Ok(online);
    }
    let path = roots.path("/proc/stat");
    let bytes = read_file(&path)?;
    let online: Vec<u32> = lines(&bytes)
        .filter_map(|line| words(line).next()?.strip_prefix(b"cpu"))
        .filter_map(|id| u32::try_from(number(id)?).ok())
        .collect();
    if online.is_empty() {
        return Err(KernelError::Malformed { path, expected: "lines of processors", found: excerpt(&bytes) });
    }
    Ok(online)
}

fn non_empty_list(bytes: &[u8]) -> Option<Vec<u32>> {
    number_list(bytes).filter(|list| !list.is_empty())
}

/// From /sys, and where a container hides it from /proc/cpuinfo. A processor of which neither says where it sits is a core
/// of its own in socket 0.
fn places(roots: &Roots) -> Result<Vec<Place>, KernelError> {
    let online = online(roots)?;
    let mut hints: Vec<Hint> = online.iter().map(|id| topology(roots, *id)).collect::<Result<_, _>>()?;
    if hints.iter().any(|hint| hint.socket.is_none() || hint.core.is_none()) {
        let cpuinfo = read_optional(&roots.path("/proc/cpuinfo"))?.unwrap_or_default();
        let known = cpuinfo_hints(&cpuinfo);
        for (hint, id) in hints.iter_mut().zip(&online) {
            let other = known.get(id).copied().unwrap_or_default();
            *hint = Hint { socket: hint.socket.or(other.socket), core: hint.core.or(other.core), ..*hint };
        }
    }
    let alike = |hint: Hint| (hint.socket, hint.die, hint.core);
    let first_alike =
        |hint| online.iter().zip(&hints).find(|(_, other)| alike(**other) == alike(hint)).map(|(id, _)| *id);
    let place = |(id, hint): (u32, Hint)| Place {
        id,
        socket: hint.socket.unwrap_or(0),
        first: hint.first.or_else(|| first_alike(hint).filter(|_| hint.core.is_some())).unwrap_or(id),
        core: hint.core.unwrap_or(id),
    };
    Ok(online.iter().copied().zip(hints.iter().copied()).map(place).collect())
}

fn topology(roots: &Roots, id: u32) -> Result<Hint, KernelError> {
    let topology = roots.path(format!("/sys/devices/system/cpu/cpu{id}/topology"));
    let read = |file: &str| parse_optional(&topology.join(file), "a number", id_or_unknown).map(Option::flatten);
    let first = |file: &str| parse_optional(&topology.join(file), "a list such as 0-3,8", first_of_list);
    Ok(Hint {
        socket: read("physical_package_id")?,
        // The name that kernels had before 5.3.
        first: first("core_cpus_list")?.map_or_else(|| first("thread_siblings_list"), |first| Ok(Some(first)))?,
        die: read("die_id")?,
        core: read("core_id")?,
    })
}

fn first_of_list(bytes: &[u8]) -> Option<u32> {
    number_list(bytes)?.into_iter().min()
}

/// `physical id` and `core id` of each `processor` in /proc/cpuinfo, which x86 writes (proc_cpuinfo(5)).
fn cpuinfo_hints(cpuinfo: &[u8]) -> BTreeMap<u32, Hint> {
    let mut hints: BTreeMap<u32, Hint> = BTreeMap::new();
    let mut id = None;
    for line in lines(cpuinfo) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        let value = number(value).and_then(|value| u32::try_from(value).ok());
        match (key.trim_ascii(), id) {
            (b"processor", _) => id = value,
            (b"physical id", Some(id)) => hints.entry(id).or_default().socket = value,
            (b"core id", Some(id)) => hints.entry(id).or_default().core = value,
            _ => {}
        }
    }
    hints
}

/// A number; the inner none for -1, with which firmware that does not know (many Arm boards) answers.
fn id_or_unknown(bytes: &[u8]) -> Option<Option<u32>> {
    match bytes.trim_ascii() {
        b"-1" => Some(None),
        // Some kernels print their unknown as 65535 or 4294967295; as a number of its own it does no harm.
        digits => u32::try_from(number(digits)?).ok().map(Some),
    }
}

/// Numbers of cores that are unique within the socket, by socket and lowest processor: the kernel's where they are, else
/// counted.
fn core_numbers(places: &[Place]) -> BTreeMap<(u32, u32), u32> {
    let mut sockets: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
    for place in places {
        sockets.entry(place.socket).or_default().entry(place.first).or_insert(place.core);
    }
    let mut numbers = BTreeMap::new();
    for (socket, cores) in sockets {
        let distinct = cores.values().collect::<BTreeSet<_>>().len();
        for ((first, core), counted) in cores.iter().zip(0..) {
            numbers.insert((socket, *first), if distinct == cores.len() { *core } else { counted });
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Numbers of the cores of processors 0, 1, …, of each of which the socket, the first processor of the core, and the
    /// kernel's number of it are given.
    fn numbers(places: &[(u32, u32, u32)]) -> Vec<u32> {
        let places: Vec<Place> =
            places.iter().zip(0..).map(|(&(socket, first, core), id)| Place { id, socket, first, core }).collect();
        let numbers = core_numbers(&places);
        places.iter().map(|place| numbers[&(place.socket, place.first)]).collect()
    }

    #[rstest]
    #[case::threads(&[(0, 0, 0), (0, 1, 4), (0, 0, 0), (0, 1, 4)], &[0, 4, 0, 4])]
    #[case::another_socket(&[(0, 0, 0), (1, 1, 0)], &[0, 0])]
    #[case::dies_that_count_on(&[(0, 0, 3), (0, 1, 7)], &[3, 7])]
    #[case::dies_that_begin_anew(&[(0, 0, 0), (0, 1, 1), (0, 2, 0), (0, 3, 1), (0, 3, 1)], &[0, 1, 2, 3, 3])]
    #[case::no_numbers_at_all(&[(0, 0, 0), (0, 1, 0), (0, 2, 0)], &[0, 1, 2])]
    fn cores_have_the_kernels_numbers_where_these_tell_them_apart(
        #[case] places: &[(u32, u32, u32)],
        #[case] expected: &[u32],
    ) {
        assert_eq!(numbers(places), expected);
    }

    #[test]
    fn cpuinfo_says_where_a_processor_sits_where_it_does() {
        let text =
            b"processor\t: 0\nphysical id\t: 0\ncore id\t\t: 3\n\nprocessor\t: 5\nphysical id\t: x\ncore id\t\t: 1\n\n\
            processor\t: 6\nBogoMIPS\t: 50\n\ncore id : 9\nprocessor\t: seven\ncore id\t: 2\n";
        let hint = |socket, core| Hint { socket, first: None, die: None, core };
        let hints = cpuinfo_hints(text);
        let expected = [(0, hint(Some(0), Some(3))), (5, hint(None, Some(1))), (6, hint(None, Some(9)))];
        assert_eq!(hints.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(cpuinfo_hints(b"").len(), 0);
    }

    #[test]
    fn an_unknown_place_is_none() {
        assert_eq!(id_or_unknown(b"-1\n"), Some(None));
        assert_eq!(id_or_unknown(b"7\n"), Some(Some(7)));
        assert_eq!(id_or_unknown(b"x\n"), None);
    }
}
