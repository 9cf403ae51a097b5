//! Cache ways and bandwidth: the same for all best-effort tasks.

use wca_guest::types::Key;
use wca_guest::{plan, platform};

use super::Means;
use crate::limit::{Limit, Scale};
use crate::policy::Lever;
use crate::requests::Requests;
use crate::view::View;

impl Means {
    /// Takes over what is in force in truth, by the task whose request became something else; `is_nearest` where it could not be had.
    pub(crate) fn look_at(&mut self, key: Key, is_nearest: bool, view: &View<'_>) {
        let Some(limit) = self.shared else { return };
        let in_force = self.shared_in_force(key).filter(|value| *value < self.shared_scale(view).most);
        if let Some(value) = in_force.filter(|value| is_nearest && *value > limit.value) {
            self.least_shared = value;
        }
        self.shared = in_force.map(|value| limit.at(value));
    }

    /// The same where no task has it any more: the operator has put everything back, or a guard what came last.
    pub(crate) fn reconcile(&mut self, view: &View<'_>) {
        let Some(limit) = self.shared else { return };
        let scale = self.shared_scale(view);
        let (mut is_known, mut greatest) = (false, None::<f64>);
        for key in self.members.iter().filter(|key| view.roster.best_effort.contains_key(*key)) {
            let Some(now) = self.shared_in_force(*key) else { continue };
            if (now - self.meant_for(*key, limit.value)).abs() < scale.grain {
                return;
            }
            is_known = true;
            if now < scale.most {
                greatest = Some(greatest.map_or(now, |greatest| greatest.max(now)));
            }
        }
        if is_known {
            self.shared = greatest.map(|value| limit.at(value));
        }
    }

    /// What a task has of what is shared: the most of all domains; none where that is not known.
    fn shared_in_force(&self, key: Key) -> Option<f64> {
        match self.lever {
            Lever::CpuQuota => None,
            Lever::RdtL3 => {
                let domains = platform::l3_domains();
                let masks = domains.iter().filter_map(|domain| plan::l3_in_force(key, *domain));
                masks.map(|mask| f64::from(mask.count_ones())).reduce(f64::max)
            }
            Lever::RdtMb => {
                let domains = platform::bandwidth_domains();
                domains.iter().filter_map(|domain| plan::mb_in_force(key, *domain)).map(f64::from).reduce(f64::max)
            }
        }
    }

    /// What a task has with a limit of this value: no more ways than it had before.
    fn meant_for(&self, key: Key, value: f64) -> f64 {
        let masks = self.masks.range((key, 0)..=(key, u32::MAX));
        let had = masks.map(|(_, mask)| f64::from(mask.count_ones())).reduce(f64::max);
        had.map_or(value, |had| had.min(value))
    }

    pub(super) fn share(&mut self, limit: Limit, view: &View<'_>, requests: &mut Requests) -> bool {
        let is_given_back = self.shared.is_some_and(|before| limit.value > before.value);
        let mut anything = false;
        if self.shared.is_none() {
            self.members.clear();
        }
        for (key, task) in &view.roster.best_effort {
            // To one that has more, a step back would be a squeeze.
            let has_more =
                is_given_back && !requests.is_shadow && self.shared_in_force(*key).is_some_and(|now| now > limit.value);
            if !has_more && requests.may_ask(*key, self.lever) {
                anything |= self.ask_shared(*key, &task.id, limit.value, requests);
            }
        }
        if anything {
            self.shared = Some(limit);
        }
        anything
    }

    pub(super) fn ask_shared(&mut self, key: Key, name: &str, value: f64, requests: &mut Requests) -> bool {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "ways and limits are whole and small"
        )]
        let whole = value as u32;
        if self.lever == Lever::RdtMb {
            let mut domains = platform::bandwidth_domains().into_iter();
            let is_taken =
                domains.all(|domain| requests.asked(key, self.lever, name, plan::rdt_mb(key, domain, whole)));
            if is_taken {
                self.members.insert(key);
            }
            return is_taken;
        }
        if self.shared.is_none() && !requests.is_to_be_released(key, self.lever) {
            self.masks.retain(|(of, _), _| *of != key);
        }
        let all = platform::l3_mask();
        for domain in platform::l3_domains() {
            let had = self.masks.entry((key, domain));
            let had = *had.or_insert_with(|| plan::l3_in_force(key, domain).unwrap_or(all) & all);
            if !requests.asked(key, self.lever, name, plan::rdt_l3(key, domain, lowest(had, whole))) {
                return false;
            }
        }
        self.members.insert(key);
        true
    }

    pub(super) fn shared_scale(&self, view: &View<'_>) -> Scale {
        let release = view.config.release;
        if self.lever == Lever::RdtL3 {
            let floor = f64::from(view.config.ways_floor.max(platform::l3_min_ways())).max(self.least_shared);
            let most = f64::from(platform::l3_mask().count_ones());
            return Scale { floor, most, is_loose: false, grain: 1.0, release };
        }
        let (least, step) = platform::bandwidth_range();
        let grain = f64::from(step.max(1));
        let is_percent = platform::bandwidth_unit() == "percent";
        let floor = (f64::from(view.config.bandwidth_floor) / grain).ceil() * grain;
        let most = if is_percent { 100.0 } else { f64::INFINITY };
        Scale { floor: floor.max(f64::from(least)).max(self.least_shared), most, is_loose: !is_percent, grain, release }
    }
}

/// The lowest ways of a mask: the highest ones are those that devices use too (`shareable_bits` of
/// Documentation/filesystems/resctrl.rst).
fn lowest(mask: u64, ways: u32) -> u64 {
    let mut rest = mask;
    for _ in 0..ways {
        // Takes the lowest bit away.
        rest &= rest.wrapping_sub(1);
    }
    mask & !rest
}
