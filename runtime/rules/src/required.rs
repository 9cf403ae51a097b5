//! Whether a machine can do what an operator wants to be sure of.

use wca_model::Platform;

/// Why the cache of this machine cannot be divided; none: it can.
#[must_use]
pub fn lacks_cache_control(platform: &Platform) -> Option<String> {
    let can = platform.l3.is_some() || platform.l2.is_some();
    (!can).then(|| lacking(platform, "divides no cache"))
}

/// Why the memory bandwidth of this machine cannot be limited; none: it can.
#[must_use]
pub fn lacks_bandwidth_control(platform: &Platform) -> Option<String> {
    platform.bandwidth.is_none().then(|| lacking(platform, "does not limit memory bandwidth"))
}

fn lacking(platform: &Platform, what: &str) -> String {
    if platform.groups == 0 {
        return "resctrl is not mounted on this machine".into();
    }
    format!("resctrl of this machine {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{machine, with_resctrl};

    #[test]
    fn what_is_missing_is_said() {
        let neither = Platform { l3: None, bandwidth: None, ..with_resctrl() };
        let of = |platform: &Platform| (lacks_cache_control(platform), lacks_bandwidth_control(platform));
        let both = |text: &str| (Some(text.to_owned()), Some(text.to_owned()));
        assert_eq!(of(&machine()), both("resctrl is not mounted on this machine"));
        assert_eq!(of(&with_resctrl()), (None, None));
        let (cache, bandwidth) = of(&neither);
        assert_eq!(cache.unwrap(), "resctrl of this machine divides no cache");
        assert_eq!(bandwidth.unwrap(), "resctrl of this machine does not limit memory bandwidth");
        let l2 = Platform { l2: with_resctrl().l3, ..neither };
        assert_eq!(lacks_cache_control(&l2), None, "a machine with L2 alone");
    }
}
