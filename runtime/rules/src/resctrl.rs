//! Changes of resctrl groups: their names, their cache ways, their memory bandwidth
//! (<https://docs.kernel.org/filesystems/resctrl.html>).

mod cells;
mod required;
mod row;

use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
use wca_model::request::{Limit, Ways};
use wca_model::{Platform, Refusal};

use crate::validate::{invalid, ranges};

pub use cells::{Cell, Cells, cells, is_of_resctrl, may_share};
pub use required::missing_controls;
pub use row::{bandwidth_row, l3_row};

/// Longest name of a group.
const NAME_MAX: usize = 64;
/// Names that resctrl uses itself in the folder where groups are made.
const TAKEN: [&str; 5] = [".", "..", "info", "mon_groups", "mon_data"];
/// Groups that WCA makes for one task begin with this.
const OURS: &str = "wca-";

/// The name of a group; the empty one is the root group, none a group of the task's own.
pub(crate) fn group(name: Option<&str>, platform: &Platform) -> Result<(), Refusal> {
    if platform.groups == 0 {
        return Err(no_resctrl("rdt_group"));
    }
    let Some(name) = name else { return Ok(()) };
    if name.len() > NAME_MAX {
        let bytes = name.len();
        return invalid(format!("rdt_group with a name of {bytes} bytes: at most {NAME_MAX} are taken"));
    }
    if TAKEN.contains(&name) {
        return invalid(format!("rdt_group `{name}`: resctrl uses this name itself; any other is taken"));
    }
    if name.starts_with(OURS) {
        return invalid(format!(
            "rdt_group `{name}`: groups of one task alone begin with `{OURS}`; any other name is taken"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        let name = name.escape_debug();
        return invalid(format!("rdt_group `{name}`: letters a-z and A-Z, digits, `_`, `.` and `-` are taken"));
    }
    Ok(())
}

pub(crate) fn l3(ways: Ways, platform: &Platform) -> Result<(), Refusal> {
    cache("rdt_l3", "L3", ways, platform.l3.as_ref(), platform)
}

pub(crate) fn l3_part(kind: &str, ways: Ways, platform: &Platform) -> Result<(), Refusal> {
    if platform.l3.as_ref().is_some_and(|l3| !l3.code_data) {
        return Err(Refusal::Unsupported(format!(
            "{kind}: code and data share their ways, since resctrl is mounted without `cdp`; rdt_l3 is taken"
        )));
    }
    cache(kind, "L3", ways, platform.l3.as_ref(), platform)
}

pub(crate) fn l2(ways: Ways, platform: &Platform) -> Result<(), Refusal> {
    cache("rdt_l2", "L2", ways, platform.l2.as_ref(), platform)
}

pub(crate) fn bandwidth(limit: Limit, platform: &Platform) -> Result<(), Refusal> {
    let kind = "rdt_mb";
    let Some(control) = &platform.bandwidth else {
        return Err(lacking(kind, "memory bandwidth cannot be limited", platform));
    };
    in_domains(kind, limit.domain, &control.domains)?;
    let (value, min, unit) = (limit.value, control.min, control.unit.as_str());
    match control.unit {
        BandwidthUnit::Percent if !(min..=100).contains(&value) => {
            invalid(format!("{kind} {value} {unit}: a number from {min} to 100 is taken"))
        }
        _ if value < min.max(1) => invalid(format!("{kind} {value} {unit}: a number from {} is taken", min.max(1))),
        _ => Ok(()),
    }
}

/// What the hardware makes of a limit: the next multiple of its step (of 55 percent, 60), and never over 100 percent.
/// A limit in MB per second is kept by software, which takes every number.
#[must_use]
pub fn rounded_bandwidth(value: u32, control: &BandwidthControl) -> u32 {
    let step = control.step.max(1);
    let up = value.checked_next_multiple_of(step).unwrap_or(value);
    match control.unit {
        BandwidthUnit::Percent => up.min(100),
        BandwidthUnit::MegabytesPerSecond => value,
        BandwidthUnit::EighthsOfGigabytePerSecond => up,
    }
}

fn cache(
    kind: &str,
    level: &str,
    ways: Ways,
    control: Option<&CacheControl>,
    platform: &Platform,
) -> Result<(), Refusal> {
    let Some(control) = control else {
        return Err(lacking(kind, &format!("the {level} cache cannot be divided"), platform));
    };
    in_domains(kind, ways.domain, &control.domains)?;
    let (mask, all) = (ways.mask, control.mask);
    if mask & !all != 0 {
        return invalid(format!("{kind} mask {mask:x}: ways outside of {all:x}, which are all that there are"));
    }
    // A mask without ways is none, even where the hardware would take it.
    let least = control.min_ways.max(1);
    if mask.count_ones() < least {
        let found = mask.count_ones();
        return invalid(format!("{kind} mask {mask:x} has {found} ways: at least {least} of {all:x} are taken"));
    }
    let gap = mask.leading_zeros() + mask.trailing_zeros() + mask.count_ones() != u64::BITS;
    if control.contiguous && gap {
        return invalid(format!("{kind} mask {mask:x} has a gap: this hardware takes neighbouring ways, of {all:x}"));
    }
    Ok(())
}

fn in_domains(kind: &str, domain: u32, domains: &[u32]) -> Result<(), Refusal> {
    if domains.contains(&domain) {
        return Ok(());
    }
    invalid(format!("{kind} names domain {domain}: resctrl lists {}", ranges(domains.iter().copied())))
}

fn lacking(kind: &str, what: &str, platform: &Platform) -> Refusal {
    if platform.groups == 0 {
        return no_resctrl(kind);
    }
    Refusal::Unsupported(format!("{kind}: {what}; resctrl offers no such control on this processor"))
}

fn no_resctrl(kind: &str) -> Refusal {
    Refusal::Unsupported(format!(
        "{kind}: no resctrl; the processor has none, or `mount -t resctrl resctrl /sys/fs/resctrl` is missing"
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::Change;

    use super::*;
    use crate::testing::{machine, with_resctrl};
    use crate::validate;

    fn told(change: &Change, platform: &Platform) -> String {
        validate(change, platform).map_or_else(|refusal| refusal.to_string(), |()| "taken".into())
    }

    fn ways(domain: u32, mask: u64) -> Ways {
        Ways { domain, mask }
    }

    #[rstest]
    #[case("be", "taken")]
    #[case("", "taken")]
    #[case("a.b-c_9", "taken")]
    #[case("info", "rdt_group `info`: resctrl uses this name itself; any other is taken")]
    #[case("..", "rdt_group `..`: resctrl uses this name itself; any other is taken")]
    #[case("wca-x", "rdt_group `wca-x`: groups of one task alone begin with `wca-`; any other name is taken")]
    #[case("a/b", "rdt_group `a/b`: letters a-z and A-Z, digits, `_`, `.` and `-` are taken")]
    #[case("a\nb", "rdt_group `a\\nb`: letters a-z and A-Z, digits, `_`, `.` and `-` are taken")]
    fn names_of_groups(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(told(&Change::RdtGroup(Some(name.into())), &with_resctrl()), expected);
    }

    #[test]
    fn a_long_name_is_refused_without_being_repeated() {
        let long = Change::RdtGroup(Some("x".repeat(100_000)));
        assert_eq!(told(&long, &with_resctrl()), "rdt_group with a name of 100000 bytes: at most 64 are taken");
    }

    #[rstest]
    #[case(ways(0, 0xff), "taken")]
    #[case(ways(16, 0x3), "taken")]
    #[case(ways(1, 0xff), "rdt_l3 names domain 1: resctrl lists 0,16")]
    #[case(ways(0, 0), "rdt_l3 mask 0 has 0 ways: at least 2 of fff are taken")]
    #[case(ways(0, 0x10), "rdt_l3 mask 10 has 1 ways: at least 2 of fff are taken")]
    #[case(ways(0, 0x1fff), "rdt_l3 mask 1fff: ways outside of fff, which are all that there are")]
    #[case(ways(0, 0x1011), "rdt_l3 mask 1011: ways outside of fff, which are all that there are")]
    #[case(ways(0, 0x101), "rdt_l3 mask 101 has a gap: this hardware takes neighbouring ways, of fff")]
    fn masks(#[case] ways: Ways, #[case] expected: &str) {
        assert_eq!(told(&Change::RdtL3(ways), &with_resctrl()), expected);
    }

    #[test]
    fn gaps_are_taken_where_the_hardware_takes_them() {
        let mut platform = with_resctrl();
        platform.l3.as_mut().unwrap().contiguous = false;
        assert_eq!(told(&Change::RdtL3(ways(0, 0x101)), &platform), "taken");
    }

    #[rstest]
    #[case(0, 10, "taken")]
    #[case(0, 55, "taken")]
    #[case(16, 100, "taken")]
    #[case(0, 9, "rdt_mb 9 percent: a number from 10 to 100 is taken")]
    #[case(0, 101, "rdt_mb 101 percent: a number from 10 to 100 is taken")]
    #[case(2, 50, "rdt_mb names domain 2: resctrl lists 0,16")]
    fn bandwidth_in_percent(#[case] domain: u32, #[case] value: u32, #[case] expected: &str) {
        assert_eq!(told(&Change::RdtMb(Limit { domain, value }), &with_resctrl()), expected);
    }

    #[test]
    fn bandwidth_in_bytes_has_no_hundred() {
        let mut platform = with_resctrl();
        platform.bandwidth.as_mut().unwrap().unit = BandwidthUnit::MegabytesPerSecond;
        assert_eq!(told(&Change::RdtMb(Limit { domain: 0, value: 40_000 }), &platform), "taken");
        let low = told(&Change::RdtMb(Limit { domain: 0, value: 9 }), &platform);
        assert_eq!(low, "rdt_mb 9 MBps: a number from 10 is taken");
    }

    #[rstest]
    #[case(BandwidthUnit::Percent, 10, 55, 60)]
    #[case(BandwidthUnit::Percent, 10, 12, 20)]
    #[case(BandwidthUnit::Percent, 0, 57, 57)]
    #[case(BandwidthUnit::Percent, 30, 95, 100)]
    #[case(BandwidthUnit::MegabytesPerSecond, 10, 55, 55)]
    #[case(BandwidthUnit::EighthsOfGigabytePerSecond, 8, 17, 24)]
    fn rounding(#[case] unit: BandwidthUnit, #[case] step: u32, #[case] value: u32, #[case] expected: u32) {
        let control = BandwidthControl { domains: vec![0], unit, min: 10, step };
        assert_eq!(rounded_bandwidth(value, &control), expected);
    }

    #[test]
    fn what_the_machine_lacks_is_said() {
        let without = machine();
        for change in [
            Change::RdtGroup(None),
            Change::RdtL3(ways(0, 1)),
            Change::RdtL3Code(ways(0, 1)),
            Change::RdtL2(ways(0, 1)),
            Change::RdtMb(Limit { domain: 0, value: 50 }),
        ] {
            let expected = format!(
                "not possible on this machine: {}: no resctrl; the processor has none, or `mount -t resctrl resctrl \
                 /sys/fs/resctrl` is missing",
                change.kind().as_str()
            );
            assert_eq!(told(&change, &without), expected);
        }
        let expected = "not possible on this machine: rdt_l2: the L2 cache cannot be divided; resctrl offers no such \
                        control on this processor";
        assert_eq!(told(&Change::RdtL2(ways(0, 1)), &with_resctrl()), expected);
        let expected = "not possible on this machine: rdt_l3_code: code and data share their ways, since resctrl is \
                        mounted without `cdp`; rdt_l3 is taken";
        assert_eq!(told(&Change::RdtL3Code(ways(0, 0xf)), &with_resctrl()), expected);
    }
}
