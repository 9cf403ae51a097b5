//! Whether the machine has what the operator asks for of RDT.

use wca_config::{ConfigError, Measurement, Runner};
use wca_model::Platform;
use wca_rules::{lacks_bandwidth_control, lacks_cache_control};

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
    let required = [
        (
            allocation.rdt_cache_control_required,
            &allocation.rdt_cache_control_required_place,
            "rdt_cache_control_required",
            lacks_cache_control(platform),
        ),
        (
            allocation.rdt_mb_control_required,
            &allocation.rdt_mb_control_required_place,
            "rdt_mb_control_required",
            lacks_bandwidth_control(platform),
        ),
    ];
    for (is_required, place, name, lack) in required {
        if let Some(why) = lack.filter(|_| is_required) {
            return Err(ConfigError {
                place: Box::new(place.clone()),
                what: format!("`{name}` is true, but {why}"),
                help: Some("`wca doctor` says what this machine has of RDT, and what would bring the rest".into()),
            });
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
    #[case("rdt_cache_control_required", false, false, "resctrl is not mounted on this machine")]
    #[case("rdt_cache_control_required", true, false, "resctrl of this machine divides no cache")]
    #[case("rdt_cache_control_required", true, true, "")]
    #[case("rdt_mb_control_required", true, false, "resctrl of this machine does not limit memory bandwidth")]
    #[case("rdt_mb_control_required", true, true, "")]
    fn a_control_that_must_be_there_is_asked_for_though_nothing_is_monitored(
        #[case] required: &str,
        #[case] is_mounted: bool,
        #[case] is_there: bool,
        #[case] expected: &str,
    ) {
        use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
        let domains = vec![0];
        let l3 = CacheControl { domains: domains.clone(), mask: 0xff, min_ways: 1, contiguous: true, code_data: false };
        let bandwidth = BandwidthControl { domains, unit: BandwidthUnit::Percent, min: 10, step: 10 };
        let platform = Platform {
            groups: if is_mounted { 4 } else { 0 },
            l3: is_there.then_some(l3),
            bandwidth: is_there.then_some(bandwidth),
            ..Platform::default()
        };
        let runner = runner(&format!("rdt_enabled: false, {required}: true"));
        let told = check_required(&runner, &platform).map_or_else(|error| error.to_string(), |()| String::new());
        match expected {
            "" => assert_eq!(told, ""),
            why => assert!(
                told.starts_with("c.yaml:1:") && told.ends_with(&format!(": `{required}` is true, but {why}")),
                "{told}"
            ),
        }
        assert!(check_required(&runner("rdt_enabled: false"), &platform).is_ok());
    }

    fn runner(arguments: &str) -> Runner {
        crate::testing::runner(&format!(
            "!AllocationRunner {{node: !CgroupNode , allocator: !NOPAllocator , {arguments}}}"
        ))
    }
}
