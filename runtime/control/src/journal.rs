//! The journal: what was found and what was written, in a file that outlives this process.
//!
//! A line of JSON for each step: `begin` with the boot, `writing` before a write, `written` after it with the value that was read back,
//! `dropped` when the value is ours no more. The file need not reach a disk: what it speaks of dies with the boot too.

mod file;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wca_kernel::values::Spot;

use crate::held::{Held, Left, Owner};

use crate::kinds::rdt::is_operators;
use crate::policy::Policy;

use file::JournalFile;
pub(crate) use record::Dropped;
use record::Record;

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The kernel said no.
    #[error("{call} {path}: {source}")]
    File {
        /// The call.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A line is none of ours.
    #[error(
        "{path}, line {line}: {what}; move the file away, and what it holds is not put back (`wca journal` shows the values that WCA holds)"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// All values that are held, in memory and in the file.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Option<JournalFile>,
    held: BTreeMap<Spot, Entry>,
    /// What was left to others who have changed it.
    left: BTreeMap<Spot, Left>,
    last: u64,
    /// Lines at which the file is written anew.
    long: usize,
}

/// Lines that a file may have that are over.
const SHORT: usize = 1_024;

/// A value that is held, with what only this process knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Counts the values: the one that was held first is put back last.
    pub(crate) number: u64,
    /// The value.
    pub(crate) held: Held,
    /// Ticks within which it is to be asked for again; none: it was, or came up in this process.
    pub(crate) adopted: Option<u32>,
}

impl Journal {
    /// Without a file: nothing outlives this process.
    pub(crate) fn in_memory() -> Self {
        Self { file: None, held: BTreeMap::new(), left: BTreeMap::new(), last: 0, long: SHORT }
    }

