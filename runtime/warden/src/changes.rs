//! What policies change: the tasks of the last roster, and whoever writes and takes back.

mod cooling;
mod effect;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wca_control::{Control, ControlledTask, Held, Policy, Restored, Settings, Tasks};
use wca_kernel::{Roots, TaskCgroups};
use wca_messages::{Changed, HeldValue, JournalEntry, RestoredValues, RosterEntry};
use wca_model::{InForce, Mode, Platform, TaskKey};

use self::cooling::Cooling;
use crate::error::WardenError;
use crate::guard::Guard;

/// What policies change.
#[derive(Debug)]
pub(crate) struct Changes {
    control: Control,
    tasks: Tasks,
    guard: Guard,
    cooling: Cooling,
    /// How often changes were undone, by policy and by who was protected.
    reverts: BTreeMap<(String, String), u64>,
    begun: Instant,
    /// Whether what is changed outlives this process.
    has_journal: bool,
    has_ended: bool,
}

impl Drop for Changes {
    /// Where the warden fails before it has begun, too.
    fn drop(&mut self) {
        self.end();
    }
}

impl Changes {
    /// With a journal in this folder, which this process has locked. An earlier process that could not put back what it
    /// had found has left its own there.
    pub(crate) fn open(
        roots: &Roots,
        folder: Option<PathBuf>,
        settings: Settings,
        policies: Vec<Policy>,
        platform: &Platform,
    ) -> Result<Self, WardenError> {
        let has_journal = folder.is_some();
        if settings.mode == Mode::Apply && !has_journal {
            return Err(WardenError::NoJournal);
        }
        let (mut control, opened) = Control::open(roots, folder, settings, policies)?;
        for held in &opened.lost {
            tracing::warn!(
                "the journal held {} of {}, of an earlier boot: nothing to put back",
                held.spot,
                held.before
            );
        }
        say("values of an earlier start that no policy of today had asked for", &opened.restored);
        for told in control.begin(platform).map_err(WardenError::Resctrl)? {
            tracing::warn!("{told}");
        }
        if opened.adopted > 0 {
            tracing::info!(
                "{} values of an earlier start wait for their policies to ask for them again",
                opened.adopted
            );
        }
        let guard = Guard::new(control.settings().protect.clone());
        let (tasks, cooling, reverts, begun) = (Tasks::default(), Cooling::default(), BTreeMap::new(), Instant::now());
        Ok(Self { control, tasks, guard, cooling, reverts, begun, has_journal, has_ended: false })
    }

    /// These are the tasks from now on.
    pub(crate) fn set_tasks(&mut self, rows: &[TaskCgroups], entries: &[&RosterEntry], exclusive_cpus: &[u32]) {
        let task = |(row, entry): (&TaskCgroups, &&RosterEntry)| ControlledTask {
            key: row.key,
            cgroup: row.cgroup.clone(),
            containers: row.containers.clone(),
            labels: entry.labels.clone(),
            cpuset_is_managed_by: entry.cpuset_managed_by.clone(),
        };
        self.tasks = Tasks::new(rows.iter().zip(entries).map(task).collect());
        self.tasks.exclusive_cpus = exclusive_cpus.iter().copied().collect();
    }

    /// The cgroup of the task that an operator means by its cgroup, its id or its name. One that has gone counts as long as
    /// anything of it is held.
    pub(crate) fn find(&self, meant: &str) -> Result<String, String> {
        if self.tasks.has_cgroup(meant) || self.control.held().any(|held| held.owner.cgroup == meant) {
            return Ok(meant.to_owned());
        }
        let is_meant = |task: &&ControlledTask| {
            task.labels.iter().any(|(name, value)| matches!(name.as_str(), "task_id" | "task_name") && value == meant)
        };
        let found: Vec<&str> = self.tasks.iter().filter(is_meant).map(|task| task.cgroup.as_str()).collect();
        match found.as_slice() {
            [cgroup] => Ok((*cgroup).to_owned()),
            [] => Err(format!("{meant:?} is no cgroup, id or name of a task; `wca tasks` prints them")),
            several => Err(format!("{meant:?} is the name of several tasks, with the cgroups {}", several.join(", "))),
        }
    }

    /// What is in force of each task.
    pub(crate) fn in_force(&self, platform: &Platform) -> Vec<InForce> {
        self.control.in_force(&self.tasks, platform)
    }

    pub(crate) fn release(&mut self, policy: u32) {
        let restored = self.control.release_policy(policy);
        self.say_given_up("released values", &restored);
    }

    /// A policy is called no more, since it has failed too often.
    pub(crate) fn policy_failed(&mut self, policy: u32) {
        let name = self.control.policy(policy).map_or_else(String::new, |policy| policy.name.clone());
        match self.control.policy_failed(policy) {
            Some(restored) => {
                self.say_given_up(&format!("values of {name}, which has failed too often"), &restored);
            }
            None => tracing::warn!("{name} has failed too often; what it has changed stays (on_failure: keep)"),
        }
    }

    /// A policy does not know what it had asked for.
    pub(crate) fn policy_begins_anew(&mut self, policy: u32) {
        self.control.policy_begins_anew(policy);
    }

    /// Tells of values that nobody asks for any more. While changes are frozen they stay, which is told as well.
    fn say_given_up(&self, what: &str, restored: &Restored) {
        say(what, restored);
        let waiting = self.control.held().filter(|held| self.control.goes_back(&held.spot)).count();
        if waiting > 0 {
            tracing::warn!(
                "{what}: changes are frozen, and {waiting} values that nobody asks for go back after `wca thaw`"
            );
        }
    }

