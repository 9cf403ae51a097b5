//! CPU shares of cgroup v1 and weights of cgroup v2, and how the ones become the others.

use std::ops::RangeInclusive;

/// Shares that the kernel takes (`MIN_SHARES` and `MAX_SHARES` of kernel/sched): others become the nearest.
pub const SHARES: RangeInclusive<u64> = 2..=262_144;
/// Weights of cgroup v2 (<https://docs.kernel.org/admin-guide/cgroup-v2.html#weights>).
pub const WEIGHTS: RangeInclusive<u64> = 1..=10_000;
/// Weights of BFQ, in `io.bfq.weight` and `blkio.bfq.weight`, with the same default of 100 as `io.weight`.
pub const BFQ_WEIGHTS: RangeInclusive<u64> = 1..=1_000;
/// Weights of CFQ, in `blkio.weight` of kernels before 5.0.
const CFQ_WEIGHTS: RangeInclusive<u64> = 10..=1_000;

/// How CPU shares become a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SharesFormula {
    /// `shares * 100 / 1024`, rounded to the nearest: how the kernel itself shows as `cpu.weight` what it keeps as shares
    /// (`sched_weight_to_cgroup` of kernel/sched/sched.h), and, rounded down, systemd.
    Kernel,
    /// `1 + (shares - 2) * 9999 / 262142`, of runc before 1.3.2, crun, and the kubelet before 1.35
    /// (KEP-2254): 1024 shares become 39.
    RuncLinear,
    /// `10^(l²/612 + 125l/612 - 7/34)` with `l = log2(shares)`, rounded up, of runc since 1.3.2 and crun since 1.23: 2, 1024 and
    /// 262144 shares become 1, 100 and 10000.
    Runc2025,
}

impl SharesFormula {
    /// All of them; of those for which nothing more speaks, the first is taken.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Runc2025, Self::RuncLinear];

    /// The weight that so many shares become.
    #[must_use]
    pub fn weight(self, shares: u64) -> u64 {
        let shares = shares.clamp(*SHARES.start(), *SHARES.end());
        let weight = match self {
            Self::Kernel => (shares * 100 + 512) / 1_024,
            Self::RuncLinear => 1 + (shares - 2) * 9_999 / 262_142,
            Self::Runc2025 => quadratic(shares),
        };
        weight.clamp(*WEIGHTS.start(), *WEIGHTS.end())
    }

    /// The shares that become this weight: of all that do, those in the middle.
    #[must_use]
    pub fn shares_of(self, weight: u64) -> u64 {
        let first = self.first_of(weight);
        let last = self.first_of(weight + 1).saturating_sub(1).max(first);
        first + (last - first) / 2
    }