    /// The journal in this folder, which is locked for this process, with what an earlier process has held. Values of an earlier
    /// boot come back beside it: they are held no more.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(crate) fn open(folder: &Path, boot: &str) -> Result<(Self, Vec<Held>), JournalError> {
        let (file, records) = JournalFile::open(folder)?;
        let (mut journal, is_of_this_boot) = Self::of_records(folder, boot, records)?;
        let lost = if is_of_this_boot { Vec::new() } else { std::mem::take(&mut journal.held).into_values().collect() };
        if !is_of_this_boot {
            journal.left.clear();
        }
        journal.file = Some(file);
        journal.rewrite(boot)?;
        Ok((journal, lost.into_iter().map(|entry: Entry| entry.held).collect()))
    }

    /// What stands in the journal of this folder, of whichever process, as far as it is of this boot. Nothing is written.
    pub(crate) fn peek(folder: &Path, boot: &str) -> Result<Vec<Held>, JournalError> {
        let records = JournalFile::peek(folder)?.unwrap_or_default();
        let (journal, is_of_this_boot) = Self::of_records(folder, boot, records)?;
        let held = journal.held.into_values().map(|entry| entry.held);
        Ok(held.filter(|_| is_of_this_boot).collect())
    }

    fn of_records(folder: &Path, boot: &str, records: Vec<(usize, Record)>) -> Result<(Self, bool), JournalError> {
        let mut journal = Self::in_memory();
        let mut is_of_this_boot = true;
        for (line, record) in records {
            match record {
                Record::Begin { boot: then, .. } => is_of_this_boot = then == boot,
                record => journal.replay(record).map_err(|what| JournalFile::malformed(folder, line, what))?,
            }
        }
        Ok((journal, is_of_this_boot))
    }

    /// The end: a file in which nothing is held goes.
    pub(crate) fn close(&mut self) -> Result<(), JournalError> {
        match &self.file {
            Some(file) if self.held.is_empty() && self.left.is_empty() => file.remove(),
            _ => Ok(()),
        }
    }

    /// The value that is held there.
    pub(crate) fn get(&self, spot: &Spot) -> Option<&Entry> {
        self.held.get(spot)
    }

    /// All of them, by their spots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.held.values()
    }

    /// Before a write. What was found first stays what was found.
    pub(crate) fn writing(&mut self, mut held: Held) -> Result<(), JournalError> {
        let known = self.held.get(&held.spot).filter(|entry| entry.held.life == held.life);
        let number = known.map_or(self.last + 1, |entry| entry.number);
        if let Some(entry) = known {
            held.before.clone_from(&entry.held.before);
        }
        self.append(&Record::Writing { number, held: Box::new(held.clone()) })?;
        self.last = self.last.max(number);
        self.held.insert(held.spot.clone(), Entry { number, held, adopted: None });
        self.shorten();
        Ok(())
    }

    /// Before it is put back: whatever stands there counts as ours until it was.
    pub(crate) fn putting_back(&mut self, spot: &Spot) -> Result<(), JournalError> {
        let Some(entry) = self.held.get_mut(spot) else { return Ok(()) };
        if entry.held.now.take().is_none() {
            return Ok(());
        }
        let record = Record::Writing { number: entry.number, held: Box::new(entry.held.clone()) };
        self.record(&record)
    }

    /// After a write, with the value that was read back.
    pub(crate) fn written(&mut self, spot: &Spot, now: &str) -> Result<(), JournalError> {
        let Some(entry) = self.held.get_mut(spot) else { return Ok(()) };
        entry.held.now = Some(now.to_owned());
        let number = entry.number;
        self.record(&Record::Written { number, now: now.to_owned() })
    }

    /// It was asked for and stands there already.
    pub(crate) fn confirmed(&mut self, spot: &Spot, owner: &Owner) -> Result<(), JournalError> {
        let Some(entry) = self.held.get_mut(spot) else { return Ok(()) };
        entry.adopted = None;
        if entry.held.owner == *owner {
            return Ok(());
        }
        entry.held.owner = owner.clone();
        let record = Record::Writing { number: entry.number, held: Box::new(entry.held.clone()) };
        self.record(&record)
    }

    /// It was asked for and stands there already, of a value that several tasks share: it stays in the name of the first.
    pub(crate) fn asked_again(&mut self, spot: &Spot) {
        if let Some(entry) = self.held.get_mut(spot) {
            entry.adopted = None;
        }
    }

    /// It is ours no more.
    pub(crate) fn dropped(&mut self, spot: &Spot, why: Dropped) -> Result<(), JournalError> {
        let Some(entry) = self.held.remove(spot) else { return Ok(()) };
        self.record(&Record::Dropped { number: entry.number, why })
    }

    /// Somebody else has changed it, and it is left to them.
    pub(crate) fn leave(&mut self, held: &Held) -> Result<(), JournalError> {
        self.dropped(&held.spot, Dropped::Foreign)?;
        let left = Left { life: held.life, owner: held.owner.clone() };
        let record = Record::Left { spot: held.spot.clone(), left: left.clone() };
        self.left.insert(held.spot.clone(), left);
        self.record(&record)
    }

    /// What was left to others.
    pub(crate) fn left(&self) -> &BTreeMap<Spot, Left> {
        &self.left
    }

    /// These may be asked for again.
    pub(crate) fn regain(&mut self, is_meant: impl Fn(&Spot, &Left) -> bool) -> Result<(), JournalError> {
        let meant: Vec<Spot> =
            self.left.iter().filter(|(spot, left)| is_meant(spot, left)).map(|(spot, _)| spot.clone()).collect();
        for spot in meant {
            self.left.remove(&spot);
            self.record(&Record::Regained { spot })?;
        }
        Ok(())
    }

    /// As it was before a step that came to nothing.
    pub(crate) fn reset(&mut self, spot: &Spot, entry: Option<Entry>) -> Result<(), JournalError> {
        let Some(entry) = entry else { return self.dropped(spot, Dropped::NotWritten) };
        let record = Record::Writing { number: entry.number, held: Box::new(entry.held.clone()) };
        self.held.insert(spot.clone(), entry);
        self.record(&record)
    }

    /// All values of these policies wait to be asked for again.
    pub(crate) fn adopt(&mut self, ticks: u32, is_meant: impl Fn(&Policy) -> bool) {
        let is_theirs = |policy: &Policy| !is_operators(policy) && is_meant(policy);
        for entry in self.held.values_mut().filter(|entry| is_theirs(&entry.held.owner.policy)) {
            entry.adopted = Some(ticks);
        }
    }

    /// The time of these is over, whoever asks for them.
    pub(crate) fn let_expire(&mut self, spots: &[Spot]) {
        for spot in spots {
            if let Some(entry) = self.held.get_mut(spot) {
                entry.adopted = Some(0);
            }
        }
    }

    /// A tick has passed: the spots of values that nobody has asked for again in time.
    pub(crate) fn expire(&mut self) -> Vec<Spot> {
        let mut expired = Vec::new();
        for (spot, entry) in &mut self.held {
            match &mut entry.adopted {
                None => {}
                Some(0) => expired.push(spot.clone()),
                Some(left) => *left -= 1,
            }
        }
        expired
    }

    /// Adds a line of what is known here already.
    fn record(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append(record)?;
        self.shorten();
        Ok(())
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        match &mut self.file {
            Some(file) => file.append(record),
            None => Ok(()),
        }
    }

    /// Leaves out what is over, where that is most of the file. Where it cannot, the long file is as good.
    fn shorten(&mut self) {
        let Some(file) = &self.file else { return };
        if file.lines() < self.long {
            return;
        }
        let boot = file.boot().to_owned();
        if let Err(error) = self.rewrite(&boot) {
            tracing::warn!("{error}; the journal grows until it can be written anew");
        }
        self.long = self.file.as_ref().map_or(0, JournalFile::lines) + 4 * self.held.len() + SHORT;
    }

    /// The file with nothing in it but what is held.
    fn rewrite(&mut self, boot: &str) -> Result<(), JournalError> {
        let held = self
            .held
            .values()
            .map(|entry| Record::Writing { number: entry.number, held: Box::new(entry.held.clone()) });
        let left = self.left.iter().map(|(spot, left)| Record::Left { spot: spot.clone(), left: left.clone() });
        let records = held.chain(left);
        match &mut self.file {
            Some(file) => file.rewrite(boot, records),
            None => Ok(()),
        }
    }

    fn replay(&mut self, record: Record) -> Result<(), String> {
        let spot = |number: u64, held: &BTreeMap<Spot, Entry>| {
            let found = held.iter().find(|(_, entry)| entry.number == number).map(|(spot, _)| spot.clone());
            found.ok_or_else(|| format!("value {number} was not held"))
        };
        match record {
            Record::Begin { .. } => {}
            Record::Writing { number, held } => {
                self.last = self.last.max(number);
                self.held.insert(held.spot.clone(), Entry { number, held: *held, adopted: None });
            }
            Record::Written { number, now } => {
                let spot = spot(number, &self.held)?;
                if let Some(entry) = self.held.get_mut(&spot) {
                    entry.held.now = Some(now);
                }
            }
            Record::Left { spot, left } => {
                self.left.insert(spot, left);
            }
            Record::Regained { spot } => {
                self.left.remove(&spot);
            }
            Record::Dropped { number, .. } => {
                let spot = spot(number, &self.held)?;
                self.held.remove(&spot);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
