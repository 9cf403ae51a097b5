//! The life of what is held: ticks, pauses, other settings, and the end.

use wca_model::{Fate, Mode, OnExit, OnFailure, Platform};

use crate::adopt::expire;
use crate::apply::{Made, Watch, apply_watched};
use crate::control::Control;
use crate::kinds::rdt::{self, is_operators};
use crate::pages::Late;
use crate::policy::Policy;
use crate::restore::{self, Restored, put_back};
use crate::settings::Settings;
use crate::tasks::Tasks;

impl Control {
    /// Once in each interval: what others have changed, and what nobody has asked for again. What is to be said.
    pub fn tick(&mut self) -> Vec<String> {
        let writes_nothing = self.is_frozen || self.settings.mode == Mode::Shadow;
        let mut told = self.foreign.look(&self.values, &mut self.journal, &self.settings, writes_nothing);
        let (due, moved) = self.pages.ended(&self.values);
        told.extend(moved);
        if self.is_frozen {
            return told;
        }
        for late in due {
            let cgroup = late.due.owner.cgroup.clone();
            if let Err(why) = self.apply_late(late) {
                told.push(format!("{cgroup}: cpuset_mems, after its pages have moved: {why}"));
            }
        }
        told.extend(self.ledger.say_full());
        let expired = expire(&self.values, &mut self.journal);
        if expired != Restored::default() {
            told.push(format!("values that no policy has asked for again: {expired}"));
        }
        told.extend(rdt::remove_unused(&self.values, &mut self.journal));
        told
    }

    /// Once in each interval, with the roster: puts back what is held of tasks that have not been in it for `adopt_ticks` intervals, since
    /// no policy can ask for it or give it back any more. What is to be said.
    pub fn forget_absent(&mut self, tasks: &Tasks) -> Vec<String> {
        if self.is_frozen {
            return Vec::new();
        }
        let (away, is_new) = self.absent.tick(self.settings.adopt_ticks, tasks, &self.journal);
        if away.is_empty() {
            return Vec::new();
        }
        for cgroup in &away {
            self.pages.forget(cgroup);
        }
        let held = self.journal.iter().map(|entry| &entry.held).filter(|held| away.contains(&held.owner.cgroup));
        let spots = held.map(|held| held.spot.clone()).collect();
        let restored = put_back(spots, &self.values, &mut self.journal);
        let mut told = rdt::remove_unused(&self.values, &mut self.journal);
        if is_new && restored != Restored::default() {
            told.push(format!("values of tasks that are in the roster no more: {restored}"));
        }
        told
    }

    /// Writes what has waited, unless it became somebody else's meanwhile.
    fn apply_late(&mut self, late: Late) -> Result<(), String> {
        let (outcome, due) = (late.outcome(Fate::Applied), late.due);
        if let Some(why) = self.ledger.why_full() {
            return Err(why);
        }
        let place = self.policies.iter().position(|known| *known == due.owner.policy);
        let policy = place.and_then(|place| u32::try_from(place).ok()).ok_or("its policy has gone")?;
        for step in &due.planned.steps {
            self.is_free(policy, step, &due.owner)?;
        }
        let (owner, mut made) = (due.owner.clone(), Made::default());
        let watch = Watch { foreign: &mut self.foreign, settings: &self.settings };
        let fates = apply_watched(vec![due], &self.values, &mut self.journal, Some(watch), &mut made);
        self.keep_late(&owner, made, outcome);
        let failed =
            fates.into_iter().find_map(|(_, fate)| if let Fate::Failed(why) = fate { Some(why) } else { None });
        failed.map_or(Ok(()), Err)
    }

    /// Before any policy, and when changes go on: gives the root group of resctrl what the operator wants it to have, and at the
    /// start removes the groups that he wants to be gone. What is to be said.
    ///
    /// # Errors
    /// What the operator has written is wrong, or the kernel refuses it.
    pub fn begin(&mut self, platform: &Platform) -> Result<Vec<String>, String> {
        let begun = rdt::begin(&self.values, platform, &self.settings, &mut self.journal);
        // Once: groups that come later are those of programs that run beside.
        self.settings.rdt.remove_all_groups = false;
        begun
    }

