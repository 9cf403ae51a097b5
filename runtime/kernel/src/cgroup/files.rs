//! The open files of one cgroup.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::cgroup::opener::Opener;
use crate::cgroup::plan::{MOST_OUTPUTS, Plan, PlannedFile};
use crate::cgroup::rest::Rest;
use crate::cgroup::settings::Standing;
use crate::cgroup::sum::Sum;
use crate::cgroup::taken::{Taken, Value};
use crate::files::reread;
use crate::text::{lines, word_of_line};

/// One file of one cgroup.
pub(crate) enum Slot {
    /// Not there when last looked for, or not needed since another file has the same.
    Missing,
    /// Kept open; the number tells which was opened first.
    Open(OwnedFd, u64),
    /// There, but opened for each reading, for want of descriptors.
    Parked,
    /// Was read, and is closed as long as it says the same.
    Standing(Standing),
    /// Was open, and its cgroup was removed. Looked for again, and no other file takes its place: two counters of the
    /// same thing do not stand at the same value.
    Gone,
}

/// The files of one cgroup, in the order of [`Plan::files`].
pub(crate) struct CgroupFiles {
    /// Path below the mount points, without a leading slash.
    pub path: String,
    pub slots: Box<[Slot]>,
    /// The parts whose line was in none of the files at the last reading, as bits.
    without_line: u64,
    /// Ticks until missing files are looked for again; none where nothing is missing.
    retry: Option<Retry>,
    /// How often it was read. Now and then it is tried whether files stand that did not before.
    readings: u32,
    /// Which of its files need not be read, since it does nothing.
    rest: Rest,
}

/// Missing files are looked for again, since a container runtime makes its cgroups one after another, but ever more rarely.
#[derive(Clone, Copy)]
struct Retry {
    ticks_left: u32,
    pause: u32,
}

/// Longest pause in ticks between two looks for a missing file.
const LONGEST_PAUSE: u32 = 64;

/// What came of reading the files of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// None of them could be read.
    Nothing,
    /// One at least could.
    Some,
    /// The cgroup was removed in the midst.
    Removed,
}

impl CgroupFiles {
    /// Nothing is opened yet.
    pub(crate) fn new(path: &str, plan: &Plan) -> Self {
        let slots = plan.files.iter().map(|_| Slot::Missing).collect();
        Self {
            path: path.to_owned(),
            slots,
            without_line: 0,
            retry: Some(Retry { ticks_left: 0, pause: 1 }),
            readings: 0,
            rest: Rest::new(path, plan.files.len()),
        }
    }

