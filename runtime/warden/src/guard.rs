//! The guard over the effect of changes: whether a protected task got worse after a batch, by the warden's own samples.
//!
//! A batch is on trial until every protected task was judged over the window after it. Where one got worse, that batch and all since
//! are to blame: nobody can say which of them it was.

mod signals;
mod trials;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use wca_control::{ControlledTask, NewBatch, Tasks};
use wca_model::{CompareWith, TaskKey};
use wca_rules::{BASELINE_WINDOWS, Baseline, FEWEST_SAMPLES, Level, Protect, RailedTask, Regression};

pub(crate) use signals::Sampled;
use signals::Signals;
use trials::{Trial, Trials, Watched};

/// The guard. Times are any clock's that never goes back.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    protects: Vec<Protect>,
    signals: Signals,
    /// Who protects each task of the last roster. A task that was protected once is so as long as it stays in the roster, whatever
    /// its labels become: these are the agent's word.
    members: HashMap<TaskKey, BTreeSet<usize>>,
    histories: HashMap<(usize, TaskKey), VecDeque<(Duration, f64)>>,
    trials: Trials,
    /// Cgroups of which something was changed, and when.
    touched: VecDeque<(Duration, String)>,
    /// Time of the last sample.
    last: Duration,
    /// Who was said to see nothing.
    blind: BTreeSet<usize>,
    /// Of which tasks who was said to see nothing.
    unseen: BTreeSet<(usize, TaskKey)>,
    /// The last batch of which harm was found while it could not be undone.
    looked_at: u64,
}

/// A protected task that got worse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The batch from which on all is to be undone.
    pub(crate) batch: u64,
    /// Time of the last sample before it.
    began: Duration,
    pub(crate) protect: Protect,
    pub(crate) task: TaskKey,
    pub(crate) regression: Regression,
}

/// What was judged after a sample.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Judged {
    /// Batches up to this number have proved to be good.
    pub(crate) good: Option<u64>,
    /// A task that got worse.
    pub(crate) found: Option<Found>,
}

impl Guard {
    pub(crate) fn new(protects: Vec<Protect>) -> Self {
        let signals = Signals::new(protects.iter().map(|protect| protect.signal.clone()).collect());
        Self { protects, signals, ..Self::default() }
    }

    /// These are protected from now on. Whether that is something else than before: nothing is on trial any more then. Labels that
    /// the operator has changed count again.
    pub(crate) fn renew(&mut self, protects: &[Protect]) -> bool {
        self.members.clear();
        let mut pairs = self.protects.iter().zip(protects);
        if self.protects.len() == protects.len() && pairs.all(|(one, other)| one.is_same(other)) {
            // They may stand elsewhere in the file.
            self.protects = protects.to_vec();
            return false;
        }
        self.trials.clear();
        // Batches that were seen are not new.
        let trials = std::mem::take(&mut self.trials);
        *self = Self { trials, last: self.last, ..Self::new(protects.to_vec()) };
        true
    }

    /// What is in force is on trial no more.
    pub(crate) fn end_trials(&mut self) {
        self.trials.clear();
    }

    /// How many of the tasks that each protects have its signal, by name.
    pub(crate) fn protected(&self) -> impl Iterator<Item = (&str, usize)> {
        self.protects.iter().enumerate().map(|(at, protect)| {
            let seen = self.histories.iter().filter(|((by, _), history)| *by == at && has_signal(history)).count();
            (protect.name.as_str(), if self.signals.is_measured(at) { seen } else { 0 })
        })
    }

    /// A sample was taken. What is to be said.
    pub(crate) fn sampled(&mut self, now: Duration, sample: &Sampled<'_>, tasks: &Tasks) -> Vec<String> {
        self.enlist(tasks);
        let keys: Vec<TaskKey> = tasks.iter().map(|task| task.key).collect();
        let members = &self.members;
        let is_member = |at: usize, key| members.get(&key).is_some_and(|by| by.contains(&at));
        for (at, task, value) in self.signals.read(sample, &keys, is_member) {
            let Some(protect) = self.protects.get(at) else { continue };
            let history = self.histories.entry((at, task)).or_default();
            history.push_back((now, value));
            let old = now.saturating_sub(protect.window * (BASELINE_WINDOWS + 1));
            while history.pop_front_if(|(at, _)| *at < old).is_some() {}
        }
        self.histories.retain(|(at, task), _| is_member(*at, *task));
        self.last = now;
        let longest = self.protects.iter().map(|protect| protect.window).max().unwrap_or_default();
        while self.touched.pop_front_if(|(at, _)| now.saturating_sub(*at) > longest * 3).is_some() {}
        let mut told = self.say_who_is_blind();
        told.extend(self.say_who_is_unseen(now, tasks));
        told
    }

