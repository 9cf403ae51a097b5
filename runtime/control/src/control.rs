//! One who changes things, and can take everything back.

mod batch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wca_kernel::values::{Spot, Values};
use wca_kernel::{KernelError, Roots};
use wca_model::{Change, Fate, InForce, Outcome, Platform, Refusal, Request, TaskKey};
use wca_rules::{is_of_resctrl, validate, which_count};

use batch::{ALL_OR_NOTHING, is_failed};

use crate::absent::Absent;
use crate::adopt::{adopt, expire};
use crate::apply::{Due, Made, Watch, apply_watched};
use crate::context::Context;
use crate::foreign::{ForeignWrites, why_it_is_left};
use crate::held::{Held, Owner};
use crate::journal::{Journal, JournalError};
use crate::kinds;
use crate::pages::Pages;
use crate::plan::{Planned, Step};
use crate::policy::Policy;
use crate::railed::{RailKeeper, check_groups};
use crate::restore::{self, Restored, put_back};
use crate::settings::{Mode, OnExit, Settings};
use crate::tasks::{ControlledTask, Tasks};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Changes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The journal cannot be had.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
    /// The kernel cannot be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Nobody can tell this boot from another.
    #[error("{path}: {source}: values of another boot could not be told from those of this one")]
    Boot {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// What stood in the journal at a start.
#[derive(Debug, Default)]
pub struct Opened {
    /// What was put back, since no policy of today had asked for it.
    pub restored: Restored,
    /// Values that wait for their policies.
    pub adopted: usize,
    /// Values of an earlier boot.
    pub lost: Vec<Held>,
}

/// The values in the journal of this folder, of whichever process, as far as they are of this boot. Nothing is changed.
///
/// # Errors
/// [`ControlError`].
pub fn held_in(roots: &Roots, folder: &Path) -> Result<Vec<Held>, ControlError> {
    Ok(Journal::peek(folder, &boot(roots)?)?)
}

/// Makes changes, and takes them back.
#[derive(Debug)]
pub struct Control {
    values: Values,
    journal: Journal,
    settings: Settings,
    policies: Vec<Policy>,
    foreign: ForeignWrites,
    pages: Pages,
    absent: Absent,
    rails: RailKeeper,
    is_frozen: bool,
}

/// What is to be done for a batch.
struct Plan {
    /// What is to be written.
    due: Vec<Due>,
    /// Tasks that need a group of resctrl that is still to be made, and so come last.
    later: BTreeSet<TaskKey>,
    /// Groups of resctrl, and what is set in them, that are given back.
    released: Vec<kinds::rdt::Released>,
}

impl Control {
    /// With a journal in this folder, which is locked for this process; without a folder nothing outlives this process.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(
        roots: &Roots,
        folder: Option<PathBuf>,
        settings: Settings,
        policies: Vec<Policy>,
    ) -> Result<(Self, Opened), ControlError> {
        let values = Values::find(roots)?;
        let (mut journal, lost) = match folder {
            Some(folder) => Journal::open(folder, &boot(roots)?)?,
            None => (Journal::in_memory(), Vec::new()),
        };
        let restored = adopt(&policies, settings.adopt_ticks, &values, &mut journal);
        let adopted = journal.iter().count();
        let (foreign, pages) = (ForeignWrites::default(), Pages::default());
        let (absent, rails) = (Absent::default(), RailKeeper::default());
        let control = Self { values, journal, settings, policies, foreign, pages, absent, rails, is_frozen: false };
        Ok((control, Opened { restored, adopted, lost }))
    }

    /// What a policy asks for: one outcome per request, in their order.
    pub fn apply(&mut self, policy: u32, requests: &[Request], tasks: &Tasks, platform: &Platform) -> Vec<Outcome> {
        let mut fates: Vec<Option<Fate>> = vec![None; requests.len()];
        self.look_before(requests, tasks);
        let railed = self.rails.bound(&self.settings.rails, requests, tasks, platform, &mut fates);
        let (asked, requests) = (requests, railed.requests.as_slice());
        let Plan { due: mut planned, later, released } = self.plan(policy, requests, tasks, platform, &mut fates);
        railed.say_what_was_asked(asked, &mut planned);
        let planned = self.within_rates(planned, requests, tasks, &mut fates);
        if self.settings.all_or_nothing && fates.iter().any(is_failed) {
            return outcomes(requests, fates, &Fate::Failed(ALL_OR_NOTHING.into()));
        }
        if self.settings.mode == Mode::Shadow {
            return outcomes(requests, fates, &Fate::Shadowed);
        }
        let planned = self.without_pages(planned, requests, &mut fates);
        let needs_group = |due: &Due| later.contains(&requests[due.at].task);
        let (later, first): (Vec<Due>, Vec<Due>) = planned.into_iter().partition(needs_group);
        let mut made = Made::default();
        let is_over = self.make(first, later, released, (requests, tasks), &mut fates, &mut made);
        if is_over {
            self.unmake(made, requests, tasks, &mut fates);
        }
        kinds::rdt::remove_unused(&self.values, &mut self.journal);
        railed.adjust(&mut fates);
        outcomes(requests, fates, &Fate::Failed("it was not planned".into()))
    }

    /// What is to be written for the requests that can be applied; the others have their fate then.
    fn plan(
        &self,
        policy: u32,
        requests: &[Request],
        tasks: &Tasks,
        platform: &Platform,
        fates: &mut [Option<Fate>],
    ) -> Plan {
        let counts = which_count(requests);
        let context =
            Context { values: &self.values, platform, settings: &self.settings, tasks, journal: &self.journal };
        let mut due = Vec::new();
        let mut asked = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            if fates[at].is_some() {
                continue;
            }
            match self.judge(policy, request, counts[at], &context) {
                Ok((owner, None)) if is_of_resctrl(owner.kind) => {
                    asked.extend(tasks.get(request.task).map(|task| kinds::rdt::Asked { at, request, task, owner }));
                }
                Ok((_, None)) => {}
                Ok((owner, Some(planned))) => due.push(Due { at, owner, planned }),
                Err(why) => fates[at] = Some(Fate::Failed(why)),
            }
        }
        let is_free = |step: &Step, owner: &Owner| {
            self.is_free(policy, step, owner)?;
            self.stays_not(std::slice::from_ref(step))
        };
        let planned = kinds::rdt::plan(asked, &context, is_free);
        let later = planned.later.iter().map(|due| requests[due.at].task).collect();
        due.extend(planned.due);
        due.extend(planned.later);
        for (at, why) in planned.refused {
            fates[at] = Some(Fate::Failed(why));
        }
        let cgroup = |at: usize| tasks.get(requests[at].task).map_or("", |task| task.cgroup.as_str());
        let released = planned.released.into_iter().filter(|given| {
            let judged = self.may_give_back(policy, given, cgroup(given.at));
            judged.map_err(|why| fates[given.at] = Some(Fate::Failed(why))).is_ok()
        });
        Plan { due, later, released: released.collect() }
    }

    /// Whether one request can be applied, and what is to be written for it; none for a release, and for resctrl, which is planned for
    /// all tasks together.
    fn judge(
        &self,
        policy: u32,
        request: &Request,
        counts: bool,
        context: &Context<'_>,
    ) -> Result<(Owner, Option<Planned>), String> {
        if self.is_frozen {
            return Err("frozen by the operator".into());
        }
        if !counts {
            return Err("a later request of the same batch asks for the same of this task".into());
        }
        let task = context.tasks.get(request.task).ok_or_else(|| Refusal::Gone.to_string())?;
        validate(&request.change, context.platform).map_err(|refusal| refusal.to_string())?;
        let owner = self.owner(policy, request, task)?;
        if matches!(request.change, Change::Release(_)) {
            self.may_release(policy, &owner)?;
            return Ok((owner, None));
        }
        let Some(planned) = kinds::plan(&request.change, task, context)? else { return Ok((owner, None)) };
        for step in &planned.steps {
            self.is_free(policy, step, &owner)?;
        }
        self.stays_not(&planned.steps)?;
        Ok((owner, Some(planned)))
    }

    /// Whether a value may be written in the name of this policy.
    fn is_free(&self, policy: u32, step: &Step, owner: &Owner) -> Result<(), String> {
        let spot = &step.spot;
        if let Some(entry) = self.journal.get(spot) {
            let is_wanted = spot.is_of_group() && entry.held.written == step.value;
            if !is_wanted {
                self.comes_not_first(policy, spot, &entry.held.owner)?;
            }
        }
        match self.values.life(spot) {
            Some(life) if self.foreign.is_yielded(spot, life) => Err(why_it_is_left(spot, owner.kind)),
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
        let held = held.filter(|(_, holder)| holder.cgroup == *cgroup && holder.kind == *kind);
        let mut all = held.chain(self.foreign.yielders(cgroup, *kind));
        all.try_for_each(|(spot, holder)| self.comes_not_first(policy, spot, holder))
    }

    /// The same for all that goes back with a group of resctrl, or with what is set in it. What stands in the name of a task that has
    /// left the group is nobody's.
    fn may_give_back(&self, policy: u32, released: &kinds::rdt::Released, cgroup: &str) -> Result<(), String> {
        let held = released.spots.iter().filter_map(|spot| Some((spot, &self.journal.get(spot)?.held.owner)));
        let held = held.filter(|(_, holder)| holder.cgroup == cgroup);
        let yielded = released.forgotten.iter().filter_map(|spot| Some((spot, self.foreign.yielder(spot)?)));
        held.chain(yielded).try_for_each(|(spot, holder)| self.comes_not_first(policy, spot, holder))
    }

    /// Whether steps ask for more than once again for what somebody else has changed.
    fn stays_not(&self, steps: &[Step]) -> Result<(), String> {
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

    /// Without those that lead to groups outside of the rails, and those that are one change too many for them. Where nothing is
    /// written, nothing is counted.
    fn within_rates(
        &mut self,
        planned: Vec<Due>,
        requests: &[Request],
        tasks: &Tasks,
        fates: &mut [Option<Fate>],
    ) -> Vec<Due> {
        let mut rest = Vec::new();
        for due in planned {
            let Some(task) = tasks.get(requests[due.at].task) else { continue };
            let (keeper, settings, values) = (&mut self.rails, &self.settings, &self.values);
            let mut judged = check_groups(&settings.rails, task, &due, values);
            if settings.mode == Mode::Apply {
                let change = &requests[due.at].change;
                judged = judged.and_then(|()| keeper.count(&settings.rails, task, change, &due, values));
            }
            match judged {
                Ok(()) => rest.push(due),
                Err(why) => fates[due.at] = Some(Fate::Failed(why)),
            }
        }
        rest
    }

    /// Without those that move pages, and those that have to wait until pages have moved.
    fn without_pages(&mut self, planned: Vec<Due>, requests: &[Request], fates: &mut [Option<Fate>]) -> Vec<Due> {
        let mut rest = Vec::new();
        for due in planned {
            let at = due.at;
            let later = match &requests[at].change {
                Change::MigratePages(node) => {
                    let done = self.pages.migrate(&due.owner.cgroup, *node, &self.values, &self.settings);
                    Err((at, done.unwrap_or_else(Fate::Failed)))
                }
                Change::CpusetMems(nodes) if moves_pages(&due, &self.values) => {
                    let postponed = self.pages.postpone(nodes, due, &self.values, &self.settings);
                    postponed.unwrap_or_else(|why| Err((at, Fate::Failed(why))))
                }
                _ => Ok(due),
            };
            match later {
                Ok(due) => rest.push(due),
                Err((at, fate)) => fates[at] = Some(fate),
            }
        }
        rest
    }

    /// Gives back everything that a policy holds.
    pub fn release_policy(&mut self, policy: u32) -> Restored {
        let Some(policy) = self.policies.get(policy as usize) else { return Restored::default() };
        let held = self.journal.iter().filter(|entry| entry.held.owner.policy == *policy);
        let spots = held.map(|entry| entry.held.spot.clone()).collect();
        put_back(spots, &self.values, &mut self.journal)
    }

    /// Once in each interval: what others have changed, and what nobody has asked for again. What is to be said.
    pub fn tick(&mut self) -> Vec<String> {
        let mut told = self.foreign.look(&self.values, &mut self.journal, &self.settings, self.is_frozen);
        let (due, moved) = self.pages.ended();
        told.extend(moved);
        if !self.is_frozen {
            for due in due {
                let cgroup = due.owner.cgroup.clone();
                let is_left = due.planned.steps.iter().find(|step| {
                    let life = self.values.life(&step.spot);
                    life.is_some_and(|life| self.foreign.is_yielded(&step.spot, life))
                });
                if let Some(step) = is_left {
                    told.push(format!("{cgroup}: {}", why_it_is_left(&step.spot, due.owner.kind)));
                    continue;
                }
                let watch = Watch { foreign: &mut self.foreign, settings: &self.settings };
                for (_, fate) in
                    apply_watched(vec![due], &self.values, &mut self.journal, Some(watch), &mut Made::default())
                {
                    if let Fate::Failed(why) = fate {
                        told.push(format!("{cgroup}: cpuset_mems, after its pages have moved: {why}"));
                    }
                }
            }
            let expired = expire(&self.values, &mut self.journal);
            if expired != Restored::default() {
                told.push(format!("values of an earlier start that no policy has asked for again: {expired}"));
            }
            told.extend(kinds::rdt::remove_unused(&self.values, &mut self.journal));
        }
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
        away.iter().for_each(|cgroup| self.pages.forget(cgroup));
        let held = self.journal.iter().map(|entry| &entry.held).filter(|held| away.contains(&held.owner.cgroup));
        let spots = held.map(|held| held.spot.clone()).collect();
        let restored = put_back(spots, &self.values, &mut self.journal);
        let mut told = kinds::rdt::remove_unused(&self.values, &mut self.journal);
        if is_new && restored != Restored::default() {
            told.push(format!("values of tasks that are in the roster no more: {restored}"));
        }
        told
    }

    /// At the start, before any policy: removes the groups of resctrl that the operator wants to be gone, and gives the root group
    /// what he wants it to have. What is to be said.
    ///
    /// # Errors
    /// What the operator has written is wrong, or the kernel refuses it.
    pub fn begin(&mut self, platform: &Platform) -> Result<Vec<String>, String> {
        kinds::rdt::begin(&self.values, platform, &self.settings, &mut self.journal)
    }

    /// Puts back everything.
    pub fn restore(&mut self) -> Restored {
        self.pages.forget_all();
        put_back(restore::all(&self.journal), &self.values, &mut self.journal)
    }

    /// The end: everything is put back or stays, as the operator has decided.
    pub fn end(&mut self) -> Option<Restored> {
        let restored = (self.settings.on_exit == OnExit::Restore).then(|| self.restore());
        restore::said(self.journal.close());
        restored
    }

    /// Nobody decides for now: everything is put back, or waits to be asked for again, as the operator has decided for the
    /// end.
    pub fn pause(&mut self) -> Option<Restored> {
        if self.settings.on_exit == OnExit::Restore {
            return Some(self.restore());
        }
        self.journal.adopt(self.settings.adopt_ticks);
        None
    }

    /// From now on.
    pub fn renew(&mut self, settings: Settings, policies: Vec<Policy>) -> Restored {
        self.settings = settings;
        self.policies = policies;
        let policies = &self.policies;
        let is_known = |policy: &Policy| policies.contains(policy) || kinds::rdt::is_operators(policy);
        let strangers = self.journal.iter().filter(|entry| !is_known(&entry.held.owner.policy));
        let strangers = strangers.map(|entry| entry.held.spot.clone()).collect();
        put_back(strangers, &self.values, &mut self.journal)
    }

    /// No changes until it is thawed; whether that is new.
    pub fn freeze(&mut self, is_frozen: bool) -> bool {
        if is_frozen {
            self.pages.forget_all();
        }
        std::mem::replace(&mut self.is_frozen, is_frozen) != is_frozen
    }

    /// What is in force of each task, in their order.
    #[must_use]
    pub fn in_force(&self, tasks: &Tasks, platform: &Platform) -> Vec<InForce> {
        let context =
            Context { values: &self.values, platform, settings: &self.settings, tasks, journal: &self.journal };
        let mut reader = kinds::in_force::Reader::new(&context);
        tasks.iter().map(|task| reader.of(task)).collect()
    }

    /// What is held.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.journal.iter().map(|entry| &entry.held)
    }

    /// Bytes that were moved to other NUMA nodes.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.pages.moved_bytes()
    }

    /// What others have changed.
    #[must_use]
    pub fn foreign_writes(&self) -> &ForeignWrites {
        &self.foreign
    }
}

