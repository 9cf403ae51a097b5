//! Whether the machine has what the operator asks for of RDT.

use wca_config::{ConfigError, Measurement, Runner};
use wca_model::Platform;
use wca_rules::missing_controls;

/// An operator who asks for RDT hears at the start where the machine has none, not by its metrics' absence.
pub(crate) fn check_rdt(measurement: &Measurement, platform: &Platform) -> Result<(), ConfigError> {
    if measurement.rdt_enabled != Some(true) || platform.groups > 0 {
        return Ok(());
    }
    Err(ConfigError {
        place: Box::new(measurement.rdt_enabled_place.clone()),
        what: "`rdt_enabled` is true, but resctrl is not mounted on this machine".into(),
        help: Some(
            "mount it, where the processor has RDT: mount -t resctrl resctrl /sys/fs/resctrl\n\
             or write `rdt_enabled: null`, which is RDT where the machine has it"
                .into(),
        ),
    })
}

/// An operator who must have a control hears at the start that it is not there, whatever `rdt_enabled` says of monitoring.
pub(crate) fn check_required(runner: &Runner, platform: &Platform) -> Result<(), ConfigError> {
    let Runner::Allocation(allocation) = runner else { return Ok(()) };
    let (cache, mb) = (allocation.rdt_cache_control_required, allocation.rdt_mb_control_required);
    let missing = [
        (missing_controls(false, cache, platform), &allocation.rdt_cache_control_required_place),
        (missing_controls(mb, false, platform), &allocation.rdt_mb_control_required_place),
    ];
    for (missing, place) in missing {
        if let Some(what) = missing.into_iter().next() {
            let help = Some("`wca doctor` says what this machine has of RDT, and what would bring the rest".into());
            return Err(ConfigError { place: Box::new(place.clone()), what, help });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::measurement;

    /// Vector 110, as far as it is about whether resctrl is there.
    #[rstest]
    #[case("null", 0, true)]
    #[case("null", 16, true)]
    #[case("false", 0, true)]
    #[case("true", 0, false)]
    #[case("true", 1, true)]
    fn v110_rdt_that_is_asked_for_must_be_there(#[case] rdt: &str, #[case] groups: u32, #[case] is_right: bool) {
        let checked =
            check_rdt(&measurement(&format!("rdt_enabled: {rdt}")), &Platform { groups, ..Platform::default() });
        assert_eq!(checked.is_ok(), is_right);
        if let Err(error) = checked {
            assert_eq!(
                error.to_string(),
                "c.yaml:1:62: `rdt_enabled` is true, but resctrl is not mounted on this machine"
            );
        }
    }

    #[rstest]
    #[case("rdt_cache_control_required", false, "no cache can be divided: no resctrl is mounted")]
    #[case("rdt_mb_control_required", false, "memory bandwidth cannot be limited: no resctrl is mounted")]
    #[case("rdt_cache_control_required", true, "no cache can be divided: resctrl offers no such control")]
    #[case("rdt_mb_control_required", true, "memory bandwidth cannot be limited: resctrl offers no such control")]
    fn a_control_that_must_be_there_is_asked_for_though_nothing_is_monitored(
        #[case] required: &str,
        #[case] is_mounted: bool,
        #[case] why: &str,
    ) {
        let platform = Platform { groups: if is_mounted { 4 } else { 0 }, ..Platform::default() };
        let error = check_required(&runner(&format!("rdt_enabled: false, {required}: true")), &platform).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("c.yaml:1:") && told.contains(&format!("`{required}: true`: {why}")), "{told}");
        assert!(check_required(&runner(&format!("{required}: false")), &platform).is_ok());
    }

    fn runner(arguments: &str) -> Runner {
        let allocator = "allocator: !NOPAllocator ";
        crate::testing::runner(&format!("!AllocationRunner {{node: !CgroupNode , {allocator}, {arguments}}}"))
    }
}
