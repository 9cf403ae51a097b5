//! What an earlier life of this allocator may have left, after a failure for instance.

use wca_guest::types::Key;
use wca_guest::{plan, platform};

use crate::ask::KINDS;

/// Kinds of each task of which something is in force, in the order of the keys. Whether it is of this allocator nobody can tell from
/// it.
pub(crate) fn in_force(keys: &[Key]) -> Vec<Vec<&'static str>> {
    let numbers: Vec<(&'static str, Vec<f64>)> = KINDS
        .into_iter()
        .filter(|kind| !kind.starts_with("rdt_") && !matches!(*kind, "cpuset_cpus" | "cpuset_mems"))
        .map(|kind| (kind, plan::in_force(kind)))
        .collect();
    let domains = [platform::l3_domains(), platform::l2_domains(), platform::bandwidth_domains()];
    let of_task = |(row, key): (usize, &Key)| {
        let is_number = |(kind, values): &(&'static str, Vec<f64>)| {
            values.get(row).is_some_and(|value| !value.is_nan()).then_some(*kind)
        };
        let mut kinds: Vec<&'static str> = numbers.iter().filter_map(is_number).collect();
        let [l3, l2, bandwidth] = &domains;
        let lists = [
            ("cpuset_cpus", !plan::cpus_in_force(*key).is_empty()),
            ("cpuset_mems", !plan::mems_in_force(*key).is_empty()),
            ("rdt_l3", l3.iter().any(|domain| plan::l3_in_force(*key, *domain).is_some())),
            ("rdt_l3_code", l3.iter().any(|domain| plan::l3_code_in_force(*key, *domain).is_some())),
            ("rdt_l3_data", l3.iter().any(|domain| plan::l3_data_in_force(*key, *domain).is_some())),
            ("rdt_l2", l2.iter().any(|domain| plan::l2_in_force(*key, *domain).is_some())),
            ("rdt_mb", bandwidth.iter().any(|domain| plan::mb_in_force(*key, *domain).is_some())),
            ("rdt_group", !plan::group_in_force(*key).is_empty()),
        ];
        kinds.extend(lists.into_iter().filter(|(_, is_there)| *is_there).map(|(kind, _)| kind));
        // With its group a task leaves everything that is set in it: a task that was put into the root group is in none.
        if kinds.iter().any(|kind| kind.starts_with("rdt_")) && !kinds.contains(&"rdt_group") {
            kinds.push("rdt_group");
        }
        kinds
    };
    keys.iter().enumerate().map(of_task).collect()
}
