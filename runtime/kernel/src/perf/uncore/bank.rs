//! The counters of one PMU on one socket.

use std::sync::Arc;

use rustix::io::Errno;

use crate::perf::event::Encoding;
use crate::perf::group::{Group, LARGEST, OpenError};
use crate::perf::layout::{Layout, Room};
use crate::perf::row::Scaling;
use crate::perf::scale::Interval;
use crate::perf::sys::Place;

/// Counters of a PMU that are read through one processor.
#[derive(Debug)]
pub(crate) struct Bank {
    /// The processor.
    pub cpu: u32,
    groups: Vec<Group>,
    /// What was counted of each event since the beginning; NaN where nothing ever was.
    totals: Box<[f64]>,
    /// Whether each event counted at the last reading, or at least did not wait in vain.
    is_current: Box<[bool]>,
    /// How much a count stood for at the last reading.
    pub scaling: Scaling,
}

/// What came of opening counters.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Events that cannot be counted, and what the kernel said.
    pub events: Vec<(usize, Errno)>,
    /// The process has run out of descriptors.
    pub is_starved: bool,
}

impl Bank {
    /// Opens counters of a PMU through a processor. `events` are all that there are, none where the PMU does not have one;
    /// `wanted` are positions of those that are to be counted together. It takes
    /// as many descriptors from `left`.
    pub(crate) fn open(
        cpu: u32,
        events: &[Option<Encoding>],
        wanted: &[Vec<usize>],
        left: &mut usize,
        totals: Option<Box<[f64]>>,
        lost: &mut Lost,
    ) -> Self {
        let all: Vec<Encoding> = events.iter().map(|event| event.unwrap_or_default()).collect();
        let place = Place { cgroup: None, cpu };
        let mut groups = Vec::new();
        for wanted in wanted {
            let here: Vec<usize> = wanted.iter().copied().filter(|event| events[*event].is_some()).collect();
            let encodings: Vec<Encoding> = here.iter().map(|event| all[*event]).collect();
            let room = Room { general: LARGEST, has_fixed: false };
            let probed = Layout::probe(&encodings, room, |group| {
                let events: Arc<[usize]> = group.iter().map(|at| here[*at]).collect();
                let room = left.checked_sub(events.len()).ok_or(OpenError { at: 0, error: Errno::MFILE })?;
                groups.push(Group::open(&events, &all, place, true)?);
                *left = room;
                Ok::<(), OpenError>(())
            });
            match probed {
                Ok(layout) => lost.events.extend(layout.lost.iter().map(|(at, error)| (here[*at], *error))),
                Err(_) => lost.is_starved = true,
            }
        }
        Self {
            cpu,
            groups,
            totals: totals.unwrap_or_else(|| vec![f64::NAN; events.len()].into()),
            is_current: vec![false; events.len()].into(),
            scaling: Scaling::default(),
        }
    }

    /// Whether an event is counted here.
    pub(crate) fn has(&self, event: usize) -> bool {
        self.groups.iter().any(|group| group.events().contains(&event))
    }

    /// Whether anything is.
    pub(crate) fn is_open(&self) -> bool {
        !self.groups.is_empty()
    }

    /// What was counted so far, to go on from.
    pub(crate) fn into_totals(self) -> Box<[f64]> {
        self.totals
    }

    /// Reads all counters. False where a group could not be read: it is closed.
    pub(crate) fn read(&mut self) -> bool {
        let Self { groups, totals, is_current, scaling, .. } = self;
        *scaling = Scaling::default();
        let before = groups.len();
        groups.retain_mut(|group| {
            let interval = group.read(|event, count| {
                let total = &mut totals[event];
                *total = if total.is_nan() { count } else { *total + count };
            });
            let is_known = !matches!(interval, Ok(Interval::Waiting | Interval::Unknown) | Err(_));
            group.events().iter().for_each(|event| is_current[*event] = is_known);
            if let Ok(Interval::Counted(factor)) = interval {
                scaling.add(factor, group.len());
            }
            interval.is_ok()
        });
        groups.len() == before
    }

    /// What was counted of an event since the beginning; NaN where nothing ever was, and where others had the counters all
    /// the time since the last reading.
    pub(crate) fn total(&self, event: usize) -> f64 {
        if self.is_current[event] { self.totals[event].round() } else { f64::NAN }
    }
}
