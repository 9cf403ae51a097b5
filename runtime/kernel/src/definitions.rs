//! Every metric that this crate can measure, whether this machine can or not.

use wca_model::{Definition, Described};

use crate::metrics::{MACHINE, TASKS};

/// Those of families, a line each.
const FAMILIES: &[&[Definition]] = &[crate::features::DEFINITIONS];

/// All of them, by name: those of the tables, and those of families.
#[must_use]
pub fn definitions() -> Vec<Described> {
    let mut all: Vec<Described> = MACHINE.iter().chain(TASKS).map(crate::metrics::Metric::described).collect();
    all.extend(FAMILIES.iter().copied().flatten().copied().map(Described::from));
    all.extend(crate::perf::definitions().into_iter().map(Described::from));
    all.sort_by_key(|described| described.definition.name);
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
        for Described { definition, v1, v2 } in definitions() {
            let name = definition.name;
            assert!(is_metric_name(name) && names.insert(name), "{name}");
            assert!(definition.help.ends_with('.') && !definition.unit.is_empty(), "{name}");
            assert!(definition.levels.iter().all(|level| is_label_name(level)), "{name}");
            assert!(!definition.confirmed.is_empty(), "{name}");
            assert!(!v1.is_empty() || !v2.is_empty(), "{name}");
            let prefix = if definition.subject == Subject::Task { "task_" } else { "platform_" };
            assert!(name.starts_with(prefix) || name.starts_with("wca_"), "{name}");
        }
    }
}
