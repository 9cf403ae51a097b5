//! Controls that the operator requires (`rdt_mb_control_required`, `rdt_cache_control_required`).

use wca_model::Platform;

/// What the machine lacks of the controls that the operator requires, each with what would bring it. Nothing mounted is nothing to
/// be had: a requirement holds then too.
#[must_use]
pub fn missing_controls(mb_required: bool, cache_required: bool, platform: &Platform) -> Vec<String> {
    let has_resctrl = platform.groups != 0;
    let lacking = |key: &str, what: &str| {
        let why = if has_resctrl {
            "resctrl offers no such control on this processor"
        } else {
            "no resctrl is mounted (`mount -t resctrl resctrl /sys/fs/resctrl`), or the processor has none"
        };
        format!("`{key}: true`: {what}: {why}")
    };
    let mut missing = Vec::new();
    if mb_required && platform.bandwidth.is_none() {
        missing.push(lacking("rdt_mb_control_required", "memory bandwidth cannot be limited"));
    }
    if cache_required && platform.l3.is_none() && platform.l2.is_none() {
        missing.push(lacking("rdt_cache_control_required", "no cache can be divided"));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{machine, with_resctrl};

    #[test]
    fn a_requirement_holds_where_nothing_is_mounted_too() {
        let with = with_resctrl();
        assert_eq!(missing_controls(true, true, &with), [""; 0]);
        assert_eq!(missing_controls(false, false, &machine()), [""; 0]);
        let [mb, cache] = missing_controls(true, true, &machine()).try_into().unwrap();
        assert!(
            mb.starts_with("`rdt_mb_control_required: true`: memory bandwidth cannot be limited: no resctrl"),
            "{mb}"
        );
        assert!(
            cache.starts_with("`rdt_cache_control_required: true`: no cache can be divided: no resctrl"),
            "{cache}"
        );
        let [mb] = missing_controls(true, true, &Platform { bandwidth: None, ..with }).try_into().unwrap();
        assert!(mb.ends_with("resctrl offers no such control on this processor"), "{mb}");
    }
}
