//! Every metric that this crate can measure, whether this machine can or not.

use wca_model::Described;

use crate::metrics::{MACHINE, TASKS};

/// What says them of each family, a line each.
const FAMILIES: &[fn() -> Vec<Described>] = &[
    crate::features::described,
    || crate::perf::definitions().into_iter().map(Described::from).collect(),
    crate::resctrl::described,
    crate::sched::described,
    crate::working_set::described,
];

/// All of them, by name: those of the tables, and those of families.
#[must_use]
pub fn definitions() -> Vec<Described> {
    let mut all: Vec<Described> = MACHINE.iter().chain(TASKS).map(crate::metrics::Metric::described).collect();
    all.extend(FAMILIES.iter().flat_map(|described| described()));
    all.sort_by(|one, other| one.info.name.cmp(&other.info.name));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use wca_model::Subject;
    use wca_model::metric::{is_label_name, is_metric_name};

    use super::*;

    #[test]
    fn each_is_named_once_explained_confirmed_and_has_a_source() {
        let mut names = HashSet::new();
        for Described { info, subject, v1, v2, confirmed, .. } in definitions() {
            let name = info.name;
            assert!(is_metric_name(&name) && names.insert(name.clone()), "{name}");
            assert!(info.help.ends_with('.') && !info.unit.is_empty(), "{name}");
            assert!(info.levels.iter().all(|level| is_label_name(level)), "{name}");
            assert!(!confirmed.is_empty(), "{name}");
            assert!(!v1.is_empty() || !v2.is_empty(), "{name}");
            let prefix = if subject == Subject::Task { "task_" } else { "platform_" };
            assert!(name.starts_with(prefix) || name.starts_with("wca_"), "{name}");
        }
    }
}
