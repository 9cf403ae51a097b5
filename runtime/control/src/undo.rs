//! Undoing batches: what stood there before them stands there again, save what somebody else has changed since.

use std::collections::BTreeSet;

use wca_kernel::values::{ABSENT, Spot, Values};
use wca_model::{CompareWith, Fate, Kind, Outcome, TaskKey};

use crate::apply::{Done, Made, is_changed};
use crate::control::Control;
use crate::held::Owner;
use crate::journal::{Dropped, Journal};
use crate::kinds::rdt::{remove_unused, threads_of};
use crate::ledger::Batch;
use crate::policy::Policy;
use crate::restore::{Restored, said};
use crate::tasks::Tasks;

/// A batch that was made and can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Counts the batches.
    pub number: u64,
    /// Cgroups of the tasks that were touched: of those that were changed, and of those that share a group of resctrl of which
    /// something was written.
    pub cgroups: Vec<String>,
}

/// What became of batches that were undone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undone {
    /// What became of their values.
    pub restored: Restored,
    /// The batches, the newest first.
    pub batches: Vec<UndoneBatch>,
}

/// A batch that was undone.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoneBatch {
    /// Who had asked for it.
    pub policy: Policy,
    /// What had become of those of its requests that had changed something, or were about to when pages had moved.
    pub outcomes: Vec<Outcome>,
}

/// What stands where a step was made.
enum Standing {
    /// What the step, or one that was undone already, has left there.
    Ours,
    /// Nothing of ours.
    Gone,
    /// Somebody else's value.
    Theirs(String),
}

impl Control {
    /// Whether what is done can be undone batch by batch.
    pub(crate) fn keeps_batches(&self) -> bool {
        !self.settings.protect.is_empty()
    }

    /// The batches after this number that can be undone, the oldest first.
    pub fn batches_after(&self, number: u64) -> impl Iterator<Item = NewBatch> {
        let new = |batch: &Batch| NewBatch { number: batch.number, cgroups: batch.cgroups.clone() };
        self.ledger.after(number).map(new)
    }

    /// Whether a batch that can be undone has written there.
    #[must_use]
    pub fn is_on_trial(&self, spot: &Spot) -> bool {
        self.ledger.has(spot)
    }

    /// Batches up to this number are good, and are never undone.
    pub fn accept_until(&mut self, number: u64) {
        self.ledger.forget_until(number);
    }

    /// Undoes all batches from this number on, the newest first, and the steps of each from the last to the first. What somebody else
    /// has changed since is theirs; what was given back since by others than these batches stays so. What still waits for pages to
    /// move in the name of these policies is not written any more. While frozen nothing is undone.
    pub fn undo_since(&mut self, number: u64) -> Undone {
        let mut undone = Undone::default();
        if self.is_frozen {
            return undone;
        }
        let mut steps = Vec::new();
        while let Some(batch) = self.ledger.take_newest(number) {
            steps.extend(batch.steps.into_iter().rev());
            undone.batches.push(UndoneBatch { policy: batch.policy, outcomes: batch.outcomes });
        }
        for UndoneBatch { policy, outcomes } in &mut undone.batches {
            // The newest batch of a policy tells it.
            let forgotten = self.pages.forget_of(|waiting| waiting == policy);
            outcomes.extend(forgotten.iter().map(|late| late.outcome(Fate::Unchanged)));
        }
        undone.restored = undo(steps, &self.values, &mut self.journal);
        undone.restored.failed.extend(remove_unused(&self.values, &mut self.journal));
        undone
    }

    /// Keeps a batch that was made.
    pub(crate) fn keep_batch(&mut self, policy: u32, made: Made, outcomes: &[Outcome], tasks: &Tasks) {
        let (true, Some(policy)) = (self.keeps_batches(), self.policy(policy).cloned()) else { return };
        let owners = made.steps().filter_map(|step| self.owner_of(step));
        let changed: BTreeSet<(&str, Kind)> = owners.map(|owner| (owner.cgroup.as_str(), owner.kind)).collect();
        let of_task = |key: TaskKey| tasks.get(key).map_or("", |task| task.cgroup.as_str());
        let is_meant = |outcome: &&Outcome| {
            let is_in_force = matches!(outcome.fate, Fate::Applied | Fate::Adjusted(_));
            is_in_force && changed.contains(&(of_task(outcome.task), outcome.kind))
        };
        let outcomes: Vec<Outcome> = outcomes.iter().filter(is_meant).cloned().collect();
        let changed = changed.iter().map(|(cgroup, _)| (*cgroup).to_owned());
        let cgroups: BTreeSet<String> = changed.chain(self.sharers(&made, tasks)).collect();
        self.ledger.add(policy, made, outcomes, cgroups.into_iter().collect());
    }

