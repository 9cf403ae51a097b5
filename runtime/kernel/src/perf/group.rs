//! Events that are counted together: all of them or none at any moment, so that their ratios mean something.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::io::{Errno, read, retry_on_intr};

use crate::perf::event::Encoding;
use crate::perf::scale::{Interval, Times};
use crate::perf::sys::{Place, open, set_counting};

/// An open group on one processor.
#[derive(Debug)]
pub(crate) struct Group {
    leader: OwnedFd,
    /// Kept open: a counter that is closed leaves its group.
    members: Vec<OwnedFd>,
    /// Which events they are, the leader first.
    events: Arc<[usize]>,
    /// Whether the kernel counts by itself: then it always does, whatever its times say.
    is_software: bool,
    /// When it last counted, and what it said then.
    at: Instant,
    times: Times,
    counts: Vec<u64>,
    /// How long it was meant to count at the last reading, whether it did or not.
    seen: u64,
}

/// A counter of a group could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenError {
    /// The position of its event in the group.
    pub at: usize,
    /// What the kernel said.
    pub error: Errno,
}

impl Group {
    /// Opens counters for these `events` among `all`, the first as leader. It counts from now on where `is_on`.
    pub(crate) fn open(
        events: &Arc<[usize]>,
        all: &[Encoding],
        place: Place<'_>,
        is_on: bool,
    ) -> Result<Self, OpenError> {
        let failed = |at| move |error| OpenError { at, error };
        let first = events.first().and_then(|event| all.get(*event)).ok_or(OpenError { at: 0, error: Errno::INVAL })?;
        let leader = open(*first, place, None).map_err(failed(0))?;
        let mut members = Vec::with_capacity(events.len() - 1);
        for (at, event) in events.iter().enumerate().skip(1) {
            members.push(open(all[*event], place, Some(leader.as_fd())).map_err(failed(at))?);
        }
        let mut group = Self {
            leader,
            members,
            events: events.clone(),
            is_software: first.is_software(),
            at: Instant::now(),
            times: Times::default(),
            counts: vec![0; events.len()],
            seen: 0,
        };
        group.set_counting(is_on).map_err(failed(0))?;
        Ok(group)
    }

    /// Its events.
    pub(crate) fn events(&self) -> &[usize] {
        &self.events
    }

    /// Number of events, and of descriptors.
    pub(crate) fn len(&self) -> usize {
        1 + self.members.len()
    }

    /// Has it count from now on, or stand still.
    pub(crate) fn set_counting(&mut self, is_on: bool) -> Result<(), Errno> {
        set_counting(self.leader.as_fd(), is_on)?;
        // What the kernel makes of the time in which it stood still is seen at once, and left behind.
        if is_on { self.rebase() } else { Ok(()) }
    }

    /// Reads what was counted since the last reading; `counted` gets each event with its count, scaled to the time in which
    /// others had the counters.
    ///
    /// Time in which others had them all is not given up: it is part of the next interval in which this group counts.
    pub(crate) fn read(&mut self, mut counted: impl FnMut(usize, f64)) -> Result<Interval, Errno> {
        let mut record = Record::default();
        record.read(&self.leader)?;
        let (now, counts) = record.parse(self.events.len()).ok_or(Errno::BADMSG)?;
        let time = Instant::now();
        let interval = Interval::between(self.times, now, time.duration_since(self.at));
        let interval = settle(interval, self.is_software, now.enabled == self.seen);
        self.seen = now.enabled;
        match interval {
            // Counts may have gone on a little between the two numbers that the kernel wrote.
            Interval::Idle | Interval::Waiting => return Ok(interval),
            Interval::Counted(factor) => {
                for ((event, before), now) in self.events.iter().zip(&self.counts).zip(counts.clone()) {
                    if let Some(count) = now.checked_sub(*before) {
                        counted(*event, count as f64 * factor);
                    }
                }
            }
            Interval::Unknown => {}
        }
        self.at = time;
        self.times = now;
        self.counts.iter_mut().zip(counts).for_each(|(count, now)| *count = now);
        Ok(interval)
    }

    /// What it says now is what counts are taken from.
    fn rebase(&mut self) -> Result<(), Errno> {
        let mut record = Record::default();
        record.read(&self.leader)?;
        let (now, counts) = record.parse(self.events.len()).ok_or(Errno::BADMSG)?;
        self.at = Instant::now();
        self.seen = now.enabled;
        self.times = now;
        self.counts.iter_mut().zip(counts).for_each(|(count, now)| *count = now);
        Ok(())
    }
}

/// What an interval means for a group, where it may be the kernel's own and may not have been meant to count since the last
/// reading.
fn settle(interval: Interval, is_software: bool, is_resting: bool) -> Interval {
    match interval {
        Interval::Counted(_) | Interval::Unknown if is_software => Interval::Counted(1.0),
        // It waited before, and the task has not run since.
        Interval::Waiting if is_software || is_resting => Interval::Idle,
        interval => interval,
    }
}

/// Most events of a group. More do not fit any processor.
pub(crate) const LARGEST: usize = 32;

