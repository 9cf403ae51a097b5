//! Whether one change, alone, can be asked for on this machine.

use wca_model::{Change, Platform, Refusal};

use crate::resctrl;

/// Least memory that a limit may leave: a page, since the kernel counts in pages.
const PAGE: u64 = 4096;
/// Weights of cgroup v2 (<https://docs.kernel.org/admin-guide/cgroup-v2.html#weights>).
const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=10_000;

/// Judges one change by its ranges and by what the machine can do. Whether the task exists is asked elsewhere.
///
/// # Errors
/// [`Refusal::Invalid`] with what would be right, or [`Refusal::Unsupported`] with what the machine lacks.
pub fn validate(change: &Change, platform: &Platform) -> Result<(), Refusal> {
    match change {
        Change::CpuQuota(share) => cpu_quota(*share),
        Change::CpuShares(shares) => cpu_shares(*shares),
        Change::CpuWeight(weight) => in_weights("cpu_weight", *weight),
        Change::IoWeight(weight) => in_weights("io_weight", *weight),
        Change::CpusetCpus(cpus) => cpuset_cpus(cpus, platform),
        Change::CpusetMems(nodes) => cpuset_mems(nodes, platform),
        Change::CpusetMemoryMigrate(_) | Change::Release(_) => Ok(()),
        Change::MigratePages(node) => migrate_pages(*node, platform),
        Change::RdtGroup(group) => resctrl::group(group.as_deref(), platform),
        Change::RdtL3(ways) => resctrl::l3(*ways, platform),
        Change::RdtL3Code(ways) => resctrl::l3_part("rdt_l3_code", *ways, platform),
        Change::RdtL3Data(ways) => resctrl::l3_part("rdt_l3_data", *ways, platform),
        Change::RdtL2(ways) => resctrl::l2(*ways, platform),
        Change::RdtMb(limit) => resctrl::bandwidth(*limit, platform),
        Change::MemoryHigh(bytes) => memory_limit("memory_high", *bytes),
        Change::MemoryMax(bytes) => memory_limit("memory_max", *bytes),
        Change::MemoryLow(bytes) => memory_low(*bytes),
    }
}

pub(crate) fn invalid<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text))
}

/// A list of ascending numbers as the kernel writes one, `0-3,8`: short however many they are. `none` where there is none.
#[must_use]
pub fn ranges(ids: impl Iterator<Item = u32>) -> String {
    let mut text = String::new();
    let mut ids = ids.peekable();
    while let Some(first) = ids.next() {
        let mut last = first;
        while let Some(next) = ids.next_if(|next| last.checked_add(1) == Some(*next)) {
            last = next;
        }
        let comma = if text.is_empty() { "" } else { "," };
        text += &if first == last { format!("{comma}{first}") } else { format!("{comma}{first}-{last}") };
    }
    if text.is_empty() { "none".into() } else { text }
}

fn cpu_quota(share: f64) -> Result<(), Refusal> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    invalid(format!("cpu_quota {share}: a number from 0 to 1 is taken, where 1 lifts the limit"))
}

fn cpu_shares(shares: f64) -> Result<(), Refusal> {
    if shares.is_finite() && shares >= 0.0 {
        return Ok(());
    }
    invalid(format!("cpu_shares {shares}: a finite number from 0 is taken, where 1 is one `cpu_shares_unit`"))
}

fn in_weights(kind: &str, weight: u32) -> Result<(), Refusal> {
    if WEIGHTS.contains(&weight) {
        return Ok(());
    }
    invalid(format!("{kind} {weight}: a number from {} to {} is taken", WEIGHTS.start(), WEIGHTS.end()))
}

fn cpuset_cpus(cpus: &[u32], platform: &Platform) -> Result<(), Refusal> {
    let online = || ranges(platform.cpus.iter().map(|cpu| cpu.id));
    if cpus.is_empty() {
        return invalid(format!("cpuset_cpus without a processor: at least one of {} is taken", online()));
    }
    if cpus.len() > platform.cpus.len() {
        return invalid(format!("cpuset_cpus names {} processors: online here are {}", cpus.len(), online()));
    }
    let offline = cpus.iter().find(|id| platform.cpus.binary_search_by_key(*id, |cpu| cpu.id).is_err());
    match offline {
        Some(id) => invalid(format!("cpuset_cpus names processor {id}: online here are {}", online())),
        None => Ok(()),
    }
}

