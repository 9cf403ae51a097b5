//! What is to be given back, asked for until it has been.

use std::collections::BTreeMap;

use crate::plan::{self, Fate, Outcome};
use crate::types::{Key, Refusal};

/// Calls between two attempts at most.
const LONGEST: u64 = 64;

/// Kinds of tasks that are to be given back.
///
/// A release can come to nothing: the operator has frozen all changes, another request of a batch fails that is made as a whole or not
/// at all, the kernel refuses it. So it is asked for again after 1 call, then after 2, 4 and so on up to 64, until it came about, the
/// task has ended, or the kind is to have a value after all.
///
/// ```no_run
/// # use wca_guest::{plan, releases::Releases};
/// # let (mut releases, task) = (Releases::default(), 1);
/// releases.begin();
/// for outcome in plan::outcomes() {
///     if releases.hear(&outcome).is_none() {
///         // What became of a request that was no release.
///     }
/// }
/// releases.want(task, "cpu_quota");
/// releases.ask();
/// ```
#[derive(Debug, Default)]
pub struct Releases {
    wanted: BTreeMap<(Key, &'static str), Wanted>,
    call: u64,
}

/// A release that did not come about yet.
#[derive(Debug, Default)]
struct Wanted {
    /// Nobody knows whether there is anything to give back.
    is_guess: bool,
    attempts: u32,
    not_before: u64,
    /// Whether an outcome is to come.
    is_asked: bool,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The kind is given back, or would be in shadow mode.
    Done,
    /// It came to nothing, and is asked for again.
    Postponed {
        /// Whether an operator wants to know: it is the first time, and there was something to give back.
        is_news: bool,
    },
}

/// A release that was not even taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Its task.
    pub task: Key,
    /// Its kind.
    pub kind: &'static str,
    /// Why.
    pub why: Refusal,
}

impl Releases {
    /// Begins a call of the policy: before its outcomes are heard.
    pub fn begin(&mut self) {
        self.call += 1;
    }

    /// A kind of a task is to be given back.
    pub fn want(&mut self, task: Key, kind: &'static str) {
        self.wanted.entry((task, kind)).or_default().is_guess = false;
    }

    /// The same of what an earlier life of the policy may have left. That there is nothing to give back, or that it is another policy's, is
    /// no news.
    pub fn want_if_left(&mut self, task: Key, kind: &'static str) {
        self.wanted.entry((task, kind)).or_insert_with(|| Wanted { is_guess: true, ..Wanted::default() });
    }

    /// A guard has undone that a kind was given back: that is tried again after the longest pause.
    pub fn undone(&mut self, task: Key, kind: &'static str) {
        let wanted = self.wanted.entry((task, kind)).or_default();
        wanted.not_before = self.call + LONGEST;
    }

    /// Kinds of a task that are to have a value after all, so that they are not given back.
    pub fn withdraw(&mut self, task: Key, is_meant: impl Fn(&str) -> bool) {
        let kinds: Vec<_> = self.of(task).map(|(_, kind)| kind).filter(|kind| is_meant(kind)).collect();
        for kind in kinds {
            self.wanted.remove(&(task, kind));
        }
    }

    /// A task has ended.
    pub fn forget(&mut self, task: Key) {
        self.withdraw(task, |_| true);
    }

    /// Whether a kind of a task is still to be given back.
    pub fn is_wanted(&self, task: Key, kind: &str) -> bool {
        self.of(task).any(|(_, known)| known == kind)
    }

    /// Takes in what became of a request; none where that was no release.
    pub fn hear(&mut self, outcome: &Outcome) -> Option<Heard> {
        let key = self.of(outcome.task).find(|(_, kind)| *kind == outcome.kind)?;
        let wanted = self.wanted.get_mut(&key)?;
        if outcome.domain.is_some() || !std::mem::take(&mut wanted.is_asked) {
            return None;
        }
        match outcome.fate {
            Fate::Failed(_) => Some(Heard::Postponed { is_news: wanted.attempts == 1 && !wanted.is_guess }),
            // Of what was asked for earlier.
            Fate::Reverted(_) => {
                wanted.is_asked = true;
                None
            }
            Fate::Applied | Fate::Unchanged | Fate::Adjusted(_) | Fate::Shadowed => {
                self.wanted.remove(&key);
                Some(Heard::Done)
            }
        }
    }

    /// Asks for all that are due, after everything else in a call. The answer is what was refused at once, where that is news.
    pub fn ask(&mut self) -> Vec<Refused> {
        let all: Vec<_> = self.wanted.keys().copied().collect();
        self.ask_for(&all, plan::release)
    }

    /// The same of one task.
    pub fn ask_of(&mut self, task: Key) -> Vec<Refused> {
        let of_task: Vec<_> = self.of(task).collect();
        self.ask_for(&of_task, plan::release)
    }

