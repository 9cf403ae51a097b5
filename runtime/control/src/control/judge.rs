//! Whether a request can be applied, and in whose name.

use wca_kernel::values::Spot;
use wca_model::{Change, Refusal, Request};
use wca_rules::validate;

use super::Control;
use crate::context::Context;
use crate::foreign::why_it_is_left;
use crate::held::Owner;
use crate::kinds;
use crate::plan::{Planned, Step};
use crate::tasks::ControlledTask;

impl Control {
    /// Whether one request can be applied, and what is to be written for it; none for a release, and for resctrl, which is planned for
    /// all tasks together. `will_have`: whether the batch gives the task a memory node.
    pub(super) fn judge(
        &self,
        policy: u32,
        request: &Request,
        counts: bool,
        will_have: &dyn Fn(u32) -> bool,
        context: &Context<'_>,
    ) -> Result<(Owner, Option<Planned>), String> {
        if self.is_frozen {
            return Err("frozen by the operator".into());
        }
        if !counts {
            return Err("a later request of the same batch asks for the same of this task".into());
        }
        if let (false, Some(why)) = (matches!(request.change, Change::Release(_)), self.ledger.why_full()) {
            return Err(why);
        }
        let task = context.tasks.get(request.task).ok_or_else(|| Refusal::Gone.to_string())?;
        validate(&request.change, context.platform).map_err(|refusal| refusal.to_string())?;
        let owner = self.owner(policy, request, task)?;
        if matches!(request.change, Change::Release(_)) {
            self.may_release(policy, &owner)?;
            return Ok((owner, None));
        }
        if let Change::MigratePages(node) = request.change {
            self.pages.check(&task.cgroup, node, will_have(node), &self.values)?;
            return Ok((owner, Some(Planned::default())));
        }
        let Some(planned) = kinds::plan(&request.change, task, context)? else { return Ok((owner, None)) };
        for step in &planned.steps {
            self.is_free(policy, step, &owner)?;
        }
        self.stays_not(&planned.steps)?;
        Ok((owner, Some(planned)))
    }

    /// Whether a value may be written in the name of this policy.
    pub(crate) fn is_free(&self, policy: u32, step: &Step, owner: &Owner) -> Result<(), String> {
        let spot = &step.spot;
        if let Some(entry) = self.journal.get(spot) {
            let is_wanted = spot.is_of_group() && entry.held.written == step.value;
            if !is_wanted {
                self.comes_not_first(policy, spot, &entry.held.owner)?;
            }
        }
        match self.values.life(spot) {
            Some(life) if self.journal.left().get(spot).is_some_and(|left| left.life == life) => {
                Err(why_it_is_left(spot, owner.kind))
            }
            _ => Ok(()),
        }
    }

    /// Whether a value is held by no other policy that comes before this one.
    fn comes_not_first(&self, policy: u32, spot: &Spot, holder: &Owner) -> Result<(), String> {
        let place = self.policies.iter().position(|known| *known == holder.policy);
        if place.is_some_and(|place| place < policy as usize) {
            return Err(format!("{spot} is held by {}, which comes first", holder.policy.name));
        }
        Ok(())
    }

    /// Whether a policy may give back a kind of a task, and have written again what was left to others.
    fn may_release(&self, policy: u32, Owner { cgroup, kind, .. }: &Owner) -> Result<(), String> {
        let held = self.journal.iter().map(|entry| (&entry.held.spot, &entry.held.owner));
        let left = self.journal.left().iter().map(|(spot, left)| (spot, &left.owner));
        let mut all = held.chain(left).filter(|(_, holder)| holder.cgroup == *cgroup && holder.kind == *kind);
        all.try_for_each(|(spot, holder)| self.comes_not_first(policy, spot, holder))
    }

    /// The same for all that goes back with a group of resctrl, or with what is set in it. What stands in the name of a task that has
    /// left the group is nobody's.
    pub(super) fn may_give_back(
        &self,
        policy: u32,
        released: &kinds::rdt::Released,
        cgroup: &str,
    ) -> Result<(), String> {
        let held = released.spots.iter().filter_map(|spot| Some((spot, &self.journal.get(spot)?.held.owner)));
        let held = held.filter(|(_, holder)| holder.cgroup == cgroup);
        let left = self.journal.left();
        let left = released.forgotten.iter().filter_map(|spot| Some((spot, &left.get(spot)?.owner)));
        held.chain(left).try_for_each(|(spot, holder)| self.comes_not_first(policy, spot, holder))
    }

    /// Whether steps ask for more than once again for what somebody else has changed.
    pub(super) fn stays_not(&self, steps: &[Step]) -> Result<(), String> {
        self.foreign.stays(steps, &self.journal, &self.settings).map_or(Ok(()), Err)
    }

    fn owner(&self, policy: u32, request: &Request, task: &ControlledTask) -> Result<Owner, String> {
        let known =
            self.policies.get(policy as usize).ok_or_else(|| format!("policy {policy} is none of the operator's"))?;
        Ok(Owner {
            policy: known.clone(),
            cgroup: task.cgroup.clone(),
            kind: request.change.kind(),
            domain: request.change.domain(),
            asked: request.change.to_string(),
        })
    }
}