/// What the kernel writes for a group: number of events, time enabled, time running, and a count for each event, all of
/// 64 bits (perf_event_open(2), "Reading results", with PERF_FORMAT_GROUP).
struct Record {
    bytes: [u8; (3 + LARGEST) * 8],
    length: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self { bytes: [0; _], length: 0 }
    }
}

impl Record {
    fn read(&mut self, leader: &OwnedFd) -> Result<(), Errno> {
        self.length = retry_on_intr(|| read(leader, self.bytes.as_mut_slice()))?;
        Ok(())
    }

    /// Times and counts; none where there is not a count for each event. A group in error state reads as nothing.
    fn parse(&self, events: usize) -> Option<(Times, impl Iterator<Item = u64> + Clone)> {
        let (numbers, _) = self.bytes.get(..self.length)?.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let count = numbers.next()?;
        let times = Times { enabled: numbers.next()?, running: numbers.next()? };
        (count == events as u64 && numbers.len() == events).then_some((times, numbers))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use perf_event_open_sys::bindings::{PERF_COUNT_SW_DUMMY, PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
    use rstest::rstest;

    use super::*;

    fn record(numbers: &[u64]) -> Record {
        let mut record = Record::default();
        for (at, number) in numbers.iter().enumerate() {
            record.bytes[at * 8..at * 8 + 8].copy_from_slice(&number.to_ne_bytes());
        }
        record.length = numbers.len() * 8;
        record
    }

    #[test]
    fn a_record_has_times_and_a_count_for_each_event() {
        let record = record(&[2, 100, 50, 7, 8]);
        let (times, counts) = record.parse(2).unwrap();
        assert_eq!(times, Times { enabled: 100, running: 50 });
        assert_eq!(counts.collect::<Vec<_>>(), [7, 8]);
    }

    #[rstest]
    #[case::in_error_state(&[], 1)]
    #[case::short(&[1, 100], 1)]
    #[case::an_event_less(&[1, 100, 50, 7], 2)]
    #[case::a_count_less(&[2, 100, 50, 7], 2)]
    #[case::an_event_more(&[3, 100, 50, 7, 8, 9], 2)]
    fn other_records_are_not_understood(#[case] numbers: &[u64], #[case] events: usize) {
        assert!(record(numbers).parse(events).is_none());
    }

    #[rstest]
    #[case(Interval::Counted(3.0), Interval::Counted(3.0), Interval::Counted(1.0))]
    #[case(Interval::Unknown, Interval::Unknown, Interval::Counted(1.0))]
    #[case(Interval::Waiting, Interval::Waiting, Interval::Idle)]
    #[case(Interval::Idle, Interval::Idle, Interval::Idle)]
    fn the_kernels_own_events_always_count(
        #[case] interval: Interval,
        #[case] of_a_processor: Interval,
        #[case] of_the_kernel: Interval,
    ) {
        assert_eq!(settle(interval, false, false), of_a_processor);
        assert_eq!(settle(interval, true, false), of_the_kernel);
        assert_eq!(settle(Interval::Waiting, false, true), Interval::Idle);
    }

    /// Works wherever the kernel lets this user count: no counter of a processor is needed.
    #[test]
    fn what_a_processor_does_is_counted_in_a_group() {
        let encoding =
            |config: u32| Encoding { kind: PERF_TYPE_SOFTWARE, config: config.into(), ..Encoding::default() };
        let all = [encoding(PERF_COUNT_SW_DUMMY), encoding(PERF_COUNT_SW_PAGE_FAULTS)];
        let place = Place { cgroup: None, cpu: 0 };
        let mut group = match Group::open(&[1, 0].into(), &all, place, true) {
            Ok(group) => group,
            Err(OpenError { error: error @ (Errno::ACCESS | Errno::PERM | Errno::NOSYS), .. }) => {
                return crate::skipped::skipped(&format!("the kernel lets this user count nothing: {error}"));
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!((group.len(), group.events()), (2, [1, 0].as_slice()));
        let mut counts = [f64::NAN; 2];
        let interval = group.read(|event, count| counts[event] = count).unwrap();
        assert_eq!(interval, Interval::Counted(1.0));
        assert!(counts[1] >= 0.0 && counts[0] == 0.0, "{counts:?}");
        group.set_counting(false).unwrap();
        group.read(|_, _| {}).unwrap();
        assert_eq!(group.read(|_, _| panic!("it stands still")).unwrap(), Interval::Idle);
    }

    #[test]
    fn an_event_that_cannot_be_opened_is_named() {
        let all = [Encoding { kind: u32::MAX, ..Encoding::default() }];
        let place = Place { cgroup: None, cpu: 0 };
        let error = Group::open(&[0].into(), &all, place, true).unwrap_err();
        assert!(matches!(error, OpenError { at: 0, error: Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::NOSYS }));
        let file = File::open("/").unwrap();
        let place = Place { cgroup: Some(file.as_fd()), cpu: 0 };
        let all = [Encoding { kind: PERF_TYPE_SOFTWARE, ..Encoding::default() }];
        assert!(Group::open(&[0].into(), &all, place, true).is_err(), "it is no cgroup");
    }
}
