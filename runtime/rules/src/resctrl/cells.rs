//! What a change means in the lines of schemata.

use std::collections::BTreeMap;

use wca_model::platform::{BandwidthUnit, CacheControl};
use wca_model::request::Ways;
use wca_model::{Change, Kind, Platform};

use super::rounded_bandwidth;

/// One domain of one resource, by the names that schemata has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// The resource, such as `L3` or `MB`.
    pub resource: &'static str,
    /// The domain, as the kernel lists it.
    pub domain: u32,
}

/// Values of domains: ways as masks, bandwidth in the platform's unit, rounded as the hardware does.
pub type Cells = BTreeMap<Cell, u64>;

/// Whether a kind is one of resctrl's.
#[must_use]
pub fn is_of_resctrl(kind: Kind) -> bool {
    matches!(kind, Kind::RdtGroup | Kind::RdtL3 | Kind::RdtL3Code | Kind::RdtL3Data | Kind::RdtL2 | Kind::RdtMb)
}

/// What a change sets; nothing for one that sets no schemata. With code and data apart, a change of a cache sets both.
#[must_use]
pub fn cells(change: &Change, platform: &Platform) -> Cells {
    let of = |names: &[&'static str], ways: &Ways| {
        names.iter().map(|resource| (Cell { resource, domain: ways.domain }, ways.mask)).collect()
    };
    let is_apart = |control: &Option<CacheControl>| control.as_ref().is_some_and(|control| control.code_data);
    match change {
        Change::RdtL3(ways) if is_apart(&platform.l3) => of(&["L3CODE", "L3DATA"], ways),
        Change::RdtL3(ways) => of(&["L3"], ways),
        Change::RdtL3Code(ways) => of(&["L3CODE"], ways),
        Change::RdtL3Data(ways) => of(&["L3DATA"], ways),
        Change::RdtL2(ways) if is_apart(&platform.l2) => of(&["L2CODE", "L2DATA"], ways),
        Change::RdtL2(ways) => of(&["L2"], ways),
        Change::RdtMb(limit) => {
            let control = platform.bandwidth.as_ref();
            let value = control.map_or(limit.value, |control| rounded_bandwidth(limit.value, control));
            Cells::from([(Cell { resource: "MB", domain: limit.domain }, value.into())])
        }
        _ => Cells::new(),
    }
}

/// Whether tasks that ask for the same are as well off in one group: ways are, and so is a part of the bandwidth, at which each processor
/// is slowed down. A number of bytes is for all of a group together.
#[must_use]
pub fn may_share(cells: &Cells, platform: &Platform) -> bool {
    let is_part = platform.bandwidth.as_ref().is_none_or(|control| control.unit == BandwidthUnit::Percent);
    is_part || cells.keys().all(|cell| cell.resource != "MB")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::request::Limit;

    use super::*;
    use crate::testing::with_resctrl;

    const WAYS: Ways = Ways { domain: 16, mask: 0xf0 };

    #[rstest]
    #[case(Change::RdtL3(WAYS), false, &[("L3", 16, 0xf0)])]
    #[case(Change::RdtL3(WAYS), true, &[("L3CODE", 16, 0xf0), ("L3DATA", 16, 0xf0)])]
    #[case(Change::RdtL3Code(WAYS), true, &[("L3CODE", 16, 0xf0)])]
    #[case(Change::RdtL3Data(WAYS), true, &[("L3DATA", 16, 0xf0)])]
    #[case(Change::RdtL2(WAYS), false, &[("L2", 16, 0xf0)])]
    #[case(Change::RdtMb(Limit { domain: 0, value: 55 }), false, &[("MB", 0, 60)])]
    #[case(Change::RdtGroup(None), false, &[])]
    #[case(Change::CpuWeight(7), false, &[])]
    fn cells_of_changes(#[case] change: Change, #[case] cdp: bool, #[case] expected: &[(&str, u32, u64)]) {
        let mut platform = with_resctrl();
        platform.l3.as_mut().unwrap().code_data = cdp;
        let found = cells(&change, &platform);
        let found: Vec<_> = found.iter().map(|(cell, value)| (cell.resource, cell.domain, *value)).collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case(BandwidthUnit::Percent, true)]
    #[case(BandwidthUnit::MegabytesPerSecond, false)]
    #[case(BandwidthUnit::EighthsOfGigabytePerSecond, false)]
    fn a_number_of_bytes_is_not_shared(#[case] unit: BandwidthUnit, #[case] expected: bool) {
        let mut platform = with_resctrl();
        platform.bandwidth.as_mut().unwrap().unit = unit;
        let limit = cells(&Change::RdtMb(Limit { domain: 0, value: 50 }), &platform);
        assert_eq!(may_share(&limit, &platform), expected);
        assert!(may_share(&cells(&Change::RdtL3(WAYS), &platform), &platform));
    }
}
