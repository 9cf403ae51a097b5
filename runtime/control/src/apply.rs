//! Writing what was planned, a task at a time.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use wca_kernel::values::{Spot, Values};
use wca_model::Fate;

use crate::foreign::ForeignWrites;
use crate::held::{Held, Owner};
use crate::journal::{Entry, Journal, JournalError};
use crate::plan::{Planned, Step};
use crate::settings::Settings;

/// What is to be written for one request, with its place in the batch.
#[derive(Debug)]
pub(crate) struct Due {
    /// Its place among the requests.
    pub(crate) at: usize,
    /// In whose name.
    pub(crate) owner: Owner,
    /// The steps.
    pub(crate) planned: Planned,
}

/// A step that was made: how it is unmade.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) spot: Spot,
    /// What stood there before.
    pub(crate) found: String,
    /// What was held there before.
    pub(crate) entry: Option<Entry>,
    /// Whether what was held was given back, rather than another value written.
    pub(crate) is_given_back: bool,
}

/// Who is asked about values that somebody else has changed.
pub(crate) struct Watch<'a> {
    pub(crate) foreign: &'a mut ForeignWrites,
    pub(crate) settings: &'a Settings,
}

/// One step with its owner, and what is to stand there after all steps of the task.
struct Owned<'a> {
    owner: &'a Owner,
    step: &'a Step,
    last: &'a str,
}

/// Writes everything that one task is due, over whatever stands there. Where a step fails, all steps of the task are unmade, and
/// every request of it fails.
pub(crate) fn apply_task(due: Vec<Due>, values: &Values, journal: &mut Journal) -> Vec<(usize, Fate)> {
    apply_watched(due, values, journal, None, &mut Made::default())
}

/// The same, as far as what others have changed lets it; what was made is added to what was made before.
pub(crate) fn apply_watched(
    mut due: Vec<Due>,
    values: &Values,
    journal: &mut Journal,
    mut watch: Option<Watch<'_>>,
    made: &mut Made,
) -> Vec<(usize, Fate)> {
    let mut done = Vec::new();
    let mut has_written = vec![false; due.len()];
    let of_request = |(of, due): (usize, &mut Due)| {
        std::mem::take(&mut due.planned.steps).into_iter().map(move |step| (of, step)).collect::<Vec<_>>()
    };
    let steps: Vec<(usize, Step)> = due.iter_mut().enumerate().flat_map(of_request).collect();
    let last: BTreeMap<&Spot, &str> = steps.iter().map(|(_, step)| (&step.spot, step.value.as_str())).collect();
    for together in steps.chunk_by(|(_, one), (_, other)| values.are_together(&one.spot, &other.spot)) {
        let owned = together.iter().map(|(of, step)| {
            let last = last.get(&step.spot).copied().unwrap_or(&step.value);
            Owned { owner: &due[*of].owner, step, last }
        });
        let owned: Vec<Owned<'_>> = owned.collect();
        let now = match apply_steps(&owned, values, journal, &mut watch, &mut done) {
            Ok(now) => now,
            Err((which, why)) => {
                let left = Made(done).unmake(values, journal);
                let failed = together.get(which).map_or(0, |(of, _)| *of);
                return all_failed(&due, failed, &why, &left);
            }
        };
        for ((of, step), now) in together.iter().zip(now) {
            let Some(now) = now else { continue };
            has_written[*of] = true;
            if !values.is_as_asked(&step.spot, &step.value, &now) {
                due[*of].planned.adjusted = Some(now);
            }
        }
    }
    made.0.append(&mut done);
    let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
    for (Due { at, planned, .. }, has_written) in due.into_iter().zip(has_written) {
        let fate = match (planned.adjusted, has_written) {
            (Some(value), _) => Fate::Adjusted(value),
            (None, true) => Fate::Applied,
            (None, false) => Fate::Unchanged,
        };
        // What is written for one request can be due in several parts: the part to which most has happened tells.
        match (fates.get(&at), &fate) {
            (None | Some(Fate::Unchanged), _) | (Some(Fate::Applied), Fate::Adjusted(_)) => {
                fates.insert(at, fate);
            }
            _ => {}
        }
    }
    fates.into_iter().collect()
}

