//! Who is protected, and who may be squeezed.

use std::collections::BTreeMap;

use wca_guest::log;
use wca_guest::now::RosterChange;
use wca_guest::types::Key;

use crate::policy::Config;
use crate::selector::selects;

/// Resources with a target, as the levels of `task_pressure_seconds` name them.
pub(crate) const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// A task that is protected.
pub(crate) struct Protected {
    /// Its name for the operator.
    pub(crate) id: String,
    /// Greatest share of time in which it may wait for each of [`RESOURCES`].
    pub(crate) targets: [Option<f64>; 3],
}

/// A task that may be squeezed.
pub(crate) struct BestEffort {
    /// Its name for the operator.
    pub(crate) id: String,
    /// Least quota that it may have, as part of all processors.
    pub(crate) quota_floor: f64,
}

/// The tasks that matter, by key.
#[derive(Default)]
pub(crate) struct Roster {
    pub(crate) protected: BTreeMap<Key, Protected>,
    pub(crate) best_effort: BTreeMap<Key, BestEffort>,
}

/// What came and went.
#[derive(Default)]
pub(crate) struct Change {
    /// Best-effort tasks that are new.
    pub(crate) arrived: Vec<Key>,
    /// Tasks that live on and may no longer be squeezed.
    pub(crate) spared: Vec<Key>,
    /// Tasks that were protected or best-effort, and have ended.
    pub(crate) departed: Vec<Key>,
}

impl Roster {
    /// Takes over what came and went.
    pub(crate) fn update(&mut self, config: &Config, news: RosterChange) -> Change {
        let mut change = Change::default();
        for key in news.departed {
            let (was_protected, was_best_effort) = (self.protected.remove(&key), self.best_effort.remove(&key));
            if was_protected.is_some() || was_best_effort.is_some() {
                change.departed.push(key);
            }
        }
        for task in news.arrived {
            let protected = config.protected.iter().find(|entry| selects(&entry.labels, &task));
            let best_effort = config.best_effort.iter().find(|entry| selects(&entry.labels, &task));
            let (key, id) = (task.key, task.id);
            if protected.is_some() && best_effort.is_some() {
                log::warn!("{id} is protected, and best-effort too by its labels: it is not squeezed");
            }
            self.protected.remove(&key);
            let was_best_effort = self.best_effort.remove(&key).is_some();
            match (protected, best_effort) {
                (Some(entry), _) => {
                    let targets = [entry.cpu, entry.memory, entry.io];
                    self.protected.insert(key, Protected { id, targets });
                }
                (None, Some(entry)) => {
                    let quota_floor = entry.quota_floor.unwrap_or(config.quota_floor);
                    self.best_effort.insert(key, BestEffort { id, quota_floor });
                    if !was_best_effort {
                        change.arrived.push(key);
                    }
                    continue;
                }
                (None, None) => {}
            }
            if was_best_effort {
                change.spared.push(key);
            }
        }
        change
    }
}
