//! What a configuration needs of a machine: what it asks for by name, not what it takes where it is there.

use wca_config::{Configuration, Measurement, Runner, UncoreEvents};
use wca_kernel::is_software_event;

/// A feature that is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Its name, one of [`wca_kernel::FEATURES`].
    pub(super) feature: &'static str,
    /// What asks for it.
    pub(super) by: String,
}

/// Everything that a configuration needs.
pub(super) fn needs(configuration: &Configuration) -> Vec<Need> {
    let mut needs = Needs(Vec::new());
    let runner = &configuration.runner;
    needs.add(&["seccomp"], "the agent");
    needs.add(&["cgroup_cpuacct", "cgroup_memory"], "the metrics of tasks");
    needs.measurement(runner.measurement());
    if let Runner::Allocation(allocation) = runner {
        if allocation.rdt_cache_control_required {
            needs.add(&["resctrl", "resctrl_l3_cat"], "rdt_cache_control_required");
        }
        if allocation.rdt_mb_control_required {
            needs.add(&["resctrl", "resctrl_mba"], "rdt_mb_control_required");
        }
    }
    needs.0
}

struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, features: &[&'static str], by: &str) {
        self.0.extend(features.iter().map(|feature| Need { feature, by: by.to_owned() }));
    }

    fn measurement(&mut self, measurement: &Measurement) {
        if measurement.event_names.given && !measurement.event_names.names.is_empty() {
            self.add(&["cgroup_perf_event", "perf_event_paranoid"], "event_names");
            if !measurement.event_names.names.iter().all(|(name, _)| is_software_event(name)) {
                self.add(&["perf_core"], "event_names");
            }
        }
        match measurement.uncore_events {
            UncoreEvents::All => self.add(&["perf_uncore", "perf_event_paranoid"], "enable_perf_uncore"),
            UncoreEvents::Groups(_) => self.add(&["perf_uncore", "perf_event_paranoid"], "uncore_event_names"),
            UncoreEvents::Automatic | UncoreEvents::Off => {}
        }
        if measurement.rdt_enabled == Some(true) {
            self.add(&["resctrl", "resctrl_monitoring"], "rdt_enabled");
        }
        if measurement.gather_hw_mm_topology == Some(true) {
            self.add(&["dmi"], "gather_hw_mm_topology");
        }
        if measurement.working_set.is_some_and(|one| one.membw_threshold.is_some() && one.stable_cycles != 0) {
            self.add(&["resctrl", "resctrl_monitoring"], "wss_membw_threshold");
        }
        if let Some(allocation) = &measurement.allocation_configuration {
            if allocation.default_rdt_l3.is_some() {
                self.add(&["resctrl", "resctrl_l3_cat"], "default_rdt_l3");
            }
            if allocation.default_rdt_mb.is_some() {
                self.add(&["resctrl", "resctrl_mba"], "default_rdt_mb");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_config::{KnownGuest, Surroundings, load};
    use wca_kernel::FEATURES;

    use super::*;

    fn needed(runner: &str) -> Vec<Need> {
        let guests = [KnownGuest { tag: "NOPAllocator".into(), role: Some(wca_config::Role::Allocator) }];
        let around = Surroundings {
            source: "c.yaml",
            environment: &|_| None,
            readable: &|_| Ok(()),
            guests: &guests,
            other_guests: false,
        };
        let mut needs = needs(&load(&format!("runner: {runner}\n"), &around).unwrap());
        needs.retain(|need| need.by != "the agent" && need.by != "the metrics of tasks");
        needs
    }

    #[rstest]
    #[case("", &[])]
    #[case("rdt_enabled: null, gather_hw_mm_topology: null", &[])]
    #[case("event_names: []", &[])]
    #[case(
        "event_names: [task_cycles]",
        &["cgroup_perf_event event_names", "perf_event_paranoid event_names", "perf_core event_names"]
    )]
    #[case(
        "event_names: [page-faults, task_context_switches]",
        &["cgroup_perf_event event_names", "perf_event_paranoid event_names"]
    )]
    #[case(
        "event_names: [page_faults, name__r0101]",
        &["cgroup_perf_event event_names", "perf_event_paranoid event_names", "perf_core event_names"]
    )]
    #[case("enable_perf_uncore: true", &["perf_uncore enable_perf_uncore", "perf_event_paranoid enable_perf_uncore"])]
    #[case("uncore_event_names: [a]", &["perf_uncore uncore_event_names", "perf_event_paranoid uncore_event_names"])]
    #[case("rdt_enabled: true", &["resctrl rdt_enabled", "resctrl_monitoring rdt_enabled"])]
    #[case("gather_hw_mm_topology: true", &["dmi gather_hw_mm_topology"])]
    #[case("wss_reset_cycles: 1, wss_stable_cycles: 2", &[])]
    #[case(
        "wss_reset_cycles: 1, wss_stable_cycles: 2, wss_membw_threshold: 0.1",
        &["resctrl wss_membw_threshold", "resctrl_monitoring wss_membw_threshold"]
    )]
    #[case(
        "allocation_configuration: !AllocationConfiguration {default_rdt_mb: 'MB:0=100'}",
        &["resctrl default_rdt_mb", "resctrl_mba default_rdt_mb"]
    )]
    fn what_is_asked_for_by_name_is_needed(#[case] arguments: &str, #[case] expected: &[&str]) {
        let needs = needed(&format!("!MeasurementRunner {{node: !CgroupNode , {arguments}}}"));
        assert!(needs.iter().all(|need| FEATURES.contains(&need.feature)), "{needs:?}");
        let found: Vec<String> = needs.iter().map(|need| format!("{} {}", need.feature, need.by)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_allocator_needs_what_it_must_control() {
        let needs = needed(
            "!AllocationRunner {measurement_runner: !MeasurementRunner {node: !CgroupNode }, allocator: !NOPAllocator , \
             rdt_mb_control_required: true, rdt_cache_control_required: true}",
        );
        let found: Vec<&str> = needs.iter().map(|need| need.feature).collect();
        assert_eq!(found, ["resctrl", "resctrl_l3_cat", "resctrl", "resctrl_mba"]);
    }
}