fn boot(roots: &Roots) -> Result<String, ControlError> {
    let path = roots.path(BOOT_ID);
    let text = std::fs::read_to_string(&path).map_err(|source| ControlError::Boot { path, source })?;
    Ok(text.trim().to_owned())
}

/// Whether the kernel moves pages before such a write returns: cgroup v2 does always, v1 where `cpuset.memory_migrate` is set.
fn moves_pages(due: &Due, values: &Values) -> bool {
    let is_new = |step: &Step| values.read(&step.spot).is_ok_and(|now| now != step.value);
    if !due.planned.steps.iter().any(is_new) {
        return false;
    }
    let is_said = |spot: &Spot| match spot {
        Spot::Cgroup { mount, cgroup, .. } => {
            let file = "cpuset.memory_migrate".to_owned();
            let switch = Spot::Cgroup { mount: mount.clone(), cgroup: cgroup.clone(), file };
            values.read(&switch).is_ok_and(|value| value == "1")
        }
        _ => false,
    };
    let is_v1 = |hierarchy: &wca_kernel::Hierarchy| hierarchy.version == wca_kernel::Version::V1;
    match values.hierarchies().with("cpuset") {
        Some(hierarchy) if is_v1(hierarchy) => due.planned.steps.iter().any(|step| is_said(&step.spot)),
        Some(_) => true,
        None => false,
    }
}

fn outcomes(requests: &[Request], fates: Vec<Option<Fate>>, otherwise: &Fate) -> Vec<Outcome> {
    let outcome = |(request, fate): (&Request, Option<Fate>)| Outcome {
        task: request.task,
        kind: request.change.kind(),
        domain: request.change.domain(),
        fate: fate.unwrap_or_else(|| otherwise.clone()),
    };
    requests.iter().zip(fates).map(outcome).collect()
}
