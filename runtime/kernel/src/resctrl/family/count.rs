//! Reading the counters of all tasks.

use super::{Monitoring, links};
use crate::family::Moment;
use crate::limits::monitoring_share;
use crate::resctrl::counters::Reading;
use crate::resctrl::group::Group;
use crate::resctrl::layout::domains;
use crate::resctrl::told;
use crate::resctrl::values::{Counted, Remote};

impl Monitoring {
    /// Reads the counters.
    pub(super) fn count(&mut self, moment: &mut Moment<'_>) {
        let rows = self.tasks.len();
        let width = 1 + self.domains.len();
        self.values.clear();
        self.values.resize(self.kinds.len() * width * rows, f64::NAN);
        let Self { mounted: Some(mounted), domains, kinds, tasks, values, has_other_domains, .. } = self else {
            return;
        };
        let per_group = domains.len() * mounted.events.len() + 1;
        let mut left = monitoring_share(moment.allowance.left).min(moment.allowance.granted);
        for (row, task) in tasks.iter_mut().enumerate() {
            let has_fallen = std::mem::take(&mut task.has_fallen);
            if task.why.is_some() || task.groups.is_empty() {
                task.remote.clear();
                continue;
            }
            let keeps = left >= per_group * task.groups.len();
            left = left.saturating_sub(per_group * task.groups.len());
            task.remote.resize_with(domains.len(), Remote::default);
            let mut sum = Counted::default();
            let mut is_gone = false;
            for (at, domain) in domains.iter().enumerate() {
                let mut counted = Counted::default();
                for group in &mut task.groups {
                    for (of, event) in mounted.events.iter().enumerate() {
                        let reading = group.read((at, domain), (of, *event), keeps, moment.buffer);
                        let path = || mounted.path.join(group.place.path()).join(&domain.path).join(event.file());
                        let value = match reading {
                            Reading::Bytes(value) => value,
                            Reading::Gone => {
                                is_gone = true;
                                f64::NAN
                            }
                            other => {
                                told::of_counter(other, path, moment);
                                f64::NAN
                            }
                        };
                        counted.add(*event, value);
                    }
                }
                counted.take_remote(&mut task.remote[at]);
                if has_fallen {
                    (counted.total, counted.local, counted.remote) = (f64::NAN, f64::NAN, f64::NAN);
                }
                for (kind_at, kind) in kinds.iter().enumerate() {
                    values[(kind_at * width + 1 + at) * rows + row] = kind.of(&counted);
                }
                sum = sum.plus(&counted);
            }
            for (kind_at, kind) in kinds.iter().enumerate().filter(|_| !domains.is_empty()) {
                values[kind_at * width * rows + row] = kind.of(&sum);
            }
            if is_gone {
                // The group, or a domain whose processors went offline.
                let before = task.groups.len();
                task.groups.retain(Group::is_there);
                *has_other_domains |= task.groups.len() == before;
                task.forget_threads();
            }
        }
    }

    /// Looks for the domains again where one went or may have come; true where they are others.
    pub(super) fn renew_domains(&mut self) -> bool {
        let Some(mounted) = &self.mounted else { return false };
        let links = links(&mounted.root);
        if links == self.links && !self.has_other_domains {
            return false;
        }
        let Ok(found) = domains(&mounted.root) else { return false };
        self.has_other_domains = false;
        self.links = links;
        if found == self.domains {
            return false;
        }
        self.domains = found;
        for task in &mut self.tasks {
            task.remote.clear();
            for group in &mut task.groups {
                group.counters.close();
            }
        }
        true
    }
}