    /// The fewest shares that become this weight, or more.
    fn first_of(self, weight: u64) -> u64 {
        let (mut low, mut high) = (*SHARES.start(), *SHARES.end() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.weight(middle) < weight && middle <= *SHARES.end() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.min(*SHARES.end())
    }

    /// The formula by which these weights were made, as far as they tell: containers ask for round numbers of processors (100,
    /// 250, 500 millicores or whole ones), and a weight that just one of the formulas makes of one of these speaks for it.
    /// Weights that none or several of them make (1, and the default 100, among others) say nothing.
    #[must_use]
    pub fn of_weights(weights: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut votes = Self::ALL.map(|formula| (formula, 0_u32));
        for weight in weights {
            let mut makers = votes.iter_mut().filter(|(formula, _)| formula.makes(weight));
            if let (Some((_, count)), None) = (makers.next(), makers.next()) {
                *count += 1;
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max().filter(|most| *most > 0)?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(formula, _)| formula)
    }

    fn makes(self, weight: u64) -> bool {
        round_requests().any(|millicores| self.weight(millicores * 1_024 / 1_000) == weight)
    }
}

/// What containers usually ask for, in thousandths of a processor.
fn round_requests() -> impl Iterator<Item = u64> {
    [100, 200, 250, 500, 1_500].into_iter().chain((1..=64).map(|processors| processors * 1_000))
}

fn quadratic(shares: u64) -> u64 {
    let log = (shares as f64).log2();
    let weight = 10_f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0);
    // Of 1024 shares it is 100 and not a hair's breadth more, which would be rounded up.
    let nearest = weight.round();
    if (weight - nearest).abs() < 1e-9 { nearest as u64 } else { weight.ceil() as u64 }
}

/// Shares of so many units, as the kernel takes them, and whether they are others than were asked for.
#[must_use]
pub fn shares(value: f64, unit: u32) -> (u64, bool) {
    let asked = (value * f64::from(unit)) as u64;
    let taken = asked.clamp(*SHARES.start(), *SHARES.end());
    (taken, taken != asked)
}

/// A weight for `blkio.weight`, and whether it was out of range there. Its default is 500 where that of v2 is 100, so that five
/// times the number means as much beside neighbours that nobody has changed.
#[must_use]
pub fn cfq_weight(weight: u64) -> (u64, bool) {
    within(weight.saturating_mul(5), &CFQ_WEIGHTS)
}

/// A weight for BFQ, and whether it was out of range there.
#[must_use]
pub fn bfq_weight(weight: u64) -> (u64, bool) {
    within(weight, &BFQ_WEIGHTS)
}

fn within(weight: u64, range: &RangeInclusive<u64>) -> (u64, bool) {
    let taken = weight.clamp(*range.start(), *range.end());
    (taken, taken != weight)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::SharesFormula::{Kernel, Runc2025, RuncLinear};
    use super::*;

    #[rstest]
    #[case::v16(0.0, 1_000, 2, true)]
    #[case::v16(1.0, 1_000, 1_000, false)]
    #[case::v16(1.0, 10_000, 10_000, false)]
    #[case::v16(2.0, 10_000, 20_000, false)]
    #[case(1e300, 1_000, 262_144, true)]
    fn shares_of_units(#[case] value: f64, #[case] unit: u32, #[case] expected: u64, #[case] is_adjusted: bool) {
        assert_eq!(shares(value, unit), (expected, is_adjusted));
    }

    #[rstest]
    #[case(Kernel, [(0, 1), (2, 1), (102, 10), (512, 50), (1_024, 100), (2_048, 200), (102_400, 10_000), (262_144, 10_000)])]
    #[case(RuncLinear, [(0, 1), (2, 1), (102, 4), (512, 20), (1_024, 39), (2_048, 79), (102_400, 3_906), (262_144, 10_000)])]
    #[case(Runc2025, [(0, 1), (2, 1), (102, 17), (512, 59), (1_024, 100), (2_048, 174), (102_400, 4_429), (262_144, 10_000)])]
    fn weights_of_shares(#[case] formula: SharesFormula, #[case] expected: [(u64, u64); 8]) {
        assert_eq!(expected.map(|(shares, _)| (shares, formula.weight(shares))), expected);
    }

    #[rstest]
    #[case(Kernel, 100, 1_024)]
    #[case(Kernel, 1, 8)]
    #[case(RuncLinear, 39, 1_011)]
    #[case(RuncLinear, 1, 15)]
    #[case(RuncLinear, 10_000, 262_144)]
    #[case(Runc2025, 10_000, 262_129)]
    #[case(Runc2025, 39, 300)]
    fn shares_of_weights(#[case] formula: SharesFormula, #[case] weight: u64, #[case] expected: u64) {
        assert_eq!(formula.shares_of(weight), expected);
        assert_eq!(formula.weight(formula.shares_of(weight)), weight);
    }

    #[test]
    fn more_shares_are_never_less_weight() {
        for formula in SharesFormula::ALL {
            let weights: Vec<u64> = (0..=263_000).map(|shares| formula.weight(shares)).collect();
            assert!(weights.is_sorted(), "{formula:?}");
            assert!(weights.iter().all(|weight| WEIGHTS.contains(weight)));
        }
    }

    #[rstest]
    #[case::nobody(&[], None)]
    #[case::nobody_has_changed_any(&[100, 100, 1], None)]
    #[case::one_processor_each(&[39, 39, 100], Some(RuncLinear))]
    #[case::of_today(&[17, 59, 174, 100], Some(Runc2025))]
    #[case::as_systemd(&[50, 25, 200], Some(Kernel))]
    #[case::an_odd_one_among_them(&[39, 79, 17, 3_333], Some(RuncLinear))]
    #[case::a_draw(&[39, 200], Some(Kernel))]
    fn formulas_are_known_by_their_weights(#[case] weights: &[u64], #[case] expected: Option<SharesFormula>) {
        assert_eq!(SharesFormula::of_weights(weights.iter().copied()), expected);
    }

    #[rstest]
    #[case(1, (10, true), (1, false))]
    #[case(2, (10, false), (2, false))]
    #[case(100, (500, false), (100, false))]
    #[case(201, (1_000, true), (201, false))]
    #[case(10_000, (1_000, true), (1_000, true))]
    fn io_weights(#[case] weight: u64, #[case] cfq: (u64, bool), #[case] bfq: (u64, bool)) {
        assert_eq!((cfq_weight(weight), bfq_weight(weight)), (cfq, bfq));
    }
}