fn cpuset_mems(nodes: &[u32], platform: &Platform) -> Result<(), Refusal> {
    if nodes.is_empty() {
        let there = with_memory(platform);
        return invalid(format!("cpuset_mems without a NUMA node: at least one of {there} is taken"));
    }
    if nodes.len() > platform.nodes.len() {
        let there = with_memory(platform);
        return invalid(format!("cpuset_mems names {} NUMA nodes: with memory here are {there}", nodes.len()));
    }
    nodes.iter().try_for_each(|node| has_memory("cpuset_mems", *node, platform))
}

fn migrate_pages(node: u32, platform: &Platform) -> Result<(), Refusal> {
    if platform.swap && !platform.moves_pages_despite_swap {
        let why = "migrate_pages while swap is on: pages on their way could be swapped out, or the task killed for want \
                   of memory; `swapoff -a` switches swap off, `migrate_with_swap: true` moves them all the same";
        return Err(Refusal::Unsupported(why.into()));
    }
    has_memory("migrate_pages", node, platform)
}

fn has_memory(kind: &str, node: u32, platform: &Platform) -> Result<(), Refusal> {
    match platform.node(node) {
        Some(found) if found.memory > 0 => Ok(()),
        Some(_) => invalid(format!(
            "{kind} names NUMA node {node}, which has no memory; with memory: {}",
            with_memory(platform)
        )),
        None => invalid(format!("{kind} names NUMA node {node}: nodes with memory here are {}", with_memory(platform))),
    }
}

fn with_memory(platform: &Platform) -> String {
    ranges(platform.nodes.iter().filter(|node| node.memory > 0).map(|node| node.id))
}

fn memory_limit(kind: &str, bytes: Option<u64>) -> Result<(), Refusal> {
    match bytes {
        Some(bytes) if bytes < PAGE => {
            invalid(format!("{kind} {bytes}: at least {PAGE} bytes are taken, or none for no limit"))
        }
        Some(bytes) if i64::try_from(bytes).is_err() => {
            invalid(format!("{kind} {bytes}: at most {} bytes are taken, or none for no limit", i64::MAX))
        }
        _ => Ok(()),
    }
}