    fn enlist(&mut self, tasks: &Tasks) {
        let before = std::mem::take(&mut self.members);
        for task in tasks.iter() {
            let mut by = before.get(&task.key).cloned().unwrap_or_default();
            let seen = seen(task);
            by.extend(self.protects.iter().enumerate().filter(|(_, one)| one.holds_for(seen)).map(|(at, _)| at));
            if !by.is_empty() {
                self.members.insert(task.key, by);
            }
        }
    }

    fn say_who_is_blind(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for (at, protect) in self.protects.iter().enumerate() {
            if self.signals.is_measured(at) {
                self.blind.remove(&at);
            } else if !self.members.is_empty() && self.blind.insert(at) {
                let Protect { name, place, signal, .. } = protect;
                told.push(format!(
                    "guard `{name}` ({place}) sees nothing: {} of tasks is not measured here; `wca doctor` says what is missing",
                    signal.as_str()
                ));
            }
        }
        told
    }

    /// Tasks that have had no signal for a whole window, where others have it.
    fn say_who_is_unseen(&mut self, now: Duration, tasks: &Tasks) -> Vec<String> {
        let mut told = Vec::new();
        let before = std::mem::take(&mut self.unseen);
        for (at, protect) in self.protects.iter().enumerate().filter(|(at, _)| self.signals.is_measured(*at)) {
            let is_unseen = |key: TaskKey| {
                self.histories.get(&(at, key)).is_some_and(|history| {
                    let is_long = history.front().is_some_and(|(first, _)| *first + protect.window <= now);
                    is_long && history.len() > FEWEST_SAMPLES && !has_signal(history)
                })
            };
            let unseen: Vec<&ControlledTask> = tasks.iter().filter(|task| is_unseen(task.key)).collect();
            self.unseen.extend(unseen.iter().map(|task| (at, task.key)));
            let mut new = unseen.iter().filter(|task| !before.contains(&(at, task.key)));
            if let Some(first) = new.next() {
                let (Protect { name, place, signal, .. }, more) = (protect, new.count());
                let others = if more == 0 { String::new() } else { format!(" and {more} more of its tasks") };
                told.push(format!(
                    "guard `{name}` ({place}) sees nothing of {}{others}: there was no {} for a whole window",
                    first.cgroup,
                    signal.as_str()
                ));
            }
        }
        told
    }

    /// Number of the newest batch that was seen.
    pub(crate) fn newest_batch(&self) -> u64 {
        self.trials.newest()
    }

    /// A batch was made.
    pub(crate) fn begin(&mut self, batch: &NewBatch) {
        let began = self.last;
        self.touched.extend(batch.cgroups.iter().map(|cgroup| (began, cgroup.clone())));
        let is_joined = self.trials.is_joined(began);
        let trial = (!is_joined).then(|| Trial { batch: batch.number, began, watched: self.watched(began) });
        self.trials.begin(batch.number, trial);
    }

    /// The protected tasks of which it is known what they were before.
    fn watched(&self, began: Duration) -> Vec<Watched> {
        let watched = self.histories.iter().filter_map(|((protect, task), history)| {
            let before = self.protects.get(*protect)?.baseline(&history.iter().copied(), began)?;
            Some(Watched { protect: *protect, task: *task, before, is_judged: false })
        });
        let mut watched: Vec<Watched> = watched.collect();
        watched.sort_by_key(|watched| (watched.protect, watched.task));
        watched
    }

    /// Judges what is due now, where the next sample comes after `interval`.
    pub(crate) fn judge(&mut self, now: Duration, interval: Duration, tasks: &Tasks) -> Judged {
        let mut trials = std::mem::take(&mut self.trials);
        let found = trials.iter_mut().find_map(|trial| self.judge_one(trial, now, interval, tasks));
        self.trials = trials;
        // What is undone has not proved to be good, though all of it is judged.
        let good = if found.is_some() { None } else { self.trials.close() };
        Judged { good, found }
    }

