//! A batch on its way: what became of each message of it, at any moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fate::Fate;
use super::producer::Delivered;
use super::split::Part;
use crate::store::{Parts, PartsSoFar, StoreError};

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// The client has it.
    Sent,
    Stored,
    Uncertain,
    Lost,
}

/// The messages of a batch. Who looks at it sees also what a thread has settled that then panicked.
pub(super) struct Messages {
    parts: Vec<Part>,
    known: Mutex<Known>,
    so_far: Arc<PartsSoFar>,
}

/// What is known of them.
struct Known {
    states: Vec<State>,
    /// What became of their samples.
    parts: Parts,
    /// Why one waits.
    waits: Option<String>,
    /// Why one is lost.
    lost: Option<String>,
    /// What was said of those that were late, which may be uncertain still when the others are stored.
    late: Option<String>,
}

impl Messages {
    /// All wait. What becomes of them stands in `so_far` too.
    pub(super) fn new(parts: Vec<Part>, so_far: Arc<PartsSoFar>) -> Self {
        let states = vec![State::Waiting; parts.len()];
        let known = Known { states, parts: Parts::default(), waits: None, lost: None, late: None };
        Self { parts, known: Mutex::new(known), so_far }
    }

    /// Those that wait, with their numbers.
    pub(super) fn waiting(&self) -> Vec<(usize, &str)> {
        let known = self.locked();
        let waiting =
            self.parts.iter().zip(&known.states).enumerate().filter(|(_, (_, state))| **state == State::Waiting);
        waiting.map(|(number, (part, _))| (number, part.text.as_str())).collect()
    }

    /// Bytes of a message.
    pub(super) fn length(&self, number: usize) -> usize {
        self.parts[number].text.len()
    }

    /// The client has this one, or is about to.
    pub(super) fn sent(&self, number: usize) {
        self.put(&mut self.locked(), number, State::Sent);
    }

    /// It is known what became of this one.
    pub(super) fn settle(&self, number: usize, fate: Fate) {
        let mut known = self.locked();
        let state = match fate {
            Fate::Stored => State::Stored,
            Fate::Uncertain => State::Uncertain,
            Fate::Waiting(reason) => {
                known.waits = reason.or(known.waits.take());
                State::Waiting
            }
            Fate::Lost(reason) => {
                known.lost = Some(reason);
                State::Lost
            }
        };
        self.put(&mut known, number, state);
    }

    /// What the client still has it does not give back any more.
    pub(super) fn doubt(&self) {
        let mut known = self.locked();
        for number in 0..self.parts.len() {
            if known.states[number] == State::Sent {
                self.put(&mut known, number, State::Uncertain);
            }
        }
    }

    /// What became of their samples.
    pub(super) fn parts(&self) -> Parts {
        self.locked().parts
    }

    /// How it stands after this attempt: an error as long as not all are stored. Where something waits it may pass. One that is
    /// uncertain is a failure for good, also where the others are stored later.
    pub(super) fn verdict(&self, attempt: Delivered) -> Result<(), StoreError> {
        let mut known = self.locked();
        let count = |states: &[State], wanted: State| states.iter().filter(|state| **state == wanted).count();
        let waiting = count(&known.states, State::Waiting);
        let uncertain = count(&known.states, State::Uncertain) + count(&known.states, State::Sent);
        let lost = count(&known.states, State::Lost);
        let all = self.parts.len();
        if waiting + uncertain + lost == 0 {
            return Ok(());
        }
        let why = attempt.trouble.or(known.waits.take());
        if waiting > 0 || known.late.is_none() || why.is_some() {
            let why = why.unwrap_or_else(|| "no broker has answered in time".into());
            known.late = Some(format!("within {}: {why}", attempt.limit));
        }
        let refused = known.lost.as_deref().unwrap_or_default();
        let late = known.late.as_deref().unwrap_or_default();
        let mut what = match waiting + uncertain {
            0 => format!("FailedDelivery: {lost} of {all} messages were refused: {refused}"),
            count => format!("FailedDelivery: {count} of {all} messages were not delivered {late}"),
        };
        if uncertain > 0 {
            what.push_str(&format!("; of {uncertain} it is uncertain, and these are never sent again"));
        }
        if lost > 0 && waiting + uncertain > 0 {
            what.push_str(&format!("; {lost} more refused: {refused}"));
        }
        Err(if waiting > 0 { StoreError::Unavailable(what) } else { StoreError::Rejected(what) })
    }

