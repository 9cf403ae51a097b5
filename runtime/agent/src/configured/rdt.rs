//! Whether the machine has what `rdt_enabled` asks for.

use wca_config::{ConfigError, Measurement};
use wca_model::Platform;

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
}
