//! How many tasks were changed within the last minute.

use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The tasks that were changed within the last minute, by their cgroups. Times are any clock's that never goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedTasks {
    last: BTreeMap<String, Duration>,
}

impl ChangedTasks {
    /// Counts that a task is about to be changed, where it is one of no more than `share` of `all` tasks in this minute. One task
    /// may always be changed, else a small machine would have a share of none.
    ///
    /// # Errors
    /// How many were changed, and how many may be, in words for an operator; nothing is counted then.
    pub fn count(&mut self, cgroup: &str, share: f64, all: usize, now: Duration) -> Result<(), String> {
        self.last.retain(|_, last| now.saturating_sub(*last) < MINUTE);
        let most = most(share, all);
        if !self.last.contains_key(cgroup) && self.last.len() >= most {
            let changed = self.last.len();
            return Err(format!(
                "{changed} of {all} tasks were changed within a minute, and {most} may be (changed_tasks_per_minute: {share})"
            ));
        }
        self.last.insert(cgroup.to_owned(), now);
        Ok(())
    }
}

fn most(share: f64, all: usize) -> usize {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1 of at most 65,536 tasks"
    )]
    let most = (share * all as f64) as usize;
    most.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_share_of_the_tasks_may_be_changed_in_any_minute() {
        let mut changed = ChangedTasks::default();
        for (cgroup, at) in [("/a", 0), ("/b", 10), ("/a", 20)] {
            assert_eq!(changed.count(cgroup, 0.25, 8, seconds(at)), Ok(()), "{cgroup}");
        }
        let why = changed.count("/c", 0.25, 8, seconds(59)).unwrap_err();
        assert_eq!(why, "2 of 8 tasks were changed within a minute, and 2 may be (changed_tasks_per_minute: 0.25)");
        // /b was changed a minute ago; /a was changed again since.
        assert_eq!(changed.count("/c", 0.25, 8, seconds(70)), Ok(()));
        assert!(changed.count("/d", 0.25, 8, seconds(70)).is_err());
        assert_eq!(changed.count("/a", 0.25, 8, seconds(70)), Ok(()), "one that was changed already");
    }

    #[test]
    fn one_task_may_always_be_changed() {
        for (share, all) in [(0.0, 5), (0.1, 5), (1.0, 0), (1.0, 1)] {
            let mut changed = ChangedTasks::default();
            assert_eq!(changed.count("/a", share, all, seconds(0)), Ok(()));
            assert!(changed.count("/b", share, all, seconds(1)).is_err());
        }
    }
}
