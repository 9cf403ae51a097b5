//! Lines of schemata as operators write them, judged as the requests that they stand for.

use wca_model::request::{Limit, Ways};
use wca_model::{Platform, Refusal};

use super::{bandwidth, l3};
use crate::validate::invalid;

/// L3 ways as a line of schemata has them, each judged as a request is.
///
/// # Errors
/// [`Refusal`].
pub fn l3_row(text: &str, platform: &Platform) -> Result<Vec<Ways>, Refusal> {
    let row = wca_schemata::cache_ways(text, "L3").or_else(|wrong| invalid(format!("`{text}`: {wrong}")))?;
    let ways = row.into_iter().map(|(domain, mask)| {
        let ways = Ways { domain, mask };
        l3(ways, platform).map(|()| ways)
    });
    ways.collect()
}

/// Memory bandwidth as a line of schemata has it, each value judged as a request is.
///
/// # Errors
/// [`Refusal`].
pub fn bandwidth_row(text: &str, platform: &Platform) -> Result<Vec<Limit>, Refusal> {
    let row = wca_schemata::bandwidth(text, "MB").or_else(|wrong| invalid(format!("`{text}`: {wrong}")))?;
    let limits = row.into_iter().map(|(domain, value)| {
        let limit = Limit { domain, value };
        bandwidth(limit, platform).map(|()| limit)
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};

    use super::*;
    use crate::rounded_bandwidth;
    use crate::testing::{machine, with_resctrl};

    fn cache(mask: u64, min_ways: u32) -> Platform {
        let l3 = CacheControl { domains: vec![0, 1], mask, min_ways, contiguous: true, code_data: false };
        Platform { l3: Some(l3), groups: 16, ..machine() }
    }

    fn memory(min: u32, step: u32) -> Platform {
        let control = BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min, step };
        Platform { bandwidth: Some(control), groups: 16, ..machine() }
    }

    #[rstest]
    #[case("L3:0", "`L3:0`: the separator `=` of a value is missing; a line such as `L3:0=…;1=…` is taken")]
    #[case("L3:7=3", "rdt_l3 names domain 7: resctrl lists 0,16")]
    fn a_row_is_refused_with_what_is_wrong(#[case] text: &str, #[case] expected: &str) {
        let refused = l3_row(text, &with_resctrl()).unwrap_err();
        assert!(matches!(&refused, Refusal::Invalid(why) if why.contains(expected)), "{refused}");
    }

    #[test]
    fn an_empty_row_names_nothing() {
        assert_eq!(l3_row("L3:", &with_resctrl()), Ok(vec![]));
    }

    /// Test vector 43: ways are counted in the mask, whatever zeros stand before it and however its digits are written.
    #[rstest]
    #[case("1", 1)]
    #[case("2", 1)]
    #[case("3", 2)]
    #[case("f", 4)]
    #[case("F", 4)]
    #[case("f0", 4)]
    #[case("0f0", 4)]
    #[case("0xff0", 8)]
    #[case("f1f", 9)]
    #[case("fffff", 20)]
    fn ways_are_counted(#[case] mask: &str, #[case] expected: u32) {
        let mut platform = cache(0xf_ffff, 1);
        platform.l3.as_mut().unwrap().contiguous = false;
        let [ways] = l3_row(&format!("L3:0={mask}"), &platform).unwrap().try_into().unwrap();
        assert_eq!(ways.mask.count_ones(), expected);
    }

    /// Test vector 44.
    #[rstest]
    #[case("f0f", 0xffff, "has a gap")]
    #[case("0", 0xffff, "has 0 ways: at least 1")]
    #[case("ff00", 0xffff, "taken")]
    #[case("1fffff", 0xf_ffff, "ways outside of fffff")]
    fn masks_are_judged(#[case] mask: &str, #[case] all: u64, #[case] expected: &str) {
        let told =
            l3_row(&format!("L3:0={mask}"), &cache(all, 1)).map_or_else(|why| why.to_string(), |_| "taken".into());
        assert!(told.contains(expected), "{told}");
    }

    /// Test vectors 46 and 47.
    #[rstest]
    #[case("MB:0=10", 10, 10, Some(vec![10]))]
    #[case("MB:0=12", 10, 10, Some(vec![20]))]
    #[case("MB:0=17", 10, 10, Some(vec![20]))]
    #[case("MB:0=2", 10, 10, None)]
    #[case("MB:0=12;1=30", 10, 10, Some(vec![20, 30]))]
    #[case("MB:0=100", 10, 0, Some(vec![100]))]
    #[case("MB:0=1.5", 10, 0, None)]
    fn bandwidth_is_normalised(
        #[case] text: &str,
        #[case] min: u32,
        #[case] step: u32,
        #[case] expected: Option<Vec<u32>>,
    ) {
        let platform = memory(min, step);
        let rounded = |limits: Vec<Limit>| {
            let control = platform.bandwidth.as_ref().unwrap();
            limits.into_iter().map(|limit| rounded_bandwidth(limit.value, control)).collect::<Vec<_>>()
        };
        assert_eq!(bandwidth_row(text, &platform).ok().map(rounded), expected);
    }
}
