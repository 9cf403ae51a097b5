//! Writing what was planned, a task at a time.

use std::time::{SystemTime, UNIX_EPOCH};

use wca_kernel::values::{Spot, Values};
use wca_model::Fate;

use crate::held::{Held, Owner};
use crate::journal::{Entry, Journal};
use crate::plan::{Planned, Step};

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
struct Done {
    spot: Spot,
    found: String,
    entry: Option<Entry>,
}

/// Writes everything that one task is due. Where a step fails, all steps of the task are unmade, and every request of it fails.
pub(crate) fn apply_task(due: Vec<Due>, values: &Values, journal: &mut Journal) -> Vec<(usize, Fate)> {
    let mut done = Vec::new();
    let mut fates = Vec::new();
    let places: Vec<(usize, &'static str)> = due.iter().map(|due| (due.at, due.owner.kind.as_str())).collect();
    for Due { at, owner, planned } in due {
        match apply_request(&owner, planned, values, journal, &mut done) {
            Ok(fate) => fates.push((at, fate)),
            Err(why) => {
                let left = unmake(done, values, journal);
                let failed_kind = owner.kind.as_str();
                return places
                    .into_iter()
                    .map(|(place, _)| {
                        let why = if place == at {
                            why.clone()
                        } else {
                            format!("undone, since {failed_kind} of the task failed: {why}")
                        };
                        (place, Fate::Failed(if left.is_empty() { why } else { format!("{why}; {left}") }))
                    })
                    .collect();
            }
        }
    }
    fates
}

fn apply_request(
    owner: &Owner,
    planned: Planned,
    values: &Values,
    journal: &mut Journal,
    done: &mut Vec<Done>,
) -> Result<Fate, String> {
    let mut has_written = false;
    let mut adjusted = planned.adjusted;
    for step in planned.steps {
        if let Some(now) = apply_step(owner, &step, values, journal, done)? {
            has_written = true;
            if now != step.value {
                adjusted = Some(now);
            }
        }
    }
    Ok(match (adjusted, has_written) {
        (Some(value), _) => Fate::Adjusted(value),
        (None, true) => Fate::Applied,
        (None, false) => Fate::Unchanged,
    })
}

/// Makes one step; the value that was read back, or none where it stood there already.
fn apply_step(
    owner: &Owner,
    step: &Step,
    values: &Values,
    journal: &mut Journal,
    done: &mut Vec<Done>,
) -> Result<Option<String>, String> {
    let Step { spot, value } = step;
    let life = values.life(spot).ok_or_else(|| format!("{spot} is not there"))?;
    let found = values.read(spot).map_err(|error| error.to_string())?;
    let entry = journal.get(spot).filter(|entry| entry.held.life == life).cloned();
    let is_kernels_form =
        entry.as_ref().is_some_and(|entry| entry.held.written == *value && entry.held.now.as_ref() == Some(&found));
    if found == *value || is_kernels_form {
        journal.confirmed(spot, owner).map_err(|error| error.to_string())?;
        return Ok(None);
    }
    let held = Held {
        spot: spot.clone(),
        life,
        owner: owner.clone(),
        before: found.clone(),
        written: value.clone(),
        now: None,
        since: seconds_since_1970(),
    };
    journal.writing(held).map_err(|error| error.to_string())?;
    done.push(Done { spot: spot.clone(), found, entry });
    values.write(spot, value).map_err(|error| error.to_string())?;
    let now = values.read(spot).map_err(|error| error.to_string())?;
    journal.written(spot, &now).map_err(|error| error.to_string())?;
    Ok(Some(now))
}

/// Unmakes steps from the last to the first; what could not be unmade, in words.
fn unmake(done: Vec<Done>, values: &Values, journal: &mut Journal) -> String {
    let mut left = Vec::new();
    for Done { spot, found, entry } in done.into_iter().rev() {
        let is_there = values.life(&spot).is_some();
        let is_as_found = || values.read(&spot).is_ok_and(|now| now == found);
        if is_there && !is_as_found() {
            let written = values.write(&spot, &found);
            if let Err(error) = written {
                // It stays in the journal, and is put back later.
                left.push(error.to_string());
                continue;
            }
        }
        if let Err(error) = journal.reset(&spot, entry) {
            left.push(error.to_string());
        }
    }
    left.join("; ")
}

pub(crate) fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