    /// Cgroups of the tasks with threads in a group of resctrl of which something was written, whoever has put them there. That is looked
    /// up where somebody compares tasks with others that were not touched.
    fn sharers(&self, made: &Made, tasks: &Tasks) -> Vec<String> {
        let is_asked = self.settings.protect.iter().any(|protect| protect.compare_with == CompareWith::Peers);
        let written = |step: &Done| match &step.spot {
            Spot::Schemata { group, .. } => Some(group.clone()),
            _ => None,
        };
        let groups: BTreeSet<String> = made.steps().filter_map(written).collect();
        if !is_asked || groups.is_empty() {
            return Vec::new();
        }
        let shares = |cgroup: String| {
            let spot = Spot::Threads { cgroup };
            if let Some(entry) = self.journal.get(&spot) {
                return groups.contains(&entry.held.written);
            }
            // Where it cannot be told, it may be.
            self.values.read(&spot).map_or(true, |found| {
                !self.values.is_nobody(&spot, &found) && found.split('/').any(|group| groups.contains(group))
            })
        };
        let sharers = tasks.iter().filter(|task| threads_of(task).into_iter().any(shares));
        sharers.map(|task| task.cgroup.clone()).collect()
    }

    /// In whose name a step was made.
    fn owner_of<'a>(&'a self, step: &'a Done) -> Option<&'a Owner> {
        let held = self.journal.get(&step.spot).or(step.entry.as_ref());
        held.map(|entry| &entry.held.owner)
    }

    /// Keeps what was made of a request only after its pages had moved. Its policy heard of it when it asked.
    pub(crate) fn keep_late(&mut self, owner: &Owner, made: Made, outcome: Outcome) {
        if self.keeps_batches() {
            self.ledger.add(owner.policy.clone(), made, vec![outcome], vec![owner.cgroup.clone()]);
        }
    }
}

/// Undoes steps in this order, and again as long as that helps: one can be in the way of another.
fn undo(mut steps: Vec<Done>, values: &Values, journal: &mut Journal) -> Restored {
    let (mut restored, mut theirs) = (Restored::default(), BTreeSet::new());
    loop {
        let (before, mut failed) = (steps.len(), Vec::new());
        let mut stuck: BTreeSet<Spot> = BTreeSet::new();
        steps.retain(|step| {
            // What was there before an older step can stand there again only after what was there before a newer one.
            if stuck.contains(&step.spot) {
                return true;
            }
            if theirs.contains(&step.spot) {
                return false;
            }
            match undo_step(step, values, journal) {
                Ok(undone) => {
                    undone.count(step, &mut restored, &mut theirs);
                    false
                }
                Err(why) => {
                    failed.push(why);
                    stuck.insert(step.spot.clone());
                    true
                }
            }
        });
        if steps.is_empty() || steps.len() == before {
            restored.failed = failed;
            return restored;
        }
    }
}

impl Standing {
    fn count(self, step: &Done, restored: &mut Restored, theirs: &mut BTreeSet<Spot>) {
        match self {
            Self::Ours => restored.put_back += 1,
            Self::Gone => {}
            Self::Theirs(found) => {
                restored.foreign.push(format!("{}: {found:?} stands there", step.spot));
                theirs.insert(step.spot.clone());
            }
        }
    }
}

/// Undoes one step, if what stands there is still ours; what stood there.
fn undo_step(step: &Done, values: &Values, journal: &mut Journal) -> Result<Standing, String> {
    let spot = &step.spot;
    if matches!(spot, Spot::Group { .. }) && step.found == ABSENT {
        // It is removed when nobody is in it any more.
        return Ok(Standing::Gone);
    }
    let _locked = match values.lock(spot) {
        Err(error) if error.is_absent() => return Ok(Standing::Gone),
        locked => locked.map_err(|error| error.to_string())?,
    };
    let found = standing(step, values, journal)?;
    match &found {
        Standing::Ours => step.unmake_locked(values, journal)?,
        Standing::Theirs(_) => said(journal.dropped(spot, Dropped::Foreign)),
        Standing::Gone => {}
    }
    Ok(found)
}

/// Whose value stands where a step was made.
fn standing(step: &Done, values: &Values, journal: &Journal) -> Result<Standing, String> {
    let spot = &step.spot;
    let read = || match values.read(spot) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    if let Some(held) = journal.get(spot).map(|entry| &entry.held) {
        if values.life(spot) != Some(held.life) {
            return Ok(Standing::Gone);
        }
        let Some(found) = read()? else { return Ok(Standing::Gone) };
        let is_theirs = is_changed(held, &found, values);
        return Ok(if is_theirs { Standing::Theirs(found) } else { users(spot, &found, values) });
    }
    let given_back = step.entry.as_ref().filter(|_| step.is_given_back);
    let Some(held) = given_back.map(|entry| &entry.held) else { return Ok(Standing::Gone) };
    // A group that was removed is made anew, and so are the values in it.
    if !spot.is_of_group() && values.life(spot) != Some(held.life) {
        return Ok(Standing::Gone);
    }
    Ok(match read()? {
        None => Standing::Gone,
        Some(found) if found == held.before || values.is_nobody(spot, &found) => Standing::Ours,
        Some(found) => Standing::Theirs(found),
    })
}

/// A controller that others need by now is theirs too.
fn users(spot: &Spot, found: &str, values: &Values) -> Standing {
    let Spot::Controller { mount, cgroup, controller } = spot else { return Standing::Ours };
    match values.user_of_controller(mount, cgroup, controller) {
        Some(user) => Standing::Theirs(format!("{found}, and {user} needs it")),
        None => Standing::Ours,
    }
}
