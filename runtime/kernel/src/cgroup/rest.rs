//! Files of a task that does nothing. What they say is changed by what its processes do, and that takes processor time: as long
//! as none passes they need not be read at each tick.
//!
//! A file rests once no processor time has passed for a while, and readings of it some time apart gave the same values. What was
//! under way already when the processes went to sleep, such as a wait for memory that goes on, shows in a second reading, and its
//! file keeps being read. What others do to a task in the meantime (pages of its cache age; a process is to run, and no CPU has
//! room for it) shows when it is done, or when the file is read the next time, which [`Turns`] says. Where it shows then, the file
//! does not rest again before the task has done something.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::cgroup::Version;
use crate::cgroup::plan::PlannedFile;
use crate::cgroup::taken::Taken;
use crate::cgroup::turns::Turns;

/// What shows that a cgroup does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Its processor time passes.
    ProcessorTime,
    /// The memory that is charged to it is more, or less.
    Memory,
}

impl Sign {
    /// The sign that a file is.
    pub(crate) fn of(version: Version, file: &str) -> Option<Self> {
        match (version, file) {
            (Version::V1, "cpuacct.usage") | (Version::V2, "cpu.stat") => Some(Self::ProcessorTime),
            (Version::V1, "memory.usage_in_bytes") | (Version::V2, "memory.current") => Some(Self::Memory),
            _ => None,
        }
    }
}

/// When a file may rest.
#[derive(Debug)]
pub(crate) struct Idle {
    /// Which signs say nothing new.
    signs: &'static [Sign],
    /// For how long.
    settles: Duration,
}

/// What is counted as it happens: a process that is born costs its parent processor time, and one that ends its own.
const WORK: Idle = Idle { signs: &[Sign::ProcessorTime], settles: Duration::from_secs(1) };

/// What is counted of memory. The kernel adds up the numbers of memory.stat where they have grown by much, and else every two
/// seconds, or somewhat later where a CPU sleeps (FLUSH_TIME of mm/memcontrol.c): what was done last may be missing until then.
const MEMORY: Idle = Idle { signs: &[Sign::ProcessorTime, Sign::Memory], settles: Duration::from_secs(5) };

impl Idle {
    /// When this file may rest; none where it says something new also of a task that does nothing. Pages may be moved to other
    /// nodes (memory.numa_stat), and on v2 what a task left to be written is counted when that is done (io.stat: "Writeback" of
    /// Documentation/admin-guide/cgroup-v2.rst).
    pub(crate) fn of(version: Version, file: &str) -> Option<&'static Self> {
        match (version, file) {
            (Version::V1, "memory.stat" | "memory.max_usage_in_bytes")
            | (Version::V2, "memory.stat" | "memory.peak" | "memory.swap.current") => Some(&MEMORY),
            (Version::V1, "blkio.throttle.io_service_bytes" | "blkio.throttle.io_serviced" | "pids.current")
            | (Version::V2, "cpu.pressure" | "io.pressure" | "memory.pressure" | "pids.current") => Some(&WORK),
            _ => None,
        }
    }
}

/// How far apart two readings must be to show what goes on: stalls count in units of the scheduler's clock, 10 ms at most
/// (kernel/sched/psi.c).
const SHOWS: Duration = Duration::from_millis(500);

/// How a file begins that has counted no processor time.
const NOTHING_YET: [&[u8]; 2] = [b"0\n", b"usage_usec 0\n"];

/// What was seen of a sign.
#[derive(Debug, Default)]
struct Seen {
    text: Vec<u8>,
    /// When it began to say that.
    since: Duration,
    /// Whether it is a sign, and was seen in this reading.
    counts: bool,
}

/// What one file of a cgroup gave when it was last read.
#[derive(Debug, Default)]
struct Last {
    taken: Taken,
    /// Since when it gives that; none where it could not be read or understood.
    since: Option<Duration>,
    /// In which turn it was read, where it rests since.
    rests_in: Option<u64>,
    /// It said something new in its turn, without any sign.
    is_restless: bool,
}

/// What one cgroup showed when it was last read.
#[derive(Debug)]
pub(crate) struct Rest {
    lot: u32,
    /// By [`Sign`].
    signs: [Seen; 2],
    /// By number of the file; those that never rest stay empty.
    files: Box<[Last]>,
}

impl Rest {
    /// Nothing is known yet of a cgroup with so many files.
    pub(crate) fn new(path: &str, files: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any part of a hash is one")]
        let lot = hasher.finish() as u32;
        Self { lot, signs: Default::default(), files: (0..files).map(|_| Last::default()).collect() }
    }

    /// Its files are others now, or of another cgroup.
    pub(crate) fn forget(&mut self) {
        self.signs = Default::default();
        self.forget_values();
    }

    /// Its values go into other columns.
    pub(crate) fn forget_values(&mut self) {
        self.files.iter_mut().for_each(|file| (file.since, file.rests_in) = (None, None));
    }

    /// It is read again: no sign has been seen yet.
    pub(crate) fn begin(&mut self) {
        self.signs.iter_mut().for_each(|sign| sign.counts = false);
    }

    /// What the file of a sign says now. Where it has counted no processor time yet, the processes of the task may be elsewhere in
    /// that hierarchy of v1, and it is none. Of two files for one sign the first is it.
    pub(crate) fn sees(&mut self, sign: Sign, text: &[u8], turns: &Turns) {
        let seen = &mut self.signs[sign as usize];
        if seen.counts {
            return;
        }
        if seen.text != text || seen.since > turns.now {
            seen.text.clear();
            seen.text.extend_from_slice(text);
            seen.since = turns.now;
        }
        seen.counts = sign != Sign::ProcessorTime || !NOTHING_YET.iter().any(|nothing| text.starts_with(nothing));
    }

    fn is_still(&self, idle: &Idle, turns: &Turns) -> bool {
        let is_still = |sign: &Seen| sign.counts && turns.since(sign.since) >= idle.settles;
        idle.signs.iter().all(|sign| is_still(&self.signs[*sign as usize]))
    }

    /// What the file of this number would give, where it need not be read.
    pub(crate) fn resting(&self, number: usize, file: &PlannedFile, turns: &Turns) -> Option<&Taken> {
        let last = &self.files[number];
        let rests = last.rests_in.is_some() && last.rests_in == turns.turn(self.lot);
        (rests && self.is_still(file.idle?, turns)).then_some(&last.taken)
    }

    /// What the file of this number gave now; nothing where it could not be read or understood.
    pub(crate) fn read(&mut self, number: usize, file: &PlannedFile, now: Option<&Taken>, turns: &Turns) {
        let Some(idle) = file.idle else { return };
        let is_still = self.is_still(idle, turns);
        let last = &mut self.files[number];
        let rested = last.rests_in.take().is_some();
        let Some(now) = now else {
            last.since = None;
            return;
        };
        let since = last.since.filter(|since| *since <= turns.now && last.taken.is(now));
        last.is_restless = is_still && (last.is_restless || rested && since.is_none());
        if since.is_none() {
            last.taken.take_over(now);
        }
        let since = *last.since.insert(since.unwrap_or(turns.now));
        if is_still && !last.is_restless && turns.since(since) >= SHOWS {
            last.rests_in = turns.turn(self.lot);
        }
    }
}
