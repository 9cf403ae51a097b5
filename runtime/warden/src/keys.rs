//! Keys of tasks: given by the warden, never used again.

use std::collections::HashMap;

use wca_messages::MAX_TASKS;
use wca_model::TaskKey;

/// A cgroup of one life: made again under the same path, it has another identity.
type Life = (String, u64);

/// The keys that were given. They go on over rosters and over agents.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    last: u64,
    given: HashMap<Life, Given>,
    /// So many there may be until the next look at who is gone.
    room: usize,
}

/// Rosters over which one that is in none of them is remembered: a task may be without a process for a while.
const REMEMBERED: u64 = 256;
/// So many are not worth a look.
const FEW: usize = 1_024;

#[derive(Debug)]
struct Given {
    key: TaskKey,
    /// The roster in which it was seen last.
    roster: u64,
}

impl Keys {
    /// The key of a cgroup in this roster: the one that it had, else a new one.
    pub(crate) fn of(&mut self, cgroup: &str, identity: u64, roster: u64) -> TaskKey {
        let last = &mut self.last;
        let given = self.given.entry((cgroup.to_owned(), identity)).or_insert_with(|| {
            *last += 1;
            Given { key: TaskKey(*last), roster }
        });
        given.roster = roster;
        given.key
    }

    /// Forgets cgroups that have been in no roster for long; of too many, all that are not in this one. One that comes back
    /// after that gets a new key, which is only ever wrong in being new.
    pub(crate) fn forget(&mut self, roster: u64) {
        if self.given.len() <= self.room.max(FEW) {
            return;
        }
        self.given.retain(|_, given| given.roster + REMEMBERED > roster);
        if self.given.len() > 2 * MAX_TASKS {
            self.given.retain(|_, given| given.roster == roster);
        }
        // Each look costs as much as there are, and so comes when as many are new.
        self.room = 2 * self.given.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_keeps_its_key_and_a_new_life_gets_another() {
        let mut keys = Keys::default();
        let first = keys.of("/a", 1, 1);
        let other = keys.of("/b", 2, 1);
        assert_ne!(first, other);
        assert_eq!(keys.of("/a", 1, 2), first);
        let again = keys.of("/a", 3, 3);
        assert!(again > other);
        assert_eq!(keys.of("/a", 1, 4), first);
    }

    #[test]
    fn what_is_forgotten_never_gives_its_key_to_another() {
        let mut keys = Keys::default();
        let most = u64::try_from(2 * MAX_TASKS).unwrap();
        let before: Vec<TaskKey> = (0..=most).map(|identity| keys.of("/a", identity, 1)).collect();
        let kept = keys.of("/a", 0, 2);
        keys.forget(2);
        assert_eq!(keys.given.len(), 1);
        assert_eq!(keys.of("/a", 0, 3), kept);
        assert!(keys.of("/a", 1, 3) > before[before.len() - 1]);
    }

    #[test]
    fn those_that_are_long_gone_are_forgotten_and_others_not() {
        let mut keys = Keys::default();
        let stays = keys.of("/stays", 0, 1);
        let mut most = 0;
        for roster in 1..20_000 {
            assert_eq!(keys.of("/stays", 0, roster), stays);
            for number in 0..10 {
                keys.of("/a", 10 * roster + number, roster);
            }
            let rests = keys.of("/rests", 1, roster / 200 * 200);
            keys.forget(roster);
            assert_eq!(keys.of("/rests", 1, roster / 200 * 200), rests);
            most = most.max(keys.given.len());
        }
        assert!(most < 6_000, "{most}");
    }
}