    fn put(&self, known: &mut Known, number: usize, state: State) {
        let samples = self.parts[number].samples;
        if let Some(count) = counted(&mut known.parts, known.states[number]) {
            *count -= samples;
        }
        if let Some(count) = counted(&mut known.parts, state) {
            *count += samples;
        }
        known.states[number] = state;
        self.so_far.set(known.parts);
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under what samples of messages count that are there.
fn counted(parts: &mut Parts, state: State) -> Option<&mut usize> {
    match state {
        State::Stored => Some(&mut parts.stored),
        State::Sent | State::Uncertain => Some(&mut parts.uncertain),
        State::Waiting | State::Lost => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(samples: &[usize]) -> Messages {
        let parts = samples.iter().map(|samples| Part { text: String::new(), samples: *samples }).collect();
        Messages::new(parts, Arc::default())
    }

    /// The text of the error of an attempt in which this became of messages, and whether it may pass.
    fn after(messages: &Messages, fates: &[(usize, Fate)], trouble: Option<&str>) -> Option<(String, bool)> {
        for (number, fate) in fates {
            messages.settle(*number, fate.clone());
        }
        let attempt = Delivered { trouble: trouble.map(str::to_owned), limit: "500ms".into(), is_usable: false };
        messages.verdict(attempt).err().map(|error| (error.to_string(), error.may_pass()))
    }

    fn numbers(messages: &Messages) -> Vec<usize> {
        messages.waiting().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn each_message_is_settled_by_itself_and_only_what_waits_is_sent_again() {
        let batch = messages(&[1, 20, 300, 4_000]);
        let fates =
            [(0, Fate::Stored), (1, Fate::Uncertain), (2, Fate::Waiting(None)), (3, Fate::Lost("too large".into()))];
        let told = after(&batch, &fates, Some("no route")).unwrap();
        let what = "FailedDelivery: 2 of 4 messages were not delivered within 500ms: no route; of 1 it is uncertain, and these \
                    are never sent again; 1 more refused: too large";
        assert_eq!(told, (what.into(), true));
        assert_eq!((numbers(&batch), batch.parts()), (vec![2], Parts { stored: 1, uncertain: 20 }));
        let (told, may_pass) = after(&batch, &[(2, Fate::Stored)], None).unwrap();
        let what = "FailedDelivery: 1 of 4 messages were not delivered within 500ms: no route; of 1 it is uncertain, and these \
                    are never sent again; 1 more refused: too large";
        assert_eq!((told.as_str(), may_pass), (what, false));
        assert_eq!((numbers(&batch), batch.parts()), (vec![], Parts { stored: 301, uncertain: 20 }));
    }

    #[test]
    fn one_that_was_refused_is_told_as_such_also_when_the_others_are_stored_later() {
        let batch = messages(&[1, 1, 1]);
        let fates = [(0, Fate::Stored), (1, Fate::Waiting(None)), (2, Fate::Lost("too large".into()))];
        let (told, may_pass) = after(&batch, &fates, None).unwrap();
        let what = "FailedDelivery: 1 of 3 messages were not delivered within 500ms: no broker has answered in time; 1 more \
                    refused: too large";
        assert_eq!((told.as_str(), may_pass), (what, true));
        let told = after(&batch, &[(1, Fate::Stored)], None).unwrap();
        assert_eq!(told, ("FailedDelivery: 1 of 3 messages were refused: too large".into(), false));
    }

    #[test]
    fn what_is_uncertain_is_a_failure_for_good_whatever_becomes_of_the_others() {
        let at_once = messages(&[1, 1]);
        assert!(!after(&at_once, &[(0, Fate::Stored), (1, Fate::Uncertain)], None).unwrap().1);
        let later = messages(&[1, 1]);
        assert!(after(&later, &[(0, Fate::Uncertain), (1, Fate::Waiting(None))], Some("silence")).unwrap().1);
        let (told, may_pass) = after(&later, &[(1, Fate::Stored)], None).unwrap();
        assert!(
            told.contains("1 of 2 messages were not delivered within 500ms: silence; of 1 it is") && !may_pass,
            "{told}"
        );
        assert_eq!(later.parts(), Parts { stored: 1, uncertain: 1 });
        let fine = messages(&[1]);
        assert_eq!(after(&fine, &[(0, Fate::Stored)], None), None);
    }

    #[test]
    fn what_the_client_has_is_uncertain_until_it_is_settled() {
        let batch = messages(&[1, 20, 300]);
        batch.sent(0);
        batch.sent(1);
        assert_eq!((numbers(&batch), batch.so_far.get()), (vec![2], Parts { stored: 0, uncertain: 21 }));
        batch.settle(0, Fate::Stored);
        assert_eq!(batch.so_far.get(), Parts { stored: 1, uncertain: 20 });
        batch.doubt();
        assert_eq!((numbers(&batch), batch.so_far.get()), (vec![2], Parts { stored: 1, uncertain: 20 }));
    }
}