    /// Puts back everything.
    pub fn restore(&mut self) -> Restored {
        self.pages.forget_all();
        self.ledger.clear();
        put_back(restore::all(&self.journal), &self.values, &mut self.journal)
    }

    /// The end: everything is put back or stays, as the operator has decided.
    pub fn end(&mut self) -> Option<Restored> {
        let restored = (self.settings.on_exit == OnExit::Restore).then(|| self.restore());
        if restored.is_some() {
            restore::said(self.journal.regain(|_, _| true));
        }
        restore::said(self.journal.close());
        restored
    }

    /// Nobody decides for now, since the agent has failed: what policies hold is put back, or waits to be asked for again, as the
    /// operator has decided for failures. While frozen it waits in any case.
    pub fn pause(&mut self) -> Option<Restored> {
        self.pages.forget_all();
        if self.is_frozen || self.settings.on_failure == OnFailure::Keep {
            self.journal.adopt(self.settings.adopt_ticks, |_| true);
            return None;
        }
        self.ledger.clear();
        Some(self.give_up(|policy| !is_operators(policy)))
    }

    /// A policy has failed so often that nobody calls it any more: what it holds is put back, or stays, as the operator has decided
    /// for failures.
    pub fn policy_failed(&mut self, policy: u32) -> Option<Restored> {
        (self.settings.on_failure == OnFailure::Restore).then(|| self.release_policy(policy))
    }

    /// A policy does not know what it had asked for: what of that it does not ask for again within `adopt_ticks` intervals is put
    /// back.
    pub fn policy_begins_anew(&mut self, policy: u32) {
        let Some(policy) = self.policies.get(policy as usize) else { return };
        self.journal.adopt(self.settings.adopt_ticks, |held| held == policy);
    }

    /// Gives back everything that a policy holds.
    pub fn release_policy(&mut self, policy: u32) -> Restored {
        let Some(policy) = self.policies.get(policy as usize).cloned() else { return Restored::default() };
        self.give_up(|held| *held == policy)
    }

    /// From now on. Values of policies that are not among these are put back, and where nothing is written any more, all are when their
    /// time is over.
    pub fn renew(&mut self, settings: Settings, policies: Vec<Policy>) -> Restored {
        let becomes_shadow = settings.mode == Mode::Shadow && self.settings.mode == Mode::Apply;
        let was_begun = !self.settings.rdt.remove_all_groups;
        self.settings = settings;
        self.settings.rdt.remove_all_groups &= !was_begun;
        self.policies = policies;
        if becomes_shadow || !self.keeps_batches() {
            self.ledger.clear();
        }
        if becomes_shadow {
            self.pages.forget_all();
            self.journal.adopt(self.settings.adopt_ticks, |_| true);
        }
        let known = self.policies.clone();
        restore::said(self.journal.regain(|_, left| !known.contains(&left.owner.policy)));
        self.give_up(|policy| !known.contains(policy) && !is_operators(policy))
    }

    /// No changes until it is thawed; whether that is new.
    pub fn freeze(&mut self, is_frozen: bool) -> bool {
        if is_frozen {
            self.pages.forget_all();
        }
        std::mem::replace(&mut self.is_frozen, is_frozen) != is_frozen
    }

    /// Puts back what these policies hold; while frozen, when it is thawed.
    fn give_up(&mut self, is_meant: impl Fn(&Policy) -> bool) -> Restored {
        self.pages.forget_of(&is_meant);
        let held = self.journal.iter().map(|entry| &entry.held);
        let spots: Vec<_> = held.filter(|held| is_meant(&held.owner.policy)).map(|held| held.spot.clone()).collect();
        if self.is_frozen {
            self.journal.let_expire(&spots);
            return Restored::default();
        }
        put_back(spots, &self.values, &mut self.journal)
    }
}

#[cfg(test)]
mod tests;