fn all_failed(due: &[Due], failed: usize, why: &str, left: &str) -> Vec<(usize, Fate)> {
    let Some(Due { at: failed, owner, .. }) = due.get(failed) else { return Vec::new() };
    let failed_kind = owner.kind.as_str();
    let fate = |due: &Due| {
        let why = if due.at == *failed {
            why.to_owned()
        } else {
            format!("undone, since {failed_kind} of the task failed: {why}")
        };
        (due.at, Fate::Failed(if left.is_empty() { why } else { format!("{why}; {left}") }))
    };
    due.iter().map(fate).collect()
}

/// Makes steps that are made together; of each the value that was read back, or none where it stood there already. The error says
/// which of them failed.
fn apply_steps(
    steps: &[Owned<'_>],
    values: &Values,
    journal: &mut Journal,
    watch: &mut Option<Watch<'_>>,
    done: &mut Vec<Done>,
) -> Result<Vec<Option<String>>, (usize, String)> {
    let mut now = vec![None; steps.len()];
    let Some(first) = steps.first() else { return Ok(now) };
    let _locked = values.lock(&first.step.spot).map_err(|error| (0, error.to_string()))?;
    let mut due = Vec::new();
    for (at, owned) in steps.iter().enumerate() {
        if prepare(owned, values, journal, watch, done).map_err(|why| (at, why))? {
            due.push(at);
        }
    }
    let written: Vec<(&Spot, &str)> =
        due.iter().map(|at| steps[*at].step).map(|step| (&step.spot, step.value.as_str())).collect();
    values.write_together(&written).map_err(|error| (due.first().copied().unwrap_or(0), error.to_string()))?;
    for at in due {
        let spot = &steps[at].step.spot;
        let read = values.read(spot).map_err(|error| (at, error.to_string()))?;
        journal.written(spot, &read).map_err(|error| (at, error.to_string()))?;
        now[at] = Some(read);
    }
    Ok(now)
}

/// Journals that a step is about to be made; false where its value stands there already.
fn prepare(
    Owned { owner, step, last }: &Owned<'_>,
    values: &Values,
    journal: &mut Journal,
    watch: &mut Option<Watch<'_>>,
    done: &mut Vec<Done>,
) -> Result<bool, String> {
    let Step { spot, value } = step;
    let life = values.life(spot).ok_or_else(|| format!("{spot} is not there"))?;
    let entry = journal.get(spot).filter(|entry| entry.held.life == life).cloned();
    let as_before =
        entry.as_ref().filter(|entry| entry.held.written == *value).and_then(|entry| entry.held.now.clone());
    let found = match as_before {
        Some(now) if values.is_now(spot, &now).map_err(|error| error.to_string())? => now,
        _ => values.read(spot).map_err(|error| error.to_string())?,
    };
    let is_kernels_form = entry.as_ref().filter(|entry| entry.held.written == *value).is_some_and(|entry| {
        // Where nobody knows whether it was written, what stands there is ours.
        entry.held.now.as_ref().map_or_else(|| values.is_as_asked(spot, value, &found), |now| *now == found)
    });
    if found == *value || is_kernels_form {
        if entry.is_some_and(|entry| entry.held.now.is_none()) {
            journal.written(spot, &found).map_err(|error| error.to_string())?;
        }
        if spot.is_of_group() {
            journal.asked_again(spot);
        } else {
            journal.confirmed(spot, owner).map_err(|error| error.to_string())?;
        }
        return Ok(false);
    }
    if let (Some(Watch { foreign, settings }), Some(entry)) = (watch, &entry)
        && is_changed(&entry.held, &found, values)
    {
        foreign.meet(&entry.held, &found, last, settings)?;
    }
    let held = Held {
        spot: spot.clone(),
        life,
        owner: (*owner).clone(),
        before: found.clone(),
        written: value.clone(),
        now: None,
        since: seconds_since_1970(),
    };
    journal.writing(held).map_err(|error| error.to_string())?;
    done.push(Done { spot: spot.clone(), found, entry, is_given_back: false });
    Ok(true)
}

/// Whether somebody else has changed a value of ours. Threads that came into a task, or left it, are nobody's change, and a group that
/// was removed is seen by the tasks that were in it.
pub(crate) fn is_changed(held: &Held, found: &str, values: &Values) -> bool {
    let Some(now) = &held.now else { return false };
    let is_nobodys = match &held.spot {
        Spot::Group { .. } => true,
        spot @ Spot::Threads { .. } => {
            found == held.written
                || values.is_nobody(spot, found)
                || values.has_newcomers(spot, &held.written, now, found)
        }
        _ => false,
    };
    now != found && !is_nobodys
}

/// Steps that were made, in their order, and how each is unmade.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<Done>);

impl Made {
    /// Whether nothing was made.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps, in their order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Done> {
        self.0.iter()
    }

    /// The same, to be kept.
    pub(crate) fn into_steps(self) -> Vec<Done> {
        self.0
    }

    /// Values that are about to be put back, so that they can be unmade too.
    pub(crate) fn remember(&mut self, spots: &[Spot], values: &Values, journal: &Journal) {
        let done = spots.iter().filter_map(|spot| {
            let entry = journal.get(spot)?.clone();
            Some(Done { spot: spot.clone(), found: values.read(spot).ok()?, entry: Some(entry), is_given_back: true })
        });
        self.0.extend(done);
    }

    /// Unmakes them from the last to the first, and again as long as that helps: one can be in the way of another. What could not be
    /// unmade, in words.
    pub(crate) fn unmake(self, values: &Values, journal: &mut Journal) -> String {
        let mut left = self.0;
        loop {
            let (before, mut failed, mut why) = (left.len(), Vec::<Done>::new(), Vec::new());
            for done in left.into_iter().rev() {
                match done.unmake(values, journal) {
                    // What an earlier step had found stands there now.
                    Ok(()) => failed.retain(|other| other.spot != done.spot),
                    Err(error) => {
                        why.push(error);
                        failed.push(done);
                    }
                }
            }
            if failed.is_empty() {
                return String::new();
            }
            failed.reverse();
            if failed.len() == before {
                return why.join("; ");
            }
            left = failed;
        }
    }
}

