//! CPU quotas: parts of the machine as microseconds in a period.
//!
//! Limits are those of the kernel (`tg_set_cfs_bandwidth` of kernel/sched): a period from 1 ms to 1 s, a quota of at least 1 ms.

use crate::tolerance::is_close;

/// Least quota and least period that the kernel takes, in microseconds.
pub const LEAST_QUOTA: u64 = 1_000;
/// Longest period that the kernel takes, in microseconds.
pub const LONGEST_PERIOD: u64 = 1_000_000;

/// A limit on processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Microseconds in each period; none: no limit.
    pub quota: Option<u64>,
    /// The period in microseconds.
    pub period: u64,
}

/// Period of a quota that is to be computed, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// The operator's: it stays, however small the quota becomes.
    Set(u64),
    /// What is found in the cgroup: made longer where the quota would be less than the kernel takes.
    Found(u64),
}

impl Quota {
    /// Of a part of a machine with so many processors, and whether it is another than was asked for.
    #[must_use]
    pub fn of_share(share: f64, period: Period, cpus: usize) -> (Self, bool) {
        let (Period::Set(given) | Period::Found(given)) = period;
        let period_taken = given.clamp(LEAST_QUOTA, LONGEST_PERIOD);
        if share >= 1.0 {
            // The period means nothing then, and stays.
            return (Self { quota: None, period: given }, false);
        }
        let processors = share * cpus as f64;
        let quota = (processors * period_taken as f64) as u64;
        if quota >= LEAST_QUOTA {
            return (Self { quota: Some(quota), period: period_taken }, period_taken != given);
        }
        let longer = (LEAST_QUOTA as f64 / processors).ceil();
        match period {
            Period::Found(_) if longer <= LONGEST_PERIOD as f64 => {
                (Self { quota: Some(LEAST_QUOTA), period: (longer as u64).max(period_taken) }, false)
            }
            Period::Found(_) => (Self { quota: Some(LEAST_QUOTA), period: LONGEST_PERIOD }, true),
            Period::Set(_) => (Self { quota: Some(LEAST_QUOTA), period: period_taken }, true),
        }
    }

    /// Whether it allows more than another one.
    #[must_use]
    pub fn is_above(&self, other: &Self) -> bool {
        match (self.quota, other.quota) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(mine), Some(theirs)) => {
                u128::from(mine) * u128::from(other.period) > u128::from(theirs) * u128::from(self.period)
            }
        }
    }

    /// Whether both allow the same, within the tolerance.
    #[must_use]
    pub fn is_close_to(&self, other: &Self) -> bool {
        match (self.quota, other.quota) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => {
                let processors = |quota: u64, period: u64| quota as f64 / period as f64;
                is_close(processors(mine, self.period), processors(theirs, other.period))
            }
            _ => false,
        }
    }

    /// The same or less, so that it fits below another limit; with the same period where the kernel takes it.
    #[must_use]
    pub fn within(&self, above: &Self) -> Self {
        let Some(limit) = above.quota.filter(|_| self.is_above(above)) else { return *self };
        let quota = u128::from(limit) * u128::from(self.period) / u128::from(above.period.max(1));
        match u64::try_from(quota) {
            Ok(quota) if quota >= LEAST_QUOTA => Self { quota: Some(quota), period: self.period },
            _ => *above,
        }
    }
}

/// One of the two values of a quota on cgroup v1, each with a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `cpu.cfs_period_us`
    Period(u64),
    /// `cpu.cfs_quota_us`
    Quota(Option<u64>),
}

