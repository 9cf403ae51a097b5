//! Requests, and what becomes of them.

use std::collections::BTreeMap;

use wca_guest::plan::{self, Fate};
use wca_guest::releases::{Heard, Releases};
use wca_guest::types::{Key, Refusal};
use wca_guest::{log, platform};

use crate::policy::Lever;

/// Ticks for which a task is left alone with one kind after a refusal; twice as long after each further one.
const FIRST_PAUSE: u32 = 4;
/// The longest such pause.
const LONGEST_PAUSE: u32 = 512;

impl Lever {
    /// The kind of request.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::CpuQuota => "cpu_quota",
            Self::RdtL3 => "rdt_l3",
            Self::RdtMb => "rdt_mb",
        }
    }

    /// Whether this machine has it.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::CpuQuota => true,
            Self::RdtL3 => platform::l3_mask() != 0 && !platform::l3_domains().is_empty(),
            Self::RdtMb => !platform::bandwidth_domains().is_empty(),
        }
    }

    fn of(kind: &str) -> Option<Self> {
        [Self::CpuQuota, Self::RdtL3, Self::RdtMb].into_iter().find(|lever| lever.kind() == kind)
    }
}

/// What the outcomes of a call's requests say.
#[derive(Default)]
pub(crate) struct News {
    /// Requests for these are in force with another value.
    pub(crate) differs: Vec<(Key, Lever)>,
    /// Requests for these are not in force, or not any more.
    pub(crate) failed: Vec<(Key, Lever)>,
    /// Somebody has taken requests back, since a protected task got worse.
    pub(crate) reverted: bool,
}

/// A refusal, and until when it counts.
struct Pause {
    until: u64,
    ticks: u32,
}

/// All requests go this way.
#[derive(Default)]
pub(crate) struct Requests {
    pauses: BTreeMap<(Key, &'static str), Pause>,
    /// What is to be given back.
    releases: Releases,
    /// Whether nothing is written.
    pub(crate) is_shadow: bool,
    tick: u64,
}

impl Requests {
    /// Takes over what became of the last requests; `name` gives a task's name for people.
    pub(crate) fn hear(&mut self, tick: u64, name: impl Fn(Key) -> String) -> News {
        self.tick = tick;
        self.releases.begin();
        let mut news = News::default();
        for outcome in plan::outcomes() {
            let Some(lever) = Lever::of(&outcome.kind) else { continue };
            let (task, kind, heard) = (outcome.task, lever.kind(), self.releases.hear(&outcome));
            match outcome.fate {
                Fate::Applied | Fate::Unchanged => {
                    self.is_shadow = false;
                    if heard.is_none() {
                        self.pauses.remove(&(task, kind));
                    }
                }
                Fate::Adjusted(value) => {
                    log::debug!("{}: {kind} became {value}", name(task));
                    self.is_shadow = false;
                    news.differs.push((task, lever));
                }
                Fate::Shadowed => self.is_shadow = true,
                Fate::Failed(why) => match heard {
                    Some(Heard::Postponed { is_news: true }) => {
                        log::warn!("{}: {kind} was not given back, which is tried again: {why}", name(task));
                    }
                    Some(_) => log::debug!("{}: {kind} was not given back: {why}", name(task)),
                    None => {
                        self.pause(task, lever, &name(task), &why);
                        news.failed.push((task, lever));
                    }
                },
                Fate::Reverted(why) => {
                    log::warn!("{}: {kind} was taken back: {why}", name(task));
                    news.reverted = true;
                    news.failed.push((task, lever));
                }
            }
        }
        news
    }

    /// Whether a task may be asked something of again.
    pub(crate) fn may_ask(&self, task: Key, lever: Lever) -> bool {
        self.pauses.get(&(task, lever.kind())).is_none_or(|pause| pause.until <= self.tick)
    }

    /// Tasks whose pause with this lever ends now.
    pub(crate) fn due_again(&self, lever: Lever) -> Vec<Key> {
        let of_lever = self.pauses.iter().filter(|((_, kind), _)| *kind == lever.kind());
        of_lever.filter(|(_, pause)| pause.until == self.tick).map(|((task, _), _)| *task).collect()
    }

    /// Notes an answer; false where it was a refusal.
    pub(crate) fn asked(&mut self, task: Key, lever: Lever, name: &str, answer: Result<(), Refusal>) -> bool {
        match answer {
            Ok(()) => {
                self.releases.withdraw(task, |kind| kind == lever.kind());
                true
            }
            Err(why) => {
                self.pause(task, lever, name, &why.text());
                false
            }
        }
    }

    /// Gives a kind back, at the end of the call and later again until it is.
    pub(crate) fn release(&mut self, task: Key, lever: Lever) {
        self.releases.want(task, lever.kind());
    }

    /// The same of what an earlier life may have left.
    pub(crate) fn release_if_left(&mut self, task: Key, lever: Lever) {
        self.releases.want_if_left(task, lever.kind());
    }

    /// Whether a kind is not given back yet, so that what is in force is still a limit of ours.
    pub(crate) fn is_to_be_released(&self, task: Key, lever: Lever) -> bool {
        self.releases.is_wanted(task, lever.kind())
    }

    /// Makes the requests to give something back: after all others of a call, which go before them.
    pub(crate) fn give_back(&mut self) {
        for refused in self.releases.ask() {
            log::warn!("{} cannot be given back: {}", refused.kind, refused.why.text());
        }
    }

    /// Forgets a task.
    pub(crate) fn forget(&mut self, task: Key) {
        self.pauses.retain(|(of, _), _| *of != task);
        self.releases.forget(task);
    }

    fn pause(&mut self, task: Key, lever: Lever, name: &str, why: &str) {
        let before = self.pauses.get(&(task, lever.kind())).map_or(0, |pause| pause.ticks);
        let ticks = if before == 0 { FIRST_PAUSE } else { before.saturating_mul(2).min(LONGEST_PAUSE) };
        log::warn!("{name}: no {}: {why}; tried again in {ticks} ticks at the earliest", lever.kind());
        self.pauses.insert((task, lever.kind()), Pause { until: self.tick + u64::from(ticks), ticks });
    }
}
