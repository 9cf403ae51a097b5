//! Policies that may change nothing for a while, since what they had changed was undone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wca_control::Policy;

/// Longest time in which a policy may change nothing, where the first one is not longer.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How many times as long as it last had to wait a policy must behave to be as new: one that flaps slowly does so all the same.
const GOOD_BEHAVIOUR: u32 = 10;

/// Policies that cool down, or did so lately. Times are any clock's that never goes back.
#[derive(Debug, Default)]
pub(super) struct Cooling {
    policies: BTreeMap<Policy, Cooled>,
}

#[derive(Debug)]
struct Cooled {
    until: Duration,
    length: Duration,
    why: String,
    cgroups: BTreeSet<String>,
}

impl Cooled {
    /// Whether it would count as again if its policy did harm now.
    fn counts(&self, now: Duration) -> bool {
        now < self.until + self.length * GOOD_BEHAVIOUR
    }
}

/// A policy that may change nothing for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoolsDown<'a> {
    pub(super) policy: &'a Policy,
    /// How much longer.
    pub(super) left: Duration,
    pub(super) why: &'a str,
    /// The tasks whose changes were undone, and the one that got worse.
    pub(super) cgroups: &'a BTreeSet<String>,
}

impl Cooling {
    /// What a policy has changed was undone. How long it may change nothing: `first`, and twice as long each time that it happens
    /// again before it has behaved for ten times as long as it last had to wait.
    pub(super) fn begin(
        &mut self,
        policy: Policy,
        now: Duration,
        first: Duration,
        why: String,
        cgroups: BTreeSet<String>,
    ) -> Duration {
        let again = self.policies.get(&policy).filter(|cooled| cooled.counts(now));
        let length = again.map_or(first, |cooled| (cooled.length * 2).min(LONGEST).max(first));
        self.policies.insert(policy, Cooled { until: now + length, length, why, cgroups });
        length
    }

    /// Those that have behaved for long enough are as new.
    pub(super) fn forget_old(&mut self, now: Duration) {
        self.policies.retain(|_, cooled| cooled.counts(now));
    }

    /// Whether a policy may change nothing for now.
    pub(super) fn of(&self, policy: &Policy, now: Duration) -> Option<CoolsDown<'_>> {
        self.all(now).find(|cools| cools.policy == policy && !cools.left.is_zero())
    }

    /// Those that cool down or did so lately, with nothing left for those that may change things again.
    pub(super) fn all(&self, now: Duration) -> impl Iterator<Item = CoolsDown<'_>> {
        self.policies.iter().map(move |(policy, cooled)| CoolsDown {
            policy,
            left: cooled.until.saturating_sub(now),
            why: &cooled.why,
            cgroups: &cooled.cgroups,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy(name: &str) -> Policy {
        Policy { name: name.into(), digest: "1".into() }
    }

    #[test]
    fn it_lasts_twice_as_long_each_time_and_is_short_again_after_good_behaviour() {
        let mut cooling = Cooling::default();
        let mut begin = |at, first| {
            cooling.begin(policy("p"), seconds(at), seconds(first), "why".into(), BTreeSet::new()).as_secs()
        };
        // Until 110; again before 210; until 139; again before 339.
        assert_eq!([begin(100, 10), begin(119, 10), begin(145, 10)], [10, 20, 40]);
        // Until 185, and it has behaved for 400 s.
        assert_eq!(begin(585, 10), 10);
        let mut at = 586;
        let lengths: Vec<u64> = (0..10)
            .map(|_| {
                let length = begin(at, 10);
                at += length;
                length
            })
            .collect();
        assert_eq!(lengths, [20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(begin(at, 7_200), 7_200, "as long as the operator wants it to be at least");
    }

    #[test]
    fn one_that_has_behaved_for_long_enough_is_forgotten() {
        let mut cooling = Cooling::default();
        cooling.begin(policy("p"), seconds(0), seconds(10), "why".into(), BTreeSet::new());
        cooling.begin(policy("q"), seconds(50), seconds(10), "why".into(), BTreeSet::new());
        for (at, expected) in [(109, vec!["p", "q"]), (110, vec!["q"]), (160, vec![])] {
            cooling.forget_old(seconds(at));
            let names: Vec<&str> = cooling.all(seconds(at)).map(|cools| cools.policy.name.as_str()).collect();
            assert_eq!(names, expected, "{at}");
        }
    }

    #[test]
    fn each_policy_cools_down_by_itself() {
        let mut cooling = Cooling::default();
        let cgroups = BTreeSet::from(["/a".to_owned()]);
        cooling.begin(policy("p"), seconds(5), seconds(10), "why".into(), cgroups.clone());
        let expected = CoolsDown { policy: &policy("p"), left: seconds(3), why: "why", cgroups: &cgroups };
        assert_eq!(cooling.of(&policy("p"), seconds(12)), Some(expected));
        assert_eq!(cooling.of(&policy("p"), seconds(15)), None);
        assert_eq!(cooling.of(&policy("q"), seconds(12)), None);
        let other = Policy { digest: "2".into(), ..policy("p") };
        assert_eq!(cooling.of(&other, seconds(12)), None, "with other arguments it is another policy");
    }
}