/// In which order the two values of a quota are written, so that the kernel takes each: what stands there in between is
/// neither below `floor`, the highest limit of the cgroups below, nor above `ceiling`, that of those above. Where no order does, the
/// limit is lifted for that moment.
#[must_use]
pub fn order_of_parts(found: &Quota, wanted: &Quota, floor: Option<&Quota>, ceiling: Option<&Quota>) -> Vec<Part> {
    let (period, quota) = (Part::Period(wanted.period), Part::Quota(wanted.quota));
    if found.period == wanted.period || wanted.quota.is_none() {
        return vec![quota];
    }
    let fits = |between: &Quota| {
        let is_high_enough = floor.is_none_or(|floor| !floor.is_above(between));
        is_high_enough && ceiling.is_none_or(|ceiling| !between.is_above(ceiling))
    };
    if found.quota.is_none() || fits(&Quota { quota: found.quota, period: wanted.period }) {
        vec![period, quota]
    } else if fits(&Quota { quota: wanted.quota, period: found.period }) {
        vec![quota, period]
    } else {
        vec![Part::Quota(None), period, quota]
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn limit(quota: u64, period: u64) -> Quota {
        Quota { quota: Some(quota), period }
    }

    fn period(microseconds: u64) -> Part {
        Part::Period(microseconds)
    }

    fn quota(microseconds: u64) -> Part {
        Part::Quota(Some(microseconds))
    }

    const NONE: Quota = Quota { quota: None, period: 100_000 };

    #[rstest]
    #[case::v17(0.0, Period::Set(2_000), 1, limit(1_000, 2_000), true)]
    #[case::v19(2.0, Period::Found(1_000), 1, Quota { quota: None, period: 1_000 }, false)]
    #[case::v19(1.0, Period::Set(1_000), 8, Quota { quota: None, period: 1_000 }, false)]
    #[case::v20(0.5, Period::Set(1_000), 8, limit(4_000, 1_000), false)]
    #[case::v20(0.25, Period::Set(10_000), 8, limit(20_000, 10_000), false)]
    #[case::as_found(0.25, Period::Found(100_000), 4, limit(100_000, 100_000), false)]
    #[case::longer(0.001, Period::Found(100_000), 4, limit(1_000, 250_000), false)]
    #[case::the_longest(0.000_1, Period::Found(100_000), 4, limit(1_000, 1_000_000), true)]
    #[case::nothing(0.0, Period::Found(100_000), 4, limit(1_000, 1_000_000), true)]
    #[case::set_too_short(0.5, Period::Set(10), 4, limit(2_000, 1_000), true)]
    #[case::set_too_long(0.5, Period::Set(2_000_000), 4, limit(2_000_000, 1_000_000), true)]
    fn shares(
        #[case] share: f64,
        #[case] period: Period,
        #[case] cpus: usize,
        #[case] expected: Quota,
        #[case] is_adjusted: bool,
    ) {
        assert_eq!(Quota::of_share(share, period, cpus), (expected, is_adjusted));
    }

    #[rstest]
    #[case(limit(50, 100), limit(40, 100), true)]
    #[case(limit(50, 100), limit(50, 100), false)]
    #[case(limit(50, 100), limit(500, 1_000), false)]
    #[case(NONE, limit(1, 1), true)]
    #[case(limit(1, 1), NONE, false)]
    #[case(NONE, NONE, false)]
    fn above(#[case] one: Quota, #[case] other: Quota, #[case] expected: bool) {
        assert_eq!(one.is_above(&other), expected);
    }

    #[rstest]
    #[case::lower_already(limit(10_000, 100_000), limit(20_000, 100_000), limit(10_000, 100_000))]
    #[case::with_its_period(limit(40_000, 50_000), limit(20_000, 100_000), limit(10_000, 50_000))]
    #[case::too_little(limit(5_000, 5_000), limit(1_000, 100_000), limit(1_000, 100_000))]
    #[case::no_limit_above(limit(40_000, 50_000), NONE, limit(40_000, 50_000))]
    #[case::none_at_all(NONE, limit(5_000, 10_000), limit(50_000, 100_000))]
    fn below_another(#[case] given: Quota, #[case] above: Quota, #[case] expected: Quota) {
        assert_eq!(given.within(&above), expected);
        assert!(!given.within(&above).is_above(&above));
    }

    #[rstest]
    #[case::one_period(limit(50, 100), limit(20, 100), None, None, vec![quota(20)])]
    #[case::lifted(limit(50, 100), Quota { quota: None, period: 100 }, None, None, vec![Part::Quota(None)])]
    #[case::from_none(Quota { quota: None, period: 100 }, limit(20, 50), None, None, vec![period(50), quota(20)])]
    #[case::either(limit(50, 100), limit(20, 50), None, None, vec![period(50), quota(20)])]
    #[case::below_another(limit(50, 100), limit(20, 50), None, Some(limit(60, 100)), vec![quota(20), period(50)])]
    #[case::above_others(limit(50, 100), limit(80, 200), Some(limit(30, 100)), None, vec![quota(80), period(200)])]
    #[case::between_two(
        limit(50, 100),
        limit(100, 200),
        Some(limit(50, 100)),
        Some(limit(50, 100)),
        vec![Part::Quota(None), period(200), quota(100)]
    )]
    fn orders(
        #[case] found: Quota,
        #[case] wanted: Quota,
        #[case] floor: Option<Quota>,
        #[case] ceiling: Option<Quota>,
        #[case] expected: Vec<Part>,
    ) {
        assert_eq!(order_of_parts(&found, &wanted, floor.as_ref(), ceiling.as_ref()), expected);
    }
}