    fn ask_for(
        &mut self,
        keys: &[(Key, &'static str)],
        mut release: impl FnMut(Key, &str) -> Result<(), Refusal>,
    ) -> Vec<Refused> {
        let mut refused = Vec::new();
        for (task, kind) in keys.iter().copied() {
            let Some(wanted) = self.wanted.get_mut(&(task, kind)) else { continue };
            if wanted.not_before > self.call {
                continue;
            }
            let answer = release(task, kind);
            let is_over = match answer {
                Err(Refusal::Gone) => true,
                // What does not fit into this call is first in line in the next.
                Err(Refusal::TooMany) => continue,
                // What this policy may not ask for, none of its lives had.
                Err(_) => wanted.is_guess,
                Ok(()) => false,
            };
            if is_over {
                self.wanted.remove(&(task, kind));
                continue;
            }
            wanted.is_asked = answer.is_ok();
            wanted.not_before = self.call + 1_u64.checked_shl(wanted.attempts).unwrap_or(LONGEST).min(LONGEST);
            wanted.attempts = wanted.attempts.saturating_add(1);
            let is_first = wanted.attempts == 1;
            refused.extend(answer.err().filter(|_| is_first).map(|why| Refused { task, kind, why }));
        }
        refused
    }

    fn of(&self, task: Key) -> impl Iterator<Item = (Key, &'static str)> + '_ {
        self.wanted.range((task, "")..).map(|(key, _)| *key).take_while(move |(of, _)| *of == task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(task: Key, kind: &str, fate: Fate) -> Outcome {
        Outcome { task, kind: kind.to_owned(), domain: None, fate }
    }

    fn failed() -> Fate {
        Fate::Failed("frozen by the operator".to_owned())
    }

    /// What is asked for in a call, all of which is taken.
    fn asked(releases: &mut Releases) -> Vec<(Key, &'static str)> {
        let all: Vec<_> = releases.wanted.keys().copied().collect();
        let mut asked = Vec::new();
        let refused = releases.ask_for(&all, |task, kind| {
            asked.push((task, all.iter().find(|(_, known)| *known == kind).map_or("", |(_, known)| *known)));
            Ok(())
        });
        assert_eq!(refused, []);
        asked
    }

    #[test]
    fn what_fails_is_asked_for_again_after_longer_and_longer_pauses_until_it_comes_about() {
        let mut releases = Releases::default();
        releases.want(1, "cpu_quota");
        let mut calls = Vec::new();
        for call in 1..=300 {
            releases.begin();
            let heard = releases.hear(&outcome(1, "cpu_quota", failed()));
            let was_asked = calls.last() == Some(&(call - 1));
            assert_eq!(heard, was_asked.then_some(Heard::Postponed { is_news: calls.len() == 1 }), "{call}");
            if !asked(&mut releases).is_empty() {
                calls.push(call);
            }
        }
        assert_eq!(calls, [1, 2, 4, 8, 16, 32, 64, 128, 192, 256]);
        while asked(&mut releases).is_empty() {
            releases.begin();
        }
        assert_eq!(releases.hear(&outcome(1, "cpu_quota", Fate::Applied)), Some(Heard::Done));
        assert!(!releases.is_wanted(1, "cpu_quota"));
    }

    #[test]
    fn only_what_was_asked_for_is_heard() {
        let mut releases = Releases::default();
        releases.want(1, "rdt_l3");
        assert_eq!(releases.hear(&outcome(1, "rdt_l3", failed())), None, "it was not asked for yet");
        asked(&mut releases);
        let of_domain = Outcome { domain: Some(0), ..outcome(1, "rdt_l3", failed()) };
        for other in [of_domain, outcome(2, "rdt_l3", failed()), outcome(1, "rdt_mb", failed())] {
            assert_eq!(releases.hear(&other), None);
        }
        asked(&mut releases);
        assert_eq!(releases.hear(&outcome(1, "rdt_l3", Fate::Reverted(String::new()))), None, "of an earlier request");
        assert_eq!(releases.hear(&outcome(1, "rdt_l3", Fate::Unchanged)), Some(Heard::Done));
    }

    #[test]
    fn what_is_to_have_a_value_again_and_what_has_ended_is_not_given_back() {
        let mut releases = Releases::default();
        for (task, kind) in [(1, "cpu_quota"), (1, "cpu_shares"), (2, "cpu_quota"), (3, "cpu_quota")] {
            releases.want(task, kind);
        }
        releases.withdraw(1, |kind| kind == "cpu_quota");
        releases.forget(3);
        assert_eq!(asked(&mut releases), [(1, "cpu_shares"), (2, "cpu_quota")]);
    }

    #[test]
    fn what_may_have_been_left_is_no_news() {
        let mut releases = Releases::default();
        releases.want_if_left(1, "cpu_quota");
        asked(&mut releases);
        assert_eq!(releases.hear(&outcome(1, "cpu_quota", failed())), Some(Heard::Postponed { is_news: false }));
        let refuse = |_: Key, _: &str| Err(Refusal::NotGranted("cpu_quota".to_owned()));
        releases.begin();
        assert_eq!(releases.ask_for(&[(1, "cpu_quota")], refuse), []);
        assert!(!releases.is_wanted(1, "cpu_quota"));
        releases.want(1, "cpu_quota");
        assert_eq!(releases.ask_for(&[(1, "cpu_quota")], refuse).len(), 1);
        assert!(releases.is_wanted(1, "cpu_quota"));
    }

    #[test]
    fn what_does_not_fit_into_a_call_comes_first_in_the_next_and_what_a_guard_undid_comes_late() {
        let mut releases = Releases::default();
        releases.want(1, "cpu_quota");
        assert_eq!(releases.ask_for(&[(1, "cpu_quota")], |_, _| Err(Refusal::TooMany)), []);
        releases.begin();
        assert_eq!(asked(&mut releases), [(1, "cpu_quota")]);
        assert_eq!(releases.hear(&outcome(1, "cpu_quota", Fate::Applied)), Some(Heard::Done));
        releases.undone(1, "cpu_quota");
        let calls = (1..).take_while(|_| {
            releases.begin();
            asked(&mut releases).is_empty()
        });
        assert_eq!(calls.count(), 63);
    }
}