fn memory_low(bytes: u64) -> Result<(), Refusal> {
    if i64::try_from(bytes).is_ok() {
        return Ok(());
    }
    invalid(format!("memory_low {bytes}: from 0 to {} bytes are taken", i64::MAX))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::platform::NumaNode;

    use super::*;
    use crate::testing::machine;

    const OK: &str = "";

    #[rstest]
    #[case(Change::CpuQuota(0.0), OK)]
    #[case(Change::CpuQuota(1.0), OK)]
    #[case(Change::CpuQuota(1.01), "cpu_quota 1.01: a number from 0 to 1 is taken, where 1 lifts the limit")]
    #[case(Change::CpuQuota(-0.1), "cpu_quota -0.1: a number from 0 to 1 is taken, where 1 lifts the limit")]
    #[case(Change::CpuQuota(f64::NAN), "cpu_quota NaN: a number from 0 to 1 is taken, where 1 lifts the limit")]
    #[case(Change::CpuShares(0.0), OK)]
    #[case(Change::CpuShares(12.5), OK)]
    #[case(
        Change::CpuShares(f64::INFINITY),
        "cpu_shares inf: a finite number from 0 is taken, where 1 is one `cpu_shares_unit`"
    )]
    #[case(
        Change::CpuShares(-1.0),
        "cpu_shares -1: a finite number from 0 is taken, where 1 is one `cpu_shares_unit`"
    )]
    #[case(Change::CpuWeight(1), OK)]
    #[case(Change::CpuWeight(0), "cpu_weight 0: a number from 1 to 10000 is taken")]
    #[case(Change::IoWeight(10_000), OK)]
    #[case(Change::IoWeight(10_001), "io_weight 10001: a number from 1 to 10000 is taken")]
    #[case(Change::CpusetCpus(vec![0, 3, 3]), OK)]
    #[case(Change::CpusetCpus(vec![0; 6]), "cpuset_cpus names 6 processors: online here are 0-3,6")]
    #[case(Change::CpusetMems(vec![0; 99]), "cpuset_mems names 99 NUMA nodes: with memory here are 0,2")]
    #[case(Change::CpusetCpus(vec![]), "cpuset_cpus without a processor: at least one of 0-3,6 is taken")]
    #[case(Change::CpusetCpus(vec![1, 4]), "cpuset_cpus names processor 4: online here are 0-3,6")]
    #[case(Change::CpusetMems(vec![0, 2]), OK)]
    #[case(Change::CpusetMems(vec![]), "cpuset_mems without a NUMA node: at least one of 0,2 is taken")]
    #[case(Change::CpusetMems(vec![1]), "cpuset_mems names NUMA node 1: nodes with memory here are 0,2")]
    #[case(Change::CpusetMems(vec![3]), "cpuset_mems names NUMA node 3, which has no memory; with memory: 0,2")]
    #[case(Change::CpusetMemoryMigrate(true), OK)]
    #[case(Change::MigratePages(2), OK)]
    #[case(Change::MigratePages(3), "migrate_pages names NUMA node 3, which has no memory; with memory: 0,2")]
    #[case(Change::MemoryHigh(None), OK)]
    #[case(Change::MemoryHigh(Some(4096)), OK)]
    #[case(Change::MemoryMax(Some(0)), "memory_max 0: at least 4096 bytes are taken, or none for no limit")]
    #[case(
        Change::MemoryMax(Some(u64::MAX)),
        "memory_max 18446744073709551615: at most 9223372036854775807 bytes are taken, or none for no limit"
    )]
    #[case(Change::MemoryLow(0), OK)]
    #[case(
        Change::MemoryLow(1 << 63),
        "memory_low 9223372036854775808: from 0 to 9223372036854775807 bytes are taken"
    )]
    #[case(Change::Release(wca_model::Kind::RdtL3), OK)]
    fn changes_without_resctrl(#[case] change: Change, #[case] expected: &str) {
        let told = validate(&change, &machine()).map_or_else(|refusal| refusal.to_string(), |()| String::new());
        assert_eq!(told, expected);
    }

    #[test]
    fn pages_do_not_move_while_swap_is_on() {
        let swapping = Platform { swap: true, ..machine() };
        let allowed = Platform { moves_pages_despite_swap: true, ..swapping.clone() };
        assert_eq!(validate(&Change::MigratePages(2), &allowed), Ok(()));
        let refusal = validate(&Change::MigratePages(2), &swapping).unwrap_err();
        assert!(matches!(&refusal, Refusal::Unsupported(why) if why.contains("`swapoff -a`")), "{refusal}");
    }

    /// The Python agent had one bit for each node, of 64.
    #[rstest]
    #[case(Change::MigratePages(64), true)]
    #[case(Change::MigratePages(1023), true)]
    #[case(Change::MigratePages(65), false)]
    #[case(Change::CpusetMems(vec![0, 64, 1023]), true)]
    fn numbers_of_nodes_have_no_bound(#[case] change: Change, #[case] expected: bool) {
        let node = |id| NumaNode { id, memory: 1 << 30, distances: vec![] };
        let platform = Platform { nodes: vec![node(0), node(64), node(1023)], ..machine() };
        assert_eq!(validate(&change, &platform).is_ok(), expected);
    }

    #[test]
    fn lists_are_short() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8].into_iter()), "0-2,5,7-8");
        assert_eq!(ranges(std::iter::empty()), "none");
        assert_eq!(ranges([u32::MAX - 1, u32::MAX].into_iter()), "4294967294-4294967295");
    }
}