    /// What would be found now, once for each batch: nothing can be undone for now, and all of it stays on trial.
    pub(crate) fn look(&mut self, now: Duration, interval: Duration, tasks: &Tasks) -> Option<Found> {
        let mut trials = self.trials.clone();
        let found = trials.iter_mut().find_map(|trial| self.judge_one(trial, now, interval, tasks))?;
        let is_new = std::mem::replace(&mut self.looked_at, found.batch) != found.batch;
        is_new.then_some(found)
    }

    fn judge_one(&self, trial: &mut Trial, now: Duration, interval: Duration, tasks: &Tasks) -> Option<Found> {
        for (at, protect) in self.protects.iter().enumerate() {
            // The sample after this one would come too late.
            let is_due = now + interval > trial.began + protect.window;
            let is_meant = |watched: &Watched| watched.protect == at;
            if !is_due || trial.watched.iter().all(|watched| watched.is_judged || !is_meant(watched)) {
                continue;
            }
            let is_over = now >= trial.began + protect.window * 2;
            let peers = self.peers(at, protect, trial, now, tasks);
            for watched in trial.watched.iter_mut().filter(|watched| is_meant(watched) && !watched.is_judged) {
                let after = self.after(watched, trial.began, now);
                watched.is_judged = after.is_some() || is_over;
                let others = peers.iter().filter(|(task, _)| *task != watched.task).map(|(_, levels)| *levels);
                let Some(after) = after else { continue };
                if let Some(regression) = protect.judge(watched.before, after, &others.collect::<Vec<_>>()) {
                    let (batch, began, protect) = (trial.batch, trial.began, protect.clone());
                    return Some(Found { batch, began, protect, task: watched.task, regression });
                }
            }
        }
        None
    }

    /// What the signal of a task was since the batch.
    fn after(&self, watched: &Watched, began: Duration, now: Duration) -> Option<Level> {
        let (protect, history) =
            (self.protects.get(watched.protect)?, self.histories.get(&(watched.protect, watched.task))?);
        let since = began.max(now.saturating_sub(protect.window));
        Level::of(history.iter().filter(|(at, _)| *at > since).map(|(_, value)| *value))
    }

    /// The tasks that one protects and of which nothing was changed, with what they were before and after, where it compares with them.
    fn peers(
        &self,
        at: usize,
        protect: &Protect,
        trial: &Trial,
        now: Duration,
        tasks: &Tasks,
    ) -> Vec<(TaskKey, (Baseline, Level))> {
        if protect.compare_with != CompareWith::Peers {
            return Vec::new();
        }
        let since = trial.began.saturating_sub(protect.window);
        let touched = self.touched.iter().filter(|(at, _)| *at >= since);
        let touched: BTreeSet<&str> = touched.map(|(_, cgroup)| cgroup.as_str()).collect();
        let is_untouched = |key| tasks.get(key).is_some_and(|task| !has_related(&touched, &task.cgroup));
        let untouched = trial.watched.iter().filter(|other| other.protect == at && is_untouched(other.task));
        untouched.filter_map(|other| Some((other.task, (other.before, self.after(other, trial.began, now)?)))).collect()
    }

    /// What was found was undone: nothing of what was seen since counts, since it was seen while that was in force.
    pub(crate) fn undone(&mut self, found: &Found) {
        self.trials.end_since(found.batch);
        for history in self.histories.values_mut() {
            history.retain(|(at, _)| *at <= found.began);
        }
    }
}

/// Whether a task has a signal: one of its samples is a number.
fn has_signal(history: &VecDeque<(Duration, f64)>) -> bool {
    history.iter().any(|(_, value)| value.is_finite())
}

/// Whether a cgroup is among these, or one above or below it is: what is changed of one is felt in all of them.
fn has_related(cgroups: &BTreeSet<&str>, cgroup: &str) -> bool {
    let above = cgroup.char_indices().filter(|(at, char)| *at > 0 && *char == '/').map(|(at, _)| &cgroup[..at]);
    let below = format!("{cgroup}/");
    let mut behind = cgroups.range(below.as_str()..);
    above.chain([cgroup]).any(|one| cgroups.contains(one)) || behind.next().is_some_and(|next| next.starts_with(&below))
}

fn seen(task: &ControlledTask) -> RailedTask<'_> {
    RailedTask { labels: &task.labels, cgroup: &task.cgroup }
}

#[cfg(test)]
mod tests;