impl Done {
    /// What could not be unmade stays in the journal, and is put back later.
    fn unmake(&self, values: &Values, journal: &mut Journal) -> Result<(), String> {
        let _locked = values.lock(&self.spot).map_err(|error| error.to_string())?;
        self.unmake_locked(values, journal)
    }

    /// The same, where the spot is locked already.
    pub(crate) fn unmake_locked(&self, values: &Values, journal: &mut Journal) -> Result<(), String> {
        let Self { spot, found, entry, .. } = self;
        let mut entry = entry.clone();
        let is_there = values.life(spot).is_some();
        if is_there && !values.read(spot).is_ok_and(|now| now == *found) {
            begin_unmaking(spot, entry.as_ref(), journal).map_err(|error| error.to_string())?;
            let written = match values.write(spot, found) {
                // The group in which the threads were is gone.
                Err(error) if error.is_absent() && matches!(spot, Spot::Threads { .. }) => values.write(spot, ""),
                written => written,
            };
            written.map_err(|error| error.to_string())?;
            if let (Some(entry), true) = (&mut entry, spot.is_of_group()) {
                // A group that was made anew has another number.
                entry.held.life = values.life(spot).unwrap_or(entry.held.life);
                if entry.held.now.as_ref() == Some(found) {
                    entry.held.now = values.read(spot).ok();
                }
            }
        }
        journal.reset(spot, entry).map_err(|error| error.to_string())
    }
}

/// Before it is unmade: whatever stands there counts as ours until it is, should this process end meanwhile.
fn begin_unmaking(spot: &Spot, entry: Option<&Entry>, journal: &mut Journal) -> Result<(), JournalError> {
    if journal.get(spot).is_some() {
        return journal.putting_back(spot);
    }
    match entry.cloned() {
        Some(mut entry) => {
            entry.held.now = None;
            journal.reset(spot, Some(entry))
        }
        None => Ok(()),
    }
}

pub(crate) fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