    /// Whether none of its files was ever looked for.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.retry, Some(Retry { ticks_left: 0, .. }))
    }

    /// Whether it is time to look for files that are missing; counts the tick.
    pub(crate) fn is_due(&mut self) -> bool {
        match &mut self.retry {
            None => false,
            Some(retry) if retry.ticks_left == 0 => true,
            Some(retry) => {
                retry.ticks_left -= 1;
                false
            }
        }
    }

    /// Opens the files that are not open and hold what no other file of this cgroup does.
    pub(crate) fn open_missing(&mut self, plan: &Plan, opener: &mut Opener) {
        let mut covered = self.covered(plan);
        let mut has_opened = false;
        for (slot, file) in self.slots.iter_mut().zip(&plan.files) {
            let wanted = match slot {
                Slot::Missing => file.parts & !covered != 0,
                Slot::Gone => true,
                Slot::Open(..) | Slot::Parked | Slot::Standing(_) => false,
            };
            if !wanted {
                continue;
            }
            match opener.open(&self.path, file) {
                Ok(open) => *slot = opener.keep(open),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => continue,
                Err(Errno::MFILE | Errno::NFILE) => {
                    opener.say_short();
                    opener.starved = true;
                    *slot = Slot::Parked;
                }
                Err(error) => {
                    opener.trouble(&self.path, file, error);
                    continue;
                }
            }
            covered |= file.parts;
            has_opened = true;
        }
        if has_opened {
            self.rest.forget();
        }
        let complete = covered == plan.all_parts() && !self.slots.iter().any(|slot| matches!(slot, Slot::Gone));
        self.retry = if complete {
            None
        } else {
            let pause = self.retry.map_or(1, |retry| retry.pause.saturating_mul(2).min(LONGEST_PAUSE));
            Some(Retry { ticks_left: pause, pause })
        };
    }

    /// The parts that files of this cgroup hold, or held, as bits.
    pub(crate) fn covered(&self, plan: &Plan) -> u64 {
        self.slots
            .iter()
            .zip(&plan.files)
            .filter(|(slot, _)| !matches!(slot, Slot::Missing))
            .fold(0, |parts, (_, file)| parts | file.parts)
    }

    /// The parts that this cgroup has nothing of, as bits: their file is missing, or was without their line when it was last
    /// read.
    pub(crate) fn lacking(&self, plan: &Plan) -> u64 {
        plan.all_parts() & !self.covered(plan) | self.without_line
    }

    /// Adds what the files say to the sums, one per column; what has no column yet goes to [`Opener::learned`].
    pub(crate) fn read(&mut self, plan: &Plan, opener: &mut Opener, buffer: &mut Vec<u8>, sums: &mut [Sum]) -> Reading {
        let now = std::mem::take(&mut opener.taken);
        let mut taking = Taking { path: &self.path, taken: 0, without_line: 0, now, sums };
        let mut reading = Reading::Nothing;
        self.rest.begin();
        let tries = self.readings.is_multiple_of(LONGEST_PAUSE);
        self.readings = self.readings.wrapping_add(1);
        for (number, (slot, file)) in self.slots.iter_mut().zip(&plan.files).enumerate() {
            if matches!(slot, Slot::Open(..) | Slot::Parked)
                && let Some(taken) = self.rest.resting(number, file, &opener.turns)
            {
                reading = reading.max(Reading::Some);
                taking.take_again(file, taken);
                continue;
            }
            let mut before = None;
            if let Slot::Standing(standing) = slot {
                if let Some(text) = standing.text(&opener.settings) {
                    reading = reading.max(Reading::Some);
                    taking.take(file, text, opener);
                    continue;
                }
                if let Slot::Standing(standing) = std::mem::replace(slot, Slot::Parked) {
                    before = Some(standing.unwritten(&opener.settings));
                }
            }
            let tries = tries || before.is_some();
            let mut until = None;
            // Watched before it is read: what is written in between is told.
            let mut look = |open: &OwnedFd, opener: &mut Opener| {
                until = tries.then(|| opener.until(&self.path, file, open, before.take().flatten())).flatten();
            };
            let read = match slot {
                Slot::Missing | Slot::Gone | Slot::Standing(_) => continue,
                Slot::Open(open, _) => {
                    look(open, opener);
                    reread(&*open, buffer)
                }
                Slot::Parked => opener.open(&self.path, file).and_then(|open| {
                    look(&open, opener);
                    let read = reread(&open, buffer);
                    // There may be room again, since other tasks ended.
                    if opener.open < opener.budget && read.is_ok() {
                        *slot = opener.keep(open);
                    }
                    read
                }),
            };
            match read {
                Ok(count) => {
                    opener.read += 1;
                    reading = reading.max(Reading::Some);
                    let is_well_formed = taking.take(file, &buffer[..count], opener);
                    if let Some(sign) = file.sign.filter(|_| is_well_formed) {
                        self.rest.sees(sign, &buffer[..count], &opener.turns);
                    }
                    self.rest.read(number, file, is_well_formed.then_some(&taking.now), &opener.turns);
                    if let Some(until) = until.filter(|_| is_well_formed) {
                        opener.open -= usize::from(matches!(slot, Slot::Open(..)));
                        *slot = Slot::Standing(until.stands(&buffer[..count]));
                    }
                }
                Err(error) => {
                    file.columns().for_each(|column| taking.sums[column].spoil());
                    self.rest.read(number, file, None, &opener.turns);
                    match error {
                        Errno::NODEV | Errno::NOENT | Errno::NOTDIR => {
                            reading = Reading::Removed;
                            if let Slot::Open(..) = slot {
                                opener.open -= 1;
                            }
                            *slot = Slot::Gone;
                            self.retry = Some(Retry { ticks_left: 0, pause: 1 });
                        }
                        Errno::MFILE | Errno::NFILE => {
                            opener.say_short();
                            opener.starved = true;
                        }
                        error => opener.trouble(&self.path, file, error),
                    }
                }
            }
        }
        self.without_line = taking.without_line & !taking.taken;
        opener.taken = taking.now;
        if reading == Reading::Removed {
            self.forget_standing();
        }
        reading
    }

    /// The columns are others now.
    pub(crate) fn forget_columns(&mut self) {
        self.rest.forget_values();
    }

    /// The cgroup was removed: what its files said is not what those of another in its place say.
    fn forget_standing(&mut self) {
        self.rest.forget();
        for slot in self.slots.iter_mut().filter(|slot| matches!(slot, Slot::Standing(_))) {
            *slot = Slot::Gone;
        }
    }

    /// How many of its files are open.
    pub(crate) fn open_count(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Open(..))).count()
    }

    /// When its open files were opened.
    pub(crate) fn serials(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter_map(|slot| if let Slot::Open(_, serial) = slot { Some(*serial) } else { None })
    }

    /// Closes the files that were opened at or before `serial`: from now on each is opened for each reading.
    pub(crate) fn park(&mut self, serial: u64) {
        for slot in &mut self.slots {
            if matches!(slot, Slot::Open(_, opened) if *opened <= serial) {
                *slot = Slot::Parked;
            }
        }
    }
}