    /// Once in each interval.
    pub(crate) fn tick(&mut self) {
        let told = self.control.tick();
        for told in told.into_iter().chain(self.control.forget_absent(&self.tasks)) {
            tracing::warn!("{told}");
        }
    }

    /// How many milliseconds longer each policy may change nothing; where one has had several arguments, the longest.
    fn milliseconds_left(&self) -> BTreeMap<String, u64> {
        let mut left: BTreeMap<String, u64> = BTreeMap::new();
        for cools in self.cooling.all(self.now()) {
            let known = left.entry(cools.policy.name.clone()).or_default();
            *known = (*known).max(milliseconds(cools.left));
        }
        left
    }

    /// Whether these can be in force.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), WardenError> {
        if settings.mode == Mode::Apply && !self.has_journal { Err(WardenError::NoJournal) } else { Ok(()) }
    }

    /// What has become of values that were changed.
    pub(crate) fn changed(&self) -> Changed {
        Changed {
            held: count(self.control.held().count()),
            foreign_writes: self.control.foreign_writes().counts().collect(),
            moved_bytes: self.control.moved_bytes(),
            reverts: self
                .reverts
                .iter()
                .map(|((policy, guard), count)| (policy.clone(), guard.clone(), *count))
                .collect(),
            cooling: self.milliseconds_left().into_iter().collect(),
            guarded: self.guard.protected().map(|(guard, tasks)| (guard.to_owned(), count(tasks))).collect(),
        }
    }

    pub(crate) fn renew(&mut self, settings: Settings, policies: Vec<Policy>, platform: &Platform) {
        if self.guard.renew(&settings.protect) {
            // What was on trial before other judges stays.
            self.control.accept_until(u64::MAX);
        }
        let restored = self.control.renew(settings, policies);
        self.say_given_up("values of policies that the operator has taken away or changed", &restored);
        self.begin(platform);
    }

    /// What the operator wants the machine to have is to be so again.
    fn begin(&mut self, platform: &Platform) {
        match self.control.begin(platform) {
            Ok(told) => told.iter().for_each(|told| tracing::warn!("{told}")),
            Err(error) => tracing::error!("resctrl: {error}"),
        }
    }

    /// The agent has ended: what it held is put back, or waits for the next one.
    pub(crate) fn agent_ended(&mut self) {
        if let Some(restored) = self.control.pause() {
            self.guard.end_trials();
            say("values of the agent that has ended", &restored);
        }
    }

    /// The end.
    pub(crate) fn end(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        if let Some(restored) = self.control.end() {
            say("values at the end", &restored);
        }
    }

    pub(crate) fn restore(&mut self) -> RestoredValues {
        self.guard.end_trials();
        let restored = self.control.restore();
        say("values, as the operator wanted", &restored);
        told(restored)
    }

    /// No changes; whether that is new.
    pub(crate) fn freeze(&mut self) -> bool {
        self.control.freeze(true)
    }

    /// Changes again; whether that is new.
    pub(crate) fn thaw(&mut self, platform: &Platform) -> bool {
        let is_new = self.control.freeze(false);
        if is_new {
            self.begin(platform);
        }
        is_new
    }

    pub(crate) fn explain(&self, task: TaskKey) -> Option<Vec<HeldValue>> {
        Some(self.explain_cgroup(&self.tasks.get(task)?.cgroup))
    }

    pub(crate) fn explain_cgroup(&self, cgroup: &str) -> Vec<HeldValue> {
        let held = self.control.held().filter(|held| held.owner.cgroup == cgroup);
        held.map(|held| self.value(held)).collect()
    }

    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        let entry = |held: &Held| JournalEntry { cgroup: held.owner.cgroup.clone(), held: self.value(held) };
        self.control.held().map(entry).collect()
    }

    fn value(&self, held: &Held) -> HeldValue {
        let (on_trial, goes_back) = (self.control.is_on_trial(&held.spot), self.control.goes_back(&held.spot));
        HeldValue { on_trial, goes_back, ..value(held) }
    }
}

/// A value with its task, of which no process watches what comes of it.
pub(crate) fn entry(held: &Held) -> JournalEntry {
    JournalEntry { cgroup: held.owner.cgroup.clone(), held: value(held) }
}

/// What became of values that were put back, for the operator.
pub(crate) fn told(restored: Restored) -> RestoredValues {
    RestoredValues {
        put_back: count(restored.put_back),
        gone: count(restored.gone),
        foreign: restored.foreign,
        failed: restored.failed,
    }
}

fn value(held: &Held) -> HeldValue {
    HeldValue {
        policy: held.owner.policy.name.clone(),
        kind: held.owner.kind,
        domain: held.owner.domain,
        file: held.spot.to_string(),
        asked: held.owner.asked.clone(),
        before: held.before.clone(),
        written: held.written.clone(),
        now: held.now.clone(),
        since: held.since,
        on_trial: false,
        goes_back: false,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Tells of values that were put back, where there were any.
fn say(what: &str, restored: &Restored) {
    if *restored == Restored::default() {
        return;
    }
    tracing::info!("{what}: {restored}");
    for foreign in &restored.foreign {
        tracing::warn!("not put back, since somebody else has changed it: {foreign}");
    }
    for failed in &restored.failed {
        tracing::error!("not put back: {failed}");
    }
}