/// What is taken out of the files of one cgroup in one reading.
struct Taking<'a> {
    path: &'a str,
    /// The parts that were found, as bits.
    taken: u64,
    /// The parts whose line was missing in a file, as bits.
    without_line: u64,
    /// What came out of the file that was read last.
    now: Taken,
    sums: &'a mut [Sum],
}

impl Taking<'_> {
    /// Takes what a file says; whether it is well-formed.
    fn take(&mut self, file: &PlannedFile, bytes: &[u8], opener: &mut Opener) -> bool {
        let mut is_all_well_formed = true;
        self.now.clear();
        let words = words(file, bytes);
        for (number, (output, word)) in file.outputs.iter().zip(words).enumerate() {
            // A file that is read for one part may hold another one too, which a file before it gave already.
            if self.taken & (1 << output.part) != 0 {
                continue;
            }
            let (learned, mut next) = (opener.learned.len(), 0);
            let is_well_formed = output.read.read_behind(word, bytes, &mut |label, value| {
                self.now.parts |= 1 << output.part;
                match output.place_of(label, &mut next) {
                    Some(place) => self.now.values.push(Value { output: number, column: place.column, value }),
                    // What the kernel calls things is ASCII.
                    None => {
                        let label = str::from_utf8(label).ok();
                        opener.learned.extend(label.map(|label| (output.part, label.to_owned())));
                    }
                }
            });
            if is_well_formed && output.read.may_lack_its_line() {
                self.now.without_line |= 1 << output.part;
            }
            if !is_well_formed {
                is_all_well_formed = false;
                self.now.parts |= 1 << output.part;
                output.places.iter().for_each(|place| self.sums[place.column].spoil());
                opener.learned.truncate(learned);
                opener.malformed(self.path, file, bytes);
            }
        }
        self.now.add_to(self.sums, file);
        (self.taken, self.without_line) = (self.taken | self.now.parts, self.without_line | self.now.without_line);
        is_all_well_formed
    }

    /// Takes what a file said that rests.
    fn take_again(&mut self, file: &PlannedFile, taken: &Taken) {
        taken.add_to(self.sums, file);
        (self.taken, self.without_line) = (self.taken | taken.parts, self.without_line | taken.without_line);
    }
}

/// The word behind the key of each output, found in one pass over the lines.
fn words<'a>(file: &PlannedFile, bytes: &'a [u8]) -> [Option<&'a [u8]>; MOST_OUTPUTS] {
    let mut words = [None; MOST_OUTPUTS];
    let mut left = file.outputs.iter().filter(|output| output.read.key().is_some()).count();
    for line in lines(bytes) {
        if left == 0 {
            break;
        }
        for (output, word) in file.outputs.iter().zip(&mut words).filter(|(_, word)| word.is_none()) {
            *word = output.read.key().and_then(|key| word_of_line(line, key));
            left -= usize::from(word.is_some());
        }
    }
    words
}
